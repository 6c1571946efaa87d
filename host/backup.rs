//! Backups of a data directory, made while a server uses it, and their restoration.
//!
//! A backup is a folder with the database, which holds the rollout states, the components that these name, and a manifest. The
//! manifest is written last and names every file with its digest: a folder without it is no backup, and a file that is
//! missing or damaged is found before anything is restored. Compiled code is left out, because a server makes it again.
//!
//! The database is copied first. A server may then change a rollout and remove a component that the copy names, so the copy
//! is made anew if one is missing and its state has changed since.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::clock::Clock;
use crate::files::{self, Durability};
use crate::list::digest::hex;
use crate::rollout::{DAMAGED_FILE, LOGIC_DIRECTORY, RECORD_KIND, decode_state, file_name, has_state_files};
use crate::store::embedded::{self, DatabaseCopy, NewDirectory, ObservedRecord};
use crate::store::records::{Record, RecordError, RecordKind};

/// The file that describes a backup.
pub const MANIFEST: &str = "backup.json";

/// The form of the manifest that this program writes and reads.
const FORM: u32 = 1;

/// The database's file in a backup.
const DATABASE: &str = "hotlist.db";

/// The most bytes of a manifest.
const MAX_MANIFEST_BYTES: u64 = 64 << 20;

/// How often the data is copied anew because a rollout changed meanwhile and a component is gone.
const MAX_ATTEMPTS: usize = 10;

/// How many bytes are copied at once.
const CHUNK_BYTES: usize = 1 << 20;

/// A function that is called with the progress of the work: the bytes that are done, and all bytes of this step.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// The description of a backup.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of this description.
    form: u32,
    /// The version of the program that made the backup.
    pub program: String,
    /// When the backup was finished, in RFC 3339.
    pub made: String,
    /// The number of the last commit in the backup, which counts all commits of all lists.
    pub last_commit: u64,
    /// Every file of the backup, by its path in the folder.
    pub files: BTreeMap<String, FileRecord>,
}

/// One file of a backup.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FileRecord {
    /// Its length.
    pub bytes: u64,
    /// The SHA-256 of its content, as 64 hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    /// The length of all files.
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes).sum()
    }
}

/// Backs up a data directory into a folder that does not exist yet, or is empty. A server may use the directory
/// meanwhile. The backup is durable when this returns.
///
/// # Errors
///
/// When the folder is not empty, when the data cannot be read, and when the folder cannot be written. What was written
/// is left: without a manifest it is no backup.
pub fn back_up(data: &Path, backup: &Path, clock: &dyn Clock, progress: Progress<'_>) -> anyhow::Result<Manifest> {
    ensure!(data.is_dir(), "there is no data directory {}: name it with --data", data.display());
    make_empty(backup)?;
    let (copied, files) = copy_data(data, backup, progress)?;
    let made = i64::try_from(clock.now()).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let manifest = Manifest {
        form: FORM,
        program: env!("CARGO_PKG_VERSION").into(),
        made: made.unwrap_or(jiff::Timestamp::MAX).to_string(),
        last_commit: copied.last_commit,
        files,
    };
    let mut text = serde_json::to_vec_pretty(&manifest)?;
    text.push(b'\n');
    let path = backup.join(MANIFEST);
    files::replace(&path, &text, Durability::PowerLoss).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(manifest)
}

/// Restores a backup into a data directory that does not exist yet, or is empty. Every file is checked while it is
/// copied. The directory gets its database last: before that, no server takes it for a whole one.
///
/// # Errors
///
/// When the folder is no complete backup, when a file of it is damaged, and when the directory is in use, is not empty
/// or cannot be written. What was written is left.
pub fn restore(backup: &Path, data: &Path, progress: Progress<'_>) -> anyhow::Result<Manifest> {
    let manifest = read_manifest(backup)?;
    let directory = NewDirectory::create(data)?;
    let (mut done, all) = (0, manifest.bytes());
    let unfinished = directory.unfinished_database();
    for (path, wanted) in &manifest.files {
        ensure!(is_expected(path), "{} names the file {path:?}, which no backup has", backup.join(MANIFEST).display());
        let to = if path == DATABASE { unfinished.clone() } else { data.join(path) };
        let from = backup.join(path);
        let found = copy(&from, &to, &mut |bytes| progress(done + bytes, all))?;
        ensure!(found == *wanted, "{} is damaged: its content differs from when it was backed up", from.display());
        done += wanted.bytes;
    }
    directory.finish()?;
    Ok(manifest)
}

/// The manifest of a backup.
fn read_manifest(backup: &Path) -> anyhow::Result<Manifest> {
    let path = backup.join(MANIFEST);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("{} is no complete backup: it has no {MANIFEST}", backup.display())
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let manifest: Manifest = serde_json::from_reader(BufReader::new(file.take(MAX_MANIFEST_BYTES)))
        .with_context(|| format!("{} is damaged", path.display()))?;
    let Manifest { form, program, .. } = &manifest;
    ensure!(*form == FORM, "{} has form {form}, which Hotlist {program} wrote: restore it with that", path.display());
    ensure!(manifest.files.contains_key(DATABASE), "{} is damaged: it names no database", path.display());
    Ok(manifest)
}

/// Whether a path of a manifest is one that a backup has: it stays in the folder.
fn is_expected(path: &str) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    let is_plain = |part: &&str| !part.is_empty() && *part != "." && *part != "..";
    match parts[..] {
        [file] => file == DATABASE,
        [folder, ref rest @ ..] => folder == LOGIC_DIRECTORY && rest.len() == 2 && rest.iter().all(is_plain),
        [] => false,
    }
}

/// Makes a folder, or takes an empty one.
fn make_empty(folder: &Path) -> anyhow::Result<()> {
    files::create_private_directory(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let is_empty = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?.next().is_none();
    ensure!(is_empty, "{} is not empty: name a new folder for each backup", folder.display());
    Ok(())
}

/// Copies the database and the components that it names. Returns what the copy of the database holds, and all files.
fn copy_data(
    data: &Path,
    backup: &Path,
    progress: Progress<'_>,
) -> anyhow::Result<(DatabaseCopy, BTreeMap<String, FileRecord>)> {
    let kind = RecordKind::new(RECORD_KIND).expect("the kind is one");
    for _ in 0..MAX_ATTEMPTS {
        let (database, logics) = (backup.join(DATABASE), backup.join(LOGIC_DIRECTORY));
        if database.exists() {
            fs::remove_file(&database).with_context(|| format!("cannot remove {}", database.display()))?;
        }
        if logics.exists() {
            fs::remove_dir_all(&logics).with_context(|| format!("cannot remove {}", logics.display()))?;
        }
        let copied = embedded::copy_database(data, &database, &kind, progress)?;
        let mut files = BTreeMap::from([(DATABASE.to_owned(), record(&database)?)]);
        let mut is_complete = true;
        for name in logics_in(data)? {
            let state = copied.records.iter().find(|state| state.key.as_str() == name);
            is_complete &= copy_logic(data, backup, &name, state, &mut files)?;
        }
        // A component that is missing although the state names it was missing before.
        if is_complete || embedded::observe_records(data, &kind)? == copied.records {
            return Ok((copied, files));
        }
    }
    bail!("the versions of logics kept changing while they were copied; back up again")
}

/// The folders of the logics.
fn logics_in(data: &Path) -> anyhow::Result<Vec<String>> {
    let folder = data.join(LOGIC_DIRECTORY);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", folder.display())),
    };
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        names.extend(name.filter(|_| path.is_dir()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Copies the files of a logic: its notes, and the components that the state or the previous one names. If one of these
/// cannot be read, all components. Returns whether each component that is named is there.
fn copy_logic(
    data: &Path,
    backup: &Path,
    name: &str,
    state: Option<&ObservedRecord>,
    files: &mut BTreeMap<String, FileRecord>,
) -> anyhow::Result<bool> {
    let (from, to) = (data.join(LOGIC_DIRECTORY).join(name), backup.join(LOGIC_DIRECTORY).join(name));
    // A damaged state may have named components that no other state knows.
    let names_all = has_state_files(&from) || from.join(DAMAGED_FILE).exists();
    let named = if names_all { None } else { components(state) };
    let is_wanted = |file: &str| {
        let is_named = named.as_ref().is_none_or(|named| named.contains(file));
        !file.ends_with(".tmp") && (is_named || !file.ends_with(".wasm"))
    };
    let (copied, has_all) = copy_files(&from, &to, is_wanted)?;
    let is_copied = |file: &String| copied.iter().any(|(copied, _)| copied == file);
    let is_complete = has_all && named.iter().flatten().all(is_copied);
    files.extend(copied.into_iter().map(|(file, record)| (format!("{LOGIC_DIRECTORY}/{name}/{file}"), record)));
    Ok(is_complete)
}

/// The files of the components that a state and the one before it name, or `None` if one of them cannot be read. The
/// built-in components of a logic without a state are stored again by a server.
fn components(state: Option<&ObservedRecord>) -> Option<BTreeSet<String>> {
    let Some(ObservedRecord { present, previous, .. }) = state else { return Some(BTreeSet::new()) };
    let named = |record: &Record| {
        let state = decode_state(&record.value).ok()?;
        Some(state.versions.iter().map(|version| file_name(&version.digest)).collect::<Vec<_>>())
    };
    let readable = |record: &Result<Record, RecordError>| record.as_ref().ok().and_then(named);
    let previous = match previous {
        Ok(Some(previous)) => named(previous)?,
        Ok(None) => Vec::new(),
        Err(_) => return None,
    };
    Some(readable(present)?.into_iter().chain(previous).collect())
}

/// Copies files of a folder. Returns the copies, and whether no file was removed meanwhile.
fn copy_files(
    from: &Path,
    to: &Path,
    is_wanted: impl Fn(&str) -> bool,
) -> anyhow::Result<(Vec<(String, FileRecord)>, bool)> {
    let (mut copied, mut has_all) = (Vec::new(), true);
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry.with_context(|| format!("cannot read {}", from.display()))?;
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        if entry.file_type().is_ok_and(|kind| kind.is_file()) && is_wanted(&name) {
            match File::open(entry.path()) {
                Ok(source) => {
                    let record = copy_opened(source, &entry.path(), &to.join(&name), &mut |_| ())?;
                    copied.push((name, record));
                }
                // A server removes components that it does not need any more.
                Err(error) if error.kind() == io::ErrorKind::NotFound => has_all = false,
                Err(error) => return Err(error).with_context(|| format!("cannot read {}", entry.path().display())),
            }
        }
    }
    Ok((copied, has_all))
}

/// Copies a file to a new one, durably. Returns what was copied.
fn copy(from: &Path, to: &Path, progress: &mut dyn FnMut(u64)) -> anyhow::Result<FileRecord> {
    let source = File::open(from).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    copy_opened(source, from, to, progress)
}

/// Copies a file that was opened to a new one, durably. Returns what was copied.
fn copy_opened(mut source: File, from: &Path, to: &Path, progress: &mut dyn FnMut(u64)) -> anyhow::Result<FileRecord> {
    let what = || format!("cannot copy {} to {}", from.display(), to.display());
    let folder = to.parent().unwrap_or(Path::new("."));
    files::create_private_directory(folder).with_context(what)?;
    let mut target = files::private_file().create_new(true).open(to).with_context(what)?;
    let record = pass(&mut source, &mut target, progress).with_context(what)?;
    target.sync_all().with_context(what)?;
    sync_folders(folder).with_context(what)?;
    Ok(record)
}

/// Makes the entry of a file in its folder durable, and that of the folder in the one above.
fn sync_folders(folder: &Path) -> io::Result<()> {
    files::sync(folder)?;
    folder.parent().filter(|above| !above.as_os_str().is_empty()).map_or(Ok(()), files::sync)
}

/// What a file holds.
fn record(path: &Path) -> anyhow::Result<FileRecord> {
    let what = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(what)?;
    pass(&mut file, &mut io::sink(), &mut |_| ()).with_context(what)
}

/// Copies bytes, and counts and digests them.
fn pass(from: &mut dyn Read, to: &mut dyn Write, progress: &mut dyn FnMut(u64)) -> io::Result<FileRecord> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let (mut digest, mut bytes) = (Sha256::new(), 0);
    loop {
        let read = match from.read(&mut chunk) {
            Ok(0) => return Ok(FileRecord { bytes, sha256: hex(&digest.finalize()) }),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all(&chunk[..read])?;
        digest.update(&chunk[..read]);
        bytes += read as u64;
        progress(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_names_files_within_the_backup_only() {
        for path in ["hotlist.db", "logic/todo/standing.json", "logic/a/b.wasm"] {
            assert!(is_expected(path), "{path}");
        }
        for path in [
            "",
            "other.db",
            "/etc/passwd",
            "logic/../x",
            "logic/a/..",
            "logic/a/b/c",
            "logic/a",
            "logic//b",
            "../hotlist.db",
        ] {
            assert!(!is_expected(path), "{path}");
        }
    }
}

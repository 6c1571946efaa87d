//! The cache of compiled code, in which a damaged file never runs.
//!
//! wasmtime maps a cached file into memory and runs it as it is: a flipped bit may be another instruction. So each file
//! has a *seal*, the SHA-256 of its bytes, and a file that does not match its seal is removed before wasmtime looks for
//! it. wasmtime then compiles the component anew.
//!
//! A file that cannot be removed, such as one in a read-only directory, is left alone. wasmtime finds the file by the
//! component's bytes, so it gets bytes with another section and compiles the component in memory.
//!
//! wasmtime alone knows the name of a component's file, so a seal notes which file appeared when the component was
//! compiled. A file without a seal is removed at the start: the process was killed before it could seal the file, or
//! another program wrote it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use wasm_encoder::{ComponentSection, CustomSection};
use wasmtime::component::Component;
use wasmtime::{Cache, CacheConfig, Error};

use crate::files::{self, Durability};
use crate::list::digest::{Digest, hex, parse_digest};

/// The extension that the name of the directory gets for the file of the seals. The file is beside the directory, because
/// wasmtime removes files that it does not know from it.
const SEALS_EXTENSION: &str = "seals";

/// The directory in which wasmtime keeps compiled code, in the directory of compiled code.
const CODE_DIRECTORY: &str = "modules";

/// The most seals. Beyond it, the code of the component that was compiled first is removed.
const MAX_SEALS: usize = 4_096;

/// The most bytes of the file of the seals that are read. A seal has less than 300 bytes.
const MAX_SEALS_BYTES: u64 = 2 << 20;

/// The section that a component gets for wasmtime not to find its damaged code. It means nothing to a component.
const ANEW_SECTION: &str = "hotlist:compiled-anew";

/// The bytes of a file that are hashed at a time.
const CHUNK: usize = 64 << 10;

/// The cache of one data directory. The process that uses it holds the lock of the data directory.
pub(super) struct CompiledCode {
    cache: Cache,
    directory: PathBuf,
    /// Held while a component is compiled, so that a new file is that component's.
    seals: Mutex<Vec<Seal>>,
    /// The number of components whose damaged code could not be removed.
    compiled_anew: AtomicU64,
    /// Removes a file, which a test makes fail.
    remove: fn(&Path) -> io::Result<()>,
}

/// What is known of the compiled code of one component.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Seal {
    /// The SHA-256 of the component.
    component: Digest,
    /// The SHA-256 of the file.
    code: Digest,
    /// The file, relative to the directory of compiled code.
    file: String,
}

impl CompiledCode {
    /// Opens a directory of compiled code, which is an absolute path. Removes the files that have no seal. `None` if that
    /// is not possible, because a component can be compiled each time it is loaded.
    pub(super) fn open(directory: PathBuf) -> Option<Self> {
        let opened = Self::try_open(directory.clone());
        let warn = |error: &Error| {
            let directory = directory.display();
            tracing::warn!(%directory, error = format!("{error:#}"), "cannot use compiled code; every component is compiled at each start. Remove that directory");
        };
        opened.inspect_err(warn).ok()
    }

    fn try_open(directory: PathBuf) -> wasmtime::Result<Self> {
        let mut config = CacheConfig::new();
        config
            .with_directory(&directory)
            // A file that is compressed again has other bytes than those that were sealed.
            .with_optimized_compression_usage_counter_threshold(u64::MAX);
        let cache = Cache::new(config)?;
        let seals = Mutex::new(open_seals(&directory)?);
        Ok(Self { cache, directory, seals, compiled_anew: AtomicU64::new(0), remove })
    }

    /// The cache for wasmtime's configuration.
    pub(super) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Compiles a component, or has wasmtime take its code from the cache if the code is undamaged. `compile` gets the bytes
    /// that wasmtime is to compile.
    ///
    /// # Errors
    ///
    /// The compiler's error.
    pub(super) fn compile(
        &self,
        component: Digest,
        bytes: &[u8],
        compile: impl FnOnce(&[u8]) -> wasmtime::Result<Component>,
    ) -> wasmtime::Result<Component> {
        let mut seals = self.seals.lock();
        if let Err(error) = self.remove_damaged(&mut seals, &component) {
            tracing::warn!(%error, component = hex(&component), "damaged compiled code stays; its component is compiled in memory each time it is loaded");
            return self.compile_anew(&seals, bytes, compile);
        }
        let misses = self.cache.cache_misses();
        let compiled = compile(bytes);
        if self.cache.cache_misses() != misses
            && let Err(error) = self.seal_new(&mut seals, component)
        {
            tracing::warn!(%error, "cannot seal compiled code; the next start compiles its component again");
            self.remove_unsealed(&seals);
        }
        compiled
    }

    /// Compiles a component under another name than that of its damaged code, and keeps no file of it.
    fn compile_anew(
        &self,
        seals: &[Seal],
        bytes: &[u8],
        compile: impl FnOnce(&[u8]) -> wasmtime::Result<Component>,
    ) -> wasmtime::Result<Component> {
        // Each time another one, because an unsealed file of the last time may be there and damaged.
        let number = self.compiled_anew.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        let mut renamed = bytes.to_vec();
        CustomSection { name: ANEW_SECTION.into(), data: (&number).into() }.append_to_component(&mut renamed);
        let compiled = compile(&renamed);
        self.remove_unsealed(seals);
        compiled
    }

    /// Removes the files that have no seal, as far as possible. A file that stays is removed at the next start, or the next
    /// start uses no compiled code at all.
    fn remove_unsealed(&self, seals: &[Seal]) {
        for file in unsealed(&self.directory, seals).unwrap_or_default() {
            let _ = (self.remove)(&self.directory.join(file));
        }
    }

    /// Removes the code of a component if the code does not match its seal.
    fn remove_damaged(&self, seals: &mut Vec<Seal>, component: &Digest) -> io::Result<()> {
        let Some(at) = seals.iter().position(|seal| seal.component == *component) else { return Ok(()) };
        let path = self.directory.join(&seals[at].file);
        match hash_file(&path) {
            Ok(code) if code == seals[at].code => return Ok(()),
            // wasmtime removes what was unused for longest when the cache is too large.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Ok(_) | Err(_) => {
                tracing::warn!(
                    file = %path.display(),
                    component = hex(component),
                    "compiled code is damaged; its component is compiled again"
                );
                (self.remove)(&path)?;
            }
        }
        seals.remove(at);
        Ok(())
    }

    /// Seals the file that wasmtime wrote while it compiled a component.
    fn seal_new(&self, seals: &mut Vec<Seal>, component: Digest) -> io::Result<()> {
        let new = unsealed(&self.directory, seals)?;
        let before = seals.iter().position(|seal| seal.component == component).map(|at| seals.remove(at).file);
        let (file, replaced) = match (<[String; 1]>::try_from(new), before) {
            (Ok([file]), before) => (file, before),
            // wasmtime refused the file that was there, and wrote another one in its place.
            (Err(new), Some(before)) if new.is_empty() => (before, None),
            (Err(new), before) => {
                new.iter().chain(&before).try_for_each(|file| remove(&self.directory.join(file)))?;
                return Err(io::Error::other(format!("one new file was expected, and there are {}", new.len())));
            }
        };
        if let Some(replaced) = replaced {
            remove(&self.directory.join(replaced))?;
        }
        // wasmtime's files have the permissions that the mask of the process leaves.
        if let Err(error) = files::make_private(&self.directory) {
            tracing::debug!(%error, "cannot keep other users from opening compiled code");
        }
        let code = hash_file(&self.directory.join(&file))?;
        seals.push(Seal { component, code, file });
        if seals.len() > MAX_SEALS {
            remove(&self.directory.join(seals.remove(0).file))?;
        }
        files::replace(&seals_file(&self.directory), format(seals).as_bytes(), Durability::Crash)
    }
}

/// Reads the seals, and removes the files that have none.
fn open_seals(directory: &Path) -> io::Result<Vec<Seal>> {
    let seals = read_seals(directory);
    let unsealed = unsealed(directory, &seals)?;
    for file in &unsealed {
        remove(&directory.join(file))?;
    }
    if !unsealed.is_empty() {
        let files = unsealed.len();
        tracing::warn!(files, "removed compiled code without a seal; its components are compiled again");
    }
    Ok(seals)
}

fn seals_file(directory: &Path) -> PathBuf {
    directory.with_added_extension(SEALS_EXTENSION)
}

/// Reads the seals. If their file is damaged, there are none.
fn read_seals(directory: &Path) -> Vec<Seal> {
    let path = seals_file(directory);
    let mut text = String::new();
    let read = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        file => file.and_then(|file| file.take(MAX_SEALS_BYTES).read_to_string(&mut text)),
    };
    let seals = read.ok().and_then(|_| parse(&text));
    if seals.is_none() {
        tracing::warn!(file = %path.display(), "the seals of compiled code are damaged");
    }
    seals.unwrap_or_default()
}

/// Writes seals as text: the SHA-256 of all other lines, then a line for each seal.
fn format(seals: &[Seal]) -> String {
    let line = |seal: &Seal| format!("{} {} {}\n", hex(&seal.component), hex(&seal.code), seal.file);
    let lines: String = seals.iter().map(line).collect();
    format!("{}\n{lines}", hex(&Sha256::digest(&lines)))
}

/// Reads what [`format`] writes. `None` if it was damaged.
fn parse(text: &str) -> Option<Vec<Seal>> {
    let (digits, lines) = text.split_once('\n')?;
    if parse_digest(digits)? != *Sha256::digest(lines) {
        return None;
    }
    let seal = |line: &str| {
        let (component, rest) = line.split_once(' ')?;
        let (code, file) = rest.split_once(' ')?;
        Some(Seal { component: parse_digest(component)?, code: parse_digest(code)?, file: file.into() })
    };
    lines.lines().map(seal).collect()
}

/// The files of compiled code that have no seal, relative to the directory.
fn unsealed(directory: &Path, seals: &[Seal]) -> io::Result<Vec<String>> {
    let sealed: HashSet<&str> = seals.iter().map(|seal| seal.file.as_str()).collect();
    let mut found = Vec::new();
    for compiler in entries(&directory.join(CODE_DIRECTORY))?.iter().filter(|compiler| compiler.is_dir()) {
        // The names of statistics and of unfinished files have a dot. wasmtime takes no code from these.
        for path in entries(compiler)?.iter().filter(|path| path.extension().is_none() && !path.is_dir()) {
            let file = path.strip_prefix(directory).unwrap_or(path).to_string_lossy().into_owned();
            if !sealed.contains(file.as_str()) {
                found.push(file);
            }
        }
    }
    Ok(found)
}

/// The paths in a directory. None if it is not there.
fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(io::Error::new(error.kind(), format!("cannot remove {}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

fn hash_file(path: &Path) -> io::Result<Digest> {
    let (mut file, mut hash, mut chunk) = (File::open(path)?, Sha256::new(), vec![0; CHUNK]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hash.finalize().into()),
            read => hash.update(&chunk[..read]),
        }
    }
}

#[cfg(test)]
mod tests;

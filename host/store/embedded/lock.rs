//! The lock of the data directory, and the durability of its entries.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::path::Path;
use std::thread;

use super::last_commit;
use super::schema;
use crate::files;
use crate::store::error::StoreError;

/// The file that is locked. SQLite's own locks let a second process in.
pub(super) const LOCK_FILE: &str = "lock";

/// What the names of the other files and directories of Hotlist in a data directory begin with.
const OTHER_NAMES: [&str; 2] = ["logic", "compiled"];

/// The directory that a new file system has.
const LOST_AND_FOUND: &str = "lost+found";

/// How often the lock is tried at most.
const ATTEMPTS: u32 = 100;

/// The lock of a data directory. The operating system releases it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Creates the directory if it is missing, and locks it for this process. Takes the permissions of other users from a
    /// directory that is there, and from Hotlist's files in it.
    ///
    /// # Errors
    ///
    /// Another process has locked the directory, or it holds files and no data of Hotlist.
    pub(super) fn acquire(dir: &Path) -> Result<Self, StoreError> {
        let failed = |why: io::Error| StoreError::Failed {
            what: format!("open the data directory {}", dir.display()),
            why: why.to_string(),
        };
        files::create_private_directory(dir).and_then(|()| refuse_foreign(dir)).map_err(failed)?;
        let mut file =
            files::private_file().read(true).create(true).truncate(false).open(dir.join(LOCK_FILE)).map_err(failed)?;
        match try_lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked { path: dir.display().to_string(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        make_private(dir);
        file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

impl DirectoryLock {
    /// Whether a process holds the lock. Writes nothing. A lock that cannot be looked at counts as one that is held.
    pub(super) fn is_held(dir: &Path) -> bool {
        match File::open(dir.join(LOCK_FILE)) {
            // The shared lock ends with the file, here.
            Ok(file) => file.try_lock_shared().is_err(),
            Err(error) => error.kind() != ErrorKind::NotFound,
        }
    }
}

/// Whether a name is that of the lock, of the database or of the file with the last commit. These are there before others.
fn is_store(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name == LOCK_FILE || [schema::FILE, last_commit::FILE].iter().any(|file| name.starts_with(file))
}

fn is_own(name: &OsStr) -> bool {
    is_store(name) || OTHER_NAMES.iter().any(|own| name.to_string_lossy().starts_with(own))
}

/// Refuses a directory of something else, such as a home directory, whose permissions are not Hotlist's to change.
fn refuse_foreign(dir: &Path) -> io::Result<()> {
    let mut foreign = None;
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        if is_store(&name) {
            return Ok(());
        }
        if !is_own(&name) && name != LOST_AND_FOUND {
            foreign = Some(name);
        }
    }
    match foreign {
        None => Ok(()),
        Some(name) => {
            let name = name.to_string_lossy();
            Err(io::Error::other(format!(
                "it holds {name} and no data of Hotlist; name an empty directory or a new one"
            )))
        }
    }
}

/// Takes the permissions of other users from the directory. One that this process may not change is used as it is: its
/// owner decided who reads it, such as an orchestrator that shares a volume with a group.
fn make_private(dir: &Path) {
    let directory = dir.display();
    // The directory, and not a link to it.
    match dir.canonicalize().and_then(|dir| files::make_private(&dir, is_own)) {
        Ok(false) => {}
        Ok(true) => tracing::warn!(%directory, "other users could open the data directory; now they cannot"),
        Err(error) => tracing::warn!(%directory, %error, "cannot keep other users from opening the data directory"),
    }
}

/// Takes the lock. Tries again while a process only looks at it, as [`DirectoryLock::is_held`] does.
fn try_lock(file: &File) -> Result<(), TryLockError> {
    for _ in 1..ATTEMPTS {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if file.try_lock_shared().is_ok() => {
                file.unlock().map_err(TryLockError::Error)?
            }
            outcome => return outcome,
        }
        thread::yield_now();
    }
    file.try_lock()
}

/// The process that holds the lock, as it wrote into the file. The text is for people only: the lock decides.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(20).read_to_string(&mut text));
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(pid)) => format!("process {pid}"),
        _ => "process unknown".into(),
    }
}

/// Makes the entries of the directory, and its own entry in its parent, durable.
pub(super) fn sync_directory(dir: &Path) -> Result<(), StoreError> {
    let parent = dir.canonicalize().ok().and_then(|dir| dir.parent().map(Path::to_path_buf));
    files::sync(dir).and_then(|()| parent.map_or(Ok(()), |parent| files::sync(&parent))).map_err(|why| {
        StoreError::Failed { what: format!("make the data directory {} durable", dir.display()), why: why.to_string() }
    })
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_directory_of_something_else_is_refused_and_keeps_its_permissions() {
        let home = tempfile::tempdir().expect("a directory");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        fs::set_permissions(home.path(), Permissions::from_mode(0o755)).expect("widened");
        fs::write(home.path().join("letter"), "x").expect("written");
        fs::set_permissions(home.path().join("letter"), Permissions::from_mode(0o644)).expect("widened");
        let error = DirectoryLock::acquire(home.path()).expect_err("it is not Hotlist's").to_string();
        assert!(error.contains("it holds letter and no data of Hotlist"), "{error}");
        assert_eq!((mode(home.path()), home.path().join(LOCK_FILE).exists()), (0o755, false));

        // A directory with data is Hotlist's, also under a link. The file of another is left alone.
        let link = home.path().join("link");
        symlink(home.path(), &link).expect("linked");
        fs::write(home.path().join(schema::FILE), "").expect("written");
        DirectoryLock::acquire(&link).expect("it is locked");
        assert_eq!((mode(home.path()), mode(&home.path().join("letter"))), (0o700, 0o644));
        assert_eq!(mode(&home.path().join(schema::FILE)), 0o600);
    }
}

//! The lock of the data directory, and the durability of its entries.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::Path;
use std::thread;

use crate::files;
use crate::store::error::StoreError;

/// The file that is locked. SQLite's own locks let a second process in.
pub(super) const LOCK_FILE: &str = "lock";

/// How often the lock is tried at most.
const ATTEMPTS: u32 = 100;

/// The lock of a data directory. The operating system releases it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Creates the directory if it is missing, and locks it for this process. Takes the permissions of other users from a
    /// directory that is there.
    pub(super) fn acquire(dir: &Path) -> Result<Self, StoreError> {
        let failed = |why: std::io::Error| StoreError::Failed {
            what: format!("open the data directory {}", dir.display()),
            why: why.to_string(),
        };
        files::create_private_directory(dir).map_err(failed)?;
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

/// Takes the permissions of other users from the directory. One that this process may not change is used as it is: its
/// owner decided who reads it, such as an orchestrator that shares a volume with a group.
fn make_private(dir: &Path) {
    let directory = dir.display();
    match files::make_private(dir) {
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

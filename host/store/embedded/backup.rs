//! Copies of the database: one of a directory that a server may be using, and one into a new directory.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::lock::{self, DirectoryLock, LOCK_FILE};
use super::observed::{self, ObservedRecord};
use super::{observer, schema};
use crate::files;
use crate::store::error::StoreError;
use crate::store::records::RecordKind;

/// The page cache of the source, in bytes. Each page is read once.
const CACHE_BYTES: u64 = 1 << 20;

/// How many pages are copied between two reports of progress.
const PAGES_PER_STEP: i32 = 1_024;

/// What a copy of the database holds.
#[derive(Clone, PartialEq, Debug)]
pub struct DatabaseCopy {
    /// The number of the last commit, which counts all commits of all lists since the directory was made.
    pub last_commit: u64,
    /// The number of lists that exist and are compacted. Lists whose commits are all in the log are not counted.
    pub compacted_lists: u64,
    /// The records of a kind in the copy.
    pub records: Vec<ObservedRecord>,
}

/// Copies the database of a directory into a file that does not exist yet. The copy is of one moment, and durable when
/// this returns. `kind` names the records that the caller looks at. `progress` is called with the copied and the total
/// number of bytes.
///
/// A server that uses the directory goes on meanwhile. Until the copy is done, SQLite cannot reuse its write-ahead log
/// from the beginning, so that file grows by what is written.
///
/// # Errors
///
/// [`StoreError::Incomplete`] when acknowledged changes are missing, [`StoreError::Format`] when another version of the
/// program wrote the data, and [`StoreError::Failed`].
pub fn copy_database(
    dir: &Path,
    to: &Path,
    kind: &RecordKind,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<DatabaseCopy, StoreError> {
    let what = format!("copy the database of {} to {}", dir.display(), to.display());
    let source = observer::open(dir, CACHE_BYTES)?;
    files::create_private_file(to)
        .map_err(|error| StoreError::Failed { what: what.clone(), why: error.to_string() })?;
    let mut copy = || -> rusqlite::Result<DatabaseCopy> {
        // The transaction fixes the moment. Without it, each commit of the server would begin the copy anew.
        source.execute_batch("BEGIN")?;
        let copied = DatabaseCopy {
            last_commit: source.query_row(schema::LAST_COMMIT, [], |row| row.get(0))?,
            compacted_lists: source.query_row("SELECT count(*) FROM lists", [], |row| row.get(0))?,
            records: Vec::new(),
        };
        let page_bytes: u64 = source.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let mut target = Connection::open(to)?;
        target.pragma_update(None, "synchronous", "full")?;
        copy_pages(&source, &mut target, &mut |done, total| progress(done * page_bytes, total * page_bytes))?;
        target.close().map_err(|(_, error)| error)?;
        Ok(copied)
    };
    let mut copied = copy().map_err(schema::failed(&what))?;
    // In the transaction that fixed the moment.
    copied.records = observed::observe(&source, kind)?;
    Ok(copied)
}

fn copy_pages(
    source: &Connection,
    target: &mut Connection,
    progress: &mut dyn FnMut(u64, u64),
) -> rusqlite::Result<()> {
    let backup = Backup::new(source, target)?;
    loop {
        let step = backup.step(PAGES_PER_STEP)?;
        let pages = backup.progress();
        let count = |pages: i32| u64::try_from(pages).unwrap_or(0);
        progress(count(pages.pagecount - pages.remaining), count(pages.pagecount));
        match step {
            StepResult::More => {}
            StepResult::Done => return Ok(()),
            // The step has waited for the lock as long as every statement of the connection does.
            _ => {
                let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
                return Err(rusqlite::Error::SqliteFailure(busy, Some("another program locks the database".into())));
            }
        }
    }
}

/// A directory that gets its database from a copy. No server can use it meanwhile.
#[derive(Debug)]
pub struct NewDirectory {
    dir: PathBuf,
    _lock: DirectoryLock,
}

impl NewDirectory {
    /// Creates the directory, or takes one that is empty, and locks it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] when another process uses it, and [`StoreError::Failed`], also when it is not empty.
    pub fn create(dir: &Path) -> Result<Self, StoreError> {
        let what = format!("make the data directory {}", dir.display());
        let failed = |why: String| StoreError::Failed { what: what.clone(), why };
        let lock = DirectoryLock::acquire(dir)?;
        for entry in fs::read_dir(dir).map_err(|error| failed(error.to_string()))? {
            let name = entry.map_err(|error| failed(error.to_string()))?.file_name();
            if name != LOCK_FILE {
                return Err(failed(format!("it is not empty: it holds {}", name.display())));
            }
        }
        Ok(Self { dir: dir.to_path_buf(), _lock: lock })
    }

    /// The file to write the database into, before [`NewDirectory::finish`] gives it its name.
    pub fn unfinished_database(&self) -> PathBuf {
        self.dir.join(format!("{}.restoring", schema::FILE))
    }

    /// Gives the database its name, and makes the directory durable. Everything else in it must be durable before.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`].
    pub fn finish(self) -> Result<(), StoreError> {
        let (from, to) = (self.unfinished_database(), self.dir.join(schema::FILE));
        fs::rename(&from, &to).map_err(|error| StoreError::Failed {
            what: format!("rename {} to {}", from.display(), to.display()),
            why: error.to_string(),
        })?;
        lock::sync_directory(&self.dir)
    }
}

//! Checkpoints, which bound SQLite's write-ahead log.
//!
//! A thread of its own copies the write-ahead log into the database while commits go on. Under load it never reaches the
//! end, and SQLite reuses the file from its beginning only when the end was reached. Left alone, the file grew to
//! gigabytes. So past a limit the writer copies the rest itself, between two batches.

use std::fs::OpenOptions;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::lifecycle::{self, Lifecycle};
use super::schema;
use crate::files;
use crate::simulation;
use crate::store::error::StoreError;

/// The thread copies when more than this many frames, of a page each, are not copied yet.
const COPY_FRAMES: i64 = 3_000;

/// The writer copies the rest when the file has more than this many frames.
const MAX_FRAMES: i64 = 12_000;

/// The first report that the file is not reused comes when it has more than this many frames. The next one comes when it
/// has twice as many.
const REPORTED_FRAMES: i64 = 4 * MAX_FRAMES;

/// The size of a frame in bytes.
const FRAME_BYTES: i64 = 4_096 + 24;

/// The size to which SQLite cuts the file when it reuses a longer one.
const KEPT_BYTES: i64 = 2 * MAX_FRAMES * FRAME_BYTES;

/// The longest time that a start or a stop waits for readers of other programs.
const READERS_TIMEOUT: Duration = Duration::from_secs(1);

/// The bytes of the file that are rewritten at once.
const REWRITTEN_BYTES: usize = 1 << 20;

/// The handle of the checkpoint thread, for the writer.
pub(super) struct Checkpointer {
    wake: SyncSender<()>,
    thread: JoinHandle<()>,
    growth: Growth,
}

/// The reports that the file grows because another program reads.
struct Growth {
    /// The number of frames past which the next report is due.
    reported_past: i64,
}

/// SQLite's figures about its write-ahead log.
struct Frames {
    /// Whether other connections kept the checkpoint from doing all its work.
    is_busy: bool,
    total: i64,
    copied: i64,
}

impl Checkpointer {
    /// Starts the thread. A checkpoint that fails poisons the store like a failed durable write.
    pub(super) fn start(db: Connection, lifecycle: &Arc<Lifecycle>) -> Result<Self, StoreError> {
        // One message in the channel has the effect of many.
        let (wake, wakes) = sync_channel(1);
        let shared = lifecycle.clone();
        let thread = lifecycle::spawn("store-checkpoint", lifecycle, move || copy_on_demand(&db, &wakes, &shared))?;
        Ok(Self { wake, thread, growth: Growth::default() })
    }

    /// Bounds the write-ahead log after a durable write. `checks_pages` says whether the store itself reads all pages.
    pub(super) fn after_write(&mut self, db: &Connection, checks_pages: bool, lifecycle: &Lifecycle) {
        match checkpoint_if_due(db, &self.wake) {
            Ok(frames) => {
                self.growth.note(frames.total, checks_pages);
                if frames.copied == frames.total {
                    lifecycle.log_was_copied();
                }
            }
            Err(error) => {
                failed(&error, lifecycle);
            }
        }
    }

    /// Ends the thread.
    pub(super) fn stop(self) {
        drop(self.wake);
        // A panic on the thread has poisoned the store.
        let _ = self.thread.join();
    }
}

impl Default for Growth {
    fn default() -> Self {
        Self { reported_past: REPORTED_FRAMES }
    }
}

impl Growth {
    /// Records the number of frames in the file. Returns whether it was reported.
    fn note(&mut self, frames: i64, checks_pages: bool) -> bool {
        let size = || format!("{} MB", frames * FRAME_BYTES / 1_000_000);
        if frames > self.reported_past {
            self.reported_past = self.reported_past.saturating_mul(2);
            if checks_pages {
                tracing::warn!(
                    size = size(),
                    "the write-ahead log grows while the server checks all pages of the database"
                );
                return true;
            }
            tracing::warn!(
                size = size(),
                "the write-ahead log grows, because another program reads the database all the time; end that program, \
                 such as a SQLite shell in a transaction, a backup or `hotlist plugin diff`"
            );
            return true;
        }
        if self.reported_past > REPORTED_FRAMES && frames <= MAX_FRAMES {
            self.reported_past = REPORTED_FRAMES;
            tracing::info!(size = size(), "the write-ahead log is reused from its beginning again");
            return true;
        }
        false
    }
}

/// Makes everything in the write-ahead log durable in the database, and begins the log anew, before the first commit. The
/// log was [written once more](write_again) before.
pub(super) fn begin_anew(db: &Connection, log: &Path) -> Result<(), StoreError> {
    let failed = schema::failed("copy the write-ahead log into the database");
    let emptied = match truncate(db) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => false,
        outcome => outcome.map_err(&failed)?,
    };
    if !emptied {
        tracing::warn!(
            "the write-ahead log cannot be emptied, because another program reads the database or the disk is full"
        );
    }
    files::sync(log).map_err(|error| file_failed("synchronize", log, &error))?;
    simulation::synced(log);
    db.pragma_update(None, "journal_size_limit", KEPT_BYTES).map_err(&failed)?;
    schema::checkpoint_on_close(db, true).map_err(&failed)
}

/// Writes the write-ahead log once more in its place, durably, unless it is empty. A start does so before its first
/// transaction.
///
/// After a failed synchronization the kernel counts pages as written that are not on the disk. A process that starts then
/// reads them from memory. At a power failure, a transaction behind them is lost with them. Two transactions behind them
/// look like a damaged log at the next start, which is refused. A page that was copied into the database is worse: a
/// database with a part of a transaction that the log then lacks is damaged.
pub(super) fn write_again(db: &Connection, log: &Path) -> Result<(), StoreError> {
    let bytes = match log.metadata() {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(file_failed("read", log, &error)),
    };
    if bytes == 0 {
        return Ok(());
    }
    let failed = schema::failed("lock the database");
    // The transaction keeps other programs from changing the file.
    let transaction = Transaction::new_unchecked(db, TransactionBehavior::Immediate).map_err(&failed)?;
    rewrite(log).map_err(|error| file_failed("write", log, &error))?;
    simulation::synced(log);
    transaction.rollback().map_err(&failed)
}

/// Writes the bytes of a file into their places, durably.
fn rewrite(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut bytes = vec![0; REWRITTEN_BYTES];
    loop {
        let at = file.stream_position()?;
        let count = file.read(&mut bytes)?;
        if count == 0 {
            return file.sync_all();
        }
        file.seek(io::SeekFrom::Start(at))?;
        file.write_all(&bytes[..count])?;
    }
}

fn file_failed(action: &str, path: &Path, error: &io::Error) -> StoreError {
    StoreError::Failed { what: format!("{action} {}", path.display()), why: error.to_string() }
}

/// Empties the write-ahead log at the end, if no other program reads it.
pub(super) fn empty(db: &Connection) {
    match truncate(db) {
        Ok(true) => {}
        Ok(false) => tracing::warn!(
            "another program reads the database, so the write-ahead log could not be emptied; the next start empties it"
        ),
        Err(error) => tracing::warn!(%error, "the write-ahead log could not be emptied; the next start empties it"),
    }
}

/// Copies the write-ahead log into the database after files were lost, so that the database has what it can have. Leaves
/// the file at the path of the log alone, which may be another one.
pub(super) fn rescue(db: &Connection) {
    let rescued = schema::checkpoint_on_close(db, false).and_then(|()| checkpoint(db, "passive"));
    match rescued {
        Ok(frames) if frames.copied == frames.total => {
            tracing::warn!("the last changes were copied into the database file that this server opened");
        }
        Ok(_) => tracing::error!("some of the last changes could not be copied, because another program reads"),
        Err(error) => tracing::error!(%error, "the last changes could not be copied into the database"),
    }
}

/// Copies the whole write-ahead log and empties the file. Returns false if other connections prevented it.
fn truncate(db: &Connection) -> rusqlite::Result<bool> {
    db.busy_timeout(READERS_TIMEOUT)?;
    let frames = checkpoint(db, "truncate");
    db.busy_timeout(schema::BUSY_TIMEOUT)?;
    Ok(!frames?.is_busy)
}

fn checkpoint_if_due(db: &Connection, wake: &SyncSender<()>) -> rusqlite::Result<Frames> {
    let frames = checkpoint(db, "noop")?;
    if frames.total > MAX_FRAMES {
        let after = checkpoint(db, "passive")?;
        tracing::debug!(frames = after.total, copied = after.copied, "the writer copied the write-ahead log");
    } else if frames.total - frames.copied > COPY_FRAMES {
        // A full channel means that the thread is about to look anyway.
        let _ = wake.try_send(());
    }
    Ok(frames)
}

fn copy_on_demand(db: &Connection, wakes: &Receiver<()>, lifecycle: &Lifecycle) {
    while wakes.recv().is_ok() {
        copy(db, lifecycle);
    }
}

/// Copies what the write-ahead log has into the database.
pub(super) fn copy(db: &Connection, lifecycle: &Lifecycle) {
    match checkpoint(db, "passive") {
        Ok(_) => lifecycle.log_was_copied(),
        Err(error) => {
            failed(&error, lifecycle);
        }
    }
}

/// Poisons the store after a checkpoint that failed. A full disk does not: everything is in the write-ahead log, and a later
/// checkpoint copies it. Returns whether the failure was logged, which a full disk is once until a checkpoint succeeds.
fn failed(error: &rusqlite::Error, lifecycle: &Lifecycle) -> bool {
    if error.sqlite_error_code() != Some(ErrorCode::DiskFull) {
        lifecycle.write_failed("a checkpoint", error);
        return true;
    }
    let is_new = lifecycle.log_was_not_copied();
    if is_new {
        tracing::warn!(%error, "the write-ahead log was not copied, because the disk is full; it grows until there is room");
    }
    is_new
}

fn checkpoint(db: &Connection, mode: &str) -> rusqlite::Result<Frames> {
    let mut pragma = db.prepare_cached(match mode {
        "noop" => "PRAGMA wal_checkpoint(noop)",
        "passive" => "PRAGMA wal_checkpoint(passive)",
        _ => "PRAGMA wal_checkpoint(truncate)",
    })?;
    pragma.query_row([], |row| Ok(Frames { is_busy: row.get(0)?, total: row.get(1)?, copied: row.get(2)? }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::embedded::schema;
    use crate::store::health::Health;

    /// A database whose write-ahead log is empty, and whose writes are not synchronized with the disk.
    fn database() -> (tempfile::TempDir, Connection) {
        let dir = tempfile::tempdir().unwrap();
        let db = schema::open_writer(dir.path(), 1 << 20, None).unwrap();
        db.pragma_update(None, "synchronous", "off").unwrap();
        db.execute_batch("CREATE TABLE filler (bytes BLOB)").unwrap();
        truncate(&db).unwrap();
        (dir, db)
    }

    /// Adds about that many pages to the write-ahead log, and returns the figures about it.
    fn write_pages(db: &Connection, pages: i64) -> Frames {
        db.execute("INSERT INTO filler VALUES (zeroblob(?1))", [pages * 4_096]).unwrap();
        checkpoint(db, "noop").unwrap()
    }

    #[test]
    fn the_thread_is_woken_when_enough_is_to_be_copied_and_not_before() {
        let (_dir, db) = database();
        let (wake, wakes) = sync_channel(1);
        for pages in [COPY_FRAMES - 100, 90, 20] {
            let frames = write_pages(&db, pages);
            checkpoint_if_due(&db, &wake).unwrap();
            assert_eq!(wakes.try_recv().is_ok(), frames.total - frames.copied > COPY_FRAMES, "{}", frames.total);
        }
        let frames = checkpoint(&db, "noop").unwrap();
        assert!(frames.total > COPY_FRAMES && frames.total <= COPY_FRAMES + 100, "{}", frames.total);
        // What is copied already does not count.
        checkpoint(&db, "passive").unwrap();
        checkpoint_if_due(&db, &wake).unwrap();
        assert!(wakes.try_recv().is_err());
    }

    #[test]
    fn the_writer_copies_everything_when_the_file_is_long_and_not_before() {
        let (_dir, db) = database();
        let (wake, _wakes) = sync_channel(1);
        for (pages, is_copied) in [(MAX_FRAMES - 100, false), (120, true)] {
            assert_eq!(write_pages(&db, pages).total > MAX_FRAMES, is_copied);
            checkpoint_if_due(&db, &wake).unwrap();
            let after = checkpoint(&db, "noop").unwrap();
            assert_eq!((after.copied > 0, after.copied == after.total), (is_copied, is_copied));
        }
        // SQLite reuses the file from its beginning.
        assert!(write_pages(&db, 10).total < 100);
    }

    #[test]
    fn a_log_that_grows_is_reported_each_time_it_has_doubled_and_when_it_is_reused() {
        let mut growth = Growth::default();
        let reported: Vec<_> =
            (0..10 * REPORTED_FRAMES).step_by(1_000).filter(|frames| growth.note(*frames, false)).collect();
        let past = [1, 2, 4, 8].map(|times| times * REPORTED_FRAMES + 1_000);
        assert_eq!(reported, past);
        assert!(growth.note(100, false) && !growth.note(100, false));
        assert!(growth.note(REPORTED_FRAMES + 1, true));
    }

    #[test]
    fn a_wake_up_copies_what_there_is() {
        let (dir, db) = database();
        write_pages(&db, 100);
        let (wake, wakes) = sync_channel(1);
        wake.send(()).unwrap();
        drop(wake);
        let lifecycle = Lifecycle::default();
        copy_on_demand(&schema::open_checkpointer(dir.path()).unwrap(), &wakes, &lifecycle);
        let frames = checkpoint(&db, "noop").unwrap();
        assert!(frames.total >= 100 && frames.copied == frames.total, "{} of {}", frames.copied, frames.total);
        assert_eq!(lifecycle.health(), Health::Healthy);
    }

    #[test]
    fn a_full_disk_under_the_database_is_logged_once_until_a_checkpoint_succeeds() {
        let (dir, db) = database();
        let lifecycle = Lifecycle::default();
        let full = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL), None);
        assert_eq!([(); 3].map(|()| failed(&full, &lifecycle)), [true, false, false]);
        write_pages(&db, 100);
        let (wake, wakes) = sync_channel(1);
        wake.send(()).unwrap();
        drop(wake);
        copy_on_demand(&schema::open_checkpointer(dir.path()).unwrap(), &wakes, &lifecycle);
        assert_eq!([(); 2].map(|()| failed(&full, &lifecycle)), [true, false]);
        assert_eq!(lifecycle.health(), Health::Healthy);
    }

    #[test]
    fn a_checkpoint_that_fails_poisons_the_store() {
        let (dir, db) = database();
        write_pages(&db, 100);
        let (wake, wakes) = sync_channel(1);
        wake.send(()).unwrap();
        drop(wake);
        let lifecycle = Lifecycle::default();
        // A connection that only reads may not copy anything.
        copy_on_demand(&schema::open_reader(dir.path(), 1 << 20).unwrap(), &wakes, &lifecycle);
        let Health::WriteFailed { why } = lifecycle.health() else { panic!("{}", lifecycle.health()) };
        assert!(why.starts_with("a checkpoint: "), "{why}");
    }
}

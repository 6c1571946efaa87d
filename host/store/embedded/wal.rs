//! Checkpoints, which bound SQLite's write-ahead log.
//!
//! A thread of its own copies the write-ahead log into the database while commits go on. Under load it never reaches the
//! end, and SQLite reuses the file from its beginning only when the end was reached. Left alone, the file grew to
//! gigabytes. So past a limit the writer copies the rest itself, between two batches.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::{Connection, ErrorCode};

use super::lifecycle::{self, Lifecycle};
use crate::store::error::StoreError;

/// The thread copies when more than this many frames, of a page each, are not copied yet.
const COPY_FRAMES: i64 = 3_000;

/// The writer copies the rest when the file has more than this many frames.
const MAX_FRAMES: i64 = 12_000;

/// The handle of the checkpoint thread, for the writer.
pub(super) struct Checkpointer {
    wake: SyncSender<()>,
    thread: JoinHandle<()>,
}

/// SQLite's figures about its write-ahead log.
struct Frames {
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
        Ok(Self { wake, thread })
    }

    /// Bounds the write-ahead log after a durable write.
    pub(super) fn after_write(&self, db: &Connection, lifecycle: &Lifecycle) {
        if let Err(error) = checkpoint_if_due(db, &self.wake) {
            failed(&error, lifecycle);
        }
    }

    /// Ends the thread.
    pub(super) fn stop(self) {
        drop(self.wake);
        // A panic on the thread has poisoned the store.
        let _ = self.thread.join();
    }
}

/// Copies the whole write-ahead log and empties the file. No other connection may use the database.
pub(super) fn truncate(db: &Connection) -> rusqlite::Result<()> {
    checkpoint(db, "truncate").map(drop)
}

fn checkpoint_if_due(db: &Connection, wake: &SyncSender<()>) -> rusqlite::Result<()> {
    let frames = checkpoint(db, "noop")?;
    if frames.total > MAX_FRAMES {
        let after = checkpoint(db, "passive")?;
        tracing::debug!(frames = after.total, copied = after.copied, "the writer copied the write-ahead log");
    } else if frames.total - frames.copied > COPY_FRAMES {
        // A full channel means that the thread is about to look anyway.
        let _ = wake.try_send(());
    }
    Ok(())
}

fn copy_on_demand(db: &Connection, wakes: &Receiver<()>, lifecycle: &Lifecycle) {
    while wakes.recv().is_ok() {
        if let Err(error) = checkpoint(db, "passive") {
            failed(&error, lifecycle);
        }
    }
}

/// Poisons the store after a checkpoint that failed. A full disk does not: everything is in the write-ahead log, and the
/// checkpoint after the next write copies it.
fn failed(error: &rusqlite::Error, lifecycle: &Lifecycle) {
    if error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
        tracing::warn!(%error, "the write-ahead log was not copied, because the disk is full");
    } else {
        lifecycle.write_failed("a checkpoint", error);
    }
}

fn checkpoint(db: &Connection, mode: &str) -> rusqlite::Result<Frames> {
    let mut pragma = db.prepare_cached(match mode {
        "noop" => "PRAGMA wal_checkpoint(noop)",
        "passive" => "PRAGMA wal_checkpoint(passive)",
        _ => "PRAGMA wal_checkpoint(truncate)",
    })?;
    pragma.query_row([], |row| Ok(Frames { total: row.get(1)?, copied: row.get(2)? }))
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

//! Keeping SQLite's write-ahead log short.
//!
//! A thread of its own copies it into the database while commits go on. As long as they do, that
//! never reaches the end, and SQLite starts over at the beginning of the file only when it has been
//! reached: left alone, the file grew to gigabytes. So past a bound the writer copies the rest
//! itself, between two batches.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use rusqlite::Connection;

/// The thread copies when this many frames, of a page each, wait to be copied.
const COPY_FRAMES: i64 = 3_000;

/// The writer copies the rest when the file has this many frames.
const MAX_FRAMES: i64 = 12_000;

/// The writer's side of the matter.
pub(super) struct Wal {
    wake: SyncSender<()>,
    thread: JoinHandle<()>,
}

/// What SQLite says of its write-ahead log.
struct Frames {
    total: i64,
    copied: i64,
}

impl Wal {
    /// Starts the thread. A copy that fails is a failed durable write.
    pub(super) fn start(db: Connection, poison: Arc<OnceLock<String>>) -> std::io::Result<Self> {
        // One message in the channel says all that any number would.
        let (wake, wakes) = sync_channel(1);
        let thread = std::thread::Builder::new().name("store-checkpoint".into());
        let thread = thread.spawn(move || copy_on_demand(&db, &wakes, &poison))?;
        Ok(Self { wake, thread })
    }

    /// To be called after a durable write.
    pub(super) fn written(&self, db: &Connection) -> rusqlite::Result<()> {
        let frames = checkpoint(db, "noop")?;
        if frames.total > MAX_FRAMES {
            let after = checkpoint(db, "passive")?;
            tracing::debug!(frames = after.total, copied = after.copied, "the writer emptied the write-ahead log");
        } else if frames.total - frames.copied > COPY_FRAMES {
            // A full channel means that the thread is about to look anyway.
            let _ = self.wake.try_send(());
        }
        Ok(())
    }

    /// Ends the thread.
    pub(super) fn stop(self) {
        drop(self.wake);
        if self.thread.join().is_err() {
            tracing::error!("the checkpoint thread panicked");
        }
    }
}

/// Copies all of it and makes the file empty. Needs the database to itself.
pub(super) fn truncate(db: &Connection) -> rusqlite::Result<()> {
    checkpoint(db, "truncate").map(drop)
}

fn copy_on_demand(db: &Connection, wakes: &Receiver<()>, poison: &OnceLock<String>) {
    while wakes.recv().is_ok() {
        if let Err(error) = checkpoint(db, "passive") {
            tracing::error!(%error, "a checkpoint failed; the store takes no more writes");
            let _ = poison.set(format!("a checkpoint: {error}"));
        }
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

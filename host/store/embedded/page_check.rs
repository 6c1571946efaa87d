//! SQLite's own check of the pages, on a thread and a connection of its own.
//!
//! The check reads the whole database in one read transaction. Commits go on, but SQLite does not reuse its write-ahead
//! log from the beginning until the check is done, so the file grows by what is written meanwhile.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{Connection, InterruptHandle};

use super::lifecycle::{self, Lifecycle};
use super::{damage, schema};
use crate::store::error::StoreError;

/// The page cache of the check, in bytes. It reads each page once.
const CACHE_BYTES: u64 = 1 << 20;

/// The time between two attempts to end a check that is about to begin.
const INTERRUPT_AGAIN: Duration = Duration::from_millis(5);

/// The handle of the thread.
pub(super) struct PageCheck {
    wake: SyncSender<()>,
    /// Ends the check that is under way.
    running: Arc<Mutex<Option<InterruptHandle>>>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
    thread: JoinHandle<()>,
}

impl PageCheck {
    /// Starts the thread, which waits for a request.
    pub(super) fn start(dir: &Path, lifecycle: &Arc<Lifecycle>) -> Result<Self, StoreError> {
        let (wake, wakes) = sync_channel(1);
        let (alive, ended) = sync_channel(1);
        let running = Arc::<Mutex<Option<InterruptHandle>>>::default();
        let (dir, shared, handle) = (dir.to_path_buf(), lifecycle.clone(), running.clone());
        let thread = lifecycle::spawn("store-pages", lifecycle, move || {
            let _alive = alive;
            check_on_demand(&dir, &wakes, &shared, &handle);
        })?;
        Ok(Self { wake, running, ended, thread })
    }

    /// Asks for a check, unless one waits already.
    pub(super) fn request(&self) {
        // A full channel means that the thread is about to check anyway.
        let _ = self.wake.try_send(());
    }

    /// Whether a check is under way.
    pub(super) fn is_running(&self) -> bool {
        self.running.lock().is_some()
    }

    /// Ends the thread, and the check that is under way.
    pub(super) fn stop(self) {
        let Self { wake, running, ended, thread } = self;
        drop(wake);
        // An interruption just before the check begins has no effect.
        loop {
            running.lock().as_ref().into_iter().for_each(InterruptHandle::interrupt);
            if let Err(RecvTimeoutError::Disconnected) = ended.recv_timeout(INTERRUPT_AGAIN) {
                break;
            }
        }
        // A panic on the thread has poisoned the store.
        let _ = thread.join();
    }
}

fn check_on_demand(dir: &Path, wakes: &Receiver<()>, lifecycle: &Lifecycle, running: &Mutex<Option<InterruptHandle>>) {
    while wakes.recv().is_ok() {
        // A connection of its own for each check, so that no page comes from a cache.
        let db = match schema::open_reader(dir, CACHE_BYTES) {
            Ok(db) => db,
            Err(error) => {
                tracing::warn!(%error, "the pages of the database cannot be checked");
                continue;
            }
        };
        *running.lock() = Some(db.get_interrupt_handle());
        if let Some(damage) = check(&db) {
            lifecycle.note_damage(&damage);
        }
        *running.lock() = None;
    }
}

/// Checks all pages, and the rows as far as SQLite knows them. One damaged page causes many findings, so the first one is
/// returned.
pub(super) fn check(db: &Connection) -> Option<String> {
    let found = db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match found {
        Ok(line) if line == "ok" => None,
        Ok(line) => Some(format!("SQLite finds pages of {} damaged: {line}", schema::FILE)),
        Err(error) if damage::is_damage(&error) => {
            Some(format!("SQLite finds pages of {} damaged: {error}", schema::FILE))
        }
        Err(error) => {
            if error.sqlite_error_code() != Some(rusqlite::ErrorCode::OperationInterrupted) {
                tracing::warn!(%error, "the pages of the database cannot be checked");
            }
            None
        }
    }
}

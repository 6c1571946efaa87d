//! Whether the store is open, and whether it takes writes. All threads of the store share this state.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;

use crate::store::error::StoreError;
use crate::store::health::Health;

/// The most kinds of damage that are remembered. Further ones are not logged either.
const MAX_DAMAGE: usize = 100;

/// The state of an open store.
#[derive(Debug, Default)]
pub(super) struct Lifecycle {
    closed: AtomicBool,
    /// The first fault. Later ones are consequences, so they are not recorded.
    fault: OnceLock<Health>,
    /// What the disk said when it was found full. Writes are refused until it has room.
    disk_full: ArcSwapOption<String>,
    /// Whether commits wait for another program to release the write lock.
    locked_out: AtomicBool,
    /// Whether the write-ahead log could not be copied, because the disk is full.
    is_log_uncopied: AtomicBool,
    /// Whether a file was lost, also when that is not the first fault.
    has_lost_files: AtomicBool,
    /// The number of the last commit that was acknowledged.
    last_acknowledged: AtomicU64,
    /// The size of the write-ahead log, as of the last check of the files.
    log_bytes: AtomicU64,
    /// Damage that no list accounts for.
    damage: Mutex<BTreeSet<String>>,
}

impl Lifecycle {
    /// The state of a store that just opened with this last commit.
    pub(super) fn new(last: u64) -> Self {
        Self { last_acknowledged: last.into(), ..Self::default() }
    }

    /// Refuses new calls from now on. Returns whether the store was closed before.
    pub(super) fn close(&self) -> bool {
        self.closed.swap(true, Ordering::AcqRel)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.fault.get().is_some()
    }

    pub(super) fn health(&self) -> Health {
        let disk_full = || self.disk_full.load_full().map(|why| Health::DiskFull { why: String::clone(&why) });
        self.fault.get().cloned().or_else(disk_full).unwrap_or(Health::Healthy)
    }

    /// Fails with [`StoreError::Closed`] once the store is closed.
    pub(super) fn check_open(&self) -> Result<(), StoreError> {
        if self.is_closed() { Err(StoreError::Closed) } else { Ok(()) }
    }

    /// Fails with [`StoreError::Poisoned`] once the store is poisoned, and with [`StoreError::Unavailable`] while its disk
    /// is full.
    pub(super) fn check_healthy(&self) -> Result<(), StoreError> {
        if self.fault.get().is_none() && self.disk_full.load().is_none() { Ok(()) } else { self.health().check() }
    }

    /// Refuses writes until [`Lifecycle::disk_has_room`].
    pub(super) fn disk_is_full(&self, why: &str) {
        if self.disk_full.swap(Some(Arc::new(why.to_owned()))).is_none() {
            tracing::error!(why, "the disk is full; the store refuses writes, and goes on once there is room");
        }
    }

    /// Takes writes again.
    pub(super) fn disk_has_room(&self) {
        if self.disk_full.swap(None).is_some() {
            tracing::info!("the disk has room again; the store takes writes");
        }
    }

    /// Notes whether commits wait for the write lock. Returns whether that is new.
    pub(super) fn set_locked_out(&self, locked_out: bool) -> bool {
        self.locked_out.swap(locked_out, Ordering::AcqRel) != locked_out
    }

    /// Whether commits wait for the write lock.
    pub(super) fn is_locked_out(&self) -> bool {
        self.locked_out.load(Ordering::Acquire)
    }

    /// Notes that the write-ahead log was not copied. Returns whether that is new.
    pub(super) fn log_was_not_copied(&self) -> bool {
        !self.is_log_uncopied.swap(true, Ordering::AcqRel)
    }

    /// Notes that the write-ahead log was copied.
    pub(super) fn log_was_copied(&self) {
        if self.is_log_uncopied.swap(false, Ordering::AcqRel) {
            tracing::info!("the write-ahead log is copied into the database again");
        }
    }

    /// Poisons the store after a failed durable write.
    pub(super) fn write_failed(&self, what: &str, error: &rusqlite::Error) {
        self.poison(Health::WriteFailed { why: format!("{what}: {error}") });
    }

    /// Poisons the store after one of its files was removed, moved or replaced.
    pub(super) fn files_replaced(&self, why: String) {
        self.has_lost_files.store(true, Ordering::Release);
        self.poison(Health::FilesReplaced { why });
    }

    /// Whether a file was removed, moved or replaced.
    pub(super) fn has_lost_files(&self) -> bool {
        self.has_lost_files.load(Ordering::Acquire)
    }

    /// Records the last commit that is durable, before its caller learns it.
    pub(super) fn acknowledged(&self, last: u64) {
        self.last_acknowledged.store(last, Ordering::Release);
    }

    pub(super) fn last_acknowledged(&self) -> u64 {
        self.last_acknowledged.load(Ordering::Acquire)
    }

    pub(super) fn set_log_bytes(&self, bytes: u64) {
        self.log_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn log_bytes(&self) -> u64 {
        self.log_bytes.load(Ordering::Relaxed)
    }

    /// Remembers damage that no list accounts for, and logs it the first time.
    pub(super) fn note_damage(&self, what: &str) {
        let mut damage = self.damage.lock();
        if damage.len() < MAX_DAMAGE && damage.insert(what.to_owned()) {
            tracing::error!(damage = what, "the database is damaged; the server goes on, see `hotlist verify`");
        }
    }

    /// The damage that no list accounts for.
    #[cfg(test)]
    pub(super) fn damage(&self) -> Vec<String> {
        self.damage.lock().iter().cloned().collect()
    }

    /// The number of kinds of damage that no list accounts for.
    pub(super) fn damage_count(&self) -> usize {
        self.damage.lock().len()
    }

    /// Poisons the store after a panic on one of its threads.
    pub(super) fn thread_failed(&self, thread: &'static str, panic: &(dyn Any + Send)) {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let why = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it has no message");
        self.poison(Health::ThreadFailed { thread, why: why.to_owned() });
    }

    fn poison(&self, fault: Health) {
        // Only the first fault is logged, so that one poisoning is one line.
        if self.fault.set(fault).is_ok() {
            tracing::error!(why = %self.health(), "the store takes no more writes; restart the server");
        }
    }

    /// The error of a call that cannot be queued, because the thread that serves it has ended.
    pub(super) fn disconnected(&self, thread: &str) -> StoreError {
        let refused = self.check_open().and_then(|()| self.check_healthy());
        // The queue ends a moment before the panic of its thread is recorded.
        refused.err().unwrap_or_else(|| StoreError::Poisoned { why: format!("the thread {thread} ended") })
    }

    /// The error of a commit that its thread dropped unanswered.
    pub(super) fn unanswered_commit(&self, what: String) -> StoreError {
        match self.health() {
            // A closing writer drops the commits that are queued behind the closing, without starting them.
            Health::Healthy if self.is_closed() => StoreError::Closed,
            Health::Healthy => StoreError::Unknown { what, why: "the writer thread ended".into() },
            fault => StoreError::Unknown { what, why: fault.to_string() },
        }
    }

    /// The error of a read, or of a closing, that its thread dropped unanswered.
    pub(super) fn unanswered(&self, what: &str) -> StoreError {
        match self.health() {
            Health::Healthy if self.is_closed() => StoreError::Closed,
            Health::Healthy => StoreError::Failed { what: what.to_owned(), why: "its thread ended".into() },
            fault => StoreError::Failed { what: what.to_owned(), why: fault.to_string() },
        }
    }
}

/// Starts a thread of the store. A panic on it poisons the store.
pub(super) fn spawn(
    thread: &'static str,
    lifecycle: &Arc<Lifecycle>,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StoreError> {
    let lifecycle = lifecycle.clone();
    let guarded = move || {
        // Nothing that the thread owns is used after a panic, so no half-changed state is seen.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
            lifecycle.thread_failed(thread, &*panic);
        }
    };
    let spawned = std::thread::Builder::new().name(thread.into()).spawn(guarded);
    spawned.map_err(|error| StoreError::Failed { what: format!("start the thread {thread}"), why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_on_a_thread_poisons_the_store_and_names_the_thread_and_the_panic() {
        let lifecycle = Arc::new(Lifecycle::default());
        let number = 7;
        spawn("store-reader", &lifecycle, move || panic!("row {number} is upside down")).unwrap().join().unwrap();
        let fault = Health::ThreadFailed { thread: "store-reader", why: "row 7 is upside down".into() };
        assert_eq!(lifecycle.health(), fault);
        let poisoned = lifecycle.check_healthy().unwrap_err();
        assert_eq!(
            poisoned.to_string(),
            "the store takes no more writes (the thread store-reader panicked: row 7 is upside down); restart the server"
        );
        // The first fault is the cause.
        lifecycle.write_failed("a checkpoint", &rusqlite::Error::InvalidQuery);
        assert_eq!(lifecycle.health(), fault);
    }

    #[test]
    fn a_thread_that_returns_poisons_nothing() {
        let lifecycle = Arc::new(Lifecycle::default());
        spawn("store-reader", &lifecycle, || ()).unwrap().join().unwrap();
        assert_eq!(lifecycle.health(), Health::Healthy);
        assert_eq!(lifecycle.check_healthy(), Ok(()));
    }

    #[test]
    fn a_dead_thread_is_never_reported_as_a_closed_store() {
        let lifecycle = Lifecycle::default();
        assert!(matches!(lifecycle.disconnected("store-writer"), StoreError::Poisoned { .. }));
        assert!(lifecycle.unanswered_commit("write".into()).is_unknown());
        lifecycle.thread_failed("store-writer", &"a test");
        assert!(lifecycle.unanswered_commit("write".into()).is_unknown());
        let closed = Lifecycle::default();
        closed.close();
        assert_eq!(closed.disconnected("store-writer"), StoreError::Closed);
        assert_eq!(closed.unanswered_commit("write".into()), StoreError::Closed);
    }
}

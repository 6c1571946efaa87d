//! The durable state of a list in memory: the published snapshot, the retained state and the live events.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use tokio::sync::broadcast;

use super::batch::{Durable, MigrationFailed, RetainedState};
use super::list_memory::ListMemory;
use super::live::{LiveRevision, LiveRoom};
use super::receipts::ListReceipts;
use crate::list::List;
use crate::list::revision::Revision;
use crate::simulation::{Defect, has};
use crate::store::Stored;

/// How many live events a slow subscriber may be behind before it has to catch up from the history.
pub const MAX_EVENTS_BEHIND: usize = 256;

/// What an actor knows of its list. Everything in it is durable.
pub(super) struct DurableState {
    /// The last durable state of the list. Empty until the list is loaded.
    list: ArcSwapOption<List>,
    /// What the next batch needs besides the list. Only the task that drains the mailbox uses it.
    retained: Mutex<Option<Box<RetainedState>>>,
    /// The time of the last revision or receipt, in milliseconds since the epoch. 0 while it is not known.
    last_time: AtomicU64,
    /// Exists from the first subscription on.
    events: OnceLock<broadcast::Sender<LiveRevision>>,
}

impl DurableState {
    pub(super) fn new() -> Self {
        Self {
            list: ArcSwapOption::empty(),
            retained: Mutex::new(None),
            last_time: AtomicU64::new(0),
            events: OnceLock::new(),
        }
    }

    /// The list, if it is in memory.
    pub(super) fn list(&self) -> Option<Arc<List>> {
        self.list.load_full()
    }

    /// Takes in the list as the store returned it.
    pub(super) fn set_loaded(&self, stored: Stored, memory: &ListMemory) -> Arc<List> {
        let Stored { list, receipts: stored, wake_up } = stored;
        let list = Arc::new(list);
        let mut receipts = ListReceipts::default();
        if !has(Defect::ReceiptsNotLoaded) {
            receipts.add(stored);
        }
        self.retain(RetainedState { receipts, wake_up, migration_failed: None });
        self.show(list.clone(), memory);
        list
    }

    /// Forgets the list, which is loaded again at the next request.
    pub(super) fn clear(&self, memory: &ListMemory) {
        self.hold(None, memory);
        self.last_time.store(0, Ordering::Relaxed);
    }

    /// The earliest time that the next revision may have: the time of the last one. The wall clock may have been set
    /// back since. `None` until [`DurableState::set_last_time`].
    pub(super) fn last_time(&self) -> Option<u64> {
        Some(self.last_time.load(Ordering::Relaxed)).filter(|time| *time > 0)
    }

    /// Takes in the time of the last revision. A receipt of a rejection may be later. Returns the later one.
    pub(super) fn set_last_time(&self, revision: u64) -> u64 {
        let receipt = self.retained.lock().as_deref().and_then(|retained| retained.receipts.last_time());
        let time = revision.max(receipt.unwrap_or(0));
        self.last_time.store(time, Ordering::Relaxed);
        time
    }

    /// What the next batch needs besides the list. Drops the receipts before `horizon`, which are expired.
    pub(super) fn retained(&self, horizon: u64) -> RetainedState {
        let mut retained = self.retained.lock();
        let Some(retained) = retained.as_deref_mut() else { return RetainedState::default() };
        retained.receipts.expire(horizon);
        retained.clone()
    }

    /// Remembers which version could not migrate the list, where a batch has nothing else to remember.
    pub(super) fn remember_migration(&self, migration_failed: Option<MigrationFailed>) {
        let mut retained = self.retained.lock();
        if retained.as_deref().and_then(|retained| retained.migration_failed) != migration_failed {
            retained.get_or_insert_default().migration_failed = migration_failed;
        }
    }

    /// Publishes a batch that is durable: first to readers, then to callers, then to subscribers.
    pub(super) fn publish(&self, durable: Durable, room: &Arc<LiveRoom>, memory: &ListMemory) {
        let Durable { list, mut retained, new_receipts, revisions, replies } = durable;
        let last_time = revisions.last().map(|revision| revision.context.now);
        let last_time = last_time.max(new_receipts.last().map(|receipt| receipt.time));
        if let Some(time) = last_time {
            self.last_time.store(time, Ordering::Relaxed);
        }
        self.show(list, memory);
        // The receipts of the last batch go first, so that the new ones are added to a set that is not shared.
        drop(self.retained.lock().take());
        retained.receipts.add(new_receipts);
        self.retain(retained);
        replies.send();
        self.announce(revisions, room);
    }

    /// Shows a list to readers.
    pub(super) fn show(&self, list: Arc<List>, memory: &ListMemory) {
        self.hold(Some(list), memory);
    }

    fn hold(&self, list: Option<Arc<List>>, memory: &ListMemory) {
        let bytes = |list: &Option<Arc<List>>| list.as_ref().map_or(0, |list| list.memory());
        let after = bytes(&list);
        let before = bytes(&self.list.swap(list));
        memory.replace(before, after);
    }

    /// Sends the events of revisions to subscribers.
    pub(super) fn announce(&self, revisions: Vec<Arc<Revision>>, room: &Arc<LiveRoom>) {
        // Without a subscriber, the revisions would wait until there is one.
        if let Some(events) = self.events.get().filter(|events| events.receiver_count() > 0) {
            let live = revisions.into_iter().map(|revision| LiveRevision::new(revision, room));
            live.for_each(|live| drop(events.send(live)));
        }
    }

    /// Live revisions from now on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<LiveRevision> {
        self.events.get_or_init(|| broadcast::channel(MAX_EVENTS_BEHIND).0).subscribe()
    }

    pub(super) fn has_subscribers(&self) -> bool {
        self.events.get().is_some_and(|events| events.receiver_count() > 0)
    }

    fn retain(&self, retained: RetainedState) {
        let is_needed =
            !retained.receipts.is_empty() || retained.wake_up.is_some() || retained.migration_failed.is_some();
        *self.retained.lock() = is_needed.then(|| Box::new(retained));
    }
}

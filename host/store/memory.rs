//! A store in memory, for tests and measurements.

mod records;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::BuildHasher;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use self::records::MemoryRecords;
use super::receipt_room::{ReceiptLimits, ReceiptRoom};
use super::records::{PendingRecord, Record, RecordChange, RecordKey, RecordKind, RecordPage, RecordWatch, Records};
use super::{
    ChangesPage, Commit, Health, HistoryLimits, HistoryPage, MAX_PAGE, PageLimit, Pending, Store, StoreError, Stored,
    Summary, WakeUp, history,
};
use crate::list::List;
use crate::list::change::Change;
use crate::list::name::ListName;
use crate::list::receipt::Receipt;
use crate::list::revision::Revision;

/// The number of shards: enough that writers on a large machine seldom wait for each other.
const SHARDS: usize = 64;

/// A [`Store`] in memory. It fulfils all promises but the first: nothing survives it. Its answers are ready when they are
/// returned, so it costs no task switch.
#[derive(Debug)]
pub struct MemoryStore {
    shards: [Mutex<HashMap<ListName, Slot>>; SHARDS],
    hasher: std::hash::RandomState,
    /// The existing lists in order, for paging.
    names: Mutex<BTreeSet<ListName>>,
    timers: Mutex<BTreeSet<WakeUp>>,
    history: HistoryLimits,
    receipt_room: Arc<ReceiptRoom>,
    records: MemoryRecords,
    closed: AtomicBool,
}

#[derive(Debug, Default)]
struct Slot {
    list: Arc<List>,
    /// The oldest first. Those that are expired go with the next commit.
    receipts: VecDeque<Arc<Receipt>>,
    wake_up: Option<u64>,
    history: VecDeque<Arc<Revision>>,
    /// The bytes of the history.
    history_bytes: u64,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::with_limits(HistoryLimits::default(), ReceiptLimits::default())
    }
}

impl MemoryStore {
    /// An empty store. A list retains `history` revisions of history.
    pub fn with_history(history: usize) -> Self {
        let history = HistoryLimits { revisions: history as u64, ..HistoryLimits::default() };
        Self::with_limits(history, ReceiptLimits::default())
    }

    /// An empty store with these limits on history and receipts.
    pub fn with_limits(history: HistoryLimits, receipts: ReceiptLimits) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: std::hash::RandomState::new(),
            names: Mutex::default(),
            timers: Mutex::default(),
            history,
            receipt_room: ReceiptRoom::new(receipts),
            records: MemoryRecords::default(),
            closed: AtomicBool::new(false),
        }
    }

    fn shard(&self, name: &ListName) -> &Mutex<HashMap<ListName, Slot>> {
        let hash = self.hasher.hash_one(name);
        &self.shards[hash as usize % SHARDS]
    }

    fn write(&self, commit: Commit) -> Result<(), StoreError> {
        commit.check()?;
        let mut shard = self.shard(&commit.name).lock();
        match shard.get_mut(&commit.name) {
            Some(slot) => self.replace(slot, commit),
            None => {
                let (name, mut slot) = (commit.name.clone(), Slot::default());
                self.replace(&mut slot, commit)?;
                shard.insert(name, slot);
                Ok(())
            }
        }
    }

    fn replace(&self, slot: &mut Slot, commit: Commit) -> Result<(), StoreError> {
        let found = slot.list.revision();
        if found != commit.after {
            return Err(StoreError::Conflict { name: commit.name, expected: commit.after, found });
        }
        if slot.list.exists() != commit.state.exists() {
            let mut names = self.names.lock();
            if commit.state.exists() {
                names.insert(commit.name.clone())
            } else {
                names.remove(&commit.name)
            };
        }
        if slot.wake_up != commit.wake_up {
            let mut timers = self.timers.lock();
            if let Some(at) = slot.wake_up {
                timers.remove(&WakeUp { at, name: commit.name.clone() });
            }
            timers.extend(commit.wake_up.map(|at| WakeUp { at, name: commit.name }));
        }
        slot.add(commit.revisions, self.history);
        slot.receipts.extend(commit.receipts);
        while slot.receipts.front().is_some_and(|oldest| self.receipt_room.is_expired(oldest.time)) {
            slot.receipts.pop_front();
        }
        slot.list = commit.state;
        slot.wake_up = commit.wake_up;
        Ok(())
    }

    fn unexpired(&self, receipts: &VecDeque<Arc<Receipt>>) -> Vec<Arc<Receipt>> {
        receipts.iter().filter(|receipt| !self.receipt_room.is_expired(receipt.time)).cloned().collect()
    }

    fn read_page(&self, after: Option<&ListName>, limit: usize) -> Vec<Summary> {
        let mut page = Vec::new();
        let mut after = after.cloned();
        while page.len() < limit {
            let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
            // A commit locks a shard, then the names. The names are unlocked here before a shard is locked.
            let names: Vec<_> =
                self.names.lock().range::<ListName, _>((from, Bound::Unbounded)).take(limit).cloned().collect();
            let Some(last) = names.last() else { break };
            after = Some(last.clone());
            page.extend(names.into_iter().filter_map(|name| self.summary(name)));
        }
        page.truncate(limit);
        page
    }

    fn summary(&self, name: ListName) -> Option<Summary> {
        let list = self.shard(&name).lock().get(&name)?.list.clone();
        let logic = list.logic()?.clone();
        Some(Summary { name, logic, revision: list.revision(), entries: list.count(), open: list.count_open() })
    }

    /// The answer of a call, which is ready, or that the store is closed.
    fn answer<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, E>,
    ) -> BoxFuture<'static, Result<T, E>> {
        let answer = if self.closed.load(Ordering::Acquire) { Err(StoreError::Closed.into()) } else { work() };
        std::future::ready(answer).boxed()
    }
}

impl Slot {
    fn add(&mut self, revisions: Vec<Arc<Revision>>, limits: HistoryLimits) {
        for revision in revisions {
            if revision.changes.contains(&Change::DeleteList) {
                self.history.clear();
                self.history_bytes = 0;
            }
            self.history_bytes += revision.bytes() as u64;
            self.history.push_back(revision);
        }
        while self.history.len() as u64 > limits.revisions
            || (self.history_bytes > limits.bytes && self.history.len() > 1)
        {
            let Some(oldest) = self.history.pop_front() else { break };
            self.history_bytes -= oldest.bytes() as u64;
        }
    }
}

impl Store for MemoryStore {
    fn load(&self, name: &ListName) -> Pending<Stored> {
        self.answer(|| {
            let shard = self.shard(name).lock();
            Ok(shard.get(name).map_or_else(Stored::default, |slot| Stored {
                list: List::clone(&slot.list),
                receipts: self.unexpired(&slot.receipts),
                wake_up: slot.wake_up,
            }))
        })
    }

    fn commit(&self, commit: Commit) -> Pending<()> {
        self.answer(|| self.write(commit))
    }

    fn page(&self, after: Option<&ListName>, limit: usize) -> Pending<Vec<Summary>> {
        self.answer(|| Ok(self.read_page(after, limit.min(MAX_PAGE))))
    }

    fn history_page(&self, name: &ListName, after: u64, limit: PageLimit) -> Pending<HistoryPage> {
        let limit = PageLimit { items: limit.items.min(MAX_PAGE), ..limit };
        self.answer(|| {
            let shard = self.shard(name).lock();
            let revisions = shard.get(name).into_iter().flat_map(|slot| &slot.history);
            Ok(history::page(revisions.filter(|revision| revision.number > after), limit))
        })
    }

    fn changes(&self, name: &ListName, revision: u64, after: usize, limit: PageLimit) -> Pending<Option<ChangesPage>> {
        let limit = PageLimit { items: limit.items.min(MAX_PAGE), ..limit };
        self.answer(|| {
            let shard = self.shard(name).lock();
            let mut revisions = shard.get(name).into_iter().flat_map(|slot| &slot.history);
            let found = revisions.find(|found| found.number == revision);
            Ok(found.map(|revision| history::changes_page(revision, after, limit)))
        })
    }

    fn due(&self, until: u64, after: Option<&WakeUp>, limit: usize) -> Pending<Vec<WakeUp>> {
        self.answer(|| {
            let timers = self.timers.lock();
            let due = timers.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
            Ok(due.take_while(|timer| timer.at <= until).take(limit.min(MAX_PAGE)).cloned().collect())
        })
    }

    fn next_due(&self) -> Pending<Option<u64>> {
        self.answer(|| Ok(self.timers.lock().first().map(|first| first.at)))
    }

    fn receipt_room(&self) -> &Arc<ReceiptRoom> {
        &self.receipt_room
    }

    fn health(&self) -> Health {
        Health::Healthy
    }

    fn close(&self) -> Pending<()> {
        let closed = self.closed.swap(true, Ordering::AcqRel);
        self.records.watchers.close();
        std::future::ready(if closed { Err(StoreError::Closed) } else { Ok(()) }).boxed()
    }
}

impl Records for MemoryStore {
    fn get(&self, kind: &RecordKind, key: &RecordKey) -> PendingRecord<Option<Record>> {
        self.answer(|| Ok(self.records.get(kind, key)))
    }

    fn previous(&self, kind: &RecordKind, key: &RecordKey) -> PendingRecord<Option<Record>> {
        self.answer(|| Ok(self.records.previous(kind, key)))
    }

    fn put(&self, change: RecordChange) -> PendingRecord<u64> {
        self.answer(|| self.records.put(change))
    }

    fn delete(&self, kind: &RecordKind, key: &RecordKey, expected: Option<u64>) -> PendingRecord<()> {
        self.answer(|| self.records.delete(kind, key, expected))
    }

    fn list(
        &self,
        kind: &RecordKind,
        prefix: &str,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> PendingRecord<RecordPage> {
        self.answer(|| Ok(self.records.list(kind, prefix, after, limit)))
    }

    fn watch(&self, kind: &RecordKind) -> RecordWatch {
        self.records.watchers.watch(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract;

    #[derive(Default)]
    struct Memory;

    impl contract::Subject for Memory {
        type Store = MemoryStore;

        fn open(&self, history: HistoryLimits) -> MemoryStore {
            MemoryStore::with_limits(history, ReceiptLimits::default())
        }

        fn reopen(&self, store: MemoryStore, _: contract::Ending) -> MemoryStore {
            store
        }
    }

    contract::suite!(Memory);
    contract::records::suite!(Memory);
}

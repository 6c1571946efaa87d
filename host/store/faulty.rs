//! A store that fails on request, for tests of this crate and of others.

mod records;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::receipt_room::ReceiptRoom;
use super::records::{RecordKey, RecordKind};
use super::{
    ChangesPage, Commit, Health, HistoryPage, PageLimit, Pending, Store, StoreError, Stored, Summary, UnreadableList,
    WakeUp,
};
use crate::list::name::ListName;

/// A [`Store`] that wraps another one and fails where a test says so. Otherwise it passes calls on.
#[derive(Debug)]
pub struct FaultyStore<S> {
    inner: S,
    faults: Mutex<Faults>,
}

#[derive(Default)]
struct Faults {
    next_commits: VecDeque<StoreError>,
    poisoned: Option<String>,
    /// What the full disk says.
    disk_full: Option<String>,
    unreadable: HashMap<ListName, String>,
    /// The lists whose loads wait, each until its sender is dropped.
    slow: HashMap<ListName, Vec<oneshot::Sender<()>>>,
    /// Whether closing never ends.
    hangs_at_close: bool,
    /// The commits that wait, or `None` while commits pass.
    held: Option<Vec<HeldCommit>>,
    next_changes: VecDeque<RecordFault>,
    damaged_records: HashMap<(RecordKind, RecordKey), String>,
    fails_record_reads: bool,
}

/// How a change of a record fails.
struct RecordFault {
    error: StoreError,
    is_carried_out: bool,
}

struct HeldCommit {
    commit: Commit,
    /// Receives the inner store's answer once the commit is released.
    released: oneshot::Sender<Pending<()>>,
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let held = self.held.as_ref().map(Vec::len);
        f.debug_struct("Faults").field("poisoned", &self.poisoned).field("held", &held).finish_non_exhaustive()
    }
}

impl<S: Store> FaultyStore<S> {
    /// Wraps a store.
    pub fn new(inner: S) -> Self {
        Self { inner, faults: Mutex::default() }
    }

    /// The next commit fails with this error and is not carried out. After [`StoreError::Failed`] and
    /// [`StoreError::Unknown`] the store is poisoned, as its promise says. Several calls fail several commits.
    pub fn fail_next_commit(&self, error: StoreError) {
        self.faults.lock().next_commits.push_back(error);
    }

    /// Ends the poisoning, as opening the store anew does.
    pub fn mend(&self) {
        self.faults.lock().poisoned = None;
    }

    /// From now on the disk is full, until [`FaultyStore::make_room`].
    pub fn fill_disk(&self, why: &str) {
        self.faults.lock().disk_full = Some(why.to_owned());
    }

    /// Undoes [`FaultyStore::fill_disk`].
    pub fn make_room(&self) {
        self.faults.lock().disk_full = None;
    }

    /// Loads and histories of this list are [`StoreError::Unreadable`] from now on.
    pub fn make_unreadable(&self, name: ListName, why: &str) {
        self.faults.lock().unreadable.insert(name, why.into());
    }

    /// Undoes [`FaultyStore::make_unreadable`].
    pub fn make_readable(&self, name: &ListName) {
        self.faults.lock().unreadable.remove(name);
    }

    /// From now on loads of this list wait until [`FaultyStore::hurry`].
    pub fn make_slow(&self, name: ListName) {
        self.faults.lock().slow.entry(name).or_default();
    }

    /// Undoes [`FaultyStore::make_slow`], and lets the waiting loads go on.
    pub fn hurry(&self, name: &ListName) {
        self.faults.lock().slow.remove(name);
    }

    /// From now on commits wait, and are not durable, until [`FaultyStore::release`].
    pub fn hold_commits(&self) {
        self.faults.lock().held.get_or_insert_default();
    }

    /// The number of commits that wait.
    pub fn held_commits(&self) -> usize {
        self.faults.lock().held.as_ref().map_or(0, Vec::len)
    }

    /// Passes the waiting commits on in their order. Later commits pass at once.
    pub fn release(&self) {
        let held = self.faults.lock().held.take();
        for HeldCommit { commit, released } in held.into_iter().flatten() {
            // A caller may have dropped its answer. The commit is carried out all the same.
            let _ = released.send(self.inner.commit(commit));
        }
    }

    /// Closing the store does not end from now on, as on a disk that does not answer.
    pub fn hang_at_close(&self) {
        self.faults.lock().hangs_at_close = true;
    }

    /// The store inside.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn check_readable(&self, name: &ListName) -> Result<(), StoreError> {
        match self.faults.lock().unreadable.get(name) {
            Some(why) => Err(StoreError::Unreadable { name: name.clone(), why: why.clone() }),
            None => Ok(()),
        }
    }
}

impl<S: Store> Store for FaultyStore<S> {
    fn load(&self, name: &ListName) -> Pending<Stored> {
        if let Err(error) = self.check_readable(name) {
            return failed(error);
        }
        let loaded = self.inner.load(name);
        let mut faults = self.faults.lock();
        let Some(waiting) = faults.slow.get_mut(name) else { return loaded };
        let (go_on, waits) = oneshot::channel();
        waiting.push(go_on);
        async move {
            let _ = waits.await;
            loaded.await
        }
        .boxed()
    }

    fn commit(&self, commit: Commit) -> Pending<()> {
        let mut faults = self.faults.lock();
        if let Some(why) = &faults.poisoned {
            return failed(StoreError::Poisoned { why: why.clone() });
        }
        if let Some(why) = faults.disk_full.clone() {
            return failed(StoreError::Unavailable { why: Health::DiskFull { why }.to_string() });
        }
        if let Some(error) = faults.next_commits.pop_front() {
            if let StoreError::Failed { why, .. } | StoreError::Unknown { why, .. } = &error {
                faults.poisoned = Some(why.clone());
            }
            return failed(error);
        }
        let Some(held) = &mut faults.held else {
            drop(faults);
            return self.inner.commit(commit);
        };
        let (released, answer) = oneshot::channel();
        held.push(HeldCommit { commit, released });
        async move {
            match answer.await {
                Ok(pending) => pending.await,
                Err(_) => Err(StoreError::Closed),
            }
        }
        .boxed()
    }

    fn page(&self, after: Option<&ListName>, limit: usize) -> Pending<Vec<Summary>> {
        let unreadable: Vec<_> = self.faults.lock().unreadable.keys().cloned().collect();
        let page = self.inner.page(after, limit);
        async move { Ok(page.await?.into_iter().filter(|list| !unreadable.contains(&list.name)).collect()) }.boxed()
    }

    fn unreadable(&self, after: Option<&ListName>, limit: usize) -> Vec<UnreadableList> {
        let faults = self.faults.lock();
        let lists = faults.unreadable.iter().filter(|(name, _)| after.is_none_or(|after| *name > after));
        let list =
            |(name, why): (&ListName, &String)| UnreadableList { name: name.clone(), why: why.clone(), since: 0 };
        let mut lists: Vec<_> = lists.map(list).collect();
        lists.sort_by(|a, b| a.name.cmp(&b.name));
        lists.truncate(limit);
        lists
    }

    fn discard(&self, name: &ListName) -> Pending<()> {
        self.inner.discard(name)
    }

    fn unreadable_count(&self) -> usize {
        self.faults.lock().unreadable.len()
    }

    fn damage_count(&self) -> usize {
        self.inner.damage_count()
    }

    fn history_page(&self, name: &ListName, after: u64, limit: PageLimit) -> Pending<HistoryPage> {
        match self.check_readable(name) {
            Ok(()) => self.inner.history_page(name, after, limit),
            Err(error) => failed(error),
        }
    }

    fn changes(&self, name: &ListName, revision: u64, after: usize, limit: PageLimit) -> Pending<Option<ChangesPage>> {
        match self.check_readable(name) {
            Ok(()) => self.inner.changes(name, revision, after, limit),
            Err(error) => failed(error),
        }
    }

    fn due(&self, until: u64, after: Option<&WakeUp>, limit: usize) -> Pending<Vec<WakeUp>> {
        self.inner.due(until, after, limit)
    }

    fn next_due(&self) -> Pending<Option<u64>> {
        self.inner.next_due()
    }

    fn receipt_room(&self) -> &Arc<ReceiptRoom> {
        self.inner.receipt_room()
    }

    fn health(&self) -> Health {
        let faults = self.faults.lock();
        match (&faults.poisoned, &faults.disk_full) {
            (Some(why), _) => Health::WriteFailed { why: why.clone() },
            (None, Some(why)) => Health::DiskFull { why: why.clone() },
            (None, None) => self.inner.health(),
        }
    }

    /// Drops the waiting commits, which are not carried out.
    fn close(&self) -> Pending<()> {
        let mut faults = self.faults.lock();
        faults.held = None;
        if faults.hangs_at_close {
            return std::future::pending().boxed();
        }
        self.inner.close()
    }
}

fn failed<T: Send + 'static>(error: StoreError) -> Pending<T> {
    std::future::ready(Err(error)).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::HistoryLimits;
    use crate::store::contract;
    use crate::store::fixtures::{Writer, name};
    use crate::store::memory::MemoryStore;
    use crate::store::receipt_room::ReceiptLimits;

    #[derive(Default)]
    struct Quiet;

    impl contract::Subject for Quiet {
        type Store = FaultyStore<MemoryStore>;

        fn open(&self, history: HistoryLimits) -> Self::Store {
            FaultyStore::new(MemoryStore::with_limits(history, ReceiptLimits::default()))
        }

        fn reopen(&self, store: Self::Store, _: contract::Ending) -> Self::Store {
            store
        }
    }

    contract::suite!(Quiet);
    contract::records::suite!(Quiet);

    #[tokio::test]
    async fn held_commits_are_invisible_until_they_are_released() {
        let store = FaultyStore::new(MemoryStore::default());
        store.hold_commits();
        let mut bob = Writer::new("bob").create();
        let first = store.commit(bob.take());
        let second = store.commit(bob.add("Dentist").commit());
        assert_eq!(store.held_commits(), 2);
        assert_eq!(store.load(&name("bob")).await.map(|stored| stored.list.revision()), Ok(0));
        store.release();
        assert_eq!((first.await, second.await), (Ok(()), Ok(())));
        assert_eq!(store.load(&name("bob")).await.map(|stored| stored.list.revision()), Ok(2));
    }

    #[tokio::test]
    async fn a_failed_commit_poisons_and_an_overload_does_not() {
        let store = FaultyStore::new(MemoryStore::default());
        let commit = Writer::new("bob").create().commit();
        store.fail_next_commit(StoreError::Overloaded { limit: 1 });
        assert_eq!(store.commit(commit.clone()).await, Err(StoreError::Overloaded { limit: 1 }));
        let failure = StoreError::Failed { what: "write".into(), why: "no space".into() };
        store.fail_next_commit(failure.clone());
        assert_eq!(store.commit(commit.clone()).await, Err(failure));
        assert_eq!(store.commit(commit.clone()).await, Err(StoreError::Poisoned { why: "no space".into() }));
        store.mend();
        assert_eq!(store.commit(commit).await, Ok(()));
    }

    #[tokio::test]
    async fn an_unreadable_list_names_itself_and_leaves_the_others_alone() {
        let store = FaultyStore::new(MemoryStore::default());
        store.make_unreadable(name("bob"), "a test says so");
        let unreadable = StoreError::Unreadable { name: name("bob"), why: "a test says so".into() };
        assert_eq!(store.load(&name("bob")).await, Err(unreadable.clone()));
        assert_eq!(store.history(&name("bob"), 0, 1).await, Err(unreadable));
        assert_eq!(store.load(&name("ann")).await, Ok(Stored::default()));
    }
}

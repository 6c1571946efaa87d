//! A store in memory that can be made to wait, to forget and to fail.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use futures_util::future::ready;
use hotlist::list::name::ListName;
use hotlist::list::revision::Revision;
use hotlist::store::{Commit, Pending, Store, StoreError, Stored, Summary, WakeUp};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// A list and its history.
type Kept = (Stored, Vec<Arc<Revision>>);

pub struct TestStore {
    lists: Mutex<BTreeMap<ListName, Kept>>,
    /// Commits wait for a permit of `gate` while this is set, after giving one to `arrived`.
    pub gated: AtomicBool,
    pub gate: Arc<Semaphore>,
    pub arrived: Arc<Semaphore>,
    /// Commits fail while this is set.
    pub failing: AtomicBool,
}

impl Default for TestStore {
    fn default() -> Self {
        let (gate, arrived) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (gated, failing) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { lists: Mutex::default(), gated, gate, arrived, failing }
    }
}

impl TestStore {
    /// Forgets the revisions of a list up to a number.
    pub fn forget(&self, name: &str, up_to: u64) {
        let mut lists = self.lists.lock();
        let name = ListName::new(name).expect("a name");
        lists.get_mut(&name).expect("a list").1.retain(|revision| revision.number > up_to);
    }
}

impl Store for TestStore {
    fn load(&self, name: &ListName) -> Pending<Stored> {
        let stored = self.lists.lock().get(name).map(|(stored, _)| stored.clone()).unwrap_or_default();
        ready(Ok(stored)).boxed()
    }

    fn commit(&self, commit: Commit) -> Pending<()> {
        if self.failing.load(Ordering::SeqCst) {
            let error = StoreError::Failed { what: "write /secret/path".into(), why: "disk on fire".into() };
            return ready(Err(error)).boxed();
        }
        {
            let mut lists = self.lists.lock();
            let (stored, history) = lists.entry(commit.name).or_default();
            stored.list = commit.state.as_ref().clone();
            stored.receipts.extend(commit.receipts);
            stored.wake_up = commit.wake_up;
            history.extend(commit.revisions);
        }
        if !self.gated.load(Ordering::SeqCst) {
            return ready(Ok(())).boxed();
        }
        self.arrived.add_permits(1);
        let gate = self.gate.clone();
        async move {
            gate.acquire().await.expect("it is never closed").forget();
            Ok(())
        }
        .boxed()
    }

    fn page(&self, after: Option<&ListName>, limit: usize) -> Pending<Vec<Summary>> {
        let lists = self.lists.lock();
        let page = lists
            .iter()
            .filter(|(name, _)| after.is_none_or(|after| *name > after))
            .filter_map(|(name, (stored, _))| {
                let list = &stored.list;
                Some(Summary {
                    name: name.clone(),
                    logic: list.logic()?.clone(),
                    revision: list.revision(),
                    entries: list.count(),
                    open: list.count_open(),
                })
            })
            .take(limit)
            .collect();
        ready(Ok(page)).boxed()
    }

    fn history(&self, name: &ListName, after: u64, limit: usize) -> Pending<Vec<Arc<Revision>>> {
        let lists = self.lists.lock();
        let all = lists.get(name).map(|(_, history)| history.as_slice()).unwrap_or_default();
        let page = all.iter().filter(|revision| revision.number > after).take(limit).cloned().collect();
        ready(Ok(page)).boxed()
    }

    fn due(&self, _until: u64, _limit: usize) -> Pending<Vec<WakeUp>> {
        ready(Ok(Vec::new())).boxed()
    }

    fn next_due(&self) -> Pending<Option<u64>> {
        ready(Ok(None)).boxed()
    }

    fn close(&self) -> Pending<()> {
        ready(Ok(())).boxed()
    }
}

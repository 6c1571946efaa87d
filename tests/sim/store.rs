//! A store that is slow, busy, fails, and forgets what it did.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use hotlist::executor::Executor;
use hotlist::list::name::ListName;
use hotlist::store::receipt_room::ReceiptRoom;
use hotlist::store::{
    ChangesPage, Commit, Health, HistoryPage, PageLimit, Pending, Store, StoreError, Stored, Summary, WakeUp, history,
};
use tokio::sync::oneshot;

use super::world::World;

/// The longest time for one half of a commit, and for a read.
const LONGEST: u64 = 30;

pub struct SimStore(pub Arc<World>);

/// What becomes of a commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Done,
    Overloaded,
    /// Not carried out. The store takes no more writes.
    Failed,
    /// Not carried out. The store takes other writes.
    Refused,
    Poisoned,
    /// The disk is full. The store takes writes again once it has room.
    Unavailable,
    /// The outcome is not known, and the commit is durable.
    Kept,
    /// The outcome is not known, and the commit is lost.
    Lost,
}

impl SimStore {
    fn fate(&self) -> Fate {
        let World { rates, chance, .. } = &*self.0;
        if self.0.state().poisoned {
            return Fate::Poisoned;
        }
        if self.0.goes_wrong(rates.disk_full) {
            let until = self.0.now() + Duration::from_millis(chance.below(500));
            self.0.state().full_until = until;
        }
        if self.0.is_disk_full() {
            return Fate::Unavailable;
        }
        if self.0.goes_wrong(rates.overloaded) {
            return Fate::Overloaded;
        }
        if self.0.goes_wrong(rates.failed) {
            return if chance.per_mille(500) { Fate::Failed } else { Fate::Refused };
        }
        if self.0.goes_wrong(rates.unknown) {
            return if chance.per_mille(500) { Fate::Kept } else { Fate::Lost };
        }
        Fate::Done
    }

    fn pause(world: &World) -> futures_util::future::BoxFuture<'static, ()> {
        world.executor.sleep(Duration::from_millis(world.chance.below(LONGEST)))
    }

    /// Answers at once or after some time.
    fn answer<T: Send + 'static>(&self, answer: Result<T, StoreError>) -> Pending<T> {
        if !self.0.chance.per_mille(self.0.rates.slow_store) {
            return std::future::ready(answer).boxed();
        }
        let pause = Self::pause(&self.0);
        async move {
            pause.await;
            answer
        }
        .boxed()
    }
}

/// Carries out a commit, or not. Returns the answer.
fn settle(world: &World, commit: &Commit, fate: Fate) -> Result<(), StoreError> {
    let (what, why) = ("write".to_owned(), "a fault of the simulation".to_owned());
    if matches!(fate, Fate::Done | Fate::Kept) {
        world.apply(commit);
    }
    let now = world.now();
    {
        let mut state = world.state();
        state.poisoned |= matches!(fate, Fate::Failed | Fate::Kept | Fate::Lost);
        let record = state.records.entry(commit.name.clone()).or_default();
        match fate {
            Fate::Done => {}
            Fate::Overloaded => record.busy_at = Some(now),
            Fate::Kept | Fate::Lost => (record.failed_at, record.unknown_at) = (Some(now), Some(now)),
            Fate::Failed | Fate::Refused | Fate::Poisoned | Fate::Unavailable => record.failed_at = Some(now),
        }
    }
    world.log(format_args!("store {} after {}: {fate:?}", commit.name, commit.after));
    match fate {
        Fate::Done => Ok(()),
        Fate::Overloaded => Err(StoreError::Overloaded { limit: 1 }),
        Fate::Failed | Fate::Refused => Err(StoreError::Failed { what, why }),
        Fate::Poisoned => Err(StoreError::Poisoned { why }),
        Fate::Unavailable => Err(StoreError::Unavailable { why }),
        Fate::Kept | Fate::Lost => Err(StoreError::Unknown { what, why }),
    }
}

/// Notes that the store answers a commit. The list may have its next writer.
fn release(world: &World, commit: &Commit) {
    world.state().records.entry(commit.name.clone()).or_default().is_committing = false;
}

impl Store for SimStore {
    fn load(&self, name: &ListName) -> Pending<Stored> {
        if self.0.goes_wrong(self.0.rates.failed_load) {
            let now = self.0.now();
            self.0.state().records.entry(name.clone()).or_default().failed_at =
                Some(now + Duration::from_millis(LONGEST));
            let why = "a fault of the simulation".into();
            return self.answer(Err(StoreError::Unreadable { name: name.clone(), why }));
        }
        let stored = match self.0.state().records.get(name) {
            None => Stored::default(),
            Some(record) => Stored {
                list: record.states.last().map(|last| (**last).clone()).unwrap_or_default(),
                receipts: record.receipts.clone(),
                wake_up: record.wake_up,
            },
        };
        self.answer(Ok(stored))
    }

    fn commit(&self, commit: Commit) -> Pending<()> {
        self.0.check_commit(&commit);
        let fate = self.fate();
        if !self.0.chance.per_mille(self.0.rates.slow_store) {
            let answer = settle(&self.0, &commit, fate);
            release(&self.0, &commit);
            return std::future::ready(answer).boxed();
        }
        let (answered, answer) = oneshot::channel();
        let world = self.0.clone();
        let (first, second) = (Self::pause(&world), Self::pause(&world));
        // The work goes on also if the caller has dropped the answer.
        self.0.executor.spawn(
            async move {
                first.await;
                let answer = settle(&world, &commit, fate);
                second.await;
                release(&world, &commit);
                drop(answered.send(answer));
            }
            .boxed(),
        );
        async move { answer.await.unwrap_or(Err(StoreError::Closed)) }.boxed()
    }

    fn page(&self, _: Option<&ListName>, _: usize) -> Pending<Vec<Summary>> {
        self.answer(Ok(Vec::new()))
    }

    fn history_page(&self, name: &ListName, after: u64, limit: PageLimit) -> Pending<HistoryPage> {
        let state = self.0.state();
        let revisions = state.records.get(name).into_iter().flat_map(|record| &record.revisions);
        let found = history::page(revisions.filter(|revision| revision.number > after), limit);
        drop(state);
        self.answer(Ok(found))
    }

    fn changes(&self, name: &ListName, revision: u64, after: usize, limit: PageLimit) -> Pending<Option<ChangesPage>> {
        let state = self.0.state();
        let mut revisions = state.records.get(name).into_iter().flat_map(|record| &record.revisions);
        let found = revisions.find(|found| found.number == revision);
        let page = found.map(|revision| history::changes_page(revision, after, limit));
        drop(state);
        self.answer(Ok(page))
    }

    fn due(&self, until: u64, after: Option<&WakeUp>, limit: usize) -> Pending<Vec<WakeUp>> {
        let state = self.0.state();
        let timers = state.records.iter().filter_map(|(name, record)| Some((record.wake_up?, name)));
        let mut due: Vec<_> = timers.map(|(at, name)| WakeUp { at, name: name.clone() }).collect();
        drop(state);
        due.retain(|due| due.at <= until && after.is_none_or(|after| due > after));
        due.sort();
        due.truncate(limit);
        self.answer(Ok(due))
    }

    fn next_due(&self) -> Pending<Option<u64>> {
        let next = self.0.state().records.values().filter_map(|record| record.wake_up).min();
        self.answer(Ok(next))
    }

    fn receipt_room(&self) -> &Arc<ReceiptRoom> {
        &self.0.receipt_room
    }

    fn health(&self) -> Health {
        let why = "a fault of the simulation".to_owned();
        let is_full = self.0.is_disk_full();
        let now = self.0.now();
        let mut state = self.0.state();
        if state.poisoned || is_full {
            state.unhealthy_at = Some(now);
        }
        match (state.poisoned, is_full) {
            (true, _) => Health::WriteFailed { why },
            (false, true) => Health::DiskFull { why },
            (false, false) => Health::Healthy,
        }
    }

    fn close(&self) -> Pending<()> {
        self.answer(Ok(()))
    }
}

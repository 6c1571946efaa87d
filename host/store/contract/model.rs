//! A random run of commits and restarts, compared with the simplest model that fulfils the promises.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::{Ending, HOUR, Subject, account};
use crate::list::List;
use crate::list::name::ListName;
use crate::list::receipt::Receipt;
use crate::list::revision::Revision;
use crate::store::fixtures::{Writer, name};
use crate::store::{Commit, HistoryLimits, Store, StoreError, Stored, WakeUp};

/// One step of a random run.
#[derive(Clone, Debug)]
enum Step {
    Write { list: u8, adds: u8, receipt: bool, wake_up: Option<u8>, erase: bool },
    Stale { list: u8 },
    Pass { hours: u64 },
    Restart(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let write = (0..4_u8, 0..4_u8, any::<bool>(), proptest::option::of(any::<u8>()), proptest::bool::weighted(0.1));
    let step = prop_oneof![
        12 => write.prop_map(|(list, adds, receipt, wake_up, erase)| Step::Write { list, adds, receipt, wake_up, erase }),
        1 => (0..4_u8).prop_map(|list| Step::Stale { list }),
        1 => (1..30_u64).prop_map(|hours| Step::Pass { hours }),
        2 => any::<bool>().prop_map(Step::Restart),
    ];
    proptest::collection::vec(step, 1..40)
}

/// A list with its receipts and its history.
type ModelList = (Writer, Vec<Arc<Receipt>>, Vec<Arc<Revision>>);

/// The simplest model that fulfils the promises.
#[derive(Default)]
struct Model {
    lists: BTreeMap<ListName, ModelList>,
    /// The lists that actors hold in memory.
    resident: BTreeMap<ListName, Arc<List>>,
    /// The hours that have passed.
    hours: u64,
}

const MODEL_HISTORY: usize = 6;

/// The beginning of a run, at a full hour.
const MODEL_BEGIN: u64 = 500_000 * HOUR;

impl Model {
    fn write(&mut self, step: &Step) -> Option<Commit> {
        let Step::Write { list, adds, receipt, wake_up, erase } = step else { return None };
        let list = format!("list {list}");
        let (writer, receipts, history) =
            self.lists.entry(name(&list)).or_insert_with(|| (Writer::new(&list), Vec::new(), Vec::new()));
        let mut next = writer.clone();
        if !next.list.exists() {
            next = next.create();
        }
        for add in 0..*adds {
            next = next.add(&format!("entry {add}"));
        }
        if *receipt {
            next = next.with_receipt_at(&format!("key {}", receipts.len()), MODEL_BEGIN + self.hours * HOUR);
        }
        if *erase {
            next = next.erase();
        }
        next = next.wake_at(wake_up.map(u64::from));
        let commit = next.take();
        *writer = next;
        if commit.name.as_str() < "list 2" {
            self.resident.insert(commit.name.clone(), commit.state.clone());
        }
        receipts.extend(commit.receipts.clone());
        if *erase {
            history.clear();
            history.extend(commit.revisions.last().cloned());
        } else {
            history.extend(commit.revisions.clone());
        }
        history.drain(..history.len().saturating_sub(MODEL_HISTORY));
        Some(commit)
    }

    async fn check(&self, store: &impl Store) {
        let mut page = Vec::new();
        let mut timers = Vec::new();
        let mut receipt_bytes = 0;
        let now = MODEL_BEGIN + self.hours * HOUR;
        store.receipt_room().advance(now);
        for (list, (writer, receipts, history)) in &self.lists {
            let receipts: Vec<_> = receipts.iter().filter(|r| r.time + 24 * HOUR >= now).cloned().collect();
            receipt_bytes += receipts.iter().map(|receipt| receipt.bytes() as u64).sum::<u64>();
            let stored = Stored { list: writer.list.clone(), receipts, wake_up: writer.wake_up };
            assert_eq!(store.load(list).await, Ok(stored));
            assert_eq!(store.history(list, 0, 100).await.as_ref(), Ok(history));
            page.extend(writer.list.exists().then(|| list.clone()));
            timers.extend(writer.wake_up.map(|at| (at, list.clone())));
        }
        assert_eq!(store.receipt_room().used(), receipt_bytes);
        timers.sort();
        let due: Vec<_> = timers.into_iter().map(|(at, name)| WakeUp { at, name }).collect();
        assert_eq!(store.next_due().await, Ok(due.first().map(|first| first.at)));
        assert_eq!(store.due(1_000, None, 100).await, Ok(due));
        let listed = store.page(None, 100).await.map(|page| page.into_iter().map(|line| line.name).collect());
        assert_eq!(listed, Ok(page));
    }
}

pub(crate) async fn any_sequence_of_commits_and_restarts_is_what_the_model_says<S: Subject>(_: S) {
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let result = runner.run(&steps(), |steps| {
        // On a thread of its own: a runtime cannot be entered from within another one.
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(follow(&S::default(), &steps));
        };
        std::thread::scope(|scope| scope.spawn(run).join()).map_err(|panic| TestCaseError::fail(said(&*panic)))
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

async fn follow(subject: &impl Subject, steps: &[Step]) {
    let mut store = subject.open(HistoryLimits { revisions: MODEL_HISTORY as u64, ..HistoryLimits::default() });
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Write { .. } => {
                let commit = model.write(step).expect("a write is a write");
                account(&store, &commit);
                assert_eq!(store.commit(commit).await, Ok(()));
            }
            Step::Stale { list } => {
                let found = model.lists.get(&name(&format!("list {list}"))).map_or(0, |held| held.0.list.revision());
                let mut stale = Writer::new(&format!("list {list}")).create().commit();
                if found == 0 {
                    stale = Writer::new(&format!("list {list}")).create().with_receipt("lost").add("Ahead").commit();
                    stale.revisions.remove(0);
                    stale.after = 1;
                }
                assert!(matches!(store.commit(stale).await, Err(StoreError::Conflict { .. })));
            }
            Step::Pass { hours } => model.hours += hours,
            Step::Restart(close) => {
                store = subject.reopen(store, if *close { Ending::Close } else { Ending::Drop });
            }
        }
        model.check(&store).await;
    }
}

//! What actors do with versions whose sessions fail, run out of their budget, or take long.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use parking_lot::Mutex;

use super::*;
use crate::list::binding::LogicBinding;
use crate::list::change::Rejection;
use crate::list::command::{Context, Page};
use crate::logic::{Call, Decision, Logic, Session};

/// How long a deletion waits for its release at most.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a [`Scripted`] version differs from [`Native`].
enum Script {
    /// It opens no session.
    OpensNoSession,
    /// It rejects wake-ups.
    RejectsWakeUps,
    /// Its budget is enough for one call.
    HasBudgetForOneCall,
    /// Its first deletion waits until it is released.
    WaitsAtDeletion(Mutex<Option<Receiver<()>>>),
}

/// A version that follows a script.
struct Scripted {
    native: Box<dyn Logic>,
    script: Script,
}

impl Logic for Scripted {
    fn binding(&self) -> &Arc<LogicBinding> {
        self.native.binding()
    }

    fn description(&self) -> &Description {
        self.native.description()
    }

    fn session(&self) -> Result<Box<dyn Session + '_>, Fault> {
        if let Script::OpensNoSession = self.script {
            return Err(Fault::Trap("as the script demands".into()));
        }
        Ok(Box::new(ScriptedSession { native: self.native.session()?, script: &self.script, calls: 0 }))
    }
}

struct ScriptedSession<'a> {
    native: Box<dyn Session + 'a>,
    script: &'a Script,
    /// The calls since the budget was refilled.
    calls: usize,
}

impl ScriptedSession<'_> {
    fn spend(&mut self) -> Result<(), Fault> {
        self.calls += 1;
        match self.script {
            Script::HasBudgetForOneCall if self.calls > 1 => Err(Fault::Trap("the budget is spent".into())),
            _ => Ok(()),
        }
    }
}

impl Session for ScriptedSession<'_> {
    fn begin(&mut self) {
        self.calls = 0;
        self.native.begin();
    }

    fn decide(&mut self, list: &Arc<List>, context: &Context, call: Call<'_>) -> Result<Decision, Fault> {
        self.spend()?;
        match (self.script, &call) {
            (Script::RejectsWakeUps, Call::Wake) => {
                return Ok(Err(Rejection { code: "no".into(), message: "No.".into(), field: None }));
            }
            (Script::WaitsAtDeletion(release), Call::Delete(_)) => {
                if let Some(release) = release.lock().take() {
                    let released = release.recv_timeout(PATIENCE);
                    released.map_err(|_| Fault::Trap("nothing else ran meanwhile".into()))?;
                }
            }
            _ => {}
        }
        self.native.decide(list, context, call)
    }

    fn view(&mut self, list: &Arc<List>, context: &Context, query: &Query) -> Result<Result<Page, Rejection>, Fault> {
        self.native.view(list, context, query)
    }

    fn next_wake_up(&mut self, list: &Arc<List>, context: &Context) -> Result<Option<u64>, Fault> {
        self.spend()?;
        self.native.next_wake_up(list, context)
    }
}

impl World {
    fn publish_scripted(&self, major: u64, script: Script) {
        let scripted = Scripted { native: Native::version(major), script };
        self.registry.publish(Box::new(scripted), "test", MIDNIGHT);
    }
}

#[tokio::test]
async fn a_wake_up_that_only_the_fallback_could_decide_and_rejected_is_tried_again_later() {
    let world = World::new();
    world.publish_scripted(2, Script::RejectsWakeUps);
    world.add("bob", &format!("wake me at {}", MIDNIGHT + 5_000)).await.unwrap();
    world.publish_scripted(3, Script::OpensNoSession);
    world.clock.advance(5_000);
    let woken = world.cache.call(&name("bob"), request(Command::Wake)).await;
    let rejected = |logic: &LogicId| logic.version.major == 2;
    assert!(
        matches!(&woken, Err(CallError::Refused { refusal: Refusal::Rejected(_), logic }) if rejected(logic)),
        "{woken:?}"
    );
    assert_eq!(world.store.next_due().await.unwrap(), Some(MIDNIGHT + 65_000));
}

#[tokio::test]
async fn the_question_for_the_next_wake_up_has_a_budget_of_its_own() {
    let world = World::new();
    world.publish_scripted(2, Script::HasBudgetForOneCall);
    world.add("bob", &format!("wake me at {}", MIDNIGHT + 5_000)).await.unwrap();
    assert_eq!(world.store.next_due().await.unwrap(), Some(MIDNIGHT + 5_000));
    let version = world.registry.live(&LogicName::new("todo").unwrap()).unwrap();
    assert_eq!(version.counters.faults.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_long_clear_leaves_the_other_lists_a_thread() {
    const ENTRIES: usize = 501;
    let store = Arc::new(FaultyStore::new(MemoryStore::default()));
    let world = World::limited(store, Bounds { idle: 60_000, resident: 10 }, 2 * ENTRIES, ENTRIES);
    let (release, released) = channel();
    world.publish_scripted(2, Script::WaitsAtDeletion(Mutex::new(Some(released))));
    let bob = name("bob");
    let adding = (0..ENTRIES).map(|_| world.cache.call(&bob, add("milk")));
    assert!(futures_util::future::join_all(adding).await.iter().all(Result::is_ok));
    let cache = world.cache.clone();
    let clearing = tokio::spawn(async move { cache.call(&name("bob"), request(Command::Clear)).await });
    world.add("alice", "tea").await.unwrap();
    let _ = release.send(());
    assert_eq!(clearing.await.unwrap().unwrap().touched().removed.len(), ENTRIES);
}

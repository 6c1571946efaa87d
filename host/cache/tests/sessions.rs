//! What actors do with versions whose sessions fail, run out of their budget, or take long.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

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
    /// It is heavy, and its additions and reads wait while the test holds them up.
    IsHeavy(Arc<Slowness>),
}

/// What holds decisions up, and what they do meanwhile.
#[derive(Default)]
struct Slowness {
    is_holding: Mutex<bool>,
    released: Condvar,
    running: AtomicUsize,
    most_running: AtomicUsize,
    /// The lists of the decisions, in their order.
    order: Mutex<Vec<String>>,
}

impl Slowness {
    fn hold_up(&self, holds: bool) {
        *self.is_holding.lock() = holds;
        self.released.notify_all();
    }

    fn wait(&self) {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        self.released.wait_while(&mut self.is_holding.lock(), |is_holding| *is_holding);
        self.running.fetch_sub(1, Ordering::SeqCst);
    }
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

    fn is_heavy(&self) -> bool {
        matches!(self.script, Script::IsHeavy(_))
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
            (Script::IsHeavy(slowness), Call::Add(draft)) => {
                slowness.wait();
                slowness.order.lock().push(draft.title.clone());
            }
            _ => {}
        }
        self.native.decide(list, context, call)
    }

    fn view(&mut self, list: &Arc<List>, context: &Context, query: &Query) -> Result<Result<Page, Rejection>, Fault> {
        if let Script::IsHeavy(slowness) = self.script {
            slowness.wait();
        }
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

/// Sends a command of a client in a task of its own.
fn send(
    world: &World,
    list: &str,
    client: &str,
    command: Command,
) -> tokio::task::JoinHandle<Result<Reply, CallError>> {
    let (cache, name, client) = (world.cache.clone(), name(list), client.into());
    let request = Request { client, ..request(command) };
    tokio::spawn(async move { cache.call(&name, request).await })
}

/// A world with the logic `slow` besides, and lists that it decides about.
async fn world_with_slow_lists(lists: &[&str]) -> (World, Arc<Slowness>) {
    let (world, slowness) = (World::new(), Arc::new(Slowness::default()));
    let script = Script::IsHeavy(slowness.clone());
    let slow = Scripted { native: Native::named("slow", 1), script };
    world.registry.publish(Box::new(slow), "test", MIDNIGHT);
    let bind = Command::Configure { logic: Some(LogicName::new("slow").unwrap()), pin: None, settings: Vec::new() };
    for list in lists {
        world.cache.call(&name(list), request(bind.clone())).await.unwrap();
    }
    (world, slowness)
}

fn titled(title: &str) -> Command {
    Command::Add(Draft { title: title.into(), ..Draft::default() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_decisions_and_reads_leave_quick_lists_their_threads_and_run_two_at_a_time() {
    let lists: Vec<String> = (0..16).map(|number| format!("slow {number}")).collect();
    let lists: Vec<&str> = lists.iter().map(String::as_str).collect();
    let (world, slowness) = world_with_slow_lists(&lists).await;
    // A hundred decisions show that the other logic is quick.
    for number in 0..100 {
        world.add("warm-up", &number.to_string()).await.unwrap();
    }
    slowness.hold_up(true);
    let mut waiting: Vec<_> = lists.iter().map(|list| send(&world, list, list, titled("milk"))).collect();
    let reading: Vec<_> = lists
        .iter()
        .map(|list| {
            let (cache, list, client) = (world.cache.clone(), name(list), Arc::from(*list));
            tokio::spawn(async move {
                cache.view(&list, "ann".into(), &client, &Query { limit: 5, ..Query::default() }).await
            })
        })
        .collect();
    let turns = &world.cache.environment().turns;
    until(|| slowness.running.load(Ordering::SeqCst) == 2 && turns.waiting() == 30).await;
    for number in 0..100 {
        world.add("quick", &number.to_string()).await.unwrap();
    }
    assert_eq!(world.titles("quick").await.len(), 100);
    slowness.hold_up(false);
    for command in waiting.drain(..) {
        command.await.unwrap().unwrap();
    }
    for read in reading {
        read.await.unwrap().unwrap();
    }
    assert_eq!(slowness.most_running.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_many_slow_lists_delays_another_one_by_one_turn() {
    let lists = ["busy 1", "busy 2", "busy 3", "busy 4", "busy 5", "busy 6", "ann"];
    let (world, slowness) = world_with_slow_lists(&lists).await;
    slowness.hold_up(true);
    let turns = &world.cache.environment().turns;
    let mut waiting = Vec::new();
    for (sent, list) in lists.into_iter().enumerate() {
        waiting.push(send(&world, list, list.split(' ').next().unwrap(), titled(list)));
        until(|| slowness.running.load(Ordering::SeqCst) + turns.waiting() == sent + 1).await;
    }
    slowness.hold_up(false);
    for command in waiting {
        command.await.unwrap().unwrap();
    }
    let order = slowness.order.lock();
    let place = order.iter().position(|list| list == "ann").unwrap();
    assert!(place <= 4, "two ran, and the turns after them are one of each client: {order:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wake_up_that_gets_no_turn_stays_due() {
    let (world, _) = world_with_slow_lists(&["bob"]).await;
    world.add("bob", &format!("wake me at {}", MIDNIGHT + 5_000)).await.unwrap();
    world.clock.advance(5_000);
    world.cache.environment().turns.close();
    let woken = world.cache.call(&name("bob"), request(Command::Wake)).await;
    assert_eq!(woken.unwrap_err(), CallError::Crashed);
    assert_eq!(world.store.next_due().await.unwrap(), Some(MIDNIGHT + 5_000));
}

#[tokio::test]
async fn a_large_list_is_filtered_in_a_turn_and_a_small_one_at_once() {
    let world = World::new();
    world.registry.publish(Native::read_by_host(5), "test", world.clock.now());
    world.add("small", "milk").await.unwrap();
    for _ in 0..60 {
        world.add("large", &"\u{65e5}".repeat(1_000)).await.unwrap();
    }
    let read = async |list: &str, text: Option<&str>| {
        let options = ViewOptions { filter: EntryFilter::new(text, Vec::new()), ..ViewOptions::default() };
        let (query, client) = (Query { limit: 5, ..Query::default() }, "ann".into());
        let view = world.cache.view_with(&name(list), "ann".into(), &client, &query, &options).await;
        view.map(|view| view.total)
    };
    assert_eq!(read("large", Some("\u{65e5}")).await, Ok(Some(60)));
    // A read that waits for a turn gets none now.
    world.cache.environment().turns.close();
    assert_eq!(read("small", Some("MILK")).await, Ok(Some(1)));
    assert_eq!(read("large", None).await, Ok(Some(60)));
    assert_eq!(read("large", Some("\u{65e5}")).await, Err(CallError::Crashed));
}

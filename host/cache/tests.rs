//! What cache and actor promise together, on a store that fails when it is told to.

mod moves;
mod wake_ups;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use super::*;
use crate::actor::{CommandSource, Effect, Expect, InvalidInput, Prepare};
use crate::clock::{Clock, ManualClock};
use crate::list::Limits;
use crate::list::change::Change;
use crate::list::command::{Command, Query};
use crate::list::entry::{Draft, Patch};
use crate::list::name::LogicName;
use crate::list::revision::Idempotency;
use crate::list::schema::Description;
use crate::logic::testing::{CROWDED, Native};
use crate::logic::{Fault, Refusal};
use crate::rollout::Registry;
use crate::store::faulty::FaultyStore;
use crate::store::memory::MemoryStore;
use crate::store::{Store, StoreError};

const MIDNIGHT: u64 = 1_795_392_000_000;

/// A cache with all it stands on, within reach of the test.
struct World {
    cache: Arc<Cache>,
    store: Arc<FaultyStore<MemoryStore>>,
    clock: Arc<ManualClock>,
    registry: Arc<Registry>,
}

impl World {
    fn new() -> Self {
        Self::bounded(Bounds { idle: 60_000, resident: 1_000 }, 1_024)
    }

    fn bounded(bounds: Bounds, mailbox: usize) -> Self {
        Self::build(Arc::new(FaultyStore::new(MemoryStore::default())), bounds, mailbox)
    }

    fn with_store(store: Arc<FaultyStore<MemoryStore>>) -> Self {
        Self::build(store, Bounds { idle: 60_000, resident: 1_000 }, 1_024)
    }

    fn build(store: Arc<FaultyStore<MemoryStore>>, bounds: Bounds, mailbox: usize) -> Self {
        let clock = Arc::new(ManualClock::at(MIDNIGHT));
        let registry = Arc::new(Registry::default());
        registry.publish(Native::version(1), "test", clock.now());
        let environment = Environment {
            store: store.clone(),
            registry: registry.clone(),
            clock: clock.clone(),
            tasks: TaskTracker::new(),
            limits: Limits { entries: 100, ..Limits::default() },
            mailbox,
            default_logic: LogicName::new("todo").unwrap(),
        };
        Self { cache: Arc::new(Cache::new(Arc::new(environment), bounds)), store, clock, registry }
    }

    async fn add(&self, list: &str, title: &str) -> Result<Reply, CallError> {
        self.cache.call(&name(list), add(title)).await
    }

    async fn titles(&self, list: &str) -> Vec<String> {
        self.cache.read(&name(list)).await.unwrap().scan(0).map(|entry| entry.title.clone()).collect()
    }

    /// Adds in a task of its own, and waits until its commit is held back by the store.
    async fn add_held(
        &self,
        list: &'static str,
        title: &'static str,
    ) -> tokio::task::JoinHandle<Result<Reply, CallError>> {
        let (cache, held) = (self.cache.clone(), self.store.held_commits());
        let adding = tokio::spawn(async move { cache.call(&name(list), add(title)).await });
        until(|| self.store.held_commits() > held).await;
        adding
    }
}

/// Lets the other tasks run until the condition holds.
async fn until(condition: impl Fn() -> bool) {
    for _ in 0..1_000_000 {
        if condition() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the other tasks do not get there");
}

fn name(name: &str) -> ListName {
    ListName::new(name).unwrap()
}

fn request(command: Command) -> Request {
    Request { command: command.into(), caller: "alice".into(), expect: Expect::Anything, idempotency: None }
}

fn add(title: &str) -> Request {
    request(Command::Add(Draft { title: title.into(), ..Draft::default() }))
}

#[tokio::test]
async fn a_list_comes_into_being_with_its_first_entry() {
    let world = World::new();
    assert!(!world.cache.read(&name("bob")).await.unwrap().exists());
    let reply = world.add("bob", "milk").await.unwrap();
    assert!(reply.created);
    assert_eq!(reply.revision, 1);
    assert_eq!(world.titles("bob").await, ["milk"]);
    assert!(!world.add("bob", "bread").await.unwrap().created);
}

#[tokio::test]
async fn a_command_that_changes_nothing_brings_no_list_into_being() {
    let world = World::new();
    let reply = world.cache.call(&name("bob"), request(Command::Clear)).await.unwrap();
    assert!(matches!(reply.effect, Effect::Nothing));
    assert!(!world.cache.read(&name("bob")).await.unwrap().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_first_requests_start_one_actor() {
    let world = Arc::new(World::new());
    let mut calls = JoinSet::new();
    for number in 0..64 {
        let world = world.clone();
        calls.spawn(async move { world.add("bob", &number.to_string()).await.unwrap().revision });
    }
    let mut revisions = calls.join_all().await;
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=64).collect::<Vec<_>>());
    assert_eq!(world.cache.resident(), 1);
}

#[tokio::test]
async fn nobody_sees_a_change_before_it_is_durable() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    let mut events = world.cache.subscribe(&name("bob")).unwrap();
    world.store.hold_commits();
    let adding = world.add_held("bob", "bread").await;
    assert_eq!(world.titles("bob").await, ["milk"]);
    assert!(events.try_recv().is_err());
    assert!(!adding.is_finished());
    world.store.release();
    assert_eq!(adding.await.unwrap().unwrap().revision, 2);
    assert_eq!(world.titles("bob").await, ["milk", "bread"]);
    assert_eq!(events.recv().await.unwrap().number, 2);
}

#[tokio::test]
async fn commands_that_wait_are_committed_together() {
    let world = World::new();
    world.store.hold_commits();
    let first = world.add_held("bob", "one").await;
    let waiting: Vec<_> = ["two", "three", "four"]
        .map(|title| {
            let cache = world.cache.clone();
            tokio::spawn(async move { cache.call(&name("bob"), add(title)).await })
        })
        .into();
    tokio::task::yield_now().await;
    assert_eq!(world.store.held_commits(), 1);
    // The first commit passes, the next one is held again.
    world.store.release();
    world.store.hold_commits();
    first.await.unwrap().unwrap();
    until(|| world.store.held_commits() == 1).await;
    assert!(waiting.iter().all(|call| !call.is_finished()));
    // That one passes, too. A third one would be held, and its callers would wait.
    world.store.release();
    world.store.hold_commits();
    until(|| waiting.iter().all(|call| call.is_finished()) || world.store.held_commits() > 0).await;
    assert_eq!(world.store.held_commits(), 0, "three commands are one commit");
    for (at, call) in waiting.into_iter().enumerate() {
        assert_eq!(call.await.unwrap().unwrap().revision, at as u64 + 2);
    }
}

#[tokio::test]
async fn a_full_mailbox_refuses_and_loses_nothing() {
    let world = World::bounded(Bounds { idle: 60_000, resident: 10 }, 2);
    world.store.hold_commits();
    let first = world.add_held("bob", "one").await;
    let (one, two) = (world.cache.clone(), world.cache.clone());
    let waiting = [
        tokio::spawn(async move { one.call(&name("bob"), add("two")).await }),
        tokio::spawn(async move { two.call(&name("bob"), add("three")).await }),
    ];
    tokio::task::yield_now().await;
    assert_eq!(world.add("bob", "four").await.unwrap_err(), CallError::Overloaded { limit: 2 });
    world.store.release();
    first.await.unwrap().unwrap();
    for call in waiting {
        call.await.unwrap().unwrap();
    }
    assert_eq!(world.titles("bob").await, ["one", "two", "three"]);
}

#[tokio::test]
async fn a_failed_commit_changes_nothing_and_the_list_is_loaded_anew() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    let error = StoreError::Failed { what: "write".into(), why: "no space".into() };
    world.store.fail_next_commit(error.clone());
    assert_eq!(world.add("bob", "bread").await.unwrap_err(), CallError::Store(error));
    assert_eq!(world.titles("bob").await, ["milk"]);
    assert!(matches!(world.add("bob", "eggs").await, Err(CallError::Store(StoreError::Poisoned { .. }))));
    world.store.mend();
    assert_eq!(world.add("bob", "eggs").await.unwrap().revision, 2);
    assert_eq!(world.titles("bob").await, ["milk", "eggs"]);
}

#[tokio::test]
async fn a_commit_whose_outcome_the_store_does_not_know_is_told_apart_from_one_that_was_not_made() {
    let world = World::new();
    let error = StoreError::Unknown { what: "write".into(), why: "no space".into() };
    world.store.fail_next_commit(error.clone());
    let (bob, ann) = (name("bob"), name("ann"));
    let mut refused = std::pin::pin!(world.cache.call(&bob, add("no")));
    assert!(futures_util::poll!(&mut refused).is_pending());
    let reply = world.add("bob", "bread").await.unwrap_err();
    assert_eq!(reply, CallError::Unknown { why: error.to_string() });
    // A command that was refused is certainly not carried out, whatever became of its neighbour.
    assert!(matches!(refused.await.unwrap_err(), CallError::Refused { .. }));
    let reply = world.cache.call(&ann, add("tea")).await.unwrap_err();
    assert!(matches!(reply, CallError::Store(StoreError::Poisoned { .. })), "{reply:?}");
}

#[tokio::test]
async fn a_list_that_cannot_be_read_is_an_error_and_never_empty() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    world.clock.advance(60_001);
    assert_eq!(world.cache.sweep(), 1);
    world.store.make_unreadable(name("bob"), "a bit flipped");
    assert!(matches!(world.cache.read(&name("bob")).await, Err(CallError::Store(StoreError::Unreadable { .. }))));
    assert!(matches!(world.add("bob", "bread").await, Err(CallError::Store(StoreError::Unreadable { .. }))));
    world.add("alice", "tea").await.unwrap();
    world.store.make_readable(&name("bob"));
    assert_eq!(world.titles("bob").await, ["milk"]);
}

#[tokio::test]
async fn a_panic_ends_one_actor_and_the_next_request_finds_another() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    assert_eq!(world.add("bob", "panic").await.unwrap_err(), CallError::Crashed);
    assert_eq!(world.add("bob", "bread").await.unwrap().revision, 2);
    assert_eq!(world.titles("bob").await, ["milk", "bread"]);
    assert_eq!(world.cache.resident(), 1);
}

#[tokio::test]
async fn a_fault_costs_its_own_command_only() {
    let world = World::new();
    for title in ["fault", "foreign"] {
        let error = world.add("bob", title).await.unwrap_err();
        assert!(matches!(error, CallError::Refused { refusal: Refusal::Fault(_), .. }), "{error:?}");
        world.add("bob", "milk").await.unwrap();
    }
    assert_eq!(world.titles("bob").await, ["milk", "milk"]);
    let version = world.registry.live(&LogicName::new("todo").unwrap()).unwrap();
    assert_eq!(version.counters.faults.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn an_idle_actor_is_passivated_and_a_used_one_is_not() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    world.clock.advance(59_999);
    world.add("alice", "tea").await.unwrap();
    assert_eq!(world.cache.sweep(), 0);
    world.clock.advance(1);
    assert_eq!(world.cache.sweep(), 1);
    assert_eq!(world.cache.resident(), 1);
    assert_eq!(world.titles("bob").await, ["milk"]);
}

#[tokio::test]
async fn an_actor_that_is_listened_to_or_at_work_is_not_passivated() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    let events = world.cache.subscribe(&name("bob")).unwrap();
    world.store.hold_commits();
    let adding = world.add_held("alice", "tea").await;
    world.clock.advance(600_000);
    assert_eq!(world.cache.sweep(), 0);
    world.store.release();
    adding.await.unwrap().unwrap();
    drop(events);
    assert_eq!(world.cache.sweep(), 2);
}

#[tokio::test]
async fn room_is_made_by_passivating_the_longest_idle() {
    let world = World::bounded(Bounds { idle: 60_000, resident: 10 }, 16);
    for number in 0..10 {
        world.add(&format!("list {number}"), "milk").await.unwrap();
        world.clock.advance(1);
    }
    assert!(matches!(world.add("one more", "milk").await, Err(CallError::TooManyLists { limit: 10 })));
    world.cache.above_high_watermark().await;
    assert_eq!(world.cache.sweep(), 1);
    world.add("one more", "milk").await.unwrap();
    assert!(world.cache.actors.get(&name("list 0")).is_none());
    assert!(world.cache.actors.get(&name("list 1")).is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn passivation_at_any_moment_costs_nobody_a_request() {
    let world = Arc::new(World::bounded(Bounds { idle: 0, resident: 1_000 }, 1_024));
    let swept = Arc::new(AtomicUsize::new(0));
    for list in 0..4 {
        world.add(&format!("list {list}"), "milk").await.unwrap();
    }
    let mut clients = JoinSet::new();
    for client in 0..8 {
        let (world, swept) = (world.clone(), swept.clone());
        clients.spawn(async move {
            let list = name(&format!("list {}", client % 4));
            for change in 0..100 {
                let patch = Patch { title: Some(format!("{client} {change}")), ..Patch::default() };
                world.cache.call(&list, request(Command::Update { id: 1, patch })).await.unwrap();
                // Each sweeps while the seven others are at it.
                swept.fetch_add(world.cache.sweep(), Ordering::Relaxed);
            }
        });
    }
    clients.join_all().await;
    assert!(swept.load(Ordering::Relaxed) > 0);
    let mut revisions = 0;
    for list in 0..4 {
        revisions += world.cache.read(&name(&format!("list {list}"))).await.unwrap().revision();
    }
    assert_eq!(revisions, 4 + 8 * 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_swap_happens_between_two_commands() {
    let world = Arc::new(World::new());
    let mut clients = JoinSet::new();
    for client in 0..4 {
        let world = world.clone();
        clients.spawn(async move {
            let mut last = 0;
            for _ in 0..20 {
                let reply = world.add(&format!("list {client}"), "milk").await.unwrap();
                assert!(reply.logic.version.major >= last, "a list went back to an older version");
                last = reply.logic.version.major;
            }
        });
    }
    for major in 2..50 {
        world.registry.publish(Native::version(major), "test", world.clock.now());
        tokio::task::yield_now().await;
    }
    clients.join_all().await;
    assert_eq!(world.add("list 0", "milk").await.unwrap().logic.version.major, 49);
}

/// A body whose meaning is the version that reads it: the entry is titled with the version's number.
#[derive(Debug)]
struct TitledByVersion;

impl Prepare for TitledByVersion {
    fn prepare(&self, description: &Description) -> Result<Command, InvalidInput> {
        let title = description.version.to_string();
        match description.fields.first() {
            None => Ok(Command::Add(Draft { title, ..Draft::default() })),
            Some(field) => Err(InvalidInput { member: field.name.clone(), message: "it is refused".into() }),
        }
    }
}

fn titled_by_version() -> Request {
    let outline = Command::Add(Draft::default());
    Request { command: CommandSource::Deferred { outline, body: Arc::new(TitledByVersion) }, ..add("") }
}

#[tokio::test]
async fn a_body_is_read_by_the_version_that_decides_also_when_it_was_published_while_the_command_waited() {
    let world = World::new();
    world.store.hold_commits();
    let first = world.add_held("bob", "milk").await;
    let bob = name("bob");
    let mut waiting = std::pin::pin!(world.cache.call(&bob, titled_by_version()));
    assert!(futures_util::poll!(&mut waiting).is_pending(), "the command is in the mailbox");
    world.registry.publish(Native::version(2), "test", MIDNIGHT);
    world.store.release();
    first.await.unwrap().unwrap();
    assert_eq!(waiting.await.unwrap().logic.version.major, 2);
    assert_eq!(world.titles("bob").await, ["milk", "2.0.0"]);
}

#[tokio::test]
async fn a_body_that_the_deciding_version_does_not_take_names_the_member_and_the_version() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    world.registry.publish(Native::with_a_field(2), "test", MIDNIGHT);
    let refused = world.cache.call(&name("bob"), titled_by_version()).await.unwrap_err();
    let CallError::Invalid { input, logic } = refused else { panic!("{refused:?}") };
    assert_eq!((input.to_string().as_str(), logic.version.major), ("rank: it is refused", 2));
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer_also_from_a_new_actor() {
    let world = World::new();
    let keyed = |title: &str, fingerprint: u8| Request {
        idempotency: Some(Idempotency { key: "k".into(), fingerprint: [fingerprint; 32] }),
        ..add(title)
    };
    let first = world.cache.call(&name("bob"), keyed("milk", 1)).await.unwrap();
    world.add("bob", "bread").await.unwrap();
    world.clock.advance(600_000);
    world.cache.sweep();
    let again = world.cache.call(&name("bob"), keyed("milk", 1)).await.unwrap();
    assert_eq!((again.revision, again.created), (first.revision, true));
    assert_eq!(again.changes(), first.changes());
    assert_eq!(world.cache.call(&name("bob"), keyed("eggs", 2)).await.unwrap_err(), CallError::KeyReused);
    assert_eq!(world.titles("bob").await, ["milk", "bread"]);
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer_also_without_a_version_that_could_decide() {
    let world = World::new();
    world.registry.publish(Native::named("kanban", 1), "test", MIDNIGHT);
    let configure =
        Command::Configure { logic: Some(LogicName::new("kanban").unwrap()), pin: None, settings: Vec::new() };
    world.cache.call(&name("bob"), request(configure)).await.unwrap();
    let keyed = || Request { idempotency: Some(Idempotency { key: "k".into(), fingerprint: [1; 32] }), ..add("milk") };
    let first = world.cache.call(&name("bob"), keyed()).await.unwrap();
    let gone = World::with_store(world.store.clone());
    assert!(matches!(gone.add("bob", "bread").await, Err(CallError::NoLogic(_))));
    let again = gone.cache.call(&name("bob"), keyed()).await.unwrap();
    assert_eq!((again.revision, again.changes()), (first.revision, first.changes()));
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer_also_while_no_instance_is_free() {
    let world = World::new();
    let keyed = || Request { idempotency: Some(Idempotency { key: "k".into(), fingerprint: [1; 32] }), ..add("milk") };
    let first = world.cache.call(&name("bob"), keyed()).await.unwrap();
    world.registry.publish(Native::version(CROWDED), "test", MIDNIGHT);
    let busy = world.add("bob", "bread").await.unwrap_err();
    assert!(matches!(busy, CallError::Refused { refusal: Refusal::Fault(Fault::Instance(_)), .. }), "{busy:?}");
    assert_eq!(world.cache.call(&name("bob"), keyed()).await.unwrap().revision, first.revision);
}

#[tokio::test]
async fn a_command_is_decided_again_when_another_writer_was_faster() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    let conflict = || StoreError::Conflict { name: name("bob"), expected: 1, found: 2 };
    world.store.fail_next_commit(conflict());
    assert_eq!(world.add("bob", "bread").await.unwrap().revision, 2);
    assert_eq!(world.titles("bob").await, ["milk", "bread"]);
    for _ in 0..3 {
        world.store.fail_next_commit(conflict());
    }
    assert_eq!(world.add("bob", "eggs").await.unwrap_err(), CallError::Store(conflict()));
    assert_eq!(world.add("bob", "tea").await.unwrap().revision, 3, "the next actor goes on");
}

#[tokio::test]
async fn the_times_of_a_list_do_not_decrease_when_the_wall_clock_is_set_back() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    world.clock.set_wall(MIDNIGHT - 3_600_000);
    world.add("bob", "bread").await.unwrap();
    world.clock.set_wall(MIDNIGHT + 5);
    world.add("bob", "eggs").await.unwrap();
    let history = world.cache.history(&name("bob"), 0, 10).await.unwrap();
    let times: Vec<u64> = history.iter().map(|revision| revision.context.now).collect();
    assert_eq!(times, [MIDNIGHT, MIDNIGHT, MIDNIGHT + 5]);
}

#[tokio::test]
async fn an_actor_becomes_idle_also_while_the_wall_clock_is_set_back() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    world.clock.set_wall(MIDNIGHT - 3_600_000);
    world.clock.advance_monotonic(59_999);
    assert_eq!(world.cache.sweep(), 0);
    world.clock.advance_monotonic(1);
    assert_eq!(world.cache.sweep(), 1);
}

#[tokio::test]
async fn a_command_in_the_mailbox_of_an_actor_that_ends_was_certainly_not_carried_out() {
    let world = World::new();
    let bob = name("bob");
    let mut first = std::pin::pin!(world.cache.call(&bob, add("panic")));
    assert!(futures_util::poll!(&mut first).is_pending());
    let mut taken_with_it = std::pin::pin!(world.cache.call(&bob, add("milk")));
    assert!(futures_util::poll!(&mut taken_with_it).is_pending());
    assert_eq!(first.await.unwrap_err(), CallError::Crashed);
    assert_eq!(taken_with_it.await.unwrap_err(), CallError::Crashed);
}

#[tokio::test]
async fn a_repeated_request_that_was_rejected_is_rejected_again() {
    let world = World::new();
    let keyed = || Request { idempotency: Some(Idempotency { key: "k".into(), fingerprint: [1; 32] }), ..add("no") };
    let first = world.cache.call(&name("bob"), keyed()).await.unwrap_err();
    assert!(matches!(&first, CallError::Refused { refusal: Refusal::Rejected(_), .. }));
    world.clock.advance(600_000);
    world.cache.sweep();
    assert_eq!(world.cache.call(&name("bob"), keyed()).await.unwrap_err(), first);
}

#[tokio::test]
async fn a_condition_is_checked_in_the_moment_of_the_decision() {
    let world = World::new();
    let expecting = |expect| Request { expect, ..add("milk") };
    let exists = world.cache.call(&name("bob"), expecting(Expect::Exists)).await;
    assert_eq!(exists.unwrap_err(), CallError::Stale { revision: 0 });
    world.add("bob", "milk").await.unwrap();
    world.cache.call(&name("bob"), expecting(Expect::Revision(vec![7, 1]))).await.unwrap();
    let stale = world.cache.call(&name("bob"), expecting(Expect::Revision(vec![1]))).await;
    assert_eq!(stale.unwrap_err(), CallError::Stale { revision: 2 });
}

#[tokio::test]
async fn deleting_all_entries_is_one_command_through_the_logic() {
    let world = World::new();
    for title in ["milk", "bread"] {
        world.add("bob", title).await.unwrap();
    }
    world.cache.call(&name("bob"), request(Command::Clear)).await.unwrap();
    assert_eq!(world.cache.read(&name("bob")).await.unwrap().revision(), 3);
    for title in ["milk", "stay"] {
        world.add("bob", title).await.unwrap();
    }
    let refused = world.cache.call(&name("bob"), request(Command::Clear)).await;
    assert!(matches!(refused, Err(CallError::Refused { refusal: Refusal::Rejected(_), .. })));
    assert_eq!(world.titles("bob").await, ["milk", "stay"]);
}

#[tokio::test]
async fn a_list_is_handed_to_another_logic_with_its_migration() {
    let world = World::new();
    world.registry.publish(Native::named("kanban", 3), "test", MIDNIGHT);
    world.add("bob", "milk").await.unwrap();
    let kanban = LogicName::new("kanban").unwrap();
    let configure =
        |logic: &LogicName| Command::Configure { logic: Some(logic.clone()), pin: None, settings: Vec::new() };
    let reply = world.cache.call(&name("bob"), request(configure(&kanban))).await.unwrap();
    assert_eq!(reply.logic.name, kanban);
    assert!(matches!(&reply.changes()[0], Change::BindLogic(binding) if *binding.logic() == kanban));
    assert_eq!(world.titles("bob").await, ["milk", "todo@1.0.0"]);
    assert_eq!(world.add("bob", "bread").await.unwrap().logic.name, kanban);
    let unknown = LogicName::new("unknown").unwrap();
    let error = world.cache.call(&name("bob"), request(configure(&unknown))).await.unwrap_err();
    assert_eq!(error, CallError::NoLogic(unknown));
}

#[tokio::test]
async fn a_deleted_list_is_gone_and_its_revisions_go_on() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    assert_eq!(world.cache.call(&name("bob"), request(Command::DeleteList)).await.unwrap().revision, 2);
    assert!(!world.cache.read(&name("bob")).await.unwrap().exists());
    let again = world.cache.call(&name("bob"), request(Command::DeleteList)).await.unwrap_err();
    assert!(matches!(again, CallError::Refused { refusal: Refusal::NoSuchList, .. }));
    let reply = world.add("bob", "bread").await.unwrap();
    assert_eq!((reply.revision, reply.created), (3, true));
}

#[tokio::test]
async fn an_entry_changed_while_another_client_deletes_it_is_absent() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    let patch = Patch { title: Some("bread".into()), ..Patch::default() };
    let bob = name("bob");
    let delete = world.cache.call(&bob, request(Command::Delete { id: 1 }));
    let update = world.cache.call(&bob, request(Command::Update { id: 1, patch }));
    let (deleted, updated) = tokio::join!(delete, update);
    deleted.unwrap();
    assert!(matches!(updated, Err(CallError::Refused { refusal: Refusal::NoSuchEntry(1), .. })));
}

#[tokio::test]
async fn a_list_grows_to_its_limit_and_no_further() {
    let world = World::new();
    for _ in 0..100 {
        world.add("bob", "milk").await.unwrap();
    }
    let error = world.add("bob", "milk").await.unwrap_err();
    let full = Refusal::Full { what: "entries", limit: 100 };
    assert!(matches!(error, CallError::Refused { refusal, .. } if refusal == full));
    world.cache.call(&name("bob"), request(Command::Delete { id: 1 })).await.unwrap();
    world.add("bob", "milk").await.unwrap();
}

#[tokio::test]
async fn a_page_that_shows_what_is_not_there_is_a_violation() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    let query = |after| Query { after, limit: 10, ..Query::default() };
    assert!(world.cache.view(&name("bob"), "alice".into(), &query(None)).await.is_ok());
    let error = world.cache.view(&name("bob"), "alice".into(), &query(Some(99))).await.unwrap_err();
    assert!(matches!(error, CallError::Refused { refusal: Refusal::Fault(Fault::Violation(_)), .. }));
}

#[tokio::test]
async fn a_list_is_woken_once_for_each_time_it_asked_for() {
    let world = World::new();
    world.add("bob", &format!("wake me at {}", MIDNIGHT + 5_000)).await.unwrap();
    assert_eq!(world.store.next_due().await.unwrap(), Some(MIDNIGHT + 5_000));
    assert!(world.store.due(MIDNIGHT + 4_999, None, 10).await.unwrap().is_empty());
    world.clock.advance(5_000);
    world.cache.call(&name("bob"), request(Command::Wake)).await.unwrap();
    assert_eq!(world.titles("bob").await[1..], ["woken"]);
    let next = world.store.next_due().await.unwrap();
    assert_eq!(next, Some(MIDNIGHT + 6_000), "a time that is over is put off, not asked for ever");
    // One that was sent twice, or put off meanwhile, does nothing.
    let early = world.cache.call(&name("bob"), request(Command::Wake)).await;
    assert!(matches!(early, Err(CallError::Stale { .. })), "{early:?}");
}

#[tokio::test]
async fn a_list_that_cannot_be_woken_is_tried_again_later_and_a_deleted_one_never() {
    let world = World::new();
    world.registry.publish(Native::named("kanban", 1), "test", MIDNIGHT);
    let kanban = Command::Configure { logic: Some(LogicName::new("kanban").unwrap()), pin: None, settings: Vec::new() };
    for list in ["bob", "eve"] {
        world.cache.call(&name(list), request(kanban.clone())).await.unwrap();
        world.add(list, &format!("wake me at {}", MIDNIGHT + 5_000)).await.unwrap();
    }
    world.cache.call(&name("eve"), request(Command::DeleteList)).await.unwrap();
    // The logic is gone, as after a restart without its file.
    let gone = World::with_store(world.store.clone());
    gone.clock.advance(5_000);
    let woken = gone.cache.call(&name("bob"), request(Command::Wake)).await;
    assert!(matches!(woken, Err(CallError::NoLogic(_))), "{woken:?}");
    assert_eq!(gone.store.next_due().await.unwrap(), Some(MIDNIGHT + 65_000));
}

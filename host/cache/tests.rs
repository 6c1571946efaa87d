//! The promises of the cache and the actors, on a store with injected faults.

mod commits;
mod memory;
mod moves;
mod receipts;
mod requests;
mod sessions;
mod wake_ups;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use super::*;
use crate::actor::{CommandSource, Effect, Expect, InvalidInput, ListMemory, Prepare};
use crate::clock::{Clock, ManualClock};
use crate::executor::turns::Turns;
use crate::list::Limits;
use crate::list::change::Change;
use crate::list::command::{Command, Query};
use crate::list::entry::{Draft, Patch};
use crate::list::name::LogicName;
use crate::list::receipt::Idempotency;
use crate::list::schema::Description;
use crate::logic::testing::{CROWDED, Native};
use crate::logic::{Fault, Refusal};
use crate::rollout::{Registry, Version};
use crate::store::faulty::FaultyStore;
use crate::store::memory::MemoryStore;
use crate::store::{Store, StoreError};

const MIDNIGHT: u64 = 1_795_392_000_000;

/// A cache with its store, clock and registry.
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
        Self::limited(store, bounds, mailbox, 100)
    }

    fn limited(store: Arc<FaultyStore<MemoryStore>>, bounds: Bounds, mailbox: usize, entries: usize) -> Self {
        Self::with_memory(store, bounds, mailbox, entries, ListMemory::default())
    }

    fn with_memory(
        store: Arc<FaultyStore<MemoryStore>>,
        bounds: Bounds,
        mailbox: usize,
        entries: usize,
        list_memory: ListMemory,
    ) -> Self {
        let clock = Arc::new(ManualClock::at(MIDNIGHT));
        let registry = Arc::new(Registry::default());
        registry.publish(Native::version(1), "test", clock.now());
        let environment = Environment {
            live_room: Arc::default(),
            list_memory,
            list_changes: Arc::default(),
            store: store.clone(),
            registry: registry.clone(),
            clock: clock.clone(),
            executor: Arc::new(TaskTracker::new()),
            turns: Turns::new(2),
            limits: Limits { entries, ..Limits::default() },
            mailbox,
            default_logic: LogicName::new("todo").unwrap(),
        };
        Self { cache: Arc::new(Cache::new(Arc::new(environment), bounds)), store, clock, registry }
    }

    async fn add(&self, list: &str, title: &str) -> Result<Reply, CallError> {
        // Each list has a client of its own.
        self.cache.call(&name(list), Request { client: list.into(), ..add(title) }).await
    }

    async fn titles(&self, list: &str) -> Vec<String> {
        self.cache.read(&name(list)).await.unwrap().scan(0).map(|entry| entry.title.clone()).collect()
    }

    /// Adds an entry in a task of its own, and waits until the store holds its commit.
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
    panic!("the other tasks do not make the condition hold");
}

fn name(name: &str) -> ListName {
    ListName::new(name).unwrap()
}

fn request(command: Command) -> Request {
    Request::new(command, "alice")
}

fn add(title: &str) -> Request {
    request(Command::Add(Draft { title: title.into(), ..Draft::default() }))
}

#[tokio::test]
async fn the_first_entry_creates_the_list() {
    let world = World::new();
    assert!(!world.cache.read(&name("bob")).await.unwrap().exists());
    let reply = world.add("bob", "milk").await.unwrap();
    assert!(reply.created);
    assert_eq!(reply.revision, 1);
    assert_eq!(world.titles("bob").await, ["milk"]);
    assert!(!world.add("bob", "bread").await.unwrap().created);
}

#[tokio::test]
async fn a_command_that_changes_nothing_creates_no_list() {
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
async fn an_actor_with_a_subscriber_or_a_task_is_not_passivated() {
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
async fn the_longest_idle_actors_are_passivated_above_the_high_watermark() {
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
async fn passivation_at_any_moment_fails_no_request() {
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
                // Each client sweeps while the seven others send commands.
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
                assert!(reply.logic.version.major >= last, "the version of a list went back");
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
async fn a_version_is_unloaded_by_its_age_whatever_the_wall_clock_says() {
    let world = World::new();
    let spare = Version::new(Native::version(7), "test", MIDNIGHT);
    world.registry.add_spare(&spare);
    world.clock.advance_monotonic(1_000_000);
    spare.touch(world.clock.uptime());
    for wall in [MIDNIGHT + 86_400_000, MIDNIGHT - 86_400_000] {
        world.clock.set_wall(wall);
        assert_eq!(world.cache.unload_unused(600_000), 0);
    }
    world.clock.advance_monotonic(600_001);
    assert_eq!(world.cache.unload_unused(600_000), 1);
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
async fn a_list_of_ten_thousand_entries_is_emptied_by_one_revision_among_others() {
    const ENTRIES: usize = 10_000;
    let store = Arc::new(FaultyStore::new(MemoryStore::default()));
    let world = World::limited(store, Bounds { idle: 60_000, resident: 10 }, 2 * ENTRIES, ENTRIES);
    let bob = name("bob");
    let adding = (0..ENTRIES).map(|_| world.cache.call(&bob, add("milk")));
    assert!(futures_util::future::join_all(adding).await.iter().all(Result::is_ok));
    let clear = world.cache.call(&bob, request(Command::Clear));
    let next = world.cache.call(&bob, add("bread"));
    let (cleared, added) = tokio::join!(clear, next);
    let cleared = cleared.unwrap();
    assert_eq!((cleared.revision, cleared.touched().removed.len()), (ENTRIES as u64 + 1, ENTRIES));
    assert_eq!(added.unwrap().revision, ENTRIES as u64 + 2);
    assert_eq!(world.titles("bob").await, ["bread"]);
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
    let Effect::Revised(revision) = &reply.effect else { panic!("{reply:?}") };
    assert!(matches!(&revision.changes[0], Change::BindLogic(binding) if *binding.logic() == kanban));
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
async fn a_page_with_an_entry_that_does_not_exist_is_a_violation() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    let query = |after| Query { after, limit: 10, ..Query::default() };
    assert!(world.cache.view(&name("bob"), "alice".into(), &"alice".into(), &query(None)).await.is_ok());
    let error = world.cache.view(&name("bob"), "alice".into(), &"alice".into(), &query(Some(99))).await.unwrap_err();
    assert!(matches!(error, CallError::Refused { refusal: Refusal::Fault(Fault::Violation(_)), .. }));
}

//! Wake-ups: each list is woken once at its time, in memory or not, also when the server was down then. On real files.

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use futures_util::{StreamExt as _, stream};
use hotlist::actor::{Environment, ListMemory, Request, WAKE_UP_RETRY};
use hotlist::cache::wake_scheduler::{MAX_WAKING, WakeScheduler};
use hotlist::cache::{Bounds, Cache};
use hotlist::clock::{Clock, ManualClock};
use hotlist::config::Config;
use hotlist::executor::turns::{MAX_WAITING_OF_ONE, Turns};
use hotlist::list::Limits;
use hotlist::list::command::Command;
use hotlist::list::entry::{Draft, Patch};
use hotlist::list::name::{ListName, LogicName};
use hotlist::list::value::{Field, Value};
use hotlist::rollout::Registry;
use hotlist::store::Store;
use hotlist::store::embedded::{EmbeddedStore, Options};
use hotlist::store::faulty::FaultyStore;
use hotlist::system::System;
use support::waking::Waking;
use support::{NOON, WAIT_TIMEOUT};
use tokio::runtime::Runtime;
use tokio_util::task::TaskTracker;

/// When the lists want to be woken.
const DUE: u64 = NOON + 5_000;
const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;
/// Enough to fill the store's pages and the places of wake-ups in flight several times.
const MANY: usize = 5_000;

type TestStore = FaultyStore<EmbeddedStore>;

fn open(data: &Path) -> Arc<TestStore> {
    Arc::new(FaultyStore::new(EmbeddedStore::open(data, Options::default()).expect("a store")))
}

fn name(list: &str) -> ListName {
    ListName::new(list).expect("a name")
}

fn add(title: &str) -> Request {
    Request::new(Command::Add(Draft { title: title.into(), ..Draft::default() }), "alice")
}

/// A cache and a wake-up scheduler without the loops of a server. Only what the test calls happens.
struct World {
    runtime: Runtime,
    store: Arc<TestStore>,
    clock: Arc<ManualClock>,
    cache: Arc<Cache>,
    scheduler: WakeScheduler,
}

impl World {
    /// Starts on a data directory, at a time.
    fn start(data: &Path, now: u64) -> Self {
        let (store, clock, registry) = (open(data), Arc::new(ManualClock::at(now)), Arc::new(Registry::default()));
        registry.publish(Box::new(Waking::new("todo")), "test", now);
        let environment = Environment {
            live_room: Arc::default(),
            list_memory: ListMemory::default(),
            list_changes: Arc::default(),
            store: store.clone(),
            registry,
            clock: clock.clone(),
            executor: Arc::new(TaskTracker::new()),
            turns: Turns::new(2),
            limits: Limits::default(),
            mailbox: 100,
            default_logic: LogicName::new("todo").expect("a name"),
        };
        let cache = Arc::new(Cache::new(Arc::new(environment), Bounds { idle: 60_000, resident: 100_000 }));
        let scheduler = WakeScheduler::new(cache.clone());
        Self { runtime: Runtime::new().expect("a runtime"), store, clock, scheduler, cache }
    }

    /// Ends as kill -9 does: what is not in the files is lost.
    fn crash(self) {
        let Self { runtime, store, cache, scheduler, .. } = self;
        drop((scheduler, cache));
        drop(runtime);
        drop(Arc::into_inner(store).expect("nothing is left that could write"));
    }

    fn carry_out(&self, list: &str, request: Request) {
        self.runtime.block_on(self.cache.call(&name(list), request)).expect("it is carried out");
    }

    fn add(&self, list: &str, title: &str) {
        self.carry_out(list, add(title));
    }

    /// Wakes the due lists, and waits until all of them have answered.
    fn wake_due(&mut self) {
        self.runtime.block_on(async {
            self.scheduler.poll_due().await;
            self.scheduler.rest().await;
        });
    }

    fn wake_at(&mut self, moment: u64) {
        self.clock.advance(moment - self.clock.now());
        self.wake_due();
    }

    /// How many revisions the wake-ups of a list made.
    fn woken(&self, list: &str) -> usize {
        self.runtime.block_on(woken(&*self.store, list))
    }

    fn next_due(&self) -> Option<u64> {
        self.runtime.block_on(self.store.next_due()).expect("the timers are readable")
    }

    /// Adds [`MANY`] lists that are due at the same time.
    fn add_many(&self) {
        self.runtime.block_on(async {
            let adding = (0..MANY).map(|number| {
                let cache = self.cache.clone();
                async move { cache.call(&name(&format!("list {number}")), add(&format!("at {DUE}"))).await }
            });
            let added: Vec<_> = stream::iter(adding).buffer_unordered(MAX_WAITING_OF_ONE).collect().await;
            assert!(added.iter().all(Result::is_ok));
        });
    }

    fn woken_of_many(&self) -> usize {
        (0..MANY).map(|number| self.woken(&format!("list {number}"))).sum()
    }
}

/// Passivates all actors, which were idle for long enough. The task of an actor may still be about to end.
async fn passivate(cache: &Cache) {
    let begun = Instant::now();
    while cache.resident() > 0 {
        assert!(begun.elapsed() < WAIT_TIMEOUT, "{} actors stay", cache.resident());
        cache.sweep();
        tokio::task::yield_now().await;
    }
}

async fn woken(store: &impl Store, list: &str) -> usize {
    let history = store.history(&name(list), 0, 1_000).await.expect("it is readable");
    history.iter().filter(|revision| revision.command == Command::Wake).count()
}

#[test]
fn a_passivated_list_is_woken_when_its_time_has_come_and_not_before() {
    let data = tempfile::tempdir().expect("a directory");
    let mut world = World::start(data.path(), NOON);
    let due = NOON + HOUR;
    world.add("bob", &format!("at {due}"));
    world.add("eve", &format!("at {}", due + 1));
    world.clock.advance(HOUR - 1);
    world.runtime.block_on(passivate(&world.cache));
    world.wake_due();
    assert_eq!((world.woken("bob"), world.cache.resident()), (0, 0));
    world.wake_at(due);
    assert_eq!((world.woken("bob"), world.woken("eve")), (1, 0));
    assert_eq!(world.cache.resident(), 1, "only who is due is brought back");
    world.wake_at(due + 1);
    assert_eq!((world.woken("bob"), world.woken("eve")), (1, 1));
}

#[test]
fn a_list_is_woken_once_however_often_the_scheduler_polls() {
    let data = tempfile::tempdir().expect("a directory");
    let mut world = World::start(data.path(), NOON);
    world.add("bob", &format!("at {DUE}"));
    world.clock.advance(5_000);
    world.store.hold_commits();
    world.runtime.block_on(async {
        for _ in 0..3 {
            world.scheduler.poll_due().await;
        }
        while world.store.held_commits() == 0 {
            tokio::task::yield_now().await;
        }
        // A second scheduler, as a second server would have.
        let mut other = WakeScheduler::new(world.cache.clone());
        other.poll_due().await;
        world.store.release();
        other.rest().await;
        world.scheduler.rest().await;
    });
    world.wake_at(DUE + HOUR);
    assert_eq!(world.woken("bob"), 1);
    assert_eq!(world.next_due(), None);
}

#[test]
fn a_clock_that_steps_forward_and_back_wakes_no_list_twice() {
    let data = tempfile::tempdir().expect("a directory");
    let mut world = World::start(data.path(), NOON);
    world.add("bob", &format!("at {DUE}"));
    for moment in [DUE + HOUR, NOON, DUE, NOON - HOUR, DUE + DAY] {
        world.clock.set_wall(moment);
        world.wake_due();
        assert_eq!(world.woken("bob"), 1, "at {moment}");
    }
}

#[test]
fn a_clock_that_steps_back_loses_no_wake_up() {
    let data = tempfile::tempdir().expect("a directory");
    let mut world = World::start(data.path(), NOON);
    world.add("bob", &format!("at {DUE}"));
    world.clock.set_wall(NOON - DAY);
    world.add("eve", &format!("at {}", NOON - HOUR));
    world.wake_due();
    assert_eq!((world.woken("bob"), world.woken("eve")), (0, 0));
    world.clock.set_wall(NOON - HOUR);
    world.wake_due();
    assert_eq!((world.woken("bob"), world.woken("eve")), (0, 1));
    world.clock.set_wall(DUE);
    world.wake_due();
    assert_eq!(world.woken("bob"), 1);
}

#[test]
fn a_wake_up_that_failed_is_sent_again_after_its_pause_also_if_the_clock_steps_back_meanwhile() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::start(data.path(), NOON);
    world.add("bob", &format!("at {DUE}"));
    world.crash();
    let mut world = World::start(data.path(), DUE + HOUR);
    world.store.make_unreadable(name("bob"), "a test says so");
    world.wake_due();
    world.store.make_readable(&name("bob"));
    world.clock.set_wall(DUE);
    world.wake_due();
    assert_eq!(world.woken("bob"), 0, "the pause is not over");
    world.clock.advance_monotonic(WAKE_UP_RETRY);
    world.wake_due();
    assert_eq!(world.woken("bob"), 1);
}

#[test]
fn a_wake_that_changes_nothing_does_not_come_again() {
    let data = tempfile::tempdir().expect("a directory");
    let mut world = World::start(data.path(), NOON);
    world.add("bob", &format!("idle at {DUE}"));
    world.wake_at(DUE);
    assert_eq!(world.next_due(), None, "that it was woken is durable");
    world.add("eve", &format!("stuck at {}", DUE + 1));
    world.wake_at(DUE + 2_000);
    assert_eq!(world.next_due(), Some(DUE + 2_000 + WAKE_UP_RETRY), "nor at once, when its logic insists");
    assert_eq!((world.woken("bob"), world.woken("eve")), (0, 0));
}

#[test]
fn a_wake_that_fails_is_tried_again_after_a_pause() {
    let data = tempfile::tempdir().expect("a directory");
    let mut world = World::start(data.path(), NOON);
    world.add("bob", &format!("fail at {DUE}"));
    world.wake_at(DUE);
    assert_eq!(world.next_due(), Some(DUE + WAKE_UP_RETRY));
    world.crash();
    let mut world = World::start(data.path(), DUE + 1);
    assert_eq!(world.next_due(), Some(DUE + WAKE_UP_RETRY), "a restart does not shorten the pause");
    // The cause of the failure is gone.
    world.carry_out("bob", Request::new(Command::Delete { id: 1 }, "alice"));
    world.add("bob", &format!("at {}", DUE + 2_000));
    world.wake_at(DUE + 2_000);
    assert_eq!(world.woken("bob"), 1);
}

#[test]
fn a_list_that_was_due_while_the_server_was_down_is_woken_once_at_its_start() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::start(data.path(), NOON);
    world.add("bob", &format!("at {DUE}"));
    world.crash();
    let mut world = World::start(data.path(), DUE + DAY);
    world.wake_due();
    assert_eq!(world.woken("bob"), 1);
    world.crash();
    let mut world = World::start(data.path(), DUE + 2 * DAY);
    world.wake_due();
    assert_eq!(world.woken("bob"), 1);
}

#[test]
fn a_crash_between_waking_and_its_commit_wakes_again_and_makes_one_revision() {
    let data = tempfile::tempdir().expect("a directory");
    let mut world = World::start(data.path(), NOON);
    world.add("bob", &format!("at {DUE}"));
    world.store.hold_commits();
    world.clock.advance(5_000);
    world.runtime.block_on(async {
        world.scheduler.poll_due().await;
        while world.store.held_commits() == 0 {
            tokio::task::yield_now().await;
        }
    });
    world.crash();
    let mut world = World::start(data.path(), DUE + 1);
    assert_eq!(world.woken("bob"), 0);
    world.wake_due();
    assert_eq!(world.woken("bob"), 1);
}

#[test]
fn a_deleted_list_is_not_woken() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::start(data.path(), NOON);
    world.add("bob", &format!("at {DUE}"));
    world.carry_out("bob", Request::new(Command::DeleteList, "alice"));
    assert_eq!(world.next_due(), None);
    world.crash();
    let mut world = World::start(data.path(), DUE);
    world.wake_due();
    assert_eq!((world.woken("bob"), world.cache.resident()), (0, 0));
}

#[test]
fn a_list_that_is_deleted_while_its_wake_up_is_in_flight_stays_deleted() {
    let data = tempfile::tempdir().expect("a directory");
    let mut world = World::start(data.path(), NOON);
    world.add("bob", &format!("at {DUE}"));
    world.clock.advance(5_000);
    world.store.hold_commits();
    let (cache, bob) = (world.cache.clone(), name("bob"));
    let deleting =
        world.runtime.spawn(async move { cache.call(&bob, Request::new(Command::DeleteList, "alice")).await });
    world.runtime.block_on(async {
        while world.store.held_commits() == 0 {
            tokio::task::yield_now().await;
        }
        world.scheduler.poll_due().await;
        world.store.release();
        world.scheduler.rest().await;
        deleting.await.expect("it does not panic").expect("it is deleted");
    });
    assert_eq!((world.woken("bob"), world.next_due()), (0, None));
    let list = world.runtime.block_on(world.cache.read(&name("bob"))).expect("it is readable");
    assert!(!list.exists());
}

#[test]
fn a_list_that_is_put_off_is_not_woken_early() {
    let data = tempfile::tempdir().expect("a directory");
    let mut world = World::start(data.path(), NOON);
    world.add("bob", &format!("at {DUE}"));
    world.add("bob", &format!("at {}", DUE + 60_000));
    world.carry_out("bob", Request::new(Command::Delete { id: 1 }, "alice"));
    world.wake_at(DUE + 59_999);
    assert_eq!(world.woken("bob"), 0);
    world.wake_at(DUE + 60_000);
    assert_eq!(world.woken("bob"), 1);
}

#[test]
fn thousands_that_are_due_at_one_moment_are_woken_a_bounded_number_at_a_time() {
    let data = tempfile::tempdir().expect("a directory");
    let mut world = World::start(data.path(), NOON);
    world.add_many();
    world.clock.advance(HOUR);
    world.runtime.block_on(passivate(&world.cache));
    world.store.hold_commits();
    let polling = world.runtime.spawn(async move {
        world.scheduler.poll_due().await;
        world.scheduler.rest().await;
    });
    world.runtime.block_on(async {
        let begun = Instant::now();
        while world.store.held_commits() < MAX_WAKING {
            assert!(begun.elapsed() < WAIT_TIMEOUT, "{} commits are held", world.store.held_commits());
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(world.cache.resident(), MAX_WAKING, "no further list is loaded before a wake-up in flight ends");
    world.store.release();
    world.runtime.block_on(polling).expect("it does not panic");
    let mut world = World { scheduler: WakeScheduler::new(world.cache.clone()), ..world };
    world.wake_due();
    assert_eq!(world.woken_of_many(), MANY, "one poll wakes all, and once");
}

#[test]
fn lists_that_cannot_be_read_do_not_delay_the_others() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::start(data.path(), NOON);
    world.add_many();
    world.add("zoe", &format!("at {}", DUE + 1));
    world.crash();
    let mut world = World::start(data.path(), DUE + 1);
    for number in 0..MANY {
        world.store.make_unreadable(name(&format!("list {number}")), "a test says so");
    }
    world.wake_due();
    assert_eq!(world.woken("zoe"), 1, "she is behind all of them");
    world.store.make_readable(&name("list 7"));
    world.wake_due();
    assert_eq!(world.woken("list 7"), 0, "it is not loaded twice a second for ever");
    world.wake_at(DUE + 1 + WAKE_UP_RETRY);
    assert_eq!(world.woken("list 7"), 1);
}

#[test]
fn a_slow_list_does_not_delay_lists_that_are_due_later() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::start(data.path(), NOON);
    world.add("bob", &format!("at {DUE}"));
    world.crash();
    let mut world = World::start(data.path(), DUE);
    world.store.make_slow(name("bob"));
    world.runtime.block_on(world.scheduler.poll_due());
    world.add("eve", &format!("at {}", DUE + 10));
    world.clock.advance(1_000);
    world.runtime.block_on(world.scheduler.poll_due());
    world.runtime.block_on(async {
        while woken(&*world.store, "eve").await == 0 {
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(world.woken("bob"), 0);
    world.store.hurry(&name("bob"));
    world.wake_due();
    assert_eq!((world.woken("bob"), world.woken("eve")), (1, 1));
}

/// A whole server with its loops.
async fn serve(data: &Path, store: Arc<TestStore>, clock: Arc<ManualClock>) -> System {
    let system = System::start_with(Config::new(data.to_owned()), store, clock).await.expect("it starts");
    system.registry().publish(Box::new(Waking::new("todo")), "test", NOON);
    system
}

async fn wait_until_woken(store: &TestStore, list: &str) {
    let begun = Instant::now();
    while woken(store, list).await == 0 {
        assert!(begun.elapsed() < WAIT_TIMEOUT, "{list} was not woken");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chore_whose_day_came_while_the_server_was_down_is_open_again_at_its_start() {
    let data = tempfile::tempdir().expect("a directory");
    let (store, clock) = (open(data.path()), Arc::new(ManualClock::at(NOON)));
    let config = || Config::new(data.path().to_owned());
    let server = System::start_with(config(), store, clock).await.expect("it starts");
    let logic = Some(LogicName::new("chores").expect("a name"));
    let bins = Draft {
        title: "Bins".into(),
        fields: vec![Field { name: "rule".into(), value: Value::Text("daily".into()) }],
        ..Draft::default()
    };
    let done = Patch { completed: Some(true), ..Patch::default() };
    for command in [
        Command::Configure { logic, pin: None, settings: Vec::new() },
        Command::Add(bins),
        Command::Update { id: 1, patch: done },
    ] {
        server.cache().call(&name("flat"), Request::new(command, "alice")).await.expect("it is carried out");
    }
    server.stop().await.expect("it stops");

    let (store, clock) = (open(data.path()), Arc::new(ManualClock::at(NOON + DAY)));
    let server = System::start_with(config(), store.clone(), clock).await.expect("it starts");
    wait_until_woken(&store, "flat").await;
    let flat = store.load(&name("flat")).await.expect("it is readable").list;
    assert!(!flat.get(1).expect("it is there").completed);
    assert_eq!(woken(&*store, "flat").await, 1);
    server.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_wakes_lists_that_are_not_in_memory() {
    let data = tempfile::tempdir().expect("a directory");
    let (store, clock) = (open(data.path()), Arc::new(ManualClock::at(NOON)));
    let server = serve(data.path(), store.clone(), clock.clone()).await;
    for (list, due) in [("bob", NOON + HOUR), ("eve", NOON + DAY)] {
        server.cache().call(&name(list), add(&format!("at {due}"))).await.expect("it is added");
    }
    clock.advance(HOUR - 1);
    passivate(server.cache()).await;
    clock.advance(1);
    wait_until_woken(&store, "bob").await;
    assert_eq!(woken(&*store, "eve").await, 0);
    server.stop().await.expect("it stops");
    drop(store);

    // The test publishes its logic by hand, so the clock moves after the publication.
    let (store, clock) = (open(data.path()), Arc::new(ManualClock::at(NOON)));
    let server = serve(data.path(), store.clone(), clock.clone()).await;
    clock.advance(2 * DAY);
    wait_until_woken(&store, "eve").await;
    assert_eq!((woken(&*store, "bob").await, woken(&*store, "eve").await), (1, 1));
    server.stop().await.expect("it stops");
}

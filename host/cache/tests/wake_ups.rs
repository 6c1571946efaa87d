//! Wake-ups of one list, and the end of the task that wakes lists.

use super::*;
use crate::cache::wake_scheduler::WakeScheduler;

fn cache(is_broken: bool) -> Arc<Cache> {
    let clock = ManualClock::at(MIDNIGHT);
    if is_broken {
        clock.break_wall();
    }
    let environment = Environment {
        live_room: Arc::default(),
        list_memory: ListMemory::default(),
        list_changes: Arc::default(),
        store: Arc::new(MemoryStore::default()),
        registry: Arc::new(Registry::default()),
        clock: Arc::new(clock),
        executor: Arc::new(TaskTracker::new()),
        turns: Turns::new(2),
        limits: Limits::default(),
        mailbox: 16,
        default_logic: LogicName::new("todo").unwrap(),
    };
    Arc::new(Cache::new(Arc::new(environment), Bounds { idle: 60_000, resident: 10 }))
}

#[tokio::test]
async fn a_crash_of_the_task_that_wakes_lists_is_seen_from_outside() {
    let cache = cache(true);
    assert!(!cache.wake_ups_have_failed());
    let crashed = tokio::spawn(WakeScheduler::new(cache.clone()).run()).await.unwrap_err();
    assert!(crashed.is_panic());
    assert!(cache.wake_ups_have_failed());
}

#[tokio::test]
async fn the_end_of_the_server_is_no_crash_of_the_task_that_wakes_lists() {
    let cache = cache(false);
    let waking = tokio::spawn(WakeScheduler::new(cache.clone()).run());
    tokio::task::yield_now().await;
    waking.abort();
    assert!(waking.await.unwrap_err().is_cancelled());
    assert!(!cache.wake_ups_have_failed());
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
    assert_eq!(next, Some(MIDNIGHT + 6_000), "a time in the past is put off by the least pause");
    // A wake-up that was sent twice, or put off meanwhile, does nothing.
    let early = world.cache.call(&name("bob"), request(Command::Wake)).await;
    assert!(matches!(early, Err(CallError::Stale { .. })), "{early:?}");
}

#[tokio::test]
async fn a_list_that_cannot_be_woken_is_tried_again_later_and_a_deleted_list_never() {
    let world = World::new();
    world.registry.publish(Native::named("kanban", 1), "test", MIDNIGHT);
    let kanban = Command::Configure { logic: Some(LogicName::new("kanban").unwrap()), pin: None, settings: Vec::new() };
    for list in ["bob", "eve"] {
        world.cache.call(&name(list), request(kanban.clone())).await.unwrap();
        world.add(list, &format!("wake me at {}", MIDNIGHT + 5_000)).await.unwrap();
    }
    world.cache.call(&name("eve"), request(Command::DeleteList)).await.unwrap();
    // The logic is not loaded, as after a restart without its file.
    let gone = World::with_store(world.store.clone());
    gone.clock.advance(5_000);
    let woken = gone.cache.call(&name("bob"), request(Command::Wake)).await;
    assert!(matches!(woken, Err(CallError::NoLogic(_))), "{woken:?}");
    assert_eq!(gone.store.next_due().await.unwrap(), Some(MIDNIGHT + 65_000));
}

/// Polls for due lists twice a second, as a running scheduler does. Returns when the list got another actor, in
/// milliseconds after the first poll.
async fn starts_of_actors(world: &World, list: &str, milliseconds: u64) -> Vec<u64> {
    let mut scheduler = WakeScheduler::new(world.cache.clone());
    let mut starts = Vec::new();
    let actor = || world.cache.actors.get(&name(list)).map(|actor| actor.clone());
    let mut last = actor();
    for at in (0..=milliseconds).step_by(500) {
        scheduler.poll_due().await;
        scheduler.rest().await;
        let next = actor();
        if next.as_ref().map(Arc::as_ptr) != last.as_ref().map(Arc::as_ptr) {
            starts.push(at);
        }
        last = next;
        world.clock.advance(500);
    }
    starts
}

#[tokio::test]
async fn a_list_whose_actor_ended_for_another_command_is_woken_by_the_next_poll() {
    let world = World::new();
    let mut scheduler = WakeScheduler::new(world.cache.clone());
    world.add("bob", &format!("wake me at {}", MIDNIGHT + 5_000)).await.unwrap();
    world.clock.advance(5_000);
    scheduler.poll_due().await;
    // The actor takes both commands at once.
    assert_eq!(world.add("bob", "panic").await.unwrap_err(), CallError::Crashed);
    scheduler.rest().await;
    assert_eq!(world.titles("bob").await.len(), 1, "its wake-up ended with the actor");
    scheduler.poll_due().await;
    scheduler.rest().await;
    assert_eq!(world.titles("bob").await[1..], ["woken"]);
}

#[tokio::test]
async fn a_list_whose_wake_up_ends_its_actor_is_woken_less_and_less_often() {
    let world = World::new();
    for title in ["panic when woken", &format!("wake me at {}", MIDNIGHT + 5_000)] {
        world.add("bob", title).await.unwrap();
    }
    world.clock.advance(5_000);
    // The first attempt ends the actor that is there.
    let starts = starts_of_actors(&world, "bob", 200_000).await;
    assert_eq!(starts, [500, 1_500, 3_500, 7_500, 15_500, 31_500, 63_500, 123_500, 183_500]);
}

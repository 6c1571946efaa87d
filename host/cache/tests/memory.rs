//! Passivation by the memory that lists take.

use futures_util::FutureExt;
use tokio::sync::broadcast::error::TryRecvError;

use super::*;

const LIMIT: usize = 100_000;

impl World {
    fn with_little_memory() -> Self {
        let store = Arc::new(FaultyStore::new(MemoryStore::default()));
        let bounds = Bounds { idle: 60_000, resident: 1_000 };
        Self::with_memory(store, bounds, 16, 100, ListMemory::new(LIMIT))
    }

    fn memory(&self) -> &ListMemory {
        &self.cache.environment().list_memory
    }

    /// Adds lists, each later than the one before, until the lists take all of their memory. Returns how many.
    async fn fill(&self, kind: &str) -> usize {
        for number in 0.. {
            match self.add(&format!("{kind} {number}"), &"x".repeat(1_000)).await {
                Ok(_) => self.clock.advance(1),
                Err(CallError::ListMemoryFull { limit: LIMIT }) => return number,
                Err(error) => panic!("{error}"),
            }
        }
        unreachable!("the memory is limited")
    }

    fn is_in_memory(&self, list: &str) -> bool {
        self.cache.actors.contains_key(&name(list))
    }
}

#[tokio::test]
async fn the_longest_idle_lists_leave_the_memory_when_lists_take_nearly_all_of_it() {
    let world = World::with_little_memory();
    let count = world.fill("list").await;
    assert!((20..90).contains(&count), "{count} lists");
    // A list in memory is used as before.
    world.add("list 0", "milk").await.unwrap();
    world.cache.above_high_watermark().await;
    let swept = world.cache.sweep();
    assert!(swept > 0 && swept < count / 5, "{swept} of {count}");
    assert!(world.memory().used() <= LIMIT * 90 / 100);
    assert!(world.is_in_memory("list 0") && !world.is_in_memory("list 1"));
    assert!(world.is_in_memory(&format!("list {}", count - 1)));
    world.add("one more", "milk").await.unwrap();
    assert_eq!(world.titles("list 1").await.len(), 1, "it is read again");
}

#[tokio::test]
async fn a_list_that_is_followed_leaves_the_memory_last_and_its_event_streams_end() {
    let world = World::with_little_memory();
    let mut followed = Vec::new();
    for number in 0..3 {
        let list = format!("followed {number}");
        world.add(&list, &"x".repeat(1_000)).await.unwrap();
        followed.push(world.cache.subscribe(&name(&list)).unwrap());
        world.clock.advance(1);
    }
    world.fill("list").await;
    assert!(world.cache.sweep() > 0);
    assert!(world.is_in_memory("followed 0") && !world.is_in_memory("list 0"));
    // All others are followed as well.
    let others: Vec<_> = world.cache.actors.iter().map(|actor| actor.subscribe().ok()).collect();
    let count = world.fill("more").await;
    let more: Vec<_> = (0..count).map(|number| world.cache.subscribe(&name(&format!("more {number}")))).collect();
    assert!(world.cache.sweep() > 0);
    assert!(!world.is_in_memory("followed 0") && world.is_in_memory("more 0"));
    let missed = loop {
        match followed[0].try_recv() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(missed, TryRecvError::Closed);
    drop((others, more));
}

#[tokio::test]
async fn lists_that_are_loaded_at_a_time_are_refused_once_lists_take_all_of_their_memory() {
    const LISTS: usize = 200;
    let store = Arc::new(FaultyStore::new(MemoryStore::default()));
    let all: Vec<_> = (0..LISTS).map(|number| name(&format!("list {number}"))).collect();
    let writer = World::with_store(store.clone());
    let mut largest = 0;
    for list in &all {
        writer.add(list.as_str(), &"x".repeat(1_000)).await.unwrap();
        largest = largest.max(writer.cache.read(list).await.unwrap().memory());
    }
    assert!(LISTS * largest > 2 * LIMIT);
    let bounds = Bounds { idle: 60_000, resident: 1_000 };
    let world = World::with_memory(store.clone(), bounds, 16, 100, ListMemory::new(LIMIT));
    all.iter().for_each(|list| store.make_slow(list.clone()));
    let reads = futures_util::future::join_all(all.iter().map(|list| world.cache.read(list)));
    let hurry = async {
        until(|| world.cache.resident() == LISTS).await;
        all.iter().for_each(|list| store.hurry(list));
    };
    let (read, ()) = tokio::join!(reads, hurry);
    let is_full = |read: &Result<_, CallError>| matches!(read, Err(CallError::ListMemoryFull { limit: LIMIT }));
    assert!(read.iter().all(|read| read.is_ok() || is_full(read)));
    assert!(read.iter().any(Result::is_ok) && read.iter().any(is_full));
    assert!((LIMIT..LIMIT + largest).contains(&world.memory().used()), "{} bytes", world.memory().used());
    world.cache.above_high_watermark().await;
    assert!(world.cache.sweep() > 0);
    let refused = read.iter().position(is_full).unwrap();
    world.cache.read(&all[refused]).await.unwrap();
}

#[tokio::test]
async fn a_sweep_that_frees_too_little_is_repeated_as_long_as_it_frees_something() {
    let world = World::with_little_memory();
    let count = world.fill("list").await;
    world.store.hold_commits();
    let mut adding = JoinSet::new();
    for number in 1..count {
        let (cache, list) = (world.cache.clone(), name(&format!("list {number}")));
        adding.spawn(async move { cache.call(&list, add("milk")).await.unwrap() });
    }
    until(|| world.store.held_commits() == count - 1).await;
    let is_due = || world.cache.above_high_watermark().now_or_never().is_some();
    assert!(is_due() && !is_due());
    assert_eq!(world.cache.sweep(), 1, "the other lists have commands in progress");
    assert!(is_due() && !is_due());
    assert_eq!(world.cache.sweep(), 0);
    assert!(!is_due());
    world.store.release();
    adding.join_all().await;
}

#[tokio::test]
async fn what_lists_take_is_counted_until_they_leave_the_memory() {
    let world = World::with_little_memory();
    for list in ["bob", "ann", "eve"] {
        for title in ["milk", "bread"] {
            world.add(list, title).await.unwrap();
        }
    }
    world.cache.call(&name("bob"), request(Command::Clear)).await.unwrap();
    world.cache.call(&name("ann"), request(Command::DeleteList)).await.unwrap();
    world.cache.read(&name("none")).await.unwrap();
    let mut sum = 0;
    for list in ["bob", "ann", "eve", "none"] {
        sum += world.cache.read(&name(list)).await.unwrap().memory();
    }
    assert_eq!(world.memory().used(), sum);
    world.clock.advance(600_000);
    assert_eq!((world.cache.sweep(), world.memory().used()), (4, 0));
}

//! Receipts of requests with an idempotency key: how long they last, what they hold, and the room for them.

use super::*;
use crate::list::touched::Touched;
use crate::store::HistoryLimits;
use crate::store::receipt_room::{ReceiptLimit, ReceiptLimits};

const HOUR: u64 = 3_600_000;

fn keyed(holder: &str, key: &str, request: Request) -> Request {
    let key = format!("alice\n{key}");
    Request { idempotency: Some(Idempotency { key, holder: holder.into(), fingerprint: [1; 32] }), ..request }
}

/// A cache whose lists have at most 10,000 entries and 5 revisions of history.
fn world(limits: ReceiptLimits) -> World {
    let store = Arc::new(FaultyStore::new(MemoryStore::with_limits(
        HistoryLimits { revisions: 5, ..HistoryLimits::default() },
        limits,
    )));
    World::limited(store, Bounds { idle: 60_000, resident: 1_000 }, 20_000, 10_000)
}

fn small(list_bytes: usize, total_bytes: usize) -> World {
    world(ReceiptLimits { list_bytes, total_bytes, ..ReceiptLimits::default() })
}

impl World {
    async fn add_keyed(&self, list: &str, holder: &str, key: &str) -> Result<Reply, CallError> {
        self.cache.call(&name(list), keyed(holder, key, add("milk"))).await
    }

    /// Passivates all actors. The next request loads its list.
    fn passivate(&self) {
        self.clock.advance_monotonic(600_000);
        self.cache.sweep();
        assert_eq!(self.cache.resident(), 0);
    }

    fn used(&self) -> u64 {
        self.store.receipt_room().used()
    }

    /// The bytes of all receipts that are stored and not expired.
    async fn recounted(&self, lists: &[&str]) -> u64 {
        let mut bytes = 0;
        for list in lists {
            let stored = self.store.load(&name(list)).await.unwrap();
            bytes += stored.receipts.iter().map(|receipt| receipt.bytes() as u64).sum::<u64>();
        }
        bytes
    }
}

fn limit_of(refused: Result<Reply, CallError>) -> (ReceiptLimit, u64) {
    match refused.unwrap_err() {
        CallError::NoReceiptRoom(no_room) => (no_room.limit, no_room.bytes),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_key_is_known_until_its_receipt_expires_however_many_keys_follow() {
    let world = world(ReceiptLimits::default());
    let first = world.add_keyed("bob", "alice", "first").await.unwrap();
    for count in 0..300 {
        world.add_keyed("bob", "alice", &format!("key {count}")).await.unwrap();
    }
    world.clock.advance(24 * HOUR);
    for _ in 0..2 {
        let again = world.add_keyed("bob", "alice", "first").await.unwrap();
        assert_eq!((again.revision, again.touched()), (first.revision, first.touched()));
        world.passivate();
    }
    // The room of a receipt is free after its minute.
    world.clock.advance(60_000);
    assert_eq!(world.add_keyed("bob", "alice", "first").await.unwrap().revision, 302);
    assert_eq!(world.used(), world.recounted(&["bob"]).await);
}

#[tokio::test]
async fn a_key_is_new_after_it_expired_also_while_its_list_stays_in_memory() {
    let world = world(ReceiptLimits::default());
    world.add_keyed("bob", "alice", "k").await.unwrap();
    world.clock.advance(24 * HOUR + 1);
    assert_eq!(world.add_keyed("bob", "alice", "k").await.unwrap().revision, 2);
    assert_eq!(world.add_keyed("bob", "alice", "k").await.unwrap().revision, 2);
}

#[tokio::test]
async fn a_wall_clock_that_is_set_back_and_forward_expires_no_receipt_early() {
    let world = world(ReceiptLimits::default());
    world.clock.set_wall(MIDNIGHT + 48 * HOUR);
    world.add("bob", "milk").await.unwrap();
    world.clock.set_wall(MIDNIGHT);
    let first = world.add_keyed("bob", "alice", "k").await.unwrap();
    for hours in [1, 24, 47, 72] {
        world.clock.set_wall(MIDNIGHT + hours * HOUR);
        assert_eq!(world.add_keyed("bob", "alice", "k").await.unwrap().revision, first.revision, "{hours} hours");
    }
    world.clock.set_wall(MIDNIGHT + 72 * HOUR + 1);
    assert_eq!(world.add_keyed("bob", "alice", "k").await.unwrap().revision, first.revision + 1);
}

#[tokio::test]
async fn a_list_without_room_for_receipts_refuses_new_keys_and_nothing_else() {
    let world = small(4_096, 1 << 20);
    let mut count = 0;
    let refused = loop {
        match world.add_keyed("bob", "alice", &format!("key {count}")).await {
            Ok(_) => count += 1,
            refused => break refused,
        }
    };
    assert!(count > 10, "{count}");
    assert_eq!(limit_of(refused), (ReceiptLimit::ListHolder, 512));
    assert_eq!(world.titles("bob").await.len(), count);
    assert!(world.used() <= 4_096 - 512);
    let mut others = 0;
    let refused = loop {
        match world.add_keyed("bob", &format!("caller {others}"), &format!("other {others}")).await {
            Ok(_) => others += 1,
            refused => break refused,
        }
    };
    assert!(others > 0, "the last eighth is for others");
    assert_eq!(limit_of(refused), (ReceiptLimit::List, 4_096));
    assert_eq!(world.add_keyed("bob", "alice", "key 0").await.unwrap().revision, 1, "the oldest key is still known");
    world.add("bob", "bread").await.unwrap();
    world.add_keyed("ann", "alice", "another list").await.unwrap();
    world.clock.advance(24 * HOUR + 1);
    world.add_keyed("bob", "alice", "new").await.unwrap();
    assert_eq!(world.recounted(&["bob", "ann"]).await, world.recounted(&["bob"]).await, "ann's is expired");
}

#[tokio::test]
async fn one_holder_takes_an_eighth_of_the_room_at_most() {
    let world = small(1 << 20, 32_768);
    let mut count = 0;
    let refused = loop {
        match world.add_keyed(&format!("list {count}"), "alice", "k").await {
            Ok(_) => count += 1,
            refused => break refused,
        }
    };
    assert_eq!(limit_of(refused), (ReceiptLimit::Holder, 4_096));
    world.add_keyed("bob", "another address", "k").await.unwrap();
    assert!(world.store.receipt_room().used_by("alice") <= 4_096);
}

#[tokio::test]
async fn a_request_whose_receipt_is_too_large_changes_nothing() {
    // The smallest receipt has room, and the one with the title has not.
    let world = small(600, 1 << 20);
    let long = keyed("alice", "k", add(&"x".repeat(900)));
    assert_eq!(limit_of(world.cache.call(&name("bob"), long).await), (ReceiptLimit::List, 600));
    assert!(!world.cache.read(&name("bob")).await.unwrap().exists());
    assert_eq!(world.used(), 0);
    world.add_keyed("bob", "alice", "k").await.unwrap();
}

#[tokio::test]
async fn a_rejection_is_not_reported_without_a_receipt() {
    let world = small(200, 1 << 20);
    let rejected = world.cache.call(&name("bob"), keyed("alice", "k", add("no"))).await;
    assert_eq!(limit_of(rejected).0, ReceiptLimit::List);
}

#[tokio::test]
async fn a_commit_that_is_not_carried_out_takes_no_room_and_one_that_may_be_does() {
    let world = world(ReceiptLimits::default());
    world.store.fail_next_commit(StoreError::Overloaded { limit: 1 });
    world.add_keyed("bob", "alice", "a").await.unwrap_err();
    assert_eq!(world.used(), 0);
    let conflict = StoreError::Conflict { name: name("bob"), expected: 0, found: 1 };
    world.store.fail_next_commit(conflict);
    world.add_keyed("bob", "alice", "b").await.unwrap();
    let one = world.recounted(&["bob"]).await;
    assert_eq!(world.used(), one);
    world.store.fail_next_commit(StoreError::Unknown { what: "write".into(), why: "a test".into() });
    world.add_keyed("bob", "alice", "c").await.unwrap_err();
    assert_eq!(world.used(), 2 * one, "the commit may be durable");
}

#[tokio::test]
async fn a_repetition_of_a_large_command_shows_its_entries_while_the_history_holds_them_and_then_their_ids() {
    const ENTRIES: u64 = 2_000;
    let world = world(ReceiptLimits::default());
    let bob = name("bob");
    let adding = (0..ENTRIES).map(|_| world.cache.call(&bob, add("milk")));
    assert!(futures_util::future::join_all(adding).await.iter().all(Result::is_ok));
    let mut undone = None;
    for pair in 0..3 {
        let clear = keyed("alice", &format!("clear {pair}"), request(Command::Clear));
        assert_eq!(world.cache.call(&bob, clear).await.unwrap().touched().removed.len() as u64, ENTRIES);
        let key = format!("undo {pair}");
        let undo = world
            .cache
            .undo(&bob, None, UndoRight::Own, |command| keyed("alice", &key, request(command)))
            .await
            .unwrap();
        undone.get_or_insert(undo);
    }
    let stored = world.store.load(&bob).await.unwrap();
    let bytes: Vec<_> = stored.receipts.iter().map(|receipt| receipt.bytes()).collect();
    assert!(bytes.len() == 6 && bytes.iter().all(|bytes| *bytes < 400), "{bytes:?}");

    let first = undone.unwrap();
    let repeat = || world.cache.undo(&bob, None, UndoRight::Own, |command| keyed("alice", "undo 0", request(command)));
    let again = repeat().await.unwrap();
    assert_eq!((again.revision, again.touched()), (first.revision, first.touched()));
    for _ in 0..5 {
        world.add("bob", "bread").await.unwrap();
    }
    let again = repeat().await.unwrap();
    let ids: Vec<_> = first.touched().put.iter().map(|entry| entry.id).collect();
    assert_eq!((again.revision, again.touched()), (first.revision, Touched { unknown: ids, ..Touched::default() }));
}

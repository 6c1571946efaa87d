//! Batches and their commits: what is visible when, and what a caller learns about a commit that fails.

use super::*;

#[tokio::test]
async fn a_change_is_not_visible_before_it_is_durable() {
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
async fn a_commit_that_was_not_made_changes_nothing_and_the_list_stays_in_memory() {
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
    // A refused command is certainly not carried out, whatever the outcome of the batch is.
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
async fn a_panic_ends_one_actor_and_the_next_request_finds_its_successor() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    assert_eq!(world.add("bob", "panic").await.unwrap_err(), CallError::Crashed);
    assert_eq!(world.add("bob", "bread").await.unwrap().revision, 2);
    assert_eq!(world.titles("bob").await, ["milk", "bread"]);
    assert_eq!(world.cache.resident(), 1);
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
    let history = world.store.history(&name("bob"), 0, 10).await.unwrap();
    let times: Vec<u64> = history.iter().map(|revision| revision.context.now).collect();
    assert_eq!(times, [MIDNIGHT, MIDNIGHT, MIDNIGHT + 5]);
}

#[tokio::test]
async fn the_times_of_a_list_do_not_decrease_when_it_was_out_of_memory_meanwhile() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    world.clock.advance_monotonic(60_000);
    assert_eq!(world.cache.sweep(), 1);
    world.clock.set_wall(MIDNIGHT - 3_600_000);
    world.add("bob", "bread").await.unwrap();
    world.cache.call(&name("bob"), request(Command::DeleteList)).await.unwrap();
    // A restart, after which the list is created anew.
    let world = World::with_store(world.store.clone());
    world.clock.set_wall(MIDNIGHT - 7_200_000);
    world.add("bob", "eggs").await.unwrap();
    let history = world.store.history(&name("bob"), 0, 10).await.unwrap();
    assert!(history.iter().all(|revision| revision.context.now == MIDNIGHT), "{history:?}");
}

#[tokio::test]
async fn a_command_is_refused_while_the_time_of_the_last_revision_cannot_be_read() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    world.clock.advance_monotonic(60_000);
    assert_eq!(world.cache.sweep(), 1);
    world.clock.set_wall(MIDNIGHT - 3_600_000);
    assert_eq!(world.titles("bob").await, ["milk"], "the list is in memory");
    world.store.make_unreadable(name("bob"), "a test says so");
    let refused = world.add("bob", "bread").await.unwrap_err();
    assert!(matches!(refused, CallError::Store(StoreError::Unreadable { .. })), "{refused:?}");
    world.store.make_readable(&name("bob"));
    world.add("bob", "bread").await.unwrap();
    let history = world.store.history(&name("bob"), 0, 10).await.unwrap();
    assert!(history.iter().all(|revision| revision.context.now == MIDNIGHT), "{history:?}");
}

#[tokio::test]
async fn dates_and_timers_follow_a_wall_clock_that_is_set_back() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    let an_hour_ago = MIDNIGHT - 3_600_000;
    world.clock.set_wall(an_hour_ago);
    world.add("bob", &format!("wake me at {}", an_hour_ago + 5_000)).await.unwrap();
    let history = world.store.history(&name("bob"), 1, 10).await.unwrap();
    let context = &history[0].context;
    let (today, _) = world.clock.local_at(an_hour_ago);
    assert_eq!((context.now, context.today), (MIDNIGHT, today));
    assert_eq!(world.store.next_due().await.unwrap(), Some(an_hour_ago + 5_000));
    let early = world.cache.call(&name("bob"), request(Command::Wake)).await;
    assert!(matches!(early, Err(CallError::Stale { .. })), "{early:?}");
    world.clock.advance(5_000);
    world.cache.call(&name("bob"), request(Command::Wake)).await.unwrap();
    assert_eq!(world.store.next_due().await.unwrap(), Some(an_hour_ago + 6_000));
}

#[tokio::test]
async fn a_command_moves_from_its_request_to_its_revision_without_a_copy() {
    let world = World::new();
    let title = "milk".to_owned();
    let place = title.as_ptr();
    let command = Command::Add(Draft { title, ..Draft::default() });
    let reply = world.cache.call(&name("bob"), request(command)).await.unwrap();
    let Effect::Revised(revision) = reply.effect else { panic!("an entry was added") };
    let Command::Add(draft) = &revision.command else { panic!("the command adds an entry") };
    assert_eq!(draft.title.as_ptr(), place);
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
async fn lists_in_memory_or_not_can_be_read_while_the_store_takes_no_writes() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    world.clock.advance(60_000);
    assert_eq!(world.cache.sweep(), 1);
    world.add("ann", "tea").await.unwrap();
    world.store.fail_next_commit(StoreError::Failed { what: "write".into(), why: "disk on fire".into() });
    world.add("eve", "rum").await.unwrap_err();
    for list in ["ann", "bob"] {
        assert!(matches!(world.add(list, "trap").await, Err(CallError::Store(StoreError::Poisoned { .. }))));
    }
    assert_eq!((world.titles("ann").await, world.titles("bob").await), (vec!["tea".into()], vec!["milk".into()]));
    assert!(world.cache.actors.iter().all(|actor| !actor.is_stopped()), "no actor ends for it");
}

#[tokio::test]
async fn a_refusal_by_a_list_that_did_not_become_durable_is_not_sent() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    let bob = name("bob");
    let at_first = || Request { expect: Expect::Revision(vec![1]), ..add("eggs") };
    // Both are one batch: the second request meets revision 2, which the store then does not take.
    let overloaded = StoreError::Overloaded { limit: 1 };
    world.store.fail_next_commit(overloaded.clone());
    let (added, other) = tokio::join!(world.cache.call(&bob, add("bread")), world.cache.call(&bob, at_first()));
    assert_eq!(added.unwrap_err(), CallError::Store(overloaded.clone()));
    assert_eq!(other.unwrap_err(), CallError::Store(overloaded));
    world.store.fail_next_commit(StoreError::Unknown { what: "write".into(), why: "no space".into() });
    let (added, other) = tokio::join!(world.cache.call(&bob, add("bread")), world.cache.call(&bob, at_first()));
    assert!(matches!(added.unwrap_err(), CallError::Unknown { .. }));
    assert_eq!(other.unwrap_err(), CallError::Crashed, "it was certainly not carried out");
    world.store.mend();
    assert_eq!(world.cache.call(&bob, at_first()).await.unwrap().revision, 2);
}

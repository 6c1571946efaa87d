//! Lists that move to a version whose lists hold something else, lists that do not, and what happens to
//! them when that version falls.

use std::sync::atomic::Ordering;

use super::*;
use crate::logic::testing::FAILS_AT_QUERIES;
use crate::rollout::Version;

impl World {
    fn live(&self) -> Arc<Version> {
        self.registry.live(&LogicName::new("todo").unwrap()).unwrap()
    }

    /// The major version that decides a command about a list.
    async fn decided_by(&self, list: &str, title: &str) -> u64 {
        self.add(list, title).await.unwrap().logic.version.major
    }

    /// The commands of a list's history.
    async fn commands(&self, list: &str) -> Vec<String> {
        let history = self.cache.history(&name(list), 0, 100).await.unwrap();
        history.iter().map(|revision| revision.command.name().to_owned()).collect()
    }
}

#[tokio::test]
async fn a_list_that_a_version_says_no_to_stays_where_it_is_and_holds_up_no_other() {
    let world = World::new();
    for (list, title) in [("bob", "not me"), ("ann", "break"), ("eve", "milk")] {
        assert_eq!(world.decided_by(list, title).await, 1);
    }
    world.registry.publish(Native::with_a_field(2), "test", MIDNIGHT);
    for _ in 0..3 {
        assert_eq!(world.decided_by("bob", "bread").await, 1, "it said no");
        assert_eq!(world.decided_by("ann", "bread").await, 1, "it failed");
        assert_eq!(world.decided_by("eve", "bread").await, 2);
    }
    assert_eq!(world.commands("bob").await, ["add-entry"; 4]);
    assert_eq!(world.commands("ann").await, ["add-entry"; 4]);
    assert_eq!(world.commands("eve").await, ["add-entry", "migrate", "add-entry", "add-entry", "add-entry"]);
    let live = world.live();
    let counted = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let counts = [&live.counters.migrated, &live.counters.not_migrated, &live.counters.faults].map(counted);
    assert_eq!(counts, [1, 2, 1], "each was asked once");
    // What it stayed for is gone, so the next version may take it.
    world.registry.publish(Native::with_a_field(3), "test", MIDNIGHT);
    assert_eq!(world.decided_by("eve", "tea").await, 3);
    assert_eq!(world.commands("eve").await.len(), 6, "it holds the same, so there is nothing to take over");
}

#[tokio::test]
async fn what_moved_to_a_version_that_falls_moves_back_and_the_command_at_hand_is_decided() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    world.registry.publish(Native::with_a_field(2), "test", MIDNIGHT);
    assert_eq!(world.decided_by("bob", "bread").await, 2);
    // Nobody can step in at once: the list has to be taken back first. So the first four are errors.
    let mut replies = Vec::new();
    for _ in 0..5 {
        replies.push(world.add("bob", "fault").await);
    }
    assert!(replies[..4].iter().all(|reply| {
        matches!(reply, Err(CallError::Refused { refusal: Refusal::Fault(_), logic }) if logic.version.major == 2)
    }));
    // The fifth was one too many: the good version fails at it as well, and says so itself.
    assert!(matches!(&replies[4], Err(CallError::Refused { logic, .. }) if logic.version.major == 1), "{replies:?}");
    assert_eq!(world.decided_by("bob", "tea").await, 1);
    let commands = world.commands("bob").await;
    assert_eq!(commands, ["add-entry", "migrate", "add-entry", "migrate", "add-entry"]);
}

#[tokio::test]
async fn a_list_whose_good_version_will_not_have_it_back_is_decided_as_it_is() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    world.registry.publish(Native::with_a_field(2), "test", MIDNIGHT);
    assert_eq!(world.decided_by("bob", "not me").await, 2);
    for _ in 0..5 {
        world.add("bob", "fault").await.unwrap_err();
    }
    assert_eq!(world.decided_by("bob", "tea").await, 1);
    let list = world.cache.read(&name("bob")).await.unwrap();
    assert_eq!(list.binding().unwrap().id.version.major, 2, "it is still to be taken over by somebody");
    world.registry.publish(Native::with_a_field(3), "test", MIDNIGHT);
    assert_eq!(world.decided_by("bob", "tea").await, 3);
    assert_eq!(world.commands("bob").await.iter().filter(|command| *command == "migrate").count(), 1);
}

#[tokio::test]
async fn what_the_last_good_version_does_not_know_is_not_said_to_be_decided_by_it() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    world.registry.publish(Native::version(2), "test", MIDNIGHT);
    assert_eq!(world.decided_by("bob", "bread").await, 2);
    let reply = world.add("bob", "fault").await.unwrap_err();
    assert!(
        matches!(reply, CallError::Refused { logic, .. } if logic.version.major == 2),
        "both fail, so it is its own"
    );
    assert_eq!(world.live().id().version.major, 2);
}

#[tokio::test]
async fn a_reading_at_which_new_rules_fail_is_answered_by_the_last_good_ones_and_counts() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    world.registry.publish(Native::version(FAILS_AT_QUERIES), "test", MIDNIGHT);
    let query = Query { limit: 10, ..Query::default() };
    for reading in 1..=3 {
        let view = world.cache.view(&name("bob"), "ann".into(), &query).await.unwrap();
        assert_eq!(view.logic.map(|logic| logic.version.major), Some(1), "reading {reading}");
        assert_eq!(world.live().id().version.major, if reading < 3 { FAILS_AT_QUERIES } else { 1 });
    }
}

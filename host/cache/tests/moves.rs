//! Lists that migrate to a version with an incompatible schema, lists that do not, and the quarantine of that version.

use std::sync::atomic::Ordering;

use super::*;
use crate::logic::testing::FAILS_AT_QUERIES;
use crate::rollout::{Cause, OnFault, Version};

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
        let history = self.store.history(&name(list), 0, 100).await.unwrap();
        history.iter().map(|revision| revision.command.name().to_owned()).collect()
    }
}

#[tokio::test]
async fn a_list_that_a_version_does_not_migrate_stays_with_its_version_and_delays_no_other() {
    let world = World::new();
    for (list, title) in [("bob", "not me"), ("ann", "break"), ("eve", "milk")] {
        assert_eq!(world.decided_by(list, title).await, 1);
    }
    world.registry.publish(Native::with_a_field(2), "test", MIDNIGHT);
    for _ in 0..3 {
        assert_eq!(world.decided_by("bob", "bread").await, 1, "the version refuses to migrate it");
        assert_eq!(world.decided_by("ann", "bread").await, 1, "the version fails to migrate it");
        assert_eq!(world.decided_by("eve", "bread").await, 2);
    }
    assert_eq!(world.commands("bob").await, ["add-entry"; 4]);
    assert_eq!(world.commands("ann").await, ["add-entry"; 4]);
    assert_eq!(world.commands("eve").await, ["add-entry", "migrate", "add-entry", "add-entry", "add-entry"]);
    let live = world.live();
    let counted = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let counts = [&live.counters.migrated, &live.counters.not_migrated, &live.counters.faults].map(counted);
    assert_eq!(counts, [1, 2, 1], "the version is asked once for each list");
    // The next version is asked to migrate the list, unless its schema is compatible.
    world.registry.publish(Native::with_a_field(3), "test", MIDNIGHT);
    assert_eq!(world.decided_by("eve", "tea").await, 3);
    assert_eq!(world.commands("eve").await.len(), 6, "the schema is compatible, so no migration is made");
}

#[tokio::test]
async fn a_list_of_a_quarantined_version_migrates_back_and_the_command_is_decided() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    world.registry.publish(Native::with_a_field(2), "test", MIDNIGHT);
    for list in ["bob", "ann", "eve"] {
        assert_eq!(world.decided_by(list, "bread").await, 2);
    }
    // The fallback cannot decide at once, because it would have to migrate the list first. The first four are errors.
    let mut replies = Vec::new();
    for list in ["bob", "ann", "eve", "bob", "bob"] {
        replies.push(world.add(list, "fault").await);
    }
    assert!(replies[..4].iter().all(|reply| {
        matches!(reply, Err(CallError::Refused { refusal: Refusal::Fault(_), logic }) if logic.version.major == 2)
    }));
    // The fifth failure quarantines the version. The last good version decides the command, and fails at it as well.
    assert!(matches!(&replies[4], Err(CallError::Refused { logic, .. }) if logic.version.major == 1), "{replies:?}");
    assert_eq!(world.decided_by("bob", "tea").await, 1);
    let commands = world.commands("bob").await;
    assert_eq!(commands, ["add-entry", "migrate", "add-entry", "migrate", "add-entry"]);
}

#[tokio::test]
async fn a_list_that_the_last_good_version_does_not_migrate_back_is_decided_without_a_migration() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    world.registry.publish(Native::with_a_field(2), "test", MIDNIGHT);
    for list in ["bob", "ann", "eve"] {
        assert_eq!(world.decided_by(list, "not me").await, 2);
    }
    for list in ["bob", "ann", "eve", "bob", "bob"] {
        world.add(list, "fault").await.unwrap_err();
    }
    assert_eq!(world.decided_by("bob", "tea").await, 1);
    let list = world.cache.read(&name("bob")).await.unwrap();
    assert_eq!(list.binding().unwrap().id.version.major, 2, "the list still waits for a migration");
    world.registry.publish(Native::with_a_field(3), "test", MIDNIGHT);
    assert_eq!(world.decided_by("bob", "tea").await, 3);
    assert_eq!(world.commands("bob").await.iter().filter(|command| *command == "migrate").count(), 1);
}

#[tokio::test]
async fn a_command_at_which_both_versions_fail_is_reported_for_the_live_one() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    world.registry.publish(Native::version(2), "test", MIDNIGHT);
    assert_eq!(world.decided_by("bob", "bread").await, 2);
    let reply = world.add("bob", "fault").await.unwrap_err();
    assert!(
        matches!(reply, CallError::Refused { logic, .. } if logic.version.major == 2),
        "both fail, so the live version reports the failure"
    );
    assert_eq!(world.live().id().version.major, 2);
}

#[tokio::test]
async fn a_read_at_which_the_live_version_fails_is_answered_by_the_last_good_one_and_counts() {
    let world = World::new();
    let lists = ["bob", "ann", "eve"];
    for list in lists {
        world.add(list, "milk").await.unwrap();
    }
    world.registry.publish(Native::version(FAILS_AT_QUERIES), "test", MIDNIGHT);
    let query = Query { limit: 10, ..Query::default() };
    for reading in 1..=5 {
        let list = lists[reading % 3];
        let view = world.cache.view(&name(list), "ann".into(), &list.into(), &query).await.unwrap();
        assert_eq!(view.logic.map(|logic| logic.version.major), Some(1), "reading {reading}");
        assert_eq!(world.live().id().version.major, if reading < 5 { FAILS_AT_QUERIES } else { 1 });
    }
}

#[tokio::test]
async fn a_version_that_runs_out_of_fuel_on_many_lists_falls_back_there_and_decides_for_all_others() {
    let world = World::new();
    world.registry.publish(Native::version(2), "test", MIDNIGHT);
    for n in 0..30 {
        assert_eq!(world.decided_by(&format!("of client {}", n % 10), "too much").await, 1);
    }
    assert_eq!(world.decided_by("bob", "milk").await, 2);
}

#[tokio::test]
async fn a_list_at_which_a_version_keeps_failing_falls_back_alone() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    world.registry.publish(Native::version(FAILS_AT_QUERIES), "test", MIDNIGHT);
    let query = Query { limit: 10, ..Query::default() };
    for reading in 0..50 {
        let client: Arc<str> = format!("client {reading}").into();
        let view = world.cache.view(&name("bob"), "ann".into(), &client, &query).await.unwrap();
        assert_eq!(view.logic.map(|logic| logic.version.major), Some(1));
    }
    assert_eq!(world.live().id().version.major, FAILS_AT_QUERIES);
    assert_eq!(world.decided_by("ann", "milk").await, FAILS_AT_QUERIES);
}

impl World {
    fn set_on_fault(&self, on_fault: OnFault) {
        let proposal = self.registry.propose(&LogicName::new("todo").unwrap(), |draft| {
            draft.state.set_on_fault(on_fault, Cause::new("test", MIDNIGHT));
            Ok::<_, String>(())
        });
        assert!(self.registry.accept(proposal.unwrap()));
    }
}

#[tokio::test]
async fn a_command_at_which_rules_that_guard_something_fail_is_refused_and_no_other_version_decides_it() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    world.registry.publish(Native::version(2), "test", MIDNIGHT);
    world.set_on_fault(OnFault::Refuse);
    let error = world.add("bob", "too much").await.unwrap_err();
    assert!(matches!(error, CallError::Refused { refusal: Refusal::Fault(Fault::Fuel { .. }), .. }), "{error:?}");
    world.registry.publish(Native::version(FAILS_AT_QUERIES), "test", MIDNIGHT);
    let query = Query { limit: 10, ..Query::default() };
    let view = world.cache.view(&name("bob"), "ann".into(), &"ann".into(), &query).await.unwrap_err();
    assert!(matches!(view, CallError::Refused { refusal: Refusal::Fault(Fault::Trap(_)), .. }), "{view:?}");
    assert_eq!(world.titles("bob").await, ["milk"]);
}

#[tokio::test]
async fn a_list_that_rules_that_guard_something_fail_to_migrate_is_decided_by_no_older_version() {
    let world = World::new();
    world.add("bob", "break").await.unwrap();
    world.add("ann", "not me").await.unwrap();
    world.registry.publish(Native::with_a_field(2), "test", MIDNIGHT);
    world.set_on_fault(OnFault::Refuse);
    for _ in 0..2 {
        let error = world.add("bob", "milk").await.unwrap_err();
        assert!(matches!(error, CallError::Refused { refusal: Refusal::Fault(Fault::Trap(_)), .. }), "{error:?}");
    }
    assert_eq!(world.decided_by("ann", "milk").await, 1, "a migration that is rejected is an answer of the rules");
}

#[tokio::test]
async fn a_list_that_failed_to_migrate_before_its_rules_guarded_something_is_decided_by_no_older_version_any_more() {
    let world = World::new();
    world.add("bob", "break").await.unwrap();
    world.add("ann", "not me").await.unwrap();
    world.registry.publish(Native::with_a_field(2), "test", MIDNIGHT);
    for list in ["bob", "ann"] {
        assert_eq!(world.decided_by(list, "milk").await, 1);
    }
    world.set_on_fault(OnFault::Refuse);
    let error = world.add("bob", "bread").await.unwrap_err();
    assert!(matches!(error, CallError::Refused { refusal: Refusal::Fault(Fault::Trap(_)), .. }), "{error:?}");
    assert_eq!(world.decided_by("ann", "bread").await, 1, "a rejection stays");
    world.set_on_fault(OnFault::FallBack);
    assert_eq!(world.decided_by("bob", "bread").await, 1);
}

#[tokio::test]
async fn the_commands_of_quarantined_rules_that_guard_something_are_refused_until_another_version_is_live() {
    let world = World::new();
    let lists = ["bob", "ann", "eve"];
    world.registry.publish(Native::version(2), "test", MIDNIGHT);
    world.set_on_fault(OnFault::Refuse);
    for list in lists {
        assert_eq!(world.decided_by(list, "milk").await, 2);
    }
    for failure in 0..9 {
        world.add(lists[failure % 3], "fault").await.unwrap_err();
    }
    let error = world.add("bob", "milk").await.unwrap_err();
    assert!(matches!(&error, CallError::Quarantined { why, .. } if why.contains("it failed")), "{error:?}");
    let query = Query { limit: 10, ..Query::default() };
    let view = world.cache.view(&name("bob"), "ann".into(), &"ann".into(), &query).await.unwrap_err();
    assert!(matches!(view, CallError::Quarantined { .. }), "{view:?}");
    assert_eq!(world.titles("bob").await, ["milk"], "the list can be read");
    world.registry.publish(Native::version(3), "test", MIDNIGHT);
    assert_eq!(world.decided_by("bob", "milk").await, 3);
}

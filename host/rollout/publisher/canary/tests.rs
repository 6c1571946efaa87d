//! Canaries that end by themselves, in simulated time.

use std::sync::Arc;
use std::time::Duration;

use super::super::delay::FIRST_PAUSE;
use super::super::update::{CanaryTime, RolloutUpdate};
use super::super::{Compiler, IsCancelled};
use super::*;
use crate::clock::ManualClock;
use crate::list::Limits;
use crate::list::name::ListName;
use crate::list::selector::Pin;
use crate::logic::testing::Native;
use crate::logic::{Fault, Logic};
use crate::rollout::testing::MemoryStates;
use crate::rollout::{
    ArtifactStore, CompileError, Failure, Registry, RolloutDraft, StateError, Step, Version, VersionSelector,
};

const NOW: u64 = 1_000_000;

const MINUTE: u64 = 60_000;

struct NoCompiler;

impl Compiler for NoCompiler {
    fn compile(&self, _: &LogicName, _: &[u8], _: IsCancelled<'_>) -> Result<Box<dyn Logic>, CompileError> {
        Err(CompileError::Refused { why: "not in this test".into(), is_transient: false })
    }
}

/// A logic with a live version 1 and a candidate 2, whose states survive a restart.
struct World {
    folder: tempfile::TempDir,
    states: MemoryStates,
    clock: Arc<ManualClock>,
    name: LogicName,
}

impl World {
    fn new() -> (Self, Publisher) {
        let (folder, name) = (tempfile::tempdir().unwrap(), LogicName::new("todo").unwrap());
        let world = Self { folder, states: MemoryStates::default(), clock: Arc::new(ManualClock::at(NOW)), name };
        let publisher = world.start();
        let (live, candidate) = (version(1), version(2));
        let cause = Cause::new("test", NOW);
        let published = publisher.change(&world.name, |draft| {
            draft.publish(&live, None, cause)?;
            draft.store(&candidate, None, cause);
            draft.stage(&candidate, 0, false, None, cause)
        });
        published.unwrap();
        (world, publisher)
    }

    /// A publisher with what is stored.
    fn start(&self) -> Publisher {
        let artifacts = ArtifactStore::open(self.folder.path().to_owned()).unwrap();
        let (registry, states) = (Arc::new(Registry::default()), Box::new(self.states.clone()));
        let publisher = Publisher::new(
            Box::new(NoCompiler),
            registry.clone(),
            self.clock.clone(),
            artifacts,
            states,
            false,
            Limits::default(),
        );
        if let Some(stored) = publisher.states.read(&self.name).unwrap() {
            let loaded = stored.state.in_use().map(|digest| version(u64::from(digest[0]))).collect();
            let restored = RolloutDraft::restored(stored.state, loaded);
            let proposal = registry.propose(&self.name, |draft| {
                *draft = restored;
                Ok::<_, TransitionError>(())
            });
            assert!(registry.accept(proposal.unwrap()));
        }
        publisher
    }

    fn begin(&self, publisher: &Publisher, percent: u8, then: Then) -> Result<(), PublishError> {
        let time = Duration::from_millis(5 * MINUTE);
        let end = Some(Some(CanaryTime { time, then }));
        let client = Some("ann".into());
        let update = RolloutUpdate { percent: Some(percent), end, client, ..RolloutUpdate::default() };
        publisher.apply(&self.name, &update, &[]).map(drop)
    }

    /// Lets time pass, and ends the canaries that are to end.
    fn pass(&self, publisher: &Publisher, milliseconds: u64) {
        self.clock.advance(milliseconds);
        publisher.end_canaries();
    }

    fn fails(&self, publisher: &Publisher, fault: &Fault, shared: Option<bool>) {
        let list = ListName::new("bob").unwrap();
        let candidate = publisher.registry.rollout(&self.name).unwrap().candidate.clone().expect("a candidate").version;
        let failure = Failure { list: &list, client: None, shared, asked: None };
        assert!(!publisher.registry.failed(&candidate, failure, fault, &*self.clock), "it is not quarantined");
    }

    /// The major version that is live, and the percentage of the candidate.
    fn roles(&self, publisher: &Publisher) -> (u64, Option<u8>) {
        let rollout = publisher.registry.rollout(&self.name).unwrap();
        let percent = rollout.candidate.as_ref().map(|candidate| candidate.percent);
        (rollout.live.as_ref().unwrap().id().version.major, percent)
    }

    fn last_event(&self, publisher: &Publisher) -> String {
        publisher.registry.rollout(&self.name).unwrap().state.events.back().unwrap().to_string()
    }
}

fn version(major: u64) -> Arc<Version> {
    Version::new(Native::version(major), "test", NOW)
}

#[test]
fn a_candidate_becomes_live_at_the_end_of_its_canary_also_after_a_restart() {
    let (world, publisher) = World::new();
    world.begin(&publisher, 10, Then::Live).unwrap();
    assert!(world.last_event(&publisher).ends_with("it becomes live after that, unless it fails"));
    world.pass(&publisher, 5 * MINUTE - 1);
    assert_eq!(world.roles(&publisher), (1, Some(10)));

    let again = world.start();
    again.end_canaries();
    assert_eq!(world.roles(&again), (1, Some(10)), "a restart does not end it");
    world.pass(&again, 1);
    assert_eq!(world.roles(&again), (2, None));
    assert_eq!(world.last_event(&again), "2.0.0 (sha256:02020202) became live at the end of its canary by ann");
    assert_eq!(world.roles(&world.start()), (2, None), "it is durable");

    // One that is to be withdrawn, whose time is over while no server runs.
    let (world, publisher) = World::new();
    world.begin(&publisher, 10, Then::Withdraw).unwrap();
    drop(publisher);
    world.clock.advance(60 * MINUTE);
    let again = world.start();
    again.end_canaries();
    assert_eq!(world.roles(&again), (1, None));
}

#[test]
fn the_first_failure_of_a_candidate_stops_a_canary_that_would_make_it_live() {
    let (world, publisher) = World::new();
    world.begin(&publisher, 10, Then::Live).unwrap();
    world.fails(&publisher, &Fault::Deadline { milliseconds: 50 }, Some(false));
    world.fails(&publisher, &Fault::Trap("like the live version".into()), Some(true));
    assert_eq!(world.roles(&publisher), (1, Some(10)), "a busy machine, and a command that no version decides");
    world.fails(&publisher, &Fault::Fuel { budget: 7 }, Some(false));
    assert_eq!(world.roles(&publisher), (1, Some(0)), "it is still the candidate, and decides for no list");
    let event = world.last_event(&publisher);
    let why = "because it failed on list \"bob\": it used up its budget of 7 units of fuel";
    assert_eq!(event, format!("the canary of 2.0.0 (sha256:02020202) was stopped, {why}"));
    assert!(publisher.save_dirty());
    world.pass(&publisher, 60 * MINUTE);
    assert_eq!(world.roles(&world.start()), (1, Some(0)), "it is durable");

    // Without an end of its own, failures are counted as for any version.
    let update = RolloutUpdate { percent: Some(10), ..RolloutUpdate::default() };
    publisher.apply(&world.name, &update, &[]).unwrap();
    world.fails(&publisher, &Fault::Fuel { budget: 7 }, Some(false));
    assert_eq!(world.roles(&publisher), (1, Some(10)));
}

#[test]
fn a_canary_that_would_replace_another_live_version_than_the_one_it_began_beside_is_stopped() {
    let (world, publisher) = World::new();
    world.begin(&publisher, 10, Then::Live).unwrap();
    let mended = version(3);
    let cause = Cause::new("test", NOW);
    publisher.change(&world.name, |draft| draft.publish(&mended, None, cause)).unwrap();
    let steps: Vec<_> =
        publisher.registry.rollout(&world.name).unwrap().state.events.iter().rev().take(2).map(|e| e.step).collect();
    assert_eq!(steps, [Step::Stopped, Step::Published]);
    world.pass(&publisher, 60 * MINUTE);
    assert_eq!(world.roles(&publisher), (3, Some(0)));
}

#[test]
fn an_operator_changes_a_canary_that_would_end_by_itself() {
    let (world, publisher) = World::new();
    assert_eq!(world.begin(&publisher, 0, Then::Live), Err(PublishError::EmptyCanary));
    let update = |update: RolloutUpdate| publisher.apply(&world.name, &update, &[]).unwrap();
    world.begin(&publisher, 10, Then::Live).unwrap();
    update(RolloutUpdate { percent: Some(50), ..RolloutUpdate::default() });
    assert_eq!(publisher.registry.canary_ends(), [(world.name.clone(), NOW + 5 * MINUTE)], "its end stays");
    update(RolloutUpdate { end: Some(None), ..RolloutUpdate::default() });
    world.pass(&publisher, 60 * MINUTE);
    assert_eq!(world.roles(&publisher), (1, Some(50)), "it goes on without an end");
    world.begin(&publisher, 10, Then::Live).unwrap();
    update(RolloutUpdate { percent: Some(0), ..RolloutUpdate::default() });
    world.pass(&publisher, 60 * MINUTE);
    assert_eq!(world.roles(&publisher), (1, Some(0)), "a canary for no list has ended");
}

#[test]
fn a_canary_that_cannot_be_ended_is_tried_again_at_longer_and_longer_pauses() {
    let (world, publisher) = World::new();
    world.begin(&publisher, 10, Then::Live).unwrap();
    let fail = || {
        let full = StateError::Unavailable { why: "the disk is full".into(), recovers: true };
        world.states.fail_next_write(full, false);
    };
    fail();
    world.pass(&publisher, 5 * MINUTE);
    world.pass(&publisher, FIRST_PAUSE - 1);
    assert_eq!(world.roles(&publisher), (1, Some(10)), "it is not time yet");
    fail();
    world.pass(&publisher, 1);
    world.pass(&publisher, 2 * FIRST_PAUSE - 1);
    assert_eq!(world.roles(&publisher), (1, Some(10)), "the pause is twice as long");
    world.pass(&publisher, 1);
    assert_eq!(world.roles(&publisher), (2, None));
}

#[test]
fn another_live_version_ends_what_was_agreed_for_the_end_of_a_canary() {
    let (world, publisher) = World::new();
    world.begin(&publisher, 10, Then::Live).unwrap();
    let third = version(3);
    let stored = publisher.change(&world.name, |draft| {
        draft.store(&third, None, Cause::new("test", NOW));
        Ok::<_, TransitionError>(())
    });
    stored.unwrap();
    let update = RolloutUpdate {
        live: Some(VersionSelector::Pin(Pin::Digest(*third.digest()))),
        percent: Some(20),
        force: true,
        ..RolloutUpdate::default()
    };
    publisher.apply(&world.name, &update, &[third]).unwrap();
    assert_eq!(world.roles(&publisher), (3, Some(20)));
    world.pass(&publisher, 60 * MINUTE);
    assert_eq!(world.roles(&publisher), (3, Some(20)), "nothing ends it by itself");
}

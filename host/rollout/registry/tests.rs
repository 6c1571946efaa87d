//! Tests of the registry: roles of versions, quarantine, and which version decides for a list.

use super::super::on_fault::OnFault;
use super::super::resolve::bucket;
use super::super::state::{MAX_EVENTS, MAX_VERSIONS};
use super::*;
use crate::clock::ManualClock;
use crate::list::change::Violation;
use crate::logic::testing::Native;

const NOW: u64 = 1_000_000;

fn logic() -> LogicName {
    LogicName::new("todo").unwrap()
}

fn list(name: &str) -> ListName {
    ListName::new(name).unwrap()
}

fn version(major: u64) -> Arc<Version> {
    Version::new(Native::version(major), "test", NOW)
}

/// A registry in which these versions were live one after the other.
fn registry(majors: &[u64]) -> Registry {
    let registry = Registry::default();
    majors.iter().for_each(|major| registry.publish(Native::version(*major), "test", NOW));
    registry
}

fn stage_candidate(registry: &Registry, major: u64, percent: u8) {
    let candidate = version(major);
    let proposal = registry.propose(&logic(), |draft| {
        draft.store(&candidate, None, Cause::new("test", NOW));
        draft.stage(&candidate, percent, false, None, Cause::new("test", NOW))
    });
    assert!(registry.accept(proposal.unwrap()));
}

/// The major version that decides for a list.
fn decides(registry: &Registry, name: &str, pin: Option<&str>) -> Result<u64, ResolveError> {
    let pin = pin.map(|pin| pin.parse().unwrap());
    registry.resolve(&logic(), &list(name), pin.as_ref()).map(|selection| selection.version.id().version.major)
}

/// Counts a failure on a list, sent by a client of the same name.
fn fails(registry: &Registry, version: &Arc<Version>, name: &str, shared: Option<bool>) -> bool {
    fails_with(registry, version, name, &fault(), shared, &clock())
}

fn fails_with(
    registry: &Registry,
    version: &Arc<Version>,
    name: &str,
    fault: &Fault,
    shared: Option<bool>,
    clock: &ManualClock,
) -> bool {
    registry.failed(
        version,
        Failure { list: &list(name), client: Some(&name.into()), shared, asked: None },
        fault,
        clock,
    )
}

/// Lets a version fail on three lists, each of another client, until it is quarantined. Returns whether it is.
fn quarantine(registry: &Registry, version: &Arc<Version>) -> bool {
    (0..9).any(|n| fails(registry, version, ["ann", "bob", "eve"][n % 3], Some(false)))
}

fn clock() -> ManualClock {
    ManualClock::at(NOW)
}

fn fault() -> Fault {
    Fault::Trap("as it was told to".into())
}

#[test]
fn of_two_published_versions_the_newer_is_live_and_the_older_is_the_last_good_one() {
    let state = registry(&[1, 2]).rollout(&logic()).unwrap();
    let major = |version: &Option<Arc<Version>>| version.as_ref().map(|version| version.id().version.major);
    assert_eq!((major(&state.live), major(&state.last_good)), (Some(2), Some(1)));
}

#[test]
fn the_lists_of_a_canary_are_chosen_by_name_and_raising_the_percentage_removes_none() {
    let registry = registry(&[1]);
    let names: Vec<_> = (0..2_000).map(|n| format!("list {n}")).collect();
    let mut in_canary: BTreeSet<&String> = BTreeSet::new();
    for percent in [0, 1, 10, 11, 50, 99, 100] {
        stage_candidate(&registry, 2, percent);
        let now: BTreeSet<_> = names.iter().filter(|name| decides(&registry, name, None) == Ok(2)).collect();
        assert!(in_canary.is_subset(&now), "at {percent} per cent");
        let expected = names.len() * usize::from(percent) / 100;
        assert!(now.len().abs_diff(expected) <= 60, "{} of {expected} at {percent} per cent", now.len());
        in_canary = now;
    }
    assert_eq!(in_canary.len(), names.len());
    stage_candidate(&registry, 2, 0);
    assert!(names.iter().all(|name| decides(&registry, name, None) == Ok(1)));
}

#[test]
fn the_bucket_of_a_list_never_changes() {
    // Another number here moves lists of running canaries.
    assert_eq!(["bob", "ann", "shopping/home", "日曜日"].map(|name| bucket(&list(name))), [64, 56, 5, 82]);
}

#[test]
fn a_pinned_list_stays_with_its_version_while_others_become_live() {
    let registry = registry(&[1, 2]);
    assert_eq!(decides(&registry, "bob", Some("1")), Ok(1));
    assert_eq!(decides(&registry, "bob", None), Ok(2));
    registry.publish(Native::version(3), "test", NOW);
    let digest = [1; 32];
    // The third version displaced the first one from memory.
    assert_eq!(decides(&registry, "bob", Some("1.0")), Err(ResolveError::NotLoaded(logic(), digest)));
    registry.add_spare(&version(1));
    assert_eq!(decides(&registry, "bob", Some("1.0")), Ok(1));
    assert!(matches!(decides(&registry, "bob", Some("7")), Err(ResolveError::NoVersion(..))));
    assert_eq!(registry.unload_unused(NOW + 1), 1);
    assert_eq!(decides(&registry, "bob", Some("1.0")), Err(ResolveError::NotLoaded(logic(), digest)));
}

#[test]
fn a_version_that_fails_too_often_is_quarantined_and_its_lists_fall_back() {
    let registry = registry(&[1, 2]);
    let live = registry.live(&logic()).unwrap();
    let fell: Vec<_> = (0..5).map(|n| fails(&registry, &live, &n.to_string(), Some(false))).collect();
    assert_eq!(fell, [false, false, false, false, true]);
    assert_eq!(decides(&registry, "bob", None), Ok(1));
    assert_eq!(decides(&registry, "bob", Some("2")), Ok(1), "a list that is pinned to it, too");
    let state = registry.rollout(&logic()).unwrap();
    assert!(state.last_good.is_none());
    let event = state.state.events.back().unwrap();
    assert_eq!((event.step, event.version.as_ref().map(|version| version.major)), (Step::Quarantined, Some(2)));
    assert!(
        event.why.contains("failed 5 times within 10000 ms on 5 lists; the last one at list \"4\": it trapped"),
        "{}",
        event.why
    );
    assert!(registry.take_dirty().contains(&logic()), "it has to be written");
    assert!(!fails(&registry, &live, "bob", Some(false)), "it cannot fall twice");
}

#[test]
fn a_version_is_not_quarantined_if_the_other_one_fails_too_or_does_not_exist() {
    let registry = registry(&[1, 2]);
    let live = registry.live(&logic()).unwrap();
    assert!(!(0..50).any(|n| fails(&registry, &live, &n.to_string(), Some(true))));
    let alone = self::registry(&[1]);
    let live = alone.live(&logic()).unwrap();
    assert!(!(0..50).any(|n| fails(&alone, &live, &n.to_string(), None)));
    assert_eq!(decides(&alone, "bob", None), Ok(1));
}

#[test]
fn a_quarantined_candidate_leaves_the_live_version_alone() {
    let registry = registry(&[1, 2]);
    stage_candidate(&registry, 3, 100);
    let candidate = registry.resolve(&logic(), &list("bob"), None).unwrap().version;
    assert_eq!(candidate.id().version.major, 3);
    assert!(quarantine(&registry, &candidate));
    assert_eq!(decides(&registry, "bob", None), Ok(2));
    let state = registry.rollout(&logic()).unwrap();
    assert!(state.candidate.is_none() && state.last_good.is_some());
}

/// A registry that restored a state with those of its versions that could be loaded.
fn restored(state: &RolloutState, majors: &[u64]) -> Registry {
    let registry = Registry::default();
    let draft = RolloutDraft::restored(state.clone(), majors.iter().copied().map(version).collect());
    let proposal = registry.propose(&logic(), |now| {
        *now = draft;
        Ok::<_, TransitionError>(())
    });
    assert!(registry.accept(proposal.unwrap()));
    registry
}

fn live_major(registry: &Registry) -> Option<u64> {
    registry.live(&logic()).map(|live| live.id().version.major)
}

#[test]
fn a_stored_state_is_restored_with_its_versions() {
    let registry = registry(&[1, 2, 3]);
    stage_candidate(&registry, 4, 10);
    let before = registry.rollout(&logic()).unwrap().state.clone();
    let all = restored(&before, &[1, 2, 3, 4]);
    let after = all.rollout(&logic()).unwrap();
    assert_eq!(after.state, before);
    assert_eq!(after.candidate.as_ref().map(|candidate| candidate.percent), Some(10));
    assert_eq!(live_major(&restored(&before, &[1, 2])), Some(2), "the last good version decides instead");
}

#[test]
fn a_proposal_is_void_if_a_version_was_quarantined_meanwhile() {
    let registry = registry(&[1, 2]);
    let proposal =
        registry.propose(&logic(), |draft| draft.publish(&version(3), None, Cause::new("test", NOW))).unwrap();
    let live = registry.live(&logic()).unwrap();
    assert!(quarantine(&registry, &live));
    assert!(!registry.accept(proposal));
    assert_eq!(decides(&registry, "bob", None), Ok(1));
}

#[test]
fn the_oldest_versions_without_a_role_are_dropped_first() {
    let registry = registry(&[1, 2]);
    registry.hold(&logic(), &[1; 32]);
    let last = u64::try_from(MAX_VERSIONS).unwrap() + 9;
    (3..=last).for_each(|major| registry.publish(Native::version(major), "test", NOW));
    let state = registry.rollout(&logic()).unwrap();
    let majors: Vec<_> = state.state.versions.iter().map(|known| known.version.major).collect();
    assert_eq!(majors.len(), MAX_VERSIONS);
    assert_eq!((majors[0], majors[1], majors[MAX_VERSIONS - 1]), (1, last - 30, last), "{majors:?}");
    assert_eq!(state.state.events.len(), (last as usize).min(MAX_EVENTS));
}

#[test]
fn a_version_that_was_never_published_does_not_decide_for_a_list_pinned_by_number() {
    let registry = registry(&[1]);
    stage_candidate(&registry, 2, 0);
    assert!(matches!(decides(&registry, "bob", Some("2")), Err(ResolveError::NoVersion(..))));
    let digest = format!("sha256:{}", "02".repeat(32));
    assert_eq!(decides(&registry, "bob", Some(&digest)), Ok(2), "a digest names exactly one version, published or not");
    registry.publish(Native::version(2), "test", NOW);
    assert_eq!(decides(&registry, "bob", Some("2")), Ok(2));
}

#[test]
fn a_last_good_version_that_is_quarantined_is_no_longer_the_last_good() {
    let registry = registry(&[1, 2]);
    let last_good = registry.rollout(&logic()).unwrap().last_good.clone().unwrap();
    assert!(quarantine(&registry, &last_good));
    assert!(registry.rollout(&logic()).unwrap().last_good.is_none());
    let live = registry.live(&logic()).unwrap();
    assert!(!quarantine(&registry, &live), "there is nothing to go back to");
    assert_eq!(decides(&registry, "bob", None), Ok(2));
}

#[test]
fn a_rollback_does_not_make_the_version_before_it_the_fallback() {
    let registry = registry(&[1, 2]);
    let last_good = registry.rollout(&logic()).unwrap().last_good.clone().unwrap();
    let proposal = registry.propose(&logic(), |draft| draft.publish(&last_good, None, Cause::new("test", NOW)));
    assert!(registry.accept(proposal.unwrap()));
    assert_eq!(decides(&registry, "bob", None), Ok(1));
    assert!(registry.rollout(&logic()).unwrap().last_good.is_none());
}

#[test]
fn a_version_that_could_not_be_loaded_keeps_its_role_until_a_role_changes() {
    let state = registry(&[1, 2]).rollout(&logic()).unwrap().state.clone();
    let registry = restored(&state, &[1]);
    assert_eq!(live_major(&registry), Some(1));
    assert_eq!(registry.rollout(&logic()).unwrap().state, state);
    registry.refuse(&logic(), Cause::new("test", NOW), None, "a refusal gives no role".into());
    assert_eq!(registry.rollout(&logic()).unwrap().state.live, Some([2; 32]));
    registry.publish(Native::version(3), "test", NOW);
    let after = registry.rollout(&logic()).unwrap().state.clone();
    assert_eq!((after.live, after.last_good), (Some([3; 32]), Some([1; 32])));
    let nothing = restored(&state, &[]).rollout(&logic()).unwrap();
    assert!(nothing.live.is_none() && nothing.state == state);
    assert!(nothing.awaits_another(&[7; 32]) && !nothing.awaits_another(&[2; 32]));
}

#[test]
fn a_resource_that_runs_out_does_not_count_towards_quarantine() {
    let registry = registry(&[1, 2]);
    let live = registry.live(&logic()).unwrap();
    for fault in [
        Fault::Fuel { budget: 1 },
        Fault::Deadline { milliseconds: 50 },
        Fault::Memory { limit: 1 },
        Fault::Stack,
        Fault::Violation(Violation::TooManyChanges { count: 2, limit: 1 }),
        Fault::Instance("no room".into()),
    ] {
        let fails = |n: u32| fails_with(&registry, &live, &n.to_string(), &fault, Some(false), &clock());
        assert!(!(0..50).any(fails), "{fault}");
    }
    assert_eq!(live_major(&registry), Some(2), "a list may be too large, and the machine busy");
    let foreign = Fault::Violation(Violation::Content("put entry 7".into()));
    for fault in [Fault::Impure, foreign] {
        let registry = self::registry(&[1, 2]);
        let live = registry.live(&logic()).unwrap();
        let fails = |n: u32| fails_with(&registry, &live, &n.to_string(), &fault, Some(false), &clock());
        assert!((0..9).any(fails), "{fault}");
    }
}

#[test]
fn a_list_at_which_a_version_keeps_failing_falls_back_alone() {
    let registry = registry(&[1, 2]);
    let live = registry.live(&logic()).unwrap();
    assert!(!(0..50).any(|_| fails(&registry, &live, "bob", Some(false))));
    assert_eq!(live_major(&registry), Some(2));
}

#[test]
fn a_wall_clock_that_is_set_back_neither_hastens_nor_prevents_a_quarantine() {
    let (registry, clock) = (registry(&[1, 2]), clock());
    let live = registry.live(&logic()).unwrap();
    let fails = |n: u64| fails_with(&registry, &live, &n.to_string(), &fault(), None, &clock);
    for n in 0..20 {
        clock.advance(60_000);
        clock.set_wall(NOW);
        assert!(!fails(n), "one failure a minute, though the wall clock shows the same time");
    }
    clock.advance(60_000);
    let quarantined: Vec<_> = (0..5)
        .map(|n| {
            clock.advance(1_000);
            clock.set_wall(NOW + 100_000 * (n + 1));
            fails(20 + n)
        })
        .collect();
    assert_eq!(
        quarantined,
        [false, false, false, false, true],
        "five within five seconds, whatever the wall clock says"
    );
}

#[test]
fn a_shadow_is_started_by_an_accepted_change_and_stays_while_both_versions_do() {
    let registry = registry(&[1, 2]);
    let candidate = version(3);
    let stage = |percent, shadow| {
        registry.propose(&logic(), |draft| {
            draft.store(&candidate, None, Cause::new("test", NOW));
            draft.stage(&candidate, percent, shadow, None, Cause::new("test", NOW))
        })
    };
    let running = || registry.rollout(&logic()).unwrap().candidate.as_ref().and_then(|one| one.shadow.clone());
    let refused = stage(0, true).unwrap();
    registry.hold(&logic(), &[1; 32]);
    assert!(!registry.accept(refused) && running().is_none());
    assert!(registry.accept(stage(0, true).unwrap()));
    let first = running().unwrap();
    assert!(registry.accept(stage(5, true).unwrap()));
    assert!(Arc::ptr_eq(&first, &running().unwrap()), "another percentage");
    registry.publish(Native::version(4), "test", NOW);
    assert!(!Arc::ptr_eq(&first, &running().unwrap()), "another live version");
    assert!(registry.accept(stage(5, false).unwrap()) && running().is_none());
}

#[test]
fn a_quarantined_version_is_not_published_again() {
    let registry = registry(&[1, 2]);
    let live = registry.live(&logic()).unwrap();
    assert!(quarantine(&registry, &live));
    registry.publish(Native::version(2), "test", NOW);
    assert_eq!(live_major(&registry), Some(1));
    let staged = registry.propose(&logic(), |draft| draft.stage(&live, 5, false, None, Cause::new("test", NOW)));
    assert!(matches!(staged.err(), Some(TransitionError::Quarantined { .. })));
}

#[test]
fn a_candidate_that_is_dropped_because_no_live_version_loads_has_an_event() {
    let stored = {
        let registry = registry(&[1]);
        stage_candidate(&registry, 2, 10);
        registry.rollout(&logic()).unwrap().state.clone()
    };
    let registry = Registry::default();
    let restored = RolloutDraft::restored(stored, vec![version(2)]);
    let proposal = registry.propose(&logic(), |draft| {
        *draft = restored;
        Ok::<_, TransitionError>(())
    });
    assert!(registry.accept(proposal.unwrap()));
    registry.publish(Native::version(3), "upload", NOW + 1);
    let state = &registry.rollout(&logic()).unwrap().state;
    assert_eq!(state.candidate, None);
    let events = state.events.iter().rev().take(2);
    let events: Vec<_> = events.map(|event| (event.step, event.digest, event.why.as_str())).collect();
    let why = "no live version is loaded to compare it with";
    assert_eq!(events, [(Step::Published, Some([3; 32]), ""), (Step::Withdrawn, Some([2; 32]), why)]);
    assert_eq!(state.events.back().unwrap().source, "upload");
}

/// Sets what happens to commands at which the live version fails.
fn set_on_fault(registry: &Registry, on_fault: OnFault) {
    let proposal = registry.propose(&logic(), |draft| {
        draft.state.set_on_fault(on_fault, Cause::new("test", NOW));
        Ok::<_, TransitionError>(())
    });
    assert!(registry.accept(proposal.unwrap()));
}

#[test]
fn a_version_that_guards_something_is_not_replaced_and_decides_nothing_once_it_is_quarantined() {
    let registry = registry(&[1, 2]);
    set_on_fault(&registry, OnFault::Refuse);
    let live = registry.live(&logic()).unwrap();
    assert!(registry.resolve_fallback(&live, &List::default()).is_none(), "the last good version may be laxer");
    assert!(!(0..9).any(|n| fails(&registry, &live, &(n % 2).to_string(), None)), "two lists do not suffice");
    assert!((0..9).any(|n| fails(&registry, &live, &n.to_string(), None)));
    let refused = |pin| matches!(decides(&registry, "bob", pin), Err(ResolveError::Quarantined(..)));
    assert!(refused(None) && refused(Some("2")));
    assert_eq!(decides(&registry, "bob", Some("1")), Ok(1), "a list that is pinned to another version");
    let state = registry.rollout(&logic()).unwrap().state.clone();
    assert_eq!((state.live, state.last_good), (Some([2; 32]), Some([1; 32])));
    assert!(state.refusal().unwrap().why.contains("it failed"));

    // A restart changes nothing about it, whatever loads.
    for majors in [&[1, 2][..], &[1], &[]] {
        let again = restored(&state, majors);
        assert!(decides(&again, "bob", None).is_err(), "{majors:?}");
        assert_eq!(again.rollout(&logic()).unwrap().state.live, Some([2; 32]));
    }
    let last_good = registry.rollout(&logic()).unwrap().last_good.clone().unwrap();
    let proposal = registry.propose(&logic(), |draft| draft.publish(&last_good, None, Cause::new("test", NOW)));
    assert!(registry.accept(proposal.unwrap()));
    assert_eq!(decides(&registry, "bob", None), Ok(1), "an operator acted");
    assert!(registry.rollout(&logic()).unwrap().last_good.is_none(), "lists do not fall back to a quarantined one");
}

#[test]
fn a_logic_that_falls_back_again_lets_the_last_good_version_decide_in_place_of_a_quarantined_one() {
    let registry = registry(&[1, 2]);
    set_on_fault(&registry, OnFault::Refuse);
    let live = registry.live(&logic()).unwrap();
    assert!((0..9).any(|n| fails(&registry, &live, &n.to_string(), None)));
    set_on_fault(&registry, OnFault::FallBack);
    assert_eq!(decides(&registry, "bob", None), Ok(1));
    let alone = self::registry(&[1]);
    set_on_fault(&alone, OnFault::Refuse);
    let live = alone.live(&logic()).unwrap();
    assert!((0..9).any(|n| fails(&alone, &live, &n.to_string(), None)), "without a last good version, too");
    set_on_fault(&alone, OnFault::FallBack);
    assert!(matches!(decides(&alone, "bob", None), Err(ResolveError::Quarantined(..))), "there is no other version");
}

#[test]
fn a_version_that_guards_something_keeps_its_role_while_it_is_not_loaded() {
    let registry = registry(&[1, 2]);
    set_on_fault(&registry, OnFault::Refuse);
    let state = registry.rollout(&logic()).unwrap().state.clone();
    let registry = restored(&state, &[1]);
    assert!(matches!(decides(&registry, "bob", None), Err(ResolveError::NoLogic(_))));
    let proposal = registry.propose(&logic(), |draft| {
        draft.withdraw(Cause::new("test", NOW));
        Ok::<_, TransitionError>(())
    });
    assert!(registry.accept(proposal.unwrap()));
    let rollout = registry.rollout(&logic()).unwrap();
    assert_eq!(rollout.state.live, Some([2; 32]));
    assert!(rollout.awaits_another(&[7; 32]), "nothing that is built in takes its place");
}

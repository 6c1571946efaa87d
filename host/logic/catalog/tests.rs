//! What becomes of versions: who is live, who falls, who decides about which list.

use super::*;
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

/// A catalog in which these versions were live one after the other.
fn catalog(majors: &[u64]) -> Catalog {
    let catalog = Catalog::default();
    majors.iter().for_each(|major| catalog.publish(Native::version(*major), "test", NOW));
    catalog
}

fn put_on_trial(catalog: &Catalog, major: u64, percent: u8) {
    let trial = version(major);
    let proposal = catalog.propose(&logic(), |standing| {
        standing.keep(&trial, None, NOW);
        standing.put_on_trial(trial.clone(), percent, false, "test", NOW);
    });
    assert!(catalog.accept(proposal));
}

/// The major version that decides about a list.
fn decides(catalog: &Catalog, name: &str, pin: Option<&str>) -> Result<u64, Unready> {
    let pin = pin.map(|pin| pin.parse().unwrap());
    catalog.choose(&logic(), &list(name), pin.as_ref()).map(|chosen| chosen.version.id().version.major)
}

fn fault() -> Fault {
    Fault::Trap("as it was told to".into())
}

#[test]
fn of_two_published_versions_the_newer_is_live_and_the_older_is_the_good_one() {
    let standing = catalog(&[1, 2]).standing(&logic()).unwrap();
    let major = |version: &Option<Arc<Version>>| version.as_ref().map(|version| version.id().version.major);
    assert_eq!((major(&standing.live), major(&standing.good)), (Some(2), Some(1)));
}

#[test]
fn a_canary_s_lists_are_chosen_by_name_and_raising_the_percentage_moves_none_back() {
    let catalog = catalog(&[1]);
    let names: Vec<_> = (0..2_000).map(|n| format!("list {n}")).collect();
    let mut on_trial: BTreeSet<&String> = BTreeSet::new();
    for percent in [0, 1, 10, 11, 50, 99, 100] {
        put_on_trial(&catalog, 2, percent);
        let now: BTreeSet<_> = names.iter().filter(|name| decides(&catalog, name, None) == Ok(2)).collect();
        assert!(on_trial.is_subset(&now), "at {percent} per cent");
        let expected = names.len() * usize::from(percent) / 100;
        assert!(now.len().abs_diff(expected) <= 60, "{} of {expected} at {percent} per cent", now.len());
        on_trial = now;
    }
    assert_eq!(on_trial.len(), names.len());
    put_on_trial(&catalog, 2, 0);
    assert!(names.iter().all(|name| decides(&catalog, name, None) == Ok(1)));
}

#[test]
fn which_hundredth_a_list_belongs_to_is_the_same_for_ever() {
    // Another number here moves lists of running canaries.
    assert_eq!(["bob", "ann", "shopping/home", "日曜日"].map(|name| bucket(&list(name))), [64, 56, 5, 82]);
}

#[test]
fn a_pinned_list_stays_with_its_version_whatever_is_live() {
    let catalog = catalog(&[1, 2]);
    assert_eq!(decides(&catalog, "bob", Some("1")), Ok(1));
    assert_eq!(decides(&catalog, "bob", None), Ok(2));
    catalog.publish(Native::version(3), "test", NOW);
    let digest = [1; 32];
    // The first one left memory when the third came.
    assert_eq!(decides(&catalog, "bob", Some("1.0")), Err(Unready::NotLoaded(logic(), digest)));
    catalog.add_spare(&version(1));
    assert_eq!(decides(&catalog, "bob", Some("1.0")), Ok(1));
    assert!(matches!(decides(&catalog, "bob", Some("7")), Err(Unready::NoVersion(..))));
    assert_eq!(catalog.unload_unused(NOW + 1), 1);
    assert_eq!(decides(&catalog, "bob", Some("1.0")), Err(Unready::NotLoaded(logic(), digest)));
}

#[test]
fn a_version_that_fails_too_often_falls_and_its_lists_go_back() {
    let catalog = catalog(&[1, 2]);
    let live = catalog.live(&logic()).unwrap();
    let fell: Vec<_> =
        (0..5).map(|n| catalog.failed(&live, &list(&n.to_string()), &fault(), Some(false), NOW)).collect();
    assert_eq!(fell, [false, false, false, false, true]);
    assert_eq!(decides(&catalog, "bob", None), Ok(1));
    assert_eq!(decides(&catalog, "bob", Some("2")), Ok(1), "a list that is pinned to it, too");
    let standing = catalog.standing(&logic()).unwrap();
    assert!(standing.good.is_none());
    let event = standing.events.back().unwrap();
    assert_eq!((event.step, event.version.as_ref().map(|version| version.major)), (Step::Quarantined, Some(2)));
    assert!(event.why.contains("failed 5 times within 10000 ms; the last one: it trapped"), "{}", event.why);
    assert!(catalog.unkept().contains(&logic()), "it has to be written");
    assert!(!catalog.failed(&live, &list("bob"), &fault(), Some(false), NOW), "it cannot fall twice");
}

#[test]
fn a_version_does_not_fall_where_the_other_one_fails_too_or_where_there_is_none() {
    let catalog = catalog(&[1, 2]);
    let live = catalog.live(&logic()).unwrap();
    assert!(!(0..50).any(|_| catalog.failed(&live, &list("bob"), &fault(), Some(true), NOW)));
    let no_room = Fault::Instance("no room".into());
    assert!(!(0..50).any(|_| catalog.failed(&live, &list("bob"), &no_room, None, NOW)));
    let alone = self::catalog(&[1]);
    let live = alone.live(&logic()).unwrap();
    assert!(!(0..50).any(|_| alone.failed(&live, &list("bob"), &fault(), None, NOW)));
    assert_eq!(decides(&alone, "bob", None), Ok(1));
}

#[test]
fn a_candidate_that_falls_leaves_the_live_version_alone() {
    let catalog = catalog(&[1, 2]);
    put_on_trial(&catalog, 3, 100);
    let trial = catalog.choose(&logic(), &list("bob"), None).unwrap().version;
    assert_eq!(trial.id().version.major, 3);
    assert!((0..3).any(|_| catalog.failed(&trial, &list("bob"), &fault(), Some(false), NOW)));
    assert_eq!(decides(&catalog, "bob", None), Ok(2));
    let standing = catalog.standing(&logic()).unwrap();
    assert!(standing.candidate.is_none() && standing.good.is_some());
}

#[test]
fn what_a_record_holds_comes_back_as_it_was() {
    let catalog = catalog(&[1, 2, 3]);
    put_on_trial(&catalog, 4, 10);
    let before = catalog.standing(&logic()).unwrap();
    let text = serde_json::to_string(&before.record()).unwrap();
    let record: Record = serde_json::from_str(&text).unwrap();
    let loaded: Vec<_> = (1..=4).map(version).collect();
    let after = record.clone().restore(&loaded);
    assert_eq!(after.record(), record);
    assert_eq!(after.versions, before.versions);
    assert_eq!(record.restore(&loaded[..2]).live.map(|live| live.id().version.major), Some(2), "the good one steps in");
}

#[test]
fn a_proposal_is_void_when_a_version_fell_meanwhile() {
    let catalog = catalog(&[1, 2]);
    let proposal = catalog.propose(&logic(), |standing| standing.publish(version(3), None, "test", NOW));
    let live = catalog.live(&logic()).unwrap();
    assert!((0..9).any(|_| catalog.failed(&live, &list("bob"), &fault(), Some(false), NOW)));
    assert!(!catalog.accept(proposal));
    assert_eq!(decides(&catalog, "bob", None), Ok(1));
}

#[test]
fn of_many_versions_the_oldest_go_that_nobody_needs() {
    let catalog = catalog(&[1, 2]);
    catalog.hold(&logic(), &[1; 32]);
    let last = u64::try_from(MAX_VERSIONS).unwrap() + 9;
    (3..=last).for_each(|major| catalog.publish(Native::version(major), "test", NOW));
    let standing = catalog.standing(&logic()).unwrap();
    let majors: Vec<_> = standing.versions.iter().map(|known| known.version.major).collect();
    assert_eq!(majors.len(), MAX_VERSIONS);
    assert_eq!((majors[0], majors[1], majors[MAX_VERSIONS - 1]), (1, last - 30, last), "{majors:?}");
    assert_eq!(standing.events.len(), (last as usize).min(MAX_EVENTS));
}

#[test]
fn a_version_that_was_only_kept_decides_for_no_list_that_is_pinned_by_number() {
    let catalog = catalog(&[1]);
    put_on_trial(&catalog, 2, 0);
    assert!(matches!(decides(&catalog, "bob", Some("2")), Err(Unready::NoVersion(..))));
    let digest = format!("sha256:{}", "02".repeat(32));
    assert_eq!(decides(&catalog, "bob", Some(&digest)), Ok(2), "whoever names its bytes wants it");
    catalog.publish(Native::version(2), "test", NOW);
    assert_eq!(decides(&catalog, "bob", Some("2")), Ok(2));
}

#[test]
fn a_good_version_that_falls_is_good_no_more() {
    let catalog = catalog(&[1, 2]);
    let good = catalog.standing(&logic()).unwrap().good.clone().unwrap();
    assert!((0..3).any(|_| catalog.failed(&good, &list("bob"), &fault(), Some(false), NOW)));
    assert!(catalog.standing(&logic()).unwrap().good.is_none());
    let live = catalog.live(&logic()).unwrap();
    assert!(
        !(0..9).any(|_| catalog.failed(&live, &list("bob"), &fault(), None, NOW)),
        "there is nothing to go back to"
    );
    assert_eq!(decides(&catalog, "bob", None), Ok(2));
}

#[test]
fn whoever_goes_back_does_not_fall_back_to_what_they_went_back_from() {
    let catalog = catalog(&[1, 2]);
    let good = catalog.standing(&logic()).unwrap().good.clone().unwrap();
    assert!(catalog.accept(catalog.propose(&logic(), |standing| standing.publish(good.clone(), None, "test", NOW))));
    assert_eq!(decides(&catalog, "bob", None), Ok(1));
    assert!(catalog.standing(&logic()).unwrap().good.is_none());
}

#[test]
fn what_could_not_be_loaded_stays_on_record_until_something_changes() {
    let record = catalog(&[1, 2]).standing(&logic()).unwrap().record();
    let mut standing = record.clone().restore(&[version(1)]);
    assert_eq!(standing.live.as_ref().map(|live| live.id().version.major), Some(1));
    assert_eq!(standing.record(), record);
    standing.publish(version(3), None, "test", NOW);
    assert_eq!(standing.record().live, Some([3; 32]));
    let nothing = record.clone().restore(&[]);
    assert!(nothing.live.is_none() && nothing.record() == record);
    assert!(nothing.waits_for_another(&[7; 32]) && !nothing.waits_for_another(&[2; 32]));
}

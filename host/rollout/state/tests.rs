//! The state machine, driven by random transitions.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::list::name::LogicName;

/// More versions than a state remembers, so that some are removed and come back.
const VERSIONS: u8 = 40;

#[derive(Clone, Debug)]
enum Transition {
    Keep(u8),
    Publish(u8, bool),
    Stage(u8, u8, bool),
    Withdraw,
    Quarantine(u8),
    Release(u8),
    Hold(u8),
    Refuse,
    OnFault(OnFault),
    /// Only some versions load, and then roles change.
    Restart(BTreeSet<u8>),
}

fn transition() -> impl Strategy<Value = Transition> {
    let version = || prop_oneof![0..4_u8, 0..VERSIONS];
    prop_oneof![
        3 => version().prop_map(Transition::Keep),
        4 => (version(), any::<bool>()).prop_map(|(version, force)| Transition::Publish(version, force)),
        3 => (version(), 0..=100_u8, any::<bool>()).prop_map(|(version, percent, shadow)| {
            Transition::Stage(version, percent, shadow)
        }),
        1 => Just(Transition::Withdraw),
        4 => version().prop_map(Transition::Quarantine),
        1 => version().prop_map(Transition::Release),
        1 => (0..4_u8).prop_map(Transition::Hold),
        1 => Just(Transition::Refuse),
        1 => prop_oneof![Just(OnFault::FallBack), Just(OnFault::Refuse)].prop_map(Transition::OnFault),
        1 => prop::collection::btree_set(0..VERSIONS, 0..usize::from(VERSIONS)).prop_map(Transition::Restart),
    ]
}

fn id(version: u8) -> LogicId {
    LogicId {
        name: LogicName::new("todo").unwrap(),
        version: semver::Version::new(u64::from(version) + 1, 0, 0),
        digest: [version; 32],
    }
}

fn apply(state: &mut RolloutState, transition: &Transition, now: u64) -> Result<(), TransitionError> {
    let cause = Cause::new("test", now);
    match transition {
        Transition::Keep(version) => {
            state.store(&id(*version), None, cause);
            Ok(())
        }
        Transition::Publish(version, force) => {
            let id = id(*version);
            state.release(&id.digest, *force, cause)?;
            state.learn(&id, "test", Some(Gates::default()), now);
            state.publish(&id.digest, cause)
        }
        Transition::Stage(version, percent, shadow) => {
            let candidate = Candidate { digest: [*version; 32], percent: *percent, shadow: *shadow, end: None };
            state.stage(candidate, cause)
        }
        Transition::Withdraw => {
            state.withdraw(cause);
            Ok(())
        }
        Transition::Quarantine(version) => {
            let quarantine = Quarantine { time: now, why: "it trapped".into(), failures: Vec::new() };
            state.quarantine(&[*version; 32], quarantine)
        }
        Transition::Release(version) => state.release(&[*version; 32], true, cause).map(drop),
        Transition::Hold(version) => {
            state.hold(&[*version; 32]);
            Ok(())
        }
        Transition::Refuse => {
            state.note(Event::new(Step::Refused, cause, "it is not a component"));
            Ok(())
        }
        Transition::OnFault(on_fault) => {
            state.set_on_fault(*on_fault, cause);
            Ok(())
        }
        Transition::Restart(loaded) => {
            let roles = state.roles(|digest| loaded.contains(&digest[0]));
            state.set_roles(roles, cause);
            Ok(())
        }
    }
}

fn check(state: &RolloutState) {
    let candidate = state.candidate.as_ref().map(|candidate| candidate.digest);
    for digest in state.in_use() {
        let record = state.record(&digest).expect("a version with a role has a record");
        // One that guarded something when it was quarantined stays live until an operator acts.
        let may_stay = state.live == Some(digest) && state.last_good.is_none();
        let is_guard = state.is_guard(&digest) || may_stay;
        assert!(record.quarantine.is_none() || is_guard, "a quarantined version has no role");
    }
    if let Some(live) = state.live {
        assert!(state.record(&live).unwrap().published);
        assert_ne!(state.last_good, Some(live));
        assert_ne!(candidate, Some(live));
    } else {
        assert_eq!(candidate, None, "a candidate is compared with a live version");
    }
    let held = state.versions.iter().filter(|record| record.held).count();
    assert!(state.versions.len() <= MAX_VERSIONS + held, "{} versions", state.versions.len());
    let digests: BTreeSet<_> = state.versions.iter().map(|record| record.digest).collect();
    assert_eq!(digests.len(), state.versions.len(), "each version has one record");
    assert!(state.events.len() <= MAX_EVENTS);
    let text = serde_json::to_string(state).unwrap();
    assert_eq!(serde_json::from_str::<RolloutState>(&text).unwrap(), *state);
}

proptest! {
    #[test]
    fn every_transition_succeeds_as_a_whole_or_changes_nothing(
        transitions in prop::collection::vec(transition(), 1..200)
    ) {
        let mut state = RolloutState::default();
        for (now, transition) in (1_u64..).zip(&transitions) {
            let before = state.clone();
            let done = apply(&mut state, transition, now);
            if done.is_err() && !matches!(transition, Transition::Publish(..)) {
                prop_assert_eq!(&state, &before);
            }
            if before.on_fault == OnFault::Refuse && before.live != state.live {
                let acts = matches!(transition, Transition::Publish(..) | Transition::OnFault(_));
                prop_assert!(acts, "a version that guards something is replaced by an operator only");
            }
            if let (Ok(()), Transition::Quarantine(version)) = (&done, transition) {
                let stays = state.in_use().any(|used| used == [*version; 32]);
                prop_assert_eq!(stays, state.is_guard(&[*version; 32]), "only one that guards something stays");
                prop_assert!(state.live.is_some(), "another version decides, or none may");
            }
            check(&state);
        }
    }
}

#[test]
fn a_state_that_an_older_server_wrote_is_read() {
    let digits = |digit: &str| digit.repeat(64);
    let text = format!(
        r#"{{"live":"{}","since":7,"good":"{}","candidate":null,"versions":[
            {{"version":"1.0.0","digest":"{}","source":"upload","taken":3,"gates":
            {{"asked":40,"worst_fuel":1,"worst_micros":2,"worst_memory":3,"forced":[],"differs":[]}}}}],"events":[
            {{"time":3,"step":"kept","source":"upload","digest":null}}]}}"#,
        digits("2"),
        digits("1"),
        digits("1"),
    );
    let state: RolloutState = serde_json::from_str(&text).unwrap();
    assert_eq!((state.live, state.last_good, state.since), (Some([0x22; 32]), Some([0x11; 32]), 7));
    assert!(!state.versions[0].published && state.events[0].step == Step::Stored);
    assert_eq!((state.on_fault, state.versions[0].shared), (OnFault::FallBack, false));
    assert_eq!((state.versions[0].accepted, state.versions[0].gates.as_ref().unwrap().probes), (3, 40));
    let written = serde_json::to_value(&state).unwrap();
    assert_eq!(written["last_good"], digits("1"));
    assert!(written.get("good").is_none());
    assert_eq!((&written["events"][0]["step"], &written["versions"][0]["accepted"]), (&"stored".into(), &3.into()));
}

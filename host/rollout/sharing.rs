//! Which versions may share their instances between lists.
//!
//! A shared instance that keeps state can tell one list what another one holds. So every version is isolated, unless an
//! operator trusts exactly its bytes.

use std::collections::BTreeSet;

use super::digest::Digest;
use super::state::RolloutState;
use crate::list::name::LogicName;
use crate::list::selector::ComponentSelector;

/// The components that may share instances besides those that a rollout state names.
#[derive(Clone, Debug, Default)]
pub struct Sharing {
    /// Whether all components may. For the server of an author, whose lists have one owner.
    pub all: bool,
    /// The components that are part of the program.
    pub built_in: BTreeSet<Digest>,
    /// The components that the configuration names.
    pub components: Vec<ComponentSelector>,
}

impl Sharing {
    /// Whether a version of a logic in this state may share instances.
    pub(super) fn allows(&self, logic: &LogicName, state: &RolloutState, digest: &Digest) -> bool {
        let is_shared = state.record(digest).is_some_and(|record| record.shared);
        let is_selected = |selector: &ComponentSelector| {
            let accepted = state.versions.iter().filter(|record| selector.accepts(logic, &record.digest));
            // Digits that two known components begin with mean neither.
            selector.accepts(logic, digest) && accepted.count() <= 1
        };
        self.all || is_shared || self.built_in.contains(digest) || self.components.iter().any(is_selected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::id::LogicId;
    use crate::rollout::Cause;

    #[test]
    fn a_version_is_isolated_unless_its_bytes_are_trusted() {
        let logic = LogicName::new("rules").unwrap();
        let mut state = RolloutState::default();
        let mut digests = [[1; 32], [2; 32], [3; 32]];
        for digest in digests {
            let id = LogicId { name: logic.clone(), version: semver::Version::new(1, 0, 0), digest };
            state.learn(&id, "test", None, 0);
        }
        let shared = |sharing: &Sharing, state: &RolloutState, logic: &LogicName| {
            digests.map(|digest| sharing.allows(logic, state, &digest))
        };
        assert_eq!(shared(&Sharing::default(), &state, &logic), [false; 3]);
        assert_eq!(shared(&Sharing { all: true, ..Sharing::default() }, &state, &logic), [true; 3]);
        let sharing = Sharing {
            built_in: BTreeSet::from([[1; 32]]),
            components: vec![format!("rules@{}", "02".repeat(16)).parse().unwrap()],
            ..Sharing::default()
        };
        assert_eq!(shared(&sharing, &state, &logic), [true, true, false]);
        let other = LogicName::new("other").unwrap();
        assert_eq!(shared(&sharing, &RolloutState::default(), &other), [true, false, false], "the name counts, too");
        state.share(&[3; 32], true, Cause::new("request", 0)).unwrap();
        assert_eq!(shared(&sharing, &state, &logic), [true, true, true]);
        digests[2][..31].fill(2);
        let id = LogicId { name: logic.clone(), version: semver::Version::new(1, 0, 1), digest: digests[2] };
        state.learn(&id, "test", None, 0);
        assert!(!sharing.allows(&logic, &state, &digests[1]) && !sharing.allows(&logic, &state, &digests[2]));
    }
}

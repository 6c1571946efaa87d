//! Selector of a version, as operators write it: its number, the first digits of its digest, or its role.

use std::fmt;
use std::str::FromStr;

use super::digest::Digest;
use super::error::PublishError;
use super::state::RolloutState;
use super::version_record::VersionRecord;
use crate::list::digest::hex;
use crate::list::name::LogicName;
use crate::list::selector::Pin;

/// The fewest digits of a digest that a text for people shows.
const MIN_SHOWN_DIGITS: usize = 8;

/// The most versions that an error names.
const MAX_NAMED: usize = 8;

/// The word for the version that lists fall back to.
const LAST_GOOD: &str = "last-good";

/// The word for the candidate.
const CANDIDATE: &str = "candidate";

/// A version of a logic, as an operator names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum VersionSelector {
    /// The newest version with a number, or the one with a digest.
    Pin(Pin),
    /// The only version whose digest begins with these hexadecimal digits, in lower case.
    Digits(String),
    /// The version that lists fall back to.
    LastGood,
    /// The candidate.
    Candidate,
}

/// The reason why a text is not a [`VersionSelector`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{0:?} is no version; give one to three numbers such as 1.2, the first digits of a digest, last-good or candidate"
)]
pub struct VersionSelectorError(String);

impl VersionSelector {
    /// Finds the version in a state. Of several with the same number, those that are not quarantined count, unless
    /// `force` says that a quarantined one may be meant.
    ///
    /// # Errors
    ///
    /// There is no such version, or there are several.
    pub fn find<'a>(
        &self,
        state: &'a RolloutState,
        logic: &LogicName,
        force: bool,
    ) -> Result<&'a VersionRecord, PublishError> {
        let named: Vec<_> = state.versions.iter().filter(|record| self.names(record, state, logic)).collect();
        let chosen = match self {
            Self::Pin(Pin::Version { .. }) => newest(&named, force),
            _ => named,
        };
        match *chosen {
            [record] => Ok(record),
            [] => Err(PublishError::Unknown(match self {
                Self::Pin(_) | Self::Digits(_) => format!("version {self} of {logic}"),
                Self::LastGood | Self::Candidate => format!("{self} version of {logic}"),
            })),
            _ => Err(self.ambiguous(&chosen, state, logic)),
        }
    }

    fn names(&self, record: &VersionRecord, state: &RolloutState, logic: &LogicName) -> bool {
        match self {
            Self::Pin(pin) => pin.accepts(&record.id(logic)),
            Self::Digits(digits) => hex(&record.digest).starts_with(digits),
            Self::LastGood => state.last_good == Some(record.digest),
            Self::Candidate => state.candidate.as_ref().is_some_and(|candidate| candidate.digest == record.digest),
        }
    }

    fn ambiguous(&self, chosen: &[&VersionRecord], state: &RolloutState, logic: &LogicName) -> PublishError {
        let digits = telling_digits(state.versions.iter().map(|record| &record.digest));
        let named = chosen.iter().take(MAX_NAMED).map(|record| {
            let role = state.role_of(record).map(|role| format!(", {role}")).unwrap_or_default();
            format!("sha256:{} ({}{role})", &hex(&record.digest)[..digits], record.version)
        });
        let versions = named.collect::<Vec<_>>().join(" and ");
        PublishError::Ambiguous { selector: self.to_string(), logic: logic.clone(), count: chosen.len(), versions }
    }
}

/// The records with the highest number. Quarantined ones count only if there are no others, or with `force`.
fn newest<'a>(named: &[&'a VersionRecord], force: bool) -> Vec<&'a VersionRecord> {
    let has_sound = named.iter().any(|record| record.quarantine.is_none());
    let may_be_meant = |record: &&VersionRecord| force || !has_sound || record.quarantine.is_none();
    let meant = || named.iter().copied().filter(may_be_meant);
    let highest = meant().map(|record| &record.version).max();
    meant().filter(|record| Some(&record.version) == highest).collect()
}

/// How many digits tell these digests apart.
fn telling_digits<'a>(digests: impl Iterator<Item = &'a Digest>) -> usize {
    let mut all: Vec<_> = digests.map(|digest| hex(digest)).collect();
    all.sort();
    let shared = |pair: &[String]| pair[0].bytes().zip(pair[1].bytes()).take_while(|(a, b)| a == b).count();
    let longest = all.windows(2).map(shared).max().unwrap_or_default();
    (longest + 1).clamp(MIN_SHOWN_DIGITS, 2 * size_of::<Digest>())
}

impl fmt::Display for VersionSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pin(pin) => pin.fmt(f),
            Self::Digits(digits) => write!(f, "sha256:{digits}"),
            Self::LastGood => f.write_str(LAST_GOOD),
            Self::Candidate => f.write_str(CANDIDATE),
        }
    }
}

impl FromStr for VersionSelector {
    type Err = VersionSelectorError;

    fn from_str(text: &str) -> Result<Self, VersionSelectorError> {
        match text {
            LAST_GOOD => return Ok(Self::LastGood),
            CANDIDATE => return Ok(Self::Candidate),
            _ => {}
        }
        // Digits alone are a number: `12` is version 12, and `sha256:12` a digest.
        if let Ok(pin) = text.parse() {
            return Ok(Self::Pin(pin));
        }
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let is_prefix = (1..=2 * size_of::<Digest>()).contains(&digits.len());
        match is_prefix && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(Self::Digits(digits.to_ascii_lowercase())),
            false => Err(VersionSelectorError(text.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::id::LogicId;
    use crate::rollout::{Candidate, Cause, Quarantine};

    fn logic() -> LogicName {
        LogicName::new("rules").unwrap()
    }

    /// A state with these versions: the first byte of each digest, and the number.
    fn state(versions: &[(u8, &str)]) -> RolloutState {
        let mut state = RolloutState::default();
        for (first, version) in versions {
            let id = LogicId { name: logic(), version: version.parse().unwrap(), digest: digest(*first) };
            state.learn(&id, "test", None, 0);
        }
        state
    }

    fn digest(first: u8) -> Digest {
        let mut digest = [0xee; 32];
        digest[0] = first;
        digest
    }

    fn found(state: &RolloutState, selector: &str, force: bool) -> Result<u8, String> {
        let selector: VersionSelector = selector.parse().unwrap();
        selector.find(state, &logic(), force).map(|record| record.digest[0]).map_err(|error| error.to_string())
    }

    #[test]
    fn a_number_of_two_versions_names_neither() {
        let mut state = state(&[(0xa1, "1.0.0"), (0xa2, "1.0.0"), (0xb3, "1.2.0")]);
        state.publish(&digest(0xa2), Cause::new("test", 1)).unwrap();
        let ambiguous = found(&state, "1.0.0", false).unwrap_err();
        let expected = "1.0.0 names 2 versions of rules: sha256:a1eeeeee (1.0.0) and sha256:a2eeeeee (1.0.0, live); \
            name one by its digest";
        assert_eq!(ambiguous, expected);
        assert_eq!(found(&state, "1", false), Ok(0xb3), "a part of a number names the newest version");
        assert_eq!(found(&state, "2", false).unwrap_err(), "there is no version 2 of rules");
    }

    #[test]
    fn of_two_versions_with_a_number_the_quarantined_one_is_meant_only_by_force() {
        let mut state = state(&[(0xa1, "1.0.0"), (0xa2, "1.0.0")]);
        state.publish(&digest(0xa1), Cause::new("test", 1)).unwrap();
        state.publish(&digest(0xa2), Cause::new("test", 2)).unwrap();
        let quarantine = Quarantine { time: 3, why: "it trapped".into(), failures: Vec::new() };
        state.quarantine(&digest(0xa2), quarantine).unwrap();
        assert_eq!(found(&state, "1.0.0", false), Ok(0xa1));
        let ambiguous = found(&state, "1.0.0", true).unwrap_err();
        assert!(ambiguous.contains("(1.0.0, quarantined)"), "{ambiguous}");
    }

    #[test]
    fn the_first_digits_of_a_digest_name_a_version_if_no_other_digest_begins_with_them() {
        let mut state = state(&[(0xa1, "1.0.0"), (0xa2, "1.1.0"), (0x12, "2.0.0")]);
        for (digits, first) in [("sha256:a1", 0xa1), ("A2e", 0xa2), ("sha256:12", 0x12)] {
            assert_eq!(found(&state, digits, false), Ok(first), "{digits}");
        }
        assert_eq!(found(&state, &format!("a1{}", "ee".repeat(31)), false), Ok(0xa1));
        let ambiguous = found(&state, "a", false).unwrap_err();
        assert!(ambiguous.starts_with("sha256:a names 2 versions of rules: "), "{ambiguous}");
        assert_eq!(found(&state, "12", false).unwrap_err(), "there is no version 12 of rules", "a number");
        let twin = LogicId { name: logic(), version: "3.0.0".parse().unwrap(), digest: twin_of(0xa1) };
        state.learn(&twin, "test", None, 0);
        let ambiguous = found(&state, "a1", false).unwrap_err();
        assert!(ambiguous.contains("sha256:a1eeeeeeeee (1.0.0) and sha256:a1eeeeeeeef (3.0.0)"), "{ambiguous}");
    }

    /// A digest that differs from another one in its sixth byte.
    fn twin_of(first: u8) -> Digest {
        let mut twin = digest(first);
        twin[5] = 0xff;
        twin
    }

    #[test]
    fn a_role_names_the_version_that_has_it() {
        let mut state = state(&[(1, "1.0.0"), (2, "2.0.0"), (3, "3.0.0")]);
        assert_eq!(found(&state, "last-good", false).unwrap_err(), "there is no last-good version of rules");
        state.publish(&digest(1), Cause::new("test", 1)).unwrap();
        state.publish(&digest(2), Cause::new("test", 2)).unwrap();
        state
            .stage(Candidate { digest: digest(3), percent: 0, shadow: true, end: None }, Cause::new("test", 3))
            .unwrap();
        assert_eq!((found(&state, "last-good", false), found(&state, "candidate", false)), (Ok(1), Ok(3)));
    }

    #[test]
    fn what_names_no_version_is_refused() {
        for bad in ["", "latest", "sha256:", "1.2.3.4", "-1", "g1", &"a".repeat(65), "Last-good", "sha256:é"] {
            assert!(bad.parse::<VersionSelector>().is_err(), "{bad}");
        }
    }
}

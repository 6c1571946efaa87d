//! Candidate of a logic, and the end of a canary at a time.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::digest::{Digest, digits};

/// A version that is tried beside the live one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Candidate {
    /// The digest of the version.
    #[serde(with = "digits")]
    pub digest: Digest,
    /// The percentage of lists in the canary: the candidate decides for these.
    pub percent: u8,
    /// Whether the candidate also decides in the shadow of the live version.
    pub shadow: bool,
    /// When and how the canary ends by itself. `None` if an operator ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<CanaryEnd>,
}

/// The end of a canary at a time. The first failure of the candidate stops the canary before.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CanaryEnd {
    /// When the canary ends: milliseconds since the epoch.
    pub until: u64,
    /// What happens to the candidate then.
    pub then: Then,
    /// The client that requested the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// What happens to the candidate at the end of its canary.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// It becomes live.
    Live,
    /// It is withdrawn.
    Withdraw,
}

impl Then {
    /// The word for it in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Withdraw => "withdraw",
        }
    }
}

/// The reason why a text is not a [`Then`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is neither live nor withdraw")]
pub struct ThenError(String);

impl FromStr for Then {
    type Err = ThenError;

    fn from_str(text: &str) -> Result<Self, ThenError> {
        let all = [Self::Live, Self::Withdraw];
        all.into_iter().find(|one| one.as_str() == text).ok_or_else(|| ThenError(text.into()))
    }
}

impl fmt::Display for Candidate {
    /// Writes what the candidate does, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let canary = (self.percent > 0).then(|| format!("canary for {} % of the lists", self.percent));
        let shadow = self.shadow.then(|| "in the shadow of the live version".to_owned());
        let does: Vec<_> = canary.into_iter().chain(shadow).collect();
        f.write_str(if does.is_empty() { "it decides nothing" } else { "" })?;
        f.write_str(&does.join(" and "))?;
        match self.end.as_ref().map(|end| end.then) {
            Some(Then::Live) => f.write_str("; it becomes live after that, unless it fails"),
            Some(Then::Withdraw) => f.write_str("; it is withdrawn after that"),
            None => Ok(()),
        }
    }
}

//! What happens to a command at which the version of a logic fails.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What happens to a command at which the version of a logic fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFault {
    /// The last good version decides it. A version that fails too often is replaced by the last good one.
    #[default]
    FallBack,
    /// It is refused. For rules that guard something: an older version may be laxer, so it does not decide in place of
    /// the one that an operator made live. A version that fails too often decides nothing any more, and the commands of its
    /// lists are refused until an operator acts.
    Refuse,
}

/// The reason why a text is not an [`OnFault`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is neither fall-back nor refuse")]
pub struct OnFaultError(String);

impl OnFault {
    /// The word for it in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FallBack => "fall-back",
            Self::Refuse => "refuse",
        }
    }
}

impl fmt::Display for OnFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for OnFault {
    type Err = OnFaultError;

    fn from_str(text: &str) -> Result<Self, OnFaultError> {
        let all = [Self::FallBack, Self::Refuse];
        all.into_iter().find(|one| one.as_str() == text).ok_or_else(|| OnFaultError(text.into()))
    }
}

//! Selectors of a logic and its version, as callers write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::digest::{Digest, hex, parse_digest};
use super::id::LogicId;
use super::name::{LogicName, NameError};

/// The choice of a version by a list. It overrides the live version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Pin {
    /// The newest version with this number: `1`, `1.2` or `1.2.3`.
    Version {
        /// The first part of the number.
        major: u64,
        /// The second part of the number. `None` accepts any.
        minor: Option<u64>,
        /// The third part of the number. `None` accepts any.
        patch: Option<u64>,
    },
    /// The component with this digest.
    Digest(Digest),
}

/// A logic and optionally a pin: `kanban`, `kanban@1.2`, or `kanban@sha256:` and 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogicSelector {
    /// The logic's name.
    pub logic: LogicName,
    /// The pin. `None` follows the live version.
    pub pin: Option<Pin>,
}

/// A component of a logic: `kanban@sha256:` and the first hexadecimal digits of its digest, at least
/// [`MIN_PREFIX_DIGITS`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ComponentSelector {
    /// The logic's name.
    pub logic: LogicName,
    /// The first digits of the digest, in lower case.
    prefix: String,
}

/// The fewest digits of a digest that select a component: 128 bits, with which no second component can be made to begin.
pub const MIN_PREFIX_DIGITS: usize = 32;

/// The reason why a text is not a [`ComponentSelector`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{0:?} names no component; write NAME@DIGEST, with at least {MIN_PREFIX_DIGITS} of the digest's 64 hexadecimal digits"
)]
pub struct ComponentSelectorError(String);

impl ComponentSelector {
    /// Returns whether the selector means a component of a logic.
    pub fn accepts(&self, logic: &LogicName, digest: &Digest) -> bool {
        self.logic == *logic && hex(digest).starts_with(&self.prefix)
    }
}

impl FromStr for ComponentSelector {
    type Err = ComponentSelectorError;

    fn from_str(text: &str) -> Result<Self, ComponentSelectorError> {
        let wrong = || ComponentSelectorError(text.into());
        let (name, digest) = text.split_once('@').ok_or_else(wrong)?;
        let prefix = digest.strip_prefix("sha256:").unwrap_or(digest).to_ascii_lowercase();
        let is_long_enough = (MIN_PREFIX_DIGITS..=2 * size_of::<Digest>()).contains(&prefix.len());
        if !is_long_enough || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        Ok(Self { logic: LogicName::new(name).map_err(|_| wrong())?, prefix })
    }
}

/// The reason why a text is not a [`LogicSelector`] or not a [`Pin`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SelectorError {
    /// The part before `@` is not a logic's name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The part after `@` is not a version.
    #[error("{0:?} is no version; give one to three numbers such as 1.2, or sha256: and 64 hexadecimal digits")]
    Version(String),
}

impl Pin {
    /// Returns whether the pin accepts a version.
    pub fn accepts(&self, id: &LogicId) -> bool {
        match self {
            Self::Digest(digest) => *digest == id.digest,
            Self::Version { major, minor, patch } => {
                let is = &id.version;
                *major == is.major
                    && minor.is_none_or(|minor| minor == is.minor)
                    && patch.is_none_or(|patch| patch == is.patch)
            }
        }
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest(digest) => write!(f, "sha256:{}", hex(digest)),
            Self::Version { major, minor, patch } => {
                write!(f, "{major}")?;
                [minor, patch].into_iter().flatten().try_for_each(|part| write!(f, ".{part}"))
            }
        }
    }
}

impl FromStr for Pin {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let no_version = || SelectorError::Version(text.into());
        if let Some(digits) = text.strip_prefix("sha256:") {
            return parse_digest(digits).map(Self::Digest).ok_or_else(no_version);
        }
        let part = |part: &str| part.parse().ok().filter(|_| part.bytes().all(|b| b.is_ascii_digit()));
        let parts: Option<Vec<u64>> = text.split('.').map(part).collect();
        match parts.as_deref() {
            Some(&[major, ref rest @ ..]) if rest.len() <= 2 => {
                Ok(Self::Version { major, minor: rest.first().copied(), patch: rest.get(1).copied() })
            }
            _ => Err(no_version()),
        }
    }
}

impl FromStr for LogicSelector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let (name, pin) = text.split_once('@').map_or((text, None), |(name, pin)| (name, Some(pin)));
        Ok(Self { logic: LogicName::new(name)?, pin: pin.map(str::parse).transpose()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(version: (u64, u64, u64)) -> LogicId {
        let version = semver::Version::new(version.0, version.1, version.2);
        LogicId { name: LogicName::new("kanban").unwrap(), version, digest: [0xab; 32] }
    }

    #[test]
    fn a_selector_is_written_as_it_was_read() {
        let digits = "ab".repeat(32);
        for (text, pin) in [
            ("kanban".to_owned(), None),
            ("kanban@1".into(), Some("1".to_owned())),
            ("kanban@1.2".into(), Some("1.2".into())),
            ("kanban@1.2.30".into(), Some("1.2.30".into())),
            (format!("kanban@sha256:{digits}"), Some(format!("sha256:{digits}"))),
        ] {
            let selector: LogicSelector = text.parse().unwrap();
            assert_eq!((selector.logic.as_str(), selector.pin.map(|pin| pin.to_string())), ("kanban", pin), "{text}");
        }
        for bad in
            ["", "@1", "kanban@", "kanban@1.", "kanban@+1", "kanban@1.2.3.4", "kanban@latest", "kanban@sha256:ab"]
        {
            assert!(bad.parse::<LogicSelector>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_component_is_selected_by_its_logic_and_the_first_digits_of_its_digest() {
        let accepts = |text: &str, logic: &str, digest: u8| {
            let selector: ComponentSelector = text.parse().unwrap();
            selector.accepts(&LogicName::new(logic).unwrap(), &[digest; 32])
        };
        let digits = "ab".repeat(16);
        assert!(
            accepts(&format!("kanban@sha256:{digits}"), "kanban", 0xab)
                && accepts(&format!("kanban@{}", digits.to_uppercase()), "kanban", 0xab)
        );
        assert!(accepts(&format!("kanban@{}", "ab".repeat(32)), "kanban", 0xab));
        assert!(
            !accepts(&format!("kanban@{digits}"), "kanban", 0xac)
                && !accepts(&format!("kanban@{digits}"), "board", 0xab)
        );
        let short = format!("kanban@{}", &digits[1..]);
        let (nameless, foreign) = (format!("@{digits}"), format!("kanban@é{digits}"));
        for bad in ["kanban", "kanban@", "kanban@abababababab", &short, &nameless, "kanban@1.2", &foreign] {
            let error = bad.parse::<ComponentSelector>().unwrap_err().to_string();
            assert!(error.contains("at least 32"), "{error}");
        }
        assert!(format!("kanban@{}", "ab".repeat(33)).parse::<ComponentSelector>().is_err());
    }

    #[test]
    fn a_pin_accepts_versions_with_its_number_or_digest() {
        let accepts = |pin: &str, version| pin.parse::<Pin>().unwrap().accepts(&id(version));
        assert!(accepts("1", (1, 9, 9)) && accepts("1.2", (1, 2, 9)) && accepts("1.2.3", (1, 2, 3)));
        assert!(!accepts("1", (2, 0, 0)) && !accepts("1.2", (1, 3, 0)) && !accepts("1.2.3", (1, 2, 4)));
        assert!(Pin::Digest([0xab; 32]).accepts(&id((1, 0, 0))) && !Pin::Digest([1; 32]).accepts(&id((1, 0, 0))));
    }
}

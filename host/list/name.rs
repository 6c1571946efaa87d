//! The names of lists and logics. They are checked once, when they enter the program.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The most bytes of a list's name in UTF-8.
pub const MAX_LIST_NAME_BYTES: usize = 200;

/// The most bytes of a logic's name, and of a name inside a schema.
pub const MAX_IDENTIFIER_BYTES: usize = 64;

/// The name of a list: 1 to 200 bytes of UTF-8 without control characters. It may contain `/` and `..`, because a
/// name is never part of a path on disk.
///
/// A list of the name `.` or `..` can be read, but clients cannot create it: see [`ListName::is_dot_segment`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListName(Arc<str>);

/// The name of a logic: at most 64 lower-case ASCII letters, digits and hyphens, beginning with a letter. The rule is
/// this narrow because the name is also the stem of a file.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogicName(Arc<str>);

/// The reason why a text is not a name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("the name is empty")]
    Empty,
    /// The text is longer than the limit.
    #[error("the name has {bytes} bytes, the limit is {limit}")]
    TooLong {
        /// The text's length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The text contains a character that names may not contain.
    #[error("the name holds {0:?}, which names may not")]
    Character(char),
}

impl ListName {
    /// Checks a text and returns it as a list's name.
    pub fn new(name: &str) -> Result<Self, NameError> {
        length(name, MAX_LIST_NAME_BYTES)?;
        match name.chars().find(|c| c.is_control()) {
            Some(c) => Err(NameError::Character(c)),
            None => Ok(Self(name.into())),
        }
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name is `.` or `..`. Browsers and many clients take such a segment out of a path before they send a request
    /// (RFC 3986, section 5.2.4), also where its dots are escaped, so that they do not reach the list.
    pub fn is_dot_segment(&self) -> bool {
        matches!(self.as_str(), "." | "..")
    }
}

impl LogicName {
    /// Checks a text and returns it as a logic's name.
    pub fn new(name: &str) -> Result<Self, NameError> {
        identifier(name)?;
        Ok(Self(name.into()))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns a hash that is the same on every machine and in every release: FNV-1a (Fowler, Noll, Vo) over 64 bits,
/// followed by the mixing steps of SplitMix64 (Steele, Lea, Flood 2014). The mixing separates names that differ in
/// their last character only.
pub fn stable_hash(bytes: &[u8]) -> u64 {
    let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, fnv);
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// Checks the name of a logic, a field, a command, a view or a setting.
pub fn identifier(name: &str) -> Result<(), NameError> {
    length(name, MAX_IDENTIFIER_BYTES)?;
    let odd = |(at, c): (usize, char)| {
        let fits = c.is_ascii_lowercase() || (at > 0 && (c.is_ascii_digit() || c == '-'));
        (!fits).then_some(c)
    };
    match name.char_indices().find_map(odd) {
        Some(c) => Err(NameError::Character(c)),
        None => Ok(()),
    }
}

fn length(name: &str, limit: usize) -> Result<(), NameError> {
    match name.len() {
        0 => Err(NameError::Empty),
        bytes if bytes > limit => Err(NameError::TooLong { bytes, limit }),
        _ => Ok(()),
    }
}

/// Implements the conversions that serde and `?` use, which are the same for both names.
macro_rules! text_conversions {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(&name)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
text_conversions!(ListName);
text_conversions!(LogicName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_name_may_contain_anything_but_control_characters() {
        for good in ["bob", "a/b", "../escaped", "日曜日", "🛒 shop", " "] {
            assert_eq!(ListName::new(good).map(String::from).as_deref(), Ok(good));
        }
        assert_eq!(ListName::new(""), Err(NameError::Empty));
        assert_eq!(ListName::new("a\nb"), Err(NameError::Character('\n')));
        assert_eq!(ListName::new("a\u{85}b"), Err(NameError::Character('\u{85}')));
    }

    #[test]
    fn a_name_that_a_browser_takes_out_of_a_path_is_a_dot_segment() {
        let is_dot_segment = |name: &str| ListName::new(name).is_ok_and(|name| name.is_dot_segment());
        assert_eq!(
            [".", "..", "...", "../escaped", ".x", "a"].map(is_dot_segment),
            [true, true, false, false, false, false]
        );
    }

    #[test]
    fn a_list_name_is_measured_in_bytes() {
        assert!(ListName::new(&"é".repeat(100)).is_ok());
        let too_long = NameError::TooLong { bytes: 202, limit: 200 };
        assert_eq!(ListName::new(&"é".repeat(101)), Err(too_long));
    }

    #[test]
    fn a_logic_name_is_fit_for_a_file_name() {
        assert!(LogicName::new("blocked-by2").is_ok());
        for (bad, c) in [("Todo", 'T'), ("2do", '2'), ("a/b", '/'), ("a.b", '.'), ("-a", '-')] {
            assert_eq!(LogicName::new(bad), Err(NameError::Character(c)));
        }
    }
}

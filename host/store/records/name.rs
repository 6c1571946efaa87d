//! The kinds and keys of records. They are checked once, when they enter the store.

use std::fmt;
use std::sync::Arc;

use crate::list::name::NameError;

/// The most bytes of a kind.
pub const MAX_KIND_BYTES: usize = 32;

/// The most bytes of a key in UTF-8. It holds a namespace, the name of a list and a user.
pub const MAX_KEY_BYTES: usize = 512;

/// The kind of a record, such as `rollout`: 1 to 32 lower-case ASCII letters, digits and hyphens. It may become the name
/// of a bucket in another engine.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RecordKind(Arc<str>);

/// The key of a record within its kind: 1 to 512 bytes of UTF-8 without control characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RecordKey(Arc<str>);

impl RecordKind {
    /// Checks a text and returns it as a kind.
    ///
    /// # Errors
    ///
    /// When the text is empty, too long, or holds another character.
    pub fn new(kind: &str) -> Result<Self, NameError> {
        let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        check(kind, MAX_KIND_BYTES, is_allowed).map(Self)
    }

    /// Returns the kind as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RecordKey {
    /// Checks a text and returns it as a key.
    ///
    /// # Errors
    ///
    /// When the text is empty, too long, or holds a control character.
    pub fn new(key: &str) -> Result<Self, NameError> {
        check(key, MAX_KEY_BYTES, |c| !c.is_control()).map(Self)
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check(text: &str, limit: usize, is_allowed: impl Fn(char) -> bool) -> Result<Arc<str>, NameError> {
    match text.chars().find(|c| !is_allowed(*c)) {
        _ if text.is_empty() => Err(NameError::Empty),
        _ if text.len() > limit => Err(NameError::TooLong { bytes: text.len(), limit }),
        Some(c) => Err(NameError::Character(c)),
        None => Ok(text.into()),
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_narrow_and_keys_are_wide() {
        assert!(RecordKind::new("rollout").is_ok() && RecordKind::new(&"k".repeat(MAX_KIND_BYTES)).is_ok());
        assert_eq!(RecordKind::new(""), Err(NameError::Empty));
        assert_eq!(RecordKind::new("a b"), Err(NameError::Character(' ')));
        assert_eq!(RecordKind::new(&"k".repeat(33)), Err(NameError::TooLong { bytes: 33, limit: MAX_KIND_BYTES }));
        assert!(RecordKey::new("ann/日 \u{1f6d2}").is_ok() && RecordKey::new(&"k".repeat(MAX_KEY_BYTES)).is_ok());
        assert_eq!(RecordKey::new(""), Err(NameError::Empty));
        assert_eq!(RecordKey::new("a\nb"), Err(NameError::Character('\n')));
        assert_eq!(RecordKey::new(&"é".repeat(257)), Err(NameError::TooLong { bytes: 514, limit: MAX_KEY_BYTES }));
    }
}

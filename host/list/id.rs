//! The identifiers of entries and of logic versions.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::digest::{Digest, hex};
use super::name::LogicName;

/// Identifier of an entry within its list. Ids start at 1, grow, and are never reused.
pub type EntryId = u64;

/// Identifier of one version of a logic: its name, its own version number, and the digest of its component.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct LogicId {
    /// The logic's name.
    pub name: LogicName,
    /// The version number that the component declares.
    pub version: semver::Version,
    /// The SHA-256 of the component.
    pub digest: Digest,
}

/// The bytes of a digest that [`LogicId`] displays.
const DISPLAYED_DIGEST_BYTES: usize = 4;

impl LogicId {
    /// Returns the digest as `sha256:` and 64 hexadecimal digits.
    pub fn digest_text(&self) -> String {
        format!("sha256:{}", hex(&self.digest))
    }
}

impl fmt::Display for LogicId {
    /// Writes the id as replies show it: `kanban@1.2.0+sha256:ab12cd34`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}+sha256:{}", self.name, self.version, hex(&self.digest[..DISPLAYED_DIGEST_BYTES]))
    }
}

//! Record of a version: what is known of it, whether it is loaded or not.

use serde::{Deserialize, Serialize};

use super::digest::{Digest, digits};
use crate::list::id::LogicId;
use crate::list::name::LogicName;

/// How many quarantines of a version that an operator ended are remembered. The oldest are removed first.
pub const MAX_RELEASED: usize = 8;

/// How many failures a quarantine remembers.
pub const MAX_FAILURES: usize = 5;

/// What is known of a version, whether it is loaded or not.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct VersionRecord {
    /// The version number that the component declares.
    pub version: semver::Version,
    /// The SHA-256 of the component.
    #[serde(with = "digits")]
    pub digest: Digest,
    /// Where the component came from.
    pub source: String,
    /// When the component was accepted: milliseconds since the epoch.
    #[serde(alias = "taken")]
    pub accepted: u64,
    /// Whether the version ever was live.
    #[serde(default)]
    pub published: bool,
    /// Whether some list needs the version, because it is pinned to it or could not migrate from it.
    #[serde(default)]
    pub held: bool,
    /// Whether an operator allowed lists to share instances of the version.
    #[serde(default)]
    pub shared: bool,
    /// Why the version may not decide, if it is quarantined.
    #[serde(default)]
    pub quarantine: Option<Quarantine>,
    /// The quarantines that an operator ended by force, the newest last. At most [`MAX_RELEASED`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub released: Vec<Released>,
    /// What the gates found, if the version went through them.
    #[serde(default)]
    pub gates: Option<Gates>,
}

/// Why a version may not decide any more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Quarantine {
    /// Since when: milliseconds since the epoch.
    pub time: u64,
    /// The reason, as a text for people.
    pub why: String,
    /// The last failure on each of the last lists, the newest last. At most [`MAX_FAILURES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailureRecord>,
}

/// A failure of a version, as an operator reads about it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FailureRecord {
    /// When: milliseconds since the epoch.
    pub time: u64,
    /// The name of the list.
    pub list: String,
    /// The revision of the list before, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The question at which the version failed in the notation of a case file, if it is known. Cut if it is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// The client whose request it was. `None` for what the server does by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// What the version said. Cut if it is long.
    pub fault: String,
}

/// A quarantine that an operator ended by force.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Released {
    /// The quarantine as it was.
    pub quarantine: Quarantine,
    /// When it ended: milliseconds since the epoch.
    pub time: u64,
    /// The client whose request ended it. `None` for what the server did by itself, such as at a start with force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// What the gates found when a version was accepted.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Gates {
    /// The number of probes.
    #[serde(alias = "asked")]
    pub probes: usize,
    /// The most fuel that one answer took.
    pub worst_fuel: u64,
    /// The longest time that one answer took, in microseconds.
    pub worst_micros: u64,
    /// The most memory that an instance had, in bytes.
    pub worst_memory: usize,
    /// The failures that were overruled with `force`.
    pub forced: Vec<String>,
    /// How the description differs from that of the version that was live then.
    pub differs: Vec<String>,
}

impl VersionRecord {
    /// The record of a version that was just accepted and has no role.
    pub(super) fn new(id: &LogicId, source: &str, gates: Option<Gates>, accepted: u64) -> Self {
        Self {
            version: id.version.clone(),
            digest: id.digest,
            source: source.into(),
            accepted,
            published: false,
            held: false,
            shared: false,
            quarantine: None,
            released: Vec::new(),
            gates,
        }
    }

    /// The full identity of the version, for a logic of this name.
    pub fn id(&self, logic: &LogicName) -> LogicId {
        LogicId { name: logic.clone(), version: self.version.clone(), digest: self.digest }
    }

    /// Ends the quarantine and remembers it. Returns it, if there was one.
    pub(super) fn release(&mut self, client: Option<&str>, time: u64) -> Option<Quarantine> {
        let quarantine = self.quarantine.take()?;
        if self.released.len() >= MAX_RELEASED {
            self.released.remove(0);
        }
        self.released.push(Released { quarantine: quarantine.clone(), time, client: client.map(Into::into) });
        Some(quarantine)
    }
}

//! One step in a list's history.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::change::{Change, Rejection};
use super::command::{Command, Context};
use super::entry::EntryId;
use super::name::LogicName;

/// Names one exact logic: which, in its own version's words, and of which bytes.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct LogicId {
    /// The logic.
    pub name: LogicName,
    /// The version it gives itself.
    pub version: semver::Version,
    /// The SHA-256 of its component.
    pub digest: [u8; 32],
}

/// How many bytes of a digest are shown to people.
const SHOWN_DIGEST_BYTES: usize = 4;

impl LogicId {
    /// The digest as `sha256:` and 64 hexadecimal digits.
    pub fn digest_text(&self) -> String {
        format!("sha256:{}", hex(&self.digest))
    }
}

impl fmt::Display for LogicId {
    /// As replies name it: `kanban@1.2.0+sha256:ab12cd34`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}+sha256:{}", self.name, self.version, hex(&self.digest[..SHOWN_DIGEST_BYTES]))
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A command that was carried out: everything needed to apply it again, or to decide it again.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Revision {
    /// Its number: one more than the one before it, for as long as the name exists.
    pub number: u64,
    /// When, by whom, with which seed.
    pub context: Context,
    /// Who decided it.
    pub logic: Arc<LogicId>,
    /// What was asked.
    pub command: Command,
    /// What was done.
    pub changes: Vec<Change>,
    /// What takes it back, in order; empty when the list ended.
    pub inverse: Vec<Change>,
    /// The id that the next new entry would have had before the command.
    pub next_id_before: EntryId,
}

/// The most bytes an idempotency key may have.
pub const MAX_KEY_BYTES: usize = 255;

/// What makes a repeated request recognisable.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Idempotency {
    /// The caller and the caller's key, at most [`MAX_KEY_BYTES`] bytes of it.
    pub key: String,
    /// A digest of the request, to tell a repetition from another request under the same key.
    pub fingerprint: [u8; 32],
}

/// The first answer to a request with an idempotency key, kept so that it can be given again.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Receipt {
    /// The request.
    pub request: Idempotency,
    /// When it was answered: milliseconds since the epoch.
    pub time: u64,
    /// Who decided.
    pub logic: Arc<LogicId>,
    /// The answer.
    pub outcome: Outcome,
}

/// The decided end of a command. Failures are none: a repetition of those is a new try.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// It was carried out.
    Done {
        /// The list's revision after it.
        revision: u64,
        /// What it did; empty when it changed nothing.
        changes: Vec<Change>,
        /// Whether the command brought the list into being.
        created: bool,
        /// The id that the next new entry would have had before the command.
        next_id_before: EntryId,
    },
    /// The logic said no.
    Rejected(Rejection),
}

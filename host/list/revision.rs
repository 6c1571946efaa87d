//! One step in a list's history.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::change::{Change, Rejection};
use super::command::{Command, Context};
use super::id::{EntryId, LogicId};

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
    pub outcome: CommandOutcome,
}

/// The decided end of a command. Failures are none: a repetition of those is a new try.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum CommandOutcome {
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

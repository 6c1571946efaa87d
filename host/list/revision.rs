//! Revisions of a list, and the receipts of idempotent requests.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::change::{Change, Rejection};
use super::command::{Command, Context};
use super::id::{EntryId, LogicId};

/// A command that was carried out, with everything needed to apply it again or to decide it again.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Revision {
    /// The revision's number: one more than the number before it, also across deleted lists of the same name.
    pub number: u64,
    /// The context that the command was decided in.
    pub context: Context,
    /// The version that decided the command.
    pub logic: Arc<LogicId>,
    /// The command.
    pub command: Command,
    /// The changes that were applied.
    pub changes: Vec<Change>,
    /// The changes that revert the revision, in order. Empty if the revision deleted the list.
    pub inverse: Vec<Change>,
    /// The id of the next new entry before the command.
    pub next_id_before: EntryId,
}

/// The most bytes an idempotency key may have.
pub const MAX_KEY_BYTES: usize = 255;

/// The identity of a request, by which a repetition is recognised.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Idempotency {
    /// The caller and the caller's key of at most [`MAX_KEY_BYTES`] bytes.
    pub key: String,
    /// A digest of the request, which distinguishes a repetition from another request with the same key.
    pub fingerprint: [u8; 32],
}

/// The stored answer to a request with an idempotency key. A repetition of the request gets the same answer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Receipt {
    /// The request.
    pub request: Idempotency,
    /// The time of the answer, in milliseconds since the epoch.
    pub time: u64,
    /// The version that decided the command.
    pub logic: Arc<LogicId>,
    /// The outcome that the answer reported.
    pub outcome: CommandOutcome,
}

/// The outcome of a decided command. A failure is not an outcome: a repetition of the request is a new attempt.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum CommandOutcome {
    /// The command was carried out.
    Done {
        /// The list's revision after it.
        revision: u64,
        /// The changes, empty if there were none.
        changes: Vec<Change>,
        /// Whether the command created the list.
        created: bool,
        /// The id of the next new entry before the command.
        next_id_before: EntryId,
    },
    /// The logic rejected the command.
    Rejected(Rejection),
}

//! Revisions of a list.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::change::Change;
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

impl Revision {
    /// Returns about how many bytes the revision takes in memory, with its command and its inverse.
    pub fn bytes(&self) -> usize {
        let changes = |changes: &[Change]| changes.iter().map(Change::bytes).sum::<usize>();
        size_of::<Self>() + self.command.bytes() + changes(&self.changes) + changes(&self.inverse)
    }
}

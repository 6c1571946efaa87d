//! Outline of a revision: what a reader is shown of it, without what its undo needs.

use std::sync::Arc;

use super::change::Change;
use super::command::{Command, Context};
use super::id::LogicId;
use super::revision::Revision;

/// A revision without its inverse and the content of its command, and without its changes if they are large.
#[derive(Clone, PartialEq, Debug)]
pub struct RevisionOutline {
    /// See [`Revision::number`].
    pub number: u64,
    /// See [`Revision::context`].
    pub context: Context,
    /// See [`Revision::logic`].
    pub logic: Arc<LogicId>,
    /// The command's [name](Command::name).
    pub command: String,
    /// The revision that was undone, if the command is an undo.
    pub undone: Option<u64>,
    /// The number of changes of each kind.
    pub counts: ChangeCounts,
    /// The changes, if the reader has room for them.
    pub changes: Option<Vec<Change>>,
    /// About the bytes that the revision takes in memory, as [`Revision::bytes`] counts them.
    pub bytes: usize,
}

/// The number of changes of each kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ChangeCounts {
    /// Entries that were added, changed or restored.
    pub put: usize,
    /// Entries that were removed.
    pub remove: usize,
    /// Settings that were set.
    pub set: usize,
    /// Settings that lost their value.
    pub unset: usize,
    /// Bindings to a version.
    pub bind_logic: usize,
    /// Pins to a version.
    pub pin: usize,
    /// Deletions of the list.
    pub delete_list: usize,
}

impl RevisionOutline {
    /// Returns the outline of a revision, without its changes.
    pub fn of(revision: &Revision) -> Self {
        let mut counts = ChangeCounts::default();
        revision.changes.iter().for_each(|change| counts.count(change));
        Self {
            number: revision.number,
            context: revision.context.clone(),
            logic: revision.logic.clone(),
            command: revision.command.name().to_owned(),
            undone: undone_by(&revision.command),
            counts,
            changes: None,
            bytes: revision.bytes(),
        }
    }
}

impl ChangeCounts {
    /// Counts a change.
    pub fn count(&mut self, change: &Change) {
        let kind = match change {
            Change::Put(_) | Change::Restore(_) => &mut self.put,
            Change::Remove(_) => &mut self.remove,
            Change::Set(_) => &mut self.set,
            Change::Unset(_) => &mut self.unset,
            Change::BindLogic(_) => &mut self.bind_logic,
            Change::Pin(_) => &mut self.pin,
            Change::DeleteList => &mut self.delete_list,
        };
        *kind += 1;
    }
}

/// Returns the revision that a command undoes.
pub fn undone_by(command: &Command) -> Option<u64> {
    match command {
        Command::Undo { revision, .. } => Some(*revision),
        _ => None,
    }
}

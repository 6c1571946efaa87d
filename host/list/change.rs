//! What a command does to a list, or why it does nothing.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::binding::LogicBinding;
use super::entry::Entry;
use super::id::EntryId;
use super::selector::Pin;
use super::value::Field;

/// One step of what a command does. A revision applies all its steps, in order, or none.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Change {
    /// Replaces the entry of that id, or adds it under the list's next id.
    Put(Arc<Entry>),
    /// Removes an entry that is there.
    Remove(EntryId),
    /// Gives a setting a value.
    Set(Field),
    /// Brings the list into being, or hands it to another version or logic. Only the host makes this one.
    BindLogic(Arc<LogicBinding>),
    /// Ends the list with all that is in it. Only the host makes this one.
    DeleteList,
    /// Takes a setting's value away, if it has one.
    Unset(String),
    /// Ties the list to a version, or unties it. Only the host makes this one.
    Pin(Option<Pin>),
    /// Puts an entry back that was removed, under its old id. Only the host makes this one.
    Restore(Arc<Entry>),
}

impl Change {
    /// Replaces the entry of that id, or adds it under the list's next id.
    pub fn put(entry: Entry) -> Self {
        Self::Put(Arc::new(entry))
    }

    /// Those of some changes that a logic decides: which version keeps a list, and whether it insists on one, is
    /// the host's business.
    pub fn made_by_logic(mut changes: Vec<Self>) -> Vec<Self> {
        changes.retain(Self::is_made_by_logic);
        changes
    }

    /// Whether a logic decides it.
    pub fn is_made_by_logic(&self) -> bool {
        !matches!(self, Self::BindLogic(_) | Self::Pin(_))
    }

    /// What the change is about.
    pub fn subject(&self) -> Subject {
        match self {
            Self::Put(entry) | Self::Restore(entry) => Subject::Entry(entry.id),
            Self::Remove(id) => Subject::Entry(*id),
            Self::Set(Field { name, .. }) | Self::Unset(name) => Subject::Setting(name.clone()),
            Self::BindLogic(_) => Subject::LogicBinding,
            Self::Pin(_) => Subject::Pin,
            Self::DeleteList => Subject::List,
        }
    }
}

/// What a change is about. Of several changes that are about the same, the last one counts.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Subject {
    /// An entry.
    Entry(EntryId),
    /// A setting.
    Setting(String),
    /// Which version keeps the list.
    LogicBinding,
    /// Which version the list insists on.
    Pin,
    /// The list as a whole.
    List,
}

/// Why a command is not carried out, in the words of the list's logic.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rejection {
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
    /// The attribute, field or argument at fault.
    pub field: Option<String>,
}

/// How changes break the contract between host and logic. The fault is the logic's, not the
/// caller's.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Violation {
    /// Logic may not make up ids.
    #[error("it put entry {id}, which is neither in the list nor the next id {next}")]
    UnknownId {
        /// The id it gave.
        id: EntryId,
        /// The id a new entry must have.
        next: EntryId,
    },
    /// What is not there cannot be removed.
    #[error("it removed entry {0}, which is not in the list")]
    RemovedAbsent(EntryId),
    /// One call may not change everything.
    #[error("it made {count} changes, the limit is {limit}")]
    TooManyChanges {
        /// How many it made.
        count: usize,
        /// How many it may make.
        limit: usize,
    },
    /// The content of a change is not what was declared or allowed.
    #[error("it {0}")]
    Content(String),
}

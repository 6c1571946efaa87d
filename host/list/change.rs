//! The changes of a command, and the reasons why there are none.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::binding::LogicBinding;
use super::entry::Entry;
use super::id::EntryId;
use super::printable::printable;
use super::selector::Pin;
use super::value::Field;

/// One change of a list. A revision applies all of its changes in order, or none.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Change {
    /// Replaces the entry with this id, or adds it if the id is the list's next one.
    Put(Arc<Entry>),
    /// Removes an existing entry.
    Remove(EntryId),
    /// Sets a setting.
    Set(Field),
    /// Creates the list, or binds it to another version or logic. Only the host makes this change.
    BindLogic(Arc<LogicBinding>),
    /// Deletes the list with all of its entries. Only the host makes this change.
    DeleteList,
    /// Removes a setting, if it is set.
    Unset(String),
    /// Pins the list to a version, or removes the pin. Only the host makes this change.
    Pin(Option<Pin>),
    /// Restores a removed entry under its old id. Only the host makes this change.
    Restore(Arc<Entry>),
}

impl Change {
    /// Returns a [`Change::Put`] of the entry.
    pub fn put(entry: Entry) -> Self {
        Self::Put(Arc::new(entry))
    }

    /// Returns only the changes that a logic makes. The host alone decides about bindings and pins.
    pub fn made_by_logic(mut changes: Vec<Self>) -> Vec<Self> {
        changes.retain(Self::is_made_by_logic);
        changes
    }

    /// Returns whether a logic makes this change, rather than the host.
    pub fn is_made_by_logic(&self) -> bool {
        !matches!(self, Self::BindLogic(_) | Self::Pin(_))
    }

    /// Returns about how many bytes the change takes in memory.
    pub fn bytes(&self) -> usize {
        let content = match self {
            Self::Put(entry) | Self::Restore(entry) => entry.memory(),
            Self::Set(field) => field.memory(),
            Self::Unset(name) => name.len(),
            Self::BindLogic(_) => size_of::<LogicBinding>(),
            Self::Remove(_) | Self::DeleteList | Self::Pin(_) => 0,
        };
        content + size_of::<Self>()
    }

    /// Returns what the change is about.
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

/// The thing that a change is about. Of several changes about the same thing, the last one counts.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Subject {
    /// An entry.
    Entry(EntryId),
    /// A setting.
    Setting(String),
    /// The binding of the list to a version.
    LogicBinding,
    /// The pin of the list.
    Pin,
    /// The list as a whole.
    List,
}

/// A logic's reason not to carry out a command.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rejection {
    /// A stable word for programs.
    pub code: String,
    /// A message for people.
    pub message: String,
    /// The attribute, field or argument at fault.
    pub field: Option<String>,
}

/// A breach of the contract between host and logic by a logic's answer. It is the logic's fault, not the caller's.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Violation {
    /// A put entry has neither the id of an entry nor the next id.
    #[error("it put entry {id}, which is neither in the list nor the next id {next}")]
    UnknownId {
        /// The id of the put entry.
        id: EntryId,
        /// The id that a new entry must have.
        next: EntryId,
    },
    /// A removed entry does not exist.
    #[error("it removed entry {0}, which is not in the list")]
    RemovedAbsent(EntryId),
    /// A call made more changes than its limit.
    #[error("it made {count} changes, the limit is {limit}")]
    TooManyChanges {
        /// The number of changes.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// The content of an answer is not declared or not allowed.
    #[error("it {}", printable(.0))]
    Content(String),
}

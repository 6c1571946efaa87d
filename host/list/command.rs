//! What callers ask of a list, and the circumstances they ask it in.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::change::Change;
use super::date::Date;
use super::entry::{Draft, Patch};
use super::id::EntryId;
use super::name::LogicName;
use super::selector::Pin;
use super::value::{Field, Value};

/// Something a caller wants done to a list.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Add an entry.
    Add(Draft),
    /// Change an entry.
    Update {
        /// Which one.
        id: EntryId,
        /// How.
        patch: Patch,
    },
    /// Delete an entry.
    Delete {
        /// Which one.
        id: EntryId,
    },
    /// Delete all entries, each through the logic, all or none.
    Clear,
    /// One of the logic's own commands.
    Custom {
        /// Its name.
        name: String,
        /// What it is given.
        arguments: Vec<Field>,
    },
    /// Create the list, hand it to another logic, change settings: any of the three.
    Configure {
        /// The logic that is to keep the list; `None` leaves it as it is.
        logic: Option<LogicName>,
        /// The version that the list is to insist on, or that it is to insist on none; `None` leaves
        /// it as it is.
        pin: Option<Option<Pin>>,
        /// The settings to set, and those to take away.
        settings: Vec<(String, Option<Value>)>,
    },
    /// Delete the list with all that is in it.
    DeleteList,
    /// The time that the logic asked to be woken at has come. Sent by the host itself.
    Wake,
    /// Another version of the list's logic is to keep the list, one whose lists hold something else.
    /// Made by the host itself, before the next command.
    Migrate,
    /// Take back a revision, as far as nothing later stands in the way.
    Undo {
        /// Its number.
        revision: u64,
        /// What it did.
        changes: Vec<Change>,
        /// What takes that back.
        inverse: Vec<Change>,
    },
}

impl Command {
    /// What the command is called in the history and on the log.
    pub fn name(&self) -> &str {
        match self {
            Self::Add(_) => "add-entry",
            Self::Update { .. } => "update-entry",
            Self::Delete { .. } => "delete-entry",
            Self::Clear => "delete-entries",
            Self::Custom { name, .. } => name,
            Self::Configure { .. } => "configure",
            Self::DeleteList => "delete-list",
            Self::Wake => "wake",
            Self::Migrate => "migrate",
            Self::Undo { .. } => "undo",
        }
    }
}

/// The circumstances of a command: all that a decision may depend on besides list and command.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Context {
    /// Milliseconds since the epoch, UTC.
    pub now: u64,
    /// The date at that moment where the server is.
    pub today: Date,
    /// How many minutes local time is ahead of UTC at that moment where the server is.
    pub utc_offset: i32,
    /// Who asks.
    pub caller: Arc<str>,
    /// A random number, new for every command.
    pub seed: u64,
}

/// What a reader asks for.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Query {
    /// A view, or none for the plain list.
    pub view: Option<String>,
    /// Only entries of that day.
    pub date: Option<Date>,
    /// Only entries that are completed, or that are not.
    pub completed: Option<bool>,
    /// Only rows behind this entry.
    pub after: Option<EntryId>,
    /// At most so many rows.
    pub limit: usize,
}

/// The answer to a [`Query`]: ids, for the host has the entries.
#[derive(Clone, PartialEq, Debug)]
pub struct Page {
    /// Rows under headings; one unnamed group for a plain list.
    pub groups: Vec<Group>,
    /// Whether more rows follow.
    pub more: bool,
}

/// Rows under one heading.
#[derive(Clone, PartialEq, Debug)]
pub struct Group {
    /// For programs.
    pub name: String,
    /// For people.
    pub title: String,
    /// Values worked out for the group.
    pub computed: Vec<Field>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// One entry of a page.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// Which entry.
    pub id: EntryId,
    /// Values worked out for this reading.
    pub computed: Vec<Field>,
}

//! The commands and queries of callers, and the context that they are decided in.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::change::Change;
use super::date::Date;
use super::entry::{Draft, Patch};
use super::id::EntryId;
use super::name::LogicName;
use super::selector::Pin;
use super::value::{Field, Value};

/// A command to change a list.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Add an entry.
    Add(Draft),
    /// Change an entry.
    Update {
        /// The entry's id.
        id: EntryId,
        /// The changes of its attributes.
        patch: Patch,
    },
    /// Delete an entry.
    Delete {
        /// The entry's id.
        id: EntryId,
    },
    /// Delete all entries, all or none. The logic decides about each.
    Clear,
    /// Run one of the logic's own commands.
    Custom {
        /// The command's name.
        name: String,
        /// The command's arguments.
        arguments: Vec<Field>,
    },
    /// Create the list, bind it to another logic, change settings, or any of the three.
    Configure {
        /// The logic to bind the list to. `None` leaves the binding.
        logic: Option<LogicName>,
        /// The pin to set, or `Some(None)` to remove it. `None` leaves the pin.
        pin: Option<Option<Pin>>,
        /// The settings to set, and without a value those to remove.
        settings: Vec<(String, Option<Value>)>,
    },
    /// Delete the list with all of its entries.
    DeleteList,
    /// Wake the list at the time that its logic named. The host sends this command.
    Wake,
    /// Migrate the list to a version of its logic that declares other fields or settings. The host sends this
    /// command before the next one.
    Migrate,
    /// Undo a revision, unless a later revision changed the same things.
    Undo {
        /// The revision's number.
        revision: u64,
        /// The revision's changes.
        changes: Vec<Change>,
        /// The revision's inverse.
        inverse: Vec<Change>,
    },
}

/// The names of the commands that every list has.
pub const BUILT_IN_COMMANDS: [&str; 9] = [
    "add-entry",
    "update-entry",
    "delete-entry",
    "delete-entries",
    "configure",
    "delete-list",
    "wake",
    "migrate",
    "undo",
];

impl Command {
    /// Returns the command's name in the history and in the log.
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

    /// Returns about how many bytes the content of the command takes in memory.
    pub fn bytes(&self) -> usize {
        let fields = |fields: &[Field]| fields.iter().map(Field::memory).sum::<usize>();
        let patches = |patches: &[(String, Option<Value>)]| {
            let bytes = |(name, value): &(String, Option<Value>)| name.len() + value.as_ref().map_or(0, Value::memory);
            patches.iter().map(|patch| bytes(patch) + size_of::<Field>()).sum::<usize>()
        };
        match self {
            Self::Add(draft) => draft.title.len() + fields(&draft.fields),
            Self::Update { patch, .. } => patch.title.as_ref().map_or(0, String::len) + patches(&patch.fields),
            Self::Custom { name, arguments } => name.len() + fields(arguments),
            Self::Configure { settings, .. } => patches(settings),
            Self::Undo { changes, inverse, .. } => changes.iter().chain(inverse).map(Change::bytes).sum(),
            Self::Delete { .. } | Self::Clear | Self::DeleteList | Self::Wake | Self::Migrate => 0,
        }
    }
}

/// The context of a command: everything that a decision may depend on besides the list and the command.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Context {
    /// Milliseconds since the epoch, UTC.
    pub now: u64,
    /// The date at that time in the server's time zone.
    pub today: Date,
    /// The offset of the server's time zone from UTC at that time, in minutes.
    pub utc_offset: i32,
    /// The caller's name.
    pub caller: Arc<str>,
    /// A random number, new for every command.
    pub seed: u64,
}

/// A query for a page of a list.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Query {
    /// The name of a view. `None` means the plain list.
    pub view: Option<String>,
    /// Selects the entries of one day.
    pub date: Option<Date>,
    /// Selects the entries that are completed, or those that are not.
    pub completed: Option<bool>,
    /// Selects the rows after this entry.
    pub after: Option<EntryId>,
    /// The most rows of the page.
    pub limit: usize,
}

/// The answer to a [`Query`]. It holds ids only, because the host has the entries.
#[derive(Clone, PartialEq, Debug)]
pub struct Page {
    /// The rows in groups. A plain list is one unnamed group.
    pub groups: Vec<Group>,
    /// Whether more rows follow.
    pub more: bool,
}

/// Rows under one heading of a page.
#[derive(Clone, PartialEq, Debug)]
pub struct Group {
    /// The group's name, for programs.
    pub name: String,
    /// The group's heading, for people.
    pub title: String,
    /// The values that the logic computed for the group.
    pub computed: Vec<Field>,
    /// The rows of the group.
    pub rows: Vec<Row>,
}

/// One entry of a page.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// The entry's id.
    pub id: EntryId,
    /// The values that the logic computed for the row.
    pub computed: Vec<Field>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_of_every_list_are_known_by_their_names() {
        let draft = Draft { title: String::new(), date: None, completed: false, order: None, fields: Vec::new() };
        let patch = Patch { title: None, date: None, completed: None, order: None, fields: Vec::new() };
        let commands = [
            Command::Add(draft),
            Command::Update { id: 1, patch },
            Command::Delete { id: 1 },
            Command::Clear,
            Command::Configure { logic: None, pin: None, settings: Vec::new() },
            Command::DeleteList,
            Command::Wake,
            Command::Migrate,
            Command::Undo { revision: 1, changes: Vec::new(), inverse: Vec::new() },
        ];
        assert_eq!(commands.each_ref().map(Command::name), BUILT_IN_COMMANDS);
    }
}

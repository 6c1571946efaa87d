//! The JSON of revisions: commands, the changes they made, and the inverses of the changes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::value::{
    BindingJson, DateJson, DraftJson, EntryJson, FieldJson, GivenJson, HexJson, LogicJson, PatchJson, each, given,
    take_given, try_each,
};
use crate::list::change::Change;
use crate::list::command::{Command, Context};
use crate::list::excerpt::excerpt;
use crate::list::id::EntryId;
use crate::list::name::{LogicName, identifier};
use crate::list::revision::Revision;
use crate::list::selector::Pin;

/// A revision.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RevisionJson {
    number: u64,
    /// Milliseconds since the epoch.
    time: u64,
    today: DateJson,
    /// Minutes.
    utc_offset: i32,
    caller: String,
    seed: HexJson,
    logic: LogicJson,
    next_id_before: EntryId,
    command: CommandJson,
    changes: Vec<ChangeJson>,
    inverse: Vec<ChangeJson>,
}

impl RevisionJson {
    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

impl From<&Revision> for RevisionJson {
    fn from(revision: &Revision) -> Self {
        let Context { now, today, utc_offset, caller, seed } = &revision.context;
        Self {
            number: revision.number,
            time: *now,
            today: DateJson(*today),
            utc_offset: *utc_offset,
            caller: caller.to_string(),
            seed: HexJson(*seed),
            logic: (&*revision.logic).into(),
            next_id_before: revision.next_id_before,
            command: (&revision.command).into(),
            changes: each(&revision.changes),
            inverse: each(&revision.inverse),
        }
    }
}

impl TryFrom<RevisionJson> for Revision {
    type Error = String;

    fn try_from(json: RevisionJson) -> Result<Self, String> {
        let context = Context {
            now: json.time,
            today: json.today.0,
            utc_offset: json.utc_offset,
            caller: json.caller.into(),
            seed: json.seed.0,
        };
        Ok(Self {
            number: json.number,
            context,
            logic: Arc::new(json.logic.try_into()?),
            command: json.command.try_into()?,
            changes: try_each(json.changes)?,
            inverse: try_each(json.inverse)?,
            next_id_before: json.next_id_before,
        })
    }
}

/// A change, with its kind as the only member: `{"remove":7}`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ChangeJson {
    Put(EntryJson),
    Remove(EntryId),
    Set(FieldJson),
    BindLogic(BindingJson),
    DeleteList,
    Unset(String),
    Pin(Option<String>),
    Restore(EntryJson),
}

impl From<&Change> for ChangeJson {
    fn from(change: &Change) -> Self {
        match change {
            Change::Put(entry) => Self::Put(entry.into()),
            Change::Remove(id) => Self::Remove(*id),
            Change::Set(field) => Self::Set(field.into()),
            Change::BindLogic(binding) => Self::BindLogic(binding.into()),
            Change::DeleteList => Self::DeleteList,
            Change::Unset(name) => Self::Unset(name.clone()),
            Change::Pin(pin) => Self::Pin(pin.as_ref().map(Pin::to_string)),
            Change::Restore(entry) => Self::Restore(entry.into()),
        }
    }
}

impl TryFrom<ChangeJson> for Change {
    type Error = String;

    fn try_from(change: ChangeJson) -> Result<Self, String> {
        Ok(match change {
            ChangeJson::Put(entry) => Self::Put(entry.try_into()?),
            ChangeJson::Remove(id) => Self::Remove(id),
            ChangeJson::Set(field) => Self::Set(field.try_into()?),
            ChangeJson::BindLogic(binding) => Self::BindLogic(binding.try_into()?),
            ChangeJson::DeleteList => Self::DeleteList,
            ChangeJson::Unset(name) => Self::Unset(name),
            ChangeJson::Pin(pin) => Self::Pin(pin.as_deref().map(take_pin).transpose()?),
            ChangeJson::Restore(entry) => Self::Restore(entry.try_into()?),
        })
    }
}

/// Reads a pin as callers write it.
pub(super) fn take_pin(text: &str) -> Result<Pin, String> {
    text.parse().map_err(|error: crate::list::selector::SelectorError| error.to_string())
}

/// A command, with its kind as the only member.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
enum CommandJson {
    Add(DraftJson),
    Update {
        id: EntryId,
        patch: PatchJson,
    },
    Delete {
        id: EntryId,
    },
    Clear,
    Custom {
        name: String,
        arguments: Vec<FieldJson>,
    },
    Configure {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        logic: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none", with = "serde_with::rust::double_option")]
        pin: Option<Option<String>>,
        settings: Vec<GivenJson>,
    },
    DeleteList,
    Wake,
    Migrate,
    Undo {
        revision: u64,
        changes: Vec<ChangeJson>,
        inverse: Vec<ChangeJson>,
    },
}

impl From<&Command> for CommandJson {
    fn from(command: &Command) -> Self {
        match command {
            Command::Add(draft) => Self::Add(draft.into()),
            Command::Update { id, patch } => Self::Update { id: *id, patch: patch.into() },
            Command::Delete { id } => Self::Delete { id: *id },
            Command::Clear => Self::Clear,
            Command::Custom { name, arguments } => Self::Custom { name: name.clone(), arguments: each(arguments) },
            Command::Configure { logic, pin, settings } => Self::Configure {
                logic: logic.as_ref().map(|logic| logic.as_str().to_owned()),
                pin: pin.as_ref().map(|pin| pin.as_ref().map(Pin::to_string)),
                settings: given(settings),
            },
            Command::DeleteList => Self::DeleteList,
            Command::Wake => Self::Wake,
            Command::Migrate => Self::Migrate,
            Command::Undo { revision, changes, inverse } => {
                Self::Undo { revision: *revision, changes: each(changes), inverse: each(inverse) }
            }
        }
    }
}

impl TryFrom<CommandJson> for Command {
    type Error = String;

    fn try_from(command: CommandJson) -> Result<Self, String> {
        let named = |name: &str, error| format!("the name {:?}: {error}", excerpt(name));
        Ok(match command {
            CommandJson::Add(draft) => Self::Add(draft.try_into()?),
            CommandJson::Update { id, patch } => Self::Update { id, patch: patch.try_into()? },
            CommandJson::Delete { id } => Self::Delete { id },
            CommandJson::Clear => Self::Clear,
            CommandJson::Custom { name, arguments } => {
                identifier(&name).map_err(|error| named(&name, error))?;
                Self::Custom { name, arguments: try_each(arguments)? }
            }
            CommandJson::Configure { logic, pin, settings } => {
                let logic = logic.map(|logic| LogicName::new(&logic).map_err(|error| named(&logic, error)));
                let pin = pin.map(|pin| pin.as_deref().map(take_pin).transpose());
                let settings = take_given(settings)?;
                Self::Configure { logic: logic.transpose()?, pin: pin.transpose()?, settings }
            }
            CommandJson::DeleteList => Self::DeleteList,
            CommandJson::Wake => Self::Wake,
            CommandJson::Migrate => Self::Migrate,
            CommandJson::Undo { revision, changes, inverse } => {
                Self::Undo { revision, changes: try_each(changes)?, inverse: try_each(inverse)? }
            }
        })
    }
}

//! Bodies of requests that write, and the commands that they become.
//!
//! Each body is one struct, which both the parser and the OpenAPI schema are derived from. Custom fields, settings and
//! arguments stay JSON here. The actor converts them by the schemas of the version that decides the command.

use std::sync::Arc;

use serde::Deserialize;
use serde_with::rust::double_option;
use utoipa::ToSchema;

use super::field_values::FieldValues;
use super::members::{Parsed, RevisionNumber, not_null, whole};
use super::problem::Problem;
use super::representations::Fields;
use super::schemas;
use crate::actor::{CommandSource, InvalidInput, Prepare};
use crate::list::command::Command;
use crate::list::date::Date;
use crate::list::entry::{Draft, Patch};
use crate::list::id::EntryId;
use crate::list::schema::Description;
use crate::list::selector::LogicSelector;
use crate::list::value::{Field, Value};

/// Body of `POST /lists/{list}/entries`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewEntry {
    /// What is to be done, up to 1,000 characters.
    #[schema(value_type = schemas::Title)]
    title: String,
    /// The day that the entry belongs to.
    #[schema(value_type = Option<String>, format = Date, example = "2026-11-23")]
    date: Option<Parsed<Date>>,
    /// Whether the entry is done. False if absent.
    #[serde(default)]
    #[schema(value_type = bool, required = false)]
    completed: bool,
    /// The position at which a client wants the entry shown.
    order: Option<f64>,
    /// The custom fields that the list's logic declares.
    #[serde(default)]
    #[schema(value_type = Fields, required = false)]
    fields: FieldValues,
}

/// Body of `PATCH /lists/{list}/entries/{id}`: a merge patch, in which `null` removes a value.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryPatch {
    /// A new title.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = schemas::Title, required = false)]
    title: Option<String>,
    /// A new date, or `null` for none.
    #[serde(default, deserialize_with = "double_option::deserialize")]
    #[schema(value_type = Option<String>, format = Date)]
    date: Option<Option<Parsed<Date>>>,
    /// Whether the entry is done.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = bool, required = false)]
    completed: Option<bool>,
    /// A new order, or `null` for none.
    #[serde(default, deserialize_with = "double_option::deserialize")]
    #[schema(value_type = Option<f64>)]
    order: Option<Option<f64>>,
    /// For each custom field: a new value, or `null` for none.
    #[serde(default)]
    #[schema(value_type = schemas::FieldChanges, required = false)]
    fields: FieldValues,
    /// The entry's id, as a client that sends back a whole entry has it. Another one is refused.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = schemas::EntryId, required = false)]
    id: Option<f64>,
    /// The entry's URL, likewise.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = String, format = "uri", required = false)]
    url: Option<String>,
}

/// A merge patch and the entry that it changes.
#[derive(Debug)]
pub(super) struct EntryUpdate {
    pub(super) id: EntryId,
    pub(super) patch: EntryPatch,
}

/// A command that the list's logic defines, with its arguments.
#[derive(Debug)]
pub(super) struct CustomCommand {
    pub(super) name: String,
    pub(super) arguments: FieldValues,
}

/// Body of `PUT /lists/{list}`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListSetup {
    /// The logic to bind the list to. `kanban` follows its live version. `kanban@1`, `kanban@1.2`, `kanban@1.2.3`, or
    /// `kanban@sha256:` and 64 hexadecimal digits, pin the list to one version. If absent, the logic stays as it is.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = LogicSelector, required = false)]
    pub(super) logic: Option<Parsed<LogicSelector>>,
    /// The settings to set, as the logic declares them. `null` removes one.
    #[serde(default)]
    #[schema(value_type = schemas::FieldChanges, required = false)]
    settings: FieldValues,
}

/// Body of `POST /lists/{list}/undo`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Undo)]
pub(super) struct UndoBody {
    /// The revision to undo. The last one if absent.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = u64, required = false, minimum = 1)]
    pub(super) revision: Option<RevisionNumber>,
}

impl NewEntry {
    fn draft(&self, fields: Vec<Field>) -> Draft {
        let Self { title, date, completed, order, .. } = self;
        let date = date.as_ref().map(|date| date.0);
        Draft { title: title.clone(), date, completed: *completed, order: *order, fields }
    }
}

impl Prepare for NewEntry {
    fn prepare(&self, description: &Description) -> Result<Command, InvalidInput> {
        Ok(Command::Add(self.draft(self.fields.to_fields(&description.fields)?)))
    }
}

impl From<NewEntry> for CommandSource {
    fn from(new: NewEntry) -> Self {
        let outline = Command::Add(new.draft(Vec::new()));
        if new.fields.is_empty() { Self::Ready(outline) } else { Self::Deferred { outline, body: Arc::new(new) } }
    }
}

impl EntryPatch {
    /// Refuses to change what identifies an entry.
    pub(super) fn check_identity(&self, id: EntryId, url: &str) -> Result<(), Problem> {
        let cannot =
            |member: &str, is: String| Err(Problem::invalid(member, format!("it cannot be changed, it is {is}")));
        match (self.id, &self.url) {
            (Some(given), _) if whole(given) != Some(id) => cannot("id", id.to_string()),
            (_, Some(given)) if given != url => cannot("url", url.to_owned()),
            _ => Ok(()),
        }
    }

    fn patch(&self, fields: Vec<(String, Option<Value>)>) -> Patch {
        let Self { title, date, completed, order, .. } = self;
        let date = date.as_ref().map(|date| date.as_ref().map(|date| date.0));
        Patch { title: title.clone(), date, completed: *completed, order: *order, fields }
    }
}

impl Prepare for EntryUpdate {
    fn prepare(&self, description: &Description) -> Result<Command, InvalidInput> {
        let fields = self.patch.fields.to_values(&description.fields)?;
        Ok(Command::Update { id: self.id, patch: self.patch.patch(fields) })
    }
}

impl From<EntryUpdate> for CommandSource {
    fn from(update: EntryUpdate) -> Self {
        let outline = Command::Update { id: update.id, patch: update.patch.patch(Vec::new()) };
        let is_complete = update.patch.fields.is_empty();
        if is_complete { Self::Ready(outline) } else { Self::Deferred { outline, body: Arc::new(update) } }
    }
}

impl Prepare for CustomCommand {
    fn prepare(&self, description: &Description) -> Result<Command, InvalidInput> {
        // The actor refuses a command that the description does not have.
        let schemas = description.command(&self.name).map_or(&[][..], |command| &command.arguments);
        Ok(Command::Custom { name: self.name.clone(), arguments: self.arguments.to_fields(schemas)? })
    }
}

impl From<CustomCommand> for CommandSource {
    fn from(command: CustomCommand) -> Self {
        let outline = Command::Custom { name: command.name.clone(), arguments: Vec::new() };
        Self::Deferred { outline, body: Arc::new(command) }
    }
}

impl ListSetup {
    fn command(&self, settings: Vec<(String, Option<Value>)>) -> Command {
        let selector = self.logic.clone().map(|selector| selector.0);
        let (logic, pin) = selector.map(|LogicSelector { logic, pin }| (logic, pin)).unzip();
        Command::Configure { logic, pin, settings }
    }
}

impl Prepare for ListSetup {
    fn prepare(&self, description: &Description) -> Result<Command, InvalidInput> {
        Ok(self.command(self.settings.to_values(&description.settings)?))
    }
}

impl From<ListSetup> for CommandSource {
    fn from(setup: ListSetup) -> Self {
        Self::Deferred { outline: setup.command(Vec::new()), body: Arc::new(setup) }
    }
}

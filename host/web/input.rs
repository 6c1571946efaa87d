//! The bodies that callers send, from JSON members to the list's own types.

use std::sync::Arc;

use utoipa::ToSchema;

use super::json::{Json, Members};
use super::problem::{Problem, ProblemKind};
use super::representations::MAX_EXACT;
use crate::actor::{CommandSource, InvalidInput, Prepare};
use crate::list::command::Command;
use crate::list::date::Date;
use crate::list::entry::{Draft, Patch};
use crate::list::id::EntryId;
use crate::list::schema::{Description, Schema};
use crate::list::selector::LogicSelector;
use crate::list::value::{Field, Value, ValueKind};

/// What `POST /lists/{list}/entries` takes.
#[derive(Debug, ToSchema)]
pub(super) struct NewEntry {
    /// What is to be done; up to 1,000 characters.
    title: String,
    /// The day it belongs to.
    #[schema(value_type = Option<String>, format = Date, example = "2026-11-23")]
    date: Option<Date>,
    /// Whether it is done already; not, if absent.
    #[schema(value_type = bool, required = false)]
    completed: bool,
    /// Where a client wants it shown.
    order: Option<f64>,
    /// The custom fields that the list's logic declares: booleans, numbers, texts, dates, arrays of texts,
    /// an entry's id or an array of them.
    #[schema(value_type = Object, required = false)]
    fields: FieldValues,
}

/// What `PATCH /lists/{list}/entries/{id}` takes: a merge patch, where `null` takes away.
#[derive(Debug, ToSchema)]
pub(super) struct EntryPatch {
    /// A new title.
    #[schema(value_type = String, required = false)]
    title: Option<String>,
    /// A new date, or `null` for none.
    #[schema(value_type = Option<String>, format = Date)]
    date: Option<Option<Date>>,
    /// Done, or not.
    #[schema(value_type = bool, required = false)]
    completed: Option<bool>,
    /// A new order, or `null` for none.
    #[schema(value_type = Option<f64>)]
    order: Option<Option<f64>>,
    /// For each field named: a new value, or `null` for none.
    #[schema(value_type = Object, required = false)]
    fields: FieldValues,
}

/// A merge patch and the entry that it is for.
#[derive(Debug)]
pub(super) struct EntryUpdate {
    /// The entry.
    pub(super) id: EntryId,
    /// Its changes.
    pub(super) patch: EntryPatch,
}

/// One of the logic's own commands with the arguments that the body holds.
#[derive(Debug)]
pub(super) struct CustomCommand {
    /// The command's name.
    pub(super) name: String,
    /// Its arguments.
    pub(super) arguments: FieldValues,
}

/// What `PUT /lists/{list}` takes.
#[derive(Debug, ToSchema)]
pub(super) struct ListSetup {
    /// The logic that is to keep the list, in whichever version is live: `kanban`; or in the one version that
    /// the list insists on: `kanban@1`, `kanban@1.2`, `kanban@1.2.3`, or `kanban@sha256:` and 64 hexadecimal
    /// digits. If absent, it stays as it is.
    #[schema(value_type = String, required = false)]
    pub(super) logic: Option<LogicSelector>,
    /// The settings to set, as the logic declares them; `null` takes one away.
    #[schema(value_type = Object, required = false)]
    pub(super) settings: FieldValues,
}

/// What `POST /lists/{list}/undo` takes.
#[derive(ToSchema)]
#[schema(as = Undo)]
pub(super) struct UndoBody {
    /// The revision to take back; if absent, the last one.
    #[schema(value_type = u64, required = false, minimum = 1)]
    pub(super) revision: Option<u64>,
}

/// Values with names, whose types only a logic's declaration can tell for sure.
#[derive(Debug)]
pub(super) struct FieldValues(Vec<(String, Json)>);

impl NewEntry {
    /// Reads the body.
    pub(super) fn read(body: &[u8]) -> Result<Self, Problem> {
        let mut members = Members::parse(body)?;
        let read = Self {
            title: text(&mut members, "title")?.ok_or_else(|| Problem::invalid("title", "it is required"))?,
            date: date(&mut members, "date")?.flatten(),
            completed: boolean(&mut members, "completed")?.unwrap_or(false),
            order: number(&mut members, "order")?.flatten(),
            fields: FieldValues::take(&mut members, "fields")?,
        };
        members.done(&["title", "date", "completed", "order", "fields"])?;
        Ok(read)
    }

    /// The entry to add, with its fields as the schemas declare them.
    fn draft(&self, schemas: &[Schema]) -> Result<Draft, InvalidInput> {
        let Self { title, date, completed, order, fields } = self;
        let fields = fields.fields(schemas)?;
        Ok(Draft { title: title.clone(), date: *date, completed: *completed, order: *order, fields })
    }
}

impl EntryPatch {
    /// Reads the body.
    pub(super) fn read(body: &[u8]) -> Result<Self, Problem> {
        let mut members = Members::parse(body)?;
        let read = Self {
            title: text(&mut members, "title")?,
            date: date(&mut members, "date")?,
            completed: boolean(&mut members, "completed")?,
            order: number(&mut members, "order")?,
            fields: FieldValues::take(&mut members, "fields")?,
        };
        members.done(&["title", "date", "completed", "order", "fields"])?;
        Ok(read)
    }

    /// The changes to make, with the fields as the schemas declare them.
    fn patch(&self, schemas: &[Schema]) -> Result<Patch, InvalidInput> {
        let Self { title, date, completed, order, fields } = self;
        let fields = fields.values(schemas)?;
        Ok(Patch { title: title.clone(), date: *date, completed: *completed, order: *order, fields })
    }
}

impl ListSetup {
    /// Reads the body; none at all asks for nothing in particular.
    pub(super) fn read(body: &[u8]) -> Result<Self, Problem> {
        if body.is_empty() {
            return Ok(Self { logic: None, settings: FieldValues(Vec::new()) });
        }
        let mut members = Members::parse(body)?;
        let logic = text(&mut members, "logic")?;
        let logic = logic.map(|name| name.parse().map_err(|error| Problem::invalid("logic", error)));
        let read = Self { logic: logic.transpose()?, settings: FieldValues::take(&mut members, "settings")? };
        members.done(&["logic", "settings"])?;
        Ok(read)
    }
}

impl Prepare for NewEntry {
    fn prepare(&self, description: &Description) -> Result<Command, InvalidInput> {
        self.draft(&description.fields).map(Command::Add)
    }
}

impl From<NewEntry> for CommandSource {
    fn from(new: NewEntry) -> Self {
        let NewEntry { title, date, completed, order, .. } = &new;
        let (title, fields) = (title.clone(), Vec::new());
        let outline = Command::Add(Draft { title, date: *date, completed: *completed, order: *order, fields });
        if new.fields.0.is_empty() { Self::Ready(outline) } else { Self::Deferred { outline, body: Arc::new(new) } }
    }
}

impl Prepare for EntryUpdate {
    fn prepare(&self, description: &Description) -> Result<Command, InvalidInput> {
        Ok(Command::Update { id: self.id, patch: self.patch.patch(&description.fields)? })
    }
}

impl From<EntryUpdate> for CommandSource {
    fn from(update: EntryUpdate) -> Self {
        let EntryPatch { title, date, completed, order, fields } = &update.patch;
        let patch =
            Patch { title: title.clone(), date: *date, completed: *completed, order: *order, fields: Vec::new() };
        let outline = Command::Update { id: update.id, patch };
        if fields.0.is_empty() { Self::Ready(outline) } else { Self::Deferred { outline, body: Arc::new(update) } }
    }
}

impl Prepare for CustomCommand {
    fn prepare(&self, description: &Description) -> Result<Command, InvalidInput> {
        // The actor refuses a command that the description does not have.
        let schemas = description.command(&self.name).map_or(&[][..], |command| &command.arguments);
        Ok(Command::Custom { name: self.name.clone(), arguments: self.arguments.fields(schemas)? })
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
        let (logic, pin) = self.logic.clone().map(|LogicSelector { logic, pin }| (logic, pin)).unzip();
        Command::Configure { logic, pin, settings }
    }
}

impl Prepare for ListSetup {
    fn prepare(&self, description: &Description) -> Result<Command, InvalidInput> {
        Ok(self.command(self.settings.values(&description.settings)?))
    }
}

impl From<ListSetup> for CommandSource {
    fn from(setup: ListSetup) -> Self {
        Self::Deferred { outline: setup.command(Vec::new()), body: Arc::new(setup) }
    }
}

impl UndoBody {
    /// Reads the body; none at all is an empty one.
    pub(super) fn read(body: &[u8]) -> Result<Self, Problem> {
        if body.is_empty() {
            return Ok(Self { revision: None });
        }
        let mut members = Members::parse(body)?;
        let revision = match members.take("revision") {
            None => None,
            Some(Json::Number(number)) => Some(whole(number).ok_or_else(|| {
                Problem::invalid("revision", format!("{number} is no revision: those are whole numbers from 1 on"))
            })?),
            Some(other) => return Err(mistyped("revision", &other, "a number")),
        };
        members.done(&["revision"])?;
        Ok(Self { revision })
    }
}

impl FieldValues {
    /// Reads a body that is nothing but named values; none at all is no values.
    pub(super) fn read(body: &[u8]) -> Result<Self, Problem> {
        if body.is_empty() {
            return Ok(Self(Vec::new()));
        }
        Ok(Self(Members::parse(body)?.into_inner()))
    }

    fn take(members: &mut Members, name: &str) -> Result<Self, Problem> {
        match members.take(name) {
            None => Ok(Self(Vec::new())),
            Some(Json::Object(values)) => Ok(Self(values)),
            Some(other) => Err(mistyped(name, &other, "an object")),
        }
    }

    /// The values that are there; `null` is none.
    fn fields(&self, schemas: &[Schema]) -> Result<Vec<Field>, InvalidInput> {
        let values = self.values(schemas)?;
        Ok(values.into_iter().filter_map(|(name, value)| Some(Field { name, value: value? })).collect())
    }

    /// The values by name; none where it is `null`.
    fn values(&self, schemas: &[Schema]) -> Result<Vec<(String, Option<Value>)>, InvalidInput> {
        let understand = |(name, json): &(String, Json)| {
            let kind = schemas.iter().find(|schema| schema.name == *name).map(|schema| schema.kind);
            Ok((name.clone(), value(name, json, kind)?))
        };
        self.0.iter().map(understand).collect()
    }
}

/// A JSON value as the kind that is declared. A value of no declared kind, or of another one, is refused by
/// the actor.
fn value(name: &str, json: &Json, declared: Option<ValueKind>) -> Result<Option<Value>, InvalidInput> {
    Ok(Some(match json {
        Json::Null => return Ok(None),
        Json::Boolean(value) => Value::Boolean(*value),
        Json::Number(value) if declared == Some(ValueKind::Entry) => Value::Entry(id(name, *value)?),
        Json::Number(value) => Value::Number(*value),
        Json::Text(text) if declared == Some(ValueKind::Date) => {
            Value::Date(text.parse().map_err(|error| invalid(name, error))?)
        }
        Json::Text(text) => Value::Text(text.clone()),
        Json::Array(items) if declared == Some(ValueKind::Entries) => {
            let ids = items.iter().map(|item| match item {
                Json::Number(number) => id(name, *number),
                other => Err(invalid(name, format_args!("it has {} among its entries' ids", other.is()))),
            });
            Value::Entries(ids.collect::<Result<_, _>>()?)
        }
        Json::Array(items) => {
            let texts = items.iter().map(|item| match item {
                Json::Text(text) => Ok(text.clone()),
                other => Err(invalid(name, format_args!("it has {} among its texts", other.is()))),
            });
            Value::Texts(texts.collect::<Result<_, _>>()?)
        }
        other @ Json::Object(_) => {
            let wanted = "a boolean, a number, a text or an array";
            return Err(invalid(name, format_args!("it is {} where {wanted} is expected", other.is())));
        }
    }))
}

fn invalid(member: &str, problem: impl std::fmt::Display) -> InvalidInput {
    InvalidInput { member: member.to_owned(), message: problem.to_string() }
}

/// An entry's id, as JSON can say it exactly.
fn id(name: &str, number: f64) -> Result<EntryId, InvalidInput> {
    let no_id = || invalid(name, format_args!("{number} is no entry's id: those are whole numbers from 1 on"));
    whole(number).ok_or_else(no_id)
}

/// A whole number from 1 on that JSON can say exactly.
fn whole(number: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and within the range")]
    (number.fract() == 0.0 && (1.0..=MAX_EXACT).contains(&number)).then_some(number as u64)
}

pub(super) fn mistyped(name: &str, json: &Json, wanted: &str) -> Problem {
    Problem::new(ProblemKind::Invalid, format!("{name}: it is {} where {wanted} is expected", json.is()))
        .with_field(name)
}

fn day(name: &str, text: &str) -> Result<Date, Problem> {
    text.parse().map_err(|error| Problem::invalid(name, error))
}

pub(super) fn text(members: &mut Members, name: &str) -> Result<Option<String>, Problem> {
    match members.take(name) {
        None => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(other) => Err(mistyped(name, &other, "a text")),
    }
}

pub(super) fn boolean(members: &mut Members, name: &str) -> Result<Option<bool>, Problem> {
    match members.take(name) {
        None => Ok(None),
        Some(Json::Boolean(value)) => Ok(Some(value)),
        Some(other) => Err(mistyped(name, &other, "a boolean")),
    }
}

pub(super) fn number(members: &mut Members, name: &str) -> Result<Option<Option<f64>>, Problem> {
    match members.take(name) {
        None => Ok(None),
        Some(Json::Null) => Ok(Some(None)),
        Some(Json::Number(number)) => Ok(Some(Some(number))),
        Some(other) => Err(mistyped(name, &other, "a number")),
    }
}

fn date(members: &mut Members, name: &str) -> Result<Option<Option<Date>>, Problem> {
    match members.take(name) {
        None => Ok(None),
        Some(Json::Null) => Ok(Some(None)),
        Some(Json::Text(text)) => day(name, &text).map(|date| Some(Some(date))),
        Some(other) => Err(mistyped(name, &other, "a date, written as a text,")),
    }
}

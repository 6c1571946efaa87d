//! Contract 0.1.0: the generated bindings, and the conversion between its types and the host's.
//!
//! Everything that depends on the version of the contract is in this file, so that the next version
//! is another file beside it.

use std::sync::Arc;

use super::LoadError;
use super::instance::{Instance, State};
use crate::list;
use crate::list::change::{Change, Rejection, Violation};
use crate::list::command::{Context, Group, Page, Query, Row};
use crate::list::entry::{Draft, Entry, Patch};
use crate::list::id::EntryId;
use crate::list::schema::{CommandSchema, Description, Reading, Schema, ViewSchema};
use crate::list::value::{Field, Value, ValueKind};
use crate::logic::{Call, Decision, Fault};

mod bindings {
    #![allow(missing_docs, unused_qualifications, unreachable_pub, clippy::wildcard_imports)]
    wasmtime::component::bindgen!({ path: "wit/0.1.0", world: "list-plugin" });
}

use bindings::hotlist::logic::{current_list, log, types as wit};
pub(super) use bindings::{ListPlugin, ListPluginPre};

/// The most entries that one `scan` returns.
const MAX_SCAN: u32 = 1_000;

/// The most bytes of a component's own version.
const MAX_VERSION_BYTES: usize = 100;

/// The most bytes of each text of a rejection.
const MAX_REJECTION_BYTES: usize = 2_000;

/// Asks for the description.
pub(super) fn describe(instance: &mut Instance) -> Result<Description, LoadError> {
    let answer = instance.plugin.hotlist_logic_todo_list_logic().call_describe(&mut instance.store);
    let described = answer.map_err(|error| instance.fault(&error))?;
    let version = version(&described.version)?;
    let command = |command: wit::CommandSchema| CommandSchema {
        name: command.name,
        title: command.title,
        arguments: schemas(command.arguments),
    };
    let view = |view: wit::ViewSchema| ViewSchema { name: view.name, title: view.title };
    Ok(Description {
        title: described.title,
        summary: described.summary,
        version,
        fields: schemas(described.fields),
        settings: schemas(described.settings),
        commands: described.commands.into_iter().map(command).collect(),
        views: described.views.into_iter().map(view).collect(),
        reading: match described.reading {
            wit::Reading::Host => Reading::Host,
            wit::Reading::Logic => Reading::Logic,
        },
        wakes: described.wakes,
    })
}

/// Reads a version. It goes with every answer, so it may not be long.
fn version(text: &str) -> Result<semver::Version, LoadError> {
    if text.len() > MAX_VERSION_BYTES {
        let problem = format!("its version has {} bytes, the limit is {MAX_VERSION_BYTES}", text.len());
        return Err(LoadError::Invalid(problem));
    }
    semver::Version::parse(text)
        .map_err(|error| LoadError::Invalid(format!("its version {text:?} is not of semantic versioning: {error}")))
}

/// Asks for a decision about the list that the instance was shown.
pub(super) fn decide(instance: &mut Instance, context: &Context, ask: Call<'_>) -> Result<Decision, Fault> {
    let logic = instance.plugin.hotlist_logic_todo_list_logic();
    let (store, cx) = (&mut instance.store, lower_context(context));
    let answer = match ask {
        Call::Add(draft) => logic.call_add_entry(store, &cx, &lower_draft(draft)),
        Call::Update(id, patch) => logic.call_update_entry(store, &cx, id, &lower_patch(patch)),
        Call::Delete(id) => logic.call_delete_entry(store, &cx, id),
        Call::Custom(name, arguments) => logic.call_command(store, &cx, name, &lower_fields(arguments)),
        Call::Configure(settings) => logic.call_configure(store, &cx, &lower_patches(settings)),
        Call::Wake => logic.call_wake(store, &cx),
        Call::Migrate(from) => logic.call_migrate(store, &cx, from),
    };
    match answer.map_err(|error| instance.fault(&error))? {
        Ok(changes) => Ok(Ok(changes.into_iter().map(lift_change).collect::<Result<_, _>>()?)),
        Err(rejection) => Ok(Err(lift_rejection(rejection))),
    }
}

/// Asks for a page of the list that the instance was shown.
pub(super) fn view(
    instance: &mut Instance,
    context: &Context,
    query: &Query,
) -> Result<Result<Page, Rejection>, Fault> {
    let query = wit::Query {
        view: query.view.clone(),
        date: query.date.map(lower_date),
        completed: query.completed,
        after: query.after,
        limit: u32::try_from(query.limit).unwrap_or(u32::MAX),
    };
    let logic = instance.plugin.hotlist_logic_todo_list_logic();
    let answer = logic.call_entries(&mut instance.store, &lower_context(context), &query);
    match answer.map_err(|error| instance.fault(&error))? {
        Ok(page) => Ok(Ok(lift_page(page)?)),
        Err(rejection) => Ok(Err(lift_rejection(rejection))),
    }
}

/// Asks when the list that the instance was shown wants to be woken.
pub(super) fn next_wake_up(instance: &mut Instance, context: &Context) -> Result<Option<u64>, Fault> {
    let logic = instance.plugin.hotlist_logic_todo_list_logic();
    let answer = logic.call_next_wake_up(&mut instance.store, &lower_context(context));
    answer.map_err(|error| instance.fault(&error))
}

impl wit::Host for State {}

impl log::Host for State {
    fn note(&mut self, text: String) {
        self.print(false, text.as_bytes());
        self.print(false, b"\n");
    }
}

impl current_list::Host for State {
    fn get(&mut self, id: EntryId) -> Option<wit::Entry> {
        self.list.get(id).map(lower_entry)
    }

    fn on_date(&mut self, day: wit::Date) -> Vec<wit::Entry> {
        match lift_date(day) {
            Ok(day) => self.list.on_date(day, 0).map(lower_entry).collect(),
            Err(_) => Vec::new(), // no entry is on a day that the calendar has not
        }
    }

    fn scan(&mut self, after: EntryId, limit: u32) -> Vec<wit::Entry> {
        self.list.scan(after).take(limit.min(MAX_SCAN) as usize).map(lower_entry).collect()
    }

    fn count(&mut self) -> u64 {
        self.list.count() as u64
    }

    fn count_open(&mut self) -> u64 {
        self.list.count_open() as u64
    }

    fn next_id(&mut self) -> EntryId {
        self.list.next_id()
    }

    fn settings(&mut self) -> Vec<wit::Field> {
        lower_fields(self.list.settings())
    }

    fn setting(&mut self, name: String) -> Option<wit::Value> {
        list::value::find(self.list.settings(), &name).map(lower_value)
    }
}

fn lower_context(context: &Context) -> wit::Context {
    wit::Context {
        now: context.now,
        today: lower_date(context.today),
        utc_offset: context.utc_offset,
        caller: context.caller.as_ref().to_owned(),
        seed: context.seed,
    }
}

fn lower_date(date: list::date::Date) -> wit::Date {
    wit::Date { year: date.year(), month: date.month(), day: date.day() }
}

fn lower_value(value: &Value) -> wit::Value {
    match value {
        Value::Boolean(value) => wit::Value::Boolean(*value),
        Value::Number(value) => wit::Value::Number(*value),
        Value::Text(value) => wit::Value::Text(value.clone()),
        Value::Date(value) => wit::Value::Date(lower_date(*value)),
        Value::Texts(value) => wit::Value::Texts(value.clone()),
        Value::Entry(id) => wit::Value::Entry(*id),
        Value::Entries(ids) => wit::Value::Entries(ids.clone()),
    }
}

fn lower_fields(fields: &[Field]) -> Vec<wit::Field> {
    fields.iter().map(|field| wit::Field { name: field.name.clone(), value: lower_value(&field.value) }).collect()
}

fn lower_entry(entry: &Arc<Entry>) -> wit::Entry {
    wit::Entry {
        id: entry.id,
        title: entry.title.clone(),
        date: entry.date.map(lower_date),
        completed: entry.completed,
        order: entry.order,
        fields: lower_fields(&entry.fields),
    }
}

fn lower_draft(draft: &Draft) -> wit::Draft {
    wit::Draft {
        title: draft.title.clone(),
        date: draft.date.map(lower_date),
        completed: draft.completed,
        order: draft.order,
        fields: lower_fields(&draft.fields),
    }
}

fn lower_patches(patches: &[(String, Option<Value>)]) -> Vec<wit::FieldPatch> {
    let patch = |(name, value): &(String, Option<Value>)| wit::FieldPatch {
        name: name.clone(),
        value: value.as_ref().map(lower_value),
    };
    patches.iter().map(patch).collect()
}

fn lower_patch(patch: &Patch) -> wit::Patch {
    wit::Patch {
        title: patch.title.clone(),
        date: match patch.date {
            None => wit::DatePatch::Leave,
            Some(None) => wit::DatePatch::Clear,
            Some(Some(date)) => wit::DatePatch::Set(lower_date(date)),
        },
        completed: patch.completed,
        order: match patch.order {
            None => wit::OrderPatch::Leave,
            Some(None) => wit::OrderPatch::Clear,
            Some(Some(order)) => wit::OrderPatch::Set(order),
        },
        fields: lower_patches(&patch.fields),
    }
}

fn lift_date(date: wit::Date) -> Result<list::date::Date, Violation> {
    list::date::Date::new(date.year, date.month, date.day)
        .map_err(|error| Violation::Content(format!("gave an impossible date: {error}")))
}

fn lift_value(value: wit::Value) -> Result<Value, Violation> {
    Ok(match value {
        wit::Value::Boolean(value) => Value::Boolean(value),
        wit::Value::Number(value) => Value::Number(finite(value)?),
        wit::Value::Text(value) => Value::Text(value),
        wit::Value::Date(value) => Value::Date(lift_date(value)?),
        wit::Value::Texts(value) => Value::Texts(value),
        wit::Value::Entry(id) => Value::Entry(id),
        wit::Value::Entries(ids) => Value::Entries(ids),
    })
}

/// Refuses NaN here, where it comes in, because it would not even be equal to itself.
fn finite(number: f64) -> Result<f64, Violation> {
    match number.is_finite() {
        true => Ok(number),
        false => Err(Violation::Content("gave a number that is not finite".into())),
    }
}

fn lift_field(field: wit::Field) -> Result<Field, Violation> {
    Ok(Field { name: field.name, value: lift_value(field.value)? })
}

fn lift_fields(fields: Vec<wit::Field>) -> Result<Vec<Field>, Violation> {
    fields.into_iter().map(lift_field).collect()
}

fn lift_change(change: wit::Change) -> Result<Change, Violation> {
    Ok(match change {
        wit::Change::Put(entry) => Change::put(Entry {
            id: entry.id,
            title: entry.title,
            date: entry.date.map(lift_date).transpose()?,
            completed: entry.completed,
            order: entry.order.map(finite).transpose()?,
            fields: lift_fields(entry.fields)?,
        }),
        wit::Change::Remove(id) => Change::Remove(id),
        wit::Change::Set(field) => Change::Set(lift_field(field)?),
        wit::Change::Unset(name) => Change::Unset(name),
    })
}

fn lift_rejection(rejection: wit::Rejection) -> Rejection {
    let wit::Rejection { mut code, mut message, mut field } = rejection;
    // It is for a person to read, and it may be kept with the list: longer ones are cut.
    for text in [Some(&mut code), Some(&mut message), field.as_mut()].into_iter().flatten() {
        text.truncate(text.floor_char_boundary(MAX_REJECTION_BYTES));
    }
    Rejection { code, message, field }
}

fn lift_page(page: wit::Page) -> Result<Page, Violation> {
    let row = |row: wit::Row| Ok(Row { id: row.id, computed: lift_fields(row.computed)? });
    let group = |group: wit::Group| {
        let rows = group.rows.into_iter().map(row).collect::<Result<_, Violation>>()?;
        Ok(Group { name: group.name, title: group.title, computed: lift_fields(group.computed)?, rows })
    };
    Ok(Page { groups: page.groups.into_iter().map(group).collect::<Result<_, Violation>>()?, more: page.more })
}

fn schemas(schemas: Vec<wit::Schema>) -> Vec<Schema> {
    let schema = |schema: wit::Schema| Schema {
        name: schema.name,
        title: schema.title,
        kind: match schema.kind {
            wit::Kind::Boolean => ValueKind::Boolean,
            wit::Kind::Number => ValueKind::Number,
            wit::Kind::Text => ValueKind::Text,
            wit::Kind::Date => ValueKind::Date,
            wit::Kind::Texts => ValueKind::Texts,
            wit::Kind::Entry => ValueKind::Entry,
            wit::Kind::Entries => ValueKind::Entries,
        },
        required: schema.required,
        choices: schema.choices,
    };
    schemas.into_iter().map(schema).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_one_of_semantic_versioning_and_short() {
        assert_eq!(version("1.2.0-rc.1+build").unwrap().major, 1);
        for wrong in ["1", "", &format!("1.0.0-{}", "a".repeat(MAX_VERSION_BYTES))] {
            let why = version(wrong).unwrap_err().to_string();
            assert!(why.contains("its version") && why.len() < 300, "{why}");
        }
    }
}

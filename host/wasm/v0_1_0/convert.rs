//! Conversion between the types of contract 0.1.0 and those of the host. Values from a component are checked.

use std::sync::Arc;

use super::bindings::hotlist::logic::types as wit;
use crate::list::change::{Change, Rejection, Violation};
use crate::list::command::{Context, Group, Page, Row};
use crate::list::date::Date;
use crate::list::entry::{Draft, Entry, Patch};
use crate::list::schema::Schema;
use crate::list::value::{Field, Value, ValueKind};

/// The most bytes of each text of a rejection.
const MAX_REJECTION_BYTES: usize = 2_000;

pub(super) fn lower_context(context: &Context) -> wit::Context {
    wit::Context {
        now: context.now,
        today: lower_date(context.today),
        utc_offset: context.utc_offset,
        caller: context.caller.as_ref().to_owned(),
        seed: context.seed,
    }
}

pub(super) fn lower_date(date: Date) -> wit::Date {
    wit::Date { year: date.year(), month: date.month(), day: date.day() }
}

pub(super) fn lower_value(value: &Value) -> wit::Value {
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

pub(super) fn lower_fields(fields: &[Field]) -> Vec<wit::Field> {
    fields.iter().map(|field| wit::Field { name: field.name.clone(), value: lower_value(&field.value) }).collect()
}

pub(super) fn lower_entry(entry: &Arc<Entry>) -> wit::Entry {
    wit::Entry {
        id: entry.id,
        title: entry.title.clone(),
        date: entry.date.map(lower_date),
        completed: entry.completed,
        order: entry.order,
        fields: lower_fields(&entry.fields),
    }
}

pub(super) fn lower_draft(draft: &Draft) -> wit::Draft {
    wit::Draft {
        title: draft.title.clone(),
        date: draft.date.map(lower_date),
        completed: draft.completed,
        order: draft.order,
        fields: lower_fields(&draft.fields),
    }
}

pub(super) fn lower_patches(patches: &[(String, Option<Value>)]) -> Vec<wit::FieldPatch> {
    let patch = |(name, value): &(String, Option<Value>)| wit::FieldPatch {
        name: name.clone(),
        value: value.as_ref().map(lower_value),
    };
    patches.iter().map(patch).collect()
}

pub(super) fn lower_patch(patch: &Patch) -> wit::Patch {
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

pub(super) fn lift_date(date: wit::Date) -> Result<Date, Violation> {
    Date::new(date.year, date.month, date.day)
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

pub(super) fn lift_change(change: wit::Change) -> Result<Change, Violation> {
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

pub(super) fn lift_rejection(rejection: wit::Rejection) -> Rejection {
    let wit::Rejection { mut code, mut message, mut field } = rejection;
    // A rejection is for a person to read and may be stored with the list, so long texts are cut.
    for text in [Some(&mut code), Some(&mut message), field.as_mut()].into_iter().flatten() {
        text.truncate(text.floor_char_boundary(MAX_REJECTION_BYTES));
    }
    Rejection { code, message, field }
}

pub(super) fn lift_page(page: wit::Page) -> Result<Page, Violation> {
    let row = |row: wit::Row| Ok(Row { id: row.id, computed: lift_fields(row.computed)? });
    let group = |group: wit::Group| {
        let rows = group.rows.into_iter().map(row).collect::<Result<_, Violation>>()?;
        Ok(Group { name: group.name, title: group.title, computed: lift_fields(group.computed)?, rows })
    };
    Ok(Page { groups: page.groups.into_iter().map(group).collect::<Result<_, Violation>>()?, more: page.more })
}

pub(super) fn schemas(schemas: Vec<wit::Schema>) -> Vec<Schema> {
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

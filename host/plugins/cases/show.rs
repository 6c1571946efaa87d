//! What came of a case, and what was expected, as a file of cases would write them.

use toml::Value as Toml;

use super::format::{ChangeShape, EntryShape, Expected, GroupShape};
use super::run::Outcome;
use crate::list::change::{Change, Rejection};
use crate::list::command::Group;
use crate::list::entry::Entry;
use crate::list::value::{Field, Value};

/// What is shown where something is not there.
pub(super) const NOTHING: &str = "nothing";

/// The most characters of one text that are shown.
const MAX_SHOWN_CHARS: usize = 200;

pub(super) fn text(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    Toml::String(shown).to_string()
}

pub(super) fn value(value: &Value) -> String {
    match value {
        Value::Boolean(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::Text(value) => text(value),
        Value::Date(value) => value.to_string(),
        Value::Texts(values) => list(values.iter().map(|value| text(value))),
        Value::Entry(id) => id.to_string(),
        Value::Entries(ids) => list(ids.iter().map(u64::to_string)),
    }
}

pub(super) fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(", "))
}

/// The parts of an entry that are there, named as differences name them.
pub(super) fn members(entry: &Entry) -> Vec<(String, Value)> {
    let mut members = vec![("title".to_owned(), Value::Text(entry.title.clone()))];
    members.extend(entry.date.map(|date| ("date".to_owned(), Value::Date(date))));
    members.push(("completed".to_owned(), Value::Boolean(entry.completed)));
    members.extend(entry.order.map(|order| ("order".to_owned(), Value::Number(order))));
    members.extend(entry.fields.iter().map(|field| (field_name(&field.name), field.value.clone())));
    members
}

/// What a field is called beside what every entry has.
pub(super) fn field_name(name: &str) -> String {
    format!("fields.{name}")
}

pub(super) fn change(change: &Change) -> String {
    match change {
        Change::Put(entry) => {
            let members = members(entry).into_iter().map(|(name, member)| format!(", {name} = {}", value(&member)));
            format!("put = {{ id = {}{} }}", entry.id, members.collect::<String>())
        }
        Change::Remove(id) => format!("remove = {id}"),
        Change::Set(Field { name, value: set }) => format!("set = {{ {name} = {} }}", value(set)),
        Change::Adopt(_) => "a new keeper".into(),
        Change::Erase => "the end of the list".into(),
    }
}

pub(super) fn expected_change(change: &ChangeShape) -> String {
    match change {
        ChangeShape::Put(EntryShape { id, title: Some(title), .. }) => {
            format!("put = {{ id = {id}, title = {}, … }}", text(title))
        }
        ChangeShape::Put(EntryShape { id, .. }) => format!("put = {{ id = {id}, … }}"),
        ChangeShape::Remove(id) => format!("remove = {id}"),
        ChangeShape::Set(setting) => format!("set = {}", Toml::Table(setting.clone())),
    }
}

/// An outcome in a line.
pub(super) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done(changes, _) if changes.is_empty() => "no change".into(),
        Outcome::Done(changes, _) => format!("changes {}", list(changes.iter().map(change))),
        Outcome::Rejected(Rejection { code, message, field }) => {
            let field = field.as_ref().map_or_else(String::new, |field| format!(", field = {}", text(field)));
            format!("rejected {{ code = {}, message = {}{field} }}", text(code), text(message))
        }
        Outcome::Refused(why) => format!("refused {}", text(why)),
        Outcome::Page(page) => {
            let group = |group: &Group| {
                let rows = list(group.rows.iter().map(|row| row.id.to_string()));
                format!("{} {rows}", text(&group.name))
            };
            format!("page {}", list(page.groups.iter().map(group)))
        }
        Outcome::WakeUp(moment) => format!("wake-up {}", moment.map_or("\"never\"".into(), |moment| moment.show())),
    }
}

/// An expectation in a line.
pub(super) fn expected(expected: &Expected) -> String {
    match expected {
        Expected::Rejected(rejected) => format!("rejected {{ code = {} }}", text(&rejected.code)),
        Expected::Changes(changes) => format!("changes {}", list(changes.iter().map(expected_change))),
        Expected::Entries(entries) => format!("entries {}", list(entries.iter().map(|entry| entry.id.to_string()))),
        Expected::SettingsAfter(settings) => format!("settings-after {}", Toml::Table(settings.clone())),
        Expected::Unchanged => "no change".into(),
        Expected::Refused(part) => format!("refused {}", text(part)),
        Expected::Page { groups, .. } => {
            let group = |group: &GroupShape| {
                let rows = list(group.rows.iter().map(|row| row.id.to_string()));
                format!("{} {rows}", text(&group.name))
            };
            format!("page {}", list(groups.iter().map(group)))
        }
        Expected::WakeUp(wake_up) => format!("wake-up {}", wake_up.0.map_or("\"never\"".into(), |m| m.show())),
    }
}

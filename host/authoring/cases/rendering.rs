//! What came of a case, and what was expected of it, in a line each.

use toml::{Table, Value as Toml};

use super::format::{ChangeShape, EntryShape, Expected, GroupShape};
use super::run::Outcome;
use super::time::Moment;
use crate::list::entry::Entry;
use crate::list::excerpt::quoted;
use crate::list::value::Value;
use crate::render::{array, changes, page, rejection};

/// What is shown where something is not there.
pub(super) const NOTHING: &str = "nothing";

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

pub(super) fn expected_change(change: &ChangeShape) -> String {
    match change {
        ChangeShape::Put(EntryShape { id, title: Some(title), .. }) => {
            format!("put = {{ id = {id}, title = {}, … }}", quoted(title))
        }
        ChangeShape::Put(EntryShape { id, .. }) => format!("put = {{ id = {id}, … }}"),
        ChangeShape::Remove(id) => format!("remove = {id}"),
        ChangeShape::Set(setting) => format!("set = {}", table(setting)),
        ChangeShape::Unset(name) => format!("unset = {}", quoted(name)),
    }
}

fn table(given: &Table) -> String {
    Toml::Table(given.clone()).to_string()
}

fn wake_up(moment: Option<Moment>) -> String {
    moment.map_or("wake-up \"never\"".into(), |moment| format!("wake-up {}", moment.rendered()))
}

/// An outcome.
pub(super) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done(made, _) => changes(made),
        Outcome::Rejected(why) => rejection(why),
        Outcome::Refused(why) => format!("refused {}", quoted(why)),
        Outcome::Page(shown) => page(shown),
        Outcome::WakeUp(moment) => wake_up(*moment),
    }
}

/// An expectation.
pub(super) fn expected(expected: &Expected) -> String {
    match expected {
        Expected::Rejected(rejected) => format!("rejected {{ code = {} }}", quoted(&rejected.code)),
        Expected::Changes(changes) => format!("changes {}", array(changes.iter().map(expected_change))),
        Expected::Entries(entries) => format!("entries {}", array(entries.iter().map(|entry| entry.id.to_string()))),
        Expected::SettingsAfter(settings) => format!("settings-after {}", table(settings)),
        Expected::Unchanged => "no change".into(),
        Expected::Refused(part) => format!("refused {}", quoted(part)),
        Expected::Page { groups, .. } => {
            let group = |group: &GroupShape| {
                format!("{} {}", quoted(&group.name), array(group.rows.iter().map(|row| row.id.to_string())))
            };
            format!("page {}", array(groups.iter().map(group)))
        }
        Expected::WakeUp(moment) => wake_up(moment.0),
    }
}

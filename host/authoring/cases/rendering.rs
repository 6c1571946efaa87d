//! Results and expectations of cases as text, a line each.

use toml::{Table, Value as Toml};

use super::format::Expectation;
use super::run::CaseOutcome;
use super::tables::{ChangeTable, EntryTable, GroupTable, RefusalTable};
use super::time::CaseTime;
use crate::list::entry::Entry;
use crate::list::excerpt::quoted;
use crate::list::value::Value;
use crate::render::{array, changes, page, rejection};

/// The text for an absent value.
pub(super) const NOTHING: &str = "nothing";

/// The present members of an entry, by their names in differences.
pub(super) fn members(entry: &Entry) -> Vec<(String, Value)> {
    let mut members = vec![("title".to_owned(), Value::Text(entry.title.clone()))];
    members.extend(entry.date.map(|date| ("date".to_owned(), Value::Date(date))));
    members.push(("completed".to_owned(), Value::Boolean(entry.completed)));
    members.extend(entry.order.map(|order| ("order".to_owned(), Value::Number(order))));
    members.extend(entry.fields.iter().map(|field| (field_name(&field.name), field.value.clone())));
    members
}

/// The name of a custom field, apart from the members that every entry has.
pub(super) fn field_name(name: &str) -> String {
    format!("fields.{name}")
}

pub(super) fn expected_change(change: &ChangeTable) -> String {
    match change {
        ChangeTable::Put(EntryTable { id, title: Some(title), .. }) => {
            format!("put = {{ id = {id}, title = {}, … }}", quoted(title))
        }
        ChangeTable::Put(EntryTable { id, .. }) => format!("put = {{ id = {id}, … }}"),
        ChangeTable::Remove(id) => format!("remove = {id}"),
        ChangeTable::Set(setting) => format!("set = {}", table(setting)),
        ChangeTable::Unset(name) => format!("unset = {}", quoted(name)),
    }
}

fn table(given: &Table) -> String {
    Toml::Table(given.clone()).to_string()
}

fn wake_up(moment: Option<CaseTime>) -> String {
    moment.map_or("wake-up \"never\"".into(), |moment| format!("wake-up {}", moment.rendered()))
}

/// The text of a result.
pub(super) fn outcome(outcome: &CaseOutcome) -> String {
    match outcome {
        CaseOutcome::Done(made, _) => changes(made),
        CaseOutcome::Rejected(why) => rejection(why),
        CaseOutcome::Refused { why, field: None } => format!("refused {}", quoted(why)),
        CaseOutcome::Refused { why, field: Some(field) } => {
            format!("refused {{ field = {}, contains = {} }}", quoted(field), quoted(why))
        }
        CaseOutcome::Page(shown) => page(shown),
        CaseOutcome::WakeUp(moment) => wake_up(*moment),
    }
}

/// The text of an expectation.
pub(super) fn expected(expected: &Expectation) -> String {
    match expected {
        Expectation::Rejected(rejected) => format!("rejected {{ code = {} }}", quoted(&rejected.code)),
        Expectation::Changes(changes) => format!("changes {}", array(changes.iter().map(expected_change))),
        Expectation::Entries(entries) => format!("entries {}", array(entries.iter().map(|entry| entry.id.to_string()))),
        Expectation::SettingsAfter(settings) => format!("settings-after {}", table(settings)),
        Expectation::Unchanged => "no change".into(),
        Expectation::EntriesInclude(entries) => {
            format!("entries-include {}", array(entries.iter().map(|entry| entry.id.to_string())))
        }
        Expectation::Refused(RefusalTable { contains: Some(part), field: None }) => format!("refused {}", quoted(part)),
        Expectation::Refused(RefusalTable { contains, field }) => {
            let parts = [("field", field), ("contains", contains)].into_iter();
            let parts = parts.filter_map(|(name, value)| Some(format!("{name} = {}", quoted(value.as_ref()?))));
            format!("refused {{ {} }}", parts.collect::<Vec<_>>().join(", "))
        }
        Expectation::Page { groups, .. } => {
            let group = |group: &GroupTable| {
                format!("{} {}", quoted(&group.name), array(group.rows.iter().map(|row| row.id.to_string())))
            };
            format!("page {}", array(groups.iter().map(group)))
        }
        Expectation::WakeUp(moment) => wake_up(moment.0),
        Expectation::Answered => "any answer".into(),
    }
}

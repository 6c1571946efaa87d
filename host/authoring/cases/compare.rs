//! Compares the result of a case with its expectation and lists each difference.

use std::collections::BTreeMap;

use super::format::Expectation;
use super::rendering::{self, NOTHING};
use super::run::CaseOutcome;
use super::tables::{ChangeTable, EntryTable, GroupTable, RejectionTable};
use super::value::{Optional, fields, fields_like, optional};
use super::verdict::Problem;
use crate::list::List;
use crate::list::change::{Change, Rejection};
use crate::list::command::{Group, Page};
use crate::list::entry::Entry;
use crate::list::excerpt::quoted;
use crate::list::id::EntryId;
use crate::list::schema::{Description, Schema};
use crate::list::value::{Field, Value};
use crate::render::{self as shown, array, change};

/// The differences between a result and its expectation. An error says why the two cannot be compared.
pub(super) fn compare(
    expected: &Expectation,
    outcome: &CaseOutcome,
    description: &Description,
) -> Result<Vec<Problem>, String> {
    let mut found = Differences::default();
    match (expected, outcome) {
        (Expectation::Answered, _) => {}
        (Expectation::Rejected(expected), CaseOutcome::Rejected(actual)) => found.rejection(expected, actual),
        (Expectation::Refused(expected), CaseOutcome::Refused { why, field })
            if expected.contains.as_ref().is_none_or(|part| why.contains(part))
                && expected.field.as_ref().is_none_or(|expected| Some(expected) == field.as_ref()) => {}
        (Expectation::Unchanged, CaseOutcome::Done(changes, _)) if changes.is_empty() => {}
        (Expectation::Changes(expected), CaseOutcome::Done(changes, _)) => {
            found.changes(expected, changes, description)?
        }
        (Expectation::Entries(expected), CaseOutcome::Done(_, list)) => {
            found.entries(expected, list, &description.fields)?
        }
        (Expectation::EntriesInclude(expected), CaseOutcome::Done(_, list)) => {
            found.entries_include(expected, list, &description.fields)?
        }
        (Expectation::SettingsAfter(expected), CaseOutcome::Done(_, list)) => {
            let expected = fields(expected, &description.settings)?;
            found.members("settings", &named(expected), &present(list.settings()));
        }
        (Expectation::Page { groups, more }, CaseOutcome::Page(page)) => found.page(groups, *more, page)?,
        (Expectation::WakeUp(expected), CaseOutcome::WakeUp(actual))
            if expected.0.map(|m| m.0) == actual.map(|m| m.0) => {}
        _ => found.add("answer", rendering::expected(expected), rendering::outcome(outcome)),
    }
    Ok(found.problems)
}

/// Expected values of an entry, a row or the settings, by name. `None` stands for a value that must be absent.
type Members = BTreeMap<String, Option<Value>>;

/// Fields by name.
fn named(fields: Vec<Field>) -> Members {
    fields.into_iter().map(|field| (field.name, Some(field.value))).collect()
}

fn present(fields: &[Field]) -> Members {
    named(fields.to_vec())
}

/// The members that an expected entry names.
fn expected_members(table: &EntryTable, schemas: &[Schema]) -> Result<Members, String> {
    let mut members = Members::new();
    let mut expect = |name: &str, value: Option<Value>| members.insert(name.to_owned(), value);
    for (name, value) in [
        ("title", table.title.clone().map(Value::Text)),
        ("date", table.date.map(|day| Value::Date(day.0))),
        ("completed", table.completed.map(Value::Boolean)),
        ("order", table.order.map(Value::Number)),
    ] {
        if value.is_some() {
            expect(name, value);
        }
    }
    for field in fields(&table.fields, schemas)? {
        expect(&rendering::field_name(&field.name), Some(field.value));
    }
    for name in &table.without {
        match optional(name, schemas).map_err(|problem| format!("without: {problem}"))? {
            Optional::Date => expect("date", None),
            Optional::Order => expect("order", None),
            Optional::Field(name) => expect(&rendering::field_name(name), None),
        };
    }
    Ok(members)
}

#[derive(Default)]
struct Differences {
    problems: Vec<Problem>,
}

impl Differences {
    fn add(&mut self, at: &str, expected: String, actual: String) {
        self.problems.push(Problem::Difference { at: at.to_owned(), expected, actual });
    }

    fn members(&mut self, place: &str, expected: &Members, actual: &Members) {
        let shown = |value: Option<&Value>| value.map_or(NOTHING.to_owned(), shown::value);
        for (name, expected) in expected {
            let (expected, actual) = (expected.as_ref(), actual.get(name).and_then(Option::as_ref));
            if expected != actual {
                self.add(&format!("{place}, {name}"), shown(expected), shown(actual));
            }
        }
    }

    fn entry(&mut self, expected: &Members, actual: &Entry) {
        let actual_members = rendering::members(actual).into_iter().map(|(name, value)| (name, Some(value))).collect();
        self.members(&format!("entry {}", actual.id), expected, &actual_members);
    }

    fn rejection(&mut self, expected: &RejectionTable, actual: &Rejection) {
        let shown = |given: Option<&String>| given.map_or(NOTHING.to_owned(), |given| quoted(given));
        for (name, expected, actual) in [
            ("code", Some(&expected.code), Some(&actual.code)),
            ("message", expected.message.as_ref(), Some(&actual.message)),
            ("field", expected.field.as_ref(), actual.field.as_ref()),
        ] {
            if expected.is_some() && expected != actual {
                self.add(&format!("rejected, {name}"), shown(expected), shown(actual));
            }
        }
        if let Some(part) = expected.contains.as_ref().filter(|part| !actual.message.contains(*part)) {
            self.add("rejected, message", format!("one with {}", quoted(part)), quoted(&actual.message));
        }
    }

    /// Compares changes, which must be exactly these in this order.
    fn changes(
        &mut self,
        expected: &[ChangeTable],
        actual: &[Change],
        description: &Description,
    ) -> Result<(), String> {
        for at in 0..expected.len().max(actual.len()) {
            match (expected.get(at), actual.get(at)) {
                (Some(ChangeTable::Put(table)), Some(Change::Put(entry))) if table.id == entry.id => {
                    let exactly = exactly(expected_members(table, &description.fields)?, entry);
                    self.entry(&exactly, entry);
                }
                (Some(ChangeTable::Remove(expected)), Some(Change::Remove(actual))) if expected == actual => {}
                (Some(ChangeTable::Unset(expected)), Some(Change::Unset(actual))) if expected == actual => {}
                (Some(ChangeTable::Set(table)), Some(Change::Set(actual)))
                    if fields(table, &description.settings)? == std::slice::from_ref(actual) => {}
                (expected, actual) => {
                    let expected = expected.map_or(NOTHING.to_owned(), rendering::expected_change);
                    let actual = actual.map_or(NOTHING.to_owned(), change);
                    self.add(&format!("change {}", at + 1), expected, actual);
                }
            }
        }
        Ok(())
    }

    /// Compares entries, which must be these and no others. Of each, only named members count.
    fn entries(&mut self, expected: &[EntryTable], list: &List, schemas: &[Schema]) -> Result<(), String> {
        let ids: Vec<EntryId> = expected.iter().map(|entry| entry.id).collect();
        let actual: Vec<EntryId> = list.scan(0).map(|entry| entry.id).collect();
        if ids != actual {
            let shown = |ids: &[EntryId]| array(ids.iter().map(EntryId::to_string));
            self.add("ids of the entries", shown(&ids), shown(&actual));
        }
        for table in expected {
            let members = expected_members(table, schemas)?;
            if let Some(entry) = list.get(table.id) {
                self.entry(&members, entry);
            }
        }
        Ok(())
    }

    /// Compares entries of which the list may have others, too. Of each, only named members count.
    fn entries_include(&mut self, expected: &[EntryTable], list: &List, schemas: &[Schema]) -> Result<(), String> {
        for table in expected {
            let members = expected_members(table, schemas)?;
            match list.get(table.id) {
                Some(entry) => self.entry(&members, entry),
                None => self.add(&format!("entry {}", table.id), "an entry".into(), NOTHING.into()),
            }
        }
        Ok(())
    }

    /// Compares groups and rows, which must be exactly these. Of each, only named members count.
    fn page(&mut self, expected: &[GroupTable], more: Option<bool>, actual: &Page) -> Result<(), String> {
        let names: Vec<_> = expected.iter().map(|group| group.name.as_str()).collect();
        let actual_names: Vec<_> = actual.groups.iter().map(|group| group.name.as_str()).collect();
        if names == actual_names {
            for (expected, actual) in expected.iter().zip(&actual.groups) {
                self.group(expected, actual)?;
            }
        } else {
            let shown = |names: Vec<&str>| array(names.into_iter().map(quoted));
            self.add("names of the groups", shown(names), shown(actual_names));
        }
        if let Some(more) = more.filter(|more| *more != actual.more) {
            self.add("more", more.to_string(), actual.more.to_string());
        }
        Ok(())
    }

    fn group(&mut self, expected: &GroupTable, actual: &Group) -> Result<(), String> {
        let place = format!("group {}", quoted(&expected.name));
        if let Some(title) = expected.title.as_ref().filter(|title| **title != actual.title) {
            self.add(&format!("{place}, title"), quoted(title), quoted(&actual.title));
        }
        let computed = named(fields_like(&expected.computed, &actual.computed)?);
        self.members(&place, &computed, &present(&actual.computed));
        let rows = array(expected.rows.iter().map(|row| row.id.to_string()));
        let actual_rows = array(actual.rows.iter().map(|row| row.id.to_string()));
        if rows != actual_rows {
            self.add(&format!("{place}, rows"), rows, actual_rows);
            return Ok(());
        }
        for (expected, actual) in expected.rows.iter().zip(&actual.rows) {
            let computed = named(fields_like(&expected.computed, &actual.computed)?);
            self.members(&format!("{place}, row {}", expected.id), &computed, &present(&actual.computed));
        }
        Ok(())
    }
}

/// The expected members of an entry in a change: all that are not named must be absent.
fn exactly(mut expected: Members, actual: &Entry) -> Members {
    expected.entry("completed".into()).or_insert(Some(Value::Boolean(false)));
    for (name, _) in rendering::members(actual) {
        expected.entry(name).or_insert(None);
    }
    expected
}

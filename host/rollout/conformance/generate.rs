//! Lists and probe cases, generated from the description of a logic alone.
//!
//! The same description always gets the same cases. The arguments of a probe fit the schemas, like those of every call,
//! and go to the limits of the schemas. The contents of the lists stay within usual values, because they stand for
//! what a logic of this description finds in practice.

use std::sync::Arc;

use fastrand::Rng;

use super::case::{Probe, ProbeCase};
use crate::list::binding::LogicBinding;
use crate::list::change::Change;
use crate::list::command::{Command, Context, Query};
use crate::list::date::Date;
use crate::list::entry::{Draft, Entry, MAX_TITLE_CHARS, Patch};
use crate::list::id::{EntryId, LogicId};
use crate::list::name::LogicName;
use crate::list::schema::{Description, Reading, Schema};
use crate::list::value::{Field, Value, ValueKind};
use crate::list::{Limits, List};
use crate::logic::decide::DELETE_ENTRIES;

/// The number of entries of each list. The smallest is first, so that the first failure is easy to read.
const LIST_SIZES: [u64; 12] = [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144];

/// The most entries of the full list. A server whose lists may have more probes with these, because the memory and the time
/// of the probes grow with the list.
const MAX_FULL_ENTRIES: u64 = 100_000;

/// The number of entries of the list with much text, and the length of its titles.
const LONG_TITLES: (u64, usize) = (1_000, MAX_TITLE_CHARS);

/// The seed of the random choices.
const SEED: u64 = 7;

/// The highest seed of a probe: the largest integer that a file of cases can hold.
const MAX_SEED: u64 = i64::MAX as u64;

/// 2026-11-23T12:00:00Z, the earliest time of a probe.
const START: u64 = 1_795_435_200_000;

/// Names of the logic that a list is bound to before its migration. The second serves if the first is the probed
/// logic's own.
const PREVIOUS_LOGICS: [&str; 2] = ["before", "earlier"];

/// The words of titles and texts.
const WORDS: [&str; 8] = ["milk", "bread", "Call Ann", "Über", "日曜日", "tax return", "🛒", "x"];

/// The number of words of the longest text.
const LONG_TEXT_WORDS: usize = 100;

/// The range of generated values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Range {
    /// Values that are usual in a list.
    Usual,
    /// Any value that fits the schema.
    Any,
}

/// Generates all cases for a version with this binding and description.
pub(super) fn cases(binding: &Arc<LogicBinding>, description: &Description) -> Vec<ProbeCase> {
    let mut generator = Generator::new(description, Limits::default());
    for size in LIST_SIZES {
        generator.add_cases(size, binding);
    }
    generator.cases
}

/// Generates the cases about large lists: one with as many entries as a list may have, and one with 4 MiB of text.
pub(super) fn large_cases(binding: &Arc<LogicBinding>, description: &Description, limits: Limits) -> Vec<ProbeCase> {
    let mut generator = Generator::new(description, limits);
    let most = u64::try_from(limits.entries).unwrap_or(u64::MAX).min(MAX_FULL_ENTRIES);
    let full = generator.contents(most);
    let (entries, chars) = LONG_TITLES;
    let mut long = generator.contents(entries.min(most));
    for change in &mut long {
        if let Change::Put(entry) = change {
            Arc::make_mut(entry).title = "🛒".repeat(chars);
        }
    }
    for contents in [full, long] {
        generator.add_cases_of(&contents, binding);
    }
    // Without a command that deletes all entries, a clear asks about each, which takes too long for a gate. A list that is
    // too long to be migrated stays with its rules, so it does not meet the new ones.
    let clears = description.command(DELETE_ENTRIES).is_some();
    let may_fail = |probe: &Probe| match probe {
        Probe::Command(Command::Clear) => !clears,
        Probe::Migrate => true,
        _ => false,
    };
    generator.cases.retain(|case| !may_fail(&case.probe));
    generator.cases
}

/// Generates lists that are bound to a version with this binding and description, each with a context.
pub(super) fn lists(binding: &Arc<LogicBinding>, description: &Description) -> Vec<(Arc<List>, Context)> {
    let mut generator = Generator::new(description, Limits::default());
    let sizes = LIST_SIZES.into_iter();
    sizes.map(|size| (bound_list(binding, &generator.contents(size)), generator.context())).collect()
}

struct Generator<'a> {
    description: &'a Description,
    limits: Limits,
    rng: Rng,
    cases: Vec<ProbeCase>,
}

impl<'a> Generator<'a> {
    fn new(description: &'a Description, limits: Limits) -> Self {
        Self { description, limits, rng: Rng::with_seed(SEED), cases: Vec::new() }
    }

    /// Adds every kind of probe for one list.
    fn add_cases(&mut self, size: u64, binding: &Arc<LogicBinding>) {
        let contents = self.contents(size);
        self.add_cases_of(&contents, binding);
    }

    fn add_cases_of(&mut self, contents: &[Change], binding: &Arc<LogicBinding>) {
        let description = self.description;
        let list = bound_list(binding, contents);
        let ids: Vec<EntryId> = list.scan(0).map(|entry| entry.id).collect();

        let mut commands = vec![Command::Add(self.draft(&ids, Range::Any)), Command::Clear];
        commands.extend(description.wakes.then_some(Command::Wake));
        if let Some(id) = self.rng.choice(ids.iter().copied()) {
            commands.push(Command::Update { id, patch: self.patch(&ids) });
            commands.push(Command::Delete { id });
        }
        if !description.settings.is_empty() {
            let settings = self.fields(&description.settings, &ids, Range::Any);
            let settings = settings.into_iter().map(|field| (field.name, self.maybe(|_| field.value))).collect();
            commands.push(Command::Configure { logic: None, pin: None, settings });
        }
        for command in &description.commands {
            let arguments = self.fields(&command.arguments, &ids, Range::Any);
            commands.push(Command::Custom { name: command.name.clone(), arguments });
        }
        for command in commands {
            self.push(&list, Probe::Command(command));
        }

        let previous =
            PREVIOUS_LOGICS.into_iter().filter_map(|name| LogicName::new(name).ok()).find(|b| b != binding.logic());
        if let Some(name) = previous {
            let id = LogicId { name, version: semver::Version::new(1, 0, 0), digest: [0; 32] };
            self.push(&bound_list(&LogicBinding::new(id, description), contents), Probe::Migrate);
        }

        let plain = (description.reading == Reading::Logic).then_some(None);
        let views = description.views.iter().map(|view| Some(view.name.clone()));
        for view in plain.into_iter().chain(views) {
            let query = self.query(view, &ids);
            self.push(&list, Probe::View(query));
        }
        if description.wakes {
            self.push(&list, Probe::NextWakeUp);
        }
    }

    fn push(&mut self, list: &Arc<List>, probe: Probe) {
        let context = self.context();
        self.cases.push(ProbeCase { list: list.clone(), context, probe, limits: self.limits });
    }

    fn context(&mut self) -> Context {
        let caller = if self.rng.bool() { "anonymous" } else { "ann" };
        let now = START + self.rng.u64(0..86_400_000);
        let today = date(2026, 11, if self.rng.bool() { 23 } else { 24 });
        Context { now, today, utc_offset: 0, caller: caller.into(), seed: self.rng.u64(..=MAX_SEED) }
    }

    /// Generates the changes that make a list with this number of entries, and with settings.
    fn contents(&mut self, size: u64) -> Vec<Change> {
        let ids: Vec<EntryId> = (1..=size).collect();
        let mut changes = Vec::new();
        for &id in &ids {
            let Draft { title, date, completed, order, fields } = self.draft(&ids, Range::Usual);
            changes.push(Change::put(Entry { id, title, date, completed, order, fields }));
        }
        let settings = self.fields(&self.description.settings, &ids, Range::Usual);
        changes.extend(settings.into_iter().map(Change::Set));
        changes
    }

    fn draft(&mut self, ids: &[EntryId], range: Range) -> Draft {
        Draft {
            title: self.text(range),
            date: self.maybe(|this| this.date(Range::Usual)),
            completed: self.rng.bool(),
            order: self.maybe(|this| this.number(range)),
            fields: self.fields(&self.description.fields, ids, range),
        }
    }

    fn patch(&mut self, ids: &[EntryId]) -> Patch {
        let mut fields = Vec::new();
        for field in self.fields(&self.description.fields, ids, Range::Any) {
            fields.push((field.name, self.maybe(|_| field.value)));
        }
        Patch {
            title: self.maybe(|this| this.text(Range::Any)),
            date: self.maybe(|this| this.maybe(|this| this.date(Range::Any))),
            completed: self.maybe(|this| this.rng.bool()),
            order: self.maybe(|this| this.maybe(|this| this.number(Range::Any))),
            fields,
        }
    }

    fn query(&mut self, view: Option<String>, ids: &[EntryId]) -> Query {
        Query {
            view,
            date: self.maybe(|this| this.date(Range::Usual)),
            completed: self.maybe(|this| this.rng.bool()),
            after: self.maybe(|this| this.rng.choice(ids.iter().copied())).flatten(),
            limit: self.rng.usize(1..=100),
        }
    }

    /// Generates all required fields and a random choice of the others.
    fn fields(&mut self, schemas: &[Schema], ids: &[EntryId], range: Range) -> Vec<Field> {
        let mut fields = Vec::new();
        for schema in schemas {
            if schema.required || self.rng.bool() {
                fields.push(Field { name: schema.name.clone(), value: self.value(schema, ids, range) });
            }
        }
        fields
    }

    /// Generates a value that fits the schema. Values that name entries take them from `ids`.
    fn value(&mut self, schema: &Schema, ids: &[EntryId], range: Range) -> Value {
        match schema.kind {
            ValueKind::Boolean => Value::Boolean(self.rng.bool()),
            ValueKind::Number => Value::Number(self.number(range)),
            ValueKind::Date => Value::Date(self.date(range)),
            ValueKind::Text => Value::Text(self.one_of(&schema.choices, range)),
            ValueKind::Texts => {
                let count = self.rng.usize(0..4);
                Value::Texts((0..count).map(|_| self.one_of(&schema.choices, range)).collect())
            }
            // An empty list has no entry to name. The host then refuses a command, and a field may have any id.
            ValueKind::Entry => Value::Entry(self.rng.choice(ids).copied().unwrap_or(1)),
            ValueKind::Entries => {
                let count = self.rng.usize(0..4);
                Value::Entries((0..count).filter_map(|_| self.rng.choice(ids).copied()).collect())
            }
        }
    }

    /// Picks one of the choices, or generates a text if there are none.
    fn one_of(&mut self, choices: &[String], range: Range) -> String {
        self.rng.choice(choices).cloned().unwrap_or_else(|| self.text(range))
    }

    fn text(&mut self, range: Range) -> String {
        let words = match (range, self.rng.u8(0..8)) {
            (Range::Any, 0) => 0,
            (Range::Any, 1) => LONG_TEXT_WORDS,
            _ => self.rng.usize(1..4),
        };
        let words: Vec<_> = (0..words).filter_map(|_| self.rng.choice(WORDS)).collect();
        words.join(" ")
    }

    fn number(&mut self, range: Range) -> f64 {
        match (range, self.rng.u8(0..6)) {
            (Range::Any, 0) => -1.0,
            (Range::Any, 1) => 0.5,
            (Range::Any, 2) => f64::MAX,
            _ => f64::from(self.rng.u8(0..10)),
        }
    }

    fn date(&mut self, range: Range) -> Date {
        match (range, self.rng.u8(0..6)) {
            (Range::Any, 0) => date(0, 1, 1),
            (Range::Any, 1) => date(9999, 12, 31),
            (Range::Any, 2) => date(2028, 2, 29),
            _ => date(2026, self.rng.u8(10..=12), self.rng.u8(1..=28)),
        }
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.rng.bool() { Some(make(self)) } else { None }
    }
}

fn bound_list(binding: &Arc<LogicBinding>, contents: &[Change]) -> Arc<List> {
    let bind = Change::BindLogic(binding.clone());
    let changes: Vec<_> = std::iter::once(bind).chain(contents.iter().cloned()).collect();
    Arc::new(List::absent(0).apply(&changes).expect("ids are given in order"))
}

fn date(year: i32, month: u8, day: u8) -> Date {
    Date::new(year, month, day).expect("every month has the days up to its 28th, and these are real")
}

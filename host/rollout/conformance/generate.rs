//! Lists and questions about them, made from nothing but a logic's description.
//!
//! The same description always gets the same ones. What is asked fits the schemas, as everything
//! does that a logic is asked, and goes to the edges of what fits; what the lists hold is tamer,
//! because it is meant to be what a logic of this description may well find.

use std::sync::Arc;

use fastrand::Rng;

use super::{Case, Probe};
use crate::list::List;
use crate::list::binding::LogicBinding;
use crate::list::change::Change;
use crate::list::command::{Command, Context, Query};
use crate::list::date::Date;
use crate::list::entry::{Draft, Entry, Patch};
use crate::list::id::{EntryId, LogicId};
use crate::list::name::LogicName;
use crate::list::schema::{Description, Reading, Schema};
use crate::list::value::{Field, Value, ValueKind};

/// How many entries each of the lists has, from the smallest on, so that the first failure that is
/// found is one that is easily read.
const LIST_SIZES: [u64; 12] = [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144];

/// What the random choices begin with.
const SEED: u64 = 7;

/// 2026-11-23T12:00:00Z, when the first question is asked.
const START: u64 = 1_795_435_200_000;

/// Who kept a list that is handed over, and in which version; another one if that is the logic's own name.
const KEEPERS_BEFORE: [&str; 2] = ["before", "earlier"];

/// Words that titles and texts are made of.
const WORDS: [&str; 8] = ["milk", "bread", "Call Ann", "Über", "日曜日", "tax return", "🛒", "x"];

/// How many words the longest text has.
const LONG_TEXT_WORDS: usize = 100;

/// How far the values go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Range {
    /// What a list may well hold.
    Usual,
    /// Whatever fits.
    Any,
}

/// All cases for a version of that identity and description.
pub(super) fn cases(binding: &Arc<LogicBinding>, description: &Description) -> Vec<Case> {
    let mut generator = Generator { description, rng: Rng::with_seed(SEED), cases: Vec::new() };
    for size in LIST_SIZES {
        generator.ask_about(size, binding);
    }
    generator.cases
}

/// Lists as a version of that identity and description may keep them, each with circumstances.
pub(super) fn lists(binding: &Arc<LogicBinding>, description: &Description) -> Vec<(Arc<List>, Context)> {
    let mut generator = Generator { description, rng: Rng::with_seed(SEED), cases: Vec::new() };
    let sizes = LIST_SIZES.into_iter();
    sizes.map(|size| (kept_by(binding, &generator.contents(size)), generator.context())).collect()
}

struct Generator<'a> {
    description: &'a Description,
    rng: Rng,
    cases: Vec<Case>,
}

impl Generator<'_> {
    /// Every kind of question about one list.
    fn ask_about(&mut self, size: u64, binding: &Arc<LogicBinding>) {
        let description = self.description;
        let contents = self.contents(size);
        let list = kept_by(binding, &contents);
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

        let before =
            KEEPERS_BEFORE.into_iter().filter_map(|name| LogicName::new(name).ok()).find(|b| b != binding.logic());
        if let Some(name) = before {
            let id = LogicId { name, version: semver::Version::new(1, 0, 0), digest: [0; 32] };
            self.push(&kept_by(&LogicBinding::new(id, description), &contents), Probe::Migrate);
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

    fn push(&mut self, list: &Arc<List>, question: Probe) {
        let context = self.context();
        self.cases.push(Case { list: list.clone(), context, question });
    }

    fn context(&mut self) -> Context {
        let caller = if self.rng.bool() { "anonymous" } else { "ann" };
        let now = START + self.rng.u64(0..86_400_000);
        let today = date(2026, 11, if self.rng.bool() { 23 } else { 24 });
        Context { now, today, utc_offset: 0, caller: caller.into(), seed: self.rng.u64(..) }
    }

    /// What makes a list of so many entries, and of settings.
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

    /// All that are required, and every other one perhaps.
    fn fields(&mut self, schemas: &[Schema], ids: &[EntryId], range: Range) -> Vec<Field> {
        let mut fields = Vec::new();
        for schema in schemas {
            if schema.required || self.rng.bool() {
                fields.push(Field { name: schema.name.clone(), value: self.value(schema, ids, range) });
            }
        }
        fields
    }

    /// A value that fits the schema. Ids of entries are there for kinds of value that name them.
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
            // Of an empty list there is no entry; then the host refuses a command, and a field may say so.
            ValueKind::Entry => Value::Entry(self.rng.choice(ids).copied().unwrap_or(1)),
            ValueKind::Entries => {
                let count = self.rng.usize(0..4);
                Value::Entries((0..count).filter_map(|_| self.rng.choice(ids).copied()).collect())
            }
        }
    }

    /// One of the choices, or any text where there are none.
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

fn kept_by(binding: &Arc<LogicBinding>, contents: &[Change]) -> Arc<List> {
    let adopt = Change::BindLogic(binding.clone());
    let changes: Vec<_> = std::iter::once(adopt).chain(contents.iter().cloned()).collect();
    Arc::new(List::absent(0).apply(&changes).expect("ids are given in order"))
}

fn date(year: i32, month: u8, day: u8) -> Date {
    Date::new(year, month, day).expect("every month has the days up to its 28th, and these are real")
}

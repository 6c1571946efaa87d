//! Styles of rendering: brief for messages, whole for cases that are to be run.

use crate::list::command::{Command, Query};
use crate::list::entry::{Draft, Entry};
use crate::list::excerpt::quoted;
use crate::list::id::EntryId;
use crate::list::name::identifier;
use crate::list::printable::is_printable;
use crate::list::value::{Field, Value};

/// The most entries, changes or rows that a brief text lists.
pub(super) const MAX_SHOWN_ITEMS: usize = 10;

/// The largest number that is written as digits. All whole numbers up to it are exact.
const MAX_DIGITS: f64 = 9_007_199_254_740_992.0;

/// How values, commands and queries are rendered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    /// Whether texts and lists are whole and valid TOML. Otherwise they are cut to what a message shows.
    is_whole: bool,
}

/// The style of messages and logs.
pub(super) const BRIEF: Style = Style { is_whole: false };

/// The style of cases.
pub(super) const WHOLE: Style = Style { is_whole: true };

impl Style {
    pub(super) fn text(self, text: &str) -> String {
        if self.is_whole { toml_string(text) } else { quoted(text) }
    }

    pub(super) fn array(self, items: impl ExactSizeIterator<Item = String>) -> String {
        if self.is_whole { format!("[{}]", items.collect::<Vec<_>>().join(", ")) } else { array(items) }
    }

    fn number(self, number: f64) -> String {
        // A whole number of many digits is no integer of TOML.
        if self.is_whole && number.abs() > MAX_DIGITS { format!("{number:e}") } else { number.to_string() }
    }

    pub(super) fn value(self, value: &Value) -> String {
        match value {
            Value::Boolean(value) => value.to_string(),
            Value::Number(value) => self.number(*value),
            Value::Text(value) => self.text(value),
            Value::Date(value) => value.to_string(),
            Value::Texts(values) => self.array(values.iter().map(|value| self.text(value))),
            Value::Entry(id) => id.to_string(),
            Value::Entries(ids) => self.array(ids.iter().map(EntryId::to_string)),
        }
    }

    pub(super) fn fields(self, fields: &[Field]) -> String {
        table(fields.iter().map(|field| (key(&field.name), Some(self.value(&field.value)))))
    }

    fn some_fields(self, given: &[Field]) -> Option<String> {
        (!given.is_empty()).then(|| self.fields(given))
    }

    /// Renders an entry. A whole one is written as the entries that a case gives.
    pub(super) fn entry(self, entry: &Entry) -> String {
        let completed = entry.completed || !self.is_whole;
        table([
            ("id".into(), Some(entry.id.to_string())),
            ("title".into(), Some(self.text(&entry.title))),
            ("date".into(), entry.date.map(|date| date.to_string())),
            ("completed".into(), completed.then(|| entry.completed.to_string())),
            ("order".into(), entry.order.map(|order| self.number(order))),
            ("fields".into(), self.some_fields(&entry.fields)),
        ])
    }

    fn draft(self, draft: &Draft) -> String {
        table([
            ("title".into(), Some(self.text(&draft.title))),
            ("date".into(), draft.date.map(|date| date.to_string())),
            ("completed".into(), draft.completed.then(|| "true".into())),
            ("order".into(), draft.order.map(|order| self.number(order))),
            ("fields".into(), self.some_fields(&draft.fields)),
        ])
    }

    pub(super) fn command(self, command: &Command) -> String {
        match command {
            Command::Add(draft) => format!("add = {}", self.draft(draft)),
            Command::Update { id, patch } => {
                let (set, mut cleared) = self.set_and_cleared(&patch.fields);
                cleared.extend((patch.date == Some(None)).then(|| self.text("date")));
                cleared.extend((patch.order == Some(None)).then(|| self.text("order")));
                let shown = table([
                    ("id".into(), Some(id.to_string())),
                    ("title".into(), patch.title.as_deref().map(|title| self.text(title))),
                    ("date".into(), patch.date.flatten().map(|date| date.to_string())),
                    ("completed".into(), patch.completed.map(|completed| completed.to_string())),
                    ("order".into(), patch.order.flatten().map(|order| self.number(order))),
                    ("fields".into(), self.some_fields(&set)),
                    ("clear".into(), (!cleared.is_empty()).then(|| self.array(cleared.into_iter()))),
                ]);
                format!("update = {shown}")
            }
            Command::Delete { id } => format!("delete = {id}"),
            Command::Clear => "clear = true".into(),
            Command::Custom { name, arguments } => {
                let name = ("name".into(), Some(self.text(name)));
                format!("command = {}", table([name, ("arguments".into(), self.some_fields(arguments))]))
            }
            Command::Configure { settings, .. } => {
                let (set, cleared) = self.set_and_cleared(settings);
                let unset = |separator| format!("{separator}unset = {}", self.array(cleared.iter().cloned()));
                match cleared.is_empty() {
                    true => format!("configure = {}", self.fields(&set)),
                    false if set.is_empty() => unset(""),
                    // Two members of a case, each on its own line.
                    false => format!("configure = {}{}", self.fields(&set), unset(self.member_separator())),
                }
            }
            Command::DeleteList => "delete the list".into(),
            Command::Wake => "wake = true".into(),
            Command::Migrate => "migrate".into(),
            Command::Undo { revision, .. } => format!("undo = {revision}"),
        }
    }

    fn member_separator(self) -> &'static str {
        if self.is_whole { "\n" } else { ", " }
    }

    /// The values that are set, and the names of those that are taken away.
    fn set_and_cleared(self, changes: &[(String, Option<Value>)]) -> (Vec<Field>, Vec<String>) {
        let set = |(name, value): &(String, Option<Value>)| Some(Field { name: name.clone(), value: value.clone()? });
        let cleared = changes.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| self.text(name));
        (changes.iter().filter_map(set).collect(), cleared.collect())
    }

    pub(super) fn query(self, query: &Query) -> String {
        let shown = table([
            ("name".into(), query.view.as_deref().map(|view| self.text(view))),
            ("date".into(), query.date.map(|date| date.to_string())),
            ("completed".into(), query.completed.map(|completed| completed.to_string())),
            ("after".into(), query.after.map(|after| after.to_string())),
            ("limit".into(), Some(query.limit.to_string())),
        ]);
        format!("view = {shown}")
    }
}

/// Renders the first items of a sequence in brackets, and the number of the others.
pub fn array(items: impl ExactSizeIterator<Item = String>) -> String {
    let more = items.len().saturating_sub(MAX_SHOWN_ITEMS);
    let mut shown: Vec<_> = items.take(MAX_SHOWN_ITEMS).collect();
    if more > 0 {
        shown.push(format!("… {more} more"));
    }
    format!("[{}]", shown.join(", "))
}

/// Renders the members that have a value as an inline table.
pub(super) fn table(members: impl IntoIterator<Item = (String, Option<String>)>) -> String {
    let present = members.into_iter().filter_map(|(name, shown)| Some(format!("{name} = {}", shown?)));
    let present: Vec<_> = present.collect();
    if present.is_empty() { "{}".into() } else { format!("{{ {} }}", present.join(", ")) }
}

/// Renders a name. One that no schema allows is quoted: a component may give any.
pub(super) fn key(name: &str) -> String {
    if identifier(name).is_ok() { name.to_owned() } else { quoted(name) }
}

/// A text as a string of TOML. Characters that control a terminal are escaped, too.
fn toml_string(text: &str) -> String {
    let mut string = String::with_capacity(text.len() + 2);
    string.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => string.extend(['\\', character]),
            '\n' => string.push_str("\\n"),
            '\t' => string.push_str("\\t"),
            other if is_printable(other) => string.push(other),
            other => string.push_str(&format!("\\U{:08X}", u32::from(other))),
        }
    }
    string.push('"');
    string
}

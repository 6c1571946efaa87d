//! Filter of entries by their content.

use crate::list::List;
use crate::list::entry::Entry;
use crate::list::id::EntryId;
use crate::list::value::{Value, find};

/// The most entries of a list that is filtered without a turn.
const QUICK_ENTRIES: usize = 1_000;

/// The most bytes of such a list. Lowering the case of so much text takes less than a millisecond.
const QUICK_BYTES: usize = 128 << 10;

/// What an entry has to have.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct EntryFilter {
    /// A part of the title, in lower case.
    text: Option<String>,
    /// The names of custom fields with a value of each, as texts.
    fields: Vec<(String, String)>,
}

impl EntryFilter {
    /// A filter by a part of the title, whatever the case of its letters, and by values of custom fields. Of a field with several
    /// values, one has to be the given one.
    pub fn new(text: Option<&str>, fields: Vec<(String, String)>) -> Self {
        Self { text: text.map(str::to_lowercase), fields }
    }

    /// Whether all entries pass.
    pub fn is_empty(&self) -> bool {
        self.text.is_none() && self.fields.is_empty()
    }

    /// Whether the filter may keep a thread busy with a list.
    pub fn is_slow(&self, list: &List) -> bool {
        !self.is_empty() && (list.count() > QUICK_ENTRIES || list.bytes() > QUICK_BYTES)
    }

    /// Whether an entry passes.
    pub fn accepts(&self, entry: &Entry) -> bool {
        let has_text = |text: &String| entry.title.to_lowercase().contains(text);
        let has_value =
            |(name, wanted): &(String, String)| find(&entry.fields, name).is_some_and(|value| has(value, wanted));
        self.text.as_ref().is_none_or(has_text) && self.fields.iter().all(has_value)
    }
}

/// Whether a value is, or has among others, what a text says.
fn has(value: &Value, wanted: &str) -> bool {
    let is_id = |id: &EntryId| wanted.parse() == Ok(*id);
    match value {
        Value::Boolean(value) => wanted.parse() == Ok(*value),
        Value::Number(value) => wanted.parse() == Ok(*value),
        Value::Text(value) => value == wanted,
        Value::Date(value) => wanted.parse() == Ok(*value),
        Value::Texts(values) => values.iter().any(|value| value == wanted),
        Value::Entry(id) => is_id(id),
        Value::Entries(ids) => ids.iter().any(is_id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::value::Field;

    #[test]
    fn an_entry_passes_by_a_part_of_its_title_and_by_values_of_its_fields() {
        let field = |name: &str, value| Field { name: name.into(), value };
        let fields = vec![
            field("done", Value::Boolean(true)),
            field("points", Value::Number(3.0)),
            field("tags", Value::Texts(vec!["a".into(), "b:c".into()])),
            field("due", Value::Date("2026-11-23".parse().unwrap())),
            field("parents", Value::Entries(vec![7, 8])),
        ];
        let entry =
            Entry { id: 1, title: "Straße NACH Rom".into(), date: None, completed: false, order: None, fields };
        let accepts = |text: Option<&str>, fields: &[(&str, &str)]| {
            let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            EntryFilter::new(text, fields).accepts(&entry)
        };
        assert!(accepts(None, &[]) && accepts(Some("nach"), &[]) && accepts(Some("STRAßE"), &[]));
        assert!(!accepts(Some("paris"), &[]));
        for (name, value) in
            [("done", "true"), ("points", "3"), ("tags", "b:c"), ("due", "2026-11-23"), ("parents", "8")]
        {
            assert!(accepts(Some("rom"), &[(name, value)]), "{name}");
            assert!(!accepts(None, &[(name, "9")]), "{name}");
        }
        assert!(!accepts(None, &[("points", "3"), ("nope", "3")]));
    }
}

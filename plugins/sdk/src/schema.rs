//! Checks of values against the description of a logic, as the host makes them.

use crate::{Change, Description, Field, Kind, List, Schema, Value};

/// The most bytes of a text.
const MAX_TEXT_BYTES: usize = 10_000;

/// The most texts of a value of kind `texts`, and the most ids of one of kind `entries`.
const MAX_ITEMS: usize = 1_000;

/// The changes that take away each field and each setting that a description does not declare, or declares with another
/// kind or other choices.
///
/// ```
/// use hotlist_plugin::testing::TestList;
/// use hotlist_plugin::{Change, Description, Draft, Field, Kind, Schema, without_undeclared};
///
/// let described = Description::new("Stars", "", "1.0.0").field(Schema::new("star", "Star", Kind::Boolean));
/// let fields = vec![Field::new("size", "large"), Field::new("star", true)];
/// let list = TestList::described_by(described.clone()).with(Draft { fields, ..Draft::new("Milk") });
/// let entry = Draft { fields: vec![Field::new("star", true)], ..Draft::new("Milk") }.into_entry(1);
/// assert_eq!(without_undeclared(&list, &described), [Change::Put(entry)]);
/// ```
pub fn without_undeclared(list: &impl List, described: &Description) -> Vec<Change> {
    let mut changes = Vec::new();
    for mut entry in list.all(0) {
        let before = entry.fields.len();
        entry.fields.retain(|field| check_value(&described.fields, field).is_ok());
        if entry.fields.len() < before {
            changes.push(Change::Put(entry));
        }
    }
    let settings = list.settings().into_iter();
    let undeclared = settings.filter(|setting| check_value(&described.settings, setting).is_err());
    changes.extend(undeclared.map(|setting| Change::Unset(setting.name)));
    changes
}

/// Whether `from`, such as `todo@1.10.0`, is of a later version than `own`.
pub(crate) fn is_later(from: &str, own: &str) -> bool {
    let numbers = |version: &str| -> Vec<u64> {
        let release = version.split(['-', '+']).next().unwrap_or_default();
        release.split('.').map(|number| number.parse().unwrap_or_default()).collect()
    };
    numbers(from.rsplit('@').next().unwrap_or_default()) > numbers(own)
}

/// Checks that a schema declares a value with this kind, these choices and this size.
pub(crate) fn check_value(schemas: &[Schema], Field { name, value }: &Field) -> Result<(), String> {
    let Some(schema) = schemas.iter().find(|schema| schema.name == *name) else {
        return Err(format!("{name}, which is not declared"));
    };
    let kind = kind_of(value);
    if kind != schema.kind {
        return Err(format!("{name} of kind {} where {} is declared", word(kind), word(schema.kind)));
    }
    let allows = |text: &String| schema.choices.is_empty() || schema.choices.contains(text);
    let texts: &[String] = match value {
        Value::Text(text) => std::slice::from_ref(text),
        Value::Texts(texts) => texts,
        _ => &[],
    };
    if let Some(text) = texts.iter().find(|text| !allows(text)) {
        return Err(format!("{name} as {text:?}, which is none of its choices"));
    }
    let items = match value {
        Value::Texts(texts) => texts.len(),
        Value::Entries(ids) => ids.len(),
        _ => 0,
    };
    if items > MAX_ITEMS {
        return Err(format!("{name} with {items} items, where {MAX_ITEMS} is the limit"));
    }
    match value {
        _ if texts.iter().any(|text| text.len() > MAX_TEXT_BYTES) => {
            Err(format!("{name} with a text of over {MAX_TEXT_BYTES} bytes"))
        }
        Value::Number(number) if !number.is_finite() => Err(format!("{name}, which is not finite")),
        Value::Date(date) if !date.is_real() => Err(format!("{name} on a day that the calendar has not")),
        _ => Ok(()),
    }
}

/// The word for a kind, as the host writes it.
fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => "boolean",
        Kind::Number => "number",
        Kind::Text => "text",
        Kind::Date => "date",
        Kind::Texts => "texts",
        Kind::Entry => "entry",
        Kind::Entries => "entries",
    }
}

fn kind_of(value: &Value) -> Kind {
    match value {
        Value::Boolean(_) => Kind::Boolean,
        Value::Number(_) => Kind::Number,
        Value::Text(_) => Kind::Text,
        Value::Date(_) => Kind::Date,
        Value::Texts(_) => Kind::Texts,
        Value::Entry(_) => Kind::Entry,
        Value::Entries(_) => Kind::Entries,
    }
}

#[cfg(test)]
mod tests {
    use super::is_later;

    #[test]
    fn a_version_is_later_by_its_numbers() {
        for from in ["todo@1.10.0", "todo@2.0.0", "todo@1.9.1+b", "a@b@10.0.0"] {
            assert!(is_later(from, "1.9.0"), "{from}");
        }
        for from in ["todo@1.9.0", "todo@1.8.9", "todo@0.10.0", "todo", ""] {
            assert!(!is_later(from, "1.9.0"), "{from}");
        }
    }
}

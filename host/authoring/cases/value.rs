//! Converts TOML values to the values of lists.

use toml::{Table, Value as Toml};

use super::time::CaseDate;
use crate::list::id::EntryId;
use crate::list::schema::Schema;
use crate::list::value::{Field, Value, ValueKind};

/// A value as a list would hold it. Where the logic declares one `kind` and TOML has none of its
/// own for it, that decides; what is of another kind stays what it is, for the host to refuse.
pub(super) fn value(given: &Toml, kind: Option<ValueKind>) -> Result<Value, String> {
    Ok(match (given, kind) {
        (Toml::Boolean(given), _) => Value::Boolean(*given),
        // The contract has one kind of number.
        (Toml::Integer(given), Some(ValueKind::Entry)) => Value::Entry(id(*given)?),
        (Toml::Integer(given), _) => Value::Number(*given as f64),
        (Toml::Float(given), _) => Value::Number(*given),
        (Toml::String(given), Some(ValueKind::Date)) => {
            given.parse().map_or_else(|_| Value::Text(given.clone()), Value::Date)
        }
        (Toml::String(given), _) => Value::Text(given.clone()),
        (Toml::Datetime(given), _) => Value::Date(CaseDate::try_from(*given)?.0),
        (Toml::Array(given), Some(ValueKind::Entries)) => {
            Value::Entries(given.iter().map(entry).collect::<Result<_, _>>()?)
        }
        (Toml::Array(given), _) => Value::Texts(given.iter().map(quoted).collect::<Result<_, _>>()?),
        (Toml::Table(_), _) => return Err("it is a table, and no value is one".into()),
    })
}

fn entry(given: &Toml) -> Result<EntryId, String> {
    given.as_integer().ok_or_else(|| format!("its item {given} is not an entry's id")).and_then(id)
}

fn id(given: i64) -> Result<EntryId, String> {
    EntryId::try_from(given).map_err(|_| format!("{given} is not an entry's id"))
}

fn quoted(given: &Toml) -> Result<String, String> {
    given.as_str().map(str::to_owned).ok_or_else(|| format!("its item {given} is not a text"))
}

/// Fields of the kinds that schemas declare, ordered by name.
pub(super) fn fields(given: &Table, schemas: &[Schema]) -> Result<Vec<Field>, String> {
    named(given, |name| schemas.iter().find(|schema| schema.name == name).map(|schema| schema.kind))
}

/// Fields of the kinds of other fields with the same names, for fields that no schema declares.
pub(super) fn fields_like(given: &Table, others: &[Field]) -> Result<Vec<Field>, String> {
    named(given, |name| others.iter().find(|other| other.name == name).map(|other| other.value.kind()))
}

fn named(given: &Table, kind: impl Fn(&str) -> Option<ValueKind>) -> Result<Vec<Field>, String> {
    let field = |(name, given): (&String, &Toml)| {
        let value = value(given, kind(name)).map_err(|problem| format!("{name}: {problem}"))?;
        Ok(Field { name: name.clone(), value })
    };
    given.iter().map(field).collect()
}

/// A member that an entry may lack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Optional<'a> {
    Date,
    Order,
    Field(&'a str),
}

/// The optional member of a name, to be cleared or expected to be absent. `date` and `order` win over fields of the same
/// name.
pub(super) fn optional<'a>(name: &'a str, schemas: &[Schema]) -> Result<Optional<'a>, String> {
    match name {
        "date" => Ok(Optional::Date),
        "order" => Ok(Optional::Order),
        _ if schemas.iter().any(|schema| schema.name == name) => Ok(Optional::Field(name)),
        _ => {
            let names = schemas.iter().map(|schema| schema.name.as_str());
            let names: Vec<_> = ["date", "order"].into_iter().chain(names).collect();
            Err(format!(
                "no entry can be without {name:?}, or ever has it; what may be absent is: {}",
                names.join(", ")
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, kind: Option<ValueKind>) -> Result<Value, String> {
        let table: Table = text.parse().expect("it is TOML");
        value(&table["a"], kind)
    }

    #[test]
    fn a_value_is_of_the_kind_that_toml_says() {
        let day = "2026-11-23".parse().expect("a day");
        for (text, expected) in [
            ("a = true", Value::Boolean(true)),
            ("a = 2", Value::Number(2.0)),
            ("a = 1.5", Value::Number(1.5)),
            ("a = 'x'", Value::Text("x".into())),
            ("a = '2026-11-23'", Value::Text("2026-11-23".into())),
            ("a = 2026-11-23", Value::Date(day)),
            ("a = []", Value::Texts(vec![])),
            ("a = ['x', 'y']", Value::Texts(vec!["x".into(), "y".into()])),
        ] {
            assert_eq!(of(text, None), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_date_in_quotes_is_one_where_a_date_is_declared() {
        let day = "2026-11-23".parse().expect("a day");
        assert_eq!(of("a = '2026-11-23'", Some(ValueKind::Date)), Ok(Value::Date(day)));
        assert_eq!(of("a = 'soon'", Some(ValueKind::Date)), Ok(Value::Text("soon".into())));
    }

    #[test]
    fn numbers_are_entries_where_entries_are_declared() {
        assert_eq!(of("a = 3", Some(ValueKind::Entry)), Ok(Value::Entry(3)));
        assert_eq!(of("a = [3, 1]", Some(ValueKind::Entries)), Ok(Value::Entries(vec![3, 1])));
        assert_eq!(of("a = -3", Some(ValueKind::Entry)), Err("-3 is not an entry's id".into()));
        assert_eq!(of("a = ['3']", Some(ValueKind::Entries)), Err("its item \"3\" is not an entry's id".into()));
    }

    #[test]
    fn what_no_list_could_hold_is_no_value() {
        for bad in ["a = {}", "a = [1]", "a = 2026-11-23T12:00:00Z", "a = 12:00:00"] {
            assert!(of(bad, None).is_err(), "{bad}");
        }
    }
}

//! Named values in a body: custom fields, settings and arguments.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::json::Json;
use super::members::whole;
use crate::actor::InvalidInput;
use crate::list::id::EntryId;
use crate::list::schema::{self, Schema};
use crate::list::value::{Field, Value, ValueKind};

/// Named values. Their types are only known once the schemas of the version that decides are known.
#[derive(Default, Debug)]
pub(super) struct FieldValues(Vec<(String, Json)>);

impl FieldValues {
    /// Whether there are no values, so that no schema is needed.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Converts the values that are not `null`. A `null` of a name that is not declared is refused, because there is
    /// nothing yet that it could remove.
    pub(super) fn to_fields(&self, schemas: &[Schema]) -> Result<Vec<Field>, InvalidInput> {
        for (name, _) in self.0.iter().filter(|(_, json)| matches!(json, Json::Null)) {
            schema::find(schemas, name).map_err(|error| invalid(&error.name, error.problem))?;
        }
        let values = self.to_values(schemas)?;
        Ok(values.into_iter().filter_map(|(name, value)| Some(Field { name, value: value? })).collect())
    }

    /// Converts the values. `null` becomes `None`.
    pub(super) fn to_values(&self, schemas: &[Schema]) -> Result<Vec<(String, Option<Value>)>, InvalidInput> {
        let convert = |(name, json): &(String, Json)| {
            let kind = schemas.iter().find(|schema| schema.name == *name).map(|schema| schema.kind);
            Ok((name.clone(), to_value(name, json, kind)?))
        };
        self.0.iter().map(convert).collect()
    }
}

impl<'de> Deserialize<'de> for FieldValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = FieldValues;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<FieldValues, A::Error> {
                let mut values = Vec::new();
                while let Some(member) = members.next_entry()? {
                    values.push(member);
                }
                Ok(FieldValues(values))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

/// Converts a JSON value to the declared kind. The actor refuses a value of another kind, and one that is not declared.
fn to_value(name: &str, json: &Json, declared: Option<ValueKind>) -> Result<Option<Value>, InvalidInput> {
    Ok(Some(match json {
        Json::Null => return Ok(None),
        Json::Boolean(value) => Value::Boolean(*value),
        Json::Number(value) if declared == Some(ValueKind::Entry) => Value::Entry(to_id(name, *value)?),
        Json::Number(value) => Value::Number(*value),
        Json::Text(text) if declared == Some(ValueKind::Date) => {
            Value::Date(text.parse().map_err(|error| invalid(name, error))?)
        }
        Json::Text(text) => Value::Text(text.clone()),
        Json::Array(items) if declared == Some(ValueKind::Entries) => {
            let ids = items.iter().map(|item| match item {
                Json::Number(number) => to_id(name, *number),
                other => Err(invalid(name, format_args!("it has {} among its entries' ids", other.type_name()))),
            });
            Value::Entries(ids.collect::<Result<_, _>>()?)
        }
        Json::Array(items) => {
            let texts = items.iter().map(|item| match item {
                Json::Text(text) => Ok(text.clone()),
                other => Err(invalid(name, format_args!("it has {} among its texts", other.type_name()))),
            });
            Value::Texts(texts.collect::<Result<_, _>>()?)
        }
        other @ Json::Object(_) => {
            let expected = "a boolean, a number, a text or an array";
            return Err(invalid(name, format_args!("it is {} where {expected} is expected", other.type_name())));
        }
    }))
}

fn to_id(name: &str, number: f64) -> Result<EntryId, InvalidInput> {
    let refused = || invalid(name, format_args!("{number} is not an entry's id; those are whole numbers from 1 on"));
    whole(number).ok_or_else(refused)
}

fn invalid(member: &str, problem: impl fmt::Display) -> InvalidInput {
    InvalidInput { member: member.to_owned(), message: problem.to_string() }
}

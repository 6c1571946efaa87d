//! The JSON of values, fields, entries and logic versions. Reading checks what a server checks of values from outside.

use std::sync::Arc;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::list::binding::LogicBinding;
use crate::list::date::Date;
use crate::list::digest::parse_digest;
use crate::list::entry::{Draft, Entry, MAX_TITLE_CHARS, Patch};
use crate::list::excerpt::excerpt;
use crate::list::id::{EntryId, LogicId};
use crate::list::name::{LogicName, identifier};
use crate::list::value::{Field, MAX_FIELDS, Value};

/// A day, as `2026-11-23`.
#[derive(Clone, Copy)]
pub(super) struct DateJson(pub(super) Date);

impl Serialize for DateJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for DateJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(Error::custom)
    }
}

/// A number of 64 bits as 16 hexadecimal digits, because many programs read JSON numbers as doubles.
#[derive(Clone, Copy)]
pub(super) struct HexJson(pub(super) u64);

impl Serialize for HexJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:016x}", self.0))
    }
}

impl<'de> Deserialize<'de> for HexJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_hex.then(|| u64::from_str_radix(&text, 16).ok()).flatten();
        number.map(Self).ok_or_else(|| Error::custom(format_args!("{:?} is not 16 hexadecimal digits", excerpt(&text))))
    }
}

/// A value with its type as the only member: `{"number":1.5}`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ValueJson {
    Boolean(bool),
    Number(f64),
    Text(String),
    Date(DateJson),
    Texts(Vec<String>),
    Entry(EntryId),
    Entries(Vec<EntryId>),
}

impl From<&Value> for ValueJson {
    fn from(value: &Value) -> Self {
        match value.clone() {
            Value::Boolean(value) => Self::Boolean(value),
            Value::Number(value) => Self::Number(value),
            Value::Text(value) => Self::Text(value),
            Value::Date(value) => Self::Date(DateJson(value)),
            Value::Texts(value) => Self::Texts(value),
            Value::Entry(value) => Self::Entry(value),
            Value::Entries(value) => Self::Entries(value),
        }
    }
}

impl TryFrom<ValueJson> for Value {
    type Error = String;

    fn try_from(value: ValueJson) -> Result<Self, String> {
        let value = match value {
            ValueJson::Boolean(value) => Self::Boolean(value),
            ValueJson::Number(value) => Self::Number(value),
            ValueJson::Text(value) => Self::Text(value),
            ValueJson::Date(DateJson(value)) => Self::Date(value),
            ValueJson::Texts(value) => Self::Texts(value),
            ValueJson::Entry(value) => Self::Entry(value),
            ValueJson::Entries(value) => Self::Entries(value),
        };
        value.check().map(|()| value)
    }
}

/// A field or a setting.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FieldJson {
    name: String,
    value: ValueJson,
}

impl From<&Field> for FieldJson {
    fn from(field: &Field) -> Self {
        Self { name: field.name.clone(), value: (&field.value).into() }
    }
}

impl TryFrom<FieldJson> for Field {
    type Error = String;

    fn try_from(FieldJson { name, value }: FieldJson) -> Result<Self, String> {
        identifier(&name).map_err(|error| format!("the name {:?} of a field: {error}", excerpt(&name)))?;
        let value = value.try_into().map_err(|problem| format!("the value of {name}: {problem}"))?;
        Ok(Self { name, value })
    }
}

/// Turns the members of a sequence into their JSON, or back.
pub(super) fn each<'a, T, U: From<&'a T>>(items: &'a [T]) -> Vec<U> {
    items.iter().map(U::from).collect()
}

/// Checks the members of a sequence.
pub(super) fn try_each<T, U: TryFrom<T, Error = String>>(items: Vec<T>) -> Result<Vec<U>, String> {
    items.into_iter().map(U::try_from).collect()
}

/// A field that a command sets, or removes where it has no value.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenJson {
    name: String,
    value: Option<ValueJson>,
}

/// A name, and a value unless it is to be removed.
type Given = (String, Option<Value>);

/// The JSON of fields that a command sets or removes.
pub(super) fn given(fields: &[Given]) -> Vec<GivenJson> {
    let given = |(name, value): &Given| GivenJson { name: name.clone(), value: value.as_ref().map(ValueJson::from) };
    fields.iter().map(given).collect()
}

/// Reads fields that a command sets or removes. The name of a removed one was not checked by a server either.
pub(super) fn take_given(fields: Vec<GivenJson>) -> Result<Vec<Given>, String> {
    let take = |GivenJson { name, value }| match value {
        None => Ok((name, None)),
        Some(value) => FieldJson { name, value }.try_into().map(|Field { name, value }| (name, Some(value))),
    };
    fields.into_iter().map(take).collect()
}

/// An entry.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryJson {
    id: EntryId,
    title: String,
    date: Option<DateJson>,
    completed: bool,
    order: Option<f64>,
    fields: Vec<FieldJson>,
}

/// A new entry.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DraftJson {
    title: String,
    date: Option<DateJson>,
    completed: bool,
    order: Option<f64>,
    fields: Vec<FieldJson>,
}

impl From<&Draft> for DraftJson {
    fn from(draft: &Draft) -> Self {
        let Draft { title, date, completed, order, fields } = draft;
        Self {
            title: title.clone(),
            date: date.map(DateJson),
            completed: *completed,
            order: *order,
            fields: each(fields),
        }
    }
}

impl TryFrom<DraftJson> for Draft {
    type Error = String;

    fn try_from(json: DraftJson) -> Result<Self, String> {
        let DraftJson { title, date, completed, order, fields } = json;
        check_title(&title)?;
        if fields.len() > MAX_FIELDS {
            return Err(format!("it has {} fields, the limit is {MAX_FIELDS}", fields.len()));
        }
        let fields: Vec<Field> = try_each(fields)?;
        match fields.iter().enumerate().find(|(at, field)| fields[..*at].iter().any(|other| other.name == field.name)) {
            Some((_, twice)) => Err(format!("it has the field {} twice", twice.name)),
            None => Ok(Self { title, date: date.map(|date| date.0), completed, order, fields }),
        }
    }
}

fn check_title(title: &str) -> Result<(), String> {
    match title.chars().count() {
        chars if chars > MAX_TITLE_CHARS => {
            Err(format!("the title has {chars} characters, the limit is {MAX_TITLE_CHARS}"))
        }
        _ => Ok(()),
    }
}

impl From<&Arc<Entry>> for EntryJson {
    fn from(entry: &Arc<Entry>) -> Self {
        let Entry { id, title, date, completed, order, fields } = &**entry;
        Self {
            id: *id,
            title: title.clone(),
            date: date.map(DateJson),
            completed: *completed,
            order: *order,
            fields: each(fields),
        }
    }
}

impl TryFrom<EntryJson> for Arc<Entry> {
    type Error = String;

    fn try_from(EntryJson { id, title, date, completed, order, fields }: EntryJson) -> Result<Self, String> {
        let draft = Draft::try_from(DraftJson { title, date, completed, order, fields });
        let Draft { title, date, completed, order, fields } =
            draft.map_err(|problem| format!("entry {id}: {problem}"))?;
        Ok(Self::new(Entry { id, title, date, completed, order, fields }))
    }
}

/// Changes of an entry. A member that is absent stays, and one that is null is removed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PatchJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "serde_with::rust::double_option")]
    date: Option<Option<DateJson>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    completed: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "serde_with::rust::double_option")]
    order: Option<Option<f64>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fields: Vec<GivenJson>,
}

impl From<&Patch> for PatchJson {
    fn from(patch: &Patch) -> Self {
        let Patch { title, date, completed, order, fields } = patch;
        Self {
            title: title.clone(),
            date: date.map(|date| date.map(DateJson)),
            completed: *completed,
            order: *order,
            fields: given(fields),
        }
    }
}

impl TryFrom<PatchJson> for Patch {
    type Error = String;

    fn try_from(PatchJson { title, date, completed, order, fields }: PatchJson) -> Result<Self, String> {
        title.as_deref().map_or(Ok(()), check_title)?;
        let date = date.map(|date| date.map(|date| date.0));
        Ok(Self { title, date, completed, order, fields: take_given(fields)? })
    }
}

/// A version of a logic.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogicJson {
    name: String,
    version: String,
    digest: String,
}

impl From<&LogicId> for LogicJson {
    fn from(id: &LogicId) -> Self {
        Self { name: id.name.as_str().to_owned(), version: id.version.to_string(), digest: id.digest_text() }
    }
}

impl TryFrom<LogicJson> for LogicId {
    type Error = String;

    fn try_from(LogicJson { name, version, digest }: LogicJson) -> Result<Self, String> {
        let read = |digits: &str| digits.strip_prefix("sha256:").and_then(parse_digest);
        Ok(Self {
            name: LogicName::new(&name).map_err(|error| format!("the logic {:?}: {error}", excerpt(&name)))?,
            version: version.parse().map_err(|error| format!("the version {:?}: {error}", excerpt(&version)))?,
            digest: read(&digest).ok_or_else(|| format!("{:?} is not the digest of a version", excerpt(&digest)))?,
        })
    }
}

/// The version that a list is bound to.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BindingJson {
    version: LogicJson,
    schema: HexJson,
}

impl From<&Arc<LogicBinding>> for BindingJson {
    fn from(binding: &Arc<LogicBinding>) -> Self {
        Self { version: (&*binding.id).into(), schema: HexJson(binding.schema_fingerprint) }
    }
}

impl TryFrom<BindingJson> for Arc<LogicBinding> {
    type Error = String;

    fn try_from(BindingJson { version, schema }: BindingJson) -> Result<Self, String> {
        Ok(Self::new(LogicBinding { id: Arc::new(version.try_into()?), schema_fingerprint: schema.0 }))
    }
}

//! Representations of lists and entries, and responses made of them.
//!
//! The representations borrow: an entry is written from the snapshot to the response's bytes without a copy.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::problem::{HandlerResult, Problem};
use super::schemas::{self, FieldValue, MAX_EXACT, named_values, reference};
use crate::list::List;
use crate::list::entry::Entry;
use crate::list::id::{EntryId, LogicId};
use crate::list::name::{ListName, LogicName};
use crate::list::selector::Pin;
use crate::list::value::{Field, Value};

/// An entry.
#[derive(Serialize, ToSchema)]
#[schema(as = Entry)]
pub(super) struct EntryBody<'a> {
    /// The entry's id, unique in its list.
    #[schema(value_type = schemas::EntryId)]
    id: EntryId,
    /// The URL.
    #[schema(value_type = String, format = "uri")]
    url: EntryUrl<'a>,
    /// What is to be done.
    #[schema(value_type = schemas::Title)]
    title: &'a str,
    /// The day that the entry belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = Date, required = false)]
    date: Option<DisplayAsString<crate::list::date::Date>>,
    /// Whether the entry is done.
    completed: bool,
    /// The position at which a client wants the entry shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64, required = false)]
    order: Option<JsonNumber>,
    /// Custom fields that the list's logic declares.
    fields: Fields<'a>,
    /// Values that the list's logic computed for this response. Only in views.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    computed: Option<Fields<'a>>,
}

impl<'a> EntryBody<'a> {
    /// The entry's URL is the prefix followed by the id.
    pub(super) fn new(entry: &'a Entry, prefix: &'a str) -> Self {
        Self {
            id: entry.id,
            url: EntryUrl(prefix, entry.id),
            title: &entry.title,
            date: entry.date.map(DisplayAsString),
            completed: entry.completed,
            order: entry.order.map(JsonNumber),
            fields: Fields(&entry.fields),
            computed: None,
        }
    }

    /// Adds computed values.
    pub(super) fn with_computed(mut self, computed: &'a [Field]) -> Self {
        self.computed = Some(Fields(computed));
        self
    }
}

/// URL of an entry: what all entries' URLs begin with, and the id.
struct EntryUrl<'a>(&'a str, EntryId);

impl Serialize for EntryUrl<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}{}", self.0, self.1))
    }
}

/// A value written as its `Display` text.
pub(super) struct DisplayAsString<T>(pub(super) T);

impl<T: std::fmt::Display> Serialize for DisplayAsString<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A number. Without a fraction it is written as an integer.
struct JsonNumber(f64);

impl Serialize for JsonNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 && self.0.abs() <= MAX_EXACT {
            #[expect(clippy::cast_possible_truncation, reason = "it is whole, and within what both types hold")]
            return serializer.serialize_i64(self.0 as i64);
        }
        serializer.serialize_f64(self.0)
    }
}

/// Field values as an object.
pub(super) struct Fields<'a>(pub(super) &'a [Field]);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for field in self.0 {
            map.serialize_entry(&field.name, &ValueBody(&field.value))?;
        }
        map.end()
    }
}

impl PartialSchema for Fields<'_> {
    fn schema() -> RefOr<Schema> {
        named_values(reference::<FieldValue>(), "Values by their names.")
    }
}

impl ToSchema for Fields<'_> {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((FieldValue::name().into_owned(), FieldValue::schema()));
    }
}

struct ValueBody<'a>(&'a Value);

impl Serialize for ValueBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Boolean(value) => serializer.serialize_bool(*value),
            Value::Number(value) => JsonNumber(*value).serialize(serializer),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Date(date) => serializer.collect_str(date),
            Value::Texts(texts) => texts.serialize(serializer),
            Value::Entry(id) => serializer.serialize_u64(*id),
            Value::Entries(ids) => ids.serialize(serializer),
        }
    }
}

/// A list without its entries.
#[derive(Serialize, ToSchema)]
#[schema(as = List)]
pub(super) struct ListBody<'a> {
    /// The list's name.
    #[schema(value_type = ListName)]
    pub(super) name: &'a str,
    /// The URL.
    #[schema(format = "uri")]
    pub(super) url: String,
    /// The logic that the list is bound to.
    #[schema(value_type = LogicName)]
    pub(super) logic: &'a str,
    /// The list's last revision.
    #[schema(value_type = schemas::RevisionNumber)]
    pub(super) revision: u64,
    /// The number of entries.
    pub(super) entries: usize,
    /// The number of entries that are not completed.
    pub(super) open: usize,
}

/// A list with its settings.
#[derive(Serialize, ToSchema)]
#[schema(as = ListDescription)]
pub(super) struct ListDetailBody<'a> {
    /// The list.
    #[serde(flatten)]
    pub(super) list: ListBody<'a>,
    /// The version that describes the list and decides about it now: name, number and digest. Absent if it cannot be
    /// loaded. A list that a version has yet to migrate is described by the version before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = LogicId, required = false)]
    pub(super) version: Option<DisplayAsString<&'a LogicId>>,
    /// The version that made the last change, which the list is bound to.
    #[schema(value_type = LogicId)]
    pub(super) written_by: Option<DisplayAsString<&'a LogicId>>,
    /// The URL of the description of `version`: its fields, settings, commands and views.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "uri")]
    pub(super) description_url: Option<String>,
    /// The version that the list is pinned to, by its number or digest. Absent if the live version decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Pin, required = false)]
    pub(super) pin: Option<DisplayAsString<&'a Pin>>,
    /// The settings, as the list's logic declares them.
    pub(super) settings: Fields<'a>,
}

/// A response with a JSON body.
pub(super) fn json_response(status: StatusCode, body: &impl Serialize) -> HandlerResult {
    let body = serde_json::to_vec(body).map_err(|error| Problem::internal("cannot write a response", error))?;
    Ok(json_bytes_response(status, body))
}

/// A response with a body that is JSON already.
pub(super) fn json_bytes_response(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(sized(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A body that takes no more memory than its length, which is what counts.
pub(super) fn sized(body: Vec<u8>) -> Body {
    Bytes::from(body.into_boxed_slice()).into()
}

/// A response without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Represents a list with its settings, and with the version that decides about it.
pub(super) fn describe_list<'a>(
    name: &'a str,
    url: String,
    list: &'a List,
    decides: Option<&'a LogicId>,
    description_url: Option<String>,
) -> ListDetailBody<'a> {
    let list_body = ListBody {
        name,
        url,
        logic: list.logic().map_or("", |logic| logic.as_str()),
        revision: list.revision(),
        entries: list.count(),
        open: list.count_open(),
    };
    ListDetailBody {
        list: list_body,
        version: decides.map(DisplayAsString),
        written_by: list.binding().map(|binding| DisplayAsString(&*binding.id)),
        description_url,
        pin: list.pin().map(DisplayAsString),
        settings: Fields(list.settings()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_written_without_a_fraction() {
        for (number, written) in [(10.0, "10"), (-0.5, "-0.5"), (1e300, "1e+300"), (MAX_EXACT, "9007199254740992")] {
            assert_eq!(serde_json::to_string(&JsonNumber(number)).expect("JSON"), written);
        }
    }
}

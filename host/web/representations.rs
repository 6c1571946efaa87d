//! What lists and entries look like to clients, and what every answer has in common.
//!
//! The shapes borrow: an entry goes from the snapshot to the response's bytes without a copy between.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use utoipa::ToSchema;

use super::problem::Problem;
use crate::list::List;
use crate::list::binding::Pin;
use crate::list::change::Change;
use crate::list::entry::{Entry, EntryId};
use crate::list::revision::LogicId;
use crate::list::value::{Field, Value};

/// The header that names the logic which had a part in an answer.
pub(super) static HOTLIST_LOGIC: HeaderName = HeaderName::from_static("hotlist-logic");

/// An entry.
#[derive(Serialize, ToSchema)]
#[schema(as = Entry)]
pub(super) struct EntryShape<'a> {
    /// Its name within the list.
    #[schema(value_type = u64)]
    id: EntryId,
    /// Where it is.
    #[schema(value_type = String, format = "uri")]
    url: Url<'a>,
    /// What is to be done.
    title: &'a str,
    /// The day it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = Date, required = false)]
    date: Option<Shown<crate::list::date::Date>>,
    /// Whether it is done.
    completed: bool,
    /// Where a client wants it shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64, required = false)]
    order: Option<Number>,
    /// What the list's logic keeps with it.
    #[schema(value_type = Object)]
    fields: Fields<'a>,
    /// What the list's logic worked out for this answer; only in views.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    computed: Option<Fields<'a>>,
}

impl<'a> EntryShape<'a> {
    /// An entry whose URL is the prefix and its id.
    pub(super) fn new(entry: &'a Entry, prefix: &'a str) -> Self {
        Self {
            id: entry.id,
            url: Url(prefix, entry.id),
            title: &entry.title,
            date: entry.date.map(Shown),
            completed: entry.completed,
            order: entry.order.map(Number),
            fields: Fields(&entry.fields),
            computed: None,
        }
    }

    /// With what was worked out for it.
    pub(super) fn with_computed(mut self, computed: &'a [Field]) -> Self {
        self.computed = Some(Fields(computed));
        self
    }
}

/// A URL made of what all the entries' have in common, and an id.
struct Url<'a>(&'a str, EntryId);

impl Serialize for Url<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}{}", self.0, self.1))
    }
}

/// Something written as it is shown to people.
pub(super) struct Shown<T>(pub(super) T);

impl<T: std::fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A number, which is written without a fraction when it has none.
struct Number(f64);

/// Up to here every whole number is a double.
pub(super) const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 && self.0.abs() <= MAX_EXACT {
            #[expect(clippy::cast_possible_truncation, reason = "it is whole, and within what both types hold")]
            return serializer.serialize_i64(self.0 as i64);
        }
        serializer.serialize_f64(self.0)
    }
}

/// Named values as an object.
pub(super) struct Fields<'a>(pub(super) &'a [Field]);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for field in self.0 {
            map.serialize_entry(&field.name, &ValueShape(&field.value))?;
        }
        map.end()
    }
}

struct ValueShape<'a>(&'a Value);

impl Serialize for ValueShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Boolean(value) => serializer.serialize_bool(*value),
            Value::Number(value) => Number(*value).serialize(serializer),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Date(date) => serializer.collect_str(date),
            Value::Texts(texts) => texts.serialize(serializer),
            Value::Entry(id) => serializer.serialize_u64(*id),
            Value::Entries(ids) => ids.serialize(serializer),
        }
    }
}

/// A list, but for its entries.
#[derive(Serialize, ToSchema)]
#[schema(as = List)]
pub(super) struct ListShape<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// Where it is.
    #[schema(format = "uri")]
    pub(super) url: String,
    /// The logic that keeps it.
    pub(super) logic: &'a str,
    /// Its last revision.
    pub(super) revision: u64,
    /// How many entries it has.
    pub(super) entries: usize,
    /// How many of them are not completed.
    pub(super) open: usize,
}

/// A list with its settings.
#[derive(Serialize, ToSchema)]
#[schema(as = ListDescription)]
pub(super) struct Described<'a> {
    /// The list.
    #[serde(flatten)]
    pub(super) list: ListShape<'a>,
    /// The version of its logic that keeps it: name, number and digest.
    #[schema(value_type = String)]
    pub(super) version: Option<Shown<&'a LogicId>>,
    /// The version that the list insists on, by its number or digest; absent where it is kept by whichever
    /// is live.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub(super) pin: Option<Shown<&'a Pin>>,
    /// Its settings, as its logic declares them.
    #[schema(value_type = Object)]
    pub(super) settings: Fields<'a>,
}

/// The entries that some changes left behind, the last state of each, in the order in which they were
/// first changed; and the ids of those they took away.
pub(super) fn touched(changes: &[Change]) -> (Vec<&Entry>, Vec<EntryId>) {
    let mut put: Vec<&Entry> = Vec::new();
    let mut removed = Vec::new();
    // Where in `put` an entry is, so that thousands of changes are not searched for each other.
    let mut places = std::collections::HashMap::new();
    for change in changes {
        match change {
            Change::Put(entry) | Change::Restore(entry) => {
                let at = *places.entry(entry.id).or_insert(put.len());
                if at == put.len() { put.push(entry) } else { put[at] = entry }
            }
            Change::Remove(id) => removed.push(*id),
            Change::Set(_) | Change::Unset(_) | Change::BindLogic(_) | Change::Pin(_) | Change::DeleteList => {}
        }
    }
    let gone: std::collections::HashSet<_> = removed.iter().collect();
    put.retain(|entry| !gone.contains(&entry.id));
    (put, removed)
}

/// An answer with a JSON body.
pub(super) fn json(status: StatusCode, shape: &impl Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_vec(shape).map_err(|error| Problem::internal("an answer could not be written", error))?;
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(axum::body::Body::empty());
    *response.status_mut() = status;
    response
}

/// Says in an answer's headers which logic had a part in it.
pub(super) fn name_logic(headers: &mut HeaderMap, logic: &LogicId) {
    // Names and versions are ASCII, so this always is a header's value.
    if let Ok(value) = HeaderValue::from_str(&logic.to_string()) {
        headers.insert(HOTLIST_LOGIC.clone(), value);
    }
}

/// Says in an answer's headers where the next page is.
pub(super) fn link_next(headers: &mut HeaderMap, target: &str) {
    if let Ok(value) = HeaderValue::from_str(&format!("<{target}>; rel=\"next\"")) {
        headers.insert(header::LINK, value);
    }
}

/// A list with its settings, as it is at one revision.
pub(super) fn described<'a>(name: &'a str, url: String, list: &'a Arc<List>) -> Described<'a> {
    let list_shape = ListShape {
        name,
        url,
        logic: list.logic().map_or("", |logic| logic.as_str()),
        revision: list.revision(),
        entries: list.count(),
        open: list.count_open(),
    };
    Described {
        list: list_shape,
        version: list.binding().map(|binding| Shown(&*binding.id)),
        pin: list.pin().map(Shown),
        settings: Fields(list.settings()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_entry_that_changes_more_than_once_the_last_state_counts() {
        let put = |id, title: &str| {
            let (title, fields) = (title.to_owned(), Vec::new());
            Change::put(Entry { id, title, date: None, completed: false, order: None, fields })
        };
        let changes = [put(2, "b"), put(1, "a"), put(3, "c"), put(2, "bb"), Change::Remove(3), Change::Remove(9)];
        let (put, removed) = touched(&changes);
        let put: Vec<_> = put.iter().map(|entry| (entry.id, entry.title.as_str())).collect();
        assert_eq!((put, removed), (vec![(2, "bb"), (1, "a")], vec![3, 9]));
    }

    #[test]
    fn whole_numbers_are_written_without_a_fraction() {
        for (number, written) in [(10.0, "10"), (-0.5, "-0.5"), (1e300, "1e+300"), (MAX_EXACT, "9007199254740992")] {
            assert_eq!(serde_json::to_string(&Number(number)).expect("JSON"), written);
        }
    }
}

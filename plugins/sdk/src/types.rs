//! Constructors and accessors for the contract's types.

use crate::{Change, Date, DatePatch, Draft, Entry, EntryId, Field, FieldPatch, OrderPatch, Patch, Rejection, Value};

impl Draft {
    /// A draft of an open entry with only a title.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), date: None, completed: false, order: None, fields: Vec::new() }
    }

    /// Converts the draft into an entry with an id.
    pub fn into_entry(self, id: EntryId) -> Entry {
        let Self { title, date, completed, order, fields } = self;
        Entry { id, title, date, completed, order, fields }
    }
}

impl Entry {
    /// The value of a custom field, if set.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.value(name)
    }

    /// Sets or removes a custom field.
    pub fn set_field(&mut self, name: &str, value: Option<Value>) {
        let at = self.fields.iter().position(|field| field.name == name);
        match (at, value) {
            (Some(at), Some(value)) => self.fields[at].value = value,
            (Some(at), None) => drop(self.fields.remove(at)),
            (None, Some(value)) => self.fields.push(Field { name: name.into(), value }),
            (None, None) => {}
        }
    }
}

/// Lookup of values by name in an entry's fields, a command's arguments, a list's settings or a patch.
///
/// Each function answers `None` for a missing value and for one of another kind. The host checks the kinds
/// of a command's arguments against [`crate::Logic::describe`], so there a value never has another kind.
///
/// ```
/// use hotlist_plugin::{Field, Fields};
///
/// let arguments = [Field::new("column", "Doing"), Field::new("limit", 3.0)];
/// assert_eq!(arguments.text("column"), Some("Doing"));
/// assert_eq!(arguments.number("limit"), Some(3.0));
/// assert_eq!(arguments.number("column"), None);
/// ```
pub trait Fields {
    /// The value of that name.
    fn value(&self, name: &str) -> Option<&Value>;

    /// The boolean of that name.
    fn boolean(&self, name: &str) -> Option<bool> {
        if let Some(Value::Boolean(value)) = self.value(name) { Some(*value) } else { None }
    }

    /// The number of that name.
    fn number(&self, name: &str) -> Option<f64> {
        if let Some(Value::Number(value)) = self.value(name) { Some(*value) } else { None }
    }

    /// The text of that name.
    fn text(&self, name: &str) -> Option<&str> {
        if let Some(Value::Text(value)) = self.value(name) { Some(value) } else { None }
    }

    /// The date of that name.
    fn date(&self, name: &str) -> Option<Date> {
        if let Some(Value::Date(value)) = self.value(name) { Some(*value) } else { None }
    }

    /// The texts of that name; empty if there is no such value.
    fn texts(&self, name: &str) -> &[String] {
        if let Some(Value::Texts(value)) = self.value(name) { value } else { &[] }
    }

    /// The entry of that name.
    fn entry(&self, name: &str) -> Option<EntryId> {
        if let Some(Value::Entry(value)) = self.value(name) { Some(*value) } else { None }
    }

    /// The entries of that name; empty if there is no such value.
    fn entries(&self, name: &str) -> &[EntryId] {
        if let Some(Value::Entries(value)) = self.value(name) { value } else { &[] }
    }
}

impl Fields for [Field] {
    fn value(&self, name: &str) -> Option<&Value> {
        self.iter().find(|field| field.name == name).map(|field| &field.value)
    }
}

impl From<Field> for FieldPatch {
    /// The patch that sets a field or a setting to this value.
    fn from(field: Field) -> Self {
        Self { name: field.name, value: Some(field.value) }
    }
}

impl From<FieldPatch> for Change {
    /// The change of a setting that the patch describes.
    fn from(patch: FieldPatch) -> Self {
        match patch.value {
            Some(value) => Self::Set(Field { name: patch.name, value }),
            None => Self::Unset(patch.name),
        }
    }
}

impl Fields for [FieldPatch] {
    fn value(&self, name: &str) -> Option<&Value> {
        self.iter().find(|patch| patch.name == name)?.value.as_ref()
    }
}

impl Field {
    /// A named value.
    pub fn new(name: &str, value: impl Into<Value>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Date> for Value {
    fn from(value: Date) -> Self {
        Self::Date(value)
    }
}

impl From<Vec<String>> for Value {
    fn from(value: Vec<String>) -> Self {
        Self::Texts(value)
    }
}

impl From<EntryId> for Value {
    fn from(value: EntryId) -> Self {
        Self::Entry(value)
    }
}

impl From<Vec<EntryId>> for Value {
    fn from(value: Vec<EntryId>) -> Self {
        Self::Entries(value)
    }
}

impl Default for Patch {
    /// The patch that changes nothing.
    fn default() -> Self {
        Self { title: None, date: DatePatch::Leave, completed: None, order: OrderPatch::Leave, fields: Vec::new() }
    }
}

impl Patch {
    /// Applies this patch to an entry.
    pub fn apply(self, entry: &mut Entry) {
        if let Some(title) = self.title {
            entry.title = title;
        }
        match self.date {
            DatePatch::Leave => {}
            DatePatch::Clear => entry.date = None,
            DatePatch::Set(date) => entry.date = Some(date),
        }
        if let Some(completed) = self.completed {
            entry.completed = completed;
        }
        match self.order {
            OrderPatch::Leave => {}
            OrderPatch::Clear => entry.order = None,
            OrderPatch::Set(order) => entry.order = Some(order),
        }
        for FieldPatch { name, value } in self.fields {
            entry.set_field(&name, value);
        }
    }
}

impl Rejection {
    /// A rejection with a code for programs, such as `title-empty`, and a sentence for users.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), field: None }
    }

    /// Names the attribute, field or argument that caused the rejection.
    #[must_use]
    pub fn at(mut self, field: &str) -> Self {
        self.field = Some(field.into());
        self
    }

    /// There is no entry of that id.
    pub fn unknown_entry(id: EntryId) -> Self {
        Self::new("entry-unknown", format!("There is no entry {id} in this list."))
    }

    /// There is no command of that name.
    pub fn unknown_command(name: &str) -> Self {
        Self::new("command-unknown", format!("This list has no command \"{name}\"."))
    }

    /// The entry before the requested page was deleted, so its position is unknown.
    pub fn after_gone(id: EntryId) -> Self {
        let message =
            format!("Entry {id} is not there any more, so no page can follow it. Start from the first page again.");
        Self::new("after-gone", message).at("after")
    }

    /// There is no view of that name.
    pub fn unknown_view(name: &str) -> Self {
        Self::new("view-unknown", format!("This list has no view \"{name}\"."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_does_not_change_attributes_it_does_not_name() {
        let mut entry = Draft::new("Buy milk").into_entry(1);
        entry.order = Some(2.0);
        entry.set_field("unit", Some(Value::Text("l".into())));
        let before = entry.clone();
        Patch::default().apply(&mut entry);
        assert_eq!(entry, before);
    }

    #[test]
    fn a_patch_sets_and_clears_attributes_it_names() {
        let mut entry = Draft::new("Buy milk").into_entry(1);
        entry.order = Some(2.0);
        entry.set_field("unit", Some(Value::Text("l".into())));
        let day = Date { year: 2026, month: 11, day: 23 };
        let fields = vec![
            FieldPatch { name: "unit".into(), value: None },
            FieldPatch { name: "quantity".into(), value: Some(Value::Number(2.0)) },
        ];
        let patch = Patch {
            title: Some("Milk".into()),
            date: DatePatch::Set(day),
            completed: Some(true),
            order: OrderPatch::Clear,
            fields,
        };
        patch.apply(&mut entry);
        let expected = Entry {
            id: 1,
            title: "Milk".into(),
            date: Some(day),
            completed: true,
            order: None,
            fields: vec![Field { name: "quantity".into(), value: Value::Number(2.0) }],
        };
        assert_eq!(entry, expected);
    }
}

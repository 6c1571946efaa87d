//! Conveniences on the contract's types.

use std::fmt;

use crate::{Date, DatePatch, Draft, Entry, EntryId, Field, FieldPatch, OrderPatch, Patch, Rejection, Value};

impl Draft {
    /// An open entry with no more than a title.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), date: None, completed: false, order: None, fields: Vec::new() }
    }

    /// The entry that this draft is under an id.
    pub fn into_entry(self, id: EntryId) -> Entry {
        let Self { title, date, completed, order, fields } = self;
        Entry { id, title, date, completed, order, fields }
    }
}

impl Entry {
    /// The value of a custom field, if it has one.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|field| field.name == name).map(|field| &field.value)
    }

    /// Gives a custom field a value, or takes it away.
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

impl Default for Patch {
    /// The patch that changes nothing.
    fn default() -> Self {
        Self { title: None, date: DatePatch::Leave, completed: None, order: OrderPatch::Leave, fields: Vec::new() }
    }
}

impl Patch {
    /// Changes an entry as this patch says.
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
    /// A rejection with a code for programs, such as `title-empty`, and a sentence for people.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), field: None }
    }

    /// Names the attribute, field or argument at fault.
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

    /// There is no view of that name.
    pub fn unknown_view(name: &str) -> Self {
        Self::new("view-unknown", format!("This list has no view \"{name}\"."))
    }
}

impl Date {
    /// Whether the calendar has this day.
    pub fn is_real(&self) -> bool {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let days = match self.month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return false,
        };
        (0..=9999).contains(&self.year) && (1..=days).contains(&self.day)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_leaves_what_it_does_not_name() {
        let mut entry = Draft::new("Buy milk").into_entry(1);
        entry.order = Some(2.0);
        entry.set_field("unit", Some(Value::Text("l".into())));
        let before = entry.clone();
        Patch::default().apply(&mut entry);
        assert_eq!(entry, before);
    }

    #[test]
    fn a_patch_sets_and_clears_what_it_names() {
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

    #[test]
    fn dates_that_the_calendar_has_not_are_not_real() {
        let real = |year, month, day| Date { year, month, day }.is_real();
        for (year, month, day) in [(2024, 2, 29), (2000, 2, 29), (0, 1, 1), (9999, 12, 31), (2026, 11, 30)] {
            assert!(real(year, month, day), "{year}-{month}-{day}");
        }
        for (year, month, day) in [(2026, 2, 29), (1900, 2, 29), (2026, 4, 31), (2026, 13, 1), (2026, 1, 0), (-1, 1, 1)]
        {
            assert!(!real(year, month, day), "{year}-{month}-{day}");
        }
    }
}

//! A list for native tests of rules.
//!
//! ```
//! use hotlist_plugin::testing::{TestList, context};
//! use hotlist_plugin::{Context, Description, Draft, Entry, List, Logic, Rejection};
//!
//! struct OneOfAKind;
//!
//! impl Logic for OneOfAKind {
//!     fn describe() -> Description {
//!         Description::new("One of a kind", "Takes no title twice.", "1.0.0")
//!     }
//!
//!     fn check(list: &impl List, _: &Context, new: &Entry, _: Option<&Entry>) -> Result<(), Rejection> {
//!         match list.all(0).find(|other| other.title == new.title && other.id != new.id) {
//!             Some(other) => Err(Rejection::new("title-twice", format!("Entry {} says so already.", other.id))),
//!             None => Ok(()),
//!         }
//!     }
//! }
//!
//! let mut list = TestList::of::<OneOfAKind>().with(Draft::new("Milk"));
//! let add = |list: &TestList, title: &str| OneOfAKind::add_entry(list, &context(), Draft::new(title));
//! assert_eq!(list.carry_out(add(&list, "Bread")), Ok(()));
//! let rejection = list.carry_out(add(&list, "Milk")).unwrap_err();
//! assert_eq!(rejection.message, "Entry 1 says so already.");
//! assert_eq!(list.count(), 2);
//! ```

use std::collections::BTreeMap;

use crate::schema::check_value;
use crate::{
    Change, Context, Date, Decision, Description, Draft, Entry, EntryId, Field, List, Logic, Rejection, Schema, Value,
};

/// The most changes of a decision.
const MAX_CHANGES: usize = 20_000;

/// The most characters of a title.
const MAX_TITLE_CHARS: usize = 1_000;

/// The most fields of an entry.
const MAX_FIELDS: usize = 64;

/// A list in memory that checks changes against the description of a logic as strictly as the host.
#[derive(Clone, PartialEq, Debug)]
pub struct TestList {
    fields_declared: Vec<Schema>,
    settings_declared: Vec<Schema>,
    entries: BTreeMap<EntryId, Entry>,
    settings: BTreeMap<String, Value>,
    last_id: EntryId,
}

impl TestList {
    /// An empty list of a logic.
    pub fn of<L: Logic>() -> Self {
        Self::described_by(L::describe())
    }

    /// An empty list of a logic with this description.
    pub fn described_by(described: Description) -> Self {
        let Description { fields: fields_declared, settings: settings_declared, .. } = described;
        let (entries, settings) = (BTreeMap::new(), BTreeMap::new());
        Self { fields_declared, settings_declared, entries, settings, last_id: 0 }
    }

    /// Adds an entry without asking the logic, which need not declare its fields: the list may come from another logic.
    #[must_use]
    pub fn with(mut self, new: Draft) -> Self {
        self.last_id += 1;
        self.entries.insert(self.last_id, new.into_entry(self.last_id));
        self
    }

    /// Sets a setting without asking the logic.
    #[must_use]
    pub fn with_setting(mut self, name: &str, value: Value) -> Self {
        self.settings.insert(name.into(), value);
        self
    }

    /// Applies a decision as the host does. Returns a rejection unchanged.
    ///
    /// # Panics
    ///
    /// Panics if the changes break the contract, with the reason. The host would fail the command.
    pub fn carry_out(&mut self, decision: Decision) -> Result<(), Rejection> {
        if let Err(problem) = self.apply(decision?) {
            panic!("the changes break the contract: the logic {problem}");
        }
        Ok(())
    }

    /// Applies changes as the host does: all, or none with a description of how they break the contract.
    pub fn apply(&mut self, changes: Vec<Change>) -> Result<(), String> {
        if changes.len() > MAX_CHANGES {
            return Err(format!("makes {} changes, and the limit is {MAX_CHANGES}", changes.len()));
        }
        let mut next = self.clone();
        changes.into_iter().try_for_each(|change| next.step(change))?;
        *self = next;
        Ok(())
    }

    fn step(&mut self, change: Change) -> Result<(), String> {
        match change {
            Change::Put(entry) => self.put(entry),
            Change::Remove(id) => {
                self.entries.remove(&id).map(drop).ok_or_else(|| format!("removes entry {id}, which is not there"))
            }
            Change::Unset(name) => {
                self.settings.remove(&name);
                Ok(())
            }
            Change::Set(field) => {
                check_value(&self.settings_declared, &field).map_err(|problem| format!("sets setting {problem}"))?;
                self.settings.insert(field.name, field.value);
                Ok(())
            }
        }
    }

    fn put(&mut self, entry: Entry) -> Result<(), String> {
        self.check_fields(&entry).map_err(|problem| format!("puts entry {} with {problem}", entry.id))?;
        if !self.entries.contains_key(&entry.id) {
            if entry.id != self.next_id() {
                return Err(format!("puts entry {}, but the next id is {}", entry.id, self.next_id()));
            }
            self.last_id = entry.id;
        }
        if entry.title.chars().count() > MAX_TITLE_CHARS {
            return Err(format!("puts entry {} with a title of over 1,000 characters", entry.id));
        }
        if entry.date.is_some_and(|date| !date.is_real()) {
            return Err(format!("puts entry {} on a day that the calendar has not", entry.id));
        }
        if entry.order.is_some_and(|order| !order.is_finite()) {
            return Err(format!("puts entry {} with an order that is not finite", entry.id));
        }
        self.entries.insert(entry.id, entry);
        Ok(())
    }

    /// Checks the fields of an entry. One that the entry had before may stay as it is, also if the logic does not declare it.
    fn check_fields(&self, entry: &Entry) -> Result<(), String> {
        if entry.fields.len() > MAX_FIELDS {
            return Err(format!("over {MAX_FIELDS} fields"));
        }
        let before = self.entries.get(&entry.id).map_or(&[][..], |before| &before.fields);
        for (at, field) in entry.fields.iter().enumerate() {
            if entry.fields[..at].iter().any(|earlier| earlier.name == field.name) {
                return Err(format!("field {} twice", field.name));
            }
            if !before.contains(field) {
                check_value(&self.fields_declared, field).map_err(|problem| format!("field {problem}"))?;
            }
        }
        Ok(())
    }
}

impl List for TestList {
    fn get(&self, id: EntryId) -> Option<Entry> {
        self.entries.get(&id).cloned()
    }

    fn on_date(&self, day: Date) -> Vec<Entry> {
        self.entries.values().filter(|entry| entry.date == Some(day)).cloned().collect()
    }

    fn scan(&self, after: EntryId, limit: u32) -> Vec<Entry> {
        let limit = limit.min(1_000) as usize;
        self.entries.range(after.saturating_add(1)..).take(limit).map(|(_, entry)| entry.clone()).collect()
    }

    fn count(&self) -> u64 {
        self.entries.len() as u64
    }

    fn count_open(&self) -> u64 {
        self.entries.values().filter(|entry| !entry.completed).count() as u64
    }

    fn next_id(&self) -> EntryId {
        self.last_id + 1
    }

    fn settings(&self) -> Vec<Field> {
        self.settings.iter().map(|(name, value)| Field { name: name.clone(), value: value.clone() }).collect()
    }

    fn setting(&self, name: &str) -> Option<Value> {
        self.settings.get(name).cloned()
    }
}

/// A context for tests: an anonymous caller at noon on 23 November 2026, in UTC.
pub fn context() -> Context {
    let today = Date { year: 2026, month: 11, day: 23 };
    Context { now: 1_795_435_200_000, today, utc_offset: 0, caller: "anonymous".into(), seed: 7 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    struct Plain;

    impl Logic for Plain {
        fn describe() -> Description {
            Description::new("Plain", "", "1.0.0")
                .field(Schema::new("size", "Size", Kind::Text).choices(&["small", "large"]))
                .field(Schema::new("points", "Points", Kind::Number))
                .setting(Schema::new("limit", "Limit", Kind::Number))
        }
    }

    #[test]
    fn a_value_that_the_host_would_refuse_is_refused() {
        let put = |fields: Vec<Field>| vec![Change::Put(Draft { fields, ..Draft::new("a") }.into_entry(1))];
        let of = |fields: Vec<Field>| TestList::of::<Plain>().apply(put(fields));
        assert_eq!(of(vec![Field::new("size", "small"), Field::new("points", 2.0)]), Ok(()));
        for (fields, problem) in [
            (vec![Field::new("colour", "red")], "puts entry 1 with field colour, which is not declared"),
            (vec![Field::new("points", "many")], "points of kind text where number is declared"),
            (vec![Field::new("size", "huge")], "field size as \"huge\", which is none of its choices"),
            (vec![Field::new("points", f64::NAN)], "field points, which is not finite"),
            (vec![Field::new("points", 1.0), Field::new("points", 1.0)], "with field points twice"),
        ] {
            let refused = of(fields).expect_err("it is refused");
            assert!(refused.contains(problem), "{refused}");
        }
        let set = |field| TestList::of::<Plain>().apply(vec![Change::Set(field)]);
        assert_eq!(set(Field::new("limit", 3.0)), Ok(()));
        assert_eq!(set(Field::new("most", 3.0)), Err("sets setting most, which is not declared".into()));
        let many = vec![Change::Unset("limit".into()); MAX_CHANGES + 1];
        assert!(TestList::of::<Plain>().apply(many).is_err());
    }

    #[test]
    fn a_field_of_another_logic_may_stay_as_it_is() {
        let fields = vec![Field::new("colour", "red")];
        let mut list = TestList::of::<Plain>().with(Draft { fields, ..Draft::new("a") });
        let mut entry = list.get(1).expect("it is there");
        entry.title = "b".into();
        assert_eq!(list.apply(vec![Change::Put(entry.clone())]), Ok(()));
        entry.set_field("colour", Some("blue".into()));
        assert!(list.apply(vec![Change::Put(entry)]).is_err());
    }

    #[test]
    fn changes_are_applied_all_or_none() {
        let mut list = TestList::of::<Plain>().with(Draft::new("a"));
        let before = list.clone();
        let error = list.apply(vec![Change::Remove(1), Change::Remove(1)]);
        assert_eq!(error, Err("removes entry 1, which is not there".into()));
        assert_eq!(list, before);
    }

    #[test]
    fn an_id_is_never_given_twice() {
        let mut list = TestList::of::<Plain>().with(Draft::new("a"));
        assert_eq!(list.apply(vec![Change::Remove(1)]), Ok(()));
        assert_eq!(list.next_id(), 2);
        let error = list.apply(vec![Change::Put(Draft::new("b").into_entry(1))]);
        assert_eq!(error, Err("puts entry 1, but the next id is 2".into()));
    }

    #[test]
    fn a_long_list_is_read_completely() {
        let list = (0..1_001).fold(TestList::of::<Plain>(), |list, _| list.with(Draft::new("a")));
        let ids: Vec<_> = list.all(0).map(|entry| entry.id).collect();
        assert_eq!(ids, (1..=1_001).collect::<Vec<_>>());
        assert_eq!(list.all(1_000).count(), 1);
        assert_eq!(list.scan(0, 5_000).len(), 1_000);
    }
}

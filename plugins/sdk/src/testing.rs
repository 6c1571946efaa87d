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
//! let mut list = TestList::new().with(Draft::new("Milk"));
//! let add = |list: &TestList, title: &str| OneOfAKind::add_entry(list, &context(), Draft::new(title));
//! assert_eq!(list.carry_out(add(&list, "Bread")), Ok(()));
//! let rejection = list.carry_out(add(&list, "Milk")).unwrap_err();
//! assert_eq!(rejection.message, "Entry 1 says so already.");
//! assert_eq!(list.count(), 2);
//! ```

use std::collections::BTreeMap;

use crate::{Change, Context, Date, Decision, Draft, Entry, EntryId, Field, List, Rejection, Value};

/// A list in memory that checks changes as strictly as the host.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TestList {
    entries: BTreeMap<EntryId, Entry>,
    settings: BTreeMap<String, Value>,
    last_id: EntryId,
}

impl TestList {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry without asking the logic.
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
            Change::Set(Field { name, value }) => {
                self.settings.insert(name, value);
                Ok(())
            }
        }
    }

    fn put(&mut self, entry: Entry) -> Result<(), String> {
        if !self.entries.contains_key(&entry.id) {
            if entry.id != self.next_id() {
                return Err(format!("puts entry {}, but the next id is {}", entry.id, self.next_id()));
            }
            self.last_id = entry.id;
        }
        if entry.title.chars().count() > 1_000 {
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

    #[test]
    fn changes_are_applied_all_or_none() {
        let mut list = TestList::new().with(Draft::new("a"));
        let before = list.clone();
        let error = list.apply(vec![Change::Remove(1), Change::Remove(1)]);
        assert_eq!(error, Err("removes entry 1, which is not there".into()));
        assert_eq!(list, before);
    }

    #[test]
    fn an_id_is_never_given_twice() {
        let mut list = TestList::new().with(Draft::new("a"));
        assert_eq!(list.apply(vec![Change::Remove(1)]), Ok(()));
        assert_eq!(list.next_id(), 2);
        let error = list.apply(vec![Change::Put(Draft::new("b").into_entry(1))]);
        assert_eq!(error, Err("puts entry 1, but the next id is 2".into()));
    }

    #[test]
    fn a_long_list_is_read_completely() {
        let list = (0..1_001).fold(TestList::new(), |list, _| list.with(Draft::new("a")));
        let ids: Vec<_> = list.all(0).map(|entry| entry.id).collect();
        assert_eq!(ids, (1..=1_001).collect::<Vec<_>>());
        assert_eq!(list.all(1_000).count(), 1);
        assert_eq!(list.scan(0, 5_000).len(), 1_000);
    }
}

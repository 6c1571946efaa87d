//! Todo lists as pure data and pure functions. No clock, no task, no disk, no wasm, no JSON.
//!
//! [`List`] is the `Todo.List` of *Elixir in Action*: an immutable value. It is a persistent data structure: a clone
//! costs a few reference counts and shares its contents with the original. A reader can therefore hold a snapshot for
//! any time while the actor makes the next one.

pub mod binding;
pub mod change;
pub mod command;
pub mod date;
pub mod digest;
pub mod entry;
pub mod excerpt;
pub mod history;
pub mod id;
pub mod name;
pub mod outline;
pub mod printable;
pub mod receipt;
pub mod revision;
pub mod schema;
pub mod selector;
pub mod touched;
pub mod value;

use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

use binding::LogicBinding;
use change::{Change, Violation};
use date::Date;
use entry::{Entry, MAX_TITLE_CHARS};
use excerpt::{excerpt, quoted};
use id::EntryId;
use name::{LogicName, MAX_IDENTIFIER_BYTES};
use revision::Revision;
use schema::{Description, check_value};
use selector::Pin;
use value::{Field, MAX_FIELDS};

/// About the bytes that an entry takes in the maps of a list: reference counts, ids, a date, and free places of the nodes.
const PLACE_BYTES: usize = 80;

/// Limits on the size of a list, and on the changes of one call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The most entries in one list.
    pub entries: usize,
    /// The most bytes of text in one list: titles, and the names and values of fields and settings.
    pub bytes: usize,
    /// The most changes one call of a logic may make.
    pub changes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 10_000, bytes: 16 << 20, changes: 20_000 }
    }
}

/// A todo list at one revision.
#[must_use]
#[derive(Clone, PartialEq, Debug)]
pub struct List {
    revision: u64,
    binding: Option<Arc<LogicBinding>>,
    pin: Option<Arc<Pin>>,
    next_id: EntryId,
    open: usize,
    bytes: usize,
    /// About the bytes that the entries and settings take in memory.
    memory: usize,
    entries: OrdMap<EntryId, Arc<Entry>>,
    /// The dated entries by date. One day is read without a scan of the list.
    days: OrdSet<(Date, EntryId)>,
    /// The settings, names ascending. Shared between snapshots, because settings change rarely.
    settings: Arc<[Field]>,
}

/// The stored form of a list.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ListSnapshot {
    /// See [`List::revision`].
    pub revision: u64,
    /// See [`List::binding`].
    pub binding: Option<Arc<LogicBinding>>,
    /// See [`List::pin`].
    pub pin: Option<Arc<Pin>>,
    /// See [`List::next_id`].
    pub next_id: EntryId,
    /// The entries, ids ascending.
    pub entries: Vec<Arc<Entry>>,
    /// The settings, names ascending.
    pub settings: Vec<Field>,
}

impl Default for List {
    fn default() -> Self {
        Self::absent(0)
    }
}

impl List {
    /// Returns the state of a name without a list. `revision` is the last revision of an earlier list of that name,
    /// or 0.
    pub fn absent(revision: u64) -> Self {
        Self {
            revision,
            binding: None,
            pin: None,
            next_id: 1,
            open: 0,
            bytes: 0,
            memory: 0,
            entries: OrdMap::new(),
            days: OrdSet::new(),
            settings: Arc::new([]),
        }
    }

    /// Returns the number of the last revision, or 0 before the first.
    ///
    /// The numbers continue when a list is deleted and another one takes its name. A number therefore identifies one
    /// revision forever.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Returns the logic that this list is bound to, or `None` if there is no list.
    pub fn logic(&self) -> Option<&LogicName> {
        self.binding.as_ref().map(|binding| binding.logic())
    }

    /// Returns the version that this list is bound to, or `None` if there is no list.
    pub fn binding(&self) -> Option<&Arc<LogicBinding>> {
        self.binding.as_ref()
    }

    /// Returns the pin of this list, if it has one.
    pub fn pin(&self) -> Option<&Pin> {
        self.pin.as_deref()
    }

    /// Returns whether there is a list of this name.
    pub fn exists(&self) -> bool {
        self.binding.is_some()
    }

    /// Returns the id of the next new entry.
    pub fn next_id(&self) -> EntryId {
        self.next_id
    }

    /// Returns the number of entries.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// Returns the number of entries that are not completed.
    pub fn count_open(&self) -> usize {
        self.open
    }

    /// Returns the bytes of text in the list, as [`Limits::bytes`] counts them.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns about how many bytes the list takes in memory.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.memory
    }

    /// Returns the entry with this id.
    pub fn get(&self, id: EntryId) -> Option<&Arc<Entry>> {
        self.entries.get(&id)
    }

    /// Returns the entries with ids above `after`, ascending.
    pub fn scan(&self, after: EntryId) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.range((Bound::Excluded(after), Bound::Unbounded)).map(|(_, entry)| entry)
    }

    /// Returns the entries of one day with ids above `after`, ascending.
    pub fn on_date(&self, day: Date, after: EntryId) -> impl Iterator<Item = &Arc<Entry>> {
        self.days
            .range((Bound::Excluded((day, after)), Bound::Included((day, EntryId::MAX))))
            .filter_map(|(_, id)| self.entries.get(id))
    }

    /// Returns the settings, names ascending.
    pub fn settings(&self) -> &[Field] {
        &self.settings
    }

    /// Applies the changes of one revision in order, all or none, and returns the list at its next revision.
    pub fn apply(&self, changes: &[Change]) -> Result<Self, Violation> {
        Ok(self.preview(changes)?.succeeding(self.revision))
    }

    /// Applies some changes of an unfinished revision, all or none. The revision number stays.
    pub fn preview(&self, changes: &[Change]) -> Result<Self, Violation> {
        let mut next = self.clone();
        changes.iter().try_for_each(|change| next.step(change).map(drop))?;
        Ok(next)
    }

    /// Applies changes like [`List::preview`], and appends to `reverts` the change that reverts each of them.
    ///
    /// `reverts` is in the order of the changes, so that a revision in many parts appends to one vector. Reversed
    /// once at the end, it is the revision's inverse. After an error, `reverts` is as it was.
    pub fn apply_with_inverse(&self, changes: &[Change], reverts: &mut Vec<Change>) -> Result<Self, Violation> {
        let mut next = self.clone();
        let recorded = reverts.len();
        for change in changes {
            match next.step(change) {
                Ok(revert) => reverts.extend(revert),
                Err(violation) => {
                    reverts.truncate(recorded);
                    return Err(violation);
                }
            }
        }
        Ok(next)
    }

    /// Returns the list as it was before its last revision, which `revision` has to be.
    pub fn revert(&self, revision: &Revision) -> Result<Self, Violation> {
        let mut before = self.preview(&revision.inverse)?;
        before.next_id = revision.next_id_before;
        before.revision = revision.number.saturating_sub(1);
        Ok(before)
    }

    /// Returns the same list with the number that follows `revision`.
    pub fn succeeding(self, revision: u64) -> Self {
        Self { revision: revision + 1, ..self }
    }

    /// Applies one change and returns the change that reverts it.
    ///
    /// A change without effect has none. Deleting the list has none either, because its history goes with it.
    fn step(&mut self, change: &Change) -> Result<Option<Change>, Violation> {
        Ok(match change {
            Change::Put(entry) if entry.id >= self.next_id => {
                if entry.id != self.next_id {
                    return Err(Violation::UnknownId { id: entry.id, next: self.next_id });
                }
                self.next_id += 1;
                self.insert(entry);
                Some(Change::Remove(entry.id))
            }
            Change::Put(entry) => match self.insert(entry) {
                Some(before) => Some(Change::Put(before)),
                None => return Err(Violation::UnknownId { id: entry.id, next: self.next_id }),
            },
            Change::Restore(entry) if entry.id < self.next_id && !self.entries.contains_key(&entry.id) => {
                self.insert(entry);
                Some(Change::Remove(entry.id))
            }
            Change::Restore(entry) => return Err(Violation::UnknownId { id: entry.id, next: self.next_id }),
            Change::Remove(id) => Some(Change::Restore(self.remove(*id)?)),
            Change::Set(field) => Some(match self.set(field) {
                Some(before) => Change::Set(before),
                None => Change::Unset(field.name.clone()),
            }),
            Change::Unset(name) => self.unset(name).map(Change::Set),
            Change::BindLogic(binding) => Some(match self.binding.replace(binding.clone()) {
                Some(before) => Change::BindLogic(before),
                None => Change::DeleteList,
            }),
            Change::Pin(pin) => {
                let before = std::mem::replace(&mut self.pin, pin.clone().map(Arc::new));
                Some(Change::Pin(before.map(Arc::unwrap_or_clone)))
            }
            Change::DeleteList => {
                *self = Self::absent(self.revision);
                None
            }
        })
    }

    /// Inserts an entry and returns the entry that it replaces.
    fn insert(&mut self, entry: &Arc<Entry>) -> Option<Arc<Entry>> {
        let before = self.entries.insert(entry.id, entry.clone());
        if let Some(before) = &before {
            self.uncount(before);
        }
        self.open += usize::from(!entry.completed);
        self.bytes += entry.bytes();
        self.memory += PLACE_BYTES + entry.memory();
        if let Some(date) = entry.date {
            self.days.insert((date, entry.id));
        }
        before
    }

    fn remove(&mut self, id: EntryId) -> Result<Arc<Entry>, Violation> {
        let before = self.entries.remove(&id).ok_or(Violation::RemovedAbsent(id))?;
        self.uncount(&before);
        Ok(before)
    }

    /// Subtracts an entry that was removed from everything that is derived from the entries.
    fn uncount(&mut self, entry: &Entry) {
        self.open -= usize::from(!entry.completed);
        self.bytes -= entry.bytes();
        self.memory -= PLACE_BYTES + entry.memory();
        if let Some(date) = entry.date {
            self.days.remove(&(date, entry.id));
        }
    }

    fn set(&mut self, field: &Field) -> Option<Field> {
        let mut settings = self.settings.to_vec();
        self.bytes += field.bytes();
        self.memory += field.memory();
        let before = match settings.binary_search_by(|setting| setting.name.cmp(&field.name)) {
            Ok(at) => Some(std::mem::replace(&mut settings[at], field.clone())),
            Err(at) => {
                settings.insert(at, field.clone());
                None
            }
        };
        self.bytes -= before.as_ref().map_or(0, Field::bytes);
        self.memory -= before.as_ref().map_or(0, Field::memory);
        self.settings = settings.into();
        before
    }

    fn unset(&mut self, name: &str) -> Option<Field> {
        let at = self.settings.binary_search_by(|setting| setting.name.as_str().cmp(name)).ok()?;
        let mut settings = self.settings.to_vec();
        let before = settings.remove(at);
        self.bytes -= before.bytes();
        self.memory -= before.memory();
        self.settings = settings.into();
        Some(before)
    }

    /// Checks a logic's changes against its own description and the limits. [`List::apply`] checks the ids.
    pub fn check(&self, changes: &[Change], description: &Description, limits: Limits) -> Result<(), Violation> {
        if changes.len() > limits.changes {
            return Err(Violation::TooManyChanges { count: changes.len(), limit: limits.changes });
        }
        changes.iter().try_for_each(|change| match change {
            Change::Put(entry) => self.check_entry(entry, description),
            // No setting can have such a name, and the history would store the change with all of its bytes.
            Change::Unset(name) if name.len() > MAX_IDENTIFIER_BYTES => {
                Err(Violation::Content(format!("unset {}, which is not the name of a setting", quoted(name))))
            }
            // A setting that the logic no longer declares may still be removed.
            Change::Remove(_) | Change::Unset(_) => Ok(()),
            Change::Set(field) => check_value(&description.settings, &field.name, &field.value)
                .map_err(|error| Violation::Content(format!("set setting {error}"))),
            Change::BindLogic(_) | Change::DeleteList | Change::Pin(_) | Change::Restore(_) => {
                Err(Violation::Content("made a change that is the host's".into()))
            }
        })
    }

    fn check_entry(&self, entry: &Entry, description: &Description) -> Result<(), Violation> {
        let content = |problem: String| Violation::Content(format!("put entry {}: {problem}", entry.id));
        // A title with no more bytes than the limit has no more characters either. Most titles need no count.
        if entry.title.len() > MAX_TITLE_CHARS && entry.title.chars().count() > MAX_TITLE_CHARS {
            return Err(content(format!("its title has over {MAX_TITLE_CHARS} characters")));
        }
        if entry.order.is_some_and(|order| !order.is_finite()) {
            return Err(content("its order is not a finite number".into()));
        }
        if entry.fields.len() > MAX_FIELDS {
            return Err(content(format!("it has over {MAX_FIELDS} fields")));
        }
        // A field that another version wrote may stay in the entry as it is.
        let before = self.get(entry.id).map_or(&[][..], |entry| &entry.fields);
        for (at, field) in entry.fields.iter().enumerate() {
            if entry.fields[..at].iter().any(|earlier| earlier.name == field.name) {
                return Err(content(format!("it has field {} twice", excerpt(&field.name))));
            }
            if !before.contains(field) {
                check_value(&description.fields, &field.name, &field.value).map_err(|e| content(e.to_string()))?;
            }
        }
        Ok(())
    }

    /// Returns the stored form of the list.
    pub fn snapshot(&self) -> ListSnapshot {
        ListSnapshot {
            revision: self.revision,
            binding: self.binding.clone(),
            pin: self.pin.clone(),
            next_id: self.next_id,
            entries: self.entries.values().cloned().collect(),
            settings: self.settings.to_vec(),
        }
    }
}

impl From<ListSnapshot> for List {
    fn from(snapshot: ListSnapshot) -> Self {
        let dated = |entry: &Arc<Entry>| entry.date.map(|date| (date, entry.id));
        Self {
            revision: snapshot.revision,
            binding: snapshot.binding,
            pin: snapshot.pin,
            next_id: snapshot.next_id,
            open: snapshot.entries.iter().filter(|entry| !entry.completed).count(),
            bytes: snapshot.entries.iter().map(|entry| entry.bytes()).sum::<usize>()
                + snapshot.settings.iter().map(Field::bytes).sum::<usize>(),
            memory: snapshot.entries.iter().map(|entry| PLACE_BYTES + entry.memory()).sum::<usize>()
                + snapshot.settings.iter().map(Field::memory).sum::<usize>(),
            days: snapshot.entries.iter().filter_map(dated).collect(),
            entries: snapshot.entries.into_iter().map(|entry| (entry.id, entry)).collect(),
            settings: snapshot.settings.into(),
        }
    }
}

#[cfg(test)]
mod tests;

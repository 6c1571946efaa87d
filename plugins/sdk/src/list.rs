//! The list at hand, to read.

use crate::bindings::hotlist::logic::current_list as host;
use crate::{Date, Entry, EntryId, Field, Value};

/// How many entries [`All`] asks the host for at once: enough that the asking costs little, few
/// enough that a list of long titles fits into a small memory.
const CHUNK: u32 = 250;

/// The list that a call is about. It stays the same from the call's start to its end.
///
/// In a component the host provides it; in a test, [`crate::testing::TestList`].
pub trait List {
    /// The entry of that id, if the list holds it.
    fn get(&self, id: EntryId) -> Option<Entry>;

    /// The entries of one day, ids ascending. Costs what it returns, not what the list holds.
    fn on_date(&self, day: Date) -> Vec<Entry>;

    /// Up to `limit` entries with ids over `after`, ascending. A limit over 1,000 counts as 1,000.
    fn scan(&self, after: EntryId, limit: u32) -> Vec<Entry>;

    /// How many entries there are. Costs the same for any list.
    fn count(&self) -> u64;

    /// How many entries are not completed. Costs the same for any list.
    fn count_open(&self) -> u64;

    /// The id that the next new entry must have.
    fn next_id(&self) -> EntryId;

    /// The list's settings, names ascending.
    fn settings(&self) -> Vec<Field>;

    /// One setting, if it has a value.
    fn setting(&self, name: &str) -> Option<Value>;

    /// All entries with ids over `after`, ascending. Costs what is taken of it.
    fn all(&self, after: EntryId) -> All<'_, Self> {
        All { list: self, last: after, chunk: Vec::new().into_iter(), ended: false }
    }
}

/// The entries of a list, read a chunk at a time. See [`List::all`].
#[derive(Debug)]
pub struct All<'a, L: ?Sized> {
    list: &'a L,
    last: EntryId,
    chunk: std::vec::IntoIter<Entry>,
    ended: bool,
}

impl<L: List + ?Sized> Iterator for All<'_, L> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if self.chunk.len() == 0 && !self.ended {
            let chunk = self.list.scan(self.last, CHUNK);
            self.ended = chunk.len() < CHUNK as usize;
            self.chunk = chunk.into_iter();
        }
        let entry = self.chunk.next()?;
        self.last = entry.id;
        Some(entry)
    }
}

/// The list that the host has set for this call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CurrentList;

impl List for CurrentList {
    fn get(&self, id: EntryId) -> Option<Entry> {
        host::get(id)
    }

    fn on_date(&self, day: Date) -> Vec<Entry> {
        host::on_date(day)
    }

    fn scan(&self, after: EntryId, limit: u32) -> Vec<Entry> {
        host::scan(after, limit)
    }

    fn count(&self) -> u64 {
        host::count()
    }

    fn count_open(&self) -> u64 {
        host::count_open()
    }

    fn next_id(&self) -> EntryId {
        host::next_id()
    }

    fn settings(&self) -> Vec<Field> {
        host::settings()
    }

    fn setting(&self, name: &str) -> Option<Value> {
        host::setting(name)
    }
}

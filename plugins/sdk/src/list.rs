//! Read access to the list of the current call.

use crate::bindings::hotlist::logic::current_list as host;
use crate::{Date, Entry, EntryId, Field, Value};

/// Entries per call to the host in [`All`]. It is large enough to make the calls cheap, and small enough
/// that long titles fit into a small memory.
const CHUNK: u32 = 250;

/// The list of a call. It does not change during the call.
///
/// In a component the host provides it; in a test, [`crate::testing::TestList`].
pub trait List {
    /// The entry with that id, if the list holds it.
    fn get(&self, id: EntryId) -> Option<Entry>;

    /// The entries of one day, ids ascending. The cost depends on the entries returned, not on the list's size.
    fn on_date(&self, day: Date) -> Vec<Entry>;

    /// Up to `limit` entries with ids over `after`, ascending. A limit over 1,000 counts as 1,000.
    fn scan(&self, after: EntryId, limit: u32) -> Vec<Entry>;

    /// The number of entries. The cost is constant.
    fn count(&self) -> u64;

    /// The number of entries that are not completed. The cost is constant.
    fn count_open(&self) -> u64;

    /// The id that the next new entry must have.
    fn next_id(&self) -> EntryId;

    /// The list's settings, names ascending.
    fn settings(&self) -> Vec<Field>;

    /// One setting, if it has a value.
    fn setting(&self, name: &str) -> Option<Value>;

    /// An iterator over all entries with ids over `after`, ascending. Only consumed entries are read.
    fn all(&self, after: EntryId) -> All<'_, Self> {
        All { list: self, last: after, chunk: Vec::new().into_iter(), ended: false }
    }
}

/// Iterator over the entries of a list, read in chunks. See [`List::all`].
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

/// The list that the host provides for this call.
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

//! The functions that a component of contract 0.1.0 may import: the current list and the log.

use super::bindings::hotlist::logic::{current_list, log, types as wit};
use super::convert;
use crate::list::id::EntryId;
use crate::list::value::find;
use crate::wasm::state::InstanceState;

/// The most entries that one `scan` returns.
const MAX_SCAN: u32 = 1_000;

impl wit::Host for InstanceState {}

impl log::Host for InstanceState {
    fn note(&mut self, text: String) {
        self.guest_log.note(&text);
    }
}

impl current_list::Host for InstanceState {
    fn get(&mut self, id: EntryId) -> Option<wit::Entry> {
        self.list.get(id).map(convert::lower_entry)
    }

    fn on_date(&mut self, day: wit::Date) -> Vec<wit::Entry> {
        match convert::lift_date(day) {
            Ok(day) => self.list.on_date(day, 0).map(convert::lower_entry).collect(),
            Err(_) => Vec::new(), // no entry has a date that the calendar does not have
        }
    }

    fn scan(&mut self, after: EntryId, limit: u32) -> Vec<wit::Entry> {
        self.list.scan(after).take(limit.min(MAX_SCAN) as usize).map(convert::lower_entry).collect()
    }

    fn count(&mut self) -> u64 {
        self.list.count() as u64
    }

    fn count_open(&mut self) -> u64 {
        self.list.count_open() as u64
    }

    fn next_id(&mut self) -> EntryId {
        self.list.next_id()
    }

    fn settings(&mut self) -> Vec<wit::Field> {
        convert::lower_fields(self.list.settings())
    }

    fn setting(&mut self, name: String) -> Option<wit::Value> {
        find(self.list.settings(), &name).map(convert::lower_value)
    }
}

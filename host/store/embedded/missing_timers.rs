//! The timers that a scrub found missing, which are restored at the end of its pass.
//!
//! A missing timer was lost, or its loss was accepted. Then the digest does not count it, and is that of the timers that are
//! there. So the timers wait until the pass has read the table of timers.

use super::digest::TableSum;
use crate::list::name::ListName;

/// The most timers that one pass restores. The next pass restores the others.
const MAX_MISSING: usize = 100_000;

/// The most timers that are restored in one transaction.
const MAX_RESTORED: usize = 500;

/// The missing timers.
#[derive(Default)]
pub(super) struct MissingTimers {
    timers: Vec<(ListName, u64)>,
    /// How many of the last timers are restored one by one, because a page with one of them is damaged.
    single: usize,
    /// Whether the digest counts them, once that is known.
    are_counted: Option<bool>,
}

impl MissingTimers {
    pub(super) fn add(&mut self, name: ListName, at: u64) {
        if self.timers.len() < MAX_MISSING {
            self.timers.push((name, at));
        }
    }

    /// Whether the digest counts the missing timers: it does unless it is that of the timers that were found. The first
    /// call decides, because the timers then change.
    pub(super) fn are_counted(&mut self, found: TableSum, digest: Option<TableSum>) -> bool {
        *self.are_counted.get_or_insert(digest != Some(found))
    }

    /// Takes the timers of one transaction.
    pub(super) fn take_some(&mut self) -> Vec<(ListName, u64)> {
        let count = if self.single > 0 { 1 } else { MAX_RESTORED };
        self.single = self.single.saturating_sub(1);
        self.timers.split_off(self.timers.len().saturating_sub(count))
    }

    /// Takes back timers of which one meets a damaged page, to restore them one by one.
    pub(super) fn put_back_singly(&mut self, timers: Vec<(ListName, u64)>) {
        self.single += timers.len();
        self.timers.extend(timers);
    }

    /// Takes back timers that could not be written.
    pub(super) fn put_back(&mut self, timers: Vec<(ListName, u64)>) {
        self.timers.extend(timers);
    }
}

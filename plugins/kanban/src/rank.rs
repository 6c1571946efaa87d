//! The order within a column: a rank for each entry, so that a move changes one entry only.

use std::cmp::Ordering;

use hotlist_plugin::{Entry, EntryId, Fields};

/// The field that holds an entry's rank.
pub(crate) const RANK: &str = "rank";

/// A number with a total order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rank(pub(crate) f64);

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Rank {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Rank {}

/// Sort key within a column. Of two entries with the same rank the older one comes first.
pub(crate) type Place = (Rank, EntryId);

/// The place of an entry. Entries without a rank come after all that have one.
pub(crate) fn place(entry: &Entry) -> Place {
    (Rank(entry.fields.number(RANK).unwrap_or(f64::INFINITY)), entry.id)
}

/// A rank between two others, or none if no number lies between them.
pub(crate) fn between(low: Option<Place>, high: Option<Place>) -> Option<f64> {
    let low = low.map(|(rank, _)| rank.0);
    let high = high.map(|(rank, _)| rank.0);
    let rank = match (low, high) {
        (None, None) => 1.0,
        (Some(low), None) => low + 1.0,
        (None, Some(high)) => high - 1.0,
        (Some(low), Some(high)) => low / 2.0 + high / 2.0, // The sum of both could overflow.
    };
    let fits = low.is_none_or(|low| low < rank) && high.is_none_or(|high| rank < high);
    fits.then_some(rank)
}

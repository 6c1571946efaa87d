//! The covered rows that one transaction adds and removes.

use std::cell::{Cell, RefCell};

use super::covered::{CoveredRow, TableSums};
use super::position::Position;

/// Collects the covered rows that a transaction changes. `CoveredRows`, which has the statements, fills it.
pub(in crate::store::embedded) struct RowChanges<'a> {
    /// How far a scrub has come. It counts the changes of rows that it has passed.
    scrub: Option<&'a Position>,
    difference: RefCell<Difference>,
    truncated_to: Cell<Option<u64>>,
}

/// The difference that a transaction makes to the digest. It counts once the transaction is durable.
#[derive(Clone, Copy, Default)]
pub(in crate::store::embedded) struct Difference {
    pub(super) sums: TableSums,
    /// The part of the difference in rows that the scrub has passed.
    pub(in crate::store::embedded) passed: TableSums,
    pub(super) truncated_to: Option<u64>,
}

impl Difference {
    /// Whether no covered row was changed.
    pub(in crate::store::embedded) fn is_empty(&self) -> bool {
        self.sums == TableSums::default() && self.truncated_to.is_none()
    }
}

impl<'a> RowChanges<'a> {
    pub(in crate::store::embedded) fn new(scrub: Option<&'a Position>) -> Self {
        Self { scrub, difference: RefCell::default(), truncated_to: Cell::default() }
    }

    pub(in crate::store::embedded) fn added(&self, row: &CoveredRow<'_>) {
        let mut difference = self.difference.borrow_mut();
        difference.sums.of_mut(row.table).add(row);
        if self.has_passed(row) {
            difference.passed.of_mut(row.table).add(row);
        }
    }

    pub(in crate::store::embedded) fn removed(&self, row: &CoveredRow<'_>) {
        let mut difference = self.difference.borrow_mut();
        difference.sums.of_mut(row.table).remove(row);
        if self.has_passed(row) {
            difference.passed.of_mut(row.table).remove(row);
        }
    }

    /// Counts a row that was missing although the digest covers it.
    pub(in crate::store::embedded) fn restored(&self, row: &CoveredRow<'_>) {
        if self.has_passed(row) {
            self.difference.borrow_mut().passed.of_mut(row.table).add(row);
        }
    }

    /// Notes that the log was truncated.
    pub(in crate::store::embedded) fn truncated(&self, to: u64) {
        self.truncated_to.set(Some(to));
    }

    fn has_passed(&self, row: &CoveredRow<'_>) -> bool {
        self.scrub.is_some_and(|position| position.has_passed(row))
    }

    /// What the transaction has changed so far.
    pub(in crate::store::embedded) fn difference(&self) -> Difference {
        Difference { truncated_to: self.truncated_to.get(), ..*self.difference.borrow() }
    }
}

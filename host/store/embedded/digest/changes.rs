//! The covered rows that one transaction adds and removes.

use std::cell::{Cell, RefCell};

use super::covered::{CoveredRow, TableSums};

/// Collects the covered rows that a transaction changes. `CoveredRows`, which has the statements, fills it.
#[derive(Default)]
pub(in crate::store::embedded) struct RowChanges {
    sums: RefCell<TableSums>,
    truncated_to: Cell<Option<u64>>,
}

/// The difference that a transaction makes to the digest. It counts once the transaction is durable.
#[derive(Clone, Copy, Default)]
pub(in crate::store::embedded) struct Difference {
    pub(super) sums: TableSums,
    pub(super) truncated_to: Option<u64>,
}

impl RowChanges {
    pub(in crate::store::embedded) fn added(&self, row: &CoveredRow<'_>) {
        self.sums.borrow_mut().of_mut(row.table).add(row);
    }

    pub(in crate::store::embedded) fn removed(&self, row: &CoveredRow<'_>) {
        self.sums.borrow_mut().of_mut(row.table).remove(row);
    }

    /// Notes that the log was truncated.
    pub(in crate::store::embedded) fn truncated(&self, to: u64) {
        self.truncated_to.set(Some(to));
    }

    /// What the transaction has changed so far.
    pub(in crate::store::embedded) fn difference(&self) -> Difference {
        Difference { sums: *self.sums.borrow(), truncated_to: self.truncated_to.get() }
    }
}

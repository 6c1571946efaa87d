//! Changes of records.

use std::time::Instant;

use super::Writer;
use crate::store::embedded::error::WriteFailure;
use crate::store::embedded::record_change::QueuedChange;
use crate::store::embedded::record_table::RowError;
use crate::store::embedded::transaction;
use crate::store::error::StoreError;
use crate::store::records::RecordError;

/// Why changes were not written. The transaction was rolled back.
enum ChangeError {
    /// The change at this place met a damaged page.
    Damaged(usize, RecordError),
    /// The database failed.
    Failed(WriteFailure),
}

impl Writer {
    /// Writes the changes that wait, in one transaction, then answers the callers. Each attempt but the last refuses a
    /// change that meets a damaged page, or waits for the write lock.
    pub(super) fn carry_out_changes(&mut self) {
        let mut changes = std::mem::take(&mut self.changes);
        let begun = Instant::now();
        while !changes.is_empty() {
            let handled = match self.lifecycle.check_healthy() {
                Ok(()) => self.try_changes(&mut changes),
                Err(refusal) => {
                    return changes.into_iter().for_each(|change| change.answer(Err(refusal.clone().into())));
                }
            };
            let failure = match handled {
                Ok(results) => {
                    self.note_write_lock();
                    return self.answer_changes(changes, results);
                }
                Err(ChangeError::Damaged(at, error)) => {
                    changes.remove(at).answer(Err(error));
                    continue;
                }
                Err(ChangeError::Failed(WriteFailure::Busy)) => match self.wait_for_lock(begun, false) {
                    Ok(()) => continue,
                    Err(failure) => failure,
                },
                Err(ChangeError::Failed(failure)) => failure,
            };
            let error = self.write_error("change a record".into(), &failure);
            changes.drain(..).for_each(|change| change.answer(Err(error.clone().into())));
        }
    }

    /// Writes all changes, or none. Returns the new revision of each record, or why the change was refused.
    fn try_changes(&self, changes: &mut [QueuedChange]) -> Result<Vec<Result<u64, RecordError>>, ChangeError> {
        let transaction = transaction::begin(&self.db).map_err(ChangeError::Failed)?;
        let mut results = Vec::with_capacity(changes.len());
        for (at, change) in changes.iter_mut().enumerate() {
            let result = change.carry_out(&transaction).map_err(|error| match error {
                RowError::Damaged { revision, why, .. } => ChangeError::Damaged(at, change.unreadable(revision, why)),
                RowError::Database(error) => ChangeError::Failed(WriteFailure::RolledBack("change a record", error)),
            })?;
            results.push(result);
        }
        transaction.commit().map_err(|error| ChangeError::Failed(WriteFailure::Unknown(error)))?;
        Ok(results)
    }

    /// Tells the watches what is durable now, then answers the callers.
    fn answer_changes(&self, changes: Vec<QueuedChange>, results: Vec<Result<u64, RecordError>>) {
        for (change, result) in changes.into_iter().zip(results) {
            if result.is_ok() {
                change.announce(&self.watchers);
            }
            change.answer(result);
        }
    }

    /// The error of a write that failed for its own caller. What the failure says about the store applies to all writes.
    pub(super) fn write_error(&mut self, what: String, failure: &WriteFailure) -> StoreError {
        if let WriteFailure::Busy = failure {
            return self.locked_out();
        }
        self.fail(&mut Vec::new(), failure);
        match (failure, self.lifecycle.check_healthy()) {
            (WriteFailure::Unknown(error), _) if self.lifecycle.is_poisoned() => {
                StoreError::Unknown { what, why: error.to_string() }
            }
            (_, Err(refusal)) => refusal,
            (_, Ok(())) => StoreError::Failed { what, why: "the write failed".into() },
        }
    }
}

//! Isolation of lists whose rows are damaged.

use super::Writer;
use crate::list::name::ListName;
use crate::store::embedded::error::{ReadError, WriteFailure};
use crate::store::embedded::receipt_rows::ReceiptExpiry;
use crate::store::embedded::{damage, evidence, receipt_index};

impl Writer {
    /// Isolates a list whose rows are damaged. If only rows of other lists are, expired rows of the list are not deleted
    /// from now on, because deleting rows may join a page with the pages beside it.
    pub(super) fn isolate(&mut self, name: ListName, error: ReadError) -> Result<(), WriteFailure> {
        let is_beside = matches!(error, ReadError::Corrupt(_)) && damage::find(&self.db, &name).is_none();
        if is_beside && self.rebuild_receipt_index()? {
            return Ok(());
        }
        if is_beside && self.compaction.stop_trimming(&name) {
            tracing::warn!(list = name.as_str(), "a page beside the list's rows is damaged; its expired rows stay");
            return Ok(());
        }
        let failed = |error| WriteFailure::RolledBack("isolate a list", error);
        let why = error.into_damage(&self.db, &name).map_err(failed)?;
        self.quarantine(&name, why, false)
    }

    /// Makes the index of receipts by time anew if it is damaged. Returns whether it did.
    pub(super) fn rebuild_receipt_index(&mut self) -> Result<bool, WriteFailure> {
        if !receipt_index::is_damaged(&self.db) {
            return Ok(false);
        }
        match receipt_index::rebuild(&self.db) {
            Ok(()) => {}
            // The table is damaged, too.
            Err(WriteFailure::RolledBack(_, error)) if damage::is_damage(&error) => return Ok(false),
            Err(failure) => return Err(failure),
        }
        self.receipt_expiry = ReceiptExpiry::default();
        self.lifecycle.note_damage(receipt_index::REBUILT);
        Ok(true)
    }

    /// Isolates a list, and copies its commits in the log. A list that is `marked` stays isolated after a restart, also
    /// if it has none.
    pub(super) fn quarantine(&mut self, name: &ListName, why: String, is_marked: bool) -> Result<(), WriteFailure> {
        let failed = |error| WriteFailure::RolledBack("isolate a list", error);
        let commits = self.log_index.lock().get(name).map(|list| list.commits.clone()).unwrap_or_default();
        let copies = evidence::read_commits(&self.db, &commits).map_err(failed)?;
        self.change_rows("isolate a list", |rows| {
            evidence::write_commits(rows, name.as_str(), &copies, &why)?;
            if is_marked { rows.mark_unreadable(name, &why) } else { Ok(()) }
        })?;
        tracing::error!(list = name.as_str(), why, "a list cannot be read; its commits in the log were isolated");
        self.log_index.lock().isolate(name.clone(), why, (self.options.now)());
        Ok(())
    }
}

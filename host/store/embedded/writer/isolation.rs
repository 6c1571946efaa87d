//! Isolation of lists whose rows are damaged.

use super::Writer;
use crate::list::name::ListName;
use crate::store::embedded::compaction::PageBeside;
use crate::store::embedded::error::{ReadError, WriteFailure};
use crate::store::embedded::receipt_rows::ReceiptExpiry;
use crate::store::embedded::{damage, evidence, receipt_index};

impl Writer {
    /// Isolates a list whose rows are damaged. A damaged page may hold only rows of other lists: each new run of history is
    /// on the last page of its table, and deleting rows may join a page with the pages beside it. Such a page must not
    /// isolate list after list, so the store takes no writes if several lists need it. All commits are in the log then.
    pub(super) fn isolate(&mut self, name: ListName, error: ReadError) -> Result<(), WriteFailure> {
        let error = match error {
            ReadError::Corrupt(error) if damage::find(&self.db, &name).is_none() => {
                match self.compaction.met_page_beside(&name) {
                    PageBeside::KeepExpired => {
                        tracing::warn!(
                            list = name.as_str(),
                            "a page beside the list's rows is damaged; its expired rows stay"
                        );
                        return Ok(());
                    }
                    PageBeside::Postpone => return Ok(()),
                    PageBeside::OneList => ReadError::Corrupt(error),
                    PageBeside::SeveralLists => return Err(WriteFailure::of_compaction(error)),
                }
            }
            error => error,
        };
        let failed = |error| WriteFailure::RolledBack("isolate a list", error);
        let why = error.into_damage(&self.db, &name).map_err(failed)?;
        self.quarantine(&name, why, false)
    }

    /// Goes on after a receipt of a list was not written: with a new index of receipts by time, or without the list.
    pub(super) fn go_on_without_receipt(&mut self, name: ListName, error: rusqlite::Error) -> Result<(), WriteFailure> {
        match self.rebuild_receipt_index()? {
            true => Ok(()),
            false => self.isolate(name, ReadError::Corrupt(error)),
        }
    }

    /// Goes on without the deletion of what a list no longer retains, because a page with it is damaged. The list itself may
    /// be sound.
    pub(super) fn go_on_untrimmed(&mut self, name: ListName, error: rusqlite::Error) -> Result<(), WriteFailure> {
        if !self.compaction.stop_trimming(&name) {
            return self.isolate(name, ReadError::Corrupt(error));
        }
        tracing::warn!(list = name.as_str(), %error, "a page of the list's history is damaged; its expired revisions stay");
        Ok(())
    }

    /// Makes the index of receipts by time anew after damage was met. Returns whether it did.
    ///
    /// Reading does not notice all damage that writing meets, such as that of the list of free bytes of a page. So the index
    /// is made anew once per start, although it can be read.
    pub(super) fn rebuild_receipt_index(&mut self) -> Result<bool, WriteFailure> {
        if self.has_rebuilt_index && !receipt_index::is_damaged(&self.db) {
            return Ok(false);
        }
        self.has_rebuilt_index = true;
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

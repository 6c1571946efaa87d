//! The scrub, as the writer carries it out: slices between two batches, and what follows from the damage they find.

use super::Writer;
use crate::list::name::ListName;
use crate::store::embedded::covered_rows::CoveredRows;
use crate::store::embedded::damage;
use crate::store::embedded::digest::{Difference, Position, RowChanges};
use crate::store::embedded::error::WriteFailure;
use crate::store::embedded::scrub::{ScrubFinding, Source};
use crate::store::embedded::transaction;

impl Writer {
    /// How far the scrub has come, if one is under way.
    pub(super) fn scrub_position(&self) -> Option<&Position> {
        self.scrubber.position()
    }

    /// Records the changes of covered rows that are durable.
    pub(super) fn note_rows(&mut self, rows: &Difference) {
        self.digest.apply(rows);
        self.scrubber.apply(rows);
    }

    /// Reads a slice if it is due. Returns whether it did.
    pub(super) fn scrub_if_due(&mut self, is_idle: bool) -> bool {
        let is_due = self.scrubber.is_due(is_idle) && self.lifecycle.check_healthy().is_ok();
        if is_due {
            self.scrub_slice();
        }
        is_due
    }

    fn scrub_slice(&mut self) {
        self.act_on_findings();
        if !self.scrubber.findings.is_empty() {
            return self.scrubber.pause();
        }
        if self.scrubber.pass.is_none() {
            self.scrubber.pages.request();
        }
        let mut pass = self.scrubber.pass.take().unwrap_or_default();
        let source = Source { db: &self.scrubber.db, log_index: &self.log_index };
        let slice = pass.slice(&source, self.scrubber.limit());
        let is_done = pass.is_done();
        self.scrubber.pass = Some(pass);
        match slice {
            Ok(findings) => self.scrubber.findings.extend(findings),
            // The slice is repeated: another program locks the database, or it cannot be read at the moment.
            Err(error) => tracing::debug!(%error, "a slice of the scrub is repeated"),
        }
        self.act_on_findings();
        if is_done {
            // Timers may have been restored just now.
            let compared = self.scrubber.pass.as_ref().zip(self.digest.known());
            let compared = compared.map(|(pass, digest)| pass.compare(digest)).unwrap_or_default();
            self.scrubber.findings.extend(compared);
            self.act_on_findings();
            tracing::info!(damage = self.lifecycle.damage_count(), "read all rows of the database");
            self.scrubber.rest();
            if !self.scrubber.findings.is_empty() {
                self.scrubber.pause();
            }
        } else {
            self.scrubber.pause();
        }
    }

    /// Reads all rows and pages at once.
    #[cfg(test)]
    pub(super) fn scrub_everything(&mut self, done: tokio::sync::oneshot::Sender<()>) {
        self.scrubber.pass = Some(crate::store::embedded::scrub::Pass::default());
        while self.scrubber.pass.is_some() && self.scrubber.findings.is_empty() {
            self.scrub_slice();
        }
        let damage = crate::store::embedded::page_check::check(&self.scrubber.db);
        damage.iter().for_each(|what| self.lifecycle.note_damage(what));
        // A test may have ended.
        let _ = done.send(());
    }

    /// Acts on what was found, until something of it cannot be written. The rest waits for the next slice.
    fn act_on_findings(&mut self) {
        while let Some(finding) = self.scrubber.findings.pop_front() {
            if self.lifecycle.check_healthy().is_err() || !self.act_on(finding.clone()) {
                return self.scrubber.findings.push_front(finding);
            }
        }
    }

    /// Acts on a finding. Returns whether it is done with.
    fn act_on(&mut self, finding: ScrubFinding) -> bool {
        match finding {
            ScrubFinding::Unreadable { name, why } => {
                let mut log_index = self.log_index.lock();
                if log_index.damage(&name).is_none() {
                    tracing::error!(list = name.as_str(), why, "a list cannot be read");
                    // The writer is the only one to delete such lists, so none was deleted since the slice was read.
                    let discards = log_index.discards();
                    log_index.note_unreadable(&name, &why, (self.options.now)(), discards);
                }
            }
            ScrubFinding::Stale { name, why } => {
                // A commit to the list would make the contradiction permanent.
                if let Err(failure) = self.quarantine(&name, why, true) {
                    self.fail(&mut Vec::new(), &failure);
                    return false;
                }
            }
            ScrubFinding::MissingTimer { name, at } => match self.restore_timer(&name, at) {
                Ok(()) => {
                    self.lifecycle.note_damage("timers were missing; the scrub restored them from the lists");
                    tracing::warn!(list = name.as_str(), at, "the timer of a list was missing");
                }
                Err(WriteFailure::Busy) => return false,
                Err(WriteFailure::RolledBack(_, error)) if damage::is_damage(&error) => {
                    self.lifecycle.note_damage(&damage::explain("timers", &error));
                }
                Err(failure) => {
                    self.fail(&mut Vec::new(), &failure);
                    return false;
                }
            },
            ScrubFinding::Other { name: Some(name), what } => {
                self.lifecycle.note_damage(&format!("list {:?}: {what}", name.as_str()));
            }
            ScrubFinding::Other { name: None, what } => self.lifecycle.note_damage(&what),
        }
        true
    }

    fn restore_timer(&mut self, name: &ListName, at: u64) -> Result<(), WriteFailure> {
        let transaction = transaction::begin(&self.db)?;
        let changes = RowChanges::new(self.scrub_position());
        let restored = CoveredRows { db: &self.db, changes: &changes }.restore_timer(name, at);
        restored.map_err(|error| WriteFailure::RolledBack("restore a timer", error))?;
        transaction.commit().map_err(WriteFailure::Unknown)?;
        let rows = changes.difference();
        self.note_rows(&rows);
        Ok(())
    }
}

//! The scrub, as the writer carries it out: slices between two batches, and what follows from the damage they find.

use parking_lot::Mutex;
use rusqlite::Connection;

use super::Writer;
use crate::list::name::ListName;
use crate::store::embedded::covered_rows::CoveredRows;
use crate::store::embedded::digest::{CoveredTable, Position};
use crate::store::embedded::error::WriteFailure;
use crate::store::embedded::log_index::LogIndex;
use crate::store::embedded::missing_timers::MissingTimers;
use crate::store::embedded::scrub::{ScrubFinding, Source};
use crate::store::embedded::{compacted, damage};

impl Writer {
    /// How far the scrub has come, if one is under way.
    pub(super) fn scrub_position(&self) -> Option<&Position> {
        self.scrubber.position()
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
        let source = Source {
            db: &self.scrubber.db,
            log_index: &self.log_index,
            receipt_horizon: self.receipt_room.horizon(),
            leaves_out_failures: self.scrubber.is_last_attempt(),
        };
        let slice = pass.slice(&source, self.scrubber.limit());
        let is_done = pass.is_done();
        self.scrubber.pass = Some(pass);
        self.scrubber.note_attempt(slice.as_ref().err());
        match slice {
            Ok(findings) => self.scrubber.findings.extend(findings),
            Err(error) => tracing::debug!(%error, "a slice of the scrub is repeated"),
        }
        self.act_on_findings();
        if is_done && self.restore_timers() {
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
        let goes_on = |writer: &Self| writer.scrubber.pass.is_some() && writer.scrubber.findings.is_empty();
        while goes_on(self) && self.lifecycle.check_healthy().is_ok() {
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
            ScrubFinding::MissingTimer { name, at } => self.scrubber.missing_timers.add(name, at),
            ScrubFinding::Other { name: Some(name), what } => {
                self.lifecycle.note_damage(&format!("list {:?}: {what}", name.as_str()));
            }
            ScrubFinding::Other { name: None, what } => self.lifecycle.note_damage(&what),
        }
        true
    }

    /// Restores some of the missing timers at the end of a pass. Returns whether that is done.
    fn restore_timers(&mut self) -> bool {
        let Some(found) = self.scrubber.pass.as_ref().map(|pass| pass.sum(CoveredTable::Timers)) else { return true };
        let counted = self.digest.known().map(|digest| digest.sums.of(CoveredTable::Timers));
        let is_counted = self.scrubber.missing_timers.are_counted(found, counted);
        let timers = self.scrubber.missing_timers.take_some();
        if timers.is_empty() {
            self.scrubber.missing_timers = MissingTimers::default();
            return true;
        }
        // The lists may have changed since they were read.
        let waits = |(name, at): &&(ListName, u64)| wake_up(&self.db, &self.log_index, name) == Some(*at);
        let timers: Vec<_> = timers.iter().filter(waits).cloned().collect();
        let restored = self.change_rows("restore timers", |rows| {
            let restore = if is_counted { CoveredRows::restore_timer } else { CoveredRows::put_timer };
            timers.iter().try_for_each(|(name, at)| restore(&rows, name, *at))
        });
        match restored {
            Ok(()) => {
                if is_counted {
                    self.lifecycle.note_damage("timers were missing; the scrub restored them from the lists");
                }
                for (name, at) in timers {
                    tracing::warn!(list = name.as_str(), at, "the timer of a list was missing and is restored");
                }
            }
            Err(WriteFailure::Busy) => self.scrubber.missing_timers.put_back(timers),
            Err(WriteFailure::RolledBack(_, error)) if damage::is_damage(&error) => {
                self.lifecycle.note_damage(&damage::explain("timers", &error));
                if timers.len() > 1 {
                    self.scrubber.missing_timers.put_back_singly(timers);
                }
            }
            Err(failure) => {
                self.fail(&mut Vec::new(), &failure);
                self.scrubber.missing_timers.put_back(timers);
            }
        }
        false
    }
}

/// The wake-up time of a list, if it is known.
fn wake_up(db: &Connection, log_index: &Mutex<LogIndex>, name: &ListName) -> Option<u64> {
    let logged = log_index.lock().get(name).map(|list| list.meta.wake_up);
    logged.unwrap_or_else(|| compacted::read_meta(db, name).ok().and_then(|meta| meta.wake_up))
}

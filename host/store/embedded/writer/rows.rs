//! Changes of covered rows in transactions of their own.

use super::Writer;
use crate::store::embedded::covered_change::{self, Changed};
use crate::store::embedded::covered_rows::CoveredRows;
use crate::store::embedded::digest::Difference;
use crate::store::embedded::digest_check;
use crate::store::embedded::error::WriteFailure;

impl Writer {
    /// Changes covered rows in a transaction of their own. `change` is called again if the digest is lost.
    pub(super) fn change_rows(
        &mut self,
        what: &'static str,
        change: impl FnMut(CoveredRows<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), WriteFailure> {
        let scrub = self.scrubber.position();
        let Changed { rows, lost_digest } =
            covered_change::change_rows(&self.db, &mut self.digest, scrub, what, change)?;
        self.scrubber.apply(&rows);
        lost_digest.iter().for_each(|error| self.note_lost_digest(error));
        Ok(())
    }

    /// Records the changes of covered rows that are durable.
    pub(super) fn note_rows(&mut self, rows: &Difference) {
        self.digest.apply(rows);
        self.scrubber.apply(rows);
    }

    /// Goes on without the digest, because its row is damaged.
    pub(super) fn lose_digest(&mut self, error: &rusqlite::Error) {
        self.digest.lose();
        self.note_lost_digest(error);
    }

    fn note_lost_digest(&self, error: &rusqlite::Error) {
        self.lifecycle.note_damage(&digest_check::unknown(&error.to_string()));
    }
}

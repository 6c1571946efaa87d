//! Compaction of one list: its commits in the log become its snapshot, a run of history, and receipts.

use std::sync::Arc;

use rusqlite::Connection;

use crate::list::name::ListName;
use crate::store::HistoryLimits;
use crate::store::embedded::block::Blocks;
use crate::store::embedded::commit_record::CommitBody;
use crate::store::embedded::compacted::{self, CompactedRow};
use crate::store::embedded::covered_rows::{CompactedColumns, CoveredRows};
use crate::store::embedded::damage;
use crate::store::embedded::error::{ReadError, WriteError, WriteFailure};
use crate::store::embedded::log_index::LoggedList;
use crate::store::embedded::receipt_rows::ReceiptWriter;
use crate::store::embedded::record::{self, RowKind};

/// The size at which a history row is closed, so that reading a few revisions does not cost thousands.
const MAX_RUN_BYTES: usize = 16 * 1024;

/// How often the size of a history is measured, in revisions. The length of a run is on the page of the run, so measuring
/// reads as many pages as the history has.
const MEASURED_EVERY: u64 = 64;

/// Compacts lists within one transaction.
pub(super) struct ListCompactor<'db> {
    db: &'db Connection,
    rows: CoveredRows<'db>,
    blocks: Blocks<'db>,
    receipts: ReceiptWriter<'db>,
    history: HistoryLimits,
}

/// Whether a compaction deletes what a list no longer retains. It only saves space, because readers do not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trim {
    Expired,
    Nothing,
}

/// Why a list was not compacted.
pub(super) enum CompactError {
    /// A row of the list, a commit or a page was not read or written.
    List(ReadError),
    /// A receipt was not written.
    Receipt(rusqlite::Error),
    /// What the list no longer retains was not read or deleted.
    Trim(rusqlite::Error),
}

impl From<ReadError> for CompactError {
    fn from(error: ReadError) -> Self {
        Self::List(error)
    }
}

impl From<String> for CompactError {
    fn from(why: String) -> Self {
        Self::List(why.into())
    }
}

impl From<rusqlite::Error> for CompactError {
    fn from(error: rusqlite::Error) -> Self {
        Self::List(error.into())
    }
}

impl CompactError {
    /// The error of a slice that has the list of that name.
    pub(super) fn into_write_error(self, name: &ListName) -> WriteError {
        match self {
            Self::List(ReadError::Database(error)) => WriteFailure::of_compaction(error).into(),
            Self::List(damage) => WriteError::List(name.clone(), damage),
            Self::Receipt(error) if damage::is_damage(&error) => WriteError::Receipt(name.clone(), error),
            Self::Trim(error) if damage::is_damage(&error) => WriteError::Trim(name.clone(), error),
            Self::Receipt(error) | Self::Trim(error) => WriteFailure::of_compaction(error).into(),
        }
    }
}

impl<'db> ListCompactor<'db> {
    /// Prepares for a slice of lists. Receipts before `receipt_horizon` are expired.
    pub(super) fn prepare(
        rows: CoveredRows<'db>,
        history: HistoryLimits,
        receipt_horizon: u64,
    ) -> rusqlite::Result<Self> {
        let receipts = ReceiptWriter { rows, horizon: receipt_horizon };
        Ok(Self { db: rows.db, rows, blocks: Blocks::prepare(rows.db)?, receipts, history })
    }

    /// Compacts one list. What it wrote before an error is for the caller to roll back.
    pub(super) fn compact(&mut self, name: &ListName, logged: &LoggedList, trim: Trim) -> Result<(), CompactError> {
        let Some(last) = logged.commits.last() else { return Ok(()) };
        let state = logged.state.upgrade();
        // A commit that was there when the store was opened may have been compacted before the crash.
        let reads = state.is_none() || logged.commits.iter().any(|commit| commit.block.is_none());
        let row = if reads { CompactedRow::read(self.db, name)? } else { None };
        let compacted_to = row.as_ref().map_or(0, |row| row.seq);
        let commits = compacted::later_commits(&mut self.blocks, compacted_to, &logged.commits)?;
        if commits.is_empty() {
            return Ok(());
        }
        let bodies = compacted::bodies(name, &commits)?;
        let state = match state {
            Some(state) => state,
            None => Arc::new(compacted::replay(name, row.as_ref(), &bodies)?),
        };
        let revision = logged.meta.revision;
        let meta = record::encode(RowKind::ListMeta, name, revision, &(last.seq, &logged.meta));
        let snapshot = record::encode(RowKind::Snapshot, name, revision, &state.snapshot());
        let columns = CompactedColumns { revision, seq: last.seq, meta: &meta, snapshot: &snapshot };
        self.rows.put_compacted(name, state.exists(), &columns)?;
        for ((seq, _), body) in commits.iter().zip(&bodies) {
            self.receipts.add(name, *seq, &body.receipts).map_err(CompactError::Receipt)?;
        }
        self.add_history(name, &bodies, revision, trim)
    }

    fn add_history(
        &mut self,
        name: &ListName,
        bodies: &[CommitBody<'_>],
        revision: u64,
        trim: Trim,
    ) -> Result<(), CompactError> {
        let deleted_at = bodies.iter().filter_map(|body| body.head.deleted_at).max();
        let by_bytes = first_within(bodies, self.history.bytes);
        let by_number = (revision + 1).saturating_sub(self.history.revisions);
        // Without the deletion of expired rows, a horizon would leave a gap between them and the new ones.
        let horizon = match trim {
            Trim::Expired => deleted_at.unwrap_or(0).max(by_number).max(by_bytes.unwrap_or(0)),
            Trim::Nothing => 0,
        };
        if trim == Trim::Expired && (deleted_at.is_some() || by_bytes.is_some() || revision > self.history.revisions) {
            self.rows.delete_history(name, horizon).map_err(CompactError::Trim)?;
        }
        let (mut run, mut end) = (Vec::new(), 0);
        // A commit that brings receipts only has no revisions to retain.
        let is_retained =
            |body: &&CommitBody<'_>| body.head.meta.revision >= horizon && body.head.after < body.head.meta.revision;
        for body in bodies.iter().filter(is_retained) {
            end = body.head.meta.revision;
            if body.head.after + 1 < deleted_at.unwrap_or(0) {
                let revisions = record::revisions(body.revisions)?.into_iter().filter(|r| r.number >= horizon);
                run.extend(record::run(&revisions.collect::<Vec<_>>()));
            } else {
                run.extend_from_slice(body.revisions);
            }
            if run.len() >= MAX_RUN_BYTES {
                self.rows.put_history(name, end, &record::history(name, end, &run))?;
                run.clear();
            }
        }
        if !run.is_empty() {
            self.rows.put_history(name, end, &record::history(name, end, &run))?;
        }
        match trim {
            Trim::Expired => {
                let is_measured = is_measured(bodies, revision, self.history.bytes);
                self.trim_to_bytes(name, is_measured).map_err(CompactError::Trim)
            }
            Trim::Nothing => Ok(()),
        }
    }

    /// Deletes the oldest runs of history that are above the limit in bytes. The newest run stays whatever its size. Unless
    /// the history is to be measured, this reads the length of two runs, of which the older one may be large.
    fn trim_to_bytes(&self, name: &ListName, is_measured: bool) -> rusqlite::Result<()> {
        // SQLite knows the length of a record without reading it.
        let select = "SELECT last, length(record) FROM history WHERE name = ?1 ORDER BY last DESC";
        let mut select = self.db.prepare_cached(select)?;
        let mut rows = select.query([name.as_str()])?;
        let (mut bytes, mut runs) = (0, 0);
        while let Some(row) = rows.next()? {
            let (last, length): (u64, u64) = (row.get(0)?, row.get(1)?);
            bytes += length;
            runs += 1;
            if runs == 2 && !is_measured && bytes <= self.history.bytes / MEASURED_EVERY {
                break;
            }
            if bytes > self.history.bytes && runs > 1 {
                drop(rows);
                return self.rows.delete_history(name, last + 1);
            }
        }
        Ok(())
    }
}

/// Whether the compaction of commits measures the history that they lead to. The others add little, so the history is never
/// above twice its limit by them.
fn is_measured(bodies: &[CommitBody<'_>], revision: u64, limit: u64) -> bool {
    let added: usize = bodies.iter().map(|body| body.revisions.len()).sum();
    let before = bodies.first().map_or(0, |body| body.head.after);
    added as u64 > limit / MEASURED_EVERY || before / MEASURED_EVERY != revision / MEASURED_EVERY
}

/// The first revision to retain, if commits are above the limit in bytes. The last commit is retained whatever its size.
fn first_within(bodies: &[CommitBody<'_>], limit: u64) -> Option<u64> {
    let mut bytes = 0;
    for (at, body) in bodies.iter().rev().filter(|body| body.head.after < body.head.meta.revision).enumerate() {
        bytes += body.revisions.len() as u64;
        if bytes > limit && at > 0 {
            return Some(body.head.meta.revision + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::embedded::commit_record::CommitHead;
    use crate::store::embedded::record::ListMeta;

    #[test]
    fn a_history_is_measured_after_much_was_added_and_else_once_in_64_revisions() {
        let measured = |after: u64, bytes: usize, limit| {
            let revisions = vec![0; bytes];
            let head = CommitHead { after, deleted_at: None, meta: ListMeta::default() };
            is_measured(&[CommitBody { head, receipts: Vec::new(), revisions: &revisions }], after + 1, limit)
        };
        assert_eq!((0..640).filter(|after| measured(*after, 100, 6_400)).count(), 10);
        assert!((0..64).all(|after| measured(after, 101, 6_400)));
    }
}

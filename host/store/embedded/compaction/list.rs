//! Compaction of one list: its commits in the log become its snapshot, a run of history, and receipts.

use std::sync::Arc;

use rusqlite::Connection;

use crate::list::name::ListName;
use crate::store::embedded::block::Blocks;
use crate::store::embedded::commit_record::CommitBody;
use crate::store::embedded::compacted::{self, CompactedRow};
use crate::store::embedded::covered_rows::{CompactedColumns, CoveredRows};
use crate::store::embedded::error::ReadError;
use crate::store::embedded::log_index::LoggedList;
use crate::store::embedded::receipt_rows::ReceiptWriter;
use crate::store::embedded::record::{self, RowKind};

/// The size at which a history row is closed, so that reading a few revisions does not cost thousands.
const MAX_RUN_BYTES: usize = 16 * 1024;

/// Compacts lists within one transaction.
pub(super) struct ListCompactor<'db> {
    db: &'db Connection,
    rows: CoveredRows<'db>,
    blocks: Blocks<'db>,
    receipts: ReceiptWriter<'db>,
    history_limit: u64,
}

/// Whether a compaction deletes what a list no longer retains. It only saves space, because readers do not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trim {
    Expired,
    Nothing,
}

impl<'db> ListCompactor<'db> {
    /// Prepares for a slice of lists. A list retains `history_limit` revisions of history. Receipts before `receipt_horizon` are
    /// expired.
    pub(super) fn prepare(rows: CoveredRows<'db>, history_limit: u64, receipt_horizon: u64) -> rusqlite::Result<Self> {
        let receipts = ReceiptWriter { rows, horizon: receipt_horizon };
        Ok(Self { db: rows.db, rows, blocks: Blocks::prepare(rows.db)?, receipts, history_limit })
    }

    /// Compacts one list. What it wrote before an error is for the caller to roll back.
    pub(super) fn compact(&mut self, name: &ListName, logged: &LoggedList, trim: Trim) -> Result<(), ReadError> {
        let Some(last) = logged.commits.last() else { return Ok(()) };
        let state = logged.state.upgrade();
        // A commit that was there when the store was opened may have been compacted before the crash.
        let reads = state.is_none() || logged.commits.iter().any(|commit| commit.block.is_none());
        let row = if reads { CompactedRow::read(self.db, name)? } else { None };
        let commits = compacted::later_commits(&mut self.blocks, row.as_ref(), &logged.commits)?;
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
            self.receipts.add(name, *seq, &body.receipts)?;
        }
        self.add_history(name, &bodies, revision, trim)
    }

    fn add_history(
        &mut self,
        name: &ListName,
        bodies: &[CommitBody<'_>],
        revision: u64,
        trim: Trim,
    ) -> Result<(), ReadError> {
        let deleted_at = bodies.iter().filter_map(|body| body.head.deleted_at).max();
        // Without the deletion of expired rows, a horizon would leave a gap between them and the new ones.
        let horizon = match trim {
            Trim::Expired => deleted_at.unwrap_or(0).max((revision + 1).saturating_sub(self.history_limit)),
            Trim::Nothing => 0,
        };
        if trim == Trim::Expired && (deleted_at.is_some() || revision > self.history_limit) {
            self.rows.delete_history(name, horizon)?;
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
        Ok(())
    }
}

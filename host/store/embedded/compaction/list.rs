//! Compaction of one list: its commits in the log become its snapshot, a run of history, and receipts.

use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, ToSql, params};

use crate::list::name::ListName;
use crate::store::embedded::block::Blocks;
use crate::store::embedded::commit_record::CommitBody;
use crate::store::embedded::compacted::{self, CompactedRow};
use crate::store::embedded::error::ReadError;
use crate::store::embedded::log_index::LoggedList;
use crate::store::embedded::receipt_rows::ReceiptWriter;
use crate::store::embedded::record::{self, RowKind};

/// The size at which a history row is closed, so that reading a few revisions does not cost thousands.
const MAX_RUN_BYTES: usize = 16 * 1024;

/// The prepared statements of compaction.
pub(super) struct ListCompactor<'db> {
    db: &'db Connection,
    blocks: Blocks<'db>,
    list: CachedStatement<'db>,
    history: CachedStatement<'db>,
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
    /// Prepares the statements. A list retains `history_limit` revisions of history. Receipts before `receipt_horizon` are
    /// expired.
    pub(super) fn prepare(db: &'db Connection, history_limit: u64, receipt_horizon: u64) -> rusqlite::Result<Self> {
        Ok(Self {
            db,
            blocks: Blocks::prepare(db)?,
            list: db.prepare_cached(
                "UPDATE lists SET revision = ?2, seq = ?3, brief = ?4, snapshot = ?5 WHERE name = ?1",
            )?,
            history: db.prepare_cached("INSERT OR REPLACE INTO history (name, last, record) VALUES (?1, ?2, ?3)")?,
            receipts: ReceiptWriter::prepare(db, receipt_horizon)?,
            history_limit,
        })
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
        let columns = params![name.as_str(), revision, last.seq, meta, snapshot];
        if !state.exists() || self.list.execute(columns)? == 0 {
            self.move_row(name, state.exists(), columns)?;
        }
        for ((seq, _), body) in commits.iter().zip(&bodies) {
            self.receipts.add(name, *seq, &body.receipts)?;
        }
        self.add_history(name, &bodies, revision, trim)
    }

    /// Moves a list's compacted row between the existing lists and the tombstones: the list was created or deleted.
    fn move_row(&self, name: &ListName, exists: bool, columns: &[&dyn ToSql]) -> rusqlite::Result<()> {
        let (insert, delete) = match exists {
            true => ("INSERT INTO lists VALUES (?1, ?2, ?3, ?4, ?5)", "DELETE FROM gone WHERE name = ?1"),
            false => ("INSERT OR REPLACE INTO gone VALUES (?1, ?2, ?3, ?4, ?5)", "DELETE FROM lists WHERE name = ?1"),
        };
        self.db.prepare_cached(insert)?.execute(columns)?;
        self.db.prepare_cached(delete)?.execute([name.as_str()])?;
        Ok(())
    }

    fn add_history(
        &mut self,
        name: &ListName,
        bodies: &[CommitBody<'_>],
        revision: u64,
        trim: Trim,
    ) -> Result<(), ReadError> {
        let deleted_at = bodies.iter().filter_map(|body| body.head.deleted_at).max();
        let horizon = deleted_at.unwrap_or(0).max((revision + 1).saturating_sub(self.history_limit));
        if trim == Trim::Expired && (deleted_at.is_some() || revision > self.history_limit) {
            let mut delete = self.db.prepare_cached("DELETE FROM history WHERE name = ?1 AND last < ?2")?;
            delete.execute(params![name.as_str(), horizon])?;
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
                self.history.execute(params![name.as_str(), end, record::history(name, end, &run)])?;
                run.clear();
            }
        }
        if !run.is_empty() {
            self.history.execute(params![name.as_str(), end, record::history(name, end, &run)])?;
        }
        Ok(())
    }
}

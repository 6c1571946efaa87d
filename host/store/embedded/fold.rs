//! Folding one list: its commits in the log become its snapshot, a run of history, and receipts.

use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, OptionalExtension, ToSql, params};

use super::block::{Block, Blocks, Frame};
use super::log_index::{Row, Tail};
use super::record::{self, Body, Kind, ListMeta};
use crate::list::List;
use crate::list::name::ListName;
use crate::store::MAX_RECEIPTS;

/// A history row is closed at this size, so that reading a few revisions does not cost thousands.
const MAX_RUN_BYTES: usize = 16 * 1024;

/// Leaves room for one commit's receipts between the places of two commits.
pub(super) const PLACES_PER_ROW: u64 = 256;

/// A commit in the log, by its number, with what it is part of.
pub(super) type Record = (u64, Arc<Block>);

/// Why a list was not folded.
pub(super) enum Fault {
    /// The list cannot be read; the others can.
    List(String),
    /// The database failed.
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<String> for Fault {
    fn from(why: String) -> Self {
        Self::List(why)
    }
}

/// The statements of folding, prepared.
pub(super) struct Fold<'db> {
    db: &'db Connection,
    blocks: Blocks<'db>,
    list: CachedStatement<'db>,
    history: CachedStatement<'db>,
    receipt: CachedStatement<'db>,
    keep: u64,
}

/// A list's folded row.
pub(super) struct Base {
    pub(super) meta: ListMeta,
    /// The last commit that is in it.
    pub(super) seq: u64,
    snapshot: Vec<u8>,
}

impl Base {
    /// Reads a list's folded row; one that was never folded is absent at revision 0.
    pub(super) fn read(db: &Connection, name: &ListName) -> Result<Option<Self>, Fault> {
        let mut select = db.prepare_cached(
            "SELECT revision, seq, brief, snapshot FROM lists WHERE name = ?1
             UNION ALL SELECT revision, seq, brief, snapshot FROM gone WHERE name = ?1",
        )?;
        let row = select.query_row([name.as_str()], |row| {
            Ok((row.get::<_, u64>(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?, row.get(3)?))
        });
        let Some((revision, seq, meta, snapshot)) = row.optional()? else { return Ok(None) };
        Ok(Some(Self { meta: read_brief(name, revision, seq, &meta)?, seq, snapshot }))
    }

    /// The list itself.
    pub(super) fn list(&self, name: &ListName) -> Result<List, String> {
        record::snapshot(name, self.meta.revision, &self.snapshot)
    }
}

/// Takes what is known of a list from its folded row's columns.
pub(super) fn read_brief(name: &ListName, revision: u64, seq: u64, bytes: &[u8]) -> Result<ListMeta, String> {
    let (in_seq, meta): (u64, ListMeta) = record::decode(Kind::ListMeta, name, revision, bytes)?;
    match (in_seq == seq, meta.revision == revision) {
        (true, true) => Ok(meta),
        _ => Err("its folded row contradicts itself".into()),
    }
}

/// Reads those of the commits that are not in memory, and drops those that the folded row has.
pub(super) fn unfolded_rows(blocks: &mut Blocks<'_>, base: u64, rows: &[Row]) -> Result<Vec<Record>, Fault> {
    let later = rows.iter().filter(|row| row.seq > base);
    let with_block = |row: &Row| match &row.block {
        Some(block) => Ok((row.seq, block.clone())),
        None => Ok((row.seq, blocks.holding(row.seq)?)),
    };
    later.map(with_block).collect()
}

/// The frame of a list's commit.
fn frame<'a>(name: &ListName, (seq, block): &'a Record) -> Result<Frame<'a>, String> {
    let frame = block.frame(*seq).ok_or_else(|| format!("its log entry {seq} is missing"))?;
    if frame.name == name.as_str().as_bytes() {
        Ok(frame)
    } else {
        Err(format!("its log entry {seq} is of another list"))
    }
}

impl<'db> Fold<'db> {
    /// Prepares for folding; `keep` is how many revisions of history a list keeps.
    pub(super) fn prepare(db: &'db Connection, keep: u64) -> rusqlite::Result<Self> {
        Ok(Self {
            db,
            blocks: Blocks::prepare(db)?,
            list: db.prepare_cached(
                "UPDATE lists SET revision = ?2, seq = ?3, brief = ?4, snapshot = ?5 WHERE name = ?1",
            )?,
            history: db.prepare_cached("INSERT OR REPLACE INTO history (name, last, record) VALUES (?1, ?2, ?3)")?,
            receipt: db.prepare_cached("INSERT OR REPLACE INTO receipts (name, place, record) VALUES (?1, ?2, ?3)")?,
            keep,
        })
    }

    /// Folds one list.
    pub(super) fn list(&mut self, name: &ListName, tail: &Tail) -> Result<(), Fault> {
        let Some(last) = tail.rows.last() else { return Ok(()) };
        let state = tail.state.upgrade();
        // A row that was there when the store was opened may have been folded before the crash.
        let reads = state.is_none() || tail.rows.iter().any(|row| row.block.is_none());
        let base = if reads { Base::read(self.db, name)? } else { None };
        let records = unfolded_rows(&mut self.blocks, base.as_ref().map_or(0, |base| base.seq), &tail.rows)?;
        if records.is_empty() {
            return Ok(());
        }
        let bodies = bodies(name, &records)?;
        let state = match state {
            Some(state) => state,
            None => Arc::new(replay(name, base.as_ref(), &bodies)?),
        };
        let revision = tail.meta.revision;
        let meta = record::encode(Kind::ListMeta, name, revision, &(last.seq, &tail.meta));
        let snapshot = record::encode(Kind::Snapshot, name, revision, &state.snapshot());
        let columns = params![name.as_str(), revision, last.seq, meta, snapshot];
        if !state.exists() || self.list.execute(columns)? == 0 {
            self.migrate_list(name, state.exists(), columns)?;
        }
        if bodies.iter().any(|body| !body.receipts.is_empty()) {
            self.add_receipts(name, &records, &bodies)?;
        }
        self.add_history(name, &bodies, revision)
    }

    /// Writes a list's folded row where it was not: a list came into being, or is no more.
    fn migrate_list(&self, name: &ListName, exists: bool, columns: &[&dyn ToSql]) -> rusqlite::Result<()> {
        let (insert, delete) = match exists {
            true => ("INSERT INTO lists VALUES (?1, ?2, ?3, ?4, ?5)", "DELETE FROM gone WHERE name = ?1"),
            false => ("INSERT OR REPLACE INTO gone VALUES (?1, ?2, ?3, ?4, ?5)", "DELETE FROM lists WHERE name = ?1"),
        };
        self.db.prepare_cached(insert)?.execute(columns)?;
        self.db.prepare_cached(delete)?.execute([name.as_str()])?;
        Ok(())
    }

    fn add_history(&mut self, name: &ListName, bodies: &[Body<'_>], revision: u64) -> Result<(), Fault> {
        let erased = bodies.iter().filter_map(|body| body.head.erased).max();
        let horizon = erased.unwrap_or(0).max((revision + 1).saturating_sub(self.keep));
        if erased.is_some() || revision > self.keep {
            let mut delete = self.db.prepare_cached("DELETE FROM history WHERE name = ?1 AND last < ?2")?;
            delete.execute(params![name.as_str(), horizon])?;
        }
        let (mut run, mut end) = (Vec::new(), 0);
        // Rows that bring receipts only have no revisions to keep.
        let kept = |body: &&Body<'_>| body.head.meta.revision >= horizon && body.head.after < body.head.meta.revision;
        for body in bodies.iter().filter(kept) {
            end = body.head.meta.revision;
            if body.head.after + 1 < erased.unwrap_or(0) {
                let kept = record::revisions(body.revisions)?.into_iter().filter(|r| r.number >= horizon);
                run.extend(record::run(&kept.collect::<Vec<_>>()));
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

    fn add_receipts(&mut self, name: &ListName, records: &[Record], bodies: &[Body<'_>]) -> Result<(), Fault> {
        for ((seq, _), body) in records.iter().zip(bodies) {
            for (place, receipt) in (seq * PLACES_PER_ROW..).zip(&body.receipts) {
                let record = record::encode(Kind::Receipt, name, place, receipt);
                self.receipt.execute(params![name.as_str(), place, record])?;
            }
        }
        let mut trim = self.db.prepare_cached(
            "DELETE FROM receipts WHERE name = ?1 AND place <=
             (SELECT place FROM receipts WHERE name = ?1 ORDER BY place DESC LIMIT 1 OFFSET ?2)",
        )?;
        trim.execute(params![name.as_str(), MAX_RECEIPTS])?;
        Ok(())
    }
}

/// Takes commits apart.
pub(super) fn bodies<'a>(name: &ListName, records: &'a [Record]) -> Result<Vec<Body<'a>>, String> {
    let body = |record| frame(name, record).and_then(|frame| record::log_body(name, frame.revision, frame.record));
    records.iter().map(body).collect()
}

/// The list that commits lead to from its folded row.
pub(super) fn replay(name: &ListName, base: Option<&Base>, bodies: &[Body<'_>]) -> Result<List, String> {
    let mut list = base.map_or_else(|| Ok(List::default()), |base| base.list(name))?;
    bodies.iter().try_for_each(|body| apply(&mut list, body))?;
    Ok(list)
}

/// Applies a commit's revisions, and checks that it continues the list.
fn apply(list: &mut List, body: &Body<'_>) -> Result<(), String> {
    if body.head.after != list.revision() {
        return Err(format!("it is at revision {}, its log goes on after {}", list.revision(), body.head.after));
    }
    for revision in record::revisions(body.revisions)? {
        if revision.number != list.revision() + 1 {
            return Err(format!("revision {} follows {}", revision.number, list.revision()));
        }
        *list = list
            .apply(&revision.changes)
            .map_err(|error| format!("revision {} does not apply: {error}", revision.number))?;
    }
    if ListMeta::of(list, body.head.meta.wake_up) != body.head.meta {
        return Err(format!("its log row {} does not lead where it says", body.head.meta.revision));
    }
    Ok(())
}

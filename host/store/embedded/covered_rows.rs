//! The statements that change rows which the digest covers.
//!
//! No other file has such statements, so that none changes a row without its part of the digest. A test reads the source
//! for them, and every run of the contract suite ends with a recount of all rows.

use rusqlite::{Connection, OptionalExtension, params};

use super::digest::{Account, CoveredRow, CoveredTable, RowChanges};
use crate::list::name::ListName;

/// Deletes the first receipts in the order of time. The index and the row must agree that the receipt is expired.
pub(super) const DELETE_EXPIRED: &str = "DELETE FROM receipts WHERE (name, place) IN
    (SELECT name, place FROM receipts WHERE time < ?1 ORDER BY time LIMIT ?2) AND time < ?1
    RETURNING name, place, time, holder, bytes";

/// Numbers evidence downwards from 0, because the commits in `quarantine` have the numbers above.
const NEXT_EVIDENCE: &str = "(SELECT min(0, ifnull(min(seq), 0)) FROM quarantine) - row_number() OVER ()";

/// The columns of a list's rows that are copied as evidence, each with the column of its number.
const EVIDENCE: [(&str, &str, &str); 6] = [
    ("lists", "revision", "brief"),
    ("lists", "revision", "snapshot"),
    ("gone", "revision", "brief"),
    ("gone", "revision", "snapshot"),
    ("history", "last", "record"),
    ("receipts", "place", "record"),
];

/// The covered tables within one transaction.
#[derive(Clone, Copy)]
pub(super) struct CoveredRows<'a> {
    pub(super) db: &'a Connection,
    pub(super) changes: &'a RowChanges<'a>,
}

/// The compacted row of a list.
pub(super) struct CompactedColumns<'a> {
    pub(super) revision: u64,
    /// The last commit that the row contains.
    pub(super) seq: u64,
    pub(super) meta: &'a [u8],
    pub(super) snapshot: &'a [u8],
}

/// The row of a receipt.
pub(super) struct ReceiptColumns<'a> {
    pub(super) time: i64,
    pub(super) holder: &'a str,
    pub(super) bytes: u64,
    pub(super) record: &'a [u8],
}

/// SQLite's integers end at `i64::MAX`, which no number of a commit and no real time reaches.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl CoveredRows<'_> {
    fn added(&self, table: CoveredTable, name: &str, number: i64) {
        self.changes.added(&CoveredRow::new(table, name.as_bytes(), number));
    }

    fn removed(&self, table: CoveredTable, name: &str, number: i64) {
        self.changes.removed(&CoveredRow::new(table, name.as_bytes(), number));
    }

    /// Writes the compacted row of a list, as that of an existing list or as a tombstone.
    pub(super) fn put_compacted(
        &self,
        name: &ListName,
        exists: bool,
        columns: &CompactedColumns<'_>,
    ) -> rusqlite::Result<()> {
        let (table, select, update, insert) = match exists {
            true => (
                CoveredTable::Lists,
                "SELECT seq FROM lists WHERE name = ?1",
                "UPDATE lists SET revision = ?2, seq = ?3, brief = ?4, snapshot = ?5 WHERE name = ?1",
                "INSERT INTO lists VALUES (?1, ?2, ?3, ?4, ?5)",
            ),
            false => (
                CoveredTable::Gone,
                "SELECT seq FROM gone WHERE name = ?1",
                "UPDATE gone SET revision = ?2, seq = ?3, brief = ?4, snapshot = ?5 WHERE name = ?1",
                "INSERT INTO gone VALUES (?1, ?2, ?3, ?4, ?5)",
            ),
        };
        let before: Option<i64> =
            self.db.prepare_cached(select)?.query_row([name.as_str()], |row| row.get(0)).optional()?;
        let CompactedColumns { revision, seq, meta, snapshot } = columns;
        let write = if before.is_some() { update } else { insert };
        self.db.prepare_cached(write)?.execute(params![name.as_str(), revision, seq, meta, snapshot])?;
        if let Some(before) = before {
            self.removed(table, name.as_str(), before);
        }
        self.added(table, name.as_str(), integer(*seq));
        if before.is_none() || !exists { self.delete_compacted(name, !exists) } else { Ok(()) }
    }

    /// Deletes the compacted row of an existing list, or the tombstone.
    pub(super) fn delete_compacted(&self, name: &ListName, exists: bool) -> rusqlite::Result<()> {
        self.delete_of(name, if exists { CoveredTable::Lists } else { CoveredTable::Gone })
    }

    /// Adds a run of history that ends with the revision `last`.
    pub(super) fn put_history(&self, name: &ListName, last: u64, record: &[u8]) -> rusqlite::Result<()> {
        let columns = params![name.as_str(), last, record];
        let insert = "INSERT OR IGNORE INTO history (name, last, record) VALUES (?1, ?2, ?3)";
        if self.db.prepare_cached(insert)?.execute(columns)? > 0 {
            self.added(CoveredTable::History, name.as_str(), integer(last));
            return Ok(());
        }
        let update = "UPDATE history SET record = ?3 WHERE name = ?1 AND last = ?2";
        self.db.prepare_cached(update)?.execute(columns).map(drop)
    }

    /// Writes the records of a list anew, whose rows stay what they are: the metadata and the snapshot.
    pub(super) fn rewrite_compacted(
        &self,
        name: &ListName,
        table: CoveredTable,
        meta: &[u8],
        snapshot: &[u8],
    ) -> rusqlite::Result<()> {
        let update = format!("UPDATE {} SET brief = ?2, snapshot = ?3 WHERE name = ?1", table.name());
        self.db.prepare_cached(&update)?.execute(params![name.as_str(), meta, snapshot]).map(drop)
    }

    /// Deletes the runs of history that end before a revision.
    pub(super) fn delete_history(&self, name: &ListName, before: u64) -> rusqlite::Result<()> {
        let delete = "DELETE FROM history WHERE name = ?1 AND last < ?2 RETURNING last";
        let mut delete = self.db.prepare_cached(delete)?;
        let mut rows = delete.query(params![name.as_str(), before])?;
        while let Some(row) = rows.next()? {
            self.removed(CoveredTable::History, name.as_str(), row.get(0)?);
        }
        Ok(())
    }

    /// Writes a receipt at its place in the order of all receipts.
    pub(super) fn put_receipt(
        &self,
        name: &ListName,
        place: u64,
        columns: &ReceiptColumns<'_>,
    ) -> rusqlite::Result<()> {
        let ReceiptColumns { time, holder, bytes, record } = columns;
        let insert = "INSERT OR IGNORE INTO receipts (name, place, time, holder, bytes, record)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let mut insert = self.db.prepare_cached(insert)?;
        let values = params![name.as_str(), place, time, holder, bytes, record];
        if insert.execute(values)? == 0 {
            // No place is given twice, unless commits were lost.
            let delete =
                "DELETE FROM receipts WHERE name = ?1 AND place = ?2 RETURNING name, place, time, holder, bytes";
            self.delete_receipts(delete, params![name.as_str(), place])?;
            insert.execute(values)?;
        }
        let account = Account { time: *time, holder: holder.as_bytes(), bytes: integer(*bytes) };
        self.changes.added(&CoveredRow::receipt(name.as_str().as_bytes(), integer(place), account));
        Ok(())
    }

    /// Deletes at most `limit` receipts before `horizon`, and returns how many.
    pub(super) fn delete_expired_receipts(&self, horizon: i64, limit: usize) -> rusqlite::Result<usize> {
        self.delete_receipts(DELETE_EXPIRED, params![horizon, limit])
    }

    fn delete_receipts(&self, delete: &str, parameters: impl rusqlite::Params) -> rusqlite::Result<usize> {
        let mut delete = self.db.prepare_cached(delete)?;
        let (mut rows, mut count) = (delete.query(parameters)?, 0);
        while let Some(row) = rows.next()? {
            let account = Account { time: row.get(2)?, holder: row.get_ref(3)?.as_bytes()?, bytes: row.get(4)? };
            self.changes.removed(&CoveredRow::receipt(row.get_ref(0)?.as_bytes()?, row.get(1)?, account));
            count += 1;
        }
        Ok(count)
    }

    /// Adds the timer of a list.
    pub(super) fn put_timer(&self, name: &ListName, at: u64) -> rusqlite::Result<()> {
        if self.insert_timer(name, at)? {
            self.added(CoveredTable::Timers, name.as_str(), integer(at));
        }
        Ok(())
    }

    /// Adds the timer of a list, which is missing although the digest counts it.
    pub(super) fn restore_timer(&self, name: &ListName, at: u64) -> rusqlite::Result<()> {
        if self.insert_timer(name, at)? {
            self.changes.restored(&CoveredRow::new(CoveredTable::Timers, name.as_str().as_bytes(), integer(at)));
        }
        Ok(())
    }

    fn insert_timer(&self, name: &ListName, at: u64) -> rusqlite::Result<bool> {
        let insert = "INSERT OR IGNORE INTO timers (at, name) VALUES (?1, ?2)";
        Ok(self.db.prepare_cached(insert)?.execute(params![integer(at), name.as_str()])? > 0)
    }

    /// Deletes the timer of a list.
    pub(super) fn delete_timer(&self, name: &ListName, at: u64) -> rusqlite::Result<()> {
        let delete = "DELETE FROM timers WHERE at = ?1 AND name = ?2";
        if self.db.prepare_cached(delete)?.execute(params![integer(at), name.as_str()])? > 0 {
            self.removed(CoveredTable::Timers, name.as_str(), integer(at));
        }
        Ok(())
    }

    /// Copies a commit of a list that cannot be read, unless the commit was copied before. A number that another commit has
    /// was given twice, after commits were lost, and the copy then has a number of its own.
    pub(super) fn put_evidence(
        &self,
        seq: u64,
        name: &str,
        revision: u64,
        record: &[u8],
        why: &str,
    ) -> rusqlite::Result<()> {
        let insert = "INSERT OR IGNORE INTO quarantine (seq, name, revision, record, why) VALUES (?1, ?2, ?3, ?4, ?5)";
        if self.db.prepare_cached(insert)?.execute(params![seq, name, revision, record, why])? > 0 {
            self.added(CoveredTable::Quarantine, name, integer(seq));
            return Ok(());
        }
        let same = "SELECT EXISTS (SELECT 1 FROM quarantine WHERE name = ?1 AND record = ?2)";
        match self.db.prepare_cached(same)?.query_row(params![name, record], |row| row.get(0))? {
            true => Ok(()),
            false => self.keep_row(name, revision, record, why),
        }
    }

    /// Marks a list as unreadable without a copy of a commit.
    pub(super) fn mark_unreadable(&self, name: &ListName, why: &str) -> rusqlite::Result<()> {
        self.keep_row(name.as_str(), 0, &[], why)
    }

    /// Gives the evidence about a list another name.
    pub(super) fn rename_evidence(&self, name: &ListName, to: &str) -> rusqlite::Result<()> {
        let update = "UPDATE quarantine SET name = ?2 WHERE name = ?1 RETURNING seq";
        let mut update = self.db.prepare(update)?;
        let mut rows = update.query(params![name.as_str(), to])?;
        while let Some(row) = rows.next()? {
            let seq = row.get(0)?;
            self.removed(CoveredTable::Quarantine, name.as_str(), seq);
            self.added(CoveredTable::Quarantine, to, seq);
        }
        Ok(())
    }

    /// Moves all rows of a list into the evidence under another name, and deletes its timers.
    pub(super) fn move_to_evidence(&self, name: &ListName, to: &str) -> rusqlite::Result<()> {
        for (table, number, record) in EVIDENCE {
            let copy = format!(
                "INSERT INTO quarantine (seq, name, revision, record, why)
                 SELECT {NEXT_EVIDENCE}, ?2, {number}, {record}, 'the list was deleted; {table}.{record}'
                 FROM {table} WHERE name = ?1 RETURNING seq"
            );
            self.add_evidence(&copy, to, params![name.as_str(), to])?;
        }
        for table in [CoveredTable::Lists, CoveredTable::Gone, CoveredTable::History, CoveredTable::Timers] {
            self.delete_of(name, table)?;
        }
        let receipts = "DELETE FROM receipts WHERE name = ?1 RETURNING name, place, time, holder, bytes";
        self.delete_receipts(receipts, [name.as_str()]).map(drop)
    }

    /// Moves the history of a list into the evidence under another name.
    pub(super) fn give_up_history(&self, name: &ListName, to: &str, why: &str) -> rusqlite::Result<()> {
        let copy = format!(
            "INSERT INTO quarantine (seq, name, revision, record, why)
             SELECT {NEXT_EVIDENCE}, ?2, last, record, ?3 || '; history.record' FROM history WHERE name = ?1
             RETURNING seq"
        );
        self.add_evidence(&copy, to, params![name.as_str(), to, why])?;
        self.delete_of(name, CoveredTable::History)
    }

    /// Keeps one row as evidence.
    pub(super) fn keep_row(&self, name: &str, number: u64, record: &[u8], why: &str) -> rusqlite::Result<()> {
        let insert = format!(
            "INSERT INTO quarantine (seq, name, revision, record, why) SELECT {NEXT_EVIDENCE}, ?1, ?2, ?3, ?4
             RETURNING seq"
        );
        self.add_evidence(&insert, name, params![name, number, record, why])
    }

    /// Deletes the evidence under a name with that reason.
    pub(super) fn delete_evidence(&self, name: &str, why: &str) -> rusqlite::Result<()> {
        let mut delete = self.db.prepare("DELETE FROM quarantine WHERE name = ?1 AND why = ?2 RETURNING seq")?;
        let mut rows = delete.query(params![name, why])?;
        while let Some(row) = rows.next()? {
            self.removed(CoveredTable::Quarantine, name, row.get(0)?);
        }
        Ok(())
    }

    fn add_evidence(&self, insert: &str, name: &str, parameters: impl rusqlite::Params) -> rusqlite::Result<()> {
        let mut insert = self.db.prepare(insert)?;
        let mut rows = insert.query(parameters)?;
        while let Some(row) = rows.next()? {
            self.added(CoveredTable::Quarantine, name, row.get(0)?);
        }
        Ok(())
    }

    /// Deletes the rows of a list in one of the tables whose number is the whole account of a row.
    fn delete_of(&self, name: &ListName, table: CoveredTable) -> rusqlite::Result<()> {
        let delete = match table {
            CoveredTable::Lists => "DELETE FROM lists WHERE name = ?1 RETURNING seq",
            CoveredTable::Gone => "DELETE FROM gone WHERE name = ?1 RETURNING seq",
            CoveredTable::History => "DELETE FROM history WHERE name = ?1 RETURNING last",
            CoveredTable::Timers => "DELETE FROM timers WHERE name = ?1 RETURNING at",
            CoveredTable::Receipts | CoveredTable::Quarantine => unreachable!("these have statements of their own"),
        };
        let mut delete = self.db.prepare_cached(delete)?;
        let mut rows = delete.query([name.as_str()])?;
        while let Some(row) = rows.next()? {
            self.removed(table, name.as_str(), row.get(0)?);
        }
        Ok(())
    }

    /// Notes the last commit that was truncated from the log.
    pub(super) fn set_truncated_to(&self, seq: u64) -> rusqlite::Result<()> {
        self.db.prepare_cached("UPDATE cut SET seq = ?1")?.execute([seq])?;
        self.changes.truncated(seq);
        Ok(())
    }
}

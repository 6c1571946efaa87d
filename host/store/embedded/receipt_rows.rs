//! The rows of compacted receipts: written by compaction, accounted for, and deleted after they expire.
//!
//! The table has an index by time with the account of each receipt. Opening the store reads that index, and deleting
//! expired receipts reads only what it deletes.

use std::cell::Cell;

use rusqlite::{Connection, params};

use super::covered_rows::{CoveredRows, ReceiptColumns};
use super::damage;
use super::digest::RowChanges;
use super::receipt_record::{self, EncodedReceipt};
use crate::list::name::ListName;
use crate::store::MAX_COMMIT_RECEIPTS;
use crate::store::receipt_room::{ReceiptAccount, ReceiptRoom};

/// How many places a commit has for its receipts in the order of all receipts.
const PLACES_PER_COMMIT: u64 = MAX_COMMIT_RECEIPTS as u64;

/// How many expired receipts one durable write deletes at most.
pub(super) const MAX_DELETED: usize = 512;

/// Expired receipts are deleted when this much time was added since the last ones, in milliseconds.
const DELETED_EVERY: u64 = 60_000;

/// The time of a receipt whose row cannot be read. It never expires, because a list with such a row is unreadable, and
/// deleting the evidence would make it an older list.
const UNREADABLE: i64 = i64::MAX;

/// SQLite's integers end at `i64::MAX`, which no real time reaches.
pub(super) fn at(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

/// Adds rows. Receipts before `horizon` are expired, and not added.
pub(super) struct ReceiptWriter<'db> {
    pub(super) rows: CoveredRows<'db>,
    pub(super) horizon: u64,
}

impl ReceiptWriter<'_> {
    /// Adds the receipts of the commit of that number.
    pub(super) fn add(&self, name: &ListName, seq: u64, receipts: &[EncodedReceipt<'_>]) -> rusqlite::Result<()> {
        for (place, receipt) in (seq * PLACES_PER_COMMIT..).zip(receipts) {
            if receipt.time >= self.horizon {
                self.insert(name, place, receipt)?;
            }
        }
        Ok(())
    }

    fn insert(&self, name: &ListName, place: u64, receipt: &EncodedReceipt<'_>) -> rusqlite::Result<()> {
        let EncodedReceipt { time, holder, bytes, .. } = receipt;
        let record = receipt.row(name, place);
        self.rows.put_receipt(name, place, &ReceiptColumns { time: at(*time), holder, bytes: *bytes, record: &record })
    }
}

/// Accounts for all rows of commits up to `truncated_to`. Those of later commits are in the log, too, which accounts for
/// them.
pub(super) fn account(db: &Connection, truncated_to: u64, room: &ReceiptRoom) -> rusqlite::Result<()> {
    let mut select = db.prepare("SELECT place, time, holder, bytes FROM receipts ORDER BY time")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let place: u64 = row.get(0)?;
        if place / PLACES_PER_COMMIT <= truncated_to {
            let holder: String = row.get(2)?;
            room.account(&ReceiptAccount { time: row.get(1)?, holder: holder.into(), bytes: row.get(3)? });
        }
    }
    Ok(())
}

/// Deletes expired receipts, some with each durable write.
#[derive(Default)]
pub(super) struct ReceiptExpiry {
    /// All receipts before this time are deleted. The last of all times after damage, until the store is opened again.
    deleted_to: Cell<u64>,
}

impl ReceiptExpiry {
    /// Deletes some of the receipts before `horizon`. The caller has begun the transaction. After damage it must write the
    /// transaction anew, because SQLite commits none that met a damaged page. The next call deletes nothing.
    pub(super) fn delete_some(&self, rows: CoveredRows<'_>, horizon: u64) -> rusqlite::Result<()> {
        if horizon < self.deleted_to.get().saturating_add(DELETED_EVERY) {
            return Ok(());
        }
        match rows.delete_expired_receipts(at(horizon), MAX_DELETED) {
            Ok(deleted) if deleted == MAX_DELETED => Ok(()),
            Ok(_) => {
                self.deleted_to.set(horizon);
                Ok(())
            }
            Err(error) => {
                if damage::is_damage(&error) {
                    tracing::error!(%error, "expired receipts cannot be deleted; restore the data directory from a backup");
                    self.deleted_to.set(u64::MAX);
                }
                Err(error)
            }
        }
    }
}

/// Moves the receipts of format 1, whose table had no time and no account, and deletes their table.
pub(super) fn convert(db: &Connection) -> rusqlite::Result<()> {
    let mut select = db.prepare("SELECT name, place, record FROM receipts_1")?;
    let mut rows = select.query([])?;
    // The digest of all rows is made after the conversion.
    let changes = RowChanges::default();
    let writer = ReceiptWriter { rows: CoveredRows { db, changes: &changes }, horizon: 0 };
    let keep = "INSERT INTO receipts (name, place, time, holder, bytes, record) VALUES (?1, ?2, ?3, '', ?4, ?5)";
    let mut keep = db.prepare(keep)?;
    while let Some(row) = rows.next()? {
        let (text, place, record): (String, u64, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let read = ListName::new(&text).map_err(|error| error.to_string());
        let read = read.and_then(|name| Ok((receipt_record::from_row(&name, place, &record)?, name)));
        match read {
            Ok((receipt, name)) => writer.insert(&name, place, &EncodedReceipt::of(&receipt))?,
            Err(why) => {
                tracing::error!(list = text, why, "a receipt cannot be read; its list is unreadable");
                keep.execute(params![text, place, UNREADABLE, record.len(), record])?;
            }
        }
    }
    drop(rows);
    drop(select);
    db.execute_batch("DROP TABLE receipts_1")
}

//! The rows of compacted receipts: written by compaction, accounted for, and deleted after they expire.
//!
//! The table has an index by time with the account of each receipt. Opening the store reads that index, and deleting
//! expired receipts reads only what it deletes.

use std::cell::Cell;

use rusqlite::{CachedStatement, Connection, params};

use super::covered_rows::{CoveredRows, ReceiptColumns};
use super::damage;
use super::digest::RowChanges;
use super::encoding_2;
use super::readable_rows;
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
    /// All receipts before this time are deleted, as far as they were added before.
    deleted_to: Cell<u64>,
    /// Whether a damaged page was met, after which nothing is deleted until the store is opened again.
    is_damaged: Cell<bool>,
}

impl ReceiptExpiry {
    /// Deletes some of the receipts before `horizon`. The caller has begun the transaction. After damage it must write the
    /// transaction anew, because SQLite commits none that met a damaged page. The next call deletes nothing.
    pub(super) fn delete_some(&self, rows: CoveredRows<'_>, horizon: u64) -> rusqlite::Result<()> {
        // The clock was set back. Receipts that expire from now on have times before those that were deleted.
        self.deleted_to.set(self.deleted_to.get().min(horizon));
        if self.is_damaged.get() || horizon < self.deleted_to.get().saturating_add(DELETED_EVERY) {
            return Ok(());
        }
        match rows.delete_expired_receipts(at(horizon), MAX_DELETED) {
            Ok(deleted) if deleted == MAX_DELETED => Ok(()),
            Ok(_) => {
                self.deleted_to.set(horizon);
                Ok(())
            }
            Err(error) => {
                self.is_damaged.set(damage::is_damage(&error));
                Err(error)
            }
        }
    }
}

/// The damage that keeps expired receipts from being deleted. It costs no list.
pub(super) fn undeletable(error: &rusqlite::Error) -> String {
    format!(
        "expired receipts cannot be deleted, because a page of the table receipts or its index is damaged ({error}); stop \
         the server, and repair the database with `hotlist verify --repair`"
    )
}

/// What became of the receipts of format 1.
#[derive(Default)]
pub(super) struct ConvertedReceipts {
    /// The number of receipts that were read.
    pub(super) receipts: u64,
    /// The lists with a receipt that cannot be read, and why. They are unreadable from now on.
    pub(super) unreadable: Vec<(String, String)>,
    /// Whether pages of the table are damaged, so that it cannot be deleted.
    pub(super) has_damaged_pages: bool,
}

/// Reads the receipts of format 1, whose table had no time and no account, and writes them into the table of format 2 of
/// `target`. `source` is another connection, because SQLite commits no transaction that met a damaged page.
pub(super) fn convert(source: &Connection, target: Option<&Connection>) -> rusqlite::Result<ConvertedReceipts> {
    let mut found = ConvertedReceipts::default();
    let mut all = source.prepare("SELECT name, place, record FROM receipts")?;
    found.has_damaged_pages = match readable_rows::read_all(&mut all) {
        Ok(()) => false,
        Err(error) if damage::is_damage(&error) => true,
        Err(error) => return Err(error),
    };
    // The digest of all rows is made after the conversion.
    let changes = RowChanges::new(None);
    let writer = |db| OldReceiptWriter::prepare(CoveredRows { db, changes: &changes });
    let mut writer = target.map(writer).transpose()?;
    if !found.has_damaged_pages {
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            found.convert((row.get(0)?, row.get(1)?, row.get(2)?), writer.as_mut())?;
        }
        return Ok(found);
    }
    let mut of_list = source.prepare("SELECT place, record FROM receipts WHERE name = ?1")?;
    let (mut names, _) = readable_rows::names(source, "lists")?;
    names.extend(readable_rows::names(source, "gone")?.0);
    for name in names {
        let rows = of_list.query_map([&name], |row| Ok((row.get(0)?, row.get(1)?)));
        match rows.and_then(|rows| rows.collect::<rusqlite::Result<Vec<(u64, Vec<u8>)>>>()) {
            Ok(rows) => rows
                .into_iter()
                .try_for_each(|(place, record)| found.convert((name.clone(), place, record), writer.as_mut()))?,
            Err(error) if damage::is_damage(&error) => {
                // No receipt has the place, because the numbers of commits begin at 1.
                let why = format!("a page of the table receipts is damaged ({error})");
                found.give_up((name, 0, Vec::new()), why, writer.as_mut())?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// A row of format 1: the list, the place and the record.
type OldReceiptRow = (String, u64, Vec<u8>);

/// Adds receipts of format 1 to the table of format 2.
struct OldReceiptWriter<'db> {
    sound: ReceiptWriter<'db>,
    unreadable: CachedStatement<'db>,
}

impl<'db> OldReceiptWriter<'db> {
    fn prepare(rows: CoveredRows<'db>) -> rusqlite::Result<Self> {
        let keep = "INSERT INTO receipts (name, place, time, holder, bytes, record) VALUES (?1, ?2, ?3, '', ?4, ?5)";
        Ok(Self { sound: ReceiptWriter { rows, horizon: 0 }, unreadable: rows.db.prepare_cached(keep)? })
    }
}

impl ConvertedReceipts {
    fn convert(&mut self, row: OldReceiptRow, writer: Option<&mut OldReceiptWriter<'_>>) -> rusqlite::Result<()> {
        let (text, place, record) = &row;
        let read = ListName::new(text).map_err(|error| error.to_string()).and_then(|name| {
            let receipt = match encoding_2::is_encoding(record) {
                true => encoding_2::receipt(&name, *place, record),
                false => receipt_record::from_row(&name, *place, record),
            };
            Ok((receipt?, name))
        });
        match read {
            Ok((receipt, name)) => {
                self.receipts += 1;
                writer.map_or(Ok(()), |writer| writer.sound.insert(&name, *place, &EncodedReceipt::of(&receipt)))
            }
            Err(why) => self.give_up(row, why, writer),
        }
    }

    /// Marks the list of a receipt as unreadable, by a receipt that never expires and cannot be read.
    fn give_up(
        &mut self,
        (name, place, record): OldReceiptRow,
        why: String,
        writer: Option<&mut OldReceiptWriter<'_>>,
    ) -> rusqlite::Result<()> {
        if let Some(writer) = writer {
            writer.unreadable.execute(params![name, place, UNREADABLE, record.len(), record])?;
        }
        self.unreadable.push((name, why));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::embedded::schema;

    #[test]
    fn receipts_expire_again_at_once_after_the_clock_was_set_ahead_and_back() {
        let dir = tempfile::tempdir().unwrap();
        let db = schema::open_writer(dir.path(), 1 << 20, None).unwrap();
        let (expiry, now) = (ReceiptExpiry::default(), 1_795_000_000_000);
        let count_after = |time: u64, horizon: u64| -> u64 {
            let insert =
                "INSERT INTO receipts (name, place, time, holder, bytes, record) VALUES ('bob', ?1, ?1, '', 0, x'')";
            db.execute(insert, [time]).unwrap();
            let changes = RowChanges::new(None);
            expiry.delete_some(CoveredRows { db: &db, changes: &changes }, horizon).unwrap();
            db.query_row("SELECT count(*) FROM receipts", [], |row| row.get(0)).unwrap()
        };
        assert_eq!(count_after(now, 2 * now), 0, "the clock is far ahead");
        assert_eq!(count_after(now + 1, now), 1, "it is set back");
        assert_eq!(count_after(now + 2, now + DELETED_EVERY), 0, "a minute later");
    }
}

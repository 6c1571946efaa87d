//! What a start would do with a data directory: its format, the encodings of its rows, and their conversion.
//!
//! The check writes nothing. It reads the tables of every format that this program knows, so it uses statements that all
//! of them have.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

use super::block::Block;
use super::conversion::Conversion;
use super::{disk_room, last_commit, observer, schema};
use crate::store::error::StoreError;

/// The columns with encoded rows, by table.
const COLUMNS: [(&str, &str); 4] =
    [("lists", "snapshot"), ("gone", "snapshot"), ("history", "record"), ("receipts", "record")];

/// How many times the size of the database an upgrade needs at most: for its rows in the write-ahead log, and for the rows
/// in the database.
const UPGRADE_SIZES: u64 = 2;

/// What a start of this program would do with a data directory.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct UpgradeCheck {
    /// The format of the directory.
    pub format: i32,
    /// The format that it has after a start.
    pub format_after: i32,
    /// The number of lists that exist and are compacted.
    pub lists: u64,
    /// The number of rows by table and encoding. The log counts by commits.
    pub rows: BTreeMap<&'static str, BTreeMap<u8, u64>>,
    /// The number of lists that a start would convert.
    pub converted_lists: u64,
    /// The number of receipts that a start would move.
    pub moved_receipts: u64,
    /// The lists whose history a start would give up, because its encoding has no inverses and its beginning is not known.
    pub without_history: Vec<String>,
    /// The lists that cannot be converted, and why.
    pub unreadable: Vec<(String, String)>,
    /// The bytes that an upgrade needs at most, or 0 if there is nothing to upgrade.
    pub needed_bytes: u64,
    /// The free bytes of the disk.
    pub free_bytes: u64,
    /// What is damaged besides, or keeps a start from opening the directory.
    pub damage: Vec<String>,
}

impl UpgradeCheck {
    /// Whether a start would change the format of the directory.
    pub fn is_due(&self) -> bool {
        self.format != self.format_after
    }

    /// Whether the disk has room for the upgrade.
    pub fn has_room(&self) -> bool {
        self.needed_bytes <= self.free_bytes
    }

    /// Whether a start can upgrade all that is there.
    pub fn is_possible(&self) -> bool {
        self.has_room() && self.unreadable.is_empty() && self.damage.is_empty()
    }
}

/// Finds out what a start would do with a data directory. A server may use the directory meanwhile.
///
/// # Errors
///
/// [`StoreError::Format`] when this program does not read the directory, and [`StoreError::Failed`].
pub fn check_upgrade(dir: &Path) -> Result<UpgradeCheck, StoreError> {
    let mut check = UpgradeCheck { format_after: schema::FORMAT, ..UpgradeCheck::default() };
    check.damage.extend(observer::log_damage(dir)?);
    let acknowledged = last_commit::read(dir);
    let db = schema::open_any_format(dir)?;
    let read = |db: &Connection| -> rusqlite::Result<(Conversion, u64)> {
        db.execute_batch("BEGIN")?;
        check.format = schema::format(db)?;
        match db.query_row(schema::LAST_COMMIT, [], |row| row.get(0)) {
            Ok(last) => check.damage.extend(last_commit::lacks(acknowledged, last)),
            Err(error) => check.damage.push(format!("the last commit cannot be read: {error}")),
        }
        let mut part = |what: &str, counted: rusqlite::Result<()>| {
            counted.unwrap_or_else(|error| check.damage.push(format!("{what} cannot be read as a whole: {error}")));
        };
        for (table, column) in COLUMNS {
            part(&format!("the table {table}"), count_rows(db, table, column, check.rows.entry(table).or_default()));
        }
        part("the log", count_commits(db, check.rows.entry("log").or_default()));
        check.lists = check.rows["lists"].values().sum();
        let pages: u64 = db.pragma_query_value(None, "page_count", |row| row.get(0))?;
        let page_bytes: u64 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
        Ok((schema::check_conversion(db)?, pages * page_bytes))
    };
    let what = format!("read {}", dir.join(schema::FILE).display());
    let (conversion, bytes) = read(&db).map_err(schema::failed(&what))?;
    check.needed_bytes = if check.is_due() { bytes * UPGRADE_SIZES } else { 0 };
    check.free_bytes = disk_room::free_bytes(dir)?;
    check.converted_lists = conversion.lists;
    check.moved_receipts = conversion.receipts;
    check.without_history = conversion.without_history;
    check.unreadable = conversion.unreadable;
    Ok(check)
}

/// Counts the rows of a table by their encoding.
fn count_rows(db: &Connection, table: &str, column: &str, rows: &mut BTreeMap<u8, u64>) -> rusqlite::Result<()> {
    let mut select = db.prepare(&format!("SELECT substr({column}, 1, 1), count(*) FROM {table} GROUP BY 1"))?;
    let mut counts = select.query([])?;
    while let Some(row) = counts.next()? {
        let encoding: Vec<u8> = row.get(0)?;
        *rows.entry(encoding.first().copied().unwrap_or(0)).or_default() += row.get::<_, u64>(1)?;
    }
    Ok(())
}

/// Counts the commits in the log by their encoding.
fn count_commits(db: &Connection, rows: &mut BTreeMap<u8, u64>) -> rusqlite::Result<()> {
    let mut select = db.prepare("SELECT seq, first, commits FROM log")?;
    let mut log = select.query([])?;
    while let Some(row) = log.next()? {
        let block = Block::parse(row.get(1)?, row.get(2)?);
        for number in block.first()..=row.get(0)? {
            let encoding = block.frame(number).and_then(|frame| frame.record.first().copied());
            *rows.entry(encoding.unwrap_or(0)).or_default() += 1;
        }
    }
    Ok(())
}

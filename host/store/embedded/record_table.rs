//! The tables of records: `records` has the present values, `previous_records` the values before the last changes, and
//! `damaged_records` damaged values that were replaced.
//!
//! A record and its previous value are in different tables, so damage of a page concerns one of them. The checksum of a row
//! covers kind, key and revision.

use rusqlite::{Connection, params};

use super::damage;
use super::record::{self, RowKind};
use crate::store::records::{Record, RecordKey, RecordKind};

/// Reads the keys of a kind from the indexes, so that a damaged row costs only its record. A key whose present row is
/// missing is among them.
const KEYS: &str = "
    SELECT key FROM records INDEXED BY sqlite_autoindex_records_1
        WHERE kind = ?1 AND key >= ?2 AND key > ?3
    UNION SELECT key FROM previous_records INDEXED BY sqlite_autoindex_previous_records_1
        WHERE kind = ?1 AND key >= ?2 AND key > ?3
    ORDER BY key LIMIT ?4";

/// Copies a damaged row. Only the last one of a record is kept, so the table does not grow without a bound.
const COPY_EVIDENCE: &str = "INSERT OR REPLACE INTO damaged_records (kind, key, revision, record, why)
    SELECT kind, key, revision, record, ?3 FROM records WHERE kind = ?1 AND key = ?2";

/// A table of records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Table {
    /// The present values.
    Present,
    /// The values before the last changes.
    Previous,
}

impl Table {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Present => "records",
            Self::Previous => "previous_records",
        }
    }
}

/// Why a row was not read or written.
#[derive(Debug)]
pub(super) enum RowError {
    /// The row is damaged.
    Damaged {
        /// What a change that replaces the record names as the revision that it expects.
        revision: Option<u64>,
        /// The damage.
        why: String,
        /// Whether SQLite found it. It commits no transaction that met such a page, not even one that only read it.
        is_of_page: bool,
    },
    /// The database failed.
    Database(rusqlite::Error),
}

/// A record as a change finds it.
pub(super) enum Found {
    Absent,
    /// It is sound and has this revision.
    Sound(u64),
    Damaged {
        revision: Option<u64>,
        why: String,
    },
}

impl Found {
    /// The revision that a change has to expect.
    pub(super) fn revision(&self) -> Option<u64> {
        match self {
            Self::Absent => None,
            Self::Sound(revision) => Some(*revision),
            Self::Damaged { revision, .. } => *revision,
        }
    }
}

/// Reads a record.
pub(super) fn get(db: &Connection, kind: &RecordKind, key: &RecordKey) -> Result<Option<Record>, RowError> {
    match row(db, Table::Present, kind, key)? {
        Some(record) => Ok(Some(record)),
        None if exists(db, Table::Previous, kind, key)? => {
            let why = "its row is missing, and its previous value is there".into();
            Err(RowError::Damaged { revision: None, why, is_of_page: false })
        }
        None => Ok(None),
    }
}

/// Reads the row of a record in one of the tables.
pub(super) fn row(
    db: &Connection,
    table: Table,
    kind: &RecordKind,
    key: &RecordKey,
) -> Result<Option<Record>, RowError> {
    let damaged = |error| RowError::of(table, error);
    let sql = format!("SELECT revision, record FROM {} WHERE kind = ?1 AND key = ?2", table.name());
    let mut select = db.prepare_cached(&sql).map_err(damaged)?;
    let mut rows = select.query([kind.as_str(), key.as_str()]).map_err(damaged)?;
    let Some(row) = rows.next().map_err(damaged)? else { return Ok(None) };
    let revision: u64 = row.get(0).map_err(damaged)?;
    let bytes = row.get_ref(1).and_then(|bytes| Ok(bytes.as_blob()?)).map_err(damaged)?;
    let unsealed = record::unseal_named(RowKind::Record, &identity(kind, key), revision, bytes);
    let unsealed = unsealed.map_err(|why| RowError::Damaged { revision: Some(revision), why, is_of_page: false })?;
    let content = unsealed.content;
    Ok(Some(Record { revision, value: content.to_vec().into() }))
}

/// The text that binds a row to its record.
pub(super) fn identity(kind: &RecordKind, key: &RecordKey) -> String {
    // No kind and no key has a line break. So this is no list's name either.
    format!("{kind}\n{}", key.as_str())
}

fn exists(db: &Connection, table: Table, kind: &RecordKind, key: &RecordKey) -> Result<bool, RowError> {
    let sql = format!("SELECT 1 FROM {} WHERE kind = ?1 AND key = ?2", table.name());
    let found = db.prepare_cached(&sql).and_then(|mut select| select.exists([kind.as_str(), key.as_str()]));
    found.map_err(|error| RowError::of(table, error))
}

/// The keys of a kind that are not before `prefix` and are after `after`, at most `limit`, in the order of their bytes.
pub(super) fn keys(
    db: &Connection,
    kind: &RecordKind,
    prefix: &str,
    after: &str,
    limit: usize,
) -> rusqlite::Result<Vec<String>> {
    let mut select = db.prepare_cached(KEYS)?;
    select.query_map(params![kind.as_str(), prefix, after, limit], |row| row.get(0))?.collect()
}

/// Finds out what a change would replace.
pub(super) fn find(db: &Connection, kind: &RecordKind, key: &RecordKey) -> Result<Found, RowError> {
    match get(db, kind, key) {
        Ok(Some(record)) => Ok(Found::Sound(record.revision)),
        Ok(None) => Ok(Found::Absent),
        Err(RowError::Damaged { revision, why, is_of_page: false }) => Ok(Found::Damaged { revision, why }),
        Err(error) => Err(error),
    }
}

/// Makes the present value the previous one. The present row stays until it is replaced.
pub(super) fn move_to_previous(db: &Connection, kind: &RecordKind, key: &RecordKey) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO previous_records (kind, key, revision, record)
        SELECT kind, key, revision, record FROM records WHERE kind = ?1 AND key = ?2";
    db.prepare_cached(sql)?.execute([kind.as_str(), key.as_str()]).map(drop)
}

/// Copies a damaged row into `damaged_records`, before it is replaced.
pub(super) fn copy_evidence(db: &Connection, kind: &RecordKind, key: &RecordKey, why: &str) -> rusqlite::Result<()> {
    db.prepare_cached(COPY_EVIDENCE)?.execute([kind.as_str(), key.as_str(), why]).map(drop)
}

/// Replaces the present row. `bytes` is the value with room for the prefix before it. Returns the new revision, which is
/// above `found` and above all that were given before.
pub(super) fn replace(
    db: &Connection,
    kind: &RecordKind,
    key: &RecordKey,
    bytes: &mut [u8],
    found: Option<u64>,
) -> rusqlite::Result<u64> {
    // A damaged revision may be any number, so it does not count.
    let next = "UPDATE last_record SET revision = max(revision, ?1) + 1 RETURNING revision";
    let revision: u64 = db.prepare_cached(next)?.query_row([found.unwrap_or(0)], |row| row.get(0))?;
    record::seal_at(RowKind::Record, &identity(kind, key), revision, bytes);
    let insert = "INSERT OR REPLACE INTO records (kind, key, revision, record) VALUES (?1, ?2, ?3, ?4)";
    db.prepare_cached(insert)?.execute(params![kind.as_str(), key.as_str(), revision, &*bytes])?;
    Ok(revision)
}

/// Deletes the rows of a record.
pub(super) fn delete(db: &Connection, kind: &RecordKind, key: &RecordKey) -> rusqlite::Result<()> {
    for table in [Table::Present, Table::Previous] {
        let sql = format!("DELETE FROM {} WHERE kind = ?1 AND key = ?2", table.name());
        db.prepare_cached(&sql)?.execute([kind.as_str(), key.as_str()])?;
    }
    Ok(())
}

impl RowError {
    /// The error of SQLite in a table.
    pub(super) fn of(table: Table, error: rusqlite::Error) -> Self {
        match damage::is_damage(&error) {
            true => {
                let is_of_page = error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt);
                Self::Damaged { revision: None, why: damage::explain(table.name(), &error), is_of_page }
            }
            false => Self::Database(error),
        }
    }
}

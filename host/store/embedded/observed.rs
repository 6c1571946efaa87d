//! The records of a data directory, read beside the server that uses it.

use std::path::Path;

use rusqlite::Connection;

use super::record_reads::{get, keys_of, previous};
use super::schema;
use crate::store::error::StoreError;
use crate::store::records::{Record, RecordError, RecordKey, RecordKind};

/// The page cache, in bytes. Each record is read once.
const CACHE_BYTES: u64 = 1 << 20;

/// A record with its previous value.
#[derive(Clone, PartialEq, Debug)]
pub struct ObservedRecord {
    /// The key.
    pub key: RecordKey,
    /// The record, or why it cannot be read.
    pub present: Result<Record, RecordError>,
    /// The value before its last change, if there is one.
    pub previous: Result<Option<Record>, RecordError>,
}

/// Reads all records of a kind, in the order of the keys' bytes. For kinds with few records.
///
/// # Errors
///
/// [`StoreError::Format`] when another version of the program wrote the data, and [`StoreError::Failed`].
pub fn observe_records(dir: &Path, kind: &RecordKind) -> Result<Vec<ObservedRecord>, StoreError> {
    let db = schema::open_observer(dir, CACHE_BYTES)?;
    db.execute_batch("BEGIN").map_err(schema::failed("begin to read"))?;
    observe(&db, kind)
}

/// Reads all records of a kind in the transaction of a connection.
pub(super) fn observe(db: &Connection, kind: &RecordKind) -> Result<Vec<ObservedRecord>, StoreError> {
    let mut records = Vec::new();
    for key in keys_of(db, kind)? {
        let present = match get(db, kind, &key) {
            Ok(Some(record)) => Ok(record),
            Ok(None) => continue,
            Err(RecordError::Store(error)) => return Err(error),
            Err(error) => Err(error),
        };
        let previous = match previous(db, kind, &key) {
            Err(RecordError::Store(error)) => return Err(error),
            previous => previous,
        };
        records.push(ObservedRecord { key, present, previous });
    }
    Ok(records)
}

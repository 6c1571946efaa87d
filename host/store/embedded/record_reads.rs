//! Reading of records.

use rusqlite::Connection;

use super::damage;
use super::record_table::{self, RowError, Table};
use crate::store::error::StoreError;
use crate::store::records::{
    ListedRecord, MAX_RECORD_PAGE, RECORD_PAGE_BYTES, Record, RecordError, RecordKey, RecordKind, RecordPage,
};

/// Reads a record.
pub(super) fn get(db: &Connection, kind: &RecordKind, key: &RecordKey) -> Result<Option<Record>, RecordError> {
    record_table::get(db, kind, key).map_err(|error| unread(error, kind, key))
}

/// Reads the previous value of a record.
pub(super) fn previous(db: &Connection, kind: &RecordKind, key: &RecordKey) -> Result<Option<Record>, RecordError> {
    record_table::row(db, Table::Previous, kind, key).map_err(|error| unread(error, kind, key))
}

/// Reads all keys of a kind.
pub(super) fn keys_of(db: &Connection, kind: &RecordKind) -> Result<Vec<RecordKey>, StoreError> {
    let keys = record_table::keys(db, kind, "", "", usize::try_from(i64::MAX).unwrap_or(usize::MAX));
    let keys = keys.map_err(damage::failed_in("list records", "records"))?;
    Ok(keys.iter().filter_map(|key| RecordKey::new(key).ok()).collect())
}

/// Reads a page of records.
pub(super) fn list(
    db: &Connection,
    kind: &RecordKind,
    prefix: &str,
    after: Option<&RecordKey>,
    limit: usize,
) -> Result<RecordPage, RecordError> {
    let limit = limit.min(MAX_RECORD_PAGE);
    // All rows are of one moment. A caller may have begun the transaction.
    let _transaction = if db.is_autocommit() { db.unchecked_transaction().map(Some) } else { Ok(None) }
        .map_err(damage::failed_in("list records", "records"))?;
    let after = after.map_or("", RecordKey::as_str);
    let keys = record_table::keys(db, kind, prefix, after, limit + 1);
    let keys = keys.map_err(damage::failed_in("list records", "records"))?;
    let (mut page, mut bytes) = (RecordPage::default(), 0);
    for text in keys.into_iter().take_while(|key| key.starts_with(prefix)) {
        let Ok(key) = RecordKey::new(&text) else {
            tracing::error!(%kind, key = text, "the key of a record is damaged; the record is left out of the page");
            continue;
        };
        page.has_more = page.records.len() >= limit || bytes >= RECORD_PAGE_BYTES;
        if page.has_more {
            break;
        }
        let record = match get(db, kind, &key) {
            Ok(Some(record)) => Ok(record),
            // The index has the key of a row that the table lacks.
            Ok(None) => {
                let why = "its row is missing".into();
                Err(unread(RowError::Damaged { revision: None, why, is_of_page: false }, kind, &key))
            }
            Err(error) => Err(error),
        };
        bytes += record.as_ref().map_or(0, |record| record.value.len());
        page.records.push(ListedRecord { key, record });
    }
    Ok(page)
}

fn unread(error: RowError, kind: &RecordKind, key: &RecordKey) -> RecordError {
    match error {
        RowError::Damaged { revision, why, .. } => {
            RecordError::Unreadable { kind: kind.clone(), key: key.clone(), revision, why }
        }
        RowError::Database(error) => {
            let what = format!("read record {key} of kind {kind}");
            StoreError::Failed { what, why: error.to_string() }.into()
        }
    }
}

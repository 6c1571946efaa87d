//! The index of receipts by time, which is made anew from its table after damage.
//!
//! All receipts have the newest times when they are written, so they go to the same page of the index. Damage of that page
//! would make every list unreadable that gets a receipt, although no receipt is lost. SQLite neither removes nor rebuilds an
//! index with a damaged page, because it reads the page first. So the definition of the index is removed, and an index of
//! the same name is made. The pages of the damaged one stay unused until the database is repaired.

use rusqlite::Connection;

use super::error::WriteFailure;
use super::{damage, transaction};

/// What the log and a metric say after the index was made anew.
pub(super) const REBUILT: &str = "the index receipts_by_time of the table receipts was damaged and is made anew, which costs \
    no receipt; stop the server, and free its damaged pages with `hotlist verify --repair`";

/// Whether a page of the index is damaged. Reads all of the index.
pub(super) fn is_damaged(db: &Connection) -> bool {
    let read = "SELECT count(*) FROM receipts INDEXED BY receipts_by_time WHERE bytes >= 0 OR bytes < 0";
    let read = db.query_row(read, [], |row| row.get::<_, u64>(0));
    read.is_err_and(|error| damage::is_damage(&error))
}

/// Makes the index anew.
pub(super) fn rebuild(db: &Connection) -> Result<(), WriteFailure> {
    let transaction = transaction::begin(db)?;
    let rebuilt = transaction.execute_batch(
        "PRAGMA writable_schema = on;
        DELETE FROM sqlite_schema WHERE type = 'index' AND name = 'receipts_by_time';
        PRAGMA writable_schema = reset;
        CREATE INDEX receipts_by_time ON receipts (time, holder, bytes);",
    );
    let Err(error) = rebuilt else { return transaction.commit().map_err(WriteFailure::Unknown) };
    // Rolls back, unless SQLite did so by itself, as on a full disk.
    drop(transaction);
    // The connection has read the changed definitions. The first error is the cause.
    if let Err(error) = db.execute_batch("PRAGMA writable_schema = reset") {
        tracing::warn!(%error, "the definitions of the database cannot be read again");
    }
    Err(WriteFailure::RolledBack("make an index anew", error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::embedded::schema;

    #[test]
    fn a_full_disk_is_the_error_of_an_index_that_has_no_room_and_the_connection_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let db = schema::open_writer(dir.path(), 1 << 20, None).unwrap();
        let many = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
            INSERT INTO receipts (name, place, time, holder, bytes, record) SELECT 'bob', i, i, 'ann', 0, x'' FROM n";
        db.execute(many, []).unwrap();
        let pages: u64 = db.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let limit = |pages: u64| db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
        limit(pages);
        let failed = rebuild(&db).expect_err("the new index needs pages").into_error();
        assert_eq!(failed.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull), "{failed}");
        assert!(db.is_autocommit());
        let refused = db.execute("UPDATE sqlite_schema SET name = name", []);
        assert!(refused.is_err(), "the definitions cannot be written");
        assert!(!is_damaged(&db));
        limit(2 * pages);
        rebuild(&db).unwrap();
        assert!(!is_damaged(&db));
    }
}

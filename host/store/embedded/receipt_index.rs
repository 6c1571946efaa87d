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
    let failed = |error| WriteFailure::RolledBack("make an index anew", error);
    transaction.rollback().map_err(failed)?;
    // The connection has read the changed definitions.
    db.execute_batch("PRAGMA writable_schema = reset").map_err(failed)?;
    Err(failed(error))
}

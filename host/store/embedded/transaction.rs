//! The begin of a transaction that writes.

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::error::WriteFailure;

/// Begins a transaction with the write lock. A transaction that begins by reading would fail, not wait, while another
/// program holds the lock.
pub(super) fn begin(db: &Connection) -> Result<Transaction<'_>, WriteFailure> {
    let begun = Transaction::new_unchecked(db, TransactionBehavior::Immediate);
    begun.map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy) => WriteFailure::Busy,
        _ => WriteFailure::RolledBack("begin a transaction", error),
    })
}

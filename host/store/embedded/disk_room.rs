//! The test whether a disk that was full has room again.

use rusqlite::{Connection, params};

use super::error::WriteFailure;
use super::transaction;

/// How many bytes a full disk must have room for before the store takes writes again, so that they do not fill it at once.
const ROOM_BYTES: u64 = 1 << 20;

/// Writes as many bytes as the disk must have room for, and deletes them in the same transaction. The space stays in
/// the database for later writes.
pub(super) fn write_filler(db: &Connection) -> Result<(), WriteFailure> {
    let failed = |error| WriteFailure::RolledBack("try whether the disk has room", error);
    // Deleted pages are written, too. SQLite leaves them out otherwise.
    let overwrite = |on: bool| db.pragma_update_and_check(None, "secure_delete", on, |_| Ok(())).map_err(failed);
    let transaction = transaction::begin(db)?;
    let last = i64::MAX;
    let insert = "INSERT INTO log (seq, first, directory, commits) VALUES (?1, ?1, x'', zeroblob(?2))";
    db.execute(insert, params![last, ROOM_BYTES]).map_err(failed)?;
    overwrite(true)?;
    let deleted = db.execute("DELETE FROM log WHERE seq = ?1", [last]).map_err(failed);
    overwrite(false)?;
    deleted?;
    transaction.commit().map_err(WriteFailure::Unknown)
}

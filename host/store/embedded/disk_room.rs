//! The room on the disk, and the test whether a disk that was full has room again.

use std::path::Path;

use rusqlite::{Connection, params};

use super::error::WriteFailure;
use super::transaction;
use crate::store::error::StoreError;

/// How many bytes a full disk must have room for before the store takes writes again, so that they do not fill it at once.
const ROOM_BYTES: u64 = 1 << 20;

/// The bytes of the disk with a directory that are free for this process.
pub(super) fn free_bytes(dir: &Path) -> Result<u64, StoreError> {
    let found = rustix::fs::statvfs(dir).map_err(|error| StoreError::Failed {
        what: format!("read how much room there is for {}", dir.display()),
        why: error.to_string(),
    })?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

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

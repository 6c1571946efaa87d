//! The comparison of the digest with the database at the start.
//!
//! A start compares what it reads anyway: the isolated commits, which make their lists unreadable, and the end of the
//! truncated log. A scrub compares all other tables later, because their size is that of all lists.

use std::path::Path;

use rusqlite::Connection;

use super::covered_rows::CoveredRows;
use super::digest::{self, CoveredTable, OpenDigest, RowChanges, SetDigest, recount};
use super::{damage, evidence, schema};
use crate::store::error::StoreError;

/// What the log and a metric say of a digest that is lost, with the reason.
pub(super) fn unknown(why: &str) -> String {
    format!(
        "the digest cannot be read, so rows that are missing are not noticed; restore the data directory from a backup, or \
         start once with --accept-loss, which makes the digest anew ({why})"
    )
}

/// Reads the digest of the rows that are there. The inner error says why there is none.
pub(super) fn read(db: &Connection) -> rusqlite::Result<Result<SetDigest, String>> {
    // The row of a lost digest may be that of earlier rows.
    match evidence::lost_digest(db)? {
        Some(why) => Ok(Err(why.to_owned())),
        None => digest::read(db),
    }
}

/// The digest of a store that opens.
pub(super) struct CheckedDigest {
    pub(super) digest: OpenDigest,
    /// The damage of the digest itself.
    pub(super) damage: Option<String>,
}

/// Reads the digest, and refuses a database that lacks isolated commits or another end of its log. If the operator accepts
/// the loss, the digest becomes that of the rows which are there.
pub(super) fn open(db: &Connection, dir: &Path, accept_loss: bool) -> Result<CheckedDigest, StoreError> {
    let failed = schema::failed("read the digest");
    let lost = evidence::lost_digest(db).map_err(&failed)?;
    let read = match read(db) {
        Err(error) if damage::is_damage(&error) => Err(error.to_string()),
        read => read.map_err(&failed)?,
    };
    if accept_loss {
        return Ok(reset(db, read));
    }
    let digest = match read {
        Ok(digest) => digest,
        Err(why) => {
            let digest = OpenDigest::Lost { is_stored: lost.is_some() };
            return Ok(CheckedDigest { digest, damage: Some(unknown(&why)) });
        }
    };
    match compare(db, &digest).map_err(schema::failed("compare the digest"))? {
        None => Ok(CheckedDigest { digest: OpenDigest::Known(digest), damage: None }),
        Some(difference) => {
            let why = format!(
                "{difference}, so lists that cannot be read may be taken for older ones; restore the data directory from a \
                 backup, or start once with --accept-loss to go on with what is there"
            );
            Err(StoreError::Incomplete { path: dir.display().to_string(), why })
        }
    }
}

/// Compares the tables that a start reads as a whole.
fn compare(db: &Connection, digest: &SetDigest) -> rusqlite::Result<Option<String>> {
    let truncated_to = recount::truncated_to(db)?;
    if truncated_to != digest.truncated_to {
        let by = digest.truncated_to;
        return Ok(Some(format!("the log is truncated to commit {truncated_to}, and to {by} by its digest")));
    }
    let table = CoveredTable::Quarantine;
    Ok(digest.sums.difference(table, recount::sum(db, table)?))
}

/// Makes the digest anew. Logs what differs from the one before.
fn reset(db: &Connection, before: Result<SetDigest, String>) -> CheckedDigest {
    let reset = || -> rusqlite::Result<SetDigest> {
        let transaction = db.unchecked_transaction()?;
        // The digest of all rows is made below.
        evidence::forget_lost_digest(CoveredRows { db: &transaction, changes: &RowChanges::new(None) })?;
        let digest = recount::reset(&transaction)?;
        transaction.commit()?;
        Ok(digest)
    };
    let after = match reset() {
        Ok(after) => after,
        Err(error) => {
            let damage = format!("the digest cannot be made anew ({error}); restore the data directory from a backup");
            let digest = before.map_or(OpenDigest::Lost { is_stored: false }, OpenDigest::Known);
            return CheckedDigest { digest, damage: Some(damage) };
        }
    };
    match before {
        Ok(before) => {
            let differs = |table: &CoveredTable| before.sums.difference(*table, after.sums.of(*table));
            for why in CoveredTable::ALL.iter().filter_map(differs) {
                tracing::error!(why, "--accept-loss: the store goes on with the rows that are there");
            }
        }
        Err(why) => tracing::error!(why, "--accept-loss: the digest was damaged, and is made anew"),
    }
    CheckedDigest { digest: OpenDigest::Known(after), damage: None }
}

//! The comparison of the digest with the database at the start.
//!
//! A start compares what it reads anyway: the isolated commits, which make their lists unreadable, and the end of the
//! truncated log. A scrub compares all other tables later, because their size is that of all lists.

use std::path::Path;

use rusqlite::Connection;

use super::digest::{self, CoveredTable, OpenDigest, SetDigest, recount};
use super::schema;
use crate::store::error::StoreError;

/// What a scrub and a metric say of a digest that cannot be read.
pub(super) const UNKNOWN: &str = "the digest cannot be read, so rows that are missing are not noticed; restore the data \
    directory from a backup, or start once with --accept-loss, which makes the digest anew";

/// The digest of a store that opens.
pub(super) struct CheckedDigest {
    pub(super) digest: OpenDigest,
    /// The damage of the digest itself.
    pub(super) damage: Option<String>,
}

/// Reads the digest, and refuses a database that lacks isolated commits or another end of its log. If the operator accepts
/// the loss, the digest becomes that of the rows which are there.
pub(super) fn open(db: &Connection, dir: &Path, accept_loss: bool) -> Result<CheckedDigest, StoreError> {
    let read = digest::read(db).unwrap_or_else(|error| Err(error.to_string()));
    if accept_loss {
        return Ok(reset(db, read));
    }
    let digest = match read {
        Ok(digest) => digest,
        Err(why) => {
            let damage = format!("{UNKNOWN} ({why})");
            return Ok(CheckedDigest { digest: OpenDigest::default(), damage: Some(damage) });
        }
    };
    match compare(db, &digest).map_err(schema::failed("compare the digest"))? {
        None => Ok(CheckedDigest { digest: OpenDigest::new(Some(digest)), damage: None }),
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
        let digest = recount::reset(&transaction)?;
        transaction.commit()?;
        Ok(digest)
    };
    let after = match reset() {
        Ok(after) => after,
        Err(error) => {
            let damage = format!("the digest cannot be made anew ({error}); restore the data directory from a backup");
            return CheckedDigest { digest: OpenDigest::new(before.ok()), damage: Some(damage) };
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
    CheckedDigest { digest: OpenDigest::new(Some(after)), damage: None }
}

//! A transaction that changes covered rows, and the digest with them.
//!
//! Damage of the digest is no damage of the rows. So a transaction that cannot write the digest is repeated without it. The
//! first one without it stores that the digest is lost. Its row can be readable again at a later start, which would
//! otherwise compare the rows with a digest of earlier ones, and refuse a sound directory.

use rusqlite::Connection;

use super::covered_rows::CoveredRows;
use super::digest::{Difference, OpenDigest, Position, RowChanges};
use super::error::WriteFailure;
use super::{damage, evidence, transaction};

/// A transaction that is durable.
pub(super) struct Changed {
    pub(super) rows: Difference,
    /// Why the digest is lost, if it was lost by the transaction.
    pub(super) lost_digest: Option<rusqlite::Error>,
}

/// Writes the digest after all changes of a transaction. Returns what the transaction changed.
pub(super) fn write_digest(rows: CoveredRows<'_>, digest: &OpenDigest) -> rusqlite::Result<Difference> {
    if matches!(digest, OpenDigest::Lost { is_stored: false }) && !rows.changes.difference().is_empty() {
        evidence::note_lost_digest(rows)?;
    }
    let difference = rows.changes.difference();
    digest.write(rows.db, &difference)?;
    Ok(difference)
}

/// Changes rows in a transaction of their own. `scrub` is how far a scrub has come, and `what` is attempted. A digest that
/// cannot be written is lost, and `change` is called again.
pub(super) fn change_rows(
    db: &Connection,
    digest: &mut OpenDigest,
    scrub: Option<&Position>,
    what: &'static str,
    mut change: impl FnMut(CoveredRows<'_>) -> rusqlite::Result<()>,
) -> Result<Changed, WriteFailure> {
    let mut lost_digest = None;
    loop {
        let transaction = transaction::begin(db)?;
        let changes = RowChanges::new(scrub);
        let rows = CoveredRows { db, changes: &changes };
        change(rows).map_err(|error| WriteFailure::RolledBack(what, error))?;
        match write_digest(rows, digest) {
            Ok(rows) => {
                transaction.commit().map_err(WriteFailure::Unknown)?;
                digest.apply(&rows);
                return Ok(Changed { rows, lost_digest });
            }
            Err(error) if damage::is_damage(&error) && !matches!(digest, OpenDigest::Lost { is_stored: true }) => {
                digest.lose();
                lost_digest.get_or_insert(error);
            }
            Err(error) => return Err(WriteFailure::RolledBack(what, error)),
        }
    }
}

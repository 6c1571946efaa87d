//! Deletion of a list that cannot be read. Its rows are copied into `quarantine`, and a tombstone takes their place.
//!
//! The tombstone is at a revision above all that the list can have had, so that no number of the name means two things. The
//! list has no commits in the log by then: a start would take them for the list's last ones.

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::covered_rows::{CompactedColumns, CoveredRows};
use super::evidence;
use super::record::{self, ListMeta, RowKind};
use crate::list::List;
use crate::list::name::ListName;
use crate::store::error::StoreError;

/// The most deletions that wait until the log is compacted.
pub(super) const MAX_WAITING: usize = 64;

/// The distance between the last known revision and the tombstone. It is more than the revisions that a log of the default
/// size holds, of which some may have been lost.
const REVISION_MARGIN: u64 = 1 << 24;

/// A revision above this one is a damaged number.
const MAX_REVISION: u64 = 1 << 52;

/// A deletion that waits until the list has no commits in the log.
pub(super) struct Discard {
    pub(super) name: ListName,
    /// The last commit in the log when the deletion was requested.
    pub(super) seq: u64,
    pub(super) reply: oneshot::Sender<Result<(), StoreError>>,
}

/// A deletion as the object of an error message.
pub(super) fn action(name: &ListName) -> String {
    format!("delete the unreadable list {:?}", name.as_str())
}

/// Replaces the rows of a list by a tombstone, whose commits up to `seq` are out of the log.
pub(super) fn discard(rows: CoveredRows<'_>, name: &ListName, seq: u64) -> rusqlite::Result<()> {
    let revision = last_revision(rows.db, name)? + REVISION_MARGIN;
    let given_up = evidence::given_up(name.as_str());
    rows.rename_evidence(name, &given_up)?;
    rows.move_to_evidence(name, &given_up)?;
    let meta = ListMeta { revision, ..ListMeta::default() };
    let meta = record::encode(RowKind::ListMeta, name, revision, &(seq, &meta));
    let snapshot = record::encode(RowKind::Snapshot, name, revision, &List::absent(revision).snapshot());
    rows.put_compacted(name, false, &CompactedColumns { revision, seq, meta: &meta, snapshot: &snapshot })
}

/// The last revision of a list that any row names.
fn last_revision(db: &Connection, name: &ListName) -> rusqlite::Result<u64> {
    let select = "SELECT revision FROM lists WHERE name = ?1 UNION ALL SELECT revision FROM gone WHERE name = ?1
        UNION ALL SELECT last FROM history WHERE name = ?1 UNION ALL SELECT revision FROM quarantine WHERE name = ?1";
    let mut select = db.prepare(select)?;
    let numbers = select.query_map([name.as_str()], |row| row.get::<_, i64>(0))?.collect::<Result<Vec<_>, _>>()?;
    let sound =
        numbers.into_iter().filter_map(|number| u64::try_from(number).ok()).filter(|number| *number <= MAX_REVISION);
    Ok(sound.max().unwrap_or(0))
}

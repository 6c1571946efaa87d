//! Commits of unreadable lists, copied out of the log before it is truncated, and rows that were given up.
//!
//! The table is `quarantine`. Its rows are for people who examine the damage. Rows under the name of a list mark the list as
//! unreadable at the next start. Rows that were given up are under [`given_up`], which is no name of a list.

use rusqlite::{Connection, params};

use super::block::Blocks;
use super::covered_rows::CoveredRows;
use super::error::ReadError;
use super::log_index::CommitRef;

/// The reason in the row that stores an accepted loss. Its revision is the last commit in the log at that time.
const ACCEPTED: &str = "the loss of commits up to this one was accepted";

/// The reason in the row which says that the row of the digest is not that of the rows.
const DIGEST_LOST: &str = "the digest was lost while its row could not be written";

/// A commit of an unreadable list.
pub(super) struct CommitCopy {
    seq: u64,
    /// 0 if the bytes do not say it.
    revision: u64,
    bytes: Vec<u8>,
}

/// Reads commits, and leaves out those that cannot be read. The caller has begun no transaction, because SQLite commits
/// none in which it has met a damaged page.
pub(super) fn read_commits(db: &Connection, commits: &[CommitRef]) -> rusqlite::Result<Vec<CommitCopy>> {
    let mut blocks = Blocks::prepare(db)?;
    let mut copies = Vec::with_capacity(commits.len());
    for &CommitRef { seq, ref block } in commits {
        let block = match block {
            Some(block) => block.clone(),
            None => match blocks.holding(seq) {
                Ok(block) => block,
                Err(ReadError::Damaged(_) | ReadError::Corrupt(_)) => continue,
                Err(ReadError::Database(error)) => return Err(error),
            },
        };
        copies.push(match block.frame(seq) {
            Some(frame) => CommitCopy { seq, revision: frame.revision, bytes: frame.record.to_vec() },
            None => CommitCopy { seq, revision: 0, bytes: block.bytes().to_vec() },
        });
    }
    Ok(copies)
}

/// Writes copies of commits.
pub(super) fn write_commits(
    rows: CoveredRows<'_>,
    name: &str,
    copies: &[CommitCopy],
    why: &str,
) -> rusqlite::Result<()> {
    copies.iter().try_for_each(|copy| rows.put_evidence(copy.seq, name, copy.revision, &copy.bytes, why))
}

/// The name under which rows of a list are given up. No list has it, because it has a line break.
pub(super) fn given_up(name: &str) -> String {
    format!("{name}\n")
}

/// Stores that the loss of commits is accepted which are missing before the last one in the log.
pub(super) fn accept_loss(rows: CoveredRows<'_>, last: u64) -> rusqlite::Result<()> {
    match accepted_to(rows.db)? < last {
        true => rows.keep_row(&given_up(""), last, &[], ACCEPTED),
        false => Ok(()),
    }
}

/// Stores that the digest is lost.
pub(super) fn note_lost_digest(rows: CoveredRows<'_>) -> rusqlite::Result<()> {
    rows.keep_row(&given_up(""), 0, &[], DIGEST_LOST)
}

/// Forgets that the digest was lost. The caller makes it anew.
pub(super) fn forget_lost_digest(rows: CoveredRows<'_>) -> rusqlite::Result<()> {
    rows.delete_evidence(&given_up(""), DIGEST_LOST)
}

/// Why the row of the digest says nothing about the rows, if it was lost.
pub(super) fn lost_digest(db: &Connection) -> rusqlite::Result<Option<&'static str>> {
    let select = "SELECT EXISTS (SELECT 1 FROM quarantine WHERE name = ?1 AND why = ?2)";
    let is_lost: bool = db.query_row(select, params![given_up(""), DIGEST_LOST], |row| row.get(0))?;
    Ok(is_lost.then_some(DIGEST_LOST))
}

/// The commit up to which a loss was accepted, or 0.
pub(super) fn accepted_to(db: &Connection) -> rusqlite::Result<u64> {
    let select = "SELECT ifnull(max(revision), 0) FROM quarantine WHERE name = ?1 AND why = ?2";
    db.query_row(select, params![given_up(""), ACCEPTED], |row| row.get(0))
}

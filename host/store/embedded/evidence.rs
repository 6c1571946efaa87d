//! Commits of unreadable lists, copied out of the log before it is truncated.
//!
//! The table is `quarantine`. Its rows are for people who examine the damage, and they mark the list as unreadable
//! at the next start.

use rusqlite::Connection;

use super::block::Blocks;
use super::covered_rows::CoveredRows;
use super::error::ReadError;
use super::log_index::CommitRef;

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

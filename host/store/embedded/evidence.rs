//! Commits of unreadable lists, copied out of the log before it is truncated.
//!
//! The table is `quarantine`. Its rows are for people who examine the damage, and they mark the list as unreadable
//! at the next start.

use rusqlite::{Connection, params};

use super::block::Blocks;
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
pub(super) fn write_commits(db: &Connection, name: &str, copies: &[CommitCopy], why: &str) -> rusqlite::Result<()> {
    copies.iter().try_for_each(|copy| copy_commit(db, copy.seq, name, copy.revision, &copy.bytes, why))
}

/// Copies one commit.
pub(super) fn copy_commit(
    db: &Connection,
    seq: u64,
    name: &str,
    revision: u64,
    record: &[u8],
    why: &str,
) -> rusqlite::Result<()> {
    let insert = "INSERT OR IGNORE INTO quarantine (seq, name, revision, record, why) VALUES (?1, ?2, ?3, ?4, ?5)";
    db.prepare_cached(insert)?.execute(params![seq, name, revision, record, why])?;
    Ok(())
}

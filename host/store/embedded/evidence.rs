//! Commits of unreadable lists, copied out of the log before it is truncated.
//!
//! The table is `quarantine`. Its rows are for people who examine the damage, and they mark the list as unreadable
//! at the next start.

use rusqlite::{Connection, params};

use super::block::Blocks;
use super::error::ReadError;
use super::log_index::CommitRef;
use crate::list::name::ListName;

/// Copies all commits of a list.
pub(super) fn copy_commits(db: &Connection, name: &ListName, commits: &[CommitRef], why: &str) -> rusqlite::Result<()> {
    let mut blocks = Blocks::prepare(db)?;
    for commit in commits {
        let block = match &commit.block {
            Some(block) => Ok(block.clone()),
            None => blocks.holding(commit.seq),
        };
        match block {
            Ok(block) => match block.frame(commit.seq) {
                Some(frame) => copy_commit(db, commit.seq, name.as_str(), frame.revision, frame.record, why)?,
                None => copy_commit(db, commit.seq, name.as_str(), 0, block.bytes(), why)?,
            },
            Err(ReadError::Damaged(_)) => {}
            Err(ReadError::Database(error)) => return Err(error),
        }
    }
    Ok(())
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

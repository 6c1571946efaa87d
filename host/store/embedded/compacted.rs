//! The compacted row of a list, and the replay of the commits after it.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use super::block::{Block, Blocks, Frame};
use super::commit_record::{self, CommitBody};
use super::error::ReadError;
use super::log_index::CommitRef;
use super::record::{self, ListMeta, RowKind};
use crate::list::List;
use crate::list::name::ListName;

/// A commit in the log: its number, and the block that holds it.
pub(super) type LoggedCommit = (u64, Arc<Block>);

/// A list's compacted row.
pub(super) struct CompactedRow {
    pub(super) meta: ListMeta,
    /// The last commit that the row contains.
    pub(super) seq: u64,
    snapshot: Vec<u8>,
}

impl CompactedRow {
    /// Reads a list's compacted row. A list that was never compacted has none, and is absent at revision 0.
    pub(super) fn read(db: &Connection, name: &ListName) -> Result<Option<Self>, ReadError> {
        let mut select = db.prepare_cached(
            "SELECT revision, seq, brief, snapshot FROM lists WHERE name = ?1
             UNION ALL SELECT revision, seq, brief, snapshot FROM gone WHERE name = ?1",
        )?;
        let row = select.query_row([name.as_str()], |row| {
            Ok((row.get::<_, u64>(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?, row.get(3)?))
        });
        let Some((revision, seq, meta, snapshot)) = row.optional()? else { return Ok(None) };
        Ok(Some(Self { meta: decode_meta(name, revision, seq, &meta)?, seq, snapshot }))
    }

    /// The list itself.
    fn list(&self, name: &ListName) -> Result<List, String> {
        record::snapshot(name, self.meta.revision, &self.snapshot)
    }
}

/// Reads the metadata of a list from its compacted row, if it has one, and the last commit that the row contains.
pub(super) fn read_head(db: &Connection, name: &ListName) -> Result<Option<(ListMeta, u64)>, ReadError> {
    let mut select = db.prepare_cached(
        "SELECT revision, seq, brief FROM lists WHERE name = ?1
         UNION ALL SELECT revision, seq, brief FROM gone WHERE name = ?1",
    )?;
    let row = select.query_row([name.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?)));
    let Some((revision, seq, bytes)) = row.optional()? else { return Ok(None) };
    Ok(Some((decode_meta(name, revision, seq, &bytes)?, seq)))
}

/// Reads the metadata of a list from its compacted row. A list that was never compacted has the default.
pub(super) fn read_meta(db: &Connection, name: &ListName) -> Result<ListMeta, ReadError> {
    Ok(read_head(db, name)?.map(|(meta, _)| meta).unwrap_or_default())
}

/// Decodes the metadata of a list from the columns of its compacted row.
pub(super) fn decode_meta(name: &ListName, revision: u64, seq: u64, bytes: &[u8]) -> Result<ListMeta, String> {
    let (in_seq, meta): (u64, ListMeta) = record::decode(RowKind::ListMeta, name, revision, bytes)?;
    match (in_seq == seq, meta.revision == revision) {
        (true, true) => Ok(meta),
        _ => Err("its compacted row contradicts itself".into()),
    }
}

/// Reads the commits that are not in memory, and drops those up to `compacted_to`, which the compacted row contains.
pub(super) fn later_commits(
    blocks: &mut Blocks<'_>,
    compacted_to: u64,
    commits: &[CommitRef],
) -> Result<Vec<LoggedCommit>, ReadError> {
    let later = commits.iter().filter(|commit| commit.seq > compacted_to);
    let with_block = |commit: &CommitRef| match &commit.block {
        Some(block) => Ok((commit.seq, block.clone())),
        None => Ok((commit.seq, blocks.holding(commit.seq)?)),
    };
    later.map(with_block).collect()
}

/// The frame of a list's commit.
fn frame<'a>(name: &ListName, (seq, block): &'a LoggedCommit) -> Result<Frame<'a>, String> {
    let frame = block.frame(*seq).ok_or_else(|| format!("its log entry {seq} is missing"))?;
    if frame.name == name.as_str().as_bytes() {
        Ok(frame)
    } else {
        Err(format!("its log entry {seq} belongs to another list"))
    }
}

/// Decodes commits of a list.
pub(super) fn bodies<'a>(name: &ListName, commits: &'a [LoggedCommit]) -> Result<Vec<CommitBody<'a>>, String> {
    let body =
        |commit| frame(name, commit).and_then(|frame| commit_record::log_body(name, frame.revision, frame.record));
    commits.iter().map(body).collect()
}

/// Replays commits on a list's compacted row.
pub(super) fn replay(
    name: &ListName,
    compacted: Option<&CompactedRow>,
    bodies: &[CommitBody<'_>],
) -> Result<List, String> {
    let mut list = compacted.map_or_else(|| Ok(List::default()), |row| row.list(name))?;
    bodies.iter().try_for_each(|body| apply(&mut list, body))?;
    Ok(list)
}

/// Applies a commit's revisions, and checks that the commit continues the list.
fn apply(list: &mut List, body: &CommitBody<'_>) -> Result<(), String> {
    if body.head.after != list.revision() {
        return Err(format!("it is at revision {}, its log goes on after {}", list.revision(), body.head.after));
    }
    for revision in record::revisions(body.revisions)? {
        if revision.number != list.revision() + 1 {
            return Err(format!("revision {} follows {}", revision.number, list.revision()));
        }
        *list = list
            .apply(&revision.changes)
            .map_err(|error| format!("revision {} does not apply: {error}", revision.number))?;
    }
    if ListMeta::of(list, body.head.meta.wake_up) != body.head.meta {
        return Err(format!("its log row {} leads to another state than it says", body.head.meta.revision));
    }
    Ok(())
}

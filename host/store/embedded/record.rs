//! The encoding of a row: a version byte, a checksum, then postcard.
//!
//! SQLite does not notice a flipped bit in a page. Every row therefore carries a checksum of its own, over its content
//! *and* its identity: its kind, its list and its number. A sound row in the wrong place is as unreadable as a damaged
//! one.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::list::change::Change;
use crate::list::name::{ListName, LogicName};
use crate::list::revision::{Receipt, Revision};
use crate::list::{List, ListSnapshot};
use crate::store::Commit;

/// The version of the encoding below. A change to any stored type is a new version.
const ENCODING: u8 = 3;

/// The version byte and the checksum, little-endian.
const PREFIX_BYTES: usize = 5;

/// The kind of a row, which is part of its checksum.
#[derive(Clone, Copy)]
pub(super) enum RowKind {
    /// A commit. The number is the revision it leads to.
    Log = 1,
    /// The metadata of a compacted list. The number is its revision.
    ListMeta = 2,
    /// A compacted list. The number is its revision.
    Snapshot = 3,
    /// Consecutive revisions. The number is that of the last one.
    History = 4,
    /// A receipt. The number is its place in the order of all receipts.
    Receipt = 5,
    /// The lists of the commits in a log row. The number is that of the last commit, and the name is empty.
    Directory = 6,
}

/// Metadata of a list, so that a page of lists reads no list.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct ListMeta {
    pub(super) revision: u64,
    pub(super) logic: Option<LogicName>,
    pub(super) entries: usize,
    pub(super) open: usize,
    pub(super) wake_up: Option<u64>,
}

impl ListMeta {
    pub(super) fn of(list: &List, wake_up: Option<u64>) -> Self {
        Self {
            revision: list.revision(),
            logic: list.logic().cloned(),
            entries: list.count(),
            open: list.count_open(),
            wake_up,
        }
    }
}

/// The head of a commit's record: enough to rebuild the index of the log without reading the changes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct CommitHead {
    /// The revision that the commit continues.
    pub(super) after: u64,
    /// The last of its revisions that deletes the list.
    pub(super) deleted_at: Option<u64>,
    /// The metadata of the list after the commit.
    pub(super) meta: ListMeta,
}

/// A decoded commit. The revisions stay encoded, because compaction moves them as they are.
pub(super) struct CommitBody<'a> {
    pub(super) head: CommitHead,
    pub(super) receipts: Vec<Receipt>,
    pub(super) revisions: &'a [u8],
}

/// Appends the record of a commit.
pub(super) fn append_commit(commit: &Commit, head: &CommitHead, mut bytes: Vec<u8>) -> Vec<u8> {
    let begin = bytes.len();
    bytes.resize(begin + PREFIX_BYTES, 0);
    let bytes = append(bytes, head);
    let bytes = append(bytes, &commit.receipts);
    let mut bytes = append(bytes, &commit.revisions);
    seal_at(RowKind::Log, commit.name.as_str(), head.meta.revision, &mut bytes[begin..]);
    bytes
}

/// Seals the directory of a log row whose last commit is `last`: lists with revisions.
pub(super) fn directory(last: u64, lists: &[u8]) -> Vec<u8> {
    let mut bytes = unsealed();
    bytes.extend_from_slice(lists);
    seal_at(RowKind::Directory, "", last, &mut bytes);
    bytes
}

/// Decodes the lists and revisions in the directory of a log row.
pub(super) fn directory_lists(last: u64, bytes: &[u8]) -> Result<Vec<(String, u64)>, String> {
    let mut rest = unseal_named(RowKind::Directory, "", last, bytes)?;
    let mut lists = Vec::new();
    while !rest.is_empty() {
        let (entry, after) = decode_first(rest)?;
        lists.push(entry);
        rest = after;
    }
    Ok(lists)
}

/// Decodes the head of a commit's record.
pub(super) fn log_head(name: &ListName, revision: u64, bytes: &[u8]) -> Result<CommitHead, String> {
    let (head, _) = decode_first::<CommitHead>(unseal(RowKind::Log, name, revision, bytes)?)?;
    if head.meta.revision == revision {
        Ok(head)
    } else {
        Err(format!("its log row {revision} is of revision {}", head.meta.revision))
    }
}

/// Decodes a commit's record.
pub(super) fn log_body<'a>(name: &ListName, revision: u64, bytes: &'a [u8]) -> Result<CommitBody<'a>, String> {
    let (head, rest) = decode_first(unseal(RowKind::Log, name, revision, bytes)?)?;
    let (receipts, revisions) = decode_first(rest)?;
    Ok(CommitBody { head, receipts, revisions })
}

/// Encodes a row that holds one value.
pub(super) fn encode(kind: RowKind, name: &ListName, number: u64, value: &impl Serialize) -> Vec<u8> {
    seal(kind, name, number, append(unsealed(), value))
}

/// Decodes a row that holds one value.
pub(super) fn decode<T: DeserializeOwned>(
    kind: RowKind,
    name: &ListName,
    number: u64,
    bytes: &[u8],
) -> Result<T, String> {
    match decode_first(unseal(kind, name, number, bytes)?)? {
        (value, []) => Ok(value),
        (_, rest) => Err(format!("{} bytes too many", rest.len())),
    }
}

/// Decodes a list from its snapshot row.
pub(super) fn snapshot(name: &ListName, revision: u64, bytes: &[u8]) -> Result<List, String> {
    let snapshot: ListSnapshot = decode(RowKind::Snapshot, name, revision, bytes)?;
    if snapshot.revision != revision {
        return Err(format!("its snapshot is of revision {}, not {revision}", snapshot.revision));
    }
    Ok(snapshot.into())
}

/// Seals a history row of runs of encoded revisions.
pub(super) fn history(name: &ListName, last: u64, runs: &[u8]) -> Vec<u8> {
    let mut bytes = unsealed();
    bytes.extend_from_slice(runs);
    seal(RowKind::History, name, last, bytes)
}

/// Decodes the revisions of a history row.
pub(super) fn history_revisions(name: &ListName, last: u64, bytes: &[u8]) -> Result<Vec<Arc<Revision>>, String> {
    revisions(unseal(RowKind::History, name, last, bytes)?)
}

/// Decodes the revisions of one or more runs, and checks that none is missing.
pub(super) fn revisions(mut runs: &[u8]) -> Result<Vec<Arc<Revision>>, String> {
    let mut all: Vec<Arc<Revision>> = Vec::new();
    while !runs.is_empty() {
        let (run, rest) = decode_first::<Vec<Arc<Revision>>>(runs)?;
        all.extend(run);
        runs = rest;
    }
    match all.windows(2).find(|pair| pair[1].number != pair[0].number + 1) {
        Some(pair) => Err(format!("revision {} is followed by {}", pair[0].number, pair[1].number)),
        None => Ok(all),
    }
}

/// Encodes a run of revisions, for a history row.
pub(super) fn run(revisions: &[Arc<Revision>]) -> Vec<u8> {
    append(Vec::new(), &revisions)
}

/// The number of the last revision that deletes its list.
pub(super) fn deleted_at(revisions: &[Arc<Revision>]) -> Option<u64> {
    let erases = |revision: &&Arc<Revision>| revision.changes.contains(&Change::DeleteList);
    revisions.iter().rev().find(erases).map(|revision| revision.number)
}

fn unsealed() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.resize(PREFIX_BYTES, 0);
    bytes
}

/// Appends a value.
pub(super) fn append<T: Serialize + ?Sized>(bytes: Vec<u8>, value: &T) -> Vec<u8> {
    postcard::to_extend(value, bytes).expect("plain data, sequences of known length: postcard encodes all of it")
}

fn decode_first<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<(T, &'a [u8]), String> {
    postcard::take_from_bytes(bytes).map_err(|error| format!("it does not decode: {error}"))
}

fn seal(kind: RowKind, name: &ListName, number: u64, mut bytes: Vec<u8>) -> Vec<u8> {
    seal_at(kind, name.as_str(), number, &mut bytes);
    bytes
}

fn seal_at(kind: RowKind, name: &str, number: u64, bytes: &mut [u8]) {
    let sum = checksum(kind, name, number, &bytes[PREFIX_BYTES..]);
    bytes[0] = ENCODING;
    bytes[1..PREFIX_BYTES].copy_from_slice(&sum.to_le_bytes());
}

fn unseal<'a>(kind: RowKind, name: &ListName, number: u64, bytes: &'a [u8]) -> Result<&'a [u8], String> {
    unseal_named(kind, name.as_str(), number, bytes)
}

fn unseal_named<'a>(kind: RowKind, name: &str, number: u64, bytes: &'a [u8]) -> Result<&'a [u8], String> {
    match bytes {
        [ENCODING, a, b, c, d, content @ ..] => {
            let fits = checksum(kind, name, number, content) == u32::from_le_bytes([*a, *b, *c, *d]);
            fits.then_some(content).ok_or_else(|| format!("the checksum of its {} row {number} is wrong", kind.noun()))
        }
        [version, ..] if *version != ENCODING => Err(format!("its {} row has encoding {version}", kind.noun())),
        _ => Err(format!("its {} row is cut off", kind.noun())),
    }
}

fn checksum(kind: RowKind, name: &str, number: u64, content: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&[ENCODING, kind as u8]);
    sum.update(&number.to_le_bytes());
    // The length comes first, so that the end of a name cannot pass for the beginning of the content.
    sum.update(&(name.len() as u64).to_le_bytes());
    sum.update(name.as_bytes());
    sum.update(content);
    sum.finalize()
}

impl RowKind {
    fn noun(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::ListMeta => "summary",
            Self::Snapshot => "snapshot",
            Self::History => "history",
            Self::Receipt => "receipt",
            Self::Directory => "log's directory",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::digest::hex;
    use crate::store::fixtures;

    #[test]
    fn the_bytes_of_a_log_row_are_pinned() {
        let commit = fixtures::Writer::new("bob").create().with_receipt("k").commit();
        let head = CommitHead { after: 0, deleted_at: None, meta: ListMeta::of(&commit.state, Some(7)) };
        let row = append_commit(&commit, &head, Vec::new());
        assert_eq!(hex(&row), include_str!("golden/log-3.hex").trim(), "a stored type changed: raise ENCODING");
        let body = log_body(&commit.name, 1, &row).expect("it is whole");
        assert_eq!(body.head, head);
        assert_eq!(body.receipts, commit.receipts);
        assert_eq!(revisions(body.revisions), Ok(commit.revisions));
    }

    #[test]
    fn the_bytes_of_a_snapshot_are_pinned() {
        let commit = fixtures::Writer::new("bob").create().add("Dentist").commit();
        let row = encode(RowKind::Snapshot, &commit.name, 2, &commit.state.snapshot());
        assert_eq!(hex(&row), include_str!("golden/snapshot-3.hex").trim(), "a stored type changed: raise ENCODING");
        assert_eq!(snapshot(&commit.name, 2, &row).as_ref(), Ok(&*commit.state));
    }

    #[test]
    fn a_row_is_unreadable_after_any_flipped_bit_and_in_any_other_place() {
        let commit = fixtures::Writer::new("bob").create().commit();
        let head = CommitHead { after: 0, deleted_at: None, meta: ListMeta::of(&commit.state, None) };
        let row = append_commit(&commit, &head, Vec::new());
        let reads =
            |name: &str, revision, row: &[u8]| log_head(&ListName::new(name).expect("a name"), revision, row).is_ok();
        assert!(reads("bob", 1, &row));
        assert!(!reads("bop", 1, &row));
        assert!(!reads("bob", 2, &row));
        assert!(unseal(RowKind::History, &commit.name, 1, &row).is_err());
        for at in 0..row.len() {
            for bit in 0..8 {
                let mut flipped = row.clone();
                flipped[at] ^= 1 << bit;
                assert!(!reads("bob", 1, &flipped), "byte {at} bit {bit}");
            }
            assert!(!reads("bob", 1, &row[..at]), "cut at {at}");
        }
    }
}

//! The encoding of a row: a version byte, a checksum, then postcard.
//!
//! SQLite does not notice a flipped bit in a page. Every row therefore carries a checksum of its own, over its content
//! *and* its identity: its kind, its list and its number. A sound row in the wrong place is as unreadable as a damaged
//! one.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::list::name::{ListName, LogicName};
use crate::list::revision::Revision;
use crate::list::{List, ListSnapshot};

/// The version of the encoding below. A change to any stored type is a new version.
const ENCODING: u8 = 4;

/// The oldest encoding that is read as it is. It differs in receipts only, so compaction moves its revisions as they are.
/// An upgrade converts the encoding before it.
pub(super) const OLDEST_ENCODING: u8 = 3;

/// The version byte and the checksum, little-endian.
pub(super) const PREFIX_BYTES: usize = 5;

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
    /// The digest. The number is the last commit that was truncated from the log, and the name is empty.
    Digest = 7,
    /// A small record. The number is its revision, and the name is its kind and its key.
    Record = 8,
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

/// The content of a sound row, and the encoding that it has.
pub(super) struct Unsealed<'a> {
    pub(super) version: u8,
    pub(super) content: &'a [u8],
}

/// Seals the directory of a log row whose last commit is `last`: lists with revisions.
pub(super) fn directory(last: u64, lists: &[u8]) -> Vec<u8> {
    sealed_unnamed(RowKind::Directory, last, lists)
}

/// Decodes the lists and revisions in the directory of a log row.
pub(super) fn directory_lists(last: u64, bytes: &[u8]) -> Result<Vec<(String, u64)>, String> {
    let mut rest = unsealed_unnamed(RowKind::Directory, last, bytes)?;
    let mut lists = Vec::new();
    while !rest.is_empty() {
        let (entry, after) = decode_first(rest)?;
        lists.push(entry);
        rest = after;
    }
    Ok(lists)
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
    decode_whole(unseal(kind, name, number, bytes)?.content)
}

/// Decodes a value that takes all of the bytes.
pub(super) fn decode_whole<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    match decode_first(bytes)? {
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
    sealed(RowKind::History, name, last, runs)
}

/// Decodes the revisions of a history row.
pub(super) fn history_revisions(name: &ListName, last: u64, bytes: &[u8]) -> Result<Vec<Arc<Revision>>, String> {
    revisions(unseal(RowKind::History, name, last, bytes)?.content)
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

fn unsealed() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.resize(PREFIX_BYTES, 0);
    bytes
}

/// Appends a value.
pub(super) fn append<T: Serialize + ?Sized>(bytes: Vec<u8>, value: &T) -> Vec<u8> {
    postcard::to_extend(value, bytes).expect("plain data, sequences of known length: postcard encodes all of it")
}

/// Decodes the value at the beginning of the bytes, and returns the bytes after it.
pub(super) fn decode_first<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<(T, &'a [u8]), String> {
    postcard::take_from_bytes(bytes).map_err(|error| format!("it does not decode: {error}"))
}

/// Seals encoded content as a row.
pub(super) fn sealed(kind: RowKind, name: &ListName, number: u64, content: &[u8]) -> Vec<u8> {
    let mut bytes = unsealed();
    bytes.extend_from_slice(content);
    seal(kind, name, number, bytes)
}

/// Seals encoded content as a row that belongs to no list.
pub(super) fn sealed_unnamed(kind: RowKind, number: u64, content: &[u8]) -> Vec<u8> {
    let mut bytes = unsealed();
    bytes.extend_from_slice(content);
    seal_at(kind, "", number, &mut bytes);
    bytes
}

/// Checks that a row which belongs to no list is sound.
pub(super) fn unsealed_unnamed(kind: RowKind, number: u64, bytes: &[u8]) -> Result<&[u8], String> {
    unseal_named(kind, "", number, bytes).map(|unsealed| unsealed.content)
}

/// Seals content of another encoding.
#[cfg(test)]
pub(super) fn sealed_as(encoding: u8, kind: RowKind, name: &ListName, number: u64, content: &[u8]) -> Vec<u8> {
    let sum = checksum(encoding, kind, name.as_str(), number, content);
    [&[encoding][..], &sum.to_le_bytes(), content].concat()
}

fn seal(kind: RowKind, name: &ListName, number: u64, mut bytes: Vec<u8>) -> Vec<u8> {
    seal_at(kind, name.as_str(), number, &mut bytes);
    bytes
}

/// Seals a row whose first bytes are reserved for the prefix.
pub(super) fn seal_at(kind: RowKind, name: &str, number: u64, bytes: &mut [u8]) {
    let sum = checksum(ENCODING, kind, name, number, &bytes[PREFIX_BYTES..]);
    bytes[0] = ENCODING;
    bytes[1..PREFIX_BYTES].copy_from_slice(&sum.to_le_bytes());
}

/// Checks that a row is sound and in its place.
pub(super) fn unseal<'a>(kind: RowKind, name: &ListName, number: u64, bytes: &'a [u8]) -> Result<Unsealed<'a>, String> {
    unseal_named(kind, name.as_str(), number, bytes)
}

/// Checks that a row of another name than a list's is sound and in its place.
pub(super) fn unseal_named<'a>(
    kind: RowKind,
    name: &str,
    number: u64,
    bytes: &'a [u8],
) -> Result<Unsealed<'a>, String> {
    let version = bytes.first().copied().filter(|version| (OLDEST_ENCODING..=ENCODING).contains(version));
    let version = version.unwrap_or(ENCODING);
    unseal_of(version, kind, name, number, bytes).map(|content| Unsealed { version, content })
}

/// Checks that a row of one encoding is sound and in its place. Returns its content.
pub(super) fn unseal_of<'a>(
    encoding: u8,
    kind: RowKind,
    name: &str,
    number: u64,
    bytes: &'a [u8],
) -> Result<&'a [u8], String> {
    match bytes {
        [version, ..] if *version != encoding => Err(format!("its {} row has encoding {version}", kind.noun())),
        [_, a, b, c, d, content @ ..] => {
            let fits = checksum(encoding, kind, name, number, content) == u32::from_le_bytes([*a, *b, *c, *d]);
            fits.then_some(content).ok_or_else(|| format!("the checksum of its {} row {number} is wrong", kind.noun()))
        }
        _ => Err(format!("its {} row is cut off", kind.noun())),
    }
}

fn checksum(version: u8, kind: RowKind, name: &str, number: u64, content: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&[version, kind as u8]);
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
            Self::Digest => "digest",
            Self::Record => "record",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::digest::hex;
    use crate::store::fixtures;

    #[test]
    fn the_bytes_of_a_snapshot_are_pinned() {
        let commit = fixtures::Writer::new("bob").create().add("Dentist").commit();
        let row = encode(RowKind::Snapshot, &commit.name, 2, &commit.state.snapshot());
        assert_eq!(hex(&row), include_str!("golden/snapshot-4.hex").trim(), "a stored type changed: raise ENCODING");
        assert_eq!(snapshot(&commit.name, 2, &row).as_ref(), Ok(&*commit.state));
    }

    #[test]
    fn a_snapshot_of_the_oldest_encoding_is_read() {
        let commit = fixtures::Writer::new("bob").create().add("Dentist").commit();
        let row = fixtures::unhex(include_str!("golden/snapshot-3.hex"));
        assert_eq!(snapshot(&commit.name, 2, &row).as_ref(), Ok(&*commit.state));
    }
}

//! A block, which is a row of the log: consecutive commits of one durable write.
//!
//! SQLite works by the row, so a row holds many commits. Each commit is a frame with a checksum. A directory beside the
//! frames names their lists, under a checksum of its own: it still names the list of a frame that is damaged.

use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, OptionalExtension};

use super::error::ReadError;
use super::record;
use crate::list::name::ListName;

/// The size at which a row is closed. Reading a commit of a list reads its whole row.
pub(super) const FULL_BYTES: usize = 16 * 1024;

/// The length of the record (4 bytes), the length of the name (1) and the revision (8), little-endian. The name and the
/// record follow.
const HEAD_BYTES: usize = 13;

/// The most bytes of a frame. SQLite takes no row of a billion bytes, and an error within the transaction would poison
/// the store and fail the commits of other lists.
pub(super) const MAX_FRAME_BYTES: usize = 256 << 20;

/// A commit whose frame is over the limit.
#[derive(PartialEq, Debug, thiserror::Error)]
#[error("it takes {bytes} bytes, the limit is {limit}")]
pub(super) struct OversizedFrame {
    bytes: usize,
    limit: usize,
}

/// The frames of one row, whose commits are numbered from `first` on.
pub(super) struct Block {
    first: u64,
    /// The offsets of the frames. Behind a damaged length there are none.
    starts: Vec<u32>,
    bytes: Vec<u8>,
    directory: Vec<u8>,
}

/// One commit in a block. The record's checksum covers the name and the revision too.
pub(super) struct Frame<'a> {
    pub(super) name: &'a [u8],
    pub(super) revision: u64,
    pub(super) record: &'a [u8],
}

impl Block {
    /// An empty block whose first commit will have that number.
    pub(super) fn new(first: u64) -> Self {
        let bytes = Vec::with_capacity(FULL_BYTES + FULL_BYTES / 8);
        Self { first, starts: Vec::new(), bytes, directory: Vec::new() }
    }

    /// Parses a row. A damaged row has fewer frames than commits.
    pub(super) fn parse(first: u64, bytes: Vec<u8>) -> Self {
        let mut block = Self { first, starts: Vec::new(), bytes, directory: Vec::new() };
        let mut at = 0;
        while let Some(end) = end_of(&block.bytes, at) {
            block.starts.push(at as u32);
            at = end;
        }
        block
    }

    /// Adds the encoded frame of a list's commit.
    pub(super) fn push(&mut self, name: &ListName, revision: u64, frame: &[u8]) {
        self.directory = record::append(std::mem::take(&mut self.directory), &(name.as_str(), revision));
        self.starts.push(self.bytes.len() as u32);
        self.bytes.extend_from_slice(frame);
    }

    /// Frees the space for more frames. The block stays in memory until its commits are compacted, and most blocks of a
    /// quiet server hold a few commits only.
    pub(super) fn closed(mut self) -> Self {
        self.bytes.shrink_to_fit();
        self.starts.shrink_to_fit();
        self
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The number of the last commit, or one less than the first when the block is empty.
    pub(super) fn last(&self) -> u64 {
        self.first + self.starts.len() as u64 - 1
    }

    pub(super) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The commit of that number.
    pub(super) fn frame(&self, seq: u64) -> Option<Frame<'_>> {
        let index = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        let start = *self.starts.get(index)? as usize;
        let head = self.bytes.get(start..start + HEAD_BYTES)?;
        let revision = u64::from_le_bytes(*head.last_chunk()?);
        let rest = self.bytes.get(start + HEAD_BYTES..end_of(&self.bytes, start)?)?;
        let (name, record) = rest.split_at_checked(usize::from(head[4]))?;
        Some(Frame { name, revision, record })
    }

    /// The frame of the commit of that number, as it is in the row.
    pub(super) fn frame_bytes(&self, seq: u64) -> Option<&[u8]> {
        let index = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        let start = *self.starts.get(index)? as usize;
        self.bytes.get(start..end_of(&self.bytes, start)?)
    }

    /// Takes the row's directory, which names the lists of the frames in their order. Memory does not need it.
    pub(super) fn take_directory(&mut self) -> Vec<u8> {
        record::directory(self.last(), &std::mem::take(&mut self.directory))
    }
}

/// Encodes the frame of a commit, if it has at most `limit` bytes. `record` appends the commit's record.
pub(super) fn frame(
    name: &ListName,
    revision: u64,
    limit: usize,
    record: impl FnOnce(Vec<u8>) -> Vec<u8>,
) -> Result<Vec<u8>, OversizedFrame> {
    let name = name.as_str().as_bytes();
    let mut frame = Vec::with_capacity(512);
    frame.extend_from_slice(&[0; 4]);
    frame.push(u8::try_from(name.len()).expect("a list's name has at most 200 bytes"));
    frame.extend_from_slice(&revision.to_le_bytes());
    frame.extend_from_slice(name);
    let begin = frame.len();
    let mut frame = record(frame);
    let oversized = OversizedFrame { bytes: frame.len(), limit };
    if frame.len() > limit {
        return Err(oversized);
    }
    let length = u32::try_from(frame.len() - begin).map_err(|_| oversized)?;
    frame[..4].copy_from_slice(&length.to_le_bytes());
    Ok(frame)
}

/// The end of the frame that starts at `at`, if the frame is complete.
fn end_of(bytes: &[u8], at: usize) -> Option<usize> {
    let head: &[u8; HEAD_BYTES] = bytes.get(at..)?.first_chunk()?;
    let length = u32::from_le_bytes(*head.first_chunk()?) as usize;
    let end = at + HEAD_BYTES + usize::from(head[4]) + length;
    (end <= bytes.len()).then_some(end)
}

/// Reader of blocks that are not in memory. It caches the last block, because commits that are read one after the other
/// are often in the same block.
pub(super) struct Blocks<'db> {
    select: CachedStatement<'db>,
    last: Option<Arc<Block>>,
}

impl<'db> Blocks<'db> {
    pub(super) fn prepare(db: &'db Connection) -> rusqlite::Result<Self> {
        let select = "SELECT first, commits FROM log WHERE seq >= ?1 ORDER BY seq LIMIT 1";
        Ok(Self { select: db.prepare_cached(select)?, last: None })
    }

    /// The block that holds the commit of that number.
    pub(super) fn holding(&mut self, seq: u64) -> Result<Arc<Block>, ReadError> {
        if let Some(block) = self.last.as_ref().filter(|block| block.frame(seq).is_some()) {
            return Ok(block.clone());
        }
        let row = self.select.query_row([seq], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let block = row.map(|(first, bytes)| Arc::new(Block::parse(first, bytes)));
        match block.filter(|block| block.frame(seq).is_some()) {
            Some(block) => Ok(self.last.insert(block).clone()),
            None => Err(ReadError::Damaged(format!("its log entry {seq} is missing"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::digest::hex;
    use crate::store::fixtures;

    fn block() -> Block {
        let mut block = Block::new(7);
        for (list, revision) in [("ann", 1), ("bob", 258)] {
            let name = fixtures::name(list);
            block.push(
                &name,
                revision,
                &frame(&name, revision, MAX_FRAME_BYTES, |mut frame| {
                    frame.extend_from_slice(b"record of ");
                    frame.extend_from_slice(list.as_bytes());
                    frame
                })
                .expect("a small frame"),
            );
        }
        block
    }

    #[test]
    fn a_frame_over_the_limit_is_refused() {
        let (name, record) = (fixtures::name("ann"), [7; 20]);
        let bytes = HEAD_BYTES + "ann".len() + record.len();
        let framed = |limit| frame(&name, 1, limit, |frame| [&frame[..], &record].concat());
        assert_eq!(framed(bytes).map(|frame| frame.len()), Ok(bytes));
        assert_eq!(framed(bytes - 1), Err(OversizedFrame { bytes, limit: bytes - 1 }));
    }

    #[test]
    fn the_bytes_of_a_row_are_pinned() {
        let mut block = block();
        assert_eq!(hex(block.bytes()), include_str!("golden/commits-3.hex").trim(), "raise the format");
        assert_eq!(hex(&block.take_directory()), include_str!("golden/directory-4.hex").trim(), "raise the format");
    }

    #[test]
    fn a_row_parses_to_the_commits_it_was_built_of() {
        let built = block();
        let parsed = Block::parse(7, built.bytes().to_vec());
        assert_eq!((parsed.first(), parsed.last()), (7, 8));
        for block in [&built, &parsed] {
            let bob = block.frame(8).expect("the second one");
            assert_eq!((bob.name, bob.revision, bob.record), (&b"bob"[..], 258, &b"record of bob"[..]));
            assert!(block.frame(6).is_none() && block.frame(9).is_none());
        }
    }

    #[test]
    fn a_row_that_ends_anywhere_gives_its_complete_commits() {
        let whole = block();
        for end in 0..whole.bytes().len() {
            let cut = Block::parse(7, whole.bytes()[..end].to_vec());
            let frames = (7..=8).filter_map(|seq| cut.frame(seq));
            for (frame, list) in frames.zip(["ann", "bob"]) {
                assert_eq!(frame.record, format!("record of {list}").as_bytes());
            }
            assert!(cut.frame(8).is_none());
        }
    }
}

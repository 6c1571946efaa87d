//! A row of the log: commits of one durable write, one behind the other.
//!
//! SQLite's work is by the row, so a row holds many commits. Each is a frame of its own, with a
//! checksum of its own. Beside the frames stands a directory of their lists, under another
//! checksum: when a frame is damaged, it still tells whose it was.

use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, OptionalExtension};

use super::fold::Fault;
use super::record;
use crate::list::name::ListName;

/// A row is closed at this size: what a list has in the log is read by the row.
pub(super) const FULL_BYTES: usize = 16 * 1024;

/// The record's length (4 bytes), the name's (1) and the revision (8), little-endian. Then come the
/// name and the record.
const HEAD_BYTES: usize = 13;

/// The frames of one row, numbered on from `first`.
pub(super) struct Block {
    first: u64,
    /// Where the frames begin, as far as their lengths lead.
    starts: Vec<u32>,
    bytes: Vec<u8>,
    directory: Vec<u8>,
}

/// One commit in a block. The record's checksum covers the other two.
pub(super) struct Frame<'a> {
    pub(super) name: &'a [u8],
    pub(super) revision: u64,
    pub(super) record: &'a [u8],
}

impl Block {
    /// An empty block, whose first commit will have that number.
    pub(super) fn new(first: u64) -> Self {
        let bytes = Vec::with_capacity(FULL_BYTES + FULL_BYTES / 8);
        Self { first, starts: Vec::new(), bytes, directory: Vec::new() }
    }

    /// The block of a row. One that is damaged has fewer frames than it should.
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

    /// The block without the room for more frames: it stays in memory until its commits are folded,
    /// and most blocks of a quiet server hold a few commits only.
    pub(super) fn closed(mut self) -> Self {
        self.bytes.shrink_to_fit();
        self.starts.shrink_to_fit();
        self
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The number of the last commit; one less than the first when there is none.
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

    /// Takes what the row's directory holds: whose the frames are, in their order. Memory needs it no
    /// longer.
    pub(super) fn take_directory(&mut self) -> Vec<u8> {
        record::directory(self.last(), &std::mem::take(&mut self.directory))
    }
}

/// Encodes the frame of a commit. `record` appends its record.
pub(super) fn frame(name: &ListName, revision: u64, record: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let name = name.as_str().as_bytes();
    let mut frame = Vec::with_capacity(512);
    frame.extend_from_slice(&[0; 4]);
    frame.push(u8::try_from(name.len()).expect("a list's name has at most 200 bytes"));
    frame.extend_from_slice(&revision.to_le_bytes());
    frame.extend_from_slice(name);
    let begin = frame.len();
    let mut frame = record(frame);
    let length = u32::try_from(frame.len() - begin).expect("a commit is bounded far below that");
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame
}

/// Where the frame that starts at `at` ends, if it is there in full.
fn end_of(bytes: &[u8], at: usize) -> Option<usize> {
    let head: &[u8; HEAD_BYTES] = bytes.get(at..)?.first_chunk()?;
    let length = u32::from_le_bytes(*head.first_chunk()?) as usize;
    let end = at + HEAD_BYTES + usize::from(head[4]) + length;
    (end <= bytes.len()).then_some(end)
}

/// Reads blocks that are not in memory. Commits that are read one after the other are often in the
/// same block, so the last one is kept.
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
    pub(super) fn holding(&mut self, seq: u64) -> Result<Arc<Block>, Fault> {
        if let Some(block) = self.last.as_ref().filter(|block| block.frame(seq).is_some()) {
            return Ok(block.clone());
        }
        let row = self.select.query_row([seq], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let block = row.map(|(first, bytes)| Arc::new(Block::parse(first, bytes)));
        match block.filter(|block| block.frame(seq).is_some()) {
            Some(block) => Ok(self.last.insert(block).clone()),
            None => Err(Fault::List(format!("its log entry {seq} is missing"))),
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
                &frame(&name, revision, |mut frame| {
                    frame.extend_from_slice(b"record of ");
                    frame.extend_from_slice(list.as_bytes());
                    frame
                }),
            );
        }
        block
    }

    #[test]
    fn the_bytes_of_a_row_are_pinned() {
        let mut block = block();
        assert_eq!(hex(block.bytes()), include_str!("golden/commits-3.hex").trim(), "raise the format");
        assert_eq!(hex(&block.take_directory()), include_str!("golden/directory-3.hex").trim(), "raise the format");
    }

    #[test]
    fn a_row_is_taken_apart_as_it_was_put_together() {
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
    fn a_row_that_is_cut_off_anywhere_gives_what_is_whole() {
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

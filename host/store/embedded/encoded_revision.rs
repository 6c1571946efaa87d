//! An encoded revision, read without holding its changes in memory.
//!
//! Sizes are those that the revision has in memory, as [`Revision::bytes`](crate::list::revision::Revision::bytes) counts them.
//! An encoded change of two bytes may take a hundred there.
//!
//! The fields are in the order in which [`Revision`](crate::list::revision::Revision) declares them. A test compares both
//! readings.

use std::sync::Arc;

use super::record;
use crate::list::change::Change;
use crate::list::command::{Command, Context};
use crate::list::id::{EntryId, LogicId};
use crate::list::outline::{ChangeCounts, RevisionOutline, undone_by};
use crate::list::revision::Revision;

/// A revision in its encoding.
pub(super) struct EncodedRevision<'a> {
    pub(super) outline: RevisionOutline,
    /// The whole revision.
    pub(super) bytes: &'a [u8],
    /// The bytes that all changes take in memory.
    pub(super) changes_bytes: usize,
    /// The changes, without their number.
    changes: &'a [u8],
    count: usize,
}

impl<'a> EncodedRevision<'a> {
    /// Reads the revision at the beginning of the bytes, and returns the bytes after it.
    pub(super) fn take(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), String> {
        let ((number, context, logic), rest) = record::decode_first::<(u64, Context, Arc<LogicId>)>(bytes)?;
        let (command, rest) = record::decode_first::<Command>(rest)?;
        let (name, undone) = (command.name().to_owned(), undone_by(&command));
        let mut memory = size_of::<Revision>() + command.bytes();
        drop(command);
        let (count, changes) = record::decode_first::<usize>(rest)?;
        let (mut counts, mut changes_bytes) = (ChangeCounts::default(), 0);
        let rest = each(changes, count, |change| {
            counts.count(&change);
            changes_bytes += change.bytes();
        })?;
        let changes = &changes[..changes.len() - rest.len()];
        memory += changes_bytes;
        let (inverse, rest) = record::decode_first::<usize>(rest)?;
        let rest = each(rest, inverse, |change| memory += change.bytes())?;
        let (_, rest) = record::decode_first::<EntryId>(rest)?;
        let bytes = &bytes[..bytes.len() - rest.len()];
        let outline =
            RevisionOutline { number, context, logic, command: name, undone, counts, changes: None, bytes: memory };
        Ok((Self { outline, bytes, changes_bytes, changes, count }, rest))
    }

    /// All changes.
    pub(super) fn all_changes(&self) -> Result<Vec<Change>, String> {
        let mut all = Vec::new();
        each(self.changes, self.count, |change| all.push(change))?;
        Ok(all)
    }

    /// Calls `take` with each change but the first `after`, and with its size, until it returns false.
    pub(super) fn changes(&self, after: usize, mut take: impl FnMut(Change, usize) -> bool) -> Result<(), String> {
        let mut rest = self.changes;
        for at in 0..self.count {
            let (change, next) = record::decode_first::<Change>(rest)?;
            rest = next;
            let bytes = change.bytes();
            if at >= after && !take(change, bytes) {
                break;
            }
        }
        Ok(())
    }
}

/// Calls `see` with each of `count` changes. Returns the bytes after them.
fn each(mut bytes: &[u8], count: usize, mut see: impl FnMut(Change)) -> Result<&[u8], String> {
    for _ in 0..count {
        let (change, rest) = record::decode_first(bytes)?;
        see(change);
        bytes = rest;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixtures::Writer;

    #[test]
    fn an_encoded_revision_is_read_as_the_revision_that_it_is_of() {
        let mut writer = Writer::new("bob").create().add("Dentist").add("Milk");
        let mut revisions = writer.take().revisions;
        let (changes, inverse) = (revisions[1].changes.clone(), revisions[1].inverse.clone());
        let undo = Command::Undo { revision: 2, changes: changes.clone(), inverse: inverse.clone() };
        let last =
            Revision { number: 4, command: undo, changes: inverse, inverse: changes, ..Revision::clone(&revisions[2]) };
        revisions.push(Arc::new(last));
        let bytes = record::append(Vec::new(), &revisions);
        let (count, mut rest) = record::decode_first::<usize>(&bytes).expect("a run");
        assert_eq!(count, 4);
        for revision in &revisions {
            let (encoded, after) = EncodedRevision::take(rest).expect("it is whole");
            rest = after;
            assert_eq!(encoded.outline, RevisionOutline::of(revision));
            assert_eq!(encoded.changes_bytes, revision.changes.iter().map(Change::bytes).sum::<usize>());
            assert_eq!(record::decode_whole(encoded.bytes).as_ref(), Ok(&**revision));
            for after in 0..3 {
                let mut changes = Vec::new();
                encoded
                    .changes(after, |change, _| {
                        changes.push(change);
                        true
                    })
                    .expect("it is whole");
                assert_eq!(changes, revision.changes.iter().skip(after).cloned().collect::<Vec<_>>());
            }
        }
        assert!(rest.is_empty());
    }
}

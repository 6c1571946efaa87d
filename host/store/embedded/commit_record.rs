//! The encoding of a commit in the log: a head, the receipts, then the revisions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::receipt_record::{self, EncodedReceipt};
use super::record::{self, ListMeta, RowKind, Unsealed};
use crate::list::change::Change;
use crate::list::name::ListName;
use crate::list::revision::Revision;
use crate::store::Commit;

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

/// A decoded commit. The revisions and receipts stay encoded, because compaction moves them as they are.
pub(super) struct CommitBody<'a> {
    pub(super) head: CommitHead,
    pub(super) receipts: Vec<EncodedReceipt<'a>>,
    pub(super) revisions: &'a [u8],
}

/// Appends the record of a commit.
pub(super) fn append_commit(commit: &Commit, head: &CommitHead, mut bytes: Vec<u8>) -> Vec<u8> {
    let begin = bytes.len();
    bytes.resize(begin + record::PREFIX_BYTES, 0);
    let receipts: Vec<_> = commit.receipts.iter().map(|receipt| EncodedReceipt::of(receipt)).collect();
    let bytes = record::append(bytes, head);
    let bytes = record::append(bytes, &receipts);
    let mut bytes = record::append(bytes, &commit.revisions);
    record::seal_at(RowKind::Log, commit.name.as_str(), head.meta.revision, &mut bytes[begin..]);
    bytes
}

/// Decodes a commit's record. The changes stay encoded, so this costs little for a large commit.
pub(super) fn log_body<'a>(name: &ListName, revision: u64, bytes: &'a [u8]) -> Result<CommitBody<'a>, String> {
    let Unsealed { version, content } = record::unseal(RowKind::Log, name, revision, bytes)?;
    let (head, rest) = record::decode_first::<CommitHead>(content)?;
    if head.meta.revision != revision {
        return Err(format!("its log row {revision} is of revision {}", head.meta.revision));
    }
    let (receipts, revisions) = receipt_record::of_commit(version, rest)?;
    Ok(CommitBody { head, receipts, revisions })
}

/// The number of the last revision that deletes its list.
pub(super) fn deleted_at(revisions: &[Arc<Revision>]) -> Option<u64> {
    let erases = |revision: &&Arc<Revision>| revision.changes.contains(&Change::DeleteList);
    revisions.iter().rev().find(erases).map(|revision| revision.number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::digest::hex;
    use crate::list::receipt::{CommandOutcome, Receipt};
    use crate::list::touched::Touched;
    use crate::store::fixtures;

    fn receipts(body: &CommitBody<'_>) -> Vec<Receipt> {
        body.receipts.iter().map(|receipt| receipt.decode().expect("it is whole")).collect()
    }

    #[test]
    fn the_bytes_of_a_log_row_are_pinned() {
        let commit = fixtures::Writer::new("bob").create().with_receipt("k").commit();
        let head = CommitHead { after: 0, deleted_at: None, meta: ListMeta::of(&commit.state, Some(7)) };
        let row = append_commit(&commit, &head, Vec::new());
        assert_eq!(hex(&row), include_str!("golden/log-4.hex").trim(), "a stored type changed: raise ENCODING");
        let body = log_body(&commit.name, 1, &row).expect("it is whole");
        assert_eq!(body.head, head);
        assert_eq!(receipts(&body), commit.receipts.iter().map(|r| Receipt::clone(r)).collect::<Vec<_>>());
        assert_eq!(record::revisions(body.revisions), Ok(commit.revisions));
    }

    #[test]
    fn a_commit_of_the_encoding_with_changes_in_receipts_is_read() {
        let commit = fixtures::Writer::new("bob").create().with_receipt("k").commit();
        let row = fixtures::unhex(include_str!("golden/log-3.hex"));
        let body = log_body(&commit.name, 1, &row).expect("it is whole");
        let receipts = receipts(&body);
        let CommandOutcome::Done { effect, .. } = &receipts[0].outcome else { panic!("{receipts:?}") };
        assert_eq!((receipts.len(), effect.touched()), (1, Touched::default()));
        assert_eq!((receipts[0].request.key.as_str(), receipts[0].request.holder.as_str()), ("k", "k"));
        assert_eq!(record::revisions(body.revisions), Ok(commit.revisions));
    }

    #[test]
    fn a_row_is_unreadable_after_any_flipped_bit_and_in_any_other_place() {
        let commit = fixtures::Writer::new("bob").create().commit();
        let head = CommitHead { after: 0, deleted_at: None, meta: ListMeta::of(&commit.state, None) };
        let row = append_commit(&commit, &head, Vec::new());
        let reads =
            |name: &str, revision, row: &[u8]| log_body(&ListName::new(name).expect("a name"), revision, row).is_ok();
        assert!(reads("bob", 1, &row));
        assert!(!reads("bop", 1, &row));
        assert!(!reads("bob", 2, &row));
        assert!(record::unseal(RowKind::History, &commit.name, 1, &row).is_err());
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

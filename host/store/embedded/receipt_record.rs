//! The encoding of receipts, and the older encoding that is still read.
//!
//! A commit in the log holds its receipts encoded, each with its account. Recovery reads the accounts only, and
//! compaction moves the receipts as they are.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::record::{self, RowKind, Unsealed};
use crate::list::change::{Change, Rejection};
use crate::list::id::{EntryId, LogicId};
use crate::list::name::ListName;
use crate::list::receipt::{CommandOutcome, Idempotency, Receipt, RetainedEffect};
use crate::store::receipt_room::ReceiptAccount;

/// The last encoding whose receipts hold the changes of their commands.
const LAST_WITH_CHANGES: u8 = 3;

/// A receipt that is encoded, with its account.
#[derive(Serialize, Deserialize)]
pub(super) struct EncodedReceipt<'a> {
    pub(super) time: u64,
    #[serde(borrow)]
    pub(super) holder: Cow<'a, str>,
    pub(super) bytes: u64,
    #[serde(borrow)]
    record: Cow<'a, [u8]>,
}

/// A receipt of an encoding up to [`LAST_WITH_CHANGES`], with the changes of that encoding.
#[derive(Deserialize)]
pub(super) struct ReceiptWithChanges<C> {
    request: KeyAndFingerprint,
    time: u64,
    logic: Arc<LogicId>,
    outcome: OutcomeWithChanges<C>,
}

#[derive(Deserialize)]
struct KeyAndFingerprint {
    key: String,
    fingerprint: [u8; 32],
}

#[derive(Deserialize)]
enum OutcomeWithChanges<C> {
    Done { revision: u64, changes: Vec<C>, created: bool, next_id_before: EntryId },
    Rejected(Rejection),
}

impl<'a> EncodedReceipt<'a> {
    pub(super) fn of(receipt: &Receipt) -> Self {
        Self {
            time: receipt.time,
            holder: receipt.request.holder.clone().into(),
            bytes: receipt.bytes() as u64,
            record: record::append(Vec::new(), receipt).into(),
        }
    }

    /// Decodes the receipt.
    pub(super) fn decode(&self) -> Result<Receipt, String> {
        record::decode_whole(&self.record)
    }

    /// The share of the receipt in the room.
    pub(super) fn account(&self) -> ReceiptAccount {
        ReceiptAccount { time: self.time, holder: (*self.holder).into(), bytes: self.bytes }
    }

    /// Seals the receipt as a row at a place in the order of all receipts.
    pub(super) fn row(&self, name: &ListName, place: u64) -> Vec<u8> {
        record::sealed(RowKind::Receipt, name, place, &self.record)
    }
}

/// Decodes the receipts of a commit, and returns the bytes after them.
pub(super) fn of_commit(version: u8, bytes: &[u8]) -> Result<(Vec<EncodedReceipt<'_>>, &[u8]), String> {
    if version > LAST_WITH_CHANGES {
        return record::decode_first(bytes);
    }
    let (receipts, rest) = record::decode_first::<Vec<ReceiptWithChanges<Change>>>(bytes)?;
    let encoded = receipts.into_iter().map(|receipt| EncodedReceipt::of(&receipt.into_receipt(|change, _| change)));
    Ok((encoded.collect(), rest))
}

/// Decodes the row of a receipt.
pub(super) fn from_row(name: &ListName, place: u64, bytes: &[u8]) -> Result<Receipt, String> {
    let Unsealed { version, content } = record::unseal(RowKind::Receipt, name, place, bytes)?;
    match version {
        ..=LAST_WITH_CHANGES => {
            let receipt = record::decode_whole::<ReceiptWithChanges<Change>>(content)?;
            Ok(receipt.into_receipt(|change, _| change))
        }
        _ => record::decode_whole(content),
    }
}

impl<C> ReceiptWithChanges<C> {
    /// The receipt without its changes. `convert` turns a change of the version into one of this program.
    pub(super) fn into_receipt(self, convert: impl Fn(C, &Arc<LogicId>) -> Change) -> Receipt {
        let Self { request, time, logic, outcome } = self;
        let KeyAndFingerprint { key, fingerprint } = request;
        // The key begins with the name of the caller.
        let holder = key.split('\n').next().unwrap_or_default().to_owned();
        let outcome = match outcome {
            OutcomeWithChanges::Done { revision, changes, created, next_id_before } => {
                let changes: Vec<_> = changes.into_iter().map(|change| convert(change, &logic)).collect();
                let effect = RetainedEffect::of(&changes);
                CommandOutcome::Done { revision, created, next_id_before, effect }
            }
            OutcomeWithChanges::Rejected(rejection) => CommandOutcome::Rejected(rejection),
        };
        Receipt { request: Idempotency { key, holder, fingerprint }, time, logic, outcome }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::digest::hex;
    use crate::store::fixtures;

    fn sample() -> (ListName, Receipt) {
        let commit = fixtures::Writer::new("bob").create().add("Dentist").add("Milk").with_receipt("ann\nk").commit();
        let mut changes: Vec<_> = commit.revisions.iter().flat_map(|revision| revision.changes.clone()).collect();
        changes.push(Change::Remove(1));
        let mut receipt = Receipt::clone(&commit.receipts[0]);
        receipt.request.holder = "ann".into();
        let effect = RetainedEffect::of(&changes);
        receipt.outcome = CommandOutcome::Done { revision: 3, created: true, next_id_before: 1, effect };
        (commit.name, receipt)
    }

    #[test]
    fn the_bytes_of_a_receipt_are_pinned() {
        let (name, receipt) = sample();
        let row = EncodedReceipt::of(&receipt).row(&name, 256);
        assert_eq!(hex(&row), include_str!("golden/receipt-4.hex").trim(), "a stored type changed: raise ENCODING");
        assert_eq!(from_row(&name, 256, &row), Ok(receipt));
    }

    #[test]
    fn a_receipt_of_the_encoding_with_changes_becomes_one_without() {
        let (name, receipt) = sample();
        let row = fixtures::unhex(include_str!("golden/receipt-3.hex"));
        assert_eq!(from_row(&name, 256, &row), Ok(receipt));
        let rejected = from_row(&name, 257, &fixtures::unhex(include_str!("golden/receipt-rejected-3.hex")));
        let rejection = Rejection { code: "c".into(), message: "m".into(), field: None };
        assert_eq!(rejected.map(|receipt| receipt.outcome), Ok(CommandOutcome::Rejected(rejection)));
    }

    #[test]
    fn the_encoding_of_a_receipt_has_no_more_bytes_than_the_receipt_counts() {
        let (_, mut receipt) = sample();
        let encoded = EncodedReceipt::of(&receipt);
        assert!(encoded.record.len() as u64 <= encoded.bytes, "{} and {}", encoded.record.len(), encoded.bytes);
        let scattered = (0..500).map(|id| Change::Remove(u64::MAX - 2 * id)).collect::<Vec<_>>();
        let effect = RetainedEffect::of(&scattered);
        receipt.outcome = CommandOutcome::Done { revision: 3, created: true, next_id_before: 1, effect };
        let encoded = EncodedReceipt::of(&receipt);
        assert!(encoded.record.len() as u64 <= encoded.bytes, "{} and {}", encoded.record.len(), encoded.bytes);
    }
}

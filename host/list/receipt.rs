//! Receipts of requests with an idempotency key: what a repetition of such a request is answered with.
//!
//! A receipt holds what the first reply needs, and not the changes themselves. The entries of a small reply are in the
//! receipt. Of a large one, the receipt holds the ids, and the number of the revision that holds the entries.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::change::{Change, Rejection};
use super::entry::Entry;
use super::id::{EntryId, LogicId};
use super::touched::Touched;

/// The most bytes an idempotency key may have.
pub const MAX_KEY_BYTES: usize = 255;

/// The most bytes that the entries in one receipt may have. Of more bytes, the receipt holds the ids only.
pub const MAX_RECEIPT_ENTRY_BYTES: usize = 16 * 1024;

/// The bytes of a receipt without its texts, its entries and its ids: digests, numbers, lengths, and its place on disk.
const RECEIPT_BYTES: usize = 192;

/// The bytes of an entry without its texts: numbers, the date, and lengths.
const ENTRY_BYTES: usize = 48;

/// The bytes of a field without its texts: a number or a date, and lengths.
const FIELD_BYTES: usize = 24;

/// The bytes of one run of ids: two numbers.
const RUN_BYTES: usize = 20;

/// The identity of a request, by which a repetition is recognised.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Idempotency {
    /// The caller and the caller's key of at most [`MAX_KEY_BYTES`] bytes.
    pub key: String,
    /// The caller or the address on whose account the receipt takes room.
    pub holder: String,
    /// A digest of the request, which distinguishes a repetition from another request with the same key.
    pub fingerprint: [u8; 32],
}

/// The stored answer to a request with an idempotency key. A repetition of the request gets the same answer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Receipt {
    /// The request.
    pub request: Idempotency,
    /// The time of the answer, in milliseconds since the epoch.
    pub time: u64,
    /// The version that decided the command.
    pub logic: Arc<LogicId>,
    /// The outcome that the answer reported.
    pub outcome: CommandOutcome,
}

/// The outcome of a decided command. A failure is not an outcome: a repetition of the request is a new attempt.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum CommandOutcome {
    /// The command was carried out.
    Done {
        /// The list's revision after it.
        revision: u64,
        /// Whether the command created the list.
        created: bool,
        /// The id of the next new entry before the command.
        next_id_before: EntryId,
        /// What the command changed.
        effect: RetainedEffect,
    },
    /// The logic rejected the command.
    Rejected(Rejection),
}

/// What a command changed, as far as a reply shows it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum RetainedEffect {
    /// Nothing, so that the command made no revision.
    Nothing,
    /// A revision with few bytes of entries.
    Entries {
        /// The entries that were put and not removed.
        put: Vec<Arc<Entry>>,
        /// The entries that were removed.
        removed: Ids,
    },
    /// A revision with many bytes of entries. The history holds their content as long as it holds the revision.
    Ids {
        /// The entries that were put and not removed.
        put: Ids,
        /// The entries that were removed.
        removed: Ids,
    },
}

/// Ids of entries in their order, as runs of consecutive ids: the first id of each run, and the number of ids.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Ids(Vec<(EntryId, u64)>);

impl Receipt {
    /// Returns the bytes of the receipt, by which the room for receipts is limited. Its encoding has no more bytes.
    pub fn bytes(&self) -> usize {
        let outcome = match &self.outcome {
            CommandOutcome::Done { effect, .. } => effect.bytes(),
            CommandOutcome::Rejected(Rejection { code, message, field }) => {
                code.len() + message.len() + field.as_ref().map_or(0, String::len)
            }
        };
        self.request.receipt_bytes(&self.logic) + outcome
    }
}

impl Idempotency {
    /// Returns the bytes of the smallest receipt that the request can have.
    pub fn least_receipt_bytes(&self) -> usize {
        RECEIPT_BYTES + self.key.len() + self.holder.len()
    }

    fn receipt_bytes(&self, logic: &LogicId) -> usize {
        let version = logic.version.pre.len() + logic.version.build.len();
        self.least_receipt_bytes() + logic.name.as_str().len() + version
    }
}

impl RetainedEffect {
    /// Returns what a receipt retains of the changes of a command.
    pub fn of(changes: &[Change]) -> Self {
        if changes.is_empty() {
            return Self::Nothing;
        }
        let Touched { put, removed, .. } = Touched::by(changes);
        let removed = removed.into_iter().collect();
        match entries_bytes(&put) <= MAX_RECEIPT_ENTRY_BYTES {
            true => Self::Entries { put, removed },
            false => Self::Ids { put: put.iter().map(|entry| entry.id).collect(), removed },
        }
    }

    /// Returns the entries that the command touched, as far as they are in the receipt.
    pub fn touched(&self) -> Touched {
        match self {
            Self::Nothing => Touched::default(),
            Self::Entries { put, removed } => {
                Touched { put: put.clone(), unknown: Vec::new(), removed: removed.iter().collect() }
            }
            Self::Ids { put, removed } => {
                Touched { put: Vec::new(), unknown: put.iter().collect(), removed: removed.iter().collect() }
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Entries { put, removed } => entries_bytes(put) + removed.bytes(),
            Self::Ids { put, removed } => put.bytes() + removed.bytes(),
        }
    }
}

fn entries_bytes(entries: &[Arc<Entry>]) -> usize {
    use super::value::Value;
    let field_bytes = |field: &super::value::Field| match &field.value {
        // Ids count with 8 bytes each among the texts, and take up to 10.
        Value::Entries(ids) => FIELD_BYTES + 2 * ids.len(),
        _ => FIELD_BYTES,
    };
    let bytes = |entry: &Arc<Entry>| ENTRY_BYTES + entry.bytes() + entry.fields.iter().map(field_bytes).sum::<usize>();
    entries.iter().map(bytes).sum()
}

impl Ids {
    /// Returns the ids.
    pub fn iter(&self) -> impl Iterator<Item = EntryId> + '_ {
        self.0.iter().flat_map(|(first, count)| (*first..).zip(0..*count).map(|(id, _)| id))
    }

    fn bytes(&self) -> usize {
        RUN_BYTES * self.0.len()
    }
}

impl FromIterator<EntryId> for Ids {
    fn from_iter<I: IntoIterator<Item = EntryId>>(ids: I) -> Self {
        let mut runs: Vec<(EntryId, u64)> = Vec::new();
        for id in ids {
            match runs.last_mut() {
                Some((first, count)) if first.checked_add(*count) == Some(id) => *count += 1,
                _ => runs.push((id, 1)),
            }
        }
        runs.shrink_to_fit();
        Self(runs)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    fn entry(id: EntryId, title: String) -> Change {
        Change::put(Entry { id, title, date: None, completed: false, order: None, fields: Vec::new() })
    }

    proptest! {
        #[test]
        fn ids_keep_their_order_and_their_number(ids in proptest::collection::vec(any::<u64>(), 0..20)) {
            let near = ids.iter().map(|id| id % 7).chain(ids.iter().copied());
            let all: Vec<_> = near.collect();
            let runs: Ids = all.iter().copied().collect();
            assert_eq!(runs.iter().collect::<Vec<_>>(), all);
        }
    }

    #[test]
    fn a_receipt_holds_few_entries_whole_and_many_by_their_ids() {
        let few: Vec<_> = (1..=3).map(|id| entry(id, "x".repeat(100))).collect();
        assert_eq!(RetainedEffect::of(&few).touched(), Touched::by(&few));
        let many: Vec<_> = (1..=10_000).map(|id| entry(id, "Dentist".into())).chain([Change::Remove(7)]).collect();
        let effect = RetainedEffect::of(&many);
        let Touched { put, unknown, removed } = effect.touched();
        assert_eq!((put.len(), unknown.len(), removed), (0, 9_999, vec![7]));
        assert_eq!((unknown[0], unknown[9_998]), (1, 10_000));
        assert!(effect.bytes() <= 4 * RUN_BYTES, "{} bytes", effect.bytes());
    }

    #[test]
    fn the_entries_in_a_receipt_are_limited_in_bytes() {
        let of = |bytes: usize| RetainedEffect::of(&[entry(1, "x".repeat(bytes - ENTRY_BYTES))]);
        assert!(matches!(of(MAX_RECEIPT_ENTRY_BYTES), RetainedEffect::Entries { .. }));
        assert!(matches!(of(MAX_RECEIPT_ENTRY_BYTES + 1), RetainedEffect::Ids { .. }));
    }
}

//! The errors of records, and what each one says about a change.

use super::name::{RecordKey, RecordKind};
use crate::store::error::StoreError;

/// Why a call about records failed.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum RecordError {
    /// Another writer changed the record first. The change was not carried out.
    #[error("record {key} of kind {kind} {}, the change expects that it {}", state(*found), state(*expected))]
    Conflict {
        /// The kind of the record.
        kind: RecordKind,
        /// The key of the record.
        key: RecordKey,
        /// The revision that the change names.
        expected: Option<u64>,
        /// The revision that the record has.
        found: Option<u64>,
    },
    /// The record exists and is damaged.
    #[error("record {key} of kind {kind} cannot be read: {why}")]
    Unreadable {
        /// The kind of the record.
        kind: RecordKind,
        /// The key of the record.
        key: RecordKey,
        /// What a change that replaces the record names as [`expected`](super::RecordChange::expected).
        revision: Option<u64>,
        /// The damage.
        why: String,
    },
    /// The value is too large. The change was not carried out.
    #[error("the value of record {key} of kind {kind} has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// The kind of the record.
        kind: RecordKind,
        /// The key of the record.
        key: RecordKey,
        /// The size of the value.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The store failed, or refused the call.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RecordError {
    /// Whether the outcome of the change is unknown: it may be durable. After every other error the change was not carried
    /// out.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_unknown())
    }
}

fn state(revision: Option<u64>) -> String {
    revision.map_or_else(|| "is absent".to_owned(), |revision| format!("is at revision {revision}"))
}

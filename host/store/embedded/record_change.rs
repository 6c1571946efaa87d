//! Changes of records on their way into a transaction.

use bytes::Bytes;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::record::PREFIX_BYTES;
use super::record_table::{self, Found, RowError, Table};
use crate::store::records::{RecordChange, RecordError, RecordKey, RecordKind, Replaced, Watchers};

/// A change that waits for the writer.
pub(super) struct QueuedChange {
    kind: RecordKind,
    key: RecordKey,
    expected: Option<u64>,
    action: Action,
    reply: oneshot::Sender<Result<u64, RecordError>>,
}

enum Action {
    /// Write a value. `bytes` has room for the prefix of the row before the value.
    Put {
        bytes: Vec<u8>,
        replaced: Replaced,
    },
    Delete,
}

impl QueuedChange {
    /// A change that writes a value. Makes the row on the thread of the caller.
    pub(super) fn put(change: RecordChange, reply: oneshot::Sender<Result<u64, RecordError>>) -> Self {
        let RecordChange { kind, key, value, expected, replaced } = change;
        Self { kind, key, expected, action: Action::Put { bytes: with_room(&value), replaced }, reply }
    }

    /// A change that deletes a record.
    pub(super) fn delete(
        (kind, key): (RecordKind, RecordKey),
        expected: Option<u64>,
        reply: oneshot::Sender<Result<u64, RecordError>>,
    ) -> Self {
        Self { kind, key, expected, action: Action::Delete, reply }
    }

    /// About how much the change writes.
    pub(super) fn bytes(&self) -> usize {
        match &self.action {
            Action::Put { bytes, .. } => bytes.len(),
            Action::Delete => 0,
        }
    }

    /// Carries the change out in a transaction, if it names what is there. Returns the new revision of the record.
    pub(super) fn carry_out(&mut self, db: &Connection) -> Result<Result<u64, RecordError>, RowError> {
        let Self { kind, key, expected, action, .. } = self;
        let found = record_table::find(db, kind, key)?;
        if found.revision() != *expected {
            let (kind, key, expected) = (kind.clone(), key.clone(), *expected);
            return Ok(Err(RecordError::Conflict { kind, key, expected, found: found.revision() }));
        }
        let written = match action {
            Action::Put { bytes, replaced } => put(db, kind, key, bytes, &found, *replaced),
            Action::Delete => delete(db, kind, key, &found),
        };
        written.map(Ok).map_err(|error| RowError::of(Table::Present, error))
    }

    /// The error of a change that meets damage.
    pub(super) fn unreadable(&self, revision: Option<u64>, why: String) -> RecordError {
        RecordError::Unreadable { kind: self.kind.clone(), key: self.key.clone(), revision, why }
    }

    /// Tells the watches of the record's kind.
    pub(super) fn announce(&self, watchers: &Watchers) {
        watchers.changed(&self.kind, &self.key);
    }

    /// A caller may have dropped its answer; the change stands.
    pub(super) fn answer(self, result: Result<u64, RecordError>) {
        let _ = self.reply.send(result);
    }
}

fn put(
    db: &Connection,
    kind: &RecordKind,
    key: &RecordKey,
    bytes: &mut [u8],
    found: &Found,
    replaced: Replaced,
) -> rusqlite::Result<u64> {
    let sound = match found {
        Found::Sound(revision) => Some(*revision),
        Found::Absent | Found::Damaged { .. } => None,
    };
    if sound.is_some() && replaced == Replaced::BecomesPrevious {
        record_table::move_to_previous(db, kind, key)?;
    }
    keep_damaged(db, kind, key, found)?;
    record_table::replace(db, kind, key, bytes, sound)
}

fn delete(db: &Connection, kind: &RecordKind, key: &RecordKey, found: &Found) -> rusqlite::Result<u64> {
    keep_damaged(db, kind, key, found)?;
    record_table::delete(db, kind, key)?;
    Ok(0)
}

fn keep_damaged(db: &Connection, kind: &RecordKind, key: &RecordKey, found: &Found) -> rusqlite::Result<()> {
    let Found::Damaged { why, .. } = found else { return Ok(()) };
    tracing::error!(%kind, %key, why, "a damaged record is replaced; its row is kept in the table damaged_records");
    record_table::copy_evidence(db, kind, key, why)
}

fn with_room(value: &Bytes) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PREFIX_BYTES + value.len());
    bytes.resize(PREFIX_BYTES, 0);
    bytes.extend_from_slice(value);
    bytes
}

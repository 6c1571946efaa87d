//! Records in the embedded store.

use std::sync::mpsc::TrySendError;

use futures_util::FutureExt;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::EmbeddedStore;
use super::damage;
use super::queue::WriterRequest;
use super::record_change::QueuedChange;
use super::record_table::{self, RowError, Table};
use super::writer;
use crate::store::error::StoreError;
use crate::store::records::{
    ListedRecord, MAX_RECORD_PAGE, PendingRecord, RECORD_PAGE_BYTES, Record, RecordChange, RecordError, RecordKey,
    RecordKind, RecordPage, RecordWatch, Records,
};

impl EmbeddedStore {
    /// Queues a change for the writer.
    fn send_change(
        &self,
        change: impl FnOnce(oneshot::Sender<Result<u64, RecordError>>) -> QueuedChange,
    ) -> PendingRecord<u64> {
        let (reply, answer) = oneshot::channel();
        let sent = self.lifecycle.check_open().and_then(|()| self.lifecycle.check_healthy());
        let sent = sent.and_then(|()| match self.writes.try_send(WriterRequest::Change(change(reply))) {
            Ok(()) => Ok(answer),
            Err(TrySendError::Full(_)) => Err(StoreError::Overloaded { limit: self.options.queue }),
            Err(TrySendError::Disconnected(_)) => Err(self.lifecycle.disconnected(writer::THREAD)),
        });
        let lifecycle = self.lifecycle.clone();
        let lost = move || Err(lifecycle.unanswered_commit("change a record".into()).into());
        async move { sent?.await.unwrap_or_else(|_| lost()) }.boxed()
    }

    /// Reads on a reader thread.
    fn read_records<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, RecordError> + Send + 'static,
    ) -> PendingRecord<T> {
        let read = self.read(move |reader| Ok(read(&reader.db)));
        async move { read.await? }.boxed()
    }
}

impl Records for EmbeddedStore {
    fn get(&self, kind: &RecordKind, key: &RecordKey) -> PendingRecord<Option<Record>> {
        let (kind, key) = (kind.clone(), key.clone());
        self.read_records(move |db| get(db, &kind, &key))
    }

    fn previous(&self, kind: &RecordKind, key: &RecordKey) -> PendingRecord<Option<Record>> {
        let (kind, key) = (kind.clone(), key.clone());
        self.read_records(move |db| previous(db, &kind, &key))
    }

    fn put(&self, change: RecordChange) -> PendingRecord<u64> {
        match change.check() {
            Ok(()) => self.send_change(|reply| QueuedChange::put(change, reply)),
            Err(error) => std::future::ready(Err(error)).boxed(),
        }
    }

    fn delete(&self, kind: &RecordKind, key: &RecordKey, expected: Option<u64>) -> PendingRecord<()> {
        let record = (kind.clone(), key.clone());
        let deleted = self.send_change(|reply| QueuedChange::delete(record, expected, reply));
        async move { deleted.await.map(drop) }.boxed()
    }

    fn list(
        &self,
        kind: &RecordKind,
        prefix: &str,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> PendingRecord<RecordPage> {
        let (kind, prefix, after) = (kind.clone(), prefix.to_owned(), after.cloned());
        self.read_records(move |db| list(db, &kind, &prefix, after.as_ref(), limit))
    }

    fn watch(&self, kind: &RecordKind) -> RecordWatch {
        self.watchers.watch(kind)
    }
}

/// Reads a record.
fn get(db: &Connection, kind: &RecordKind, key: &RecordKey) -> Result<Option<Record>, RecordError> {
    record_table::get(db, kind, key).map_err(|error| unread(error, kind, key))
}

/// Reads the previous value of a record.
fn previous(db: &Connection, kind: &RecordKind, key: &RecordKey) -> Result<Option<Record>, RecordError> {
    record_table::row(db, Table::Previous, kind, key).map_err(|error| unread(error, kind, key))
}

/// Reads a page of records.
fn list(
    db: &Connection,
    kind: &RecordKind,
    prefix: &str,
    after: Option<&RecordKey>,
    limit: usize,
) -> Result<RecordPage, RecordError> {
    let limit = limit.min(MAX_RECORD_PAGE);
    // All rows are of one moment. A caller may have begun the transaction.
    let _transaction = if db.is_autocommit() { db.unchecked_transaction().map(Some) } else { Ok(None) }
        .map_err(damage::failed_in("list records", "records"))?;
    let after = after.map_or("", RecordKey::as_str);
    let keys = record_table::keys(db, kind, prefix, after, limit + 1);
    let keys = keys.map_err(damage::failed_in("list records", "records"))?;
    let (mut page, mut bytes) = (RecordPage::default(), 0);
    for text in keys.into_iter().take_while(|key| key.starts_with(prefix)) {
        let Ok(key) = RecordKey::new(&text) else {
            tracing::error!(%kind, key = text, "the key of a record is damaged; the record is left out of the page");
            continue;
        };
        page.has_more = page.records.len() >= limit || bytes >= RECORD_PAGE_BYTES;
        if page.has_more {
            break;
        }
        let record = match get(db, kind, &key) {
            Ok(Some(record)) => Ok(record),
            // The index has the key of a row that the table lacks.
            Ok(None) => Err(unread(RowError::Damaged { revision: None, why: "its row is missing".into() }, kind, &key)),
            Err(error @ RecordError::Unreadable { .. }) => Err(error),
            Err(error) => return Err(error),
        };
        bytes += record.as_ref().map_or(0, |record| record.value.len());
        page.records.push(ListedRecord { key, record });
    }
    Ok(page)
}

fn unread(error: RowError, kind: &RecordKind, key: &RecordKey) -> RecordError {
    match error {
        RowError::Damaged { revision, why } => {
            RecordError::Unreadable { kind: kind.clone(), key: key.clone(), revision, why }
        }
        RowError::Database(error) => {
            let what = format!("read record {key} of kind {kind}");
            StoreError::Failed { what, why: error.to_string() }.into()
        }
    }
}

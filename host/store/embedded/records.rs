//! Records in the embedded store.

use std::sync::mpsc::TrySendError;

use futures_util::FutureExt;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::EmbeddedStore;
use super::queue::WriterRequest;
use super::record_change::QueuedChange;
use super::record_reads::{get, list, previous};
use super::writer;
use crate::store::error::StoreError;
use crate::store::records::{
    PendingRecord, Record, RecordChange, RecordError, RecordKey, RecordKind, RecordPage, RecordWatch, Records,
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

//! Records that fail on request.

use futures_util::FutureExt;

use super::{FaultyStore, RecordFault};
use crate::store::records::{
    PendingRecord, Record, RecordChange, RecordError, RecordKey, RecordKind, RecordPage, RecordWatch, Records,
};
use crate::store::{Health, Store, StoreError};

impl<S: Store + Records> FaultyStore<S> {
    /// The next change of a record fails with this error. It is carried out all the same if `is_carried_out`. After
    /// [`StoreError::Failed`] and [`StoreError::Unknown`] the store is poisoned. Several calls fail several changes.
    pub fn fail_next_change(&self, error: StoreError, is_carried_out: bool) {
        self.faults.lock().next_changes.push_back(RecordFault { error, is_carried_out });
    }

    /// From now on the record is [`RecordError::Unreadable`], until it is changed.
    pub fn damage_record(&self, kind: &RecordKind, key: &RecordKey, why: &str) {
        self.faults.lock().damaged_records.insert((kind.clone(), key.clone()), why.to_owned());
    }

    /// From now on no record can be read, or all can be read again.
    pub fn fail_record_reads(&self, fail: bool) {
        self.faults.lock().fails_record_reads = fail;
    }

    fn damage(&self, kind: &RecordKind, key: &RecordKey) -> Option<String> {
        self.faults.lock().damaged_records.get(&(kind.clone(), key.clone())).cloned()
    }

    fn check_read(&self) -> Result<(), RecordError> {
        if !self.faults.lock().fails_record_reads {
            return Ok(());
        }
        let (what, why) = ("read a record".into(), "a test says so".into());
        Err(StoreError::Failed { what, why }.into())
    }

    /// Carries out a change, unless a test says that it fails.
    fn change<T: Send + 'static>(&self, change: impl FnOnce(&S) -> PendingRecord<T>) -> PendingRecord<T> {
        let mut faults = self.faults.lock();
        if let Some(why) = &faults.poisoned {
            return failed(StoreError::Poisoned { why: why.clone() }.into());
        }
        if let Some(why) = faults.disk_full.clone() {
            return failed(StoreError::Unavailable { why: Health::DiskFull { why }.to_string() }.into());
        }
        let Some(RecordFault { error, is_carried_out }) = faults.next_changes.pop_front() else {
            drop(faults);
            return change(&self.inner);
        };
        if let StoreError::Failed { why, .. } | StoreError::Unknown { why, .. } = &error {
            faults.poisoned = Some(why.clone());
        }
        drop(faults);
        let carried_out = is_carried_out.then(|| change(&self.inner));
        async move {
            if let Some(carried_out) = carried_out {
                carried_out.await?;
            }
            Err(error.into())
        }
        .boxed()
    }
}

impl<S: Store + Records> Records for FaultyStore<S> {
    fn get(&self, kind: &RecordKind, key: &RecordKey) -> PendingRecord<Option<Record>> {
        if let Err(error) = self.check_read() {
            return failed(error);
        }
        let record = self.inner.get(kind, key);
        let Some(why) = self.damage(kind, key) else { return record };
        let (kind, key) = (kind.clone(), key.clone());
        async move {
            let revision = record.await?.map(|record| record.revision);
            Err(RecordError::Unreadable { kind, key, revision, why })
        }
        .boxed()
    }

    fn previous(&self, kind: &RecordKind, key: &RecordKey) -> PendingRecord<Option<Record>> {
        self.check_read().map_or_else(failed, |()| self.inner.previous(kind, key))
    }

    fn put(&self, change: RecordChange) -> PendingRecord<u64> {
        let damaged = (change.kind.clone(), change.key.clone());
        let put = self.change(|store| store.put(change));
        self.faults.lock().damaged_records.remove(&damaged);
        put
    }

    fn delete(&self, kind: &RecordKind, key: &RecordKey, expected: Option<u64>) -> PendingRecord<()> {
        self.change(|store| store.delete(kind, key, expected))
    }

    fn list(
        &self,
        kind: &RecordKind,
        prefix: &str,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> PendingRecord<RecordPage> {
        self.check_read().map_or_else(failed, |()| self.inner.list(kind, prefix, after, limit))
    }

    fn watch(&self, kind: &RecordKind) -> RecordWatch {
        self.inner.watch(kind)
    }
}

fn failed<T: Send + 'static>(error: RecordError) -> PendingRecord<T> {
    std::future::ready(Err(error)).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    #[tokio::test]
    async fn a_change_with_an_unknown_outcome_may_be_carried_out_and_poisons_the_store() {
        let (kind, key) = (RecordKind::new("rollout").unwrap(), RecordKey::new("todo").unwrap());
        for is_carried_out in [false, true] {
            let store = FaultyStore::new(MemoryStore::default());
            let error = StoreError::Unknown { what: "write".into(), why: "a test says so".into() };
            store.fail_next_change(error.clone(), is_carried_out);
            let change = RecordChange::new(&kind, &key, "1", None);
            let refused = store.put(change.clone()).await.expect_err("it fails");
            assert!(refused.is_unknown(), "{refused}");
            assert_eq!(store.get(&kind, &key).await.unwrap().is_some(), is_carried_out);
            let refused = store.put(change).await.expect_err("it is poisoned");
            assert!(matches!(refused, RecordError::Store(StoreError::Poisoned { .. })), "{refused}");
        }
    }

    #[tokio::test]
    async fn a_damaged_record_is_readable_again_once_it_is_changed() {
        let (kind, key) = (RecordKind::new("rollout").unwrap(), RecordKey::new("todo").unwrap());
        let store = FaultyStore::new(MemoryStore::default());
        store.put(RecordChange::new(&kind, &key, "1", None)).await.unwrap();
        store.damage_record(&kind, &key, "a test says so");
        let Err(RecordError::Unreadable { revision, .. }) = store.get(&kind, &key).await else { panic!("it is sound") };
        store.put(RecordChange::new(&kind, &key, "2", revision)).await.unwrap();
        assert_eq!(store.get(&kind, &key).await.unwrap().map(|record| record.value), Some("2".into()));
    }
}

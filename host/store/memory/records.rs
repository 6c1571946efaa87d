//! Records in memory.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::store::records::{
    ListedRecord, MAX_RECORD_PAGE, RECORD_PAGE_BYTES, Record, RecordChange, RecordError, RecordKey, RecordKind,
    RecordPage, Replaced, Watchers,
};

/// The records of a store in memory.
#[derive(Debug, Default)]
pub(super) struct MemoryRecords {
    rows: Mutex<Rows>,
    pub(super) watchers: Watchers,
}

#[derive(Debug, Default)]
struct Rows {
    records: BTreeMap<(RecordKind, RecordKey), Versions>,
    /// The revision of the last change.
    last: u64,
}

/// A record with its previous value.
#[derive(Clone, Debug)]
struct Versions {
    present: Record,
    previous: Option<Record>,
}

impl MemoryRecords {
    pub(super) fn get(&self, kind: &RecordKind, key: &RecordKey) -> Option<Record> {
        self.versions(kind, key).map(|versions| versions.present)
    }

    pub(super) fn previous(&self, kind: &RecordKind, key: &RecordKey) -> Option<Record> {
        self.versions(kind, key)?.previous
    }

    fn versions(&self, kind: &RecordKind, key: &RecordKey) -> Option<Versions> {
        self.rows.lock().records.get(&(kind.clone(), key.clone())).cloned()
    }

    pub(super) fn put(&self, change: RecordChange) -> Result<u64, RecordError> {
        change.check()?;
        let RecordChange { kind, key, value, expected, replaced } = change;
        let mut rows = self.rows.lock();
        let before = rows.check(&kind, &key, expected)?;
        let previous = match replaced {
            Replaced::BecomesPrevious => before.map(|versions| versions.present),
            Replaced::Dropped => before.and_then(|versions| versions.previous),
        };
        rows.last += 1;
        let present = Record { revision: rows.last, value };
        rows.records.insert((kind.clone(), key.clone()), Versions { present, previous });
        self.watchers.changed(&kind, &key);
        Ok(rows.last)
    }

    pub(super) fn delete(&self, kind: &RecordKind, key: &RecordKey, expected: Option<u64>) -> Result<(), RecordError> {
        let mut rows = self.rows.lock();
        rows.check(kind, key, expected)?;
        if rows.records.remove(&(kind.clone(), key.clone())).is_some() {
            self.watchers.changed(kind, key);
        }
        Ok(())
    }

    pub(super) fn list(&self, kind: &RecordKind, prefix: &str, after: Option<&RecordKey>, limit: usize) -> RecordPage {
        let rows = self.rows.lock();
        let of_kind = rows.records.iter().filter(|((of, key), _)| of == kind && key.as_str().starts_with(prefix));
        let mut rest = of_kind.filter(|((_, key), _)| after.is_none_or(|after| key > after)).peekable();
        let (mut records, mut bytes) = (Vec::new(), 0);
        while records.len() < limit.min(MAX_RECORD_PAGE)
            && bytes < RECORD_PAGE_BYTES
            && let Some(((_, key), Versions { present, .. })) = rest.next()
        {
            bytes += present.value.len();
            records.push(ListedRecord { key: key.clone(), record: Ok(present.clone()) });
        }
        RecordPage { records, has_more: rest.peek().is_some() }
    }
}

impl Rows {
    /// The record as it is, if a change of it may be carried out.
    fn check(
        &self,
        kind: &RecordKind,
        key: &RecordKey,
        expected: Option<u64>,
    ) -> Result<Option<Versions>, RecordError> {
        let before = self.records.get(&(kind.clone(), key.clone())).cloned();
        let found = before.as_ref().map(|versions| versions.present.revision);
        if found == expected {
            return Ok(before);
        }
        Err(RecordError::Conflict { kind: kind.clone(), key: key.clone(), expected, found })
    }
}

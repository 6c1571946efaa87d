//! Small records: the trait that keeps what belongs to no list, and its promises.
//!
//! A record is a value under a key of a kind, such as the rollout state of a logic. It is changed by compare-and-set: a
//! change names the revision that it replaces.

mod error;
mod name;
mod watch;

use bytes::Bytes;
use futures_util::future::BoxFuture;

pub use error::RecordError;
pub use name::{MAX_KEY_BYTES, MAX_KIND_BYTES, RecordKey, RecordKind};
pub use watch::{MAX_UNSEEN_CHANGES, RecordWatch, WatchError, Watchers};

/// The most bytes of a value. The largest rollout states are this large. A write moves the value before it, too, so it is
/// at most 32 MiB, which all writers wait for.
pub const MAX_VALUE_BYTES: usize = 16 << 20;

/// The most records on a page. A larger `limit` counts as this one.
pub const MAX_RECORD_PAGE: usize = 1_000;

/// The bytes of values after which a page ends. So a page holds less than this and one value more.
pub const RECORD_PAGE_BYTES: usize = 1 << 20;

/// A future answer about records. Dropping it does not take a change back.
pub type PendingRecord<T> = BoxFuture<'static, Result<T, RecordError>>;

/// Records, changed by compare-and-set, listed by kind, and watched. It promises:
///
/// 1. A change that was acknowledged survives kill -9 and power loss. The name of a store for tests says that it does not
///    promise this.
/// 2. A change names the revision that it replaces, or that there is none. If that is not so, it fails with
///    [`RecordError::Conflict`] and changes nothing. Revisions are never given twice, also not to a record that was deleted
///    and made anew.
/// 3. A record that cannot be read is [`RecordError::Unreadable`]. It is never an absent record, and other records are not
///    touched by it. A failed reading is no damage: it is [`RecordError::Store`].
/// 4. The value before the last change is kept and can be read also if the last one is damaged.
/// 5. After a durable write failed, every later write fails, as promise 5 of [`Store`](super::Store) says.
/// 6. What a reading call returns was written, and everything acknowledged before it was called is in it.
///
/// A change that was not acknowledged may be durable if [`RecordError::is_unknown`] says so.
///
/// A method starts its work when it is called, not when its answer is first awaited.
pub trait Records: Send + Sync + 'static {
    /// The record of that key, or `None` if there is none.
    fn get(&self, kind: &RecordKind, key: &RecordKey) -> PendingRecord<Option<Record>>;

    /// The value before the last change of the record, or `None` if there is none.
    fn previous(&self, kind: &RecordKind, key: &RecordKey) -> PendingRecord<Option<Record>>;

    /// Writes a value. Returns the new revision of the record.
    fn put(&self, change: RecordChange) -> PendingRecord<u64>;

    /// Deletes a record and its previous value. `expected` is as in [`RecordChange`].
    fn delete(&self, kind: &RecordKind, key: &RecordKey, expected: Option<u64>) -> PendingRecord<()>;

    /// The records of a kind whose keys start with `prefix` and are after `after`, in the order of the keys' bytes.
    fn list(
        &self,
        kind: &RecordKind,
        prefix: &str,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> PendingRecord<RecordPage>;

    /// Watches the records of a kind from now on.
    fn watch(&self, kind: &RecordKind) -> RecordWatch;
}

/// A value, with the revision that its record has or had.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The revision. It is larger than that of every earlier change of any record.
    pub revision: u64,
    /// The value.
    pub value: Bytes,
}

/// A new value for a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordChange {
    /// The kind of the record.
    pub kind: RecordKind,
    /// The key of the record.
    pub key: RecordKey,
    /// The value, at most [`MAX_VALUE_BYTES`].
    pub value: Bytes,
    /// The revision that the record has, or `None` if it is absent. For an unreadable record, what
    /// [`RecordError::Unreadable`] says.
    pub expected: Option<u64>,
    /// What becomes of the value that is replaced.
    pub replaced: Replaced,
}

/// What becomes of a value that is replaced. A damaged one is never the previous value: it is kept as evidence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replaced {
    /// It becomes the previous value.
    BecomesPrevious,
    /// It is dropped, because it never was in effect. The previous value stays.
    Dropped,
}

/// A part of the records of a kind.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RecordPage {
    /// The records, in the order of the keys' bytes.
    pub records: Vec<ListedRecord>,
    /// Whether there are further records after the last one.
    pub has_more: bool,
}

/// A record on a page.
#[derive(Clone, PartialEq, Debug)]
pub struct ListedRecord {
    /// Its key.
    pub key: RecordKey,
    /// Its value, or why it cannot be read. One record that cannot be read does not hide the others.
    pub record: Result<Record, RecordError>,
}

impl RecordChange {
    /// A change that makes the replaced value the previous one.
    pub fn new(kind: &RecordKind, key: &RecordKey, value: impl Into<Bytes>, expected: Option<u64>) -> Self {
        let (kind, key, value) = (kind.clone(), key.clone(), value.into());
        Self { kind, key, value, expected, replaced: Replaced::BecomesPrevious }
    }

    /// Checks that the value is within its limit.
    ///
    /// # Errors
    ///
    /// [`RecordError::TooLarge`].
    pub fn check(&self) -> Result<(), RecordError> {
        match self.value.len() {
            bytes if bytes > MAX_VALUE_BYTES => Err(RecordError::TooLarge {
                kind: self.kind.clone(),
                key: self.key.clone(),
                bytes,
                limit: MAX_VALUE_BYTES,
            }),
            _ => Ok(()),
        }
    }
}

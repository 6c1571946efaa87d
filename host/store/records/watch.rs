//! Watches of records: bounded channels that say which key changed.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};

use super::name::{RecordKey, RecordKind};

/// The most changes of a kind that a watch holds. A watch with more unseen changes drops the oldest.
pub const MAX_UNSEEN_CHANGES: usize = 256;

/// A watch of the records of one kind. It says which record changed, not to which value: read the record.
#[derive(Debug)]
pub struct RecordWatch(Option<Receiver<RecordKey>>);

/// Why a watch has no next change to tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WatchError {
    /// Changes were dropped, because the watch had too many unseen ones. List the records of the kind, and go on to watch.
    #[error("{0} changes were dropped, because they were not looked at in time")]
    Lagged(u64),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl RecordWatch {
    /// Waits for the next change of a record, and returns its key. Cancel safe.
    ///
    /// # Errors
    ///
    /// [`WatchError`].
    pub async fn changed(&mut self) -> Result<RecordKey, WatchError> {
        let Some(changes) = &mut self.0 else { return Err(WatchError::Closed) };
        changes.recv().await.map_err(|error| match error {
            RecvError::Lagged(dropped) => WatchError::Lagged(dropped),
            RecvError::Closed => WatchError::Closed,
        })
    }
}

/// The watches of all kinds, for the implementations of [`Records`](super::Records).
#[derive(Debug)]
pub struct Watchers(Mutex<Option<BTreeMap<RecordKind, Sender<RecordKey>>>>);

impl Default for Watchers {
    fn default() -> Self {
        Self(Mutex::new(Some(BTreeMap::new())))
    }
}

impl Watchers {
    /// Watches the records of a kind from now on.
    pub fn watch(&self, kind: &RecordKind) -> RecordWatch {
        let mut watched = self.0.lock();
        let new = || channel(MAX_UNSEEN_CHANGES).0;
        RecordWatch(watched.as_mut().map(|watched| watched.entry(kind.clone()).or_insert_with(new).subscribe()))
    }

    /// Tells the watches of a kind that a record changed. Never waits.
    pub fn changed(&self, kind: &RecordKind, key: &RecordKey) {
        let mut watched = self.0.lock();
        let Some(watched) = watched.as_mut() else { return };
        let is_unwatched = watched.get(kind).is_some_and(|sender| sender.send(key.clone()).is_err());
        if is_unwatched {
            watched.remove(kind);
        }
    }

    /// Ends all watches, once they have told what changed before.
    pub fn close(&self) {
        *self.0.lock() = None;
    }
}

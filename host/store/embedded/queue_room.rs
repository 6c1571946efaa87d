//! The bytes of commits that wait for the writer.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::store::error::StoreError;

/// The room for commits in the queue.
#[derive(Debug)]
pub(super) struct QueueRoom {
    limit: usize,
    used: Mutex<usize>,
}

/// The bytes of one commit in the queue, which are given back when this is dropped.
pub(super) struct QueuedBytes {
    room: Arc<QueueRoom>,
    bytes: usize,
}

impl QueueRoom {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: Mutex::new(0) })
    }

    /// Takes the room of a commit. A commit above the limit is taken if it is alone.
    pub(super) fn take(self: &Arc<Self>, bytes: usize) -> Result<QueuedBytes, StoreError> {
        let mut used = self.used.lock();
        if *used > 0 && *used + bytes > self.limit {
            return Err(StoreError::QueueFull { limit: self.limit });
        }
        *used += bytes;
        drop(used);
        Ok(QueuedBytes { room: self.clone(), bytes })
    }
}

impl Drop for QueuedBytes {
    fn drop(&mut self) {
        *self.room.used.lock() -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_wait_up_to_a_number_of_bytes_and_a_larger_one_waits_alone() {
        let room = QueueRoom::new(10);
        let large = room.take(11).ok();
        assert!(large.is_some() && room.take(1).is_err());
        drop(large);
        let small = [room.take(5).ok(), room.take(5).ok()];
        assert!(small.iter().all(Option::is_some));
        assert_eq!(room.take(1).err(), Some(StoreError::QueueFull { limit: 10 }));
    }
}

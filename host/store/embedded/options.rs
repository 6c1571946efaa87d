//! The limits of the embedded store.

use std::time::Duration;

use super::scrub::ScrubOptions;
use crate::clock::{Clock, SystemClock};
use crate::store::HistoryLimits;
use crate::store::receipt_room::ReceiptLimits;

/// The limits of an [`EmbeddedStore`](super::EmbeddedStore).
#[derive(Clone, Debug)]
pub struct Options {
    /// How much of its history a list retains.
    pub history: HistoryLimits,
    /// The limits on receipts.
    pub receipts: ReceiptLimits,
    /// How many calls may wait for the writer. One more is [`StoreError::Overloaded`](crate::store::StoreError::Overloaded).
    pub queue: usize,
    /// The most bytes of commits that wait for the writer. A commit that is larger waits alone. One more is
    /// [`StoreError::QueueFull`](crate::store::StoreError::QueueFull).
    pub queue_bytes: usize,
    /// How many reads may wait. One more is [`StoreError::Overloaded`](crate::store::StoreError::Overloaded).
    pub read_queue: usize,
    /// The number of reader threads.
    pub readers: usize,
    /// The most commits in one durable write.
    pub batch: usize,
    /// The size at which a batch is closed, in bytes of its commits.
    pub batch_bytes: usize,
    /// The number of commits in the log past which compaction starts. The log may grow by another quarter
    /// meanwhile, and a start after a crash reads all of it.
    pub log_commits: u64,
    /// The size of the log's commits past which compaction starts, in bytes. Commits that were written since the
    /// store was opened stay in memory until they are compacted, so this limit bounds that memory too.
    pub log_bytes: usize,
    /// The writer's page cache, in bytes. The cache of each reader is an eighth of that.
    pub cache_bytes: u64,
    /// How long a store whose disk is full waits between two attempts to write.
    pub retry: Duration,
    /// How long commits wait while another program holds the write lock of the database. Then they are
    /// [`StoreError::Unavailable`](crate::store::StoreError::Unavailable), until the lock is released.
    pub lock_wait: Duration,
    /// The most bytes the database may grow to, or `None` for no limit. A write past the limit fails.
    pub max_bytes: Option<u64>,
    /// The wall clock's time in milliseconds since the epoch, for the time at which damage was found.
    pub now: fn() -> u64,
    /// When the store reads all its rows, to notice damage.
    pub scrub: ScrubOptions,
    /// Whether to open a directory that does not hold everything that was acknowledged.
    pub accept_loss: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            history: HistoryLimits::default(),
            receipts: ReceiptLimits::default(),
            queue: 65_536,
            queue_bytes: 64 << 20,
            read_queue: 65_536,
            readers: 2,
            batch: 4_096,
            batch_bytes: 16 << 20,
            log_commits: 500_000,
            log_bytes: 112 << 20,
            cache_bytes: 32 << 20,
            retry: Duration::from_secs(1),
            lock_wait: Duration::from_secs(15),
            max_bytes: None,
            now: || SystemClock::default().now(),
            scrub: ScrubOptions::default(),
            accept_loss: false,
        }
    }
}

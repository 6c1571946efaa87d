//! Memory of lists: the bytes that the lists of all actors take, and their limit.
//!
//! Each actor counts the list that it holds. The cache passivates actors early when the lists take nearly as much as they
//! may, and starts none while they take all of it. A list that is not in memory is not loaded then.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::error::CallError;

/// The part of the limit from which on actors are passivated early, in per cent.
const HIGH_WATERMARK_PER_CENT: usize = 95;

/// The part of the limit that the remaining lists take then, in per cent.
const LOW_WATERMARK_PER_CENT: usize = 90;

/// The bytes of all lists that actors hold.
#[derive(Debug)]
pub struct ListMemory {
    limit: usize,
    used: AtomicUsize,
    /// Notified when the lists begin to take nearly as much as they may.
    crowded: Notify,
}

impl Default for ListMemory {
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

impl ListMemory {
    /// The memory of lists with this limit, in bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, used: AtomicUsize::new(0), crowded: Notify::new() }
    }

    /// The limit in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The bytes of all lists.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Counts that a list takes this many bytes, which took others before.
    pub(super) fn replace(&self, before: usize, after: usize) {
        if after <= before {
            self.used.fetch_sub(before - after, Ordering::Relaxed);
            return;
        }
        let used = self.used.fetch_add(after - before, Ordering::Relaxed);
        let high = self.high_watermark();
        // Once on the way up. A sweep looks at all actors, so it is not repeated for each change of a list.
        if used < high && used + (after - before) >= high {
            self.crowded.notify_one();
        }
    }

    /// Whether the lists take all that they may. If so, a sweep is due.
    pub(crate) fn is_full(&self) -> bool {
        let is_full = self.used() >= self.limit;
        if is_full {
            self.crowded.notify_one();
        }
        is_full
    }

    /// Refuses another list while the lists take all that they may.
    pub(crate) fn check(&self) -> Result<(), CallError> {
        if self.is_full() { Err(CallError::ListMemoryFull { limit: self.limit }) } else { Ok(()) }
    }

    /// Notes that a sweep left a surplus, so that another one is due.
    pub(crate) fn note_surplus(&self) {
        self.crowded.notify_one();
    }

    /// Waits until the lists take nearly as much as they may, or all of it.
    pub(crate) async fn crowded(&self) {
        self.crowded.notified().await;
    }

    /// The bytes to free, of lists that take nearly as much as they may.
    pub(crate) fn surplus(&self) -> usize {
        let used = self.used();
        let low = self.limit - self.limit / 100 * (100 - LOW_WATERMARK_PER_CENT);
        if used >= self.high_watermark() { used.saturating_sub(low).max(1) } else { 0 }
    }

    fn high_watermark(&self) -> usize {
        self.limit - self.limit / 100 * (100 - HIGH_WATERMARK_PER_CENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_take_nearly_all_of_their_memory_have_a_surplus() {
        let memory = ListMemory::new(1_000);
        memory.replace(0, 940);
        assert_eq!((memory.surplus(), memory.is_full()), (0, false));
        memory.replace(100, 110);
        assert_eq!((memory.surplus(), memory.is_full()), (50, false));
        memory.replace(0, 50);
        assert_eq!((memory.surplus(), memory.is_full()), (100, true));
        memory.replace(1_000, 0);
        assert_eq!((memory.surplus(), memory.is_full(), memory.used()), (0, false, 0));
        assert_eq!(ListMemory::default().surplus(), 0);
    }
}

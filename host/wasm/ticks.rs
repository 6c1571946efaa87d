//! The time that the engine counts: the only clock for what runs in components.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The time between two ticks, which is the resolution of deadlines.
pub(super) const TICK: Duration = Duration::from_millis(5);

/// The number of ticks since the start of an engine. A clone is the same count.
#[derive(Clone, Default)]
pub(super) struct Ticks(Arc<AtomicU64>);

impl Ticks {
    /// Counts one more tick.
    pub(super) fn advance(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of ticks so far.
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

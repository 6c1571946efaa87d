//! The slots of unused instances of one class: warm ones, and those that isolated lists keep.
//!
//! There are half as many slots as the pool has places, so half of the pool is always left for fresh instances. Without a free
//! slot, the list whose commands are longest ago loses its instance.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// How many entries of the queue there may be for each slot. Entries whose instance is in use are removed beyond it.
const ENTRIES_PER_SLOT: usize = 4;

/// The place of a kept instance.
pub(super) trait Evictable: Send + Sync {
    /// Drops the instance, and frees its slot. Returns whether there was one.
    fn evict(&self) -> bool;
}

/// The slots of one class.
pub(super) struct Slots {
    most: usize,
    taken: AtomicUsize,
    /// The kept instances, the one that was kept first in front.
    kept: Mutex<VecDeque<Weak<dyn Evictable>>>,
}

impl Slots {
    /// Returns the slots of a pool with this number of places.
    pub(super) fn of_pool(places: u32) -> Arc<Self> {
        let most = places as usize / 2;
        Arc::new(Self { most, taken: AtomicUsize::new(0), kept: Mutex::default() })
    }

    /// Takes a slot, if one is free.
    pub(super) fn acquire(&self) -> bool {
        let take = |taken: usize| (taken < self.most).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    /// Takes a slot. If none is free, the instance that was kept first goes.
    pub(super) fn acquire_or_evict(&self) -> bool {
        self.acquire() || (self.evict_first() && self.acquire())
    }

    /// Gives a slot back.
    pub(super) fn release(&self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }

    /// Notes that an instance was kept, which has a slot.
    pub(super) fn push(&self, place: Weak<dyn Evictable>) {
        let mut kept = self.kept.lock();
        if kept.len() >= self.most.max(1) * ENTRIES_PER_SLOT {
            kept.retain(|place| place.strong_count() > 0);
        }
        kept.push_back(place);
    }

    /// Takes the instance that was kept first from its list. Returns whether there was one.
    pub(super) fn evict_first(&self) -> bool {
        loop {
            // The instance is dropped while no lock is held.
            let Some(place) = self.kept.lock().pop_front() else { return false };
            if place.upgrade().is_some_and(|place| place.evict()) {
                return true;
            }
        }
    }
}

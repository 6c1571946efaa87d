//! Instances that isolated lists keep between two sessions.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::instance::Instance;
use super::slots::{Evictable, Slots};

/// An instance that a list keeps. Dropping it frees its slot.
pub(super) struct Kept(Arc<Place>);

/// The identity of a loaded version, by which its kept instances are recognized.
#[derive(Clone, Default)]
pub(super) struct Owner(Arc<()>);

/// The place of a kept instance, which is empty once the slot was needed elsewhere.
struct Place {
    instance: Mutex<Option<Instance>>,
    slots: Arc<Slots>,
    /// The version whose instance it is.
    owner: Owner,
}

impl Kept {
    /// Keeps an instance of a version, if there is or can be a slot.
    pub(super) fn new(instance: Instance, slots: &Arc<Slots>, owner: &Owner) -> Option<Self> {
        if !slots.acquire_or_evict() {
            return None;
        }
        let instance = Mutex::new(Some(instance));
        let place = Arc::new(Place { instance, slots: slots.clone(), owner: owner.clone() });
        let weak: Weak<Place> = Arc::downgrade(&place);
        slots.push(weak);
        Some(Self(place))
    }

    /// Takes the instance, if the list still has it and it is of this version.
    pub(super) fn take(self, owner: &Owner) -> Option<Instance> {
        if Arc::ptr_eq(&self.0.owner.0, &owner.0) { self.0.take() } else { None }
    }
}

impl Place {
    fn take(&self) -> Option<Instance> {
        let instance = self.instance.lock().take();
        if instance.is_some() {
            self.slots.release();
        }
        instance
    }
}

impl Evictable for Place {
    fn evict(&self) -> bool {
        self.take().is_some()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.take();
    }
}

//! A version in memory, with what is counted about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::policy::Failures;
pub use crate::list::digest::Digest;
use crate::list::id::LogicId;
use crate::logic::{Fault, Logic};

/// A version that is loaded.
pub struct Version {
    /// The logic itself.
    pub logic: Box<dyn Logic>,
    /// When it was loaded: milliseconds since the epoch.
    pub since: u64,
    /// Where it came from.
    pub source: String,
    /// What it did since.
    pub counters: Counters,
    /// How it failed of late.
    pub(super) failures: Failures,
    used: AtomicU64,
}

impl Version {
    /// A version that has done nothing yet.
    pub fn new(logic: Box<dyn Logic>, source: &str, now: u64) -> Arc<Self> {
        let (counters, failures) = (Counters::default(), Failures::default());
        Arc::new(Self { logic, since: now, source: source.into(), counters, failures, used: AtomicU64::new(now) })
    }

    /// Which one it is.
    pub fn id(&self) -> &Arc<LogicId> {
        self.logic.id()
    }

    /// The SHA-256 of its component.
    pub fn digest(&self) -> &Digest {
        &self.id().digest
    }

    /// Notes that some list uses it.
    pub fn touch(&self, now: u64) {
        self.used.store(now, Ordering::Relaxed);
    }

    /// When some list last used it, as far as that was noted.
    pub(super) fn last_used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Notes that it decided about a list without failing.
    pub fn did_well(&self, list: &crate::list::name::ListName) {
        self.failures.forget(list);
    }
}

/// What is counted about a version. All counters only grow.
#[derive(Default, Debug)]
pub struct Counters {
    /// Commands it carried out.
    pub accepted: AtomicU64,
    /// Commands it said no to.
    pub rejected: AtomicU64,
    /// Calls in which it failed.
    pub faults: AtomicU64,
    /// Lists it took over from another version.
    pub migrated: AtomicU64,
    /// Lists it did not take over, because it said no or failed.
    pub not_migrated: AtomicU64,
    /// Commands it failed at that another version decided.
    pub rescued: AtomicU64,
    /// The last failure, for people.
    last_fault: Mutex<Option<Fault>>,
}

impl Counters {
    /// Counts a failure and keeps it to be shown.
    pub fn fault(&self, fault: &Fault) {
        self.faults.fetch_add(1, Ordering::Relaxed);
        *self.last_fault.lock() = Some(fault.clone());
    }

    /// The last failure, if there was one.
    pub fn last_fault(&self) -> Option<Fault> {
        self.last_fault.lock().clone()
    }
}

//! A loaded version, with its counters.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::decision_times::{DecisionTimes, Stopwatch};
use super::digest::Digest;
use super::policy::Failures;
use crate::clock::Clock;
use crate::list::List;
use crate::list::id::LogicId;
use crate::list::name::ListName;
use crate::logic::{Fault, Logic};

/// The most entries of a list that is not large. The work of a large one may take longer than a millisecond with any logic.
pub const MANY_ENTRIES: usize = 500;

/// A loaded version.
pub struct Version {
    /// The logic itself.
    pub logic: Box<dyn Logic>,
    /// The time of loading, in milliseconds since the epoch.
    pub since: u64,
    /// The origin of the component.
    pub source: String,
    /// Counters since the version was loaded.
    pub counters: Counters,
    /// The recent failures, which decide about its quarantine.
    pub(super) failures: Failures,
    /// On lists of few entries, and on lists of many. One large list makes no version slow for the small ones.
    decision_times: [DecisionTimes; 2],
    /// When a list last used the version, on the monotonic clock in milliseconds.
    used: AtomicU64,
}

impl Version {
    /// Returns a version whose counters are zero.
    pub fn new(logic: Box<dyn Logic>, source: &str, now: u64) -> Arc<Self> {
        let (counters, failures, decision_times) = Default::default();
        let used = AtomicU64::new(0);
        Arc::new(Self { logic, since: now, source: source.into(), counters, failures, decision_times, used })
    }

    /// Name, version number and digest.
    pub fn id(&self) -> &Arc<LogicId> {
        self.logic.id()
    }

    /// The SHA-256 of the component.
    pub fn digest(&self) -> &Digest {
        &self.id().digest
    }

    /// Records that a list uses the version. `now` is a reading of the monotonic clock in milliseconds.
    pub fn touch(&self, now: u64) {
        // All threads share this number: a store for each command would take it from the others' caches.
        if self.used.load(Ordering::Relaxed) != now {
            self.used.store(now, Ordering::Relaxed);
        }
    }

    /// The last recorded use by a list, on the monotonic clock in milliseconds.
    pub(super) fn last_used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Begins the time of a decision or a read.
    pub fn start_timer(&self, list: &List, clock: &dyn Clock) -> Stopwatch {
        self.times_on(list).start(clock)
    }

    /// Counts a decision or a read of the list, which ends now on the same thread. Returns how long it took.
    pub fn stop_timer(&self, list: &List, started: &Stopwatch, clock: &dyn Clock) -> Duration {
        self.times_on(list).stop(started, clock)
    }

    /// Counts work beside a decision about the list, which ends now on the same thread: the start of an instance, or a
    /// question after a command.
    pub fn stop_timer_beside(&self, list: &List, started: &Stopwatch, clock: &dyn Clock) {
        self.times_on(list).stop_beside(started, clock);
    }

    fn times_on(&self, list: &List) -> &DecisionTimes {
        &self.decision_times[usize::from(list.count() > MANY_ENTRIES)]
    }

    /// Whether the version may keep a thread busy with a list: it carries a language engine, or one decision in a hundred
    /// on lists of such a size takes more than a millisecond of processor time. A new version counts as slow until it has
    /// shown otherwise.
    pub fn is_slow(&self, list: &List) -> bool {
        self.logic.is_heavy() || self.times_on(list).are_slow()
    }

    /// Records that the version decided about a list without a fault.
    pub fn did_well(&self, list: &ListName) {
        self.failures.forget(list);
    }
}

/// Counters of a loaded version. They only grow.
#[derive(Default, Debug)]
pub struct Counters {
    /// Commands that the version accepted.
    pub accepted: AtomicU64,
    /// Commands that the version rejected.
    pub rejected: AtomicU64,
    /// Calls in which the version failed.
    pub faults: AtomicU64,
    /// Lists that migrated to the version.
    pub migrated: AtomicU64,
    /// Lists that did not migrate, because the version rejected the migration or failed.
    pub not_migrated: AtomicU64,
    /// Commands that another version decided after this one failed.
    pub fell_back: AtomicU64,
    /// The last failure.
    last_fault: Mutex<Option<Fault>>,
}

impl Counters {
    /// Counts a failure and remembers it as the last one.
    pub fn fault(&self, fault: &Fault) {
        self.faults.fetch_add(1, Ordering::Relaxed);
        *self.last_fault.lock() = Some(fault.clone());
    }

    /// The last failure, if there was one.
    pub fn last_fault(&self) -> Option<Fault> {
        self.last_fault.lock().clone()
    }
}

//! When a version has failed too often.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::list::name::ListName;

/// How often a version may fail before it is quarantined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QuarantinePolicy {
    /// A version is quarantined after this many failures …
    pub failures: usize,
    /// … within this many milliseconds.
    pub within: u64,
    /// A version is quarantined after this many failures in a row on one list, while another version decides the same
    /// commands.
    pub in_a_row: u32,
}

impl Default for QuarantinePolicy {
    fn default() -> Self {
        Self { failures: 5, within: 10_000, in_a_row: 3 }
    }
}

/// The most lists whose failures in a row are counted at a time. Beyond it, the counts of all lists are dropped: a
/// version that fails on so many lists is quarantined by the number of its failures.
const MAX_LISTS: usize = 1_000;

/// The recent failures of one version. Their times come from a monotonic clock, because the wall clock may step: back,
/// and old failures would seem to be recent; forward, and recent ones would seem to be old.
#[derive(Default)]
pub(super) struct Failures {
    /// Whether any list has failures in a row. Every success reads this.
    any: AtomicBool,
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    /// The monotonic times of the last failures, the newest last. At most [`QuarantinePolicy::failures`].
    times: VecDeque<Duration>,
    in_a_row: BTreeMap<ListName, u32>,
}

impl Failures {
    /// Counts a failure at a monotonic time. Returns the reason when the policy asks for a quarantine.
    pub(super) fn count(
        &self,
        policy: &QuarantinePolicy,
        list: &ListName,
        decided_by_another: bool,
        now: Duration,
    ) -> Option<String> {
        let mut counted = self.counted.lock();
        self.any.store(true, Ordering::Relaxed);
        counted.times.push_back(now);
        while counted.times.len() > policy.failures.max(1) {
            counted.times.pop_front();
        }
        let enough = counted.times.len() >= policy.failures.max(1);
        let first = counted.times.front().copied().unwrap_or(now);
        if enough && now.saturating_sub(first) <= Duration::from_millis(policy.within) {
            return Some(format!("it failed {} times within {} ms", counted.times.len(), policy.within));
        }
        if !decided_by_another {
            return None;
        }
        if counted.in_a_row.len() >= MAX_LISTS && !counted.in_a_row.contains_key(list) {
            counted.in_a_row.clear();
        }
        let row = counted.in_a_row.entry(list.clone()).or_insert(0);
        *row += 1;
        (*row >= policy.in_a_row)
            .then(|| format!("it failed {row} times in a row on one list, and another version did not"))
    }

    /// Forgets the failures in a row on a list, because the version succeeded there.
    pub(super) fn forget(&self, list: &ListName) {
        if self.any.load(Ordering::Relaxed) {
            let mut counted = self.counted.lock();
            counted.in_a_row.remove(list);
            self.any.store(!counted.in_a_row.is_empty(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(name: &str) -> ListName {
        ListName::new(name).unwrap()
    }

    #[test]
    fn a_version_is_quarantined_after_the_fifth_failure_within_ten_seconds() {
        let (failures, policy) = (Failures::default(), QuarantinePolicy::default());
        let count = |list_number: u64, seconds| {
            failures.count(&policy, &list(&list_number.to_string()), true, Duration::from_secs(seconds)).is_some()
        };
        // One failure every three seconds is allowed, however long it goes on.
        assert!(!(0..20).any(|n| count(n, n * 3)));
        let quarantined: Vec<_> = (0..4).map(|n| count(100 + n, 60 + n)).collect();
        assert_eq!(quarantined, [false, true, true, true], "together with the three failures before");
    }

    #[test]
    fn a_version_is_quarantined_after_the_third_failure_in_a_row_on_one_list() {
        let (failures, policy) = (Failures::default(), QuarantinePolicy::default());
        let mut now = Duration::ZERO;
        let mut count = |name: &str, decided_by_another| {
            now += Duration::from_secs(60);
            failures.count(&policy, &list(name), decided_by_another, now).is_some()
        };
        assert!(!count("bob", true) && !count("bob", true));
        failures.forget(&list("bob"));
        assert!(!count("bob", true) && !count("ann", true) && !count("bob", true));
        assert!(count("bob", true));
        assert!(!(0..9).any(|_| count("eve", false)), "no other version decided the same commands");
    }
}

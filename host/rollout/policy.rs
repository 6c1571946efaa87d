//! When a version has failed too often.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::list::name::ListName;

/// How often a version may fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QuarantinePolicy {
    /// It falls with this many failures …
    pub failures: usize,
    /// … within this many milliseconds.
    pub within: u64,
    /// It falls with this many failures in a row on one list, while another version decides the same
    /// commands.
    pub in_a_row: u32,
}

impl Default for QuarantinePolicy {
    fn default() -> Self {
        Self { failures: 5, within: 10_000, in_a_row: 3 }
    }
}

/// The most lists whose failures in a row are counted at a time; with one more, all are forgotten. A
/// version that fails on so many falls by the other half of the rule.
const MAX_LISTS: usize = 1_000;

/// How one version failed of late.
#[derive(Default)]
pub(super) struct Failures {
    /// Whether there are failures in a row to forget: what every success asks.
    any: AtomicBool,
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    /// The moments of the last failures, the newest last; at most [`QuarantinePolicy::failures`].
    moments: VecDeque<u64>,
    in_a_row: HashMap<ListName, u32>,
}

impl Failures {
    /// Counts a failure. Answers why that is one too many, if it is.
    pub(super) fn count(
        &self,
        rule: &QuarantinePolicy,
        list: &ListName,
        decided_instead: bool,
        now: u64,
    ) -> Option<String> {
        let mut counted = self.counted.lock();
        self.any.store(true, Ordering::Relaxed);
        counted.moments.push_back(now);
        while counted.moments.len() > rule.failures.max(1) {
            counted.moments.pop_front();
        }
        let enough = counted.moments.len() >= rule.failures.max(1);
        let first = counted.moments.front().copied().unwrap_or(now);
        if enough && now.saturating_sub(first) <= rule.within {
            return Some(format!("it failed {} times within {} ms", counted.moments.len(), rule.within));
        }
        if !decided_instead {
            return None;
        }
        if counted.in_a_row.len() >= MAX_LISTS && !counted.in_a_row.contains_key(list) {
            counted.in_a_row.clear();
        }
        let row = counted.in_a_row.entry(list.clone()).or_insert(0);
        *row += 1;
        (*row >= rule.in_a_row)
            .then(|| format!("it failed {row} times in a row on one list, and another version did not"))
    }

    /// Notes that it did not fail on a list.
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
    fn a_version_falls_with_the_fifth_failure_within_ten_seconds() {
        let (failures, rule) = (Failures::default(), QuarantinePolicy::default());
        let count = |list_number: u64, now| failures.count(&rule, &list(&list_number.to_string()), true, now).is_some();
        // Every three seconds is seldom enough, for as long as it goes on.
        assert!(!(0..20).any(|n| count(n, n * 3_000)));
        let after = 20 * 3_000;
        let fell: Vec<_> = (0..4).map(|n| count(100 + n, after + n * 1_000)).collect();
        assert_eq!(fell, [false, true, true, true], "together with the three before");
    }

    #[test]
    fn a_version_falls_with_the_third_failure_in_a_row_on_one_list() {
        let (failures, rule) = (Failures::default(), QuarantinePolicy::default());
        let mut now = 0;
        let mut count = |name: &str, instead| {
            now += 60_000;
            failures.count(&rule, &list(name), instead, now).is_some()
        };
        assert!(!count("bob", true) && !count("bob", true));
        failures.forget(&list("bob"));
        assert!(!count("bob", true) && !count("ann", true) && !count("bob", true));
        assert!(count("bob", true));
        assert!(!(0..9).any(|_| count("eve", false)), "nobody knows whether another one would have decided");
    }
}

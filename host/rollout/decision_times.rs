//! Estimate of whether the 99th percentile of the times of a version's decisions is above a millisecond.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The time from which on a decision is slow.
const SLOW: Duration = Duration::from_millis(1);

/// What a slow decision adds to the score. Each other decision takes 1 away, so a score rises in the long run if more
/// than one decision in a hundred is slow.
const WEIGHT: u32 = 100;

/// The highest score that is not slow. A few slow decisions among quick ones make no version slow, because other threads
/// may have taken the processor meanwhile.
const THRESHOLD: u32 = 3 * WEIGHT;

/// The highest score, so that a version that became quick is quick after some hundred decisions.
const MAX_SCORE: u32 = 10 * WEIGHT;

/// The times of a version's decisions, as one score.
pub(super) struct DecisionTimes(AtomicU32);

/// A version is slow until a hundred quick decisions have shown otherwise: its first decisions may take all their time.
impl Default for DecisionTimes {
    fn default() -> Self {
        Self(AtomicU32::new(THRESHOLD + WEIGHT))
    }
}

impl DecisionTimes {
    /// Counts a decision. Two threads may count at once and one count may be lost, because the score is an estimate.
    pub(super) fn count(&self, took: Duration) {
        let score = self.0.load(Ordering::Relaxed);
        let next = if took > SLOW { (score + WEIGHT).min(MAX_SCORE) } else { score.saturating_sub(1) };
        // Every decision of a quick version comes here: a store would take the number from the caches of other threads.
        if next != score {
            self.0.store(next, Ordering::Relaxed);
        }
    }

    pub(super) fn are_slow(&self) -> bool {
        self.0.load(Ordering::Relaxed) > THRESHOLD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_micros(2);

    fn count(times: &DecisionTimes, slow: usize, quick: usize) {
        (0..slow).for_each(|_| times.count(SLOW * 2));
        (0..quick).for_each(|_| times.count(QUICK));
    }

    #[test]
    fn a_version_is_slow_until_a_hundred_quick_decisions_and_again_after_four_slow_ones() {
        let times = DecisionTimes::default();
        count(&times, 0, 99);
        assert!(times.are_slow());
        count(&times, 0, 401);
        assert!(!times.are_slow());
        count(&times, 3, 0);
        assert!(!times.are_slow());
        count(&times, 1, 0);
        assert!(times.are_slow());
    }

    #[test]
    fn one_slow_decision_in_a_hundred_makes_no_version_slow_and_two_do() {
        let times = DecisionTimes::default();
        count(&times, 0, 1_000);
        for _ in 0..50 {
            count(&times, 1, 100);
            assert!(!times.are_slow());
        }
        (0..50).for_each(|_| count(&times, 2, 98));
        assert!(times.are_slow());
        count(&times, 0, 1_000);
        assert!(!times.are_slow(), "it became quick");
    }
}

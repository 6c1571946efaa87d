//! Estimate of whether the 99th percentile of the times of a version's decisions is above a millisecond.
//!
//! The wall clock is cheap to read, but on a busy machine a decision of microseconds may last for milliseconds, because
//! other threads have the processor. So the wall clock raises a suspicion only. The processor time of the thread, which
//! costs a system call, confirms it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::clock::Clock;

/// The time from which on a decision is slow.
const SLOW: Duration = Duration::from_millis(1);

/// What a slow decision adds to a score. Each other decision takes 1 away, so a score rises in the long run if more
/// than one decision in a hundred is slow.
const WEIGHT: u32 = 100;

/// The highest score that is not slow, so that a few slow decisions among quick ones make no version slow.
const THRESHOLD: u32 = 3 * WEIGHT;

/// The highest score, so that a version that became quick is quick after some hundred decisions.
const MAX_SCORE: u32 = 10 * WEIGHT;

/// The times of a version's decisions.
pub(super) struct DecisionTimes {
    wall: Score,
    processor: Score,
}

/// The beginning of a decision.
pub struct Stopwatch {
    wall: Duration,
    /// Only read where it is needed.
    processor: Option<Duration>,
}

/// How often times were slow of late, as one number.
struct Score(AtomicU32);

/// A version is slow until a hundred quick decisions have shown otherwise: its first decisions may take all their time.
impl Default for DecisionTimes {
    fn default() -> Self {
        Self { wall: Score(AtomicU32::new(0)), processor: Score(AtomicU32::new(THRESHOLD + WEIGHT)) }
    }
}

impl DecisionTimes {
    /// Begins a decision.
    pub(super) fn start(&self, clock: &dyn Clock) -> Stopwatch {
        let is_suspected = self.wall.is_high() || self.processor.is_high();
        Stopwatch { wall: clock.monotonic(), processor: is_suspected.then(|| clock.thread_time()) }
    }

    /// Counts a decision that ends now on the same thread. Returns how long it took.
    pub(super) fn stop(&self, started: &Stopwatch, clock: &dyn Clock) -> Duration {
        if let Some(processor) = started.processor {
            self.processor.count(clock.thread_time().saturating_sub(processor));
        }
        let took = started.wall_time(clock);
        self.wall.count(took);
        if started.processor.is_none() && self.wall.is_high() {
            // The score is of the suspicion before this one.
            self.processor.0.store(0, Ordering::Relaxed);
        }
        took
    }

    /// Counts work beside a decision that ends now, such as the start of an instance, if it is slow. Quick work tells nothing
    /// about the decisions.
    pub(super) fn stop_beside(&self, started: &Stopwatch, clock: &dyn Clock) {
        if started.wall_time(clock) > SLOW {
            self.stop(started, clock);
        }
    }

    pub(super) fn are_slow(&self) -> bool {
        self.processor.is_high()
    }
}

impl Stopwatch {
    /// The time of the wall clock since the beginning.
    pub fn wall_time(&self, clock: &dyn Clock) -> Duration {
        clock.monotonic().saturating_sub(self.wall)
    }
}

impl Score {
    /// Counts a time. Two threads may count at once and one count may be lost, because the score is an estimate.
    fn count(&self, took: Duration) {
        let score = self.0.load(Ordering::Relaxed);
        let next = if took > SLOW { (score + WEIGHT).min(MAX_SCORE) } else { score.saturating_sub(1) };
        // Every decision of a quick version comes here: a store would take the number from the caches of other threads.
        if next != score {
            self.0.store(next, Ordering::Relaxed);
        }
    }

    fn is_high(&self) -> bool {
        self.0.load(Ordering::Relaxed) > THRESHOLD
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::date::Date;

    /// A clock whose times the test sets: of the wall, and of the thread.
    #[derive(Default)]
    struct TwoTimes {
        wall: AtomicU32,
        thread: AtomicU32,
        thread_reads: AtomicU32,
    }

    impl Clock for TwoTimes {
        fn now(&self) -> u64 {
            0
        }

        fn monotonic(&self) -> Duration {
            Duration::from_micros(self.wall.load(Ordering::Relaxed).into())
        }

        fn thread_time(&self) -> Duration {
            self.thread_reads.fetch_add(1, Ordering::Relaxed);
            Duration::from_micros(self.thread.load(Ordering::Relaxed).into())
        }

        fn local_at(&self, _: u64) -> (Date, i32) {
            unreachable!("no decision reads the date here")
        }

        fn seed(&self) -> u64 {
            0
        }
    }

    struct World {
        clock: TwoTimes,
        times: DecisionTimes,
    }

    impl World {
        fn new() -> Self {
            Self { clock: TwoTimes::default(), times: DecisionTimes::default() }
        }

        /// A version that has shown to be quick.
        fn quick() -> Self {
            let world = Self::new();
            world.decide(1_000, 2, 2);
            world
        }

        /// Makes decisions that take these microseconds of the wall clock and of the thread.
        fn decide(&self, count: usize, wall: u32, thread: u32) {
            for _ in 0..count {
                let started = self.times.start(&self.clock);
                self.clock.wall.fetch_add(wall, Ordering::Relaxed);
                self.clock.thread.fetch_add(thread, Ordering::Relaxed);
                assert_eq!(self.times.stop(&started, &self.clock), Duration::from_micros(wall.into()));
            }
        }
    }

    #[test]
    fn a_version_is_slow_until_a_hundred_quick_decisions() {
        let world = World::new();
        world.decide(99, 2, 2);
        assert!(world.times.are_slow());
        world.decide(1, 2, 2);
        assert!(!world.times.are_slow());
    }

    #[test]
    fn one_slow_decision_in_a_hundred_makes_no_version_slow_and_two_do() {
        let world = World::quick();
        for _ in 0..50 {
            world.decide(1, 2_000, 2_000);
            world.decide(100, 2, 2);
            assert!(!world.times.are_slow());
        }
        for _ in 0..50 {
            world.decide(2, 2_000, 2_000);
            world.decide(98, 2, 2);
        }
        assert!(world.times.are_slow());
        world.decide(1_000, 2, 2);
        assert!(!world.times.are_slow(), "it became quick");
    }

    #[test]
    fn a_busy_machine_makes_no_version_slow() {
        let world = World::quick();
        world.decide(1_000, 20_000, 2);
        world.decide(3, 20_000, 20_000);
        assert!(!world.times.are_slow());
    }

    #[test]
    fn work_beside_quick_decisions_makes_a_version_slow_if_it_is_slow() {
        let world = World::quick();
        let beside = |microseconds: u32| {
            let started = world.times.start(&world.clock);
            world.clock.wall.fetch_add(microseconds, Ordering::Relaxed);
            world.clock.thread.fetch_add(microseconds, Ordering::Relaxed);
            world.times.stop_beside(&started, &world.clock);
        };
        (0..20).for_each(|_| beside(2));
        assert!(!world.times.are_slow());
        for _ in 0..20 {
            beside(2_000);
            world.decide(1, 2, 2);
        }
        assert!(world.times.are_slow());
    }

    #[test]
    fn the_decisions_of_a_quick_version_read_the_processor_time_only_under_suspicion() {
        let world = World::quick();
        let reads = || world.clock.thread_reads.swap(0, Ordering::Relaxed);
        reads();
        world.decide(1_000, 2, 2);
        assert_eq!(reads(), 0);
        world.decide(5, 2_000, 2);
        assert_eq!(reads(), 2, "the fifth, at both ends");
    }
}

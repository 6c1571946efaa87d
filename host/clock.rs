//! The only source of time and random numbers, so that tests can move time and never sleep.
//!
//! There are two kinds of time. [`Clock::now`] is the wall clock: it dates what is stored and shown, and it can step
//! backwards when the machine's time is corrected. [`Clock::monotonic`] never steps backwards: it measures how long
//! something took, or how long ago it happened.

use std::hash::{BuildHasher, DefaultHasher, Hash};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cpu_time::ThreadTime;

use crate::list::date::Date;

/// Source of the time, the local date and random numbers.
pub trait Clock: Send + Sync + 'static {
    /// Returns the wall clock's time in milliseconds since the epoch, UTC. A later call may return an earlier time.
    fn now(&self) -> u64;

    /// Returns the time that has passed since an arbitrary start. A later call never returns less.
    fn monotonic(&self) -> Duration;

    /// Returns the processor time of the calling thread since an arbitrary start. On a busy machine less of it passes than
    /// of the monotonic time, which is returned where the system does not tell. Costs a system call.
    fn thread_time(&self) -> Duration {
        self.monotonic()
    }

    /// Returns the monotonic time in milliseconds. Ages are measured on it, because the wall clock may be set.
    fn uptime(&self) -> u64 {
        u64::try_from(self.monotonic().as_millis()).unwrap_or(u64::MAX)
    }

    /// Returns the date in the server's time zone at a wall-clock time, and the zone's offset from UTC in minutes.
    fn local_at(&self, now: u64) -> (Date, i32);

    /// Returns a random number.
    fn seed(&self) -> u64;
}

/// A hasher with a key of random numbers from a [`Clock`]. A simulated clock repeats the order of a map, and a client cannot
/// choose names with equal hashes.
#[derive(Clone, Debug)]
pub struct SeededHasher([u64; 2]);

impl SeededHasher {
    /// Returns a hasher with a new key.
    pub fn new(clock: &dyn Clock) -> Self {
        Self([clock.seed(), clock.seed()])
    }
}

impl BuildHasher for SeededHasher {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher
    }
}

/// The machine's clock, in the machine's time zone or the one that `TZ` names.
#[derive(Debug)]
pub struct SystemClock {
    zone: jiff::tz::TimeZone,
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { zone: jiff::tz::TimeZone::system(), started: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
    fn now(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn thread_time(&self) -> Duration {
        ThreadTime::try_now().map_or_else(|_| self.monotonic(), |time| time.as_duration())
    }

    fn local_at(&self, now: u64) -> (Date, i32) {
        local_in(&self.zone, now)
    }

    fn seed(&self) -> u64 {
        fastrand::u64(..)
    }
}

/// The machine's clock, with a wall-clock time that can be set ahead. For a session in which an author waits for no wake-up.
#[derive(Debug, Default)]
pub struct ShiftedClock {
    machine: SystemClock,
    /// How many milliseconds the time differs from that of the machine.
    shift: AtomicI64,
}

impl ShiftedClock {
    /// Sets the wall-clock time, in milliseconds since the epoch. It goes on from there.
    pub fn set_wall(&self, now: u64) {
        let of = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
        self.shift.store(of(now) - of(self.machine.now()), Ordering::SeqCst);
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> u64 {
        self.machine.now().saturating_add_signed(self.shift.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        self.machine.monotonic()
    }

    fn thread_time(&self) -> Duration {
        self.machine.thread_time()
    }

    fn local_at(&self, now: u64) -> (Date, i32) {
        self.machine.local_at(now)
    }

    fn seed(&self) -> u64 {
        self.machine.seed()
    }
}

/// A clock for tests, in UTC. Its two times only change when a test moves them, and its seeds count up from 1.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicU64,
    monotonic_ms: AtomicU64,
    seeds: AtomicU64,
    is_broken: AtomicBool,
}

impl ManualClock {
    /// Returns a clock whose wall-clock time is `now`, in milliseconds since the epoch, and whose monotonic time is zero.
    pub fn at(now: u64) -> Self {
        Self {
            now: AtomicU64::new(now),
            monotonic_ms: AtomicU64::new(0),
            seeds: AtomicU64::new(1),
            is_broken: AtomicBool::new(false),
        }
    }

    /// Lets time pass: moves the wall-clock and the monotonic time forward together.
    pub fn advance(&self, milliseconds: u64) {
        self.now.fetch_add(milliseconds, Ordering::SeqCst);
        self.monotonic_ms.fetch_add(milliseconds, Ordering::SeqCst);
    }

    /// Sets the wall-clock time, also backwards, as a time server's correction does. The monotonic time stays.
    pub fn set_wall(&self, now: u64) {
        self.now.store(now, Ordering::SeqCst);
    }

    /// Moves only the monotonic time forward, as a wall clock that was corrected backwards meanwhile would show.
    pub fn advance_monotonic(&self, milliseconds: u64) {
        self.monotonic_ms.fetch_add(milliseconds, Ordering::SeqCst);
    }

    /// Makes each reading of the wall-clock time panic from now on, so that a test can crash the task that reads it.
    pub fn break_wall(&self) {
        self.is_broken.store(true, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> u64 {
        assert!(!self.is_broken.load(Ordering::SeqCst), "the clock is broken");
        self.now.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.monotonic_ms.load(Ordering::SeqCst))
    }

    fn local_at(&self, now: u64) -> (Date, i32) {
        local_in(&jiff::tz::TimeZone::UTC, now)
    }

    fn seed(&self) -> u64 {
        self.seeds.fetch_add(1, Ordering::SeqCst)
    }
}

fn local_in(zone: &jiff::tz::TimeZone, now: u64) -> (Date, i32) {
    let moment = i64::try_from(now).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let moment = moment.unwrap_or(jiff::Timestamp::MAX);
    let day = zone.to_datetime(moment).date();
    let date = Date::new(i32::from(day.year()), day.month().unsigned_abs(), day.day().unsigned_abs())
        .expect("a civil date at or after the epoch is a day of the years 1970 to 9999");
    (date, zone.to_offset(moment).seconds() / 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_is_set_back_leaves_the_monotonic_time_alone() {
        let clock = ManualClock::at(10_000);
        clock.advance(500);
        assert_eq!((clock.now(), clock.monotonic()), (10_500, Duration::from_millis(500)));
        clock.set_wall(2_000);
        assert_eq!((clock.now(), clock.monotonic()), (2_000, Duration::from_millis(500)));
        clock.advance_monotonic(250);
        assert_eq!((clock.now(), clock.monotonic()), (2_000, Duration::from_millis(750)));
    }

    #[test]
    fn a_shifted_clock_goes_on_from_the_time_that_it_is_set_to() {
        let clock = ShiftedClock::default();
        let apart = || clock.now().abs_diff(clock.machine.now());
        assert!(apart() < 60_000);
        for time in [0, 1_795_435_200_000] {
            clock.set_wall(time);
            let now = clock.now();
            assert!((time..time + 60_000).contains(&now), "{now}");
        }
    }

    #[test]
    fn the_machines_monotonic_time_never_decreases() {
        let clock = SystemClock::default();
        let readings: Vec<Duration> = (0..1_000).map(|_| clock.monotonic()).collect();
        assert!(readings.is_sorted(), "{readings:?}");
    }

    #[test]
    fn the_date_and_the_offset_are_the_time_zones() {
        let half_past_ten_in_the_evening = 1_795_472_999_000; // 2026-11-23T22:29:59Z
        let local = |zone: &str| {
            let zone = jiff::tz::TimeZone::posix(zone).expect("a zone");
            let (date, offset) = local_in(&zone, half_past_ten_in_the_evening);
            format!("{date} {offset}")
        };
        assert_eq!(local("UTC0"), "2026-11-23 0");
        assert_eq!(local("EET-2"), "2026-11-24 120");
        assert_eq!(local("NST3:30"), "2026-11-23 -210");
    }
}

//! The one source of time and chance, so that tests move time and nothing sleeps.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::list::date::Date;

/// What the world outside tells: the time, the local date, a random number.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since the epoch, UTC.
    fn now(&self) -> u64;

    /// The date at a moment where the server is, and how many minutes it is ahead of UTC then.
    fn local_at(&self, now: u64) -> (Date, i32);

    /// A random number.
    fn seed(&self) -> u64;
}

/// The machine's clock, in its time zone or the one that `TZ` names.
#[derive(Debug)]
pub struct SystemClock {
    zone: jiff::tz::TimeZone,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { zone: jiff::tz::TimeZone::system() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
    fn now(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn local_at(&self, now: u64) -> (Date, i32) {
        local_in(&self.zone, now)
    }

    fn seed(&self) -> u64 {
        fastrand::u64(..)
    }
}

/// A clock that stands still until it is moved, and draws seeds from a sequence. In UTC.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicU64,
    seeds: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at a moment, in milliseconds since the epoch.
    pub fn at(now: u64) -> Self {
        Self { now: AtomicU64::new(now), seeds: AtomicU64::new(1) }
    }

    /// Moves the clock on.
    pub fn advance(&self, milliseconds: u64) {
        self.now.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
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

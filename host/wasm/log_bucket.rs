//! How many lines a logic may write to the log: a token bucket for all its instances.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use super::ticks::{TICK, Ticks};
use crate::list::name::LogicName;

/// The target of each logged line, which lets a filter tell a plugin's lines from the server's.
pub const TARGET: &str = "hotlist::plugin";

/// The target of each line that a plugin wrote while it was loaded or probed. No caller asked for these.
pub const PROBE_TARGET: &str = "hotlist::plugin::probe";

/// The lines that a logic may write at once.
const BURST_LINES: u64 = 200;

/// The lines that a logic may write each second after that.
const LINES_PER_SECOND: u64 = 20;

/// A token is worth this many units, and a tick of the engine brings [`UNITS_PER_TICK`].
const UNITS_PER_LINE: u64 = Duration::from_secs(1).as_millis() as u64;

/// The units that a tick brings.
const UNITS_PER_TICK: u64 = LINES_PER_SECOND * TICK.as_millis() as u64;

/// What an instance decides for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// A list.
    List,
    /// The host, which loads the component or probes it.
    Probe,
}

/// The log of one logic. Lines for lists and lines for probes have a limit each, so that probes take none from lists.
pub(super) struct LogBucket {
    logic: LogicName,
    ticks: Ticks,
    of_lists: Limited,
    of_probes: Limited,
}

/// The lines of a logic for one purpose.
struct Limited {
    /// The lines that were dropped and not reported yet.
    dropped: AtomicU64,
    fill: Mutex<Fill>,
}

struct Fill {
    units: u64,
    /// The tick at which the units were counted.
    at: u64,
}

impl LogBucket {
    pub(super) fn new(logic: LogicName, ticks: Ticks) -> Self {
        let full = || {
            let fill = Fill { units: BURST_LINES * UNITS_PER_LINE, at: ticks.count() };
            Limited { dropped: AtomicU64::new(0), fill: Mutex::new(fill) }
        };
        Self { of_lists: full(), of_probes: full(), logic, ticks }
    }

    fn limited(&self, purpose: Purpose) -> &Limited {
        match purpose {
            Purpose::List => &self.of_lists,
            Purpose::Probe => &self.of_probes,
        }
    }

    pub(super) fn logic(&self) -> &LogicName {
        &self.logic
    }

    /// Logs a line, or drops and counts it.
    pub(super) fn log(&self, purpose: Purpose, is_error: bool, line: &str) {
        self.report(purpose);
        let logic = &self.logic;
        if !self.take(purpose) {
            self.limited(purpose).dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        match (purpose, is_error) {
            (Purpose::List, true) => tracing::warn!(target: TARGET, %logic, "{line}"),
            (Purpose::List, false) => tracing::info!(target: TARGET, %logic, "{line}"),
            (Purpose::Probe, true) => tracing::warn!(target: PROBE_TARGET, %logic, "{line}"),
            (Purpose::Probe, false) => tracing::info!(target: PROBE_TARGET, %logic, "{line}"),
        }
    }

    /// Logs how many lines were dropped, as soon as there is room for that line.
    pub(super) fn report(&self, purpose: Purpose) {
        const DROPPED: &str = "wrote more than is logged; lines were dropped";
        let dropped = &self.limited(purpose).dropped;
        if dropped.load(Ordering::Relaxed) > 0 && self.take(purpose) {
            let lines = dropped.swap(0, Ordering::Relaxed);
            match purpose {
                Purpose::List => tracing::warn!(target: TARGET, logic = %self.logic, lines, "{DROPPED}"),
                Purpose::Probe => tracing::warn!(target: PROBE_TARGET, logic = %self.logic, lines, "{DROPPED}"),
            }
        }
    }

    /// Takes the token of a line, if there is one.
    fn take(&self, purpose: Purpose) -> bool {
        let now = self.ticks.count();
        let mut fill = self.limited(purpose).fill.lock();
        let gained = now.saturating_sub(fill.at).saturating_mul(UNITS_PER_TICK);
        fill.at = now;
        fill.units = fill.units.saturating_add(gained).min(BURST_LINES * UNITS_PER_LINE);
        let has_token = fill.units >= UNITS_PER_LINE;
        if has_token {
            fill.units -= UNITS_PER_LINE;
        }
        has_token
    }
}

/// The buckets of all logics that are loaded. The versions of a logic share one.
#[derive(Default)]
pub(super) struct LogBuckets(Mutex<BTreeMap<LogicName, Weak<LogBucket>>>);

impl LogBuckets {
    /// The bucket of a logic.
    pub(super) fn of(&self, logic: &LogicName, ticks: &Ticks) -> Arc<LogBucket> {
        let mut buckets = self.0.lock();
        if let Some(bucket) = buckets.get(logic).and_then(Weak::upgrade) {
            return bucket;
        }
        buckets.retain(|_, bucket| bucket.strong_count() > 0);
        let bucket = Arc::new(LogBucket::new(logic.clone(), ticks.clone()));
        buckets.insert(logic.clone(), Arc::downgrade(&bucket));
        bucket
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logic_writes_a_burst_and_then_some_lines_each_second() {
        let ticks = Ticks::default();
        let bucket = LogBucket::new(LogicName::new("mine").unwrap(), ticks.clone());
        let taken = |tries: u64| (0..tries).filter(|_| bucket.take(Purpose::List)).count() as u64;
        assert_eq!(taken(1_000), BURST_LINES);
        let ticks_per_second = Duration::from_secs(1).as_millis() / TICK.as_millis();
        (0..ticks_per_second).for_each(|_| ticks.advance());
        assert_eq!(taken(1_000), LINES_PER_SECOND);
        (0..1_000_000).for_each(|_| ticks.advance());
        assert_eq!(taken(1_000), BURST_LINES, "it does not save up more");
        assert!(bucket.take(Purpose::Probe), "probes have lines of their own");
    }

    #[test]
    fn the_number_of_dropped_lines_is_reported_once() {
        let ticks = Ticks::default();
        let bucket = LogBucket::new(LogicName::new("mine").unwrap(), ticks.clone());
        (0..BURST_LINES + 7).for_each(|_| bucket.log(Purpose::List, false, "line"));
        let dropped = || bucket.of_lists.dropped.load(Ordering::Relaxed);
        bucket.report(Purpose::List);
        assert_eq!(dropped(), 7, "there is no room for the report either");
        (0..1_000).for_each(|_| ticks.advance());
        bucket.report(Purpose::List);
        assert_eq!(dropped(), 0);
    }

    #[test]
    fn the_versions_of_a_logic_share_a_bucket() {
        let (buckets, ticks) = (LogBuckets::default(), Ticks::default());
        let of = |name: &str| buckets.of(&LogicName::new(name).unwrap(), &ticks);
        let (one, other) = (of("mine"), of("other"));
        assert!(Arc::ptr_eq(&one, &of("mine")) && !Arc::ptr_eq(&one, &other));
        drop(one);
        drop(of("third"));
        assert_eq!(buckets.0.lock().len(), 2, "the others are forgotten");
    }
}

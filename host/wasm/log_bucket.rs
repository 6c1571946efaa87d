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

/// The lines that a logic may write at once.
const BURST_LINES: u64 = 200;

/// The lines that a logic may write each second after that.
const LINES_PER_SECOND: u64 = 20;

/// A token is worth this many units, and a tick of the engine brings [`UNITS_PER_TICK`].
const UNITS_PER_LINE: u64 = Duration::from_secs(1).as_millis() as u64;

/// The units that a tick brings.
const UNITS_PER_TICK: u64 = LINES_PER_SECOND * TICK.as_millis() as u64;

/// The log of one logic.
pub(super) struct LogBucket {
    logic: LogicName,
    ticks: Ticks,
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
        let fill = Fill { units: BURST_LINES * UNITS_PER_LINE, at: ticks.count() };
        Self { logic, ticks, dropped: AtomicU64::new(0), fill: Mutex::new(fill) }
    }

    pub(super) fn logic(&self) -> &LogicName {
        &self.logic
    }

    /// Logs a line, or drops and counts it.
    pub(super) fn log(&self, is_error: bool, line: &str) {
        self.report();
        if !self.take() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        } else if is_error {
            tracing::warn!(target: TARGET, logic = %self.logic, "{line}");
        } else {
            tracing::info!(target: TARGET, logic = %self.logic, "{line}");
        }
    }

    /// Logs how many lines were dropped, as soon as there is room for that line.
    pub(super) fn report(&self) {
        if self.dropped.load(Ordering::Relaxed) > 0 && self.take() {
            let lines = self.dropped.swap(0, Ordering::Relaxed);
            tracing::warn!(target: TARGET, logic = %self.logic, lines, "wrote more than is logged; lines were dropped");
        }
    }

    /// Takes the token of a line, if there is one.
    fn take(&self) -> bool {
        let now = self.ticks.count();
        let mut fill = self.fill.lock();
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
        let taken = |tries: u64| (0..tries).filter(|_| bucket.take()).count() as u64;
        assert_eq!(taken(1_000), BURST_LINES);
        let ticks_per_second = Duration::from_secs(1).as_millis() / TICK.as_millis();
        (0..ticks_per_second).for_each(|_| ticks.advance());
        assert_eq!(taken(1_000), LINES_PER_SECOND);
        (0..1_000_000).for_each(|_| ticks.advance());
        assert_eq!(taken(1_000), BURST_LINES, "it does not save up more");
    }

    #[test]
    fn the_number_of_dropped_lines_is_reported_once() {
        let ticks = Ticks::default();
        let bucket = LogBucket::new(LogicName::new("mine").unwrap(), ticks.clone());
        (0..BURST_LINES + 7).for_each(|_| bucket.log(false, "line"));
        let dropped = || bucket.dropped.load(Ordering::Relaxed);
        bucket.report();
        assert_eq!(dropped(), 7, "there is no room for the report either");
        (0..1_000).for_each(|_| ticks.advance());
        bucket.report();
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

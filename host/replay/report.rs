//! The result of a comparison.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::answer::DifferenceKind;
use crate::list::name::ListName;
use crate::logic::Refusal;

/// The most lists whose first difference a report shows, and the most unreadable lists that it names. It shows the first
/// ones by name, and counts all.
pub const MAX_LISTED: usize = 1_000;

/// The most characters of each text of a difference.
const MAX_SHOWN_CHARS: usize = 4_000;

/// The result of a comparison.
#[derive(Debug, Default)]
pub struct Report {
    /// The number of lists.
    pub lists: u64,
    /// The number of commands that both versions decided.
    pub commands: u64,
    /// The number of revisions that were skipped: no version of the logic decided them, or one of the two did not
    /// migrate the list.
    pub skipped: u64,
    /// The number of lists with a difference.
    pub differing_lists: u64,
    /// The number of differing commands, by the kind of difference.
    pub differing: BTreeMap<DifferenceKind, u64>,
    /// The first difference of each list, in the order of the lists' names.
    pub differences: Vec<Difference>,
    /// The number of unreadable lists.
    pub unreadable_lists: u64,
    /// The unreadable lists, in the order of their names.
    pub unreadable: Vec<Unreadable>,
    /// The cost of the old version.
    pub old: VersionCosts,
    /// The cost of the new version.
    pub new: VersionCosts,
}

/// A command that the two versions decide differently.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The list's name.
    pub list: ListName,
    /// The revision that the command made.
    pub revision: u64,
    /// The kind of the difference.
    pub kind: DifferenceKind,
    /// The command, as a file of cases writes it.
    pub command: String,
    /// The list before the command.
    pub before: String,
    /// The old version's answer.
    pub old: String,
    /// The new version's answer.
    pub new: String,
}

/// A list that could not be read. Its name may be what is damaged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreadable {
    /// The list's name.
    pub name: String,
    /// The reason, for people.
    pub why: String,
}

/// The largest measurement that is recorded as it is: 73 minutes in nanoseconds. A larger one counts as this one, except in
/// the maximum.
const MAX_MEASURED: u64 = 1 << 42;

/// The significant decimal digits of a recorded measurement: quantiles are at most 1 % too large.
const SIGNIFICANT_DIGITS: u8 = 2;

/// The cost of one version's answers.
#[derive(Clone, Default, Debug)]
pub struct VersionCosts {
    /// The time of each command that the version answered, in nanoseconds.
    pub time: Measurements,
    /// The fuel of each command that the version answered.
    pub fuel: Measurements,
    /// The number of failures, by the kind of fault.
    pub faults: BTreeMap<&'static str, u64>,
}

/// The distribution of many measurements, in a fixed size. Quantiles are rounded up by at most 1 %. The maximum is exact.
#[derive(Clone, Debug)]
pub struct Measurements {
    histogram: Histogram<u64>,
    max: u64,
}

impl Default for Measurements {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, MAX_MEASURED, SIGNIFICANT_DIGITS).expect("the bounds are valid");
        Self { histogram, max: 0 }
    }
}

impl Measurements {
    /// Returns the number of measurements.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// Returns the largest measurement, or 0 without any.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// Returns the value that the given share of the measurements does not exceed.
    pub fn quantile(&self, quantile: f64) -> u64 {
        self.histogram.value_at_quantile(quantile).min(self.max)
    }

    fn record(&mut self, value: u64) {
        self.histogram.saturating_record(value);
        self.max = self.max.max(value);
    }

    fn merge(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("all histograms of a report have the same bounds");
        self.max = self.max.max(other.max);
    }
}

impl Report {
    /// Returns the number of commands that the two versions decide differently.
    pub fn differing_commands(&self) -> u64 {
        self.differing.values().sum()
    }

    pub(super) fn count(&mut self, kind: DifferenceKind) {
        *self.differing.entry(kind).or_default() += 1;
    }

    pub(super) fn unreadable(&mut self, unreadable: Unreadable) {
        self.unreadable_lists += 1;
        if self.unreadable.len() < MAX_LISTED {
            self.unreadable.push(Unreadable { why: cut(unreadable.why), ..unreadable });
        }
    }

    /// Adds the results of another thread.
    pub(super) fn merge(&mut self, other: Self) {
        self.lists += other.lists;
        self.commands += other.commands;
        self.skipped += other.skipped;
        self.differing_lists += other.differing_lists;
        other.differing.into_iter().for_each(|(kind, count)| *self.differing.entry(kind).or_default() += count);
        self.differences.extend(other.differences);
        self.unreadable_lists += other.unreadable_lists;
        self.unreadable.extend(other.unreadable);
        self.old.merge(&other.old);
        self.new.merge(&other.new);
    }

    /// Sorts the results of all threads, and drops those above [`MAX_LISTED`].
    pub(super) fn sort(&mut self) {
        self.differences.sort_by(|one, other| one.list.cmp(&other.list));
        self.differences.truncate(MAX_LISTED);
        self.unreadable.sort_by(|one, other| one.name.cmp(&other.name));
        self.unreadable.truncate(MAX_LISTED);
    }
}

impl VersionCosts {
    pub(super) fn add(&mut self, time: Duration, fuel: u64) {
        self.time.record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        self.fuel.record(fuel);
    }

    /// Counts the refusal if it is a fault.
    pub(super) fn count(&mut self, refusal: &Refusal) {
        if let Refusal::Fault(fault) = refusal {
            *self.faults.entry(fault.kind()).or_default() += 1;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.time.merge(&other.time);
        self.fuel.merge(&other.fuel);
        other.faults.iter().for_each(|(kind, count)| *self.faults.entry(kind).or_default() += count);
    }
}

/// Cuts a text to [`MAX_SHOWN_CHARS`], because a report holds it until the end.
pub(super) fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_SHOWN_CHARS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maximum_is_exact_and_quantiles_are_within_one_percent_and_never_above_it() {
        let (mut one, mut other) = (Measurements::default(), Measurements::default());
        assert_eq!((one.count(), one.max(), one.quantile(0.99)), (0, 0, 0));
        (1..=50).for_each(|value| one.record(value * 100_003));
        (51..=100).for_each(|value| other.record(value * 100_003));
        one.merge(&other);
        assert_eq!((one.count(), one.max(), one.quantile(1.0)), (100, 10_000_300, 10_000_300));
        for (quantile, exact) in [(0.5, 5_000_150), (0.99, 9_900_297)] {
            let found = one.quantile(quantile);
            assert!((exact..=exact + exact / 100).contains(&found), "{quantile}: {found} instead of {exact}");
        }
    }

    #[test]
    fn a_measurement_above_the_bound_of_the_histogram_is_the_exact_maximum() {
        let mut measured = Measurements::default();
        measured.record(u64::MAX - 1);
        assert_eq!((measured.count(), measured.max()), (1, u64::MAX - 1));
    }
}

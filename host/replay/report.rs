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
    /// The number of revisions that were passed over: no version of the logic decided them, or one of the two did not
    /// migrate the list.
    pub passed_over: u64,
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
    pub asked: String,
    /// The list before the command.
    pub about: String,
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

/// The largest measurement that is recorded as it is: 73 minutes in nanoseconds. A larger one counts as this one.
const MAX_MEASURED: u64 = 1 << 42;

/// The significant decimal digits of a recorded measurement: percentiles are at most 1 % too large.
const SIGNIFICANT_DIGITS: u8 = 2;

/// The cost of one version's answers.
#[derive(Clone, Debug)]
pub struct VersionCosts {
    /// The time of each command that the version answered, in nanoseconds.
    pub time: Histogram<u64>,
    /// The fuel of each command that the version answered.
    pub fuel: Histogram<u64>,
    /// The number of failures, by the kind of fault.
    pub faults: BTreeMap<&'static str, u64>,
}

impl Default for VersionCosts {
    fn default() -> Self {
        let empty = Histogram::new_with_bounds(1, MAX_MEASURED, SIGNIFICANT_DIGITS).expect("the bounds are valid");
        Self { time: empty.clone(), fuel: empty, faults: BTreeMap::new() }
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
        self.passed_over += other.passed_over;
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
        self.time.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        self.fuel.saturating_record(fuel);
    }

    /// Counts the refusal if it is a fault.
    pub(super) fn count(&mut self, refusal: &Refusal) {
        if let Refusal::Fault(fault) = refusal {
            *self.faults.entry(fault.kind()).or_default() += 1;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        const SAME_BOUNDS: &str = "all histograms of a report have the same bounds";
        self.time.add(&other.time).expect(SAME_BOUNDS);
        self.fuel.add(&other.fuel).expect(SAME_BOUNDS);
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

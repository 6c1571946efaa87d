//! When a version has failed too often.
//!
//! Only faults that its author has to mend count, see [`Fault::is_defect`](crate::logic::Fault::is_defect). A client can
//! fill lists of its own so that honest rules run out of a resource there, or trap. So neither one list nor one client
//! quarantines a version for all others.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::version_record::{FailureRecord, MAX_FAILURES};
use crate::list::excerpt::{excerpt, quoted};
use crate::list::name::ListName;
use crate::logic::Fault;
use crate::render;
use crate::render::case::Question;

/// How often a version may fail before it is quarantined. Each of the two counts needs failures on [`lists`](Self::lists)
/// different lists, and [`MIN_CLIENTS`] different clients behind them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QuarantinePolicy {
    /// A version is quarantined after this many failures …
    pub failures: usize,
    /// … within this many milliseconds.
    pub within: u64,
    /// A version is quarantined after this many failures in a row on each of several lists, while another version
    /// decides the same commands.
    pub in_a_row: u32,
    /// The number of lists on which a version has to fail.
    pub lists: usize,
}

impl Default for QuarantinePolicy {
    fn default() -> Self {
        Self { failures: 5, within: 10_000, in_a_row: 3, lists: 3 }
    }
}

/// The number of clients that have to be behind the failures of a version: callers, or addresses where callers have no
/// names.
pub const MIN_CLIENTS: usize = 2;

/// How long a client counts as one behind the failures in a row on a list. It counts no longer than the row goes on.
const ROW_CLIENT_TIME: Duration = Duration::from_secs(60 * 60);

/// The most lists whose failures are counted at a time. Beyond it, the list that failed least recently is forgotten. One
/// client alone has no more than [`QuarantinePolicy::lists`] of them.
const MAX_LISTS: usize = 1_000;

/// A failure of a version.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// The list at which the version failed.
    pub list: &'a ListName,
    /// The client whose request it was. `None` for what the host does by itself, which counts for no client.
    pub client: Option<&'a Arc<str>>,
    /// Whether another version failed at the same command. `None` if no other version was asked.
    pub shared: Option<bool>,
    /// The question at which it failed, if it is known.
    pub asked: Option<Asked<'a>>,
}

/// A question that a version was asked, from which it can be asked again.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The revision of the list before the question.
    pub revision: u64,
    /// The question.
    pub question: Question<'a>,
}

/// The most characters of a question in the reason of a quarantine.
const MAX_QUESTION_CHARS: usize = 500;

impl Failure<'_> {
    /// The place of the failure, for people.
    pub fn place(&self) -> String {
        let list = quoted(self.list.as_str());
        let Some(asked) = self.asked else { return format!("at list {list}") };
        format!("at {} on list {list} at revision {}", asked.shown(), asked.revision)
    }

    /// The failure as a quarantine remembers it.
    pub(super) fn record(&self, fault: &Fault, time: u64) -> FailureRecord {
        let list = self.list.as_str().to_owned();
        let client = self.client.map(|client| client.to_string());
        let (revision, question) = (self.asked.map(|asked| asked.revision), self.asked.map(Asked::shown));
        FailureRecord { time, list, revision, question, client, fault: excerpt(&fault.to_string()).into() }
    }
}

impl Asked<'_> {
    /// The question in the notation of a case file, cut if it is long.
    pub fn shown(self) -> String {
        render::question(self.question).chars().take(MAX_QUESTION_CHARS).collect()
    }
}

/// The recent failures of one version. Their times come from a monotonic clock, because the wall clock may step: back,
/// and old failures would seem to be recent; forward, and recent ones would seem to be old.
#[derive(Default)]
pub(super) struct Failures {
    /// Whether any list has failures in a row. Every success reads this.
    any_in_a_row: AtomicBool,
    lists: Mutex<BTreeMap<ListName, ListFailures>>,
}

/// The recent failures of one version on one list.
#[derive(Default)]
struct ListFailures {
    /// The monotonic times of the last failures, the newest last. At most [`QuarantinePolicy::failures`].
    times: VecDeque<Duration>,
    in_a_row: u32,
    /// The time of the first failure in a row.
    row_began: Duration,
    /// The last clients behind the failures with the times of their last ones, the newest last. At most [`MIN_CLIENTS`].
    clients: Vec<(Arc<str>, Duration)>,
    /// The last failure, for the record of a quarantine.
    last_failure: Option<FailureRecord>,
}

impl Failures {
    /// Counts a failure at a monotonic time. Returns the reason when the policy asks for a quarantine.
    pub(super) fn count(&self, policy: &QuarantinePolicy, failure: Failure<'_>, now: Duration) -> Option<String> {
        let Failure { list, client, shared, .. } = failure;
        let window = Duration::from_millis(policy.within);
        let is_recent = |time: &Duration| now.saturating_sub(*time) <= window;
        let mut lists = self.lists.lock();
        lists.retain(|_, failures| failures.in_a_row > 0 || failures.last().is_some_and(|last| is_recent(&last)));
        let is_in_row = |failures: &ListFailures, time: &Duration| {
            failures.in_a_row > 0
                && *time >= failures.row_began
                && now.saturating_sub(*time) <= ROW_CLIENT_TIME.max(window)
        };
        for failures in lists.values_mut() {
            let mut clients = std::mem::take(&mut failures.clients);
            clients.retain(|(_, time)| is_recent(time) || is_in_row(failures, time));
            failures.clients = clients;
        }
        if !lists.contains_key(list) {
            make_room(&mut lists, policy, client);
        }
        let failures = lists.entry(list.clone()).or_default();
        failures.add(policy, client, now);
        if shared == Some(false) {
            if failures.in_a_row == 0 {
                failures.row_began = now;
            }
            failures.in_a_row += 1;
            self.any_in_a_row.store(true, Ordering::Relaxed);
        }
        let recent = |failures: &ListFailures| failures.times.iter().filter(|time| is_recent(time)).count();
        let in_window = || lists.values().filter(|failures| recent(failures) > 0);
        let total: usize = in_window().map(recent).sum();
        if total >= policy.failures && are_enough(policy, in_window(), |_, time| is_recent(time)) {
            let (lists, within) = (in_window().count(), policy.within);
            return Some(format!("it failed {total} times within {within} ms on {lists} lists"));
        }
        let in_a_row = || lists.values().filter(|failures| failures.in_a_row >= policy.in_a_row);
        are_enough(policy, in_a_row(), is_in_row).then(|| {
            let (lists, times) = (in_a_row().count(), policy.in_a_row);
            format!("it failed {times} times in a row on each of {lists} lists, and another version did not")
        })
    }

    /// Remembers a failure that was counted, for the record of a quarantine.
    pub(super) fn remember(&self, list: &ListName, failure: FailureRecord) {
        if let Some(failures) = self.lists.lock().get_mut(list) {
            failures.last_failure = Some(failure);
        }
    }

    /// The last failures, one a list, the newest last. At most [`MAX_FAILURES`].
    pub(super) fn last(&self) -> Vec<FailureRecord> {
        let lists = self.lists.lock();
        let mut last: Vec<_> = lists.values().filter(|failures| failures.last_failure.is_some()).collect();
        last.sort_by_key(|failures| failures.last());
        let last = last.split_off(last.len().saturating_sub(MAX_FAILURES));
        last.into_iter().filter_map(|failures| failures.last_failure.clone()).collect()
    }

    /// Forgets the failures in a row on a list, because the version succeeded there.
    pub(super) fn forget(&self, list: &ListName) {
        if self.any_in_a_row.load(Ordering::Relaxed) {
            let mut lists = self.lists.lock();
            if let Some(failures) = lists.get_mut(list) {
                failures.in_a_row = 0;
            }
            let any = lists.values().any(|failures| failures.in_a_row > 0);
            self.any_in_a_row.store(any, Ordering::Relaxed);
        }
    }
}

impl ListFailures {
    fn add(&mut self, policy: &QuarantinePolicy, client: Option<&Arc<str>>, now: Duration) {
        if self.times.len() >= policy.failures.max(1) {
            self.times.pop_front();
        }
        self.times.push_back(now);
        if let Some(client) = client {
            self.clients.retain(|(known, _)| known != client);
            if self.clients.len() >= MIN_CLIENTS {
                self.clients.remove(0);
            }
            self.clients.push((client.clone(), now));
        }
    }

    fn last(&self) -> Option<Duration> {
        self.times.back().copied()
    }

    /// Whether this client alone is behind the failures, or the host alone.
    fn is_of(&self, client: Option<&Arc<str>>) -> bool {
        self.clients.iter().map(|(client, _)| client).eq(client)
    }
}

/// Whether failures on these lists suffice for a quarantine. `counts` tells whether a client's last failure on a list does.
fn are_enough<'a>(
    policy: &QuarantinePolicy,
    failing: impl Iterator<Item = &'a ListFailures> + Clone,
    counts: impl Fn(&ListFailures, &Duration) -> bool,
) -> bool {
    let of_list = |failures: &'a ListFailures| failures.clients.iter().filter(|(_, time)| counts(failures, time));
    let mut clients = failing.clone().flat_map(of_list).map(|(client, _)| client);
    let first = clients.next();
    failing.count() >= policy.lists.max(1) && clients.any(|client| Some(client) != first)
}

/// Makes room for another list on which a client's command failed.
fn make_room(lists: &mut BTreeMap<ListName, ListFailures>, policy: &QuarantinePolicy, client: Option<&Arc<str>>) {
    let of_client = lists.iter().filter(|(_, failures)| failures.is_of(client));
    let is_crowded = of_client.clone().count() >= policy.lists;
    let oldest = |(_, failures): &(&ListName, &ListFailures)| failures.last();
    let forgotten = match is_crowded {
        true => of_client.min_by_key(oldest),
        false if lists.len() >= MAX_LISTS => lists.iter().min_by_key(oldest),
        false => None,
    };
    if let Some(list) = forgotten.map(|(list, _)| list.clone()) {
        lists.remove(&list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> ListName {
        ListName::new(name).unwrap()
    }

    /// Counts the failures of one version.
    #[derive(Default)]
    struct Counter(Failures, QuarantinePolicy);

    impl Counter {
        /// Counts a failure that another version did not share. Returns whether the version is to be quarantined.
        fn fails(&self, list: &str, client: &str, seconds: u64) -> bool {
            self.fails_with(list, client, Some(false), seconds)
        }

        fn fails_with(&self, list: &str, client: &str, shared: Option<bool>, seconds: u64) -> bool {
            let (list, client) = (name(list), client.into());
            let failure = Failure { list: &list, client: Some(&client), shared, asked: None };
            self.0.count(&self.1, failure, Duration::from_secs(seconds)).is_some()
        }
    }

    #[test]
    fn a_version_is_quarantined_after_the_fifth_failure_within_ten_seconds_on_three_lists_of_two_clients() {
        let counter = Counter::default();
        // One failure every three seconds is allowed, however long it goes on.
        assert!(!(0..20).any(|n| counter.fails(&n.to_string(), ["ann", "bob"][n % 2], n as u64 * 3)));
        let failures = [("a", "ann"), ("a", "ann"), ("b", "ann"), ("c", "ann"), ("c", "bob")];
        let quarantined: Vec<_> =
            failures.iter().map(|(list, client)| counter.fails_with(list, client, None, 100)).collect();
        assert_eq!(quarantined, [false, false, false, false, true]);
    }

    #[test]
    fn one_list_quarantines_no_version_however_often_it_fails_and_for_however_many_clients() {
        let counter = Counter::default();
        assert!(!(0..100).any(|n| counter.fails("bob", &format!("client {n}"), n / 10)));
        assert!(!(0..100).any(|n| counter.fails(["bob", "ann"][n % 2], &format!("client {n}"), 20)), "nor do two");
    }

    #[test]
    fn one_client_quarantines_no_version_on_however_many_lists() {
        let counter = Counter::default();
        assert!(!(0..100).any(|n| counter.fails(&(n % 20).to_string(), "eve", n / 10)));
    }

    #[test]
    fn a_client_with_many_failing_lists_does_not_hide_the_failures_of_others() {
        let counter = Counter::default();
        let _ = [counter.fails("of ann", "ann", 0), counter.fails("of bob", "bob", 0)];
        let _ = (1..3_000).map(|n| counter.fails(&format!("of eve {n}"), "eve", n)).last();
        let counted = || counter.0.lists.lock().keys().map(|list| list.as_str().to_owned()).collect::<Vec<_>>();
        assert_eq!(counted(), ["of ann", "of bob", "of eve 2997", "of eve 2998", "of eve 2999"]);
        let _ = (0..3_000).map(|n| counter.fails(&n.to_string(), &format!("client {n}"), 3_000)).last();
        assert_eq!(counted().len(), MAX_LISTS, "all clients together");
    }

    #[test]
    fn a_version_is_quarantined_after_three_failures_in_a_row_on_each_of_three_lists() {
        let counter = Counter::default();
        let mut now = 0;
        let mut fails = |list: &str, shared| {
            now += 60;
            counter.fails_with(list, if list == "bob" { "bob" } else { "ann" }, shared, now)
        };
        let (alone, unknown) = (Some(false), None);
        assert!(!fails("bob", alone) && !fails("bob", alone));
        counter.0.forget(&name("bob"));
        assert!(!fails("bob", alone) && !fails("ann", alone) && !fails("bob", alone) && !fails("bob", alone));
        assert!(!(0..9).any(|_| fails("ann", unknown)), "no other version decided the same commands");
        assert!(!(0..2).any(|_| fails("ann", alone)), "two lists");
        assert!(!(0..2).any(|_| fails("eve", alone)));
        assert!(fails("eve", alone));
    }

    #[test]
    fn a_client_counts_no_longer_than_its_failures_do() {
        let counter = Counter::default();
        let unknown = |list: &str, client: &str, seconds| counter.fails_with(list, client, None, seconds);
        assert!(!unknown("0", "bob", 0) && !unknown("0", "eve", 9));
        assert!(!(0..9).any(|n| unknown(&(n % 3).to_string(), "eve", 11)), "bob's window is over");
        let counter = Counter::default();
        let eve = |list: &str, seconds| (0..3).any(|_| counter.fails(list, "eve", seconds));
        assert!(!counter.fails("shared", "bob", 0));
        counter.0.forget(&name("shared"));
        assert!(!eve("shared", 5) && !eve("a", 80) && !eve("b", 100), "bob's row has ended");
        assert!(counter.fails("a", "bob", 120), "until bob's command fails again");
        let counter = Counter::default();
        let eve = |list: &str, seconds| (0..3).any(|_| counter.fails(list, "eve", seconds));
        assert!(!counter.fails("shared", "bob", 0));
        assert!(!eve("shared", 3_601) && !eve("a", 3_620) && !eve("b", 3_640), "bob's failure is too old");
    }

    #[test]
    fn what_the_host_does_by_itself_counts_for_no_client() {
        let counter = Counter::default();
        let wakes = |list: &str| {
            let list = name(list);
            let failure = Failure { list: &list, client: None, shared: Some(false), asked: None };
            counter.0.count(&counter.1, failure, Duration::ZERO).is_some()
        };
        assert!(!(0..60).any(|n| wakes(&(n % 3).to_string())));
        assert!(!(0..9).any(|n| counter.fails(&(n % 3).to_string(), "ann", 0)));
        assert!(counter.fails("1", "bob", 0));
    }
}

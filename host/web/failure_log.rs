//! Log of failures that come in bursts: overload, and a store that fails every request.
//!
//! A server under load has no time for a line per refused request, and its operator has no use for them. The first
//! failure of a kind is logged at once. Later ones are counted, and the count is logged with the first failure after
//! [`INTERVAL`]. `hotlist_requests_total` counts all of them.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

/// How long further failures of the same kind are only counted.
const INTERVAL: Duration = Duration::from_secs(10);

/// What only the operator may learn of a failed request.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// The name of the problem.
    pub(super) problem: &'static str,
    /// What kind of failure it is.
    pub(super) class: FailureClass,
    /// The limit that was reached, if there is a number.
    pub(super) limit: Option<&'static str>,
    /// What happened.
    pub(super) cause: String,
}

/// Class of a failure, which decides how it is logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FailureClass {
    /// The server is overloaded. All causes are one kind.
    Overload,
    /// The store failed at a write. Not logged while the store takes no writes, because the store has logged why.
    StoreWrite,
    /// Something is broken.
    Fault,
}

/// The most causes that are told apart at a time.
const MAX_CAUSES: usize = 256;

/// Failures of each kind.
#[derive(Default)]
pub(super) struct FailureLog(Mutex<HashMap<Kind, Burst>>);

/// Failures that are logged once per burst. Each cause is a kind of its own, because a client that was told to look
/// into the log must find it there. All causes of overload are one kind.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Kind {
    problem: &'static str,
    limit: Option<&'static str>,
    /// Nothing for overload, and for causes beyond [`MAX_CAUSES`].
    cause: Option<String>,
}

struct Burst {
    /// When a line was last logged.
    logged: Duration,
    /// Failures since then.
    unlogged: u64,
}

impl FailureLog {
    /// Logs a failure, or counts it if one of its kind was logged a short time ago. `now` is a monotonic time.
    pub(super) fn record(&self, now: Duration, failure: &Failure) {
        let Some(unlogged) = self.count(now, failure) else { return };
        let Failure { problem, class, limit, cause } = failure;
        match class {
            FailureClass::Overload => {
                tracing::warn!(problem, limit, unlogged, "refusing requests, the server is overloaded: {cause}");
            }
            FailureClass::StoreWrite | FailureClass::Fault => {
                tracing::error!(problem, unlogged, "requests fail: {cause}");
            }
        }
    }

    /// Counts a failure. Returns how many were not logged before it, if this one is to be logged.
    fn count(&self, now: Duration, failure: &Failure) -> Option<u64> {
        let mut bursts = self.0.lock();
        let Failure { problem, class, limit, ref cause } = *failure;
        let mut kind = Kind { problem, limit, cause: (class != FailureClass::Overload).then(|| cause.clone()) };
        if kind.cause.is_some() && bursts.len() >= MAX_CAUSES && !bursts.contains_key(&kind) {
            // A cause that was not seen for a while makes room. Its count is lost here, not in the metrics.
            bursts.retain(|_, burst| now.saturating_sub(burst.logged) < INTERVAL);
            if bursts.len() >= MAX_CAUSES {
                kind.cause = None;
            }
        }
        match bursts.get_mut(&kind) {
            Some(burst) if now.saturating_sub(burst.logged) < INTERVAL => {
                burst.unlogged += 1;
                None
            }
            Some(burst) => {
                burst.logged = now;
                Some(std::mem::take(&mut burst.unlogged))
            }
            None => {
                bursts.insert(kind, Burst { logged: now, unlogged: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_logged_once_and_its_size_with_the_next_line() {
        let log = FailureLog::default();
        let failure =
            |limit| Failure { problem: "overloaded", class: FailureClass::Overload, limit, cause: String::new() };
        let count = |second, limit| log.count(Duration::from_secs(second), &failure(limit));
        assert_eq!(count(1, Some("mailbox")), Some(0));
        assert_eq!((count(1, Some("mailbox")), count(10, Some("mailbox"))), (None, None));
        assert_eq!(count(10, Some("store queue")), Some(0), "another limit is another kind");
        assert_eq!((count(11, Some("mailbox")), count(12, Some("mailbox"))), (Some(2), None));
        assert_eq!(count(40, Some("mailbox")), Some(1));
    }

    #[test]
    fn each_cause_is_logged_and_the_number_of_causes_is_bounded() {
        let log = FailureLog::default();
        let failure = |cause: usize| Failure {
            problem: "unreadable",
            class: FailureClass::Fault,
            limit: None,
            cause: format!("list {cause} is damaged"),
        };
        let count = |second, cause| log.count(Duration::from_secs(second), &failure(cause));
        for cause in 0..MAX_CAUSES {
            assert_eq!(count(1, cause), Some(0));
        }
        assert_eq!((count(1, 0), count(1, 1)), (None, None));
        assert_eq!((count(1, 1000), count(1, 1001)), (Some(0), None), "the rest is one kind");
        assert_eq!(log.0.lock().len(), MAX_CAUSES + 1);
        assert_eq!((count(11, 2000), count(11, 2001)), (Some(0), Some(0)), "old causes make room");
        assert_eq!(log.0.lock().len(), 2);
    }
}

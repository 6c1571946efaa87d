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

/// What only the operator may learn of a failed request. Travels from the problem to the log as a response extension.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// The name of the problem.
    pub(super) problem: &'static str,
    /// Whether the server is overloaded, as opposed to broken.
    pub(super) overload: bool,
    /// The limit that was reached, if there is a number.
    pub(super) limit: Option<&'static str>,
    /// What happened.
    pub(super) cause: String,
}

/// Failures of each kind. The names of problems and limits are constants, so there are few kinds.
#[derive(Default)]
pub(super) struct FailureLog(Mutex<HashMap<(&'static str, Option<&'static str>), Burst>>);

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
        let Failure { problem, overload, limit, cause } = failure;
        match overload {
            true => tracing::warn!(problem, limit, unlogged, "refusing requests, the server is overloaded: {cause}"),
            false => tracing::error!(problem, unlogged, "requests fail: {cause}"),
        }
    }

    /// Counts a failure. Returns how many were not logged before it, if this one is to be logged.
    fn count(&self, now: Duration, failure: &Failure) -> Option<u64> {
        let mut bursts = self.0.lock();
        match bursts.get_mut(&(failure.problem, failure.limit)) {
            Some(burst) if now.saturating_sub(burst.logged) < INTERVAL => {
                burst.unlogged += 1;
                None
            }
            Some(burst) => {
                burst.logged = now;
                Some(std::mem::take(&mut burst.unlogged))
            }
            None => {
                bursts.insert((failure.problem, failure.limit), Burst { logged: now, unlogged: 0 });
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
        let failure = |limit| Failure { problem: "overloaded", overload: true, limit, cause: String::new() };
        let count = |second, limit| log.count(Duration::from_secs(second), &failure(limit));
        assert_eq!(count(1, Some("mailbox")), Some(0));
        assert_eq!((count(1, Some("mailbox")), count(10, Some("mailbox"))), (None, None));
        assert_eq!(count(10, Some("store queue")), Some(0), "another limit is another kind");
        assert_eq!((count(11, Some("mailbox")), count(12, Some("mailbox"))), (Some(2), None));
        assert_eq!(count(40, Some("mailbox")), Some(1));
    }
}

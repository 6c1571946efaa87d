//! Log of failures that come in bursts: overload, a store that fails every request, and clients that are refused.
//!
//! A server under load has no time for a line per refused request, and its operator has no use for them. The first
//! failure of a kind is logged at once. Later ones are counted, and the count is logged with the first failure after
//! an interval. `hotlist_requests_total` counts all of them.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

/// How long further failures of the same kind are only counted.
pub(super) const FAILURE_INTERVAL: Duration = Duration::from_secs(10);

/// How long further requests of a client that is not trusted, and further connections that are refused, are only counted.
pub(super) const REFUSAL_INTERVAL: Duration = Duration::from_secs(60);

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
    /// Connections are refused. All causes are one kind.
    Connections,
    /// The store failed at a write. Not logged while the store takes no writes, because the store has logged why.
    StoreWrite,
    /// A client that is not trusted named a caller. Each client is a cause.
    Untrusted,
    /// Something is broken.
    Fault,
}

impl FailureClass {
    fn tells_causes_apart(self) -> bool {
        !matches!(self, Self::Overload | Self::Connections)
    }
}

/// The most causes that are told apart at a time.
const MAX_CAUSES: usize = 256;

/// Failures of each kind.
pub(super) struct FailureLog {
    interval: Duration,
    bursts: Mutex<HashMap<Kind, Burst>>,
}

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

/// What the log says after a failure was counted.
struct Counted {
    /// How many failures of its kind were not logged before it, if this failure is to be logged.
    unlogged: Option<u64>,
    /// Kinds that made room, each with the number of its failures that no line counts yet.
    evicted: Vec<(Kind, u64)>,
}

impl FailureLog {
    /// A log with at most one line for each kind of failure in this time.
    pub(super) fn every(interval: Duration) -> Self {
        Self { interval, bursts: Mutex::default() }
    }

    /// Logs a failure, or counts it if one of its kind was logged a short time ago. `now` is a monotonic time.
    pub(super) fn record(&self, now: Duration, failure: &Failure) {
        let Counted { unlogged, evicted } = self.count(now, failure);
        for (Kind { problem, cause, .. }, unlogged) in evicted {
            let cause = cause.unwrap_or_default();
            match failure.class {
                FailureClass::Untrusted => tracing::warn!(problem, unlogged, "refused requests: {cause}"),
                _ => tracing::error!(problem, unlogged, "requests failed: {cause}"),
            }
        }
        let Some(unlogged) = unlogged else { return };
        let Failure { problem, class, limit, cause } = failure;
        match class {
            FailureClass::Overload => {
                tracing::warn!(problem, limit, unlogged, "refusing requests, the server is overloaded: {cause}");
            }
            FailureClass::Connections => tracing::warn!(limit, unlogged, "refusing connections: {cause}"),
            FailureClass::Untrusted => tracing::warn!(problem, unlogged, "refusing requests: {cause}"),
            FailureClass::StoreWrite | FailureClass::Fault => {
                tracing::error!(problem, unlogged, "requests fail: {cause}");
            }
        }
    }

    /// Counts a failure.
    fn count(&self, now: Duration, failure: &Failure) -> Counted {
        let mut bursts = self.bursts.lock();
        let mut evicted = Vec::new();
        let Failure { problem, class, limit, ref cause } = *failure;
        let mut kind = Kind { problem, limit, cause: class.tells_causes_apart().then(|| cause.clone()) };
        if kind.cause.is_some() && bursts.len() >= MAX_CAUSES && !bursts.contains_key(&kind) {
            // A cause whose burst is over makes room. Kinds without a cause are few, so they stay.
            let over = |kind: &Kind, burst: &mut Burst| {
                kind.cause.is_some() && now.saturating_sub(burst.logged) >= self.interval
            };
            let evicted_bursts = bursts.extract_if(over).filter(|(_, burst)| burst.unlogged > 0);
            evicted = evicted_bursts.map(|(kind, burst)| (kind, burst.unlogged)).collect();
            if bursts.len() >= MAX_CAUSES {
                kind.cause = None;
            }
        }
        let unlogged = match bursts.get_mut(&kind) {
            Some(burst) if now.saturating_sub(burst.logged) < self.interval => {
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
        };
        Counted { unlogged, evicted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_logged_once_and_its_size_with_the_next_line() {
        let log = FailureLog::every(FAILURE_INTERVAL);
        let failure =
            |limit| Failure { problem: "overloaded", class: FailureClass::Overload, limit, cause: String::new() };
        let count = |second, limit| log.count(Duration::from_secs(second), &failure(limit)).unlogged;
        assert_eq!(count(1, Some("mailbox")), Some(0));
        assert_eq!((count(1, Some("mailbox")), count(10, Some("mailbox"))), (None, None));
        assert_eq!(count(10, Some("store queue")), Some(0), "another limit is another kind");
        assert_eq!((count(11, Some("mailbox")), count(12, Some("mailbox"))), (Some(2), None));
        assert_eq!(count(40, Some("mailbox")), Some(1));
    }

    #[test]
    fn refused_connections_are_logged_once_for_each_limit_whatever_the_peer() {
        let log = FailureLog::every(REFUSAL_INTERVAL);
        let count = |second, limit, peer: &str| {
            let (class, cause) = (FailureClass::Connections, peer.to_owned());
            let failure = Failure { problem: "overloaded", class, limit: Some(limit), cause };
            log.count(Duration::from_secs(second), &failure).unlogged
        };
        assert_eq!(count(1, "--max-connections", "192.0.2.7"), Some(0));
        assert_eq!((count(1, "reserve", "192.0.2.7"), count(60, "--max-connections", "192.0.2.8")), (Some(0), None));
        assert_eq!(count(61, "--max-connections", "192.0.2.9"), Some(1));
    }

    #[test]
    fn each_cause_is_logged_and_the_number_of_causes_is_bounded() {
        let log = FailureLog::every(FAILURE_INTERVAL);
        let failure = |cause: usize| Failure {
            problem: "unreadable",
            class: FailureClass::Fault,
            limit: None,
            cause: format!("list {cause} is damaged"),
        };
        let count = |second, cause| log.count(Duration::from_secs(second), &failure(cause)).unlogged;
        for cause in 0..MAX_CAUSES {
            assert_eq!(count(1, cause), Some(0));
        }
        assert_eq!((count(1, 0), count(1, 1)), (None, None));
        assert_eq!((count(1, 1000), count(1, 1001)), (Some(0), None), "the rest is one kind");
        assert_eq!(log.bursts.lock().len(), MAX_CAUSES + 1);
        let evicted = log.count(Duration::from_secs(11), &failure(2000)).evicted;
        let mut evicted: Vec<_> = evicted.into_iter().map(|(kind, count)| (kind.cause.unwrap(), count)).collect();
        evicted.sort();
        let left = [0, 1].map(|cause| (failure(cause).cause, 1));
        assert_eq!(evicted, left, "old causes make room, and what no line counts yet is logged");
        assert_eq!(count(11, 2001), Some(0));
        assert_eq!(log.bursts.lock().len(), 3, "the two new causes and the rest");
    }
}

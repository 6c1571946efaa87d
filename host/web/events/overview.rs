//! Events about all lists and logics: what an overview shows of them, when it changes.
//!
//! They have no history. A client reads the lists and the logics after it has connected, and then applies these events.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::super::lists::ListedBody;
use super::super::logic::LogicBody;
use super::super::paths::Origin;
use super::super::state::Web;
use super::written::WrittenEvent;
use crate::actor::{ListChange, ListWatch, MAX_RECENT_LISTS};
use crate::list::name::{ListName, LogicName};
use crate::rollout::Rollout;

/// The time between two batches of `list` events. A list that changes more often is sent as it is at the end of that time.
const LISTS_INTERVAL: Duration = Duration::from_secs(1);

/// The most lists of a batch, which bounds the bytes that an overview costs in a second.
const MAX_LISTS: usize = 32;

/// The most bytes of a batch: each list has its name, also as part of a URL, where a byte takes three.
pub(super) const BATCH_BYTES: usize = 64 << 10;

/// What a client sees of all lists and logics.
pub(super) struct Overview {
    origin: Origin,
    /// The lists that `list` events are about, or `None` for all.
    only: Option<BTreeSet<ListName>>,
    lists: ListWatch,
    /// When the next batch of `list` events may be sent.
    due: Instant,
    rollouts: watch::Receiver<()>,
    /// Whether rollouts changed since [`Overview::logics`].
    have_rollouts_changed: bool,
    /// A hash of what the client knows of each logic.
    known: BTreeMap<LogicName, u64>,
}

/// What there is news of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum News {
    Lists,
    Logics,
}

/// A list that was deleted.
#[derive(Serialize)]
struct DeletedBody<'a> {
    name: &'a str,
    deleted: bool,
}

impl Overview {
    /// The overview from now on.
    pub(super) fn new(web: &Web, origin: Origin, only: Option<BTreeSet<ListName>>) -> Self {
        let rollouts = web.services.registry.watch();
        let known =
            web.services.registry.all().iter().map(|(name, rollout)| (name.clone(), seen_of(name, rollout))).collect();
        let lists = web.cache().watch_lists();
        Self { origin, only, lists, due: Instant::now(), rollouts, have_rollouts_changed: false, known }
    }

    /// Waits for news that are not taken yet. Nothing is lost when this is dropped.
    pub(super) async fn next(&mut self) -> News {
        if self.have_rollouts_changed {
            return News::Logics;
        }
        let Self { lists, due, rollouts, .. } = self;
        let lists_changed = async {
            lists.changed().await;
            sleep_until(*due).await;
        };
        tokio::select! {
            biased;
            // The registry outlives the server's streams.
            _ = rollouts.changed() => {
                self.have_rollouts_changed = true;
                News::Logics
            }
            () = lists_changed => News::Lists,
        }
    }

    /// The events of the next batch of lists that changed.
    pub(super) fn lists(&mut self) -> Vec<WrittenEvent> {
        self.due = Instant::now() + LISTS_INTERVAL;
        // Only the wanted ones of them are sent.
        let limit = if self.only.is_some() { MAX_RECENT_LISTS } else { MAX_LISTS };
        let Some(changes) = self.lists.take(limit) else {
            return vec![WrittenEvent { name: "lists", data: b"{}".to_vec() }];
        };
        let is_wanted = |change: &&ListChange| self.only.as_ref().is_none_or(|only| only.contains(change.name()));
        changes.iter().filter(is_wanted).filter_map(|change| written("list", self.list(change))).collect()
    }

    fn list(&self, change: &ListChange) -> serde_json::Result<Vec<u8>> {
        match change {
            ListChange::Present(summary) => serde_json::to_vec(&ListedBody::readable(summary, &self.origin)),
            ListChange::Deleted(name) => serde_json::to_vec(&DeletedBody { name: name.as_str(), deleted: true }),
        }
    }

    /// The events of the logics that look different from what the client knows.
    pub(super) fn logics(&mut self, web: &Web) -> Vec<WrittenEvent> {
        let mut events = Vec::new();
        // Before they are read, so that no change is lost in between.
        self.have_rollouts_changed = false;
        for (name, rollout) in web.services.registry.all().iter() {
            let seen = seen_of(name, rollout);
            if self.known.insert(name.clone(), seen) != Some(seen) {
                let body = LogicBody::new(name.as_str(), rollout, false);
                events.extend(written("logic", serde_json::to_vec(&body)));
            }
        }
        events
    }
}

fn written(name: &'static str, json: serde_json::Result<Vec<u8>>) -> Option<WrittenEvent> {
    match json {
        Ok(data) => Some(WrittenEvent { name, data }),
        Err(error) => {
            tracing::error!(%error, event = name, "cannot write an event");
            None
        }
    }
}

/// A hash of what a client sees of a rollout, without the counters.
fn seen_of(name: &LogicName, rollout: &Rollout) -> u64 {
    let body = LogicBody::new(name.as_str(), rollout, false).without_counters();
    let mut hasher = DefaultHasher::new();
    // A body that cannot be written is no event either.
    serde_json::to_vec(&body).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::logic::testing::Native;
    use crate::rollout::{CanaryEnd, Cause, Registry, Then, Version};

    const NOW: u64 = 1_795_435_200_000;

    #[test]
    fn what_a_client_sees_of_a_logic_includes_the_end_of_its_canary_and_no_counter() {
        let name = LogicName::new("todo").expect("a name");
        let registry = Registry::default();
        registry.publish(Native::version(1), "test", NOW);
        let candidate = Version::new(Native::version(2), "test", NOW);
        let stored = registry.propose(&name, |draft| {
            draft.store(&candidate, None, Cause::new("test", NOW));
            Ok::<_, String>(())
        });
        assert!(registry.accept(stored.expect("a version")));
        let seen = || seen_of(&name, &registry.rollout(&name).expect("a logic"));
        let seen_with = |percent: u8, shadow: bool, end: Option<CanaryEnd>| {
            let cause = Cause::new("test", NOW);
            let proposal = registry.propose(&name, |draft| draft.stage(&candidate, percent, shadow, end, cause));
            assert!(registry.accept(proposal.expect("a candidate")));
            seen()
        };
        let end = |until, then| Some(CanaryEnd { until, then, client: None });
        let mut all = vec![
            seen(),
            seen_with(10, false, None),
            seen_with(20, false, None),
            seen_with(20, false, end(NOW + 1, Then::Live)),
            seen_with(20, false, end(NOW + 2, Then::Live)),
            seen_with(20, false, end(NOW + 2, Then::Withdraw)),
            seen_with(0, true, None),
        ];
        assert_eq!(seen(), all[6]);
        for version in [&candidate, &registry.live(&name).expect("a live version")] {
            version.counters.accepted.fetch_add(1, Ordering::Relaxed);
            version.counters.faults.fetch_add(1, Ordering::Relaxed);
        }
        assert_eq!(seen(), all[6]);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 7);
    }
}

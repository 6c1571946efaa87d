//! A list that a stream follows.

use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};

use super::super::history::Viewer;
use super::super::problem::{Access, Problem};
use super::super::state::Web;
use super::queue::EventQueue;
use crate::actor::{CallError, LiveRevision};
use crate::list::name::ListName;
use crate::store::{HistoryPage, PageLimit};

/// How many missed revisions are read from the history at a time, at most. A page also ends by its bytes, so a client that
/// missed many costs no more memory than one that missed few.
const PAGE: usize = 100;

/// The least time between two subscriptions of a stream that its list's actor ended. Lists that are followed and together do not
/// fit in the memory of lists would be loaded again all the time otherwise.
const RESUBSCRIBE_INTERVAL: Duration = Duration::from_secs(10);

/// A list that a stream follows.
pub(super) struct Follower {
    pub(super) name: ListName,
    /// `None` when the list cannot be followed any more, and its last event is queued or sent.
    live: Option<Receiver<LiveRevision>>,
    /// The earliest time of the next subscription.
    due: Instant,
    pub(super) events: EventQueue,
    /// The revision up to which the history has to be read before live revisions can be sent.
    pub(super) missing_until: Option<u64>,
}

impl Follower {
    /// Follows a list from the revision after `after`, or from now on.
    pub(super) async fn start(
        web: &Web,
        name: ListName,
        after: Option<u64>,
        viewer: Viewer,
        is_named: bool,
    ) -> Result<Self, CallError> {
        let live = web.cache().subscribe(&name)?;
        let current = web.cache().read(&name).await?.revision();
        let named = is_named.then_some(&name);
        let mut events = EventQueue::new(viewer, web.options.page_bytes, after.or(Some(current)), named);
        if after.is_none() {
            events.push_ready(current);
        }
        Ok(Self { name, live: Some(live), due: Instant::now(), events, missing_until: after.map(|_| current) })
    }

    /// A list that cannot be followed. Its only event says why.
    pub(super) fn failed(web: &Web, name: ListName, after: Option<u64>, viewer: Viewer, problem: &Problem) -> Self {
        let events = EventQueue::new(viewer, web.options.page_bytes, after, Some(&name));
        let mut follower = Self { name, live: None, due: Instant::now(), events, missing_until: None };
        follower.end_with(web, problem);
        follower
    }

    /// Whether more events of the list may come than are queued.
    pub(super) fn is_open(&self) -> bool {
        self.live.is_some()
    }

    /// Waits for a live revision, or until [`Follower::subscribe_again`] is due because the actor ended. Nothing is lost when
    /// this is dropped.
    pub(super) async fn next(&mut self) -> Result<LiveRevision, RecvError> {
        let Some(live) = &mut self.live else { return std::future::pending().await };
        let next = live.recv().await;
        // It stays closed.
        if matches!(next, Err(RecvError::Closed)) {
            sleep_until(self.due).await;
        }
        next
    }

    /// Goes on with the next actor of the list, and from the history, because the last one ended.
    pub(super) async fn subscribe_again(&mut self, web: &Web) {
        self.due = Instant::now() + RESUBSCRIBE_INTERVAL;
        match web.cache().subscribe(&self.name) {
            Ok(live) => {
                self.live = Some(live);
                self.note_gap(web).await;
            }
            Err(error) => self.end_with(web, &error.into()),
        }
    }

    /// Queues the next page of missed revisions, up to the current one.
    pub(super) async fn catch_up(&mut self, web: &Web, current: u64) {
        let sent = self.events.sent.unwrap_or(current);
        let limit = PageLimit { items: PAGE, bytes: self.events.limit };
        let missed = match sent < current {
            true => web.cache().history_page(&self.name, sent, limit).await,
            false => Ok(HistoryPage::default()),
        };
        match missed {
            Ok(missed) => {
                let last = self.events.push_missed(missed.revisions, current);
                self.missing_until = (last < current).then_some(current);
            }
            Err(error) => self.end_with(web, &error.into()),
        }
    }

    /// Goes on from the history, because live revisions were missed.
    pub(super) async fn note_gap(&mut self, web: &Web) {
        match web.cache().read(&self.name).await {
            Ok(list) => self.missing_until = Some(list.revision()),
            Err(error) => self.end_with(web, &error.into()),
        }
    }

    /// Ends the events of the list with one that says why.
    fn end_with(&mut self, web: &Web, problem: &Problem) {
        let list = self.name.as_str();
        web.log_failure(problem);
        tracing::debug!(list, revision = self.events.sent, "the events of a list end with a problem");
        self.events.push_problem(problem.to_json(Access::Read));
        self.live = None;
        self.missing_until = None;
    }
}

//! A stream of events to one client, of one list or of several.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::select_all;
use tokio::sync::broadcast::error::RecvError;

use super::super::answer_budget::{AnswerRoom, Reservation};
use super::super::slots::Slot;
use super::super::state::Web;
use super::follower::Follower;
use super::overview::{BATCH_BYTES, News, Overview};
use super::positions;
use super::written::{SentEvent, WrittenEvent};
use crate::actor::LiveRevision;
use crate::list::revision::Revision;
use crate::metrics::OpenGuard;
use crate::store::RetainedRevision;

/// One client that follows lists.
pub(super) struct EventStream {
    web: Arc<Web>,
    followers: Vec<Follower>,
    /// The list whose turn it is, so that a busy list does not hold up the others.
    turn: usize,
    /// `None` where a stream follows one list by its own path.
    overview: Option<Overview>,
    /// Events of the overview that wait to be sent.
    news: VecDeque<WrittenEvent>,
    room: AnswerRoom,
    /// The room of the revisions in memory and of their events. An event keeps it until it is sent.
    reserved: Option<Arc<Reservation>>,
    /// Whether the room is that of one live revision, and not of a page.
    is_live: bool,
    /// Whether the stream ends when all events are sent.
    ended: bool,
    /// Counts the stream in the metrics.
    _open: OpenGuard,
    _slot: Slot,
}

/// What a stream goes on with.
enum Next {
    /// A page of missed revisions of a list, up to this one.
    CatchUp(usize, u64),
    /// A live revision of a list.
    Live(usize, Result<LiveRevision, RecvError>),
    /// Something about all lists or logics, and the room of its events.
    News(News, Reservation),
}

impl EventStream {
    pub(super) fn new(
        web: Arc<Web>,
        followers: Vec<Follower>,
        overview: Option<Overview>,
        room: AnswerRoom,
        slot: Slot,
    ) -> Self {
        let open = web.services.metrics.event_streams.enter();
        let (reserved, news) = (None, VecDeque::new());
        let (turn, is_live, ended) = (0, false, false);
        Self { web, followers, turn, overview, news, room, reserved, is_live, ended, _open: open, _slot: slot }
    }

    /// Returns the next frame, or `None` when the stream ends. A stream may end at any time: the client connects again
    /// and names the last event that it received.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.pop() {
                return Some(event);
            }
            // What is not sent keeps its room.
            self.reserved = None;
            if self.ended {
                return None;
            }
            let web = self.web.clone();
            let waiting = tokio::select! {
                biased;
                () = web.stopping.cancelled() => return None,
                next = self.wait() => next,
                () = tokio::time::sleep(web.options.heartbeat) => return Some(Bytes::from_static(b":\n\n")),
            };
            match waiting {
                Next::CatchUp(at, current) => self.followers[at].catch_up(&web, current).await,
                Next::Live(at, Ok(live)) => self.take_live(at, &live).await,
                Next::Live(at, Err(RecvError::Lagged(_))) => self.followers[at].note_gap(&web).await,
                // The actor of the only list ended. The client connects again, which starts the next actor.
                Next::Live(_, Err(RecvError::Closed)) if self.overview.is_none() => return None,
                Next::Live(at, Err(RecvError::Closed)) => self.followers[at].subscribe_again(&web).await,
                Next::News(news, room) => self.take_news(news, room),
            }
            // A stream of one list has nothing to say when that list cannot be read.
            self.ended |= self.overview.is_none() && !self.followers.iter().any(Follower::is_open);
        }
    }

    /// The next event that is ready, as it is sent.
    fn pop(&mut self) -> Option<Bytes> {
        let queued = self.followers.iter_mut().find_map(|follower| follower.events.pop());
        let event = queued.or_else(|| self.news.pop_front())?;
        let bytes = event.frame(&self.id());
        // The revision of a live event is written, and is not held any more.
        if let Some(room) = self.reserved.as_ref().filter(|_| self.is_live) {
            room.resize(bytes.len());
        }
        Some(Bytes::from_owner(SentEvent { bytes, _room: self.reserved.clone() }))
    }

    /// The id of an event: what the client knows once the event is sent.
    fn id(&self) -> String {
        match (&self.overview, self.followers.as_slice()) {
            (None, [only]) => only.events.sent.map(|sent| sent.to_string()).unwrap_or_default(),
            (_, lists) => positions::id(lists.iter().map(|list| (&list.name, list.events.sent))),
        }
    }

    /// Waits for a live revision, for news and their room, or for the room of a page of missed revisions.
    async fn wait(&mut self) -> Next {
        let count = self.followers.len();
        let missing = (0..count).map(|step| (self.turn + step) % count);
        let missing = missing.filter_map(|at| Some((at, self.followers[at].missing_until?))).next();
        if let Some((at, current)) = missing {
            // For the page, for an event of it, and for the one before, which may not be sent as a whole.
            self.reserve(3 * self.followers[at].events.limit, false).await;
            self.turn = at + 1;
            return Next::CatchUp(at, current);
        }
        let (before, after) = self.followers.split_at_mut(self.turn.min(count));
        let first = before.len();
        let after = after.iter_mut().enumerate().map(|(at, follower)| (first + at, follower));
        let in_turn = after.chain(before.iter_mut().enumerate());
        let waiting = in_turn.map(|(at, follower)| Box::pin(async move { (at, follower.next().await) }));
        let waiting: Vec<_> = waiting.collect();
        let live =
            async { if waiting.is_empty() { std::future::pending().await } else { select_all(waiting).await.0 } };
        let room = &self.room;
        let news = async {
            match &mut self.overview {
                Some(overview) => Next::News(overview.next().await, room.wait(BATCH_BYTES).await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            news = news => news,
            (at, live) = live => {
                self.turn = at + 1;
                Next::Live(at, live)
            }
        }
    }

    async fn reserve(&mut self, bytes: usize, is_live: bool) {
        self.reserved = Some(Arc::new(self.room.wait(bytes).await));
        self.is_live = is_live;
    }

    /// Queues a revision that was just made, or has it read from the history.
    async fn take_live(&mut self, at: usize, live: &LiveRevision) {
        let follower = &mut self.followers[at];
        let sent = follower.events.sent.unwrap_or(0);
        if live.number <= sent {
            return;
        }
        match live.revision().filter(|_| live.number == sent + 1) {
            Some(revision) => self.push_live(at, revision).await,
            // The history has it.
            None => follower.missing_until = Some(live.number),
        }
    }

    /// Queues a revision that was just made.
    async fn push_live(&mut self, at: usize, revision: &Arc<Revision>) {
        let events = &self.followers[at].events;
        let urls = events.viewer.url_bytes(revision.changes.len());
        let bytes = events.limit.min(2 * revision.bytes() + urls);
        let web = self.web.clone();
        tokio::select! {
            () = self.reserve(bytes, true) => {
                self.followers[at].events.push_missed([RetainedRevision::Whole(revision.clone())], revision.number);
            }
            // The history has it, when there is room.
            () = tokio::time::sleep(web.options.heartbeat) => self.followers[at].missing_until = Some(revision.number),
            () = web.stopping.cancelled() => self.ended = true,
        }
    }

    /// Queues the events of news.
    fn take_news(&mut self, news: News, room: Reservation) {
        let Some(overview) = &mut self.overview else { return };
        self.reserved = Some(Arc::new(room));
        self.is_live = false;
        self.news.extend(match news {
            News::Lists => overview.lists(),
            News::Logics => overview.logics(&self.web),
        });
    }
}

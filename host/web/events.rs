//! Server-sent events: the revisions of a list, as they are made.
//!
//! A stream subscribes first and reads the missed revisions afterwards, so that none is lost between the two. A
//! revision that arrives both ways is recognised by its number.
//!
//! The first event says where the stream starts. Without `Last-Event-ID` it is `ready`. With it, the missed revisions
//! follow, or `reset` if the history does not contain all of them and the client has to read the list anew. A revision that
//! is larger than a page is a `reset`, too. A stream that cannot go on says why with a `problem` before it ends.
//!
//! A stream holds one page of the history and two events at most, and reads the next page when the events of this one are
//! given to the connection. Page and events are part of the budget of answers until they are sent, and the stream waits where
//! there is no room.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::answer_budget::{AnswerRoom, Reservation};
use super::client::Client;
use super::history::{Viewer, json_of};
use super::openapi::ReadProblems;
use super::paths::{ListPath, Origin};
use super::problem::{Access, HandlerResult, Problem, ProblemKind};
use super::query::NoQuery;
use super::slots::Slot;
use super::state::{Shared, Web};
use crate::actor::LiveRevision;
use crate::list::name::ListName;
use crate::list::revision::Revision;
use crate::metrics::OpenGuard;
use crate::store::{HistoryPage, PageLimit, RetainedRevision};

/// How many missed revisions are read from the history at a time, at most. A page also ends by its bytes, so a client that
/// missed many costs no more memory than one that missed few.
const PAGE: usize = 100;

/// Streams the revisions of a list.
#[utoipa::path(get, path = "/lists/{list}/events", tag = "history", operation_id = "followEvents",
    params(("list" = String, Path, description = "The list's name; a list that does not exist yet can be followed"),
        ("Last-Event-ID" = Option<u64>, Header, description = "The last revision that the client knows")), responses(
    (status = 200, description = "An endless stream of events. `revision`: a revision was made, the data is the same as in the history. \
        `ready`: first, if there was no Last-Event-ID. `reset`: the history does not contain all missed revisions, or one is larger than 1 MiB, read the list anew. \
        The data of these two is `{\"revision\": n}`, the revision that the list is at. `problem`: the stream ends because of an error, \
        the data is a problem document; connect again. The id of every event is a revision's number.",
        body = String, content_type = "text/event-stream"), ReadProblems))]
pub(super) async fn follow(
    State(web): Shared,
    ListPath(name): ListPath,
    origin: Origin,
    room: AnswerRoom,
    Client { caller, holder, .. }: Client,
    headers: HeaderMap,
    _: NoQuery,
) -> HandlerResult {
    let last_seen = last_event_id(&headers)?;
    let slot = web.event_streams.take(holder)?;
    let live = web.cache().subscribe(&name)?;
    let current = web.cache().read(&name).await?.revision();
    let (viewer, limit) = (Viewer::new(&web, caller, origin.entries(&name)), web.options.page_bytes);
    let mut events = EventQueue { viewer, limit, sent: last_seen.unwrap_or(current), queued: VecDeque::new() };
    if last_seen.is_none() {
        events.queued.push_back(QueuedEvent::Marker("ready", current));
    }
    let open = web.services.metrics.event_streams.enter();
    let missing_until = last_seen.map(|_| current);
    let stream = EventStream {
        web,
        name,
        live,
        events,
        room,
        reserved: None,
        is_live: false,
        missing_until,
        ended: false,
        _open: open,
        _slot: slot,
    };
    let body = Body::from_stream(stream::unfold(stream, |mut stream| async {
        let frame = stream.next().await?;
        Some((Ok::<_, Infallible>(frame), stream))
    }));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // Asks a proxy not to buffer the stream.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(id) = headers.get("last-event-id") else { return Ok(None) };
    let id = id.to_str().ok().and_then(|id| id.parse().ok());
    let wrong = || Problem::new(ProblemKind::BadHeader, "Last-Event-ID is not the number of a revision");
    id.map(Some).ok_or_else(|| wrong().with_field("Last-Event-ID"))
}

/// One client that follows one list.
struct EventStream {
    web: Arc<Web>,
    name: ListName,
    live: Receiver<LiveRevision>,
    events: EventQueue,
    room: AnswerRoom,
    /// The room of the revisions in memory and of their events. An event keeps it until it is sent.
    reserved: Option<Arc<Reservation>>,
    /// Whether the room is that of one live revision, and not of a page.
    is_live: bool,
    /// The revision up to which the history has to be read before live revisions can be sent.
    missing_until: Option<u64>,
    /// Whether the stream ends when all events are sent.
    ended: bool,
    /// Counts the stream in the metrics.
    _open: OpenGuard,
    _slot: Slot,
}

impl EventStream {
    /// Returns the next frame, or `None` when the stream ends. A stream may end at any time: the client connects again
    /// and names the last event that it received.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.events.pop() {
                return Some(self.with_room(event));
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
                Next::CatchUp(current) => self.catch_up(current).await,
                Next::Live(Ok(live)) if live.number <= self.events.sent => {}
                Next::Live(Ok(live)) => match live.revision().filter(|_| live.number == self.events.sent + 1) {
                    Some(revision) => self.push_live(revision).await,
                    // The history has it.
                    None => self.missing_until = Some(live.number),
                },
                Next::Live(Err(RecvError::Lagged(_))) => match self.web.cache().read(&self.name).await {
                    Ok(list) => self.missing_until = Some(list.revision()),
                    Err(error) => self.end_with(error.into()),
                },
                // The actor ended. The client connects again, which starts the next actor.
                Next::Live(Err(RecvError::Closed)) => return None,
            }
        }
    }

    /// An event that keeps the room of the stream until it is sent.
    fn with_room(&self, bytes: Vec<u8>) -> Bytes {
        // The revision of a live event is written, and is not held any more.
        if let Some(room) = self.reserved.as_ref().filter(|_| self.is_live) {
            room.resize(bytes.len());
        }
        Bytes::from_owner(SentEvent { bytes, _room: self.reserved.clone() })
    }

    /// Waits for a live revision, or for the room of a page of missed ones.
    async fn wait(&mut self) -> Next {
        match self.missing_until {
            Some(current) => {
                // For the page, for an event of it, and for the one before, which may not be sent as a whole.
                self.reserved = Some(Arc::new(self.room.wait(3 * self.events.limit).await));
                self.is_live = false;
                Next::CatchUp(current)
            }
            None => Next::Live(self.live.recv().await),
        }
    }

    /// Queues a revision that was just made.
    async fn push_live(&mut self, revision: &Arc<Revision>) {
        let urls = self.events.viewer.url_bytes(revision.changes.len());
        let bytes = self.events.limit.min(2 * revision.bytes() + urls);
        tokio::select! {
            reserved = self.room.wait(bytes) => {
                self.reserved = Some(Arc::new(reserved));
                self.is_live = true;
                self.events.push_missed([RetainedRevision::Whole(revision.clone())], revision.number);
            }
            // The history has it, when there is room.
            () = tokio::time::sleep(self.web.options.heartbeat) => self.missing_until = Some(revision.number),
            () = self.web.stopping.cancelled() => self.ended = true,
        }
    }

    /// Queues the next page of missed revisions, up to the current one.
    async fn catch_up(&mut self, current: u64) {
        let sent = self.events.sent;
        let limit = PageLimit { items: PAGE, bytes: self.events.limit };
        let missed = match sent < current {
            true => self.web.cache().history_page(&self.name, sent, limit).await,
            false => Ok(HistoryPage::default()),
        };
        match missed {
            Ok(missed) => {
                let last = self.events.push_missed(missed.revisions, current);
                self.missing_until = (last < current).then_some(current);
            }
            Err(error) => self.end_with(error.into()),
        }
    }

    /// Ends the stream with an event that says why.
    fn end_with(&mut self, problem: Problem) {
        let list = self.name.as_str();
        self.web.log_failure(&problem);
        tracing::debug!(list, revision = self.events.sent, "an event stream ends with a problem");
        self.events.queued.push_back(QueuedEvent::Problem(problem.to_json(Access::Read)));
        self.ended = true;
    }
}

/// What a stream goes on with.
enum Next {
    /// A page of missed revisions, up to this one.
    CatchUp(u64),
    /// A live revision.
    Live(Result<LiveRevision, RecvError>),
}

/// Events that wait to be sent to one client.
struct EventQueue {
    viewer: Viewer,
    /// The most bytes of a revision as an event.
    limit: usize,
    /// The last revision that the client knows once all that was popped is sent.
    sent: u64,
    queued: VecDeque<QueuedEvent>,
}

/// An event that is not written yet.
enum QueuedEvent {
    /// A revision, and the one that the list is at.
    Revision(RetainedRevision, u64),
    /// An event of this name that says which revision the list is at.
    Marker(&'static str, u64),
    /// A problem.
    Problem(Vec<u8>),
}

impl EventQueue {
    /// The next event as it is sent.
    fn pop(&mut self) -> Option<Vec<u8>> {
        Some(match self.queued.pop_front()? {
            QueuedEvent::Marker(name, current) => self.marker(name, current),
            // Not named `error`: that is what browsers call their own event for a lost connection. The id is the last
            // revision that the client knows, so that it goes on from there when it connects again.
            QueuedEvent::Problem(problem) => frame("problem", self.sent, &problem),
            QueuedEvent::Revision(revision, current) => match json_of(&revision, &self.viewer, self.limit) {
                Ok(Some(json)) => {
                    self.sent = revision.number();
                    frame("revision", self.sent, &json)
                }
                // The client reads the list anew, so what follows up to the current revision is not sent.
                Ok(None) => self.reset(current),
                Err(_) => {
                    tracing::error!(revision = revision.number(), "cannot write a revision as an event");
                    self.reset(current)
                }
            },
        })
    }

    fn reset(&mut self, current: u64) -> Vec<u8> {
        self.queued.clear();
        self.marker("reset", current)
    }

    fn marker(&mut self, name: &str, current: u64) -> Vec<u8> {
        self.sent = current;
        frame(name, current, format!("{{\"revision\":{current}}}").as_bytes())
    }

    /// Queues missed revisions. If one is missing among them, or is larger than a page, queues `reset` instead of it and of
    /// all that follow. Returns the last revision that the client knows once all of them are sent.
    fn push_missed(&mut self, missed: impl IntoIterator<Item = RetainedRevision>, current: u64) -> u64 {
        let before = self.sent;
        let mut last = before;
        for revision in missed {
            if revision.number() != last + 1 || revision.changes().is_none() {
                return self.push_reset(current);
            }
            last = revision.number();
            self.queued.push_back(QueuedEvent::Revision(revision, current));
        }
        // An empty page with revisions still missing, or a client that claims to know later ones.
        if last == before && last != current { self.push_reset(current) } else { last }
    }

    fn push_reset(&mut self, current: u64) -> u64 {
        self.queued.push_back(QueuedEvent::Marker("reset", current));
        current
    }
}

/// An event as it is sent. JSON has no line breaks, so one `data` line is enough.
fn frame(event: &str, id: u64, data: &[u8]) -> Vec<u8> {
    let head = format!("event: {event}\nid: {id}\ndata: ");
    [head.as_bytes(), data, b"\n\n"].concat()
}

/// An event and the room that it takes.
struct SentEvent {
    bytes: Vec<u8>,
    _room: Option<Arc<Reservation>>,
}

impl AsRef<[u8]> for SentEvent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::command::{Command, Context};
    use crate::list::date::Date;
    use crate::list::id::LogicId;
    use crate::list::name::LogicName;
    use crate::list::outline::RevisionOutline;

    fn revisions(numbers: &[u64]) -> Vec<Arc<Revision>> {
        let name = LogicName::new("todo").expect("a name");
        let logic = Arc::new(LogicId { name, version: semver::Version::new(1, 0, 0), digest: [0; 32] });
        let today = Date::new(2026, 11, 23).expect("a day");
        let revision = |number: &u64| Revision {
            number: *number,
            context: Context { now: 0, today, utc_offset: 0, caller: "anonymous".into(), seed: 0 },
            logic: logic.clone(),
            command: Command::Clear,
            changes: Vec::new(),
            inverse: Vec::new(),
            next_id_before: 1,
        };
        numbers.iter().map(|number| Arc::new(revision(number))).collect()
    }

    /// The names and ids of the events that a client at revision 4 gets.
    fn events_for(missed: &[u64], current: u64) -> Vec<String> {
        events_within(1 << 20, revisions(missed).into_iter().map(RetainedRevision::Whole).collect(), current)
    }

    fn events_within(limit: usize, missed: Vec<RetainedRevision>, current: u64) -> Vec<String> {
        let mut events = EventQueue { viewer: Viewer::anonymous(), limit, sent: 4, queued: VecDeque::new() };
        let last = events.push_missed(missed, current);
        let frames: Vec<_> = std::iter::from_fn(|| events.pop()).collect();
        assert!(events.sent == last || limit == 1, "{last}");
        let frames = frames.iter().map(|frame| String::from_utf8_lossy(frame).into_owned());
        frames.map(|frame| frame.lines().take(2).collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn a_gap_in_the_history_is_a_reset_and_never_skipped() {
        assert_eq!(events_for(&[5, 6], 6), ["event: revision id: 5", "event: revision id: 6"]);
        assert_eq!(events_for(&[5, 7, 8], 9), ["event: revision id: 5", "event: reset id: 9"]);
        assert_eq!(events_for(&[6, 7], 7), ["event: reset id: 7"]);
        assert_eq!(events_for(&[], 7), ["event: reset id: 7"]);
        assert_eq!(events_for(&[], 4), [""; 0]);
        assert_eq!(events_for(&[], 2), ["event: reset id: 2"]);
    }

    #[test]
    fn a_revision_that_is_larger_than_a_page_is_a_reset() {
        let whole = |numbers: &[u64]| revisions(numbers).into_iter().map(RetainedRevision::Whole);
        let large = RetainedRevision::Large(Box::new(RevisionOutline::of(&revisions(&[6])[0], 2 << 20)));
        let missed = whole(&[5]).chain([large]).chain(whole(&[7])).collect();
        assert_eq!(events_within(1 << 20, missed, 8), ["event: revision id: 5", "event: reset id: 8"]);
        assert_eq!(events_within(1, whole(&[5, 6]).collect(), 8), ["event: reset id: 8"]);
    }
}

//! Server-sent events: the revisions of a list, as they are made.
//!
//! A stream subscribes first and reads the missed revisions afterwards, so that none is lost between the two. A
//! revision that arrives both ways is recognised by its number.
//!
//! The first event says where the stream starts. Without `Last-Event-ID` it is `ready`. With it, the missed revisions
//! follow, or `reset` if the history does not contain all of them and the client has to read the list anew. A stream
//! that cannot go on says why with a `problem` before it ends.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::history::RevisionBody;
use super::openapi::ReadProblems;
use super::paths::{ListPath, Origin};
use super::problem::{Access, HandlerResult, Problem, ProblemKind};
use super::query::NoQuery;
use super::state::{Shared, Web};
use crate::list::name::ListName;
use crate::list::revision::Revision;
use crate::metrics::OpenGuard;

/// How many missed revisions are read from the history at a time. A client that missed many costs no more memory than
/// one that missed few.
const PAGE: usize = 100;

/// Streams the revisions of a list.
#[utoipa::path(get, path = "/lists/{list}/events", tag = "history", operation_id = "followEvents",
    params(("list" = String, Path, description = "The list's name; a list that does not exist yet can be followed"),
        ("Last-Event-ID" = Option<u64>, Header, description = "The last revision that the client knows")), responses(
    (status = 200, description = "An endless stream of events. `revision`: a revision was made, the data is the same as in the history. \
        `ready`: first, if there was no Last-Event-ID. `reset`: the history does not contain all missed revisions, read the list anew. \
        The data of these two is `{\"revision\": n}`, the revision that the list is at. `problem`: the stream ends because of an error, \
        the data is a problem document; connect again. The id of every event is a revision's number.",
        body = String, content_type = "text/event-stream"), ReadProblems))]
pub(super) async fn follow(
    State(web): Shared,
    ListPath(name): ListPath,
    origin: Origin,
    headers: HeaderMap,
    _: NoQuery,
) -> HandlerResult {
    let last_seen = last_event_id(&headers)?;
    let Ok(permit) = web.event_streams.clone().try_acquire_owned() else {
        let limit = web.options.max_event_streams;
        let detail = format!("{limit} event streams are open, which is the limit");
        return Err(Problem::overloaded(detail, "max event streams", limit));
    };
    let live = web.cache().subscribe(&name)?;
    let current = web.cache().read(&name).await?.revision();
    let mut events =
        EventQueue { prefix: origin.entries(&name), sent: last_seen.unwrap_or(current), frames: VecDeque::new() };
    if last_seen.is_none() {
        events.push_marker("ready", current);
    }
    let open = web.services.metrics.event_streams.enter();
    let missing_until = last_seen.map(|_| current);
    let stream = EventStream { web, name, live, events, missing_until, ended: false, _open: open, _permit: permit };
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
    live: Receiver<Arc<Revision>>,
    events: EventQueue,
    /// The revision up to which the history has to be read before live revisions can be sent.
    missing_until: Option<u64>,
    /// Whether the stream ends when all frames are sent.
    ended: bool,
    /// Counts the stream in the metrics.
    _open: OpenGuard,
    _permit: OwnedSemaphorePermit,
}

impl EventStream {
    /// Returns the next frame, or `None` when the stream ends. A stream may end at any time: the client connects again
    /// and names the last event that it received.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.events.frames.pop_front() {
                return Some(frame);
            }
            if self.ended {
                return None;
            }
            if let Some(current) = self.missing_until {
                self.catch_up(current).await;
                continue;
            }
            let received = tokio::select! {
                biased;
                () = self.web.stopping.cancelled() => return None,
                received = self.live.recv() => received,
                () = tokio::time::sleep(self.web.options.heartbeat) => return Some(Bytes::from_static(b":\n\n")),
            };
            match received {
                Ok(revision) if revision.number <= self.events.sent => {}
                Ok(revision) if revision.number == self.events.sent + 1 => self.events.push_revision(&revision),
                Ok(revision) => self.missing_until = Some(revision.number),
                Err(RecvError::Lagged(_)) => match self.web.cache().read(&self.name).await {
                    Ok(list) => self.missing_until = Some(list.revision()),
                    Err(error) => self.end_with(error.into()),
                },
                // The actor ended. The client connects again, which starts the next actor.
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Queues the next page of missed revisions, up to the current one.
    async fn catch_up(&mut self, current: u64) {
        let sent = self.events.sent;
        let missed = match sent < current {
            true => self.web.cache().history(&self.name, sent, PAGE).await,
            false => Ok(Vec::new()),
        };
        match missed {
            Ok(missed) => {
                self.events.push_missed(&missed, current);
                self.missing_until = (self.events.sent < current).then_some(current);
            }
            Err(error) => self.end_with(error.into()),
        }
    }

    /// Ends the stream with an event that says why.
    fn end_with(&mut self, problem: Problem) {
        let list = self.name.as_str();
        self.web.log_failure(&problem);
        tracing::debug!(list, revision = self.events.sent, "an event stream ends with a problem");
        self.events.push_problem(&problem);
        self.ended = true;
    }
}

/// Events that wait to be sent to one client.
struct EventQueue {
    /// What the URLs of the list's entries begin with.
    prefix: String,
    /// The last revision that the client knows once all frames are sent.
    sent: u64,
    frames: VecDeque<Bytes>,
}

impl EventQueue {
    /// Queues missed revisions. If one is missing among them, queues `reset` instead of it and of all that follow.
    fn push_missed(&mut self, missed: &[Arc<Revision>], current: u64) {
        let before = self.sent;
        for revision in missed {
            if revision.number != self.sent + 1 {
                self.push_marker("reset", current);
                return;
            }
            self.push_revision(revision);
        }
        // An empty page with revisions still missing, or a client that claims to know later ones.
        if self.sent == before && self.sent != current {
            self.push_marker("reset", current);
        }
    }

    fn push_revision(&mut self, revision: &Revision) {
        match serde_json::to_string(&RevisionBody::new(revision, &self.prefix)) {
            Ok(data) => self.frames.push_back(frame("revision", revision.number, &data)),
            Err(error) => {
                tracing::error!(%error, revision = revision.number, "cannot write a revision as an event");
                self.push_marker("reset", revision.number);
            }
        }
        self.sent = revision.number;
    }

    fn push_marker(&mut self, event: &str, current: u64) {
        self.sent = current;
        self.frames.push_back(frame(event, current, &format!("{{\"revision\":{current}}}")));
    }

    /// The id is the last revision that the client knows, so that it goes on from there when it connects again.
    fn push_problem(&mut self, problem: &Problem) {
        // Not named `error`: that is what browsers call their own event for a lost connection.
        self.frames.push_back(frame("problem", self.sent, &String::from_utf8_lossy(&problem.to_json(Access::Read))));
    }
}

/// An event as it is sent. JSON has no line breaks, so one `data` line is enough.
fn frame(event: &str, id: u64, data: &str) -> Bytes {
    format!("event: {event}\nid: {id}\ndata: {data}\n\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::command::{Command, Context};
    use crate::list::date::Date;
    use crate::list::id::LogicId;
    use crate::list::name::LogicName;

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
        let mut events = EventQueue { prefix: String::new(), sent: 4, frames: VecDeque::new() };
        events.push_missed(&revisions(missed), current);
        let frames = events.frames.iter().map(|frame| String::from_utf8_lossy(frame).into_owned());
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
}

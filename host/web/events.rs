//! A list's revisions as they are made: server-sent events.
//!
//! A stream first subscribes and only then reads what was missed, so that nothing falls between the
//! two; what comes twice that way is known by its number. Every stream begins by saying where it
//! stands: with `ready` when the client names no last event; else with the missed revisions, or with
//! `reset` when the history does not reach back to them and the client has to read the list anew.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::history::RevisionShape;
use super::openapi::ReadProblems;
use super::paths::{ListPath, Origin};
use super::problem::{Kind, Problem};
use super::query::NoQuery;
use super::{Answer, Shared, Web};
use crate::list::name::ListName;
use crate::list::revision::Revision;

/// How many missed revisions are read from the history at a time.
const BATCH: usize = 100;

/// Follows a list.
#[utoipa::path(get, path = "/lists/{list}/events", tag = "history", operation_id = "followEvents",
    params(("list" = String, Path, description = "The list's name; a list that does not exist yet can be followed"),
        ("Last-Event-ID" = Option<u64>, Header, description = "The last revision that the client knows of")), responses(
    (status = 200, description = "An endless stream of events. `revision`: a revision was made, the data is the same as in the history. \
        `ready`: first, if there was no Last-Event-ID. `reset`: the missed revisions are not kept any more, read the list anew. \
        The data of these two is `{\"revision\": n}`, the revision the list is at. The id of every event is a revision's number.",
        body = String, content_type = "text/event-stream"), ReadProblems))]
pub(super) async fn follow(
    State(web): Shared,
    ListPath(name): ListPath,
    origin: Origin,
    headers: HeaderMap,
    _: NoQuery,
) -> Answer {
    let known = last_event_id(&headers)?;
    let Ok(permit) = web.event_streams.clone().try_acquire_owned() else {
        let limit = web.options.max_event_streams;
        let detail = format!("there are {limit} event streams open, which is the limit");
        return Err(Problem::new(Kind::Overloaded, detail).with_limit("max event streams", limit));
    };
    let live = web.cache().subscribe(&name)?;
    let current = web.cache().read(&name).await?.revision();
    let prefix = origin.entries(&name);
    let mut follower = Follower {
        open: Open::new(web.clone(), permit),
        name,
        prefix,
        live,
        sent: known.unwrap_or(current),
        behind: known.map(|_| current),
        waiting: VecDeque::new(),
    };
    if known.is_none() {
        follower.say("ready", current);
    }
    let body = Body::from_stream(stream::unfold(follower, |mut follower| async {
        let frame = follower.next().await?;
        Some((Ok::<_, Infallible>(frame), follower))
    }));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Asks a buffering proxy in between not to.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(id) = headers.get("last-event-id") else { return Ok(None) };
    let id = id.to_str().ok().and_then(|id| id.parse().ok());
    let wrong = || Problem::new(Kind::BadHeader, "the Last-Event-ID is not a revision's number");
    id.map(Some).ok_or_else(|| wrong().with_field("Last-Event-ID"))
}

/// One client that follows one list.
struct Follower {
    open: Open,
    name: ListName,
    prefix: String,
    live: Receiver<Arc<Revision>>,
    /// The last revision that the client knows of, once `waiting` was sent.
    sent: u64,
    /// Up to which revision there is history to be read before the live revisions go on.
    behind: Option<u64>,
    /// Events on their way.
    waiting: VecDeque<Bytes>,
}

/// What counts an open stream, for as long as it is open.
struct Open {
    web: Arc<Web>,
    _permit: OwnedSemaphorePermit,
}

impl Open {
    fn new(web: Arc<Web>, permit: OwnedSemaphorePermit) -> Self {
        web.services.metrics.event_streams.fetch_add(1, Ordering::Relaxed);
        Self { web, _permit: permit }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.web.services.metrics.event_streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Follower {
    /// The next event; `None` when the stream ends. A client that comes back later names the last
    /// event it got, so a stream may end at any time.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.waiting.pop_front() {
                return Some(frame);
            }
            if let Some(current) = self.behind {
                self.catch_up(current).await?;
                continue;
            }
            let (stopping, heartbeat) = (self.open.web.stopping.clone(), self.open.web.options.heartbeat);
            let received = tokio::select! {
                biased;
                () = stopping.cancelled() => return None,
                received = self.live.recv() => received,
                () = tokio::time::sleep(heartbeat) => return Some(Bytes::from_static(b":\n\n")),
            };
            match received {
                Ok(revision) if revision.number <= self.sent => {}
                Ok(revision) if revision.number == self.sent + 1 => self.show(&revision),
                Ok(revision) => self.behind = Some(revision.number),
                Err(RecvError::Lagged(_)) => {
                    self.behind = Some(self.open.web.cache().read(&self.name).await.ok()?.revision());
                }
                // The actor ended; the client comes back, and meets the next one.
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Reads some more of what is between the last revision sent and the current one; or, if that is
    /// not kept any more, or never was, says that the client has to begin anew. A batch at a time,
    /// so that a client who missed much costs no more memory than one who missed little.
    async fn catch_up(&mut self, current: u64) -> Option<()> {
        let missed = match self.sent < current {
            true => self.open.web.cache().history(&self.name, self.sent, BATCH).await.ok()?,
            false => Vec::new(),
        };
        if missed.first().is_some_and(|first| first.number == self.sent + 1) {
            missed.iter().for_each(|revision| self.show(revision));
        } else if self.sent != current {
            self.say("reset", current);
        }
        self.behind = (self.sent < current).then_some(current);
        Some(())
    }

    fn show(&mut self, revision: &Revision) {
        self.sent = revision.number;
        let shape = RevisionShape::new(revision, &self.prefix);
        match serde_json::to_string(&shape) {
            Ok(data) => self.waiting.push_back(frame("revision", revision.number, &data)),
            Err(error) => tracing::error!(%error, "a revision could not be written as an event"),
        }
    }

    fn say(&mut self, event: &str, current: u64) {
        self.sent = current;
        self.waiting.push_back(frame(event, current, &format!("{{\"revision\":{current}}}")));
    }
}

/// An event as it is sent. JSON has no line breaks, so one `data` line is enough.
fn frame(event: &str, id: u64, data: &str) -> Bytes {
    format!("event: {event}\nid: {id}\ndata: {data}\n\n").into()
}

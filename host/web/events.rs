//! Server-sent events: the revisions of lists, as they are made.
//!
//! A stream subscribes first and reads the missed revisions afterwards, so that none is lost between the two. A
//! revision that arrives both ways is recognised by its number.
//!
//! The first event of a list says where the stream starts. Without a position it is `ready`. With one, the missed revisions
//! follow, or `reset` if the history does not contain all of them and the client has to read the list anew. A revision that
//! is larger than a page is a `reset`, too. When a list cannot be followed any more, a `problem` says why. A stream of that
//! list alone then ends, and a stream of several goes on with the others. When the actor of a list ends, a stream of that list
//! alone ends, too, and a stream of several subscribes to the next actor.
//!
//! A stream holds one page of the history and two events at most, and reads the next page when the events of this one are
//! given to the connection. Page and events are part of the budget of answers until they are sent, and the stream waits where
//! there is no room.

mod follower;
mod overview;
mod positions;
mod queue;
mod stream;
mod written;

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use futures_util::stream as futures_stream;

use super::answer_budget::AnswerRoom;
use super::client::Client;
use super::conditions::{LastEventId, LastEventPositions};
use super::followed::Position;
use super::history::Viewer;
use super::openapi::ReadProblems;
use super::paths::{ListPath, Origin};
use super::problem::{HandlerResult, Problem, ProblemKind};
use super::query::{EventsQuery, NoQuery};
use super::state::Shared;
use crate::list::name::ListName;
use follower::Follower;
use overview::Overview;
use stream::EventStream;

/// Streams the revisions of a list.
#[utoipa::path(get, path = "/lists/{list}/events", tag = "history", operation_id = "followEvents",
    params(("list" = ListName, Path, description = "The list's name; a list that does not exist yet can be followed"),
        LastEventId), responses(
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
    let after = positions::of_list(last_event_id(&headers)?)?;
    let slot = web.event_streams.take(holder)?;
    let viewer = Viewer::new(&web, caller, origin.entries(&name));
    let follower = Follower::start(&web, name, after, viewer, false).await?;
    Ok(respond(EventStream::new(web, vec![follower], None, room, slot)))
}

/// Streams the revisions of several lists, and changes of lists and logics.
#[utoipa::path(get, path = "/events", tag = "history", operation_id = "followLists",
    params(EventsQuery, LastEventPositions), responses(
    (status = 200, description = "An endless stream of events, which counts as one stream. `revision`, `ready` and `reset` are those of \
        `/lists/{list}/events`, with the list's name as the member `list`. `problem`: the list cannot be followed any more, the data is a \
        problem document with the list's name as the member `list`; the other lists go on. \
        `list`: a list was created, deleted or changed, the data is the same as in `GET /lists`, or `{\"name\": …, \"deleted\": true}`; each list \
        at most once a second. `lists`: more lists changed than are kept, read `GET /lists` anew. `logic`: a version became live, a \
        rollout changed or a component was refused, the data is the same as in `GET /logic`. `list`, `lists` and `logic` have no \
        history: read both resources after each connection. The id of every event names the lists with the last revisions \
        that the client has, such as `a:12,b:40`; names are percent-encoded. A list that could not be read from the beginning \
        is not in it, and is followed as the query says when the client connects again.",
        body = String, content_type = "text/event-stream"), ReadProblems))]
pub(super) async fn follow_several(
    State(web): Shared,
    origin: Origin,
    room: AnswerRoom,
    Client { caller, holder, .. }: Client,
    headers: HeaderMap,
    EventsQuery { mut list, overview }: EventsQuery,
) -> HandlerResult {
    if let Some(id) = last_event_id(&headers)? {
        positions::go_on_from(&mut list, id)?;
    }
    let slot = web.event_streams.take(holder)?;
    let only = (!overview).then(|| list.iter().map(|position| position.list.clone()).collect());
    // Before the lists are read, so that no change is lost between the two.
    let overview = Overview::new(&web, origin.clone(), only);
    let mut followers = Vec::with_capacity(list.len());
    for Position { list, after } in list {
        let viewer = || Viewer::new(&web, caller.clone(), origin.entries(&list));
        followers.push(match Follower::start(&web, list.clone(), after, viewer(), true).await {
            Ok(follower) => follower,
            Err(error) => Follower::failed(&web, list.clone(), after, viewer(), &error.into()),
        });
    }
    Ok(respond(EventStream::new(web, followers, Some(overview), room, slot)))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(id) = headers.get("last-event-id") else { return Ok(None) };
    let wrong = || Problem::new(ProblemKind::BadHeader, "Last-Event-ID is not ASCII").with_field("Last-Event-ID");
    id.to_str().map(Some).map_err(|_| wrong())
}

fn respond(stream: EventStream) -> Response {
    let body = Body::from_stream(futures_stream::unfold(stream, |mut stream| async {
        let frame = stream.next().await?;
        Some((Ok::<_, Infallible>(frame), stream))
    }));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // Asks a proxy not to buffer the stream.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

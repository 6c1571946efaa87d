//! Commands that a list's logic defines.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer_budget::AnswerRoom;
use super::conditions::WriteConditions;
use super::headers::describe_reply;
use super::input::CustomCommand;
use super::json;
use super::openapi::{AbsentProblem, BodyProblems, ListWriteProblems};
use super::pages::json_within;
use super::paths::NamedPath;
use super::problem::HandlerResult;
use super::query::NoQuery;
use super::representations::{EntryBody, Fields, json_bytes_response, json_response};
use super::schemas;
use super::state::{Shared, Web};
use super::write_request::{ExpectedBody, WriteRequest};
use crate::actor::Reply;
use crate::list::id::{EntryId, LogicId};
use crate::list::name::ListName;
use crate::list::touched::Touched;

/// Result of a command.
#[derive(Serialize, ToSchema)]
#[schema(as = CommandOutcome)]
pub(super) struct CommandOutcomeBody<'a> {
    /// The list's revision after the command.
    #[schema(value_type = schemas::RevisionNumber)]
    revision: u64,
    /// The entries that the command added or changed, as they are now. Empty if their ids are in `unknown`.
    entries: Vec<EntryBody<'a>>,
    /// The ids of the entries that the command removed.
    #[schema(value_type = Vec<schemas::EntryId>)]
    removed: Vec<EntryId>,
    /// The ids of the entries that the command added or changed, where their content is not in the response, in place of
    /// `entries`: they are larger than a page, or the server has no room for them at the moment because of other answers, or
    /// the request is repeated and the server no longer has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schemas::EntryId>, required = false)]
    unknown: Vec<EntryId>,
}

/// Carries out a command that the list's logic defines. The body is an object of the arguments that the logic
/// declares. A command without arguments needs no body.
#[utoipa::path(post, path = "/lists/{list}/commands/{name}", tag = "logic's own", operation_id = "runCommand", request_body(content = Fields),
    params(("list" = ListName, Path, description = "The list's name"), ("name" = schemas::Identifier, Path, description = "The command's name"), WriteConditions),
    responses(
    (status = 200, description = "What the command did", body = CommandOutcomeBody, headers(
        ("ETag" = schemas::RevisionTag, description = "The list's revision"), ("Hotlist-Logic" = LogicId, description = "The logic that decided"),
        ("Idempotency-Replayed" = schemas::Replayed, description = "`true` if the response is that of an earlier request with the same idempotency key"))),
    ListWriteProblems, BodyProblems, AbsentProblem))]
pub(super) async fn run(
    State(web): Shared,
    NamedPath(list, name): NamedPath,
    room: AnswerRoom,
    _: NoQuery,
    request: Request,
) -> HandlerResult {
    let write = WriteRequest::read(&web, request, ExpectedBody::JsonOrNothing).await?;
    let arguments = json::read_or_empty(&write.body)?;
    let prefix = write.origin.entries(&list);
    web.check_new_name(&list).await?;
    let reply = write.call(&web, &list, CustomCommand { name, arguments }).await?;
    outcome(&web, &room, &reply, &prefix)
}

/// The response to a command that may have changed any entry. `prefix` is what the URLs of entries begin with.
///
/// The command was carried out, so the response is not refused: it names entries by their ids if it has no room for them.
pub(super) fn outcome(web: &Web, room: &AnswerRoom, reply: &Reply, prefix: &str) -> HandlerResult {
    let Touched { put, unknown, removed } = reply.touched();
    let mut body = CommandOutcomeBody { revision: reply.revision, entries: Vec::new(), removed, unknown };
    let limit = web.options.page_bytes;
    let reserved = room.reserve(limit).ok();
    if reserved.is_some() {
        body.entries = put.iter().map(|entry| EntryBody::new(entry, prefix)).collect();
    }
    let whole = if reserved.is_some() || put.is_empty() { json_within(&body, limit)? } else { None };
    let mut response = match whole {
        Some(json) => json_bytes_response(StatusCode::OK, json),
        None => {
            body.entries.clear();
            body.unknown.extend(put.iter().map(|entry| entry.id));
            json_response(StatusCode::OK, &body)?
        }
    };
    if let Some(reserved) = reserved {
        reserved.attach_to(&mut response);
    }
    let headers = response.headers_mut();
    describe_reply(headers, reply);
    Ok(response)
}

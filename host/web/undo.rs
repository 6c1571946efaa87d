//! Undo of a revision.

use axum::extract::{Request, State};

use super::answer_budget::AnswerRoom;
use super::commands::{CommandOutcomeBody, outcome};
use super::conditions::WriteConditions;
use super::input::UndoBody;
use super::json;
use super::openapi::{AbsentProblem, BodyProblems, ForgottenProblem, ListWriteProblems};
use super::paths::ListPath;
use super::problem::HandlerResult;
use super::query::NoQuery;
use super::schemas;
use super::state::Shared;
use super::write_request::{ExpectedBody, WriteRequest};
use crate::list::id::LogicId;
use crate::list::name::ListName;

/// Undoes a revision: each entry and setting that it changed becomes what it was before, and what it deleted exists
/// again, under its old id and URL. That makes a new revision, which can be undone, too. Refused as a whole if
/// something that the revision changed has changed since. Where callers have names, only the caller who made a revision
/// may undo it, and no caller may undo a wake-up or a migration. No id is used a second time. Undoing the revision that
/// created a list does not delete the list.
#[utoipa::path(post, path = "/lists/{list}/undo", tag = "history", operation_id = "undoRevision", request_body(content = UndoBody),
    params(("list" = ListName, Path, description = "The list's name"), WriteConditions),
    responses(
    (status = 200, description = "What the undo did", body = CommandOutcomeBody, headers(
        ("ETag" = schemas::RevisionTag, description = "The list's revision"), ("Hotlist-Logic" = LogicId, description = "The logic that decided"),
        ("Idempotency-Replayed" = schemas::Replayed, description = "`true` if the response is that of an earlier request with the same idempotency key"))),
    ListWriteProblems, BodyProblems, AbsentProblem, ForgottenProblem))]
pub(super) async fn undo(
    State(web): Shared,
    ListPath(name): ListPath,
    room: AnswerRoom,
    _: NoQuery,
    request: Request,
) -> HandlerResult {
    let write = WriteRequest::read(&web, request, ExpectedBody::JsonOrNothing).await?;
    let UndoBody { revision } = json::read_or_empty(&write.body)?;
    let prefix = write.origin.entries(&name);
    let reply = write.undo(&web, &name, revision.map(|revision| revision.0)).await?;
    outcome(&web, &room, &reply, &prefix)
}

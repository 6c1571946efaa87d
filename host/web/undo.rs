//! Taking back what was done.

use axum::extract::{Request, State};

use super::commands::{Outcome, outcome};
use super::input::UndoBody;
use super::openapi::WriteProblems;
use super::paths::ListPath;
use super::problem::Document;
use super::query::NoQuery;
use super::write_request::{Wants, WriteRequest};
use super::{Answer, Shared};

/// Takes back a revision: each entry and setting that it changed becomes what it was before, and what it
/// deleted is there again, under its old id and URL. That makes a new revision, which can be taken back,
/// too. Refused, as a whole, where something that the revision touched has changed since. Entries get no
/// id a second time, and the list stays also without the revision that brought it into being.
#[utoipa::path(post, path = "/lists/{list}/undo", tag = "history", operation_id = "undoRevision", request_body(content = UndoBody),
    params(("list" = String, Path, description = "The list's name"),
        ("If-Match" = Option<String>, Header, description = "Only if the list is at this revision"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition of the request recognisable")),
    responses(
    (status = 200, description = "What it did", body = Outcome, headers(
        ("ETag" = String, description = "The list's revision"), ("Hotlist-Logic" = String, description = "Who decided"))),
    (status = 410, description = "The revision is so old that the history does not hold it any more", body = Document,
        content_type = "application/problem+json"),
    WriteProblems))]
pub(super) async fn undo(State(web): Shared, ListPath(name): ListPath, _: NoQuery, request: Request) -> Answer {
    let asking = WriteRequest::read(&web, request, Wants::JsonOrNothing).await?;
    let UndoBody { revision } = UndoBody::read(&asking.body)?;
    let prefix = asking.origin.entries(&name);
    let reply = asking.undo(&web, &name, revision).await?;
    outcome(&reply, &prefix)
}

//! Commands that a list's logic defines.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::headers::{etag, name_logic};
use super::input::CustomCommand;
use super::json;
use super::openapi::{IDEMPOTENCY_KEY, WriteProblems};
use super::paths::NamedPath;
use super::problem::HandlerResult;
use super::query::NoQuery;
use super::representations::{EntryBody, json_response};
use super::state::Shared;
use super::write_request::{ExpectedBody, WriteRequest};
use crate::actor::Reply;
use crate::list::id::EntryId;
use crate::list::touched::Touched;

/// Result of a command.
#[derive(Serialize, ToSchema)]
#[schema(as = CommandOutcome)]
pub(super) struct CommandOutcomeBody<'a> {
    /// The list's revision after the command.
    revision: u64,
    /// The entries that the command added or changed, as they are now.
    entries: Vec<EntryBody<'a>>,
    /// The ids of the entries that the command removed.
    #[schema(value_type = Vec<u64>)]
    removed: Vec<EntryId>,
    /// The ids of the entries that the command added or changed, where their content is not known any more. Only in the
    /// response to a repeated request, in place of `entries`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<u64>, required = false)]
    unknown: Vec<EntryId>,
}

/// Carries out a command that the list's logic defines. The body is an object of the arguments that the logic
/// declares. A command without arguments needs no body.
#[utoipa::path(post, path = "/lists/{list}/commands/{name}", tag = "logic's own", operation_id = "runCommand", request_body(content = Object),
    params(("list" = String, Path, description = "The list's name"), ("name" = String, Path, description = "The command's name"),
        ("If-Match" = Option<String>, Header, description = "Only if the list is at this revision"),
        ("Idempotency-Key" = Option<String>, Header, description = IDEMPOTENCY_KEY)),
    responses(
    (status = 200, description = "What the command did", body = CommandOutcomeBody, headers(
        ("ETag" = String, description = "The list's revision"), ("Hotlist-Logic" = String, description = "The logic that decided"))),
    WriteProblems))]
pub(super) async fn run(
    State(web): Shared,
    NamedPath(list, name): NamedPath,
    _: NoQuery,
    request: Request,
) -> HandlerResult {
    let write = WriteRequest::read(&web, request, ExpectedBody::JsonOrNothing).await?;
    let arguments = json::read_or_empty(&write.body)?;
    let prefix = write.origin.entries(&list);
    let reply = write.call(&web, &list, CustomCommand { name, arguments }).await?;
    outcome(&reply, &prefix)
}

/// The response to a command that may have changed any entry. `prefix` is what the URLs of entries begin with.
pub(super) fn outcome(reply: &Reply, prefix: &str) -> HandlerResult {
    let Touched { put, unknown, removed } = reply.touched();
    let entries = put.iter().map(|entry| EntryBody::new(entry, prefix)).collect();
    let body = CommandOutcomeBody { revision: reply.revision, entries, removed, unknown };
    let mut response = json_response(StatusCode::OK, &body)?;
    let headers = response.headers_mut();
    headers.insert(header::ETAG, etag(reply.revision));
    name_logic(headers, &reply.logic);
    Ok(response)
}

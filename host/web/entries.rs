//! Entries of a list: a collection that conforms to Todo-Backend, with what Hotlist adds to it.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::answer_budget::AnswerRoom;
use super::client::Client;
use super::conditions::{ReadConditions, WriteConditions};
use super::headers::{HOTLIST_TOTAL, describe_reply, etag, link_next, name_logic};
use super::input::{EntryPatch, EntryUpdate, NewEntry};
use super::json;
use super::openapi::{AbsentProblem, BodyProblems, ListWriteProblems, ReadProblems, StaleProblem, ViewProblems};
use super::pages::{JsonPage, page_after};
use super::paths::{EntryPath, ListPath, Origin, PagedResource};
use super::preconditions::{Freshness, freshness};
use super::problem::{HandlerResult, Problem, ProblemKind};
use super::query::{EntriesQuery, NoQuery};
use super::representations::{EntryBody, empty, json_response};
use super::schemas;
use super::state::Shared;
use super::views::require_view;
use super::write_request::{ExpectedBody, WriteRequest};
use crate::actor::Reply;
use crate::cache::{EntryFilter, View, ViewOptions};
use crate::list::command::{Command, Query};
use crate::list::entry::Entry;
use crate::list::id::{EntryId, LogicId};
use crate::list::name::ListName;
use crate::list::touched::Touched;

/// Lists the entries of a list. A list that does not exist has none.
#[utoipa::path(get, path = "/lists/{list}/entries", tag = "entries", operation_id = "listEntries",
    params(("list" = ListName, Path, description = "The list's name"), EntriesQuery, ReadConditions), responses(
    (status = 200, description = "The entries", body = [EntryBody], headers(
        ("ETag" = schemas::RevisionTag, description = "The revision, as a strong tag; absent when the list's logic made the page, which may depend on more than the list"),
        ("Link" = String, description = "The next page, `rel=\"next\"`, if there is one"),
        ("Hotlist-Total" = schemas::Count, description = "The number of entries on all pages; absent when the list's logic made the page"),
        ("Hotlist-Logic" = LogicId, description = "The logic that made the page, if the list's logic did"))),
    (status = 304, description = "They have not changed", headers(("ETag" = schemas::RevisionTag, description = "The revision"))),
    ReadProblems, AbsentProblem, ViewProblems, StaleProblem))]
pub(super) async fn all(
    State(web): Shared,
    ListPath(name): ListPath,
    resource: PagedResource,
    Client { caller, client, .. }: Client,
    room: AnswerRoom,
    query: EntriesQuery,
    headers: HeaderMap,
) -> HandlerResult {
    let EntriesQuery { date, completed, view, text, field, after, or_after, limit } = query;
    if let Some(view) = &view {
        require_view(&web, &name, view).await?;
    }
    let query = Query { view, date, completed, after, limit };
    let filter = EntryFilter::new(text.as_deref(), field.clone());
    let is_filtered = !filter.is_empty();
    let view = web.cache().view_with(&name, caller, &client, &query, &ViewOptions { or_after, filter }).await?;
    if is_filtered && view.logic.is_some() {
        return Err(no_filter(if text.is_some() { "text" } else { "field" }));
    }
    // A page made by the logic may depend on the time and the caller, which a tag cannot express.
    let tag = view.logic.is_none().then(|| etag(view.list.revision()));
    if let Some(tag) = &tag
        && freshness(&headers, tag)? == Freshness::Fresh
    {
        let mut response = empty(StatusCode::NOT_MODIFIED);
        response.headers_mut().insert(header::ETAG, tag.clone());
        return Ok(response);
    }
    let prefix = resource.origin.entries(&name);
    let reserved = room.reserve(web.options.page_bytes)?;
    let mut page = JsonPage::new(web.options.page_bytes);
    let (mut shown, mut more) = (Vec::new(), view.page.more);
    for (id, body) in rows(&view, &prefix) {
        if !page.push(&body)? {
            more = true;
            break;
        }
        shown.push(id);
    }
    let mut response = page.into_response();
    reserved.attach_to(&mut response);
    let headers = response.headers_mut();
    if let Some(tag) = tag {
        headers.insert(header::ETAG, tag);
    }
    if let Some(logic) = &view.logic {
        name_logic(headers, logic);
    }
    if let Some(total) = view.total {
        headers.insert(HOTLIST_TOTAL.clone(), total.into());
    }
    let next = page_after(&shown, &query, view.logic.is_some()).filter(|_| more);
    if let Some(next) = next {
        link_next(headers, &resource.page(&(next + &filter_query(text.as_deref(), &field))));
    }
    Ok(response)
}

fn no_filter(parameter: &str) -> Problem {
    let detail =
        format!("{parameter}: the list's logic makes this page, and has no such filter; read the plain entries");
    Problem::new(ProblemKind::BadQuery, detail).with_field(parameter)
}

/// The filter as the end of a query.
fn filter_query(text: Option<&str>, fields: &[(String, String)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(text) = text {
        query.append_pair("text", text);
    }
    for (name, value) in fields {
        query.append_pair("field", &format!("{name}:{value}"));
    }
    let query = query.finish();
    if query.is_empty() { query } else { format!("&{query}") }
}

/// The entries of a page, group by group.
fn rows<'a>(view: &'a View, prefix: &'a str) -> impl Iterator<Item = (EntryId, EntryBody<'a>)> {
    let computes = view.logic.is_some();
    view.page.groups.iter().flat_map(|group| &group.rows).filter_map(move |row| {
        let body = EntryBody::new(view.list.get(row.id)?, prefix);
        Some((row.id, if computes { body.with_computed(&row.computed) } else { body }))
    })
}

/// Adds an entry. The first one creates the list.
#[utoipa::path(post, path = "/lists/{list}/entries", tag = "entries", operation_id = "addEntry", request_body = NewEntry,
    params(("list" = ListName, Path, description = "The list's name"), WriteConditions),
    responses(
    (status = 201, description = "The new entry. Without a body where the request is repeated and the server no longer has the content of so large an entry", body = EntryBody, headers(
        ("Location" = String, description = "The entry"), ("ETag" = schemas::RevisionTag, description = "The list's revision"),
        ("Hotlist-Logic" = LogicId, description = "The logic that decided"),
        ("Idempotency-Replayed" = schemas::Replayed, description = "`true` if the response is that of an earlier request with the same idempotency key"))),
    (status = 200, description = "The existing entry into which the list's logic merged the new one", body = EntryBody,
        headers(("ETag" = schemas::RevisionTag, description = "The list's revision"), ("Hotlist-Logic" = LogicId, description = "The logic that decided"),
        ("Idempotency-Replayed" = schemas::Replayed, description = "`true` if the response is that of an earlier request with the same idempotency key"))),
    (status = 204, description = "The list's logic accepted it without an entry", headers(
        ("ETag" = schemas::RevisionTag, description = "The list's revision"), ("Hotlist-Logic" = LogicId, description = "The logic that decided"),
        ("Idempotency-Replayed" = schemas::Replayed, description = "`true` if the response is that of an earlier request with the same idempotency key"))),
    ListWriteProblems, BodyProblems, AbsentProblem))]
pub(super) async fn add(State(web): Shared, ListPath(name): ListPath, _: NoQuery, request: Request) -> HandlerResult {
    let write = WriteRequest::read(&web, request, ExpectedBody::Json).await?;
    let new: NewEntry = json::read(&write.body)?;
    let prefix = write.origin.entries(&name);
    web.check_new_name(&name).await?;
    let reply = write.call(&web, &name, new).await?;
    let Touched { put, unknown, .. } = reply.touched();
    // If the logic adds several entries, the response shows the first. If it adds none, the first that it changed.
    let new = put.iter().find(|entry| entry.id >= reply.next_id_before);
    // Of a repeated request, the server may only know the id.
    let new_id = new.map(|entry| entry.id).or_else(|| unknown.into_iter().find(|id| *id >= reply.next_id_before));
    let mut response = match (new, new_id, put.first()) {
        (Some(entry), ..) => written(StatusCode::CREATED, entry, &prefix, &reply)?,
        (None, Some(_), _) => without_body(StatusCode::CREATED, &reply),
        (None, None, Some(entry)) => written(StatusCode::OK, entry, &prefix, &reply)?,
        (None, None, None) => no_content(&reply),
    };
    if let Some(location) = new_id.and_then(|id| HeaderValue::from_str(&format!("{prefix}{id}")).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Removes all entries through the list's logic, all or none.
#[utoipa::path(delete, path = "/lists/{list}/entries", tag = "entries", operation_id = "deleteEntries",
    params(("list" = ListName, Path, description = "The list's name"), WriteConditions),
    responses((status = 204, description = "There are no entries", headers(
        ("ETag" = schemas::RevisionTag, description = "The list's revision"), ("Hotlist-Logic" = LogicId, description = "The logic that decided"),
        ("Idempotency-Replayed" = schemas::Replayed, description = "`true` if the response is that of an earlier request with the same idempotency key"))),
    ListWriteProblems))]
pub(super) async fn clear(State(web): Shared, ListPath(name): ListPath, _: NoQuery, request: Request) -> HandlerResult {
    let reply =
        WriteRequest::read(&web, request, ExpectedBody::Nothing).await?.call(&web, &name, Command::Clear).await?;
    Ok(no_content(&reply))
}

/// Reads an entry.
#[utoipa::path(get, path = "/lists/{list}/entries/{id}", tag = "entries", operation_id = "getEntry",
    params(("list" = ListName, Path, description = "The list's name"), ("id" = schemas::EntryId, Path, description = "The entry's id"), ReadConditions), responses(
    (status = 200, description = "The entry", body = EntryBody,
        headers(("ETag" = schemas::RevisionTag, description = "The list's revision, as a strong tag"))),
    (status = 304, description = "The list has not changed", headers(("ETag" = schemas::RevisionTag, description = "The revision"))),
    ReadProblems, AbsentProblem, StaleProblem))]
pub(super) async fn one(
    State(web): Shared,
    EntryPath(name, id): EntryPath,
    origin: Origin,
    headers: HeaderMap,
    _: NoQuery,
) -> HandlerResult {
    let list = web.existing(&name).await?;
    let entry = list.get(id).ok_or_else(|| Problem::no_entry(&id.to_string()))?;
    let tag = etag(list.revision());
    let mut response = match freshness(&headers, &tag)? {
        Freshness::Fresh => empty(StatusCode::NOT_MODIFIED),
        Freshness::Stale => json_response(StatusCode::OK, &EntryBody::new(entry, &origin.entries(&name)))?,
    };
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}

/// Changes an entry.
#[utoipa::path(patch, path = "/lists/{list}/entries/{id}", tag = "entries", operation_id = "updateEntry",
    request_body(content((EntryPatch = "application/merge-patch+json"), (EntryPatch = "application/json"))),
    params(("list" = ListName, Path, description = "The list's name"), ("id" = schemas::EntryId, Path, description = "The entry's id"), WriteConditions),
    responses(
    (status = 200, description = "The entry as it is now", body = EntryBody, headers(
        ("ETag" = schemas::RevisionTag, description = "The list's revision"), ("Hotlist-Logic" = LogicId, description = "The logic that decided"),
        ("Idempotency-Replayed" = schemas::Replayed, description = "`true` if the response is that of an earlier request with the same idempotency key"))),
    (status = 204, description = "The list's logic accepted the change, and there is no entry to show: it was removed, or cannot be read at the moment, or the request is repeated and the server no longer has the content of so large an entry", headers(
        ("ETag" = schemas::RevisionTag, description = "The list's revision"), ("Hotlist-Logic" = LogicId, description = "The logic that decided"),
        ("Idempotency-Replayed" = schemas::Replayed, description = "`true` if the response is that of an earlier request with the same idempotency key"))),
    ListWriteProblems, BodyProblems, AbsentProblem))]
pub(super) async fn change(
    State(web): Shared,
    EntryPath(name, id): EntryPath,
    _: NoQuery,
    request: Request,
) -> HandlerResult {
    let write = WriteRequest::read(&web, request, ExpectedBody::Patch).await?;
    let patch: EntryPatch = json::read(&write.body)?;
    let prefix = write.origin.entries(&name);
    patch.check_identity(id, &format!("{prefix}{id}"))?;
    let reply = write.call(&web, &name, EntryUpdate { id, patch }).await?;
    let Touched { put, unknown, removed } = reply.touched();
    if let Some(entry) = put.iter().find(|entry| entry.id == id) {
        return written(StatusCode::OK, entry, &prefix, &reply);
    }
    if removed.contains(&id) || unknown.contains(&id) {
        return Ok(no_content(&reply));
    }
    // The entry did not change, so the reply does not contain it, but the list does.
    // The command was carried out, so a list that cannot be read now, or has lost the entry since, is no error.
    match web.cache().read(&name).await {
        Ok(list) => match list.get(id) {
            // The entry may have changed since.
            Some(entry) => written(StatusCode::OK, entry, &prefix, &Reply { revision: list.revision(), ..reply }),
            None => Ok(no_content(&reply)),
        },
        Err(error) => {
            web.log_failure(&Problem::from(error));
            Ok(no_content(&reply))
        }
    }
}

/// Deletes an entry.
#[utoipa::path(delete, path = "/lists/{list}/entries/{id}", tag = "entries", operation_id = "deleteEntry",
    params(("list" = ListName, Path, description = "The list's name"), ("id" = schemas::EntryId, Path, description = "The entry's id"), WriteConditions),
    responses((status = 204, description = "The entry is gone", headers(
        ("ETag" = schemas::RevisionTag, description = "The list's revision"), ("Hotlist-Logic" = LogicId, description = "The logic that decided"),
        ("Idempotency-Replayed" = schemas::Replayed, description = "`true` if the response is that of an earlier request with the same idempotency key"))),
    ListWriteProblems, AbsentProblem))]
pub(super) async fn delete(
    State(web): Shared,
    EntryPath(name, id): EntryPath,
    _: NoQuery,
    request: Request,
) -> HandlerResult {
    let reply = WriteRequest::read(&web, request, ExpectedBody::Nothing)
        .await?
        .call(&web, &name, Command::Delete { id })
        .await?;
    Ok(no_content(&reply))
}

/// The response to a command that left an entry.
fn written(status: StatusCode, entry: &Entry, prefix: &str, reply: &Reply) -> HandlerResult {
    let mut response = json_response(status, &EntryBody::new(entry, prefix))?;
    describe_reply(response.headers_mut(), reply);
    Ok(response)
}

/// The response to a command that left nothing to show.
fn no_content(reply: &Reply) -> Response {
    without_body(StatusCode::NO_CONTENT, reply)
}

fn without_body(status: StatusCode, reply: &Reply) -> Response {
    let mut response = empty(status);
    describe_reply(response.headers_mut(), reply);
    response
}

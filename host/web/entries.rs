//! The entries of a list: a collection that conforms to Todo-Backend, with what Hotlist adds to it.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::caller::Caller;
use super::input::{EntryPatch, EntryUpdate, NewEntry};
use super::openapi::{ReadProblems, WriteProblems};
use super::paths::{EntryPath, ListPath, Origin};
use super::preconditions::{Freshness, etag, freshness};
use super::problem::Problem;
use super::query::{EntriesQuery, NoQuery};
use super::representations::{EntryShape, empty, json, link_next, name_logic, touched};
use super::write_request::{Wants, WriteRequest};
use super::{Answer, Shared, commands};
use crate::actor::Reply;
use crate::cache::View;
use crate::list::command::{Command, Query};
use crate::list::entry::Entry;
use crate::list::revision::LogicId;

/// The entries of a list. A list that does not exist has none.
#[utoipa::path(get, path = "/lists/{list}/entries", tag = "entries", operation_id = "listEntries",
    params(("list" = String, Path, description = "The list's name"), EntriesQuery,
        ("If-None-Match" = Option<String>, Header, description = "Answer 304 if the list is at this revision")), responses(
    (status = 200, description = "The entries", body = [EntryShape], headers(
        ("ETag" = String, description = "The revision, as a strong tag; absent when the list's logic made the answer, which may depend on more than the list"),
        ("Link" = String, description = "The next page, `rel=\"next\"`, if there is one"),
        ("Hotlist-Logic" = String, description = "Who made the answer, if the list's logic did"))),
    (status = 304, description = "They have not changed"), ReadProblems))]
pub(super) async fn all(
    State(web): Shared,
    ListPath(name): ListPath,
    origin: Origin,
    Caller(caller): Caller,
    query: EntriesQuery,
    headers: HeaderMap,
) -> Answer {
    let EntriesQuery { date, completed, view, after, limit } = query;
    if let Some(view) = &view {
        commands::require_view(&web, &name, view).await?;
    }
    let query = Query { view, date, completed, after, limit };
    let view = web.cache().view(&name, caller, &query).await?;
    // What logic answers may depend on the time and the caller: there is no tag for that.
    let tag = view.logic.is_none().then(|| etag(view.list.revision()));
    if let Some(tag) = &tag
        && freshness(&headers, tag)? == Freshness::Fresh
    {
        let mut response = empty(StatusCode::NOT_MODIFIED);
        response.headers_mut().insert(header::ETAG, tag.clone());
        return Ok(response);
    }
    let prefix = origin.entries(&name);
    let shapes: Vec<_> = rows(&view, &prefix).collect();
    let mut response = json(StatusCode::OK, &shapes)?;
    let headers = response.headers_mut();
    if let Some(tag) = tag {
        headers.insert(header::ETAG, tag);
    }
    if let Some(logic) = &view.logic {
        name_logic(headers, logic);
    }
    if let Some(next) = next(&view, &query) {
        link_next(headers, &format!("/lists/{}/entries?{next}", super::paths::segment(name.as_str())));
    }
    Ok(response)
}

/// The entries of a page, groups one after the other.
fn rows<'a>(view: &'a View, prefix: &'a str) -> impl Iterator<Item = EntryShape<'a>> {
    let computes = view.logic.is_some();
    view.page.groups.iter().flat_map(|group| &group.rows).filter_map(move |row| {
        let shape = EntryShape::new(view.list.get(row.id)?, prefix);
        Some(if computes { shape.with_computed(&row.computed) } else { shape })
    })
}

/// The query of the page that follows, if one does.
pub(super) fn next(view: &View, query: &Query) -> Option<String> {
    let last = view.page.groups.iter().rev().find_map(|group| group.rows.last())?;
    let mut next = format!("after={}&limit={}", last.id, query.limit);
    if let Some(date) = query.date {
        next.push_str(&format!("&date={date}"));
    }
    if let Some(completed) = query.completed {
        next.push_str(&format!("&completed={completed}"));
    }
    if let Some(view) = &query.view {
        next.push_str(&format!("&view={view}"));
    }
    view.page.more.then_some(next)
}

/// Adds an entry; the list comes into being with its first.
#[utoipa::path(post, path = "/lists/{list}/entries", tag = "entries", operation_id = "addEntry", request_body = NewEntry,
    params(("list" = String, Path, description = "The list's name"),
        ("If-Match" = Option<String>, Header, description = "Only if the list is at this revision"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition of the request recognisable")),
    responses(
    (status = 201, description = "The new entry", body = EntryShape, headers(
        ("Location" = String, description = "The entry"), ("ETag" = String, description = "The list's revision"),
        ("Hotlist-Logic" = String, description = "Who decided"))),
    (status = 200, description = "The entry that was there already, into which the list's logic took the new one", body = EntryShape,
        headers(("ETag" = String, description = "The list's revision"), ("Hotlist-Logic" = String, description = "Who decided"))),
    (status = 204, description = "The list's logic took it, and keeps no entry for it"), WriteProblems))]
pub(super) async fn add(State(web): Shared, ListPath(name): ListPath, _: NoQuery, request: Request) -> Answer {
    let asking = WriteRequest::read(&web, request, Wants::Json).await?;
    let new = NewEntry::read(&asking.body)?;
    let prefix = asking.origin.entries(&name);
    let reply = asking.call(&web, &name, new).await?;
    let (put, _) = touched(reply.changes());
    // A logic that adds several speaks of the one it adds first; else of the one it changes first.
    let new = put.iter().find(|entry| entry.id >= reply.next_id_before);
    match (new, put.first()) {
        (Some(entry), _) => {
            let mut response = written(StatusCode::CREATED, entry, &prefix, reply.revision, &reply.logic)?;
            if let Ok(location) = HeaderValue::from_str(&format!("{prefix}{}", entry.id)) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            Ok(response)
        }
        (None, Some(entry)) => written(StatusCode::OK, entry, &prefix, reply.revision, &reply.logic),
        (None, None) => Ok(gone(&reply)),
    }
}

/// Removes all entries, each through the list's logic, all or none.
#[utoipa::path(delete, path = "/lists/{list}/entries", tag = "entries", operation_id = "deleteEntries",
    params(("list" = String, Path, description = "The list's name"),
        ("If-Match" = Option<String>, Header, description = "Only if the list is at this revision"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition of the request recognisable")),
    responses((status = 204, description = "There are no entries", headers(
        ("ETag" = String, description = "The list's revision"), ("Hotlist-Logic" = String, description = "Who decided"))),
    WriteProblems))]
pub(super) async fn clear(State(web): Shared, ListPath(name): ListPath, _: NoQuery, request: Request) -> Answer {
    let reply = WriteRequest::read(&web, request, Wants::Nothing).await?.call(&web, &name, Command::Clear).await?;
    Ok(gone(&reply))
}

/// One entry.
#[utoipa::path(get, path = "/lists/{list}/entries/{id}", tag = "entries", operation_id = "getEntry",
    params(("list" = String, Path, description = "The list's name"), ("id" = u64, Path, description = "The entry's id"),
        ("If-None-Match" = Option<String>, Header, description = "Answer 304 if the list is at this revision")), responses(
    (status = 200, description = "The entry", body = EntryShape,
        headers(("ETag" = String, description = "The list's revision, as a strong tag"))),
    (status = 304, description = "The list has not changed"), ReadProblems))]
pub(super) async fn one(
    State(web): Shared,
    EntryPath(name, id): EntryPath,
    origin: Origin,
    headers: HeaderMap,
    _: NoQuery,
) -> Answer {
    let list = web.existing(&name).await?;
    let entry = list.get(id).ok_or_else(|| Problem::no_entry(&id.to_string()))?;
    let tag = etag(list.revision());
    let mut response = match freshness(&headers, &tag)? {
        Freshness::Fresh => empty(StatusCode::NOT_MODIFIED),
        Freshness::Stale => json(StatusCode::OK, &EntryShape::new(entry, &origin.entries(&name)))?,
    };
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}

/// Changes an entry.
#[utoipa::path(patch, path = "/lists/{list}/entries/{id}", tag = "entries", operation_id = "updateEntry",
    request_body(content((EntryPatch = "application/merge-patch+json"), (EntryPatch = "application/json"))),
    params(("list" = String, Path, description = "The list's name"), ("id" = u64, Path, description = "The entry's id"),
        ("If-Match" = Option<String>, Header, description = "Only if the list is at this revision"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition of the request recognisable")),
    responses(
    (status = 200, description = "The entry as it is now", body = EntryShape, headers(
        ("ETag" = String, description = "The list's revision"), ("Hotlist-Logic" = String, description = "Who decided"))),
    (status = 204, description = "The list's logic took the change, and the entry away with it"), WriteProblems))]
pub(super) async fn change(State(web): Shared, EntryPath(name, id): EntryPath, _: NoQuery, request: Request) -> Answer {
    let asking = WriteRequest::read(&web, request, Wants::Patch).await?;
    let patch = EntryPatch::read(&asking.body)?;
    let prefix = asking.origin.entries(&name);
    let reply = asking.call(&web, &name, EntryUpdate { id, patch }).await?;
    let (put, removed) = touched(reply.changes());
    if let Some(entry) = put.into_iter().find(|entry| entry.id == id) {
        return written(StatusCode::OK, entry, &prefix, reply.revision, &reply.logic);
    }
    if removed.contains(&id) {
        return Ok(gone(&reply));
    }
    // Nothing about this entry changed, so the reply does not hold it; the list does.
    let list = web.cache().read(&name).await?;
    let entry = list.get(id).ok_or_else(|| Problem::no_entry(&id.to_string()))?;
    written(StatusCode::OK, entry, &prefix, list.revision(), &reply.logic)
}

/// Deletes an entry.
#[utoipa::path(delete, path = "/lists/{list}/entries/{id}", tag = "entries", operation_id = "deleteEntry",
    params(("list" = String, Path, description = "The list's name"), ("id" = u64, Path, description = "The entry's id"),
        ("If-Match" = Option<String>, Header, description = "Only if the list is at this revision"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition of the request recognisable")),
    responses((status = 204, description = "The entry is gone", headers(
        ("ETag" = String, description = "The list's revision"), ("Hotlist-Logic" = String, description = "Who decided"))),
    WriteProblems))]
pub(super) async fn delete(State(web): Shared, EntryPath(name, id): EntryPath, _: NoQuery, request: Request) -> Answer {
    let reply =
        WriteRequest::read(&web, request, Wants::Nothing).await?.call(&web, &name, Command::Delete { id }).await?;
    Ok(gone(&reply))
}

/// The answer to a command that has an entry to show.
fn written(status: StatusCode, entry: &Entry, prefix: &str, revision: u64, logic: &LogicId) -> Answer {
    let mut response = json(status, &EntryShape::new(entry, prefix))?;
    let headers = response.headers_mut();
    headers.insert(header::ETAG, etag(revision));
    name_logic(headers, logic);
    Ok(response)
}

/// The answer to a command that has nothing to show.
fn gone(reply: &Reply) -> Response {
    let mut response = empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(header::ETAG, etag(reply.revision));
    name_logic(headers, &reply.logic);
    response
}

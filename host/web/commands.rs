//! What a list's own logic offers besides the entries: its commands and its views.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::entries::next;
use super::input::{CustomCommand, Named};
use super::openapi::{ReadProblems, WriteProblems};
use super::paths::{NamedPath, Origin, segment};
use super::preconditions::etag;
use super::problem::{Kind, Problem};
use super::query::{NoQuery, ViewQuery};
use super::representations::{EntryShape, Fields, json, link_next, name_logic, touched};
use super::write_request::{Wants, WriteRequest};
use super::{Answer, Shared, Web};
use crate::actor::Reply;
use crate::list::command::Query;
use crate::list::entry::EntryId;
use crate::list::name::ListName;

/// What a command did.
#[derive(Serialize, ToSchema)]
#[schema(as = CommandOutcome)]
pub(super) struct Outcome<'a> {
    /// The list's revision after it.
    revision: u64,
    /// The entries that it added or changed, as they are now.
    entries: Vec<EntryShape<'a>>,
    /// The ids of the entries that it removed.
    #[schema(value_type = Vec<u64>)]
    removed: Vec<EntryId>,
}

/// A view of a list.
#[derive(Serialize, ToSchema)]
#[schema(as = View)]
pub(super) struct ViewShape<'a> {
    /// The view's name.
    view: &'a str,
    /// The list's revision that the view is of.
    revision: u64,
    /// The entries, under headings.
    groups: Vec<GroupShape<'a>>,
}

/// Entries under one heading.
#[derive(Serialize, ToSchema)]
#[schema(as = Group)]
pub(super) struct GroupShape<'a> {
    /// The heading, for programs.
    name: &'a str,
    /// The heading, for people.
    title: &'a str,
    /// What the list's logic worked out for the group, such as a limit.
    #[schema(value_type = Object)]
    computed: Fields<'a>,
    /// The entries.
    entries: Vec<EntryShape<'a>>,
}

/// Carries out one of the commands of the list's logic. The body is an object of the arguments, as the
/// logic declares them; a command without arguments needs no body.
#[utoipa::path(post, path = "/lists/{list}/commands/{name}", tag = "logic's own", operation_id = "runCommand", request_body(content = Object),
    params(("list" = String, Path, description = "The list's name"), ("name" = String, Path, description = "The command's name"),
        ("If-Match" = Option<String>, Header, description = "Only if the list is at this revision"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition of the request recognisable")),
    responses(
    (status = 200, description = "What it did", body = Outcome, headers(
        ("ETag" = String, description = "The list's revision"), ("Hotlist-Logic" = String, description = "Who decided"))),
    WriteProblems))]
pub(super) async fn run(State(web): Shared, NamedPath(list, name): NamedPath, _: NoQuery, request: Request) -> Answer {
    let asking = WriteRequest::read(&web, request, Wants::JsonOrNothing).await?;
    let arguments = Named::read(&asking.body)?;
    let prefix = asking.origin.entries(&list);
    let reply = asking.call(&web, &list, CustomCommand { name, arguments }).await?;
    outcome(&reply, &prefix)
}

/// The answer to a command that may have changed anything, in a list whose entries' URLs begin with the
/// prefix.
pub(super) fn outcome(reply: &Reply, prefix: &str) -> Answer {
    let (put, removed) = touched(reply.changes());
    let entries = put.into_iter().map(|entry| EntryShape::new(entry, prefix)).collect();
    let mut response = json(StatusCode::OK, &Outcome { revision: reply.revision, entries, removed })?;
    let headers = response.headers_mut();
    headers.insert(header::ETAG, etag(reply.revision));
    name_logic(headers, &reply.logic);
    Ok(response)
}

/// One of the views of the list's logic. It may depend on the time and the caller, so it has no entity tag.
#[utoipa::path(get, path = "/lists/{list}/views/{name}", tag = "logic's own", operation_id = "getView",
    params(("list" = String, Path, description = "The list's name"), ("name" = String, Path, description = "The view's name"),
        ViewQuery), responses(
    (status = 200, description = "The view", body = ViewShape, headers(
        ("Link" = String, description = "The next page, `rel=\"next\"`, if there is one"),
        ("Hotlist-Logic" = String, description = "Who made the answer"))),
    ReadProblems))]
pub(super) async fn view(
    State(web): Shared,
    NamedPath(list, name): NamedPath,
    origin: Origin,
    Caller(caller): Caller,
    query: ViewQuery,
) -> Answer {
    let ViewQuery { date, completed, after, limit } = query;
    if !require_view(&web, &list, &name).await? {
        return Err(Problem::no_list());
    }
    let query = Query { view: Some(name), date, completed, after, limit };
    let view = web.cache().view(&list, caller, &query).await?;
    let prefix = origin.entries(&list);
    let groups = view.page.groups.iter().map(|group| GroupShape {
        name: &group.name,
        title: &group.title,
        computed: Fields(&group.computed),
        entries: group
            .rows
            .iter()
            .filter_map(|row| Some(EntryShape::new(view.list.get(row.id)?, &prefix).with_computed(&row.computed)))
            .collect(),
    });
    let name = query.view.as_deref().unwrap_or_default();
    let shape = ViewShape { view: name, revision: view.list.revision(), groups: groups.collect() };
    let mut response = json(StatusCode::OK, &shape)?;
    let headers = response.headers_mut();
    if let Some(logic) = &view.logic {
        name_logic(headers, logic);
    }
    // The view is in the path already.
    if let Some(next) = next(&view, &Query { view: None, ..query.clone() }) {
        let (list, name) = (segment(list.as_str()), segment(name));
        link_next(headers, &format!("/lists/{list}/views/{name}?{next}"));
    }
    Ok(response)
}

/// Refuses a view that the list's logic does not describe. Answers whether the list exists.
pub(super) async fn require_view(web: &Arc<Web>, list: &ListName, view: &str) -> Result<bool, Problem> {
    let snapshot = web.cache().read(list).await?;
    let version = web.cache().version(list, &snapshot).await?;
    if version.logic.description().view(view).is_none() {
        let shown: String = view.chars().take(64).collect();
        return Err(Problem::new(Kind::NoView, format!("the list's logic has no view {shown:?}")));
    }
    Ok(snapshot.exists())
}

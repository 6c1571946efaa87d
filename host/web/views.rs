//! Views that a list's logic defines.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::headers::{link_next, name_logic};
use super::openapi::ReadProblems;
use super::pages::next_page;
use super::paths::{NamedPath, Origin, segment};
use super::problem::{HandlerResult, Problem, ProblemKind};
use super::query::ViewQuery;
use super::representations::{EntryBody, Fields, json_response};
use super::state::{Shared, Web};
use crate::list::command::Query;
use crate::list::name::ListName;

/// A view of a list.
#[derive(Serialize, ToSchema)]
#[schema(as = View)]
pub(super) struct ViewBody<'a> {
    /// The view's name.
    view: &'a str,
    /// The list's revision that the view shows.
    revision: u64,
    /// The entries, under headings.
    groups: Vec<GroupBody<'a>>,
}

/// Entries under one heading.
#[derive(Serialize, ToSchema)]
#[schema(as = Group)]
pub(super) struct GroupBody<'a> {
    /// The heading, for programs.
    name: &'a str,
    /// The heading, for people.
    title: &'a str,
    /// Values that the list's logic computed for the group, such as a limit.
    #[schema(value_type = Object)]
    computed: Fields<'a>,
    /// The entries.
    entries: Vec<EntryBody<'a>>,
}

/// Reads a view that the list's logic defines. It may depend on the time and the caller, so it has no entity tag.
#[utoipa::path(get, path = "/lists/{list}/views/{name}", tag = "logic's own", operation_id = "getView",
    params(("list" = String, Path, description = "The list's name"), ("name" = String, Path, description = "The view's name"),
        ViewQuery), responses(
    (status = 200, description = "The view", body = ViewBody, headers(
        ("Link" = String, description = "The next page, `rel=\"next\"`, if there is one"),
        ("Hotlist-Logic" = String, description = "The logic that made the view"))),
    ReadProblems))]
pub(super) async fn read(
    State(web): Shared,
    NamedPath(list, name): NamedPath,
    origin: Origin,
    Caller(caller): Caller,
    query: ViewQuery,
) -> HandlerResult {
    let ViewQuery { date, completed, after, limit } = query;
    if !require_view(&web, &list, &name).await? {
        return Err(Problem::no_list());
    }
    let query = Query { view: Some(name), date, completed, after, limit };
    let view = web.cache().view(&list, caller, &query).await?;
    let prefix = origin.entries(&list);
    let groups = view.page.groups.iter().map(|group| GroupBody {
        name: &group.name,
        title: &group.title,
        computed: Fields(&group.computed),
        entries: group
            .rows
            .iter()
            .filter_map(|row| Some(EntryBody::new(view.list.get(row.id)?, &prefix).with_computed(&row.computed)))
            .collect(),
    });
    let name = query.view.as_deref().unwrap_or_default();
    let body = ViewBody { view: name, revision: view.list.revision(), groups: groups.collect() };
    let mut response = json_response(StatusCode::OK, &body)?;
    let headers = response.headers_mut();
    if let Some(logic) = &view.logic {
        name_logic(headers, logic);
    }
    // The path names the view, so the query does not.
    if let Some(next) = next_page(&view, &Query { view: None, ..query.clone() }) {
        let (list, name) = (segment(list.as_str()), segment(name));
        link_next(headers, &format!("/lists/{list}/views/{name}?{next}"));
    }
    Ok(response)
}

/// Refuses a view that the list's logic does not describe. Returns whether the list exists.
pub(super) async fn require_view(web: &Web, list: &ListName, view: &str) -> Result<bool, Problem> {
    let snapshot = web.cache().read(list).await?;
    let version = web.cache().version(list, &snapshot).await?;
    if version.logic.description().view(view).is_none() {
        let shown: String = view.chars().take(64).collect();
        return Err(Problem::new(ProblemKind::NoView, format!("the list's logic has no view {shown:?}")));
    }
    Ok(snapshot.exists())
}

//! Views that a list's logic defines.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer_budget::AnswerRoom;
use super::client::Client;
use super::headers::{link_next, name_logic};
use super::openapi::{AbsentProblem, ReadProblems, ViewProblems};
use super::pages::{json_bytes, page_after};
use super::paths::{NamedPath, Origin, PagedResource};
use super::problem::{HandlerResult, Problem, ProblemKind};
use super::query::ViewQuery;
use super::representations::{EntryBody, Fields, json_response};
use super::schemas;
use super::state::{Shared, Web};
use crate::cache::{View, ViewOptions};
use crate::list::command::{Group, Query};
use crate::list::id::{EntryId, LogicId};
use crate::list::name::ListName;

/// A view of a list.
#[derive(Serialize, ToSchema)]
#[schema(as = View)]
pub(super) struct ViewBody<'a> {
    /// The view's name.
    #[schema(value_type = schemas::Identifier)]
    view: &'a str,
    /// The list's revision that the view shows.
    #[schema(value_type = schemas::RevisionNumber)]
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
    computed: Fields<'a>,
    /// The entries.
    entries: Vec<EntryBody<'a>>,
}

/// Reads a view that the list's logic defines. It may depend on the time and the caller, so it has no entity tag.
#[utoipa::path(get, path = "/lists/{list}/views/{name}", tag = "logic's own", operation_id = "getView",
    params(("list" = ListName, Path, description = "The list's name"), ("name" = schemas::Identifier, Path, description = "The view's name"),
        ViewQuery), responses(
    (status = 200, description = "The view", body = ViewBody, headers(
        ("Link" = String, description = "The next page, `rel=\"next\"`, if there is one"),
        ("Hotlist-Logic" = LogicId, description = "The logic that made the view"))),
    ReadProblems, AbsentProblem, ViewProblems))]
pub(super) async fn read(
    State(web): Shared,
    NamedPath(list, name): NamedPath,
    origin: Origin,
    resource: PagedResource,
    Client { caller, client, .. }: Client,
    room: AnswerRoom,
    query: ViewQuery,
) -> HandlerResult {
    let ViewQuery { date, completed, after, or_after, limit } = query;
    if !require_view(&web, &list, &name).await? {
        return Err(Problem::no_list());
    }
    let query = Query { view: Some(name), date, completed, after, limit };
    let options = ViewOptions { or_after, ..ViewOptions::default() };
    let view = web.cache().view_with(&list, caller, &client, &query, &options).await?;
    let prefix = origin.entries(&list);
    let reserved = room.reserve(web.options.page_bytes)?;
    let name = query.view.as_deref().unwrap_or_default();
    let Some(ViewPage { groups, shown, is_cut }) = page(&view, &prefix, web.options.page_bytes)? else {
        let (limit, detail) =
            (web.options.page_bytes, "its headings and their computed values leave no room for an entry");
        let problem = Problem::new(ProblemKind::ViewTooLarge, format!("the view {name:?} is too large: {detail}"));
        return Err(problem.with_limit("view bytes", limit));
    };
    let body = ViewBody { view: name, revision: view.list.revision(), groups };
    let mut response = json_response(StatusCode::OK, &body)?;
    reserved.attach_to(&mut response);
    let headers = response.headers_mut();
    if let Some(logic) = &view.logic {
        name_logic(headers, logic);
    }
    // The path names the view, so the query does not.
    let next = page_after(&shown, &Query { view: None, ..query.clone() }, true);
    if let Some(next) = next.filter(|_| view.page.more || is_cut) {
        link_next(headers, &resource.page(&next));
    }
    Ok(response)
}

/// The part of a view that is on one page.
struct ViewPage<'a> {
    groups: Vec<GroupBody<'a>>,
    /// The entries on the page.
    shown: Vec<EntryId>,
    /// Whether the view has more rows than the page has room for.
    is_cut: bool,
}

/// Takes rows of a view up to a number of bytes. `None` if there are rows, and the headings leave no room for one.
fn page<'a>(view: &'a View, prefix: &'a str, limit: usize) -> Result<Option<ViewPage<'a>>, Problem> {
    let mut page = ViewPage { groups: Vec::new(), shown: Vec::new(), is_cut: false };
    let mut bytes = 0;
    for Group { name, title, computed, rows } in &view.page.groups {
        let mut group = GroupBody { name, title, computed: Fields(computed), entries: Vec::new() };
        bytes += json_bytes(&group)?;
        if bytes > limit {
            page.is_cut = true;
            return Ok((!page.shown.is_empty()).then_some(page));
        }
        for row in rows {
            let Some(entry) = view.list.get(row.id) else { continue };
            let entry = EntryBody::new(entry, prefix).with_computed(&row.computed);
            bytes += json_bytes(&entry)?;
            // The first row is there whatever its size.
            page.is_cut = bytes > limit && !page.shown.is_empty();
            if page.is_cut {
                break;
            }
            page.shown.push(row.id);
            group.entries.push(entry);
        }
        if !page.is_cut || !group.entries.is_empty() {
            page.groups.push(group);
        }
        if page.is_cut {
            break;
        }
    }
    Ok(Some(page))
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

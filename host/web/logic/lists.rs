//! Lists of a logic, with what is special about the version that decides about each.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::answer_budget::AnswerRoom;
use super::super::client::Client;
use super::super::headers::link_next;
use super::super::lists::find;
use super::super::openapi::{AbsentProblem, ReadProblems};
use super::super::pages::JsonPage;
use super::super::paths::{LogicPath, Origin, PagedResource, segment};
use super::super::problem::{HandlerResult, Problem, ProblemKind};
use super::super::query::{ListState, LogicListsQuery};
use super::super::representations::DisplayAsString;
use super::super::schemas::RevisionNumber;
use super::super::state::{Shared, Web};
use crate::list::List;
use crate::list::id::LogicId;
use crate::list::name::{ListName, LogicName};
use crate::list::selector::Pin;

/// The most lists that are read for a page. A list is read as a whole.
const MAX_READ: usize = 100;

/// A list of a logic.
#[derive(Serialize, ToSchema)]
#[schema(as = ListOfLogic)]
pub(in crate::web) struct ListOfLogicBody<'a> {
    /// The list's name.
    #[schema(value_type = ListName)]
    name: &'a str,
    /// The URL.
    #[schema(format = "uri")]
    url: String,
    /// The list's last revision.
    #[schema(value_type = RevisionNumber)]
    revision: u64,
    /// The version that made the last change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = LogicId, required = false)]
    written_by: Option<DisplayAsString<&'a LogicId>>,
    /// The version that the list is pinned to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Pin, required = false)]
    pin: Option<DisplayAsString<&'a Pin>>,
    /// What is special about the version that decides about the list.
    states: Vec<ListState>,
}

/// Lists the lists of a logic, with those in a canary, the pinned ones, and those that are not migrated.
#[utoipa::path(get, path = "/logic/{name}/lists", tag = "logic", operation_id = "listListsOfLogic",
    params(("name" = LogicName, Path, description = "The logic's name"), LogicListsQuery), responses(
    (status = 200, description = "The lists, in the order of their names' bytes", body = [ListOfLogicBody],
        headers(("Link" = String, description = "The next page, `rel=\"next\"`, if there is one"))),
    ReadProblems, AbsentProblem))]
pub(in crate::web) async fn lists(
    State(web): Shared,
    LogicPath(logic): LogicPath,
    origin: Origin,
    resource: PagedResource,
    Client { client, .. }: Client,
    room: AnswerRoom,
    query: LogicListsQuery,
) -> HandlerResult {
    let LogicListsQuery { state, after, limit } = query;
    if web.services.registry.rollout(&logic).is_none() {
        return Err(Problem::new(ProblemKind::NoLogic, format!("there is no logic {logic}")));
    }
    let reserved = room.reserve(web.options.page_bytes)?;
    let found = find(&web, after, &logic, MAX_READ).await?;
    let (mut page, mut next, mut last) = (JsonPage::new(web.options.page_bytes), found.next, None);
    let mut items = 0;
    let environment = web.cache().environment();
    for summary in found.lists.into_iter().flatten() {
        if items == limit {
            next = last;
            break;
        }
        let name = summary.name;
        // No actor holds the list, because the lists of a page would displace those in use. So its memory is not counted, and the
        // turn limits how many such lists there are at a time.
        environment.list_memory.check()?;
        let _turn = environment.turn(&client).await?;
        let stored = environment.store.load(&name).await;
        // A list that cannot be read is in the list of all lists, with the reason.
        if let Ok(list) = stored.map(|stored| stored.list) {
            let states = states_of(&web, &logic, &name, &list);
            let body = ListOfLogicBody {
                name: name.as_str(),
                url: origin.list(&name),
                revision: list.revision(),
                written_by: list.binding().map(|binding| DisplayAsString(&*binding.id)),
                pin: list.pin().map(DisplayAsString),
                states,
            };
            if state.is_none_or(|state| body.states.contains(&state)) {
                if !page.push(&body)? {
                    next = last;
                    break;
                }
                items += 1;
            }
        }
        last = Some(name);
    }
    let mut response = page.into_response();
    reserved.attach_to(&mut response);
    if let Some(next) = next {
        let state = state.map(|state| format!("&state={}", word(state))).unwrap_or_default();
        let query = format!("after={}{state}&limit={limit}", segment(next.as_str()));
        link_next(response.headers_mut(), &resource.page(&query));
    }
    Ok(response)
}

fn word(state: ListState) -> &'static str {
    match state {
        ListState::Canary => "canary",
        ListState::Pinned => "pinned",
        ListState::NotMigrated => "not-migrated",
    }
}

/// What is special about a list. The version that would decide is known although it may not be in memory.
fn states_of(web: &Web, logic: &LogicName, name: &ListName, list: &List) -> Vec<ListState> {
    let registry = &web.services.registry;
    let candidate = registry.rollout(logic).and_then(|rollout| rollout.candidate.as_ref().map(|it| it.version.clone()));
    let decides = registry.resolve(logic, name, list.pin()).ok().map(|selection| selection.version);
    let is_canary = list.pin().is_none()
        && decides.as_ref().zip(candidate).is_some_and(|(decides, candidate)| decides.digest() == candidate.digest());
    let is_old = decides
        .zip(list.binding())
        .is_some_and(|(decides, binding)| !binding.is_schema_compatible(decides.logic.binding()));
    let states =
        [(is_canary, ListState::Canary), (list.pin().is_some(), ListState::Pinned), (is_old, ListState::NotMigrated)];
    states.into_iter().filter(|(is, _)| *is).map(|(_, state)| state).collect()
}

//! Lists as a whole: listing, creating, describing, configuring and deleting them.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer_budget::AnswerRoom;
use super::conditions::{ReadConditions, WriteConditions};
use super::headers::{describe_reply, description_etag, link_next, name_decision};
use super::input::ListSetup;
use super::json;
use super::openapi::{AbsentProblem, BodyProblems, ListWriteProblems, ReadProblems, StaleProblem};
use super::pages::JsonPage;
use super::paths::{ListPath, Origin, PagedResource, segment};
use super::preconditions::{Freshness, freshness};
use super::problem::{HandlerResult, Problem};
use super::query::{ListsQuery, NoQuery};
use super::representations::{DisplayAsString, ListBody, ListDetailBody, describe_list, empty, json_response};
use super::schemas;
use super::state::{Shared, Web};
use super::timestamp::Timestamp;
use super::write_request::{ExpectedBody, WriteRequest};
use crate::actor::CallError;
use crate::list::command::Command;
use crate::list::id::LogicId;
use crate::list::name::{ListName, LogicName};
use crate::list::selector::Pin;
use crate::store::{MAX_PAGE, StoreError, Summary, UnreadableList};

/// The most pages of the store that are searched for the lists of a logic.
const MAX_SCANNED_PAGES: usize = 10;

/// Result of creating or configuring a list.
#[derive(Serialize, ToSchema)]
#[schema(as = ListSet)]
pub(super) struct ListSetBody<'a> {
    /// The list's name.
    #[schema(value_type = ListName)]
    name: &'a str,
    /// The list's URL.
    #[schema(format = "uri")]
    url: &'a str,
    /// The logic that the list is bound to.
    #[schema(value_type = LogicName)]
    logic: &'a str,
    /// The version that the list is bound to: name, number and digest.
    #[schema(value_type = LogicId)]
    version: DisplayAsString<&'a LogicId>,
    /// The version that the list is pinned to, by its number or digest. Absent if the live version decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Pin, required = false)]
    pin: Option<DisplayAsString<&'a Pin>>,
    /// The revision that the change made, or the current one if there was nothing to change.
    #[schema(value_type = schemas::RevisionNumber)]
    revision: u64,
}

/// A list, or what is known of a list that cannot be read.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = ListedList)]
pub(super) enum ListedBody<'a> {
    /// A list that can be read.
    Readable(ListBody<'a>),
    /// A list that exists and cannot be read.
    Unreadable(UnreadableBody<'a>),
}

/// A list that exists and cannot be read.
#[derive(Serialize, ToSchema)]
#[schema(as = UnreadableList)]
pub(super) struct UnreadableBody<'a> {
    /// The list's name.
    #[schema(value_type = ListName)]
    name: &'a str,
    /// The URL.
    #[schema(format = "uri")]
    url: String,
    /// Why the list cannot be read.
    unreadable: DamageBody,
}

/// Why a list cannot be read.
#[derive(Serialize, ToSchema)]
#[schema(as = Damage)]
pub(super) struct DamageBody {
    /// The damage, and how to save what can be read, for the operator.
    why: String,
    /// When the server found the damage, or when it was started after that.
    #[schema(value_type = String, format = "date-time")]
    since: Timestamp,
}

impl<'a> ListedBody<'a> {
    /// A list that can be read.
    pub(super) fn readable(list: &'a Summary, origin: &Origin) -> Self {
        Self::Readable(ListBody::new(list, origin))
    }

    fn new(list: &'a Result<Summary, UnreadableList>, origin: &Origin) -> Self {
        match list {
            Ok(list) => Self::readable(list, origin),
            Err(UnreadableList { name, why, since }) => {
                let (name, url) = (name.as_str(), origin.list(name));
                let why = format!("{why}; `hotlist export -- {}` saves what can be read of it", shell_quoted(name));
                Self::Unreadable(UnreadableBody { name, url, unreadable: DamageBody { why, since: Timestamp(*since) } })
            }
        }
    }
}

impl<'a> ListBody<'a> {
    fn new(list: &'a Summary, origin: &Origin) -> Self {
        let Summary { name, logic, revision, entries, open } = list;
        let (name, logic, url) = (name.as_str(), logic.as_str(), origin.list(name));
        Self { name, url, logic, revision: *revision, entries: *entries, open: *open }
    }
}

/// A text as one word of a shell's command. Users choose the names of lists, and an operator may paste the command.
fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

pub(super) fn name_of(list: &Result<Summary, UnreadableList>) -> &ListName {
    list.as_ref().map_or_else(|list| &list.name, |list| &list.name)
}

/// Lists, and the name after which there are more.
pub(super) struct Found {
    pub(super) lists: Vec<Result<Summary, UnreadableList>>,
    pub(super) next: Option<ListName>,
}

/// The page of lists that a request asks for.
pub(super) async fn select(web: &Web, query: &ListsQuery) -> Result<Found, Problem> {
    match &query.logic {
        Some(logic) => find(web, query.after.clone(), logic, query.limit).await,
        None => page(web, query.after.as_ref(), query.limit).await,
    }
}

/// The query of the page behind a list.
pub(super) fn page_behind(name: &ListName, query: &ListsQuery) -> String {
    let logic = query.logic.as_ref().map(|logic| format!("&logic={logic}")).unwrap_or_default();
    format!("after={}{logic}&limit={}", segment(name.as_str()), query.limit)
}

/// A page of all lists.
async fn page(web: &Web, after: Option<&ListName>, limit: usize) -> Result<Found, Problem> {
    let mut lists = web.cache().page(after, (limit + 1).min(MAX_PAGE)).await?;
    // The store returns no more than its own limit, so a full page of that size counts as having a next one.
    let more = lists.len() > limit || (limit == MAX_PAGE && lists.len() == limit);
    lists.truncate(limit);
    let next = lists.last().filter(|_| more).map(|last| name_of(last).clone());
    Ok(Found { lists, next })
}

/// The lists of a logic among the next [`MAX_SCANNED_PAGES`] pages of the store.
pub(super) async fn find(
    web: &Web,
    mut after: Option<ListName>,
    logic: &LogicName,
    limit: usize,
) -> Result<Found, Problem> {
    let mut lists: Vec<Result<Summary, UnreadableList>> = Vec::new();
    for _ in 0..MAX_SCANNED_PAGES {
        let page = web.cache().page(after.as_ref(), MAX_PAGE).await?;
        let is_last = page.len() < MAX_PAGE;
        after = page.last().map(|last| name_of(last).clone());
        for list in page.into_iter().filter(|list| list.as_ref().is_ok_and(|list| list.logic == *logic)) {
            if lists.len() == limit {
                let next = lists.last().map(|last| name_of(last).clone());
                return Ok(Found { lists, next });
            }
            lists.push(list);
        }
        if is_last {
            return Ok(Found { lists, next: None });
        }
    }
    Ok(Found { lists, next: after })
}

/// Lists all lists. A list that cannot be read is among them, with the member `unreadable`.
#[utoipa::path(get, path = "/lists", tag = "lists", operation_id = "listLists", params(ListsQuery), responses(
    (status = 200, description = "The lists, in the order of their names' bytes", body = [ListedBody],
        headers(("Link" = String, description = "The next page, `rel=\"next\"`, if there is one"))),
    ReadProblems))]
pub(super) async fn all(
    State(web): Shared,
    origin: Origin,
    resource: PagedResource,
    room: AnswerRoom,
    query: ListsQuery,
) -> HandlerResult {
    let Found { lists, mut next } = select(&web, &query).await?;
    let reserved = room.reserve(web.options.page_bytes)?;
    let mut page = JsonPage::new(web.options.page_bytes);
    let mut last = None;
    for list in &lists {
        if !page.push(&ListedBody::new(list, &origin))? {
            next = last;
            break;
        }
        last = Some(name_of(list).clone());
    }
    let mut response = page.into_response();
    reserved.attach_to(&mut response);
    if let Some(next) = next {
        link_next(response.headers_mut(), &resource.page(&page_behind(&next, &query)));
    }
    Ok(response)
}

/// Describes a list.
#[utoipa::path(get, path = "/lists/{list}", tag = "lists", operation_id = "getList", params(("list" = ListName, Path, description = "The list's name"), ReadConditions), responses(
    (status = 200, description = "The list", body = ListDetailBody,
        headers(("ETag" = schemas::DescriptionTag, description = "The revision, as a strong tag. Where the list was last changed by another version than `version`, it ends with that"))),
    (status = 304, description = "It has not changed", headers(("ETag" = schemas::DescriptionTag, description = "The tag"))),
    ReadProblems, AbsentProblem, StaleProblem))]
pub(super) async fn describe(
    State(web): Shared,
    ListPath(name): ListPath,
    origin: Origin,
    headers: HeaderMap,
    _: NoQuery,
) -> HandlerResult {
    let list = web.existing(&name).await?;
    // The list can be read although the version cannot be loaded.
    let version = web.cache().version(&name, &list).await.ok();
    let decides = version.as_ref().map(|version| &**version.id());
    let tag = description_etag(&list, decides);
    let mut response = match freshness(&headers, &tag)? {
        Freshness::Fresh => empty(StatusCode::NOT_MODIFIED),
        Freshness::Stale => {
            let (url, description_url) = (origin.list(&name), decides.map(|version| origin.description(version)));
            json_response(StatusCode::OK, &describe_list(name.as_str(), url, &list, decides, description_url))?
        }
    };
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}

/// Creates a list, binds it to another logic, or changes its settings.
#[utoipa::path(put, path = "/lists/{list}", tag = "lists", operation_id = "putList", request_body(content = ListSetup),
    params(("list" = ListName, Path, description = "The list's name"), WriteConditions),
    responses(
    (status = 201, description = "The list was created", body = ListSetBody,
        headers(("Location" = String, description = "The list"), ("ETag" = schemas::RevisionTag, description = "The revision"),
            ("Hotlist-Logic" = LogicId, description = "The logic that decided"),
        ("Idempotency-Replayed" = schemas::Replayed, description = "`true` if the response is that of an earlier request with the same idempotency key"))),
    (status = 200, description = "The list was changed, or already is as requested", body = ListSetBody,
        headers(("ETag" = schemas::RevisionTag, description = "The revision"), ("Hotlist-Logic" = LogicId, description = "The logic that decided"),
        ("Idempotency-Replayed" = schemas::Replayed, description = "`true` if the response is that of an earlier request with the same idempotency key"))),
    ListWriteProblems, BodyProblems))]
pub(super) async fn set(State(web): Shared, ListPath(name): ListPath, _: NoQuery, request: Request) -> HandlerResult {
    let write = WriteRequest::read(&web, request, ExpectedBody::JsonOrNothing).await?;
    let setup: ListSetup = json::read_or_empty(&write.body)?;
    web.check_new_name(&name).await?;
    let url = write.origin.list(&name);
    let new_pin = setup.logic.as_ref().map(|selector| selector.0.pin.clone());
    let names_logic = setup.logic.is_some();
    let reply = write.send(&web, &name, setup).await.map_err(|error| match error {
        CallError::NoLogic(logic) if names_logic => {
            Problem::invalid("logic", format_args!("logic {logic} is not loaded"))
        }
        CallError::NoVersion { logic, pin } if names_logic => {
            Problem::invalid("logic", format_args!("there is no version {pin} of {logic}"))
        }
        other => other.into(),
    })?;
    // Everything comes from the reply and the request. The list may have changed since.
    let pin = new_pin.as_ref().unwrap_or(&reply.pin);
    let body = ListSetBody {
        name: name.as_str(),
        url: &url,
        logic: reply.logic.name.as_str(),
        version: DisplayAsString(reply.bound.as_deref().unwrap_or(&reply.logic)),
        pin: pin.as_ref().map(DisplayAsString),
        revision: reply.revision,
    };
    let status = if reply.created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = json_response(status, &body)?;
    let headers = response.headers_mut();
    describe_reply(headers, &reply);
    if let (true, Ok(location)) = (reply.created, HeaderValue::from_str(&url)) {
        headers.insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Deletes a list with all its entries, also one that cannot be read. No logic decides about such a list. Its rows are kept
/// for the operator, and a list of the same name goes on with higher revisions.
#[utoipa::path(delete, path = "/lists/{list}", tag = "lists", operation_id = "deleteList", params(("list" = ListName, Path, description = "The list's name"), WriteConditions),
    responses((status = 204, description = "The list was deleted",
        headers(("Hotlist-Logic" = LogicId, description = "The logic that decided, if the list could be read"),
        ("Idempotency-Replayed" = schemas::Replayed, description = "`true` if the response is that of an earlier request with the same idempotency key"))),
    ListWriteProblems, AbsentProblem))]
pub(super) async fn delete(
    State(web): Shared,
    ListPath(name): ListPath,
    _: NoQuery,
    request: Request,
) -> HandlerResult {
    let write = WriteRequest::read(&web, request, ExpectedBody::Nothing).await?;
    let is_conditional = write.is_conditional();
    let mut response = empty(StatusCode::NO_CONTENT);
    match write.send(&web, &name, Command::DeleteList).await {
        Ok(reply) => name_decision(response.headers_mut(), &reply),
        // The condition of a list that cannot be read is not known to hold.
        Err(CallError::Store(StoreError::Unreadable { .. })) if !is_conditional => web.cache().discard(&name).await?,
        Err(error) => return Err(error.into()),
    }
    Ok(response)
}

//! Lists as a whole: which there are; making one, describing it, taking it away.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::input::ListSetup;
use super::openapi::{ReadProblems, WriteProblems};
use super::paths::{ListPath, Origin, segment};
use super::preconditions::{Freshness, etag, freshness};
use super::problem::Problem;
use super::query::{ListsQuery, NoQuery};
use super::representations::{Described, ListShape, Shown, described, empty, json, link_next, name_logic};
use super::write_request::{Wants, WriteRequest};
use super::{Answer, Shared};
use crate::actor::CallError;
use crate::list::binding::Pin;
use crate::list::command::Command;
use crate::list::revision::LogicId;
use crate::store::{MAX_PAGE, Summary};

/// What a change to a list as a whole led to.
#[derive(Serialize, ToSchema)]
#[schema(as = ListSet)]
pub(super) struct Set<'a> {
    /// The list's name.
    name: &'a str,
    /// Where it is.
    #[schema(format = "uri")]
    url: &'a str,
    /// The logic that keeps it.
    logic: &'a str,
    /// The version of its logic that keeps it: name, number and digest.
    #[schema(value_type = String)]
    version: Shown<&'a LogicId>,
    /// The version that the list insists on, by its number or digest; absent where it is kept by whichever
    /// is live.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pin: Option<Shown<&'a Pin>>,
    /// The revision that the change made, or found if there was nothing to change.
    revision: u64,
}

impl<'a> ListShape<'a> {
    fn new(list: &'a Summary, origin: &Origin) -> Self {
        let Summary { name, logic, revision, entries, open } = list;
        let (name, logic, url) = (name.as_str(), logic.as_str(), origin.list(name));
        Self { name, url, logic, revision: *revision, entries: *entries, open: *open }
    }
}

/// The lists there are.
#[utoipa::path(get, path = "/lists", tag = "lists", operation_id = "listLists", params(ListsQuery), responses(
    (status = 200, description = "The lists, in the order of their names' bytes", body = [ListShape],
        headers(("Link" = String, description = "The next page, `rel=\"next\"`, if there is one"))),
    ReadProblems))]
pub(super) async fn all(State(web): Shared, origin: Origin, query: ListsQuery) -> Answer {
    let ListsQuery { after, limit } = query;
    let mut lists = web.cache().page(after.as_ref(), (limit + 1).min(MAX_PAGE)).await?;
    // A store gives no page of one more than its limit, so a full one has to look like there is more.
    let more = lists.len() > limit || (limit == MAX_PAGE && lists.len() == limit);
    lists.truncate(limit);
    let shapes: Vec<_> = lists.iter().map(|list| ListShape::new(list, &origin)).collect();
    let mut response = json(StatusCode::OK, &shapes)?;
    if let (true, Some(last)) = (more, lists.last()) {
        let next = format!("/lists?after={}&limit={limit}", segment(last.name.as_str()));
        link_next(response.headers_mut(), &next);
    }
    Ok(response)
}

/// A list.
#[utoipa::path(get, path = "/lists/{list}", tag = "lists", operation_id = "getList", params(("list" = String, Path, description = "The list's name"),
    ("If-None-Match" = Option<String>, Header, description = "Answer 304 if the list is at this revision")), responses(
    (status = 200, description = "The list", body = Described,
        headers(("ETag" = String, description = "The revision, as a strong tag"))),
    (status = 304, description = "It has not changed"), ReadProblems))]
pub(super) async fn describe(
    State(web): Shared,
    ListPath(name): ListPath,
    origin: Origin,
    headers: HeaderMap,
    _: NoQuery,
) -> Answer {
    let list = web.existing(&name).await?;
    let tag = etag(list.revision());
    let mut response = match freshness(&headers, &tag)? {
        Freshness::Fresh => empty(StatusCode::NOT_MODIFIED),
        Freshness::Stale => json(StatusCode::OK, &described(name.as_str(), origin.list(&name), &list))?,
    };
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}

/// Creates a list, hands it to another logic, or changes its settings.
#[utoipa::path(put, path = "/lists/{list}", tag = "lists", operation_id = "putList", request_body(content = ListSetup),
    params(("list" = String, Path, description = "The list's name"),
        ("If-Match" = Option<String>, Header, description = "Only if the list is at this revision; `*`: only if it exists"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition of the request recognisable")),
    responses(
    (status = 201, description = "The list was created", body = Set,
        headers(("Location" = String, description = "The list"), ("ETag" = String, description = "The revision"),
            ("Hotlist-Logic" = String, description = "Who decided"))),
    (status = 200, description = "The list was changed, or is as asked for already", body = Set,
        headers(("ETag" = String, description = "The revision"), ("Hotlist-Logic" = String, description = "Who decided"))),
    WriteProblems))]
pub(super) async fn set(State(web): Shared, ListPath(name): ListPath, _: NoQuery, request: Request) -> Answer {
    let asking = WriteRequest::read(&web, request, Wants::JsonOrNothing).await?;
    let setup = ListSetup::read(&asking.body)?;
    let list = web.cache().read(&name).await?;
    let url = asking.origin.list(&name);
    let chosen = setup.logic.as_ref().map(|choice| choice.pin.clone());
    let names_logic = setup.logic.is_some();
    let reply = asking.call(&web, &name, setup).await.map_err(|error| match error {
        CallError::NoLogic(_) | CallError::NoVersion { .. } if !names_logic => error.into(),
        CallError::NoLogic(logic) => Problem::invalid("logic", format_args!("logic {logic} is not loaded")),
        CallError::NoVersion { logic, pin } => {
            Problem::invalid("logic", format_args!("there is no version {pin} of {logic}"))
        }
        other => other.into(),
    })?;
    // A list that was not changed stays with the version that it has, which may not be who decided that.
    let binding = list.binding().filter(|_| reply.changes().is_empty()).map_or(&reply.logic, |binding| &binding.id);
    let pin = chosen.unwrap_or_else(|| list.pin().cloned());
    // But for that, only what the reply and the request have: a repetition then gets the same answer again.
    let shape = Set {
        name: name.as_str(),
        url: &url,
        logic: reply.logic.name.as_str(),
        version: Shown(binding),
        pin: pin.as_ref().map(Shown),
        revision: reply.revision,
    };
    let status = if reply.created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = json(status, &shape)?;
    let headers = response.headers_mut();
    name_logic(headers, &reply.logic);
    headers.insert(header::ETAG, etag(reply.revision));
    if let (true, Ok(location)) = (reply.created, HeaderValue::from_str(&url)) {
        headers.insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Deletes a list with all its entries.
#[utoipa::path(delete, path = "/lists/{list}", tag = "lists", operation_id = "deleteList", params(("list" = String, Path, description = "The list's name"),
    ("If-Match" = Option<String>, Header, description = "Only if the list is at this revision"),
    ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition of the request recognisable")),
    responses((status = 204, description = "The list is gone",
        headers(("Hotlist-Logic" = String, description = "Who decided"))), WriteProblems))]
pub(super) async fn delete(State(web): Shared, ListPath(name): ListPath, _: NoQuery, request: Request) -> Answer {
    let reply = WriteRequest::read(&web, request, Wants::Nothing).await?.call(&web, &name, Command::DeleteList).await?;
    let mut response = empty(StatusCode::NO_CONTENT);
    name_logic(response.headers_mut(), &reply.logic);
    Ok(response)
}

//! Recording of a list: its complete history, for programs that decide it again.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};

use super::answer_budget::AnswerRoom;
use super::headers::link_next;
use super::openapi::{AbsentProblem, ReadProblems};
use super::paths::{ListPath, PagedResource};
use super::problem::HandlerResult;
use super::query::RecordingQuery;
use super::representations::{empty, sized};
use super::schemas;
use super::state::Shared;
use crate::actor::CallError;
use crate::list::name::ListName;
use crate::store::recording::{MEDIA_TYPE, page};
use crate::store::{HistoryPage, PageLimit, RetainedRevision};

/// Reads a list with its retained revisions, the oldest first, and everything that they were decided by.
///
/// A page is opaque: it is for a Hotlist program of the same version, such as `hotlist plugin diff`. It may have fewer
/// revisions than requested. A page ends at about 1 MiB, and a revision that is larger is a page of its own. The last page
/// contains the list, too. A client that reads the pages in order gets a list and a history that match.
#[utoipa::path(get, path = "/lists/{list}/recording", tag = "history", operation_id = "getRecording",
    params(("list" = ListName, Path, description = "The list's name"), RecordingQuery), responses(
    (status = 200, description = "A page of the recording", content_type = "application/vnd.hotlist.recording",
        body = schemas::RecordingPage, headers(("Link" = String, description = "The next page, `rel=\"next\"`, if there is one"))),
    ReadProblems, AbsentProblem))]
pub(super) async fn read(
    State(web): Shared,
    ListPath(name): ListPath,
    resource: PagedResource,
    room: AnswerRoom,
    query: RecordingQuery,
) -> HandlerResult {
    let RecordingQuery { after, limit } = query;
    // The list is read first. Revisions that the history has and this list does not are left out of the page. In the
    // other order, a revision that the list has could be missing from the history.
    let list = web.existing(&name).await?;
    let bytes = web.options.page_bytes;
    let mut reserved = room.reserve(2 * bytes)?;
    let HistoryPage { revisions, .. } =
        web.cache().history_page(&name, after, PageLimit { items: limit, bytes }).await?;
    let revisions = match revisions.first() {
        // A program decides the revision again, so it gets all of it: the revision is a page of its own.
        Some(RetainedRevision::Large(outline)) => {
            drop(reserved);
            reserved = room.reserve(2 * outline.bytes)?;
            web.cache().environment().store.history(&name, outline.number - 1, 1).await.map_err(CallError::from)?
        }
        _ => revisions.iter().map_while(|revision| revision.whole().cloned()).collect(),
    };
    let last = revisions.last().map_or(after, |revision| revision.number);
    // Revisions that the list lacks are for the next request.
    let list_on_page = (last >= list.revision()).then_some(&*list);
    if let Some(list) = list_on_page {
        drop(reserved);
        reserved = room.reserve(2 * (bytes + list.bytes()))?;
    }
    let mut response = empty(StatusCode::OK);
    *response.body_mut() = sized(page(&name, list_on_page, list.revision(), &revisions));
    reserved.attach_to(&mut response);
    if list_on_page.is_none() && !revisions.is_empty() {
        link_next(response.headers_mut(), &resource.page(&format!("after={last}&limit={limit}")));
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    Ok(response)
}

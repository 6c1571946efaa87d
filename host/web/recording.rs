//! Recording of a list: its complete history, for programs that decide it again.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};

use super::openapi::ReadProblems;
use super::paths::ListPath;
use super::problem::HandlerResult;
use super::query::HistoryQuery;
use super::representations::empty;
use super::state::Shared;
use crate::store::recording::{MEDIA_TYPE, page};

/// Reads a list with its retained revisions, the oldest first, and everything that they were decided by.
///
/// A page is opaque: it is for a Hotlist program of the same version, such as `hotlist plugin diff`. It may have fewer
/// revisions than requested. The page that reaches the list's last revision also contains the list. A client that reads
/// the pages in order, each after the last revision of the one before, gets a list and a history that match.
#[utoipa::path(get, path = "/lists/{list}/recording", tag = "history", operation_id = "getRecording",
    params(("list" = String, Path, description = "The list's name"), HistoryQuery), responses(
    (status = 200, description = "A page of the recording", content_type = "application/vnd.hotlist.recording",
        body = Vec<u8>), ReadProblems))]
pub(super) async fn read(State(web): Shared, ListPath(name): ListPath, query: HistoryQuery) -> HandlerResult {
    let HistoryQuery { after, limit } = query;
    // The list is read first. Revisions that the history has and this list does not are left out of the page. In the
    // other order, a revision that the list has could be missing from the history.
    let list = web.existing(&name).await?;
    let revisions = web.cache().history(&name, after, limit).await?;
    let mut response = empty(StatusCode::OK);
    *response.body_mut() = page(&name, &list, after, &revisions).into();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    Ok(response)
}

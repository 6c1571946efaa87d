//! Logics: their rollout state, uploads of components, and changes to a rollout.

mod description;
pub(super) mod lists;
mod records;
mod state;
mod update;
mod versions;
mod words;

use std::sync::atomic::Ordering;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};
use utoipa::ToSchema;

use super::answer_budget::AnswerRoom;
use super::body::require_type;
use super::client::{Client, Operator};
use super::conditions::ReadConditions;
use super::headers::{name_logic, weak};
use super::json;
use super::openapi::{AbsentProblem, BodyProblems, ReadProblems, StaleProblem, VersionProblem, WriteProblems};
use super::paths::{LogicPath, VersionPath};
use super::preconditions::{Freshness, freshness};
use super::problem::{HandlerResult, Problem, ProblemKind};
use super::query::{DeleteQuery, NoQuery, UploadQuery, WaitQuery};
use super::representations::{empty, json_response};
use super::schemas;
use super::state::{Shared, Web};
use crate::list::digest::{digest_of, hex};
use crate::list::id::LogicId;
use crate::list::name::LogicName;
use crate::plugins::{DeleteOptions, UploadOptions};
use crate::rollout::Accepted;
use records::{GatesBody, ReleasedBody};
use state::LogicDetailBody;
use update::LogicPatch;
use versions::{VersionDescriptionBody, loaded_version};

pub(super) use state::LogicBody;

/// Media type of components.
const WASM: &str = "application/wasm";

/// The hexadecimal digits of the tag of a rollout's state.
const TAG_DIGITS: usize = 16;

/// How long a description may be kept. It belongs to a digest, and only a later server has more members of it.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("private, max-age=86400, immutable");

/// Result of an upload.
#[derive(Serialize, ToSchema)]
#[schema(as = Uploaded)]
pub(super) struct UploadedBody<'a> {
    /// The logic's name.
    #[schema(value_type = LogicName)]
    name: &'a str,
    /// The version number that the component gives itself.
    #[schema(value_type = schemas::VersionNumber)]
    version: String,
    /// The SHA-256 of the component.
    #[schema(value_type = schemas::ComponentDigest)]
    digest: String,
    /// Whether the component was checked only, and nothing was changed.
    dry_run: bool,
    /// What the gates measured. Absent if the same component is live already.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    gates: Option<GatesBody<'a>>,
    /// The quarantine of the same component that `force` ended. The record of the version keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    released: Option<ReleasedBody<'a>>,
}

impl<'a> UploadedBody<'a> {
    fn new(name: &'a LogicName, Accepted { id, gates, released }: &'a Accepted, dry_run: bool) -> Self {
        Self {
            name: name.as_str(),
            version: id.version.to_string(),
            digest: id.digest_text(),
            dry_run,
            gates: gates.as_ref().map(GatesBody::new),
            released: released.as_ref().map(ReleasedBody::of),
        }
    }
}

/// Lists the logics by name.
#[utoipa::path(get, path = "/logic", tag = "logic", operation_id = "listLogic", responses(
    (status = 200, description = "The logics", body = [LogicBody]), ReadProblems))]
pub(super) async fn all(State(web): Shared, _: NoQuery) -> HandlerResult {
    let all = web.services.registry.all();
    let bodies: Vec<_> = all.iter().map(|(name, state)| LogicBody::new(name.as_str(), state, false)).collect();
    json_response(StatusCode::OK, &bodies)
}

/// Describes a logic. The tag changes with its rollout, and not with its counters. With `wait` and `If-None-Match` the response
/// comes when the rollout has changed: the next command is decided as the response says.
#[utoipa::path(get, path = "/logic/{name}", tag = "logic", operation_id = "getLogic",
    params(("name" = LogicName, Path, description = "The logic's name"), WaitQuery, ReadConditions), responses(
    (status = 200, description = "The logic", body = LogicDetailBody,
        headers(("ETag" = schemas::WeakTag, description = "The state of the rollout, as a weak tag"))),
    (status = 304, description = "The rollout has not changed, also after `wait` seconds",
        headers(("ETag" = schemas::WeakTag, description = "The tag"))),
    ReadProblems, AbsentProblem, StaleProblem))]
pub(super) async fn one(
    State(web): Shared,
    LogicPath(name): LogicPath,
    WaitQuery { wait }: WaitQuery,
    Client { holder, .. }: Client,
    headers: HeaderMap,
) -> HandlerResult {
    // Before the state is read, so that no change is lost between the two.
    let mut changes = web.services.registry.watch();
    let until = Instant::now() + wait;
    let mut slot = None;
    loop {
        let tag = rollout_tag(&web, &name)?;
        let mut may_change = !wait.is_zero() && Instant::now() < until;
        let mut response = match freshness(&headers, &tag)? {
            Freshness::Stale => describe(&web, &name)?,
            Freshness::Fresh if may_change => {
                if slot.is_none() {
                    let open = web.services.metrics.event_streams.enter();
                    slot = Some((web.event_streams.take(holder.clone())?, open));
                }
                tokio::select! {
                    changed = changes.changed() => may_change = changed.is_ok(),
                    () = sleep_until(until) => {}
                    () = web.stopping.cancelled() => may_change = false,
                }
                if may_change {
                    continue;
                }
                empty(StatusCode::NOT_MODIFIED)
            }
            Freshness::Fresh => empty(StatusCode::NOT_MODIFIED),
        };
        response.headers_mut().insert(header::ETAG, weak(&tag));
        return Ok(response);
    }
}

/// The tag of a rollout's state.
fn rollout_tag(web: &Web, name: &LogicName) -> Result<HeaderValue, Problem> {
    let unknown = || Problem::new(ProblemKind::NoLogic, format!("there is no logic {name}"));
    let rollout = web.services.registry.rollout(name).ok_or_else(unknown)?;
    let state =
        serde_json::to_vec(&rollout.state).map_err(|error| Problem::internal("cannot write a rollout", error))?;
    let tag = format!("\"{}\"", &hex(&digest_of(&state))[..TAG_DIGITS]);
    Ok(HeaderValue::from_str(&tag).expect("quotes and digits are valid in a header"))
}

fn describe(web: &Web, name: &LogicName) -> HandlerResult {
    let unknown = || Problem::new(ProblemKind::NoLogic, format!("there is no logic {name}"));
    let state = web.services.registry.rollout(name).ok_or_else(unknown)?;
    json_response(StatusCode::OK, &LogicDetailBody::new(name.as_str(), &state))
}

/// Uploads a component, which decides for its logic from the next command on. With `publish=false` it is only checked
/// and stored, and with `dry-run=true` only checked.
#[utoipa::path(put, path = "/logic/{name}", tag = "logic", operation_id = "putLogic",
    request_body(content = schemas::Component, content_type = "application/wasm", description = "A component"),
    params(("name" = LogicName, Path, description = "The logic's name"), UploadQuery), responses(
    (status = 200, description = "The component was checked, because of `dry-run=true`", body = UploadedBody),
    (status = 201, description = "The component was checked and stored, and published unless `publish=false`", body = UploadedBody, headers(
        ("Location" = String, description = "The logic"), ("Hotlist-Logic" = LogicId, description = "The new version"))),
    WriteProblems, BodyProblems, VersionProblem))]
pub(super) async fn upload(
    State(web): Shared,
    LogicPath(name): LogicPath,
    Operator(client): Operator,
    query: UploadQuery,
    request: Request,
) -> HandlerResult {
    let (parts, body) = request.into_parts();
    require_type(&parts.headers, &[WASM])?;
    let url = web.origin(&parts.uri, &parts.headers)?.logic(&name);
    let component = web.component_limits().read(&parts.headers, body).await?;
    // Not before: clients that send nothing would keep all others from uploading.
    let Ok(_permit) = web.uploads.try_acquire() else {
        let limit = web.options.max_uploads;
        let detail = format!("{limit} uploaded components are being checked, which is the limit");
        return Err(Problem::overloaded(detail, "max uploads", limit));
    };
    let metrics = &web.services.metrics;
    let UploadQuery { publish, force, dry_run } = query;
    let upload = UploadOptions { publish, force, dry_run, client: Some(client) };
    let uploaded = web.services.plugins.upload(name.clone(), component, upload).await;
    let outcome = if uploaded.is_ok() { &metrics.uploads_accepted } else { &metrics.uploads_refused };
    outcome.fetch_add(u64::from(!dry_run), Ordering::Relaxed);
    let accepted = uploaded?;
    let body = UploadedBody::new(&name, &accepted, dry_run);
    if dry_run {
        return json_response(StatusCode::OK, &body);
    }
    let mut response = json_response(StatusCode::CREATED, &body)?;
    name_logic(response.headers_mut(), &accepted.id);
    if let Ok(location) = HeaderValue::from_str(&url) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Changes the rollout of a logic: makes a version live, makes one the candidate, withdraws the candidate, or sets whether
/// lists share instances. The change takes effect with the next command and is durable when the response is sent.
#[utoipa::path(patch, path = "/logic/{name}", tag = "logic", operation_id = "patchLogic",
    request_body(content = LogicPatch), params(("name" = LogicName, Path, description = "The logic's name")), responses(
    (status = 200, description = "The logic after the change", body = LogicDetailBody),
    WriteProblems, BodyProblems, AbsentProblem, VersionProblem))]
pub(super) async fn change(
    State(web): Shared,
    LogicPath(name): LogicPath,
    Operator(client): Operator,
    _: NoQuery,
    request: Request,
) -> HandlerResult {
    let (parts, body) = request.into_parts();
    require_type(&parts.headers, &["application/merge-patch+json", "application/json"])?;
    let patch: LogicPatch = json::read(&web.body_limits().read(&parts.headers, body).await?)?;
    web.services.plugins.update(name.clone(), patch.into_update(client)?).await?;
    describe(&web, &name)
}

/// Deletes a version that nothing uses. Its component is removed with the next change of the logic.
#[utoipa::path(delete, path = "/logic/{name}/versions/{digest}", tag = "logic", operation_id = "deleteVersion",
    params(("name" = LogicName, Path, description = "The logic's name"),
        ("digest" = schemas::DigestInPath, Path, description = "The component's SHA-256: 64 hexadecimal digits, `sha256:` before them or not"),
        DeleteQuery),
    responses((status = 204, description = "The version is deleted"), WriteProblems, AbsentProblem, VersionProblem))]
pub(super) async fn delete(
    State(web): Shared,
    VersionPath(name, digest): VersionPath,
    Operator(client): Operator,
    query: DeleteQuery,
) -> HandlerResult {
    let options = DeleteOptions { force: query.force, client: Some(client) };
    web.services.plugins.delete(name, digest, options).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Reads the component of a version, byte for byte.
#[utoipa::path(get, path = "/logic/{name}/versions/{digest}", tag = "logic", operation_id = "getComponent",
    params(("name" = LogicName, Path, description = "The logic's name"),
        ("digest" = schemas::DigestInPath, Path, description = "The component's SHA-256: 64 hexadecimal digits, `sha256:` before them or not")),
    responses((status = 200, description = "The component", body = schemas::Component, content_type = "application/wasm"), ReadProblems, AbsentProblem))]
pub(super) async fn component(
    State(web): Shared,
    VersionPath(name, digest): VersionPath,
    room: AnswerRoom,
    _: NoQuery,
) -> HandlerResult {
    let reserved = room.reserve(web.options.max_component_bytes)?;
    let bytes = web.services.plugins.component(name, digest).await?;
    let mut response = empty(StatusCode::OK);
    *response.body_mut() = bytes.into();
    reserved.attach_to(&mut response);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(WASM));
    Ok(response)
}

/// Reads the description that a version gives of itself: the fields, settings, commands and views of the lists that it decides
/// about. It never changes.
#[utoipa::path(get, path = "/logic/{name}/versions/{digest}/description", tag = "logic", operation_id = "getVersionDescription",
    params(("name" = LogicName, Path, description = "The logic's name"),
        ("digest" = schemas::DigestInPath, Path, description = "The component's SHA-256: 64 hexadecimal digits, `sha256:` before them or not"),
        ReadConditions),
    responses((status = 200, description = "The description", body = VersionDescriptionBody, headers(
        ("ETag" = schemas::ContentTag, description = "The digest and the version of the server, as a strong tag"),
        ("Cache-Control" = String, description = "A day, `immutable`: a later server may give more members"))),
    (status = 304, description = "It has not changed"), ReadProblems, AbsentProblem, StaleProblem))]
pub(super) async fn description(
    State(web): Shared,
    VersionPath(name, digest): VersionPath,
    headers: HeaderMap,
    _: NoQuery,
) -> HandlerResult {
    let version = loaded_version(&web, &name, digest).await?;
    // A later server may give more members of the same component.
    let tag = format!("\"{}-{}\"", hex(&digest), env!("CARGO_PKG_VERSION"));
    let tag = HeaderValue::from_str(&tag).expect("quotes and digits are valid in a header");
    let mut response = match freshness(&headers, &tag)? {
        Freshness::Fresh => empty(StatusCode::NOT_MODIFIED),
        Freshness::Stale => json_response(StatusCode::OK, &VersionDescriptionBody::new(&version))?,
    };
    response.headers_mut().insert(header::ETAG, tag);
    response.headers_mut().insert(header::CACHE_CONTROL, IMMUTABLE);
    Ok(response)
}

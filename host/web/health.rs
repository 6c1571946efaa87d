//! What those ask who run the server rather than use it.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::openapi::ReadProblems;
use super::problem::{HandlerResult, Problem, ProblemKind};
use super::query::NoQuery;
use super::representations::json_response;
use super::state::Shared;

/// That all is well.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// `live` or `ready`.
    status: &'static str,
}

/// Whether the process is alive: if it answers, it is.
#[utoipa::path(get, path = "/livez", tag = "operation", operation_id = "getLiveness", responses((status = 200, description = "It is alive", body = Health)))]
pub(super) async fn live() -> HandlerResult {
    json_response(StatusCode::OK, &Health { status: "live" })
}

/// Whether the server wants requests: not before it is started up, and not when it is stopping.
#[utoipa::path(get, path = "/readyz", tag = "operation", operation_id = "getReadiness", responses(
    (status = 200, description = "It wants requests", body = Health), ReadProblems))]
pub(super) async fn ready(State(web): Shared) -> HandlerResult {
    if web.services.readiness.is_ready() {
        return json_response(StatusCode::OK, &Health { status: "ready" });
    }
    Err(Problem::new(ProblemKind::NotReady, "the server is starting or stopping"))
}

/// What the server counts, in the OpenMetrics text format.
#[utoipa::path(get, path = "/metrics", tag = "operation", operation_id = "getMetrics", responses(
    (status = 200, description = "The counters", body = String, content_type = "application/openmetrics-text")))]
pub(super) async fn metrics(State(web): Shared, _: NoQuery) -> HandlerResult {
    let services = &web.services;
    let text = services.metrics.render(services.cache.resident(), &services.registry);
    let text = text.map_err(|error| Problem::internal("the counters could not be written", error))?;
    let mut response = Response::new(text.into());
    let of_type = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, of_type);
    Ok(response)
}

//! Handlers for probes and scrapers.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::openapi::ProbeProblems;
use super::problem::{HandlerResult, Problem, ProblemKind};
use super::query::NoQuery;
use super::readiness::Readiness;
use super::representations::{json_response, sized};
use super::state::{Shared, Web};
use crate::metrics::Readings;
use crate::plugins::LoaderDied;

/// Result of a probe that succeeds.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// What the probe asked for.
    status: HealthStatus,
}

/// What a probe asked for.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum HealthStatus {
    /// The process is alive.
    Live,
    /// The server wants requests.
    Ready,
}

/// A part of the server whose failure stops its work.
struct Component {
    /// The name in metrics and problems.
    name: &'static str,
    /// Why it failed.
    fault: Option<String>,
    /// Whether the component works again by itself once the cause has gone.
    recovers: bool,
}

fn components(web: &Web) -> [Component; 3] {
    let store = web.cache().environment().store.health();
    let wake_ups = web.cache().wake_ups_have_failed();
    [
        Component {
            name: "store",
            fault: (!store.is_healthy()).then(|| store.to_string()),
            recovers: store.recovers(),
        },
        Component {
            name: "wake-ups",
            fault: wake_ups.then(|| "the task that wakes lists crashed".into()),
            recovers: false,
        },
        loader_component(web.services.plugins.health()),
    ]
}

fn loader_component(health: Result<(), LoaderDied>) -> Component {
    Component { name: "loader", fault: health.err().map(|died| died.to_string()), recovers: false }
}

/// Reports whether the process is alive. It is if it responds.
///
/// If the server has an address for probes and scrapers (`--admin-listen`), this is there and not here.
#[utoipa::path(get, path = "/livez", tag = "operation", operation_id = "getLiveness", responses(
    (status = 200, description = "The process is alive", body = Health), ProbeProblems))]
pub(super) async fn live() -> HandlerResult {
    json_response(StatusCode::OK, &Health { status: HealthStatus::Live })
}

/// Reports whether the server wants requests. It does not while it starts or stops, while the store has no
/// room, or after a component failed.
///
/// If the server has an address for probes and scrapers (`--admin-listen`), this is there and not here.
#[utoipa::path(get, path = "/readyz", tag = "operation", operation_id = "getReadiness", responses(
    (status = 200, description = "The server wants requests", body = Health), ProbeProblems))]
pub(super) async fn ready(State(web): Shared) -> HandlerResult {
    if let Some(problem) = phase_problem(&web.services.readiness) {
        return Err(problem);
    }
    for Component { name, fault, recovers } in components(&web) {
        let Some(fault) = fault else { continue };
        return Err(match recovers {
            true => Problem::waiting_component(name, &fault),
            false => Problem::failed_component(name, &fault),
        });
    }
    json_response(StatusCode::OK, &Health { status: HealthStatus::Ready })
}

/// The problem of a server that starts or stops. Only a server that starts asks for a retry.
fn phase_problem(readiness: &Readiness) -> Option<Problem> {
    if readiness.is_ready() {
        return None;
    }
    let problem = Problem::new(ProblemKind::NotReady, "the server is starting or stopping");
    Some(if readiness.is_starting() { problem.with_retry() } else { problem })
}

/// Reads the server's metrics in the OpenMetrics text format.
///
/// If the server has an address for probes and scrapers (`--admin-listen`), this is there and not here.
#[utoipa::path(get, path = "/metrics", tag = "operation", operation_id = "getMetrics", responses(
    (status = 200, description = "The metrics", body = String, content_type = "application/openmetrics-text"), ProbeProblems))]
pub(super) async fn metrics(State(web): Shared, _: NoQuery) -> HandlerResult {
    let services = &web.services;
    let components = components(&web).into_iter().map(|component| (component.name, component.fault.is_none()));
    let readings = Readings {
        resident: services.cache.resident(),
        resident_bytes: services.cache.environment().list_memory.used(),
        unreadable: services.cache.environment().store.unreadable_count(),
        damage: services.cache.environment().store.damage_count(),
        log_bytes: services.cache.environment().store.log_bytes(),
        components: components.collect(),
        lists_by_version: services.cache.lists_by_version(),
    };
    let text = services.metrics.render(readings, &services.registry);
    let text = text.map_err(|error| Problem::internal("cannot write the metrics", error))?;
    let mut response = Response::new(sized(text.into_bytes()));
    let media_type = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    #[test]
    fn a_server_whose_loader_died_has_a_failed_component() {
        let component = loader_component(Err(LoaderDied));
        assert_eq!(component.name, "loader");
        assert_eq!(component.fault.as_deref(), Some(LoaderDied.to_string().as_str()));
        assert_eq!(loader_component(Ok(())).fault, None);
    }

    #[test]
    fn a_server_that_starts_asks_for_a_retry_and_one_that_stops_does_not() {
        let readiness = Readiness::default();
        let asks = |readiness: &Readiness| {
            let response = phase_problem(readiness)?.into_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            Some(response.headers().contains_key(header::RETRY_AFTER))
        };
        assert_eq!(asks(&readiness), Some(true));
        readiness.ready();
        assert_eq!(asks(&readiness), None);
        readiness.drain();
        assert_eq!(asks(&readiness), Some(false));
    }
}

//! Routes, and the middleware that every request passes.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{Any as AnyOrigin, CorsLayer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::headers::HOTLIST_LOGIC;
use super::problem::{Access, Problem, ProblemKind};
use super::state::{Shared, Web};
use super::{assets, commands, entries, events, health, history, lists, logic, openapi, paths, recording, undo, views};
use crate::metrics::RequestClass;

/// Paths that need neither a caller nor a known host, for probes and scrapers.
const UNRESTRICTED: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// The collection and its entries, which pages of other origins may use.
fn cross_origin_routes() -> OpenApiRouter<Arc<Web>> {
    OpenApiRouter::new().routes(routes!(entries::all, entries::add, entries::clear)).routes(routes!(
        entries::one,
        entries::change,
        entries::delete
    ))
}

/// All other routes.
fn same_origin_routes() -> OpenApiRouter<Arc<Web>> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(lists::all))
        .routes(routes!(lists::describe, lists::set, lists::delete))
        .routes(routes!(commands::run))
        .routes(routes!(views::read))
        .routes(routes!(history::read))
        .routes(routes!(undo::undo))
        .routes(routes!(recording::read))
        .routes(routes!(events::follow))
        .routes(routes!(logic::all))
        .routes(routes!(logic::one, logic::upload, logic::change))
        .routes(routes!(logic::component))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .routes(routes!(assets::contract))
        .routes(routes!(assets::page))
        .routes(routes!(assets::script))
        .routes(routes!(assets::style))
}

/// The routes with their documentation.
pub(super) fn documented() -> OpenApiRouter<Arc<Web>> {
    same_origin_routes().merge(cross_origin_routes())
}

/// The router that serves requests.
pub(super) fn router(web: &Arc<Web>) -> Router {
    let cross_origin = match web.options.caller_header {
        // A proxy decides who the caller is, and a page of another origin must not act in the caller's name.
        Some(_) => cross_origin_routes(),
        None => cross_origin_routes().layer(cors()),
    };
    let (router, _) = same_origin_routes().merge(cross_origin).split_for_parts();
    router
        .fallback(no_route)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(web.clone(), instrument))
        .with_state(web.clone())
}

fn cors() -> CorsLayer {
    let header = HeaderName::from_static;
    CorsLayer::new()
        .allow_origin(AnyOrigin)
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers([header::CONTENT_TYPE, header::IF_MATCH, header::IF_NONE_MATCH, header("idempotency-key")])
        .expose_headers([header::ETAG, header::LOCATION, header::LINK, HOTLIST_LOGIC.clone()])
}

/// Checks, counts and logs a request, also one without a route.
async fn instrument(State(web): Shared, route: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let clock = &web.services.clock;
    let started = clock.monotonic();
    let method = request.method().clone();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let mut response = match admit(&web, route, &request) {
        Ok(()) => with_method_problem(next.run(request).await),
        Err(problem) => problem.into_response(),
    };
    let took = clock.monotonic().saturating_sub(started);
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        problem.write_to(&mut response, if method.is_safe() { Access::Read } else { Access::Write });
        web.log_failure(&problem);
    }
    let metrics = &web.services.metrics;
    metrics.count_request(route, method.as_str(), response.status().as_u16());
    metrics.observe_latency(class(&method, route), took);
    tracing::debug!(%method, route, status = response.status().as_u16(), ?took, "answered");
    response
}

/// Refuses requests before a handler sees them.
fn admit(web: &Web, route: &str, request: &Request) -> Result<(), Problem> {
    paths::check(request.uri())?;
    if !UNRESTRICTED.contains(&route) {
        web.check_host(request.uri(), request.headers())?;
        web.caller(request.headers())?;
    }
    Ok(())
}

/// Gives a 405 the problem document that the router leaves out.
fn with_method_problem(response: Response) -> Response {
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    let allow = response.headers().get(header::ALLOW).cloned();
    let allowed = allow.as_ref().and_then(|allow| allow.to_str().ok()).unwrap_or("none");
    let detail = format!("the methods of this path are: {}", allowed.replace(',', ", "));
    let mut response = Problem::new(ProblemKind::Method, detail).into_response();
    if let Some(allow) = allow {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

fn class(method: &Method, route: &str) -> RequestClass {
    match *method {
        Method::GET | Method::HEAD | Method::OPTIONS => RequestClass::Read,
        _ if route.starts_with("/logic") => RequestClass::Upload,
        _ => RequestClass::Write,
    }
}

async fn no_route() -> Problem {
    Problem::new(ProblemKind::NoRoute, "there is nothing at this path; /openapi.json lists the paths there are")
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    Problem::internal("a handler panicked", text.unwrap_or("without a text")).into_response()
}

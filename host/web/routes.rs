//! Which handler answers what, and what every request goes through around it.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{Any as AnyOrigin, CorsLayer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::{Kind, Problem};
use super::{
    Shared, Web, assets, commands, entries, events, health, history, lists, logic, openapi, paths, recording,
    representations, undo,
};
use crate::metrics::Work;

/// The paths that answer also who does not say who asks: probes and scrapers.
const FOR_ANYBODY: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// The collection and its entries, which pages of other origins may use.
fn open_to_browsers() -> OpenApiRouter<Arc<Web>> {
    OpenApiRouter::new().routes(routes!(entries::all, entries::add, entries::clear)).routes(routes!(
        entries::one,
        entries::change,
        entries::delete
    ))
}

/// All the rest.
fn own() -> OpenApiRouter<Arc<Web>> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(lists::all))
        .routes(routes!(lists::describe, lists::set, lists::delete))
        .routes(routes!(commands::run))
        .routes(routes!(commands::view))
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
    own().merge(open_to_browsers())
}

/// The routes, ready to answer.
pub(super) fn router(web: &Arc<Web>) -> Router {
    let open = match web.options.caller_header {
        // Who may ask is decided by a proxy, and a page of another origin cannot speak for a caller.
        Some(_) => open_to_browsers(),
        None => open_to_browsers().layer(cors()),
    };
    let (router, _) = own().merge(open).split_for_parts();
    router
        .fallback(nothing_here)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(web.clone(), around))
        .with_state(web.clone())
}

fn cors() -> CorsLayer {
    let header = HeaderName::from_static;
    CorsLayer::new()
        .allow_origin(AnyOrigin)
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers([header::CONTENT_TYPE, header::IF_MATCH, header::IF_NONE_MATCH, header("idempotency-key")])
        .expose_headers([header::ETAG, header::LOCATION, header::LINK, representations::HOTLIST_LOGIC.clone()])
}

/// What every request goes through, the known and the unknown ones.
async fn around(State(web): Shared, route: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let response = match admit(&web, route, &request) {
        Ok(()) => named(next.run(request).await),
        Err(problem) => problem.into_response(),
    };
    let took = started.elapsed();
    let metrics = &web.services.metrics;
    metrics.request(route, method.as_str(), response.status().as_u16());
    metrics.took(work(&method, route), took);
    tracing::debug!(%method, route, status = response.status().as_u16(), ?took, "answered");
    response
}

/// Refuses what no handler should have to look at.
fn admit(web: &Web, route: &str, request: &Request) -> Result<(), Problem> {
    paths::check(request.uri())?;
    if !FOR_ANYBODY.contains(&route) {
        web.check_host(request.uri(), request.headers())?;
        web.caller(request.headers())?;
    }
    Ok(())
}

/// The answer to a method that a path does not have comes without a body: gives it one.
fn named(response: Response) -> Response {
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    let allow = response.headers().get(header::ALLOW).cloned();
    let allowed = allow.as_ref().and_then(|allow| allow.to_str().ok()).unwrap_or("none");
    let detail = format!("the methods of this path are: {}", allowed.replace(',', ", "));
    let mut named = Problem::new(Kind::Method, detail).into_response();
    if let Some(allow) = allow {
        named.headers_mut().insert(header::ALLOW, allow);
    }
    named
}

fn work(method: &Method, route: &str) -> Work {
    match *method {
        Method::GET | Method::HEAD | Method::OPTIONS => Work::Read,
        _ if route.starts_with("/logic") => Work::Upload,
        _ => Work::Write,
    }
}

async fn nothing_here() -> Problem {
    Problem::new(Kind::NoRoute, "there is nothing at this path; /openapi.json says what there is")
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    Problem::internal("a handler panicked", text.unwrap_or("without a text")).into_response()
}

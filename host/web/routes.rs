//! Routes, and the middleware that every request passes.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::PathItem;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer_budget::{AnswerRoom, Reservation, WRITE_BYTES};
use super::cross_origin::preflight;
use super::gzip::Compressible;
use super::headers::protect;
use super::problem::{Access, Problem, ProblemKind};
use super::state::{Shared, Web};
use super::{
    answer_room, assets, commands, entries, events, health, history, lists, logic, openapi, paths, plain, recording,
    undo, views,
};
use crate::metrics::RequestClass;

/// Paths that need no caller, for probes and scrapers.
const WITHOUT_CALLER: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// The routes with their documentation.
pub(super) fn documented() -> OpenApiRouter<Arc<Web>> {
    for_clients().merge(for_operation())
}

/// The routes for clients.
fn for_clients() -> OpenApiRouter<Arc<Web>> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(lists::all))
        .routes(routes!(lists::describe, lists::set, lists::delete))
        .routes(routes!(entries::all, entries::add, entries::clear))
        .routes(routes!(entries::one, entries::change, entries::delete))
        .routes(routes!(commands::run))
        .routes(routes!(views::read))
        .routes(routes!(history::read))
        .routes(routes!(history::changes))
        .routes(routes!(undo::undo))
        .routes(routes!(recording::read))
        .routes(routes!(events::follow))
        .routes(routes!(events::follow_several))
        .routes(routes!(logic::all))
        .routes(routes!(logic::one, logic::upload, logic::change))
        .routes(routes!(logic::lists::lists))
        .routes(routes!(logic::component, logic::delete))
        .routes(routes!(logic::description))
        .routes(routes!(assets::contract))
        .routes(routes!(assets::page))
        .routes(routes!(assets::script))
        .routes(routes!(assets::stream))
        .routes(routes!(assets::style))
        .routes(routes!(assets::icon))
        .routes(routes!(plain::lists))
        .routes(routes!(plain::list))
}

/// The routes for probes and scrapers.
fn for_operation() -> OpenApiRouter<Arc<Web>> {
    OpenApiRouter::default()
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
}

/// The router that serves requests.
pub(super) fn router(web: &Arc<Web>) -> Router {
    let routes = if web.options.has_operation_routes { documented() } else { for_clients() };
    with_middleware(web, routes, "/openapi.json lists the paths there are")
}

/// The router that serves probes and scrapers on a listener of their own.
pub(super) fn admin_router(web: &Arc<Web>) -> Router {
    with_middleware(web, for_operation(), "the paths of probes and scrapers are /livez, /readyz and /metrics")
}

/// `paths` tells a client whose path has no route which paths there are.
fn with_middleware(web: &Arc<Web>, routes: OpenApiRouter<Arc<Web>>, paths: &'static str) -> Router {
    let (router, _) = routes.split_for_parts();
    router
        .fallback(async move || no_route(paths))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(web.clone(), instrument))
        .with_state(web.clone())
}

/// Checks, counts and logs a request, also one without a route.
async fn instrument(State(web): Shared, route: Option<MatchedPath>, mut request: Request, next: Next) -> Response {
    let clock = &web.services.clock;
    let started = clock.monotonic();
    let method = request.method().clone();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let allowed = web.allowed_origin(route, request.headers());
    let mut room = web.room(request.extensions());
    let compressible = Compressible::of(&method, request.headers());
    let mut reserved = None;
    let mut response = match admit(&web, route, allowed.is_some(), &request) {
        Ok(None) => match reserve(&web, &mut room, &mut request) {
            Ok(of_write) => {
                reserved = of_write;
                with_method_problem(next.run(request).await, route)
            }
            Err(problem) => problem.into_response(),
        },
        Ok(Some(preflight)) => preflight,
        Err(problem) => problem.into_response(),
    };
    let took = clock.monotonic().saturating_sub(started);
    write_problem(&web, &method, &mut response);
    if let Err(problem) = answer_room::count(&mut response, &room, &method, reserved) {
        response = problem.into_response();
        write_problem(&web, &method, &mut response);
    }
    let mut response = compressible.apply(response, &room).await;
    protect(response.headers_mut());
    web.share(&mut response, allowed);
    let metrics = &web.services.metrics;
    metrics.count_request(route, method.as_str(), response.status().as_u16());
    metrics.observe_latency(class(&method, route), took);
    tracing::debug!(%method, route, status = response.status().as_u16(), ?took, "answered");
    response
}

/// Writes the problem of a response as its body, and logs it.
fn write_problem(web: &Web, method: &Method, response: &mut Response) {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        problem.write_to(response, if method.is_safe() { Access::Read } else { Access::Write });
        web.log_failure(&problem);
    }
}

/// Refuses requests before a handler sees them, and answers the preflights of pages of an allowed origin.
fn admit(web: &Web, route: &str, is_allowed_origin: bool, request: &Request) -> Result<Option<Response>, Problem> {
    paths::check(request.uri())?;
    web.check_host(request)?;
    if !is_allowed_origin {
        web.check_page(request)?;
    } else if let Some(response) = preflight(request) {
        // A browser asks without credentials, so no proxy could name the caller.
        return Ok(Some(response));
    }
    if !WITHOUT_CALLER.contains(&route) {
        web.caller(request.headers(), request.extensions())?;
    }
    Ok(None)
}

/// Reserves the room of a request that writes, and gives it to the handler as well. A handler of a request that reads
/// reserves the room of its answer itself. Behind a proxy, the room is that of the caller.
fn reserve(web: &Web, room: &mut AnswerRoom, request: &mut Request) -> Result<Option<Arc<Reservation>>, Problem> {
    web.give_room_of_caller(room, request);
    if request.method().is_safe() {
        return Ok(None);
    }
    let reserved = Arc::new(room.reserve(WRITE_BYTES.max(web.options.max_body_bytes))?);
    request.extensions_mut().insert(reserved.clone());
    Ok(Some(reserved))
}

/// Gives a 405 the problem document that the router leaves out. The router sets `Allow` later.
fn with_method_problem(response: Response, route: &str) -> Response {
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    let detail = match METHODS.get(route) {
        Some(methods) => format!("the methods of this path are: {methods}"),
        None => "the path does not have this method".to_owned(),
    };
    Problem::new(ProblemKind::Method, detail).into_response()
}

/// The methods of each route, for people.
static METHODS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let methods = |item: &PathItem| {
        let all = [
            ("GET, HEAD", &item.get),
            ("PUT", &item.put),
            ("POST", &item.post),
            ("PATCH", &item.patch),
            ("DELETE", &item.delete),
        ];
        all.into_iter()
            .filter(|(_, operation)| operation.is_some())
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let document = documented().into_openapi();
    document.paths.paths.iter().map(|(route, item)| (route.clone(), methods(item))).collect()
});

fn class(method: &Method, route: &str) -> RequestClass {
    match *method {
        Method::GET | Method::HEAD | Method::OPTIONS => RequestClass::Read,
        _ if route.starts_with("/logic") => RequestClass::Upload,
        _ => RequestClass::Write,
    }
}

fn no_route(paths: &str) -> Problem {
    Problem::new(ProblemKind::NoRoute, format!("there is nothing at this path; {paths}"))
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    Problem::internal("a handler panicked", text.unwrap_or("without a text")).into_response()
}

//! The web page and the OpenAPI document, which are part of the program.
//!
//! The page is five files, each with an entity tag of its own. The scripts are written in parts, and each is served as one.

use std::sync::LazyLock;
use std::thread;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};

use super::conditions::ReadConditions;
use super::openapi::{ReadProblems, StaleProblem};
use super::problem::HandlerResult;
use super::query::NoQuery;
use super::schemas::ContentTag;
use super::state::Shared;
use super::tagged_content::TaggedContent;

/// Parts of the page's script, each after the parts that it needs.
const SCRIPTS: &str = concat!(
    include_str!("assets/server.js"),
    include_str!("assets/stream_hub.js"),
    include_str!("assets/stream.js"),
    include_str!("assets/forms.js"),
    include_str!("assets/entry_cache.js"),
    include_str!("assets/undo.js"),
    include_str!("assets/overview.js"),
    include_str!("assets/revisions.js"),
    include_str!("assets/editor.js"),
    include_str!("assets/entries.js"),
    include_str!("assets/mark_all.js"),
    include_str!("assets/history.js"),
    include_str!("assets/rules.js"),
    include_str!("assets/list.js"),
    include_str!("assets/live.js"),
    include_str!("assets/page.js"),
);

/// The script of the worker that the windows of a browser share.
const STREAM: &str = concat!(include_str!("assets/stream_hub.js"), include_str!("assets/stream_worker.js"));

static PAGE: LazyLock<TaggedContent> =
    LazyLock::new(|| text("text/html; charset=utf-8", include_str!("assets/index.html")));
static SCRIPT: LazyLock<TaggedContent> = LazyLock::new(|| text("text/javascript; charset=utf-8", SCRIPTS));
static WORKER: LazyLock<TaggedContent> = LazyLock::new(|| text("text/javascript; charset=utf-8", STREAM));
static STYLE: LazyLock<TaggedContent> =
    LazyLock::new(|| text("text/css; charset=utf-8", include_str!("assets/style.css")));
static ICON: LazyLock<TaggedContent> = LazyLock::new(|| text("image/svg+xml", include_str!("assets/favicon.svg")));

fn text(media_type: &'static str, content: &'static str) -> TaggedContent {
    TaggedContent::compressed(HeaderValue::from_static(media_type), content)
}

/// Compresses the files of the page, if that has not been done. It takes a moment, so that it has a thread of its own.
pub(super) fn prepare() {
    let all = [&PAGE, &SCRIPT, &WORKER, &STYLE, &ICON];
    let prepared = thread::Builder::new().name("assets".into()).spawn(move || all.map(LazyLock::force));
    if let Err(error) = prepared {
        tracing::debug!(%error, "the first requests compress the files of the page");
    }
}

/// The page. It has no parameters, and ignores those that other sites add to links.
#[utoipa::path(get, path = "/", tag = "page", operation_id = "getPage", params(ReadConditions), responses(
    (status = 200, description = "The page", body = String, content_type = "text/html", headers(("ETag" = ContentTag, description = "The tag of its digest"))),
    (status = 304, description = "It has not changed"), ReadProblems, StaleProblem))]
pub(super) async fn page(headers: HeaderMap) -> HandlerResult {
    PAGE.respond(&headers)
}

/// The page's script.
#[utoipa::path(get, path = "/app.js", tag = "page", operation_id = "getScript", params(ReadConditions), responses(
    (status = 200, description = "The script", body = String, content_type = "text/javascript", headers(("ETag" = ContentTag, description = "The tag of its digest"))),
    (status = 304, description = "It has not changed"), ReadProblems, StaleProblem))]
pub(super) async fn script(headers: HeaderMap, _: NoQuery) -> HandlerResult {
    SCRIPT.respond(&headers)
}

/// The script of the event stream that the windows of a browser share.
#[utoipa::path(get, path = "/stream.js", tag = "page", operation_id = "getStreamScript", params(ReadConditions), responses(
    (status = 200, description = "The script", body = String, content_type = "text/javascript", headers(("ETag" = ContentTag, description = "The tag of its digest"))),
    (status = 304, description = "It has not changed"), ReadProblems, StaleProblem))]
pub(super) async fn stream(headers: HeaderMap, _: NoQuery) -> HandlerResult {
    WORKER.respond(&headers)
}

/// The page's style.
#[utoipa::path(get, path = "/style.css", tag = "page", operation_id = "getStyle", params(ReadConditions), responses(
    (status = 200, description = "The style sheet", body = String, content_type = "text/css", headers(("ETag" = ContentTag, description = "The tag of its digest"))),
    (status = 304, description = "It has not changed"), ReadProblems, StaleProblem))]
pub(super) async fn style(headers: HeaderMap, _: NoQuery) -> HandlerResult {
    STYLE.respond(&headers)
}

/// The page's icon.
#[utoipa::path(get, path = "/favicon.svg", tag = "page", operation_id = "getIcon", params(ReadConditions), responses(
    (status = 200, description = "The icon", body = String, content_type = "image/svg+xml", headers(("ETag" = ContentTag, description = "The tag of its digest"))),
    (status = 304, description = "It has not changed"), ReadProblems, StaleProblem))]
pub(super) async fn icon(headers: HeaderMap, _: NoQuery) -> HandlerResult {
    ICON.respond(&headers)
}

/// This contract.
#[utoipa::path(get, path = "/openapi.json", tag = "operation", operation_id = "getContract", params(ReadConditions), responses(
    (status = 200, description = "The contract, as OpenAPI 3.1", body = Object, headers(("ETag" = ContentTag, description = "The tag of its digest"))),
    (status = 304, description = "It has not changed"), ReadProblems, StaleProblem))]
pub(super) async fn contract(State(web): Shared, headers: HeaderMap, _: NoQuery) -> HandlerResult {
    web.contract.respond(&headers)
}

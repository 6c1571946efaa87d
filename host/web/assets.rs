//! The page, which is part of the program: three files, each under a tag of its own content. The
//! script is written in parts and served as one.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::Answer;
use super::openapi::{self, ReadProblems};
use super::preconditions::{Freshness, freshness};
use super::query::NoQuery;
use super::representations::empty;
use crate::list::revision::hex;

/// A file and its tag.
struct Asset {
    media_type: &'static str,
    content: Bytes,
    tag: HeaderValue,
}

impl Asset {
    fn new(media_type: &'static str, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let digest = hex(&Sha256::digest(&content)[..16]);
        let tag = HeaderValue::from_str(&format!("\"{digest}\"")).expect("quotes and digits may stand in a header");
        Self { media_type, content, tag }
    }

    fn answer(&self, headers: &HeaderMap) -> Answer {
        let mut response = match freshness(headers, &self.tag)? {
            Freshness::Fresh => empty(StatusCode::NOT_MODIFIED),
            Freshness::Stale => Response::new(self.content.clone().into()),
        };
        let of_type = HeaderValue::from_static(self.media_type);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, of_type);
        headers.insert(header::ETAG, self.tag.clone());
        for (name, value) in [
            (header::CACHE_CONTROL, "no-cache"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CONTENT_SECURITY_POLICY, "default-src 'self'; base-uri 'none'; frame-ancestors 'none'"),
            (header::REFERRER_POLICY, "no-referrer"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Ok(response)
    }
}

/// The parts of the page's one script, in the order in which they need each other.
const SCRIPTS: &str = concat!(
    include_str!("assets/server.js"),
    include_str!("assets/person.js"),
    include_str!("assets/known.js"),
    include_str!("assets/undo.js"),
    include_str!("assets/entries.js"),
    include_str!("assets/history.js"),
    include_str!("assets/rules.js"),
    include_str!("assets/page.js"),
);

static PAGE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("text/html; charset=utf-8", include_str!("assets/index.html")));
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| Asset::new("text/javascript; charset=utf-8", SCRIPTS));
static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("text/css; charset=utf-8", include_str!("assets/style.css")));
static CONTRACT: LazyLock<Asset> = LazyLock::new(|| Asset::new("application/json", openapi::text()));

/// The page.
#[utoipa::path(get, path = "/", tag = "page", operation_id = "getPage", responses(
    (status = 200, description = "The page", body = String, content_type = "text/html"), ReadProblems))]
pub(super) async fn page(headers: HeaderMap, _: NoQuery) -> Answer {
    PAGE.answer(&headers)
}

/// The page's script.
#[utoipa::path(get, path = "/app.js", tag = "page", operation_id = "getScript", responses(
    (status = 200, description = "The script", body = String, content_type = "text/javascript"), ReadProblems))]
pub(super) async fn script(headers: HeaderMap, _: NoQuery) -> Answer {
    SCRIPT.answer(&headers)
}

/// The page's style.
#[utoipa::path(get, path = "/style.css", tag = "page", operation_id = "getStyle", responses(
    (status = 200, description = "The style sheet", body = String, content_type = "text/css"), ReadProblems))]
pub(super) async fn style(headers: HeaderMap, _: NoQuery) -> Answer {
    STYLE.answer(&headers)
}

/// This contract.
#[utoipa::path(get, path = "/openapi.json", tag = "operation", operation_id = "getContract", responses(
    (status = 200, description = "The contract, as OpenAPI 3.1", body = Object), ReadProblems))]
pub(super) async fn contract(headers: HeaderMap, _: NoQuery) -> Answer {
    CONTRACT.answer(&headers)
}

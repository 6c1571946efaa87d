//! Pages of other origins: which of them may use this server from a browser, and how the others are refused.
//!
//! A browser sends requests of any page to any server. It asks first (a CORS preflight) only when a request has a header or
//! a method that a plain HTML form cannot have. So a server that only leaves out the CORS headers still carries out what a
//! form sends. Therefore requests that write are refused by what the browser says about their page:
//!
//! 1. `Sec-Fetch-Site`, which no page can set. Browsers leave it out where the server is not on a secure origin.
//! 2. Without it, `Origin`, which every browser sends with a method other than GET and HEAD.
//! 3. Without both, the client is no browser.
//!
//! No response allows credentials, so a page that is allowed acts without the cookies of its reader.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;

use super::host::{host, is_local};
use super::options::CorsOrigin;
use super::problem::{Problem, ProblemKind};
use super::representations::empty;
use super::state::Web;
use super::urls::without_port;

/// The header in which a browser says how the page that sends a request is related to the server.
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// The routes that the pages of all origins may use if [`CorsOrigin::Any`] is allowed: what a client of Todo-Backend needs.
const TODO_BACKEND: [&str; 2] = ["/lists/{list}/entries", "/lists/{list}/entries/{id}"];

/// The answer to a preflight: the methods and headers of the whole interface, and the seconds that it is valid.
const PREFLIGHT: [(header::HeaderName, &str); 3] = [
    (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, PUT, PATCH, DELETE"),
    (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type, if-match, if-none-match, idempotency-key, last-event-id"),
    (header::ACCESS_CONTROL_MAX_AGE, "600"),
];

/// The response headers that a page may read, beside those that it always may.
const EXPOSED: &str = "etag, link, location, retry-after, hotlist-logic, hotlist-total, idempotency-replayed";

impl Web {
    /// The value of `Access-Control-Allow-Origin` if the page that sends a request may use this route from another origin.
    pub(super) fn allowed_origin(&self, route: &str, headers: &HeaderMap) -> Option<HeaderValue> {
        let allowed = &self.options.cors_origins;
        if allowed.is_empty() {
            return None;
        }
        let origin = headers.get(header::ORIGIN)?;
        let is_it =
            |one: &CorsOrigin| matches!(one, CorsOrigin::One(one) if one.as_str().as_bytes() == origin.as_bytes());
        if allowed.iter().any(is_it) {
            return Some(origin.clone());
        }
        let is_open = allowed.contains(&CorsOrigin::Any) && TODO_BACKEND.contains(&route);
        is_open.then(|| HeaderValue::from_static("*"))
    }

    /// Refuses a request that writes and was sent by a page of another origin.
    pub(super) fn check_page(&self, request: &Request) -> Result<(), Problem> {
        if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
            return Ok(());
        }
        let headers = request.headers();
        let (header, given) = match (headers.get(SEC_FETCH_SITE), headers.get(header::ORIGIN)) {
            (Some(site), _) if ["same-origin", "none"].iter().any(|own| site == own) => return Ok(()),
            (Some(site), _) => ("Sec-Fetch-Site", site),
            (None, None) => return Ok(()),
            (None, Some(origin)) if self.is_own(origin, host(request.uri(), headers)?) => return Ok(()),
            (None, Some(origin)) => ("Origin", origin),
        };
        let detail = format!(
            "a page of another origin sent this request ({header}: {}); allow its origin with --cors-origin if it may",
            String::from_utf8_lossy(given.as_bytes())
        );
        Err(Problem::new(ProblemKind::CrossOrigin, detail).with_field(header))
    }

    /// Whether an origin is this server's.
    fn is_own(&self, origin: &HeaderValue, host: &str) -> bool {
        let (public, name) = (self.options.public_url.as_ref(), without_port(host));
        if public.is_some_and(|url| origin == url.origin().as_str()) {
            return true;
        }
        // Under its public name the server has the scheme and the port of the public URL alone.
        let is_public = public.is_some_and(|url| url.host().eq_ignore_ascii_case(name));
        let is_host = |of: &[u8]| of.eq_ignore_ascii_case(host.as_bytes());
        !is_public && is_local(name) && origin.as_bytes().strip_prefix(b"http://").is_some_and(is_host)
    }

    /// Says in a response what the page of an allowed origin may do with it, and to caches that it depends on the origin.
    pub(super) fn share(&self, response: &mut Response, allowed: Option<HeaderValue>) {
        let headers = response.headers_mut();
        if !self.options.cors_origins.is_empty() {
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = allowed {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
    }
}

/// The answer to a browser that asks whether a page of an allowed origin may send a request, if this is such a question.
pub(super) fn preflight(request: &Request) -> Option<Response<Body>> {
    let asks =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    asks.then(|| {
        let mut response = empty(StatusCode::NO_CONTENT);
        let answers = PREFLIGHT.map(|(name, value)| (name, HeaderValue::from_static(value)));
        response.headers_mut().extend(answers);
        response
    })
}

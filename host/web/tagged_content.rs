//! Fixed content with an entity tag.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::preconditions::{Freshness, freshness};
use super::problem::HandlerResult;
use super::representations::empty;
use crate::list::digest::hex;

/// What a browser may do with the content. The files of the page are revalidated with their tags.
///
/// Forms are sent by scripts only, but a form that an attacker gets into the page could send its fields elsewhere.
const POLICIES: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-cache"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Content that stays the same as long as the program runs, with the tag of its digest.
pub(super) struct TaggedContent {
    media_type: HeaderValue,
    content: Bytes,
    tag: HeaderValue,
}

impl TaggedContent {
    pub(super) fn new(media_type: HeaderValue, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let digest = hex(&Sha256::digest(&content)[..16]);
        let tag = HeaderValue::from_str(&format!("\"{digest}\"")).expect("quotes and digits are valid in a header");
        Self { media_type, content, tag }
    }

    /// Responds to a request with these headers: with the content, or with 304.
    pub(super) fn respond(&self, headers: &HeaderMap) -> HandlerResult {
        let mut response = match freshness(headers, &self.tag)? {
            Freshness::Fresh => empty(StatusCode::NOT_MODIFIED),
            Freshness::Stale => Response::new(self.content.clone().into()),
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, self.media_type.clone());
        headers.insert(header::ETAG, self.tag.clone());
        for (name, value) in POLICIES {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Ok(response)
    }
}

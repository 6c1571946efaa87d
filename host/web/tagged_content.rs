//! Fixed content with an entity tag for each content coding.

use std::io;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzEncoder;
use sha2::{Digest, Sha256};

use super::coding::Coding;
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

/// How hard brotli tries, from 0 to 11. Above 9 it takes seconds in a program that is not optimized.
const BROTLI_QUALITY: i32 = 9;

/// Sets what a browser may do with a page.
pub(super) fn set_policies(headers: &mut HeaderMap) {
    for (name, value) in POLICIES {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Content that stays the same as long as the program runs, with the tag of its digest.
pub(super) struct TaggedContent {
    media_type: HeaderValue,
    tag: HeaderValue,
    /// The content in each coding that there is, the preferred one first. The last is the content itself.
    forms: Vec<(Coding, Bytes)>,
}

impl TaggedContent {
    pub(super) fn new(media_type: HeaderValue, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let digest = hex(&Sha256::digest(&content)[..16]);
        let tag = HeaderValue::from_str(&format!("\"{digest}\"")).expect("quotes and digits are valid in a header");
        Self { media_type, tag, forms: vec![(Coding::Identity, content)] }
    }

    /// The same with compressed forms, which are made now.
    pub(super) fn compressed(media_type: HeaderValue, content: &'static str) -> Self {
        let mut made = Self::new(media_type, content);
        // Without one of them, clients get another one.
        let forms = [(Coding::Brotli, to_brotli(content.as_bytes())), (Coding::Gzip, to_gzip(content.as_bytes()))];
        let forms = forms.into_iter().filter_map(|(coding, form)| Some((coding, form.ok()?)));
        made.forms.splice(0..0, forms);
        made
    }

    /// Responds to a request with these headers: with the content, or with 304.
    pub(super) fn respond(&self, headers: &HeaderMap) -> HandlerResult {
        let offered: Vec<_> = self.forms.iter().map(|(coding, _)| *coding).collect();
        let preferred = Coding::preferred(headers, &offered);
        let form = self.forms.iter().find(|(coding, _)| *coding == preferred);
        let content = form.map(|(_, content)| content.clone()).unwrap_or_default();
        let tag = preferred.tag(&self.tag);
        let mut response = match freshness(headers, &tag)? {
            Freshness::Fresh => empty(StatusCode::NOT_MODIFIED),
            Freshness::Stale => Response::new(content.into()),
        };
        let is_new = response.status() == StatusCode::OK;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, self.media_type.clone());
        headers.insert(header::ETAG, tag);
        if let Some(name) = preferred.name().filter(|_| is_new) {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        if self.forms.len() > 1 {
            headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        set_policies(headers);
        Ok(response)
    }
}

fn to_brotli(mut content: &[u8]) -> io::Result<Bytes> {
    let mut written = Vec::new();
    let parameters = BrotliEncoderParams { quality: BROTLI_QUALITY, size_hint: content.len(), ..Default::default() };
    brotli::BrotliCompress(&mut content, &mut written, &parameters)?;
    Ok(written.into())
}

fn to_gzip(content: &[u8]) -> io::Result<Bytes> {
    let mut written = Vec::new();
    io::copy(&mut GzEncoder::new(content, Compression::best()), &mut written)?;
    Ok(written.into())
}

//! Response headers that several handlers set.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::actor::Reply;
use crate::list::List;
use crate::list::digest::hex;
use crate::list::id::LogicId;

/// Header that names the logic which took part in a response.
pub(super) static HOTLIST_LOGIC: HeaderName = HeaderName::from_static("hotlist-logic");

/// What separates the revision in the entity tag of a list's description from the version.
pub(super) const TAG_SEPARATOR: char = '+';

/// The bytes of a version's digest in the entity tag of a list's description.
const TAGGED_DIGEST_BYTES: usize = 8;

/// Header with the number of items on all pages.
pub(super) static HOTLIST_TOTAL: HeaderName = HeaderName::from_static("hotlist-total");

/// Header of a response that was given before to a request with the same idempotency key.
static IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

static CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// A revision as a strong entity tag.
pub(super) fn etag(revision: u64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{revision}\"")).expect("quotes and digits are valid in a header")
}

/// A strong tag as a weak one, of a response whose bytes may differ where its meaning does not.
pub(super) fn weak(tag: &HeaderValue) -> HeaderValue {
    HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).expect("a tag is valid in a header with a prefix, too")
}

/// The entity tag of a list's description. The list at a revision is described by the version that it is bound to, unless
/// another version decides about it now, such as a canary. The tag names that version.
pub(super) fn description_etag(list: &List, decides: Option<&LogicId>) -> HeaderValue {
    let bound = list.binding().map(|binding| &*binding.id);
    if decides == bound {
        return etag(list.revision());
    }
    let version = decides.map_or_else(|| "none".to_owned(), |version| hex(&version.digest[..TAGGED_DIGEST_BYTES]));
    let tag = format!("\"{}{TAG_SEPARATOR}{version}\"", list.revision());
    HeaderValue::from_str(&tag).expect("quotes, digits and letters are valid in a header")
}

/// Names the logic that took part in a response.
pub(super) fn name_logic(headers: &mut HeaderMap, logic: &LogicId) {
    // Names and versions are ASCII, so this is always a valid header value.
    if let Ok(value) = HeaderValue::from_str(&logic.to_string()) {
        headers.insert(HOTLIST_LOGIC.clone(), value);
    }
}

/// Names the revision that a command led to and the logic that decided, and says whether the response is that of an earlier
/// request.
pub(super) fn describe_reply(headers: &mut HeaderMap, reply: &Reply) {
    headers.insert(header::ETAG, etag(reply.revision));
    name_decision(headers, reply);
}

/// The same without the revision.
pub(super) fn name_decision(headers: &mut HeaderMap, reply: &Reply) {
    name_logic(headers, &reply.logic);
    if reply.is_repeated() {
        mark_replayed(headers);
    }
}

/// Says that a response is that of an earlier request.
pub(super) fn mark_replayed(headers: &mut HeaderMap) {
    headers.insert(IDEMPOTENCY_REPLAYED.clone(), HeaderValue::from_static("true"));
}

/// Sets the headers that every response has, so that no browser keeps it or gives it to another page.
///
/// `no-store` also ends what browsers do with an `ETag` by themselves: a response that is not kept is not revalidated.
/// A script that sends `If-None-Match` still gets its 304, because a `fetch` with a validator of its own bypasses the
/// browser's cache. The page sends none: events say what changed, so what it reads is new. The files of the page and the
/// contract hold no data of users. They have a `Cache-Control` of their own, and browsers revalidate them.
pub(super) fn protect(headers: &mut HeaderMap) {
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Applies to requests without CORS only, such as those of an image or a script. It takes nothing from a page whose
    // origin is allowed, because such a page reads with CORS.
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY.clone(), HeaderValue::from_static("same-origin"));
}

/// The name of a header as problems and documents write it, such as `If-Match`.
pub(super) fn written_name(name: &HeaderName) -> String {
    let word = |word: &str| word.get(..1).map_or(String::new(), |first| first.to_ascii_uppercase() + &word[1..]);
    name.as_str().split('-').map(word).collect::<Vec<_>>().join("-")
}

/// Links to the next page.
pub(super) fn link_next(headers: &mut HeaderMap, url: &str) {
    if let Ok(value) = HeaderValue::from_str(&format!("<{url}>; rel=\"next\"")) {
        headers.insert(header::LINK, value);
    }
}

//! Response headers that several handlers set.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::list::id::LogicId;

/// Header that names the logic which took part in a response.
pub(super) static HOTLIST_LOGIC: HeaderName = HeaderName::from_static("hotlist-logic");

/// A revision as a strong entity tag.
pub(super) fn etag(revision: u64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{revision}\"")).expect("quotes and digits are valid in a header")
}

/// Names the logic that took part in a response.
pub(super) fn name_logic(headers: &mut HeaderMap, logic: &LogicId) {
    // Names and versions are ASCII, so this is always a valid header value.
    if let Ok(value) = HeaderValue::from_str(&logic.to_string()) {
        headers.insert(HOTLIST_LOGIC.clone(), value);
    }
}

/// Links to the next page.
pub(super) fn link_next(headers: &mut HeaderMap, target: &str) {
    if let Ok(value) = HeaderValue::from_str(&format!("<{target}>; rel=\"next\"")) {
        headers.insert(header::LINK, value);
    }
}

//! Caller of a request: named by a header that a trusted proxy sets, or anonymous.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::problem::{Problem, ProblemKind};
use super::state::Web;

/// The most bytes a caller's name may have.
const MAX_CALLER_BYTES: usize = 200;

/// Extractor of the caller.
pub(super) struct Caller(pub(super) Arc<str>);

impl Web {
    /// The caller of a request with these headers.
    pub(super) fn caller(&self, headers: &HeaderMap) -> Result<Arc<str>, Problem> {
        let Some(header) = &self.options.caller_header else { return Ok(self.anonymous.clone()) };
        let wrong = |detail: String| Err(Problem::new(ProblemKind::BadHeader, detail).with_field(header.as_str()));
        let mut values = headers.get_all(header).iter();
        let Some(value) = values.next() else {
            let detail = format!(
                "the header {header}, which names the caller, is missing; send requests through the proxy that sets it"
            );
            // Not a 401: that needs a challenge which a client can answer, and only the proxy can set this header.
            return Err(Problem::new(ProblemKind::NoCaller, detail).with_field(header.as_str()));
        };
        if values.next().is_some() {
            return wrong(format!("the header {header} is there twice"));
        }
        match std::str::from_utf8(value.as_bytes()) {
            Ok("") => wrong(format!("the header {header} is empty")),
            Ok(name) if name.len() > MAX_CALLER_BYTES => {
                let detail = format!("the header {header} has {} bytes, the limit is {MAX_CALLER_BYTES}", name.len());
                wrong(detail).map_err(|problem: Problem| problem.with_limit("caller bytes", MAX_CALLER_BYTES))
            }
            Ok(name) if name.chars().any(char::is_control) => {
                wrong(format!("the header {header} holds a control character"))
            }
            Ok(name) => Ok(name.into()),
            Err(_) => wrong(format!("the header {header} is not UTF-8")),
        }
    }
}

impl FromRequestParts<Arc<Web>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Problem> {
        web.caller(&parts.headers).map(Self)
    }
}

//! Client of a request: the caller, or the address where callers have no names. Limits on one client count by it.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::request::Parts;

use super::peer;
use super::problem::Problem;
use super::slots::Holder;
use super::state::Web;

/// Extractor of the caller and the client.
pub(super) struct Client {
    pub(super) caller: Arc<str>,
    pub(super) client: Arc<str>,
}

impl Web {
    /// The client of a request with this caller.
    pub(super) fn client(&self, caller: &Arc<str>, extensions: &Extensions) -> Arc<str> {
        match self.options.caller_header {
            Some(_) => caller.clone(),
            // All requests have the same caller, so the address tells the clients apart.
            None => peer::name(extensions).into(),
        }
    }
}

impl FromRequestParts<Arc<Web>> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Problem> {
        let caller = web.caller(&parts.headers, &parts.extensions)?;
        Ok(Self { client: web.client(&caller, &parts.extensions), caller })
    }
}

/// The client of a request as a holder of slots.
impl FromRequestParts<Arc<Web>> for Holder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Problem> {
        let caller = web.caller(&parts.headers, &parts.extensions)?;
        Ok(match (&web.options.caller_header, peer::of(&parts.extensions)) {
            (None, Some(peer)) => peer.holder(),
            _ => Self::Caller(caller),
        })
    }
}

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
    /// The client as a holder of slots.
    pub(super) holder: Holder,
}

impl Web {
    /// The client of a request with this caller.
    pub(super) fn client(&self, caller: &Arc<str>, extensions: &Extensions) -> Arc<str> {
        match self.options.caller_header {
            Some(_) => caller.clone(),
            // All requests have the same caller, so the address tells the clients apart.
            None => peer::name(extensions),
        }
    }

    /// The same as a holder of slots.
    fn client_holder(&self, caller: &Arc<str>, extensions: &Extensions) -> Holder {
        match (&self.options.caller_header, peer::of(extensions)) {
            (None, Some(peer)) => peer.holder(),
            _ => Holder::Caller(caller.clone()),
        }
    }
}

/// Extractor of the client that changes a logic, as events name it. A request that names no caller has its address.
pub(super) struct Operator(pub(super) Arc<str>);

impl FromRequestParts<Arc<Web>> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Problem> {
        let caller = web.caller(&parts.headers, &parts.extensions);
        let client = caller.map(|caller| web.client(&caller, &parts.extensions));
        Ok(Self(client.unwrap_or_else(|_| peer::name(&parts.extensions))))
    }
}

impl FromRequestParts<Arc<Web>> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Problem> {
        let caller = web.caller(&parts.headers, &parts.extensions)?;
        let client = web.client(&caller, &parts.extensions);
        Ok(Self { client, holder: web.client_holder(&caller, &parts.extensions), caller })
    }
}

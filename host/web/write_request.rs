//! A request that writes, read as a whole: who asks, on what condition, with which body.

use std::sync::Arc;

use axum::extract::Request as HttpRequest;
use bytes::Bytes;

use super::body::{Bounds, require_type};
use super::paths::Origin;
use super::problem::Problem;
use super::{Web, idempotency, preconditions};
use crate::actor::{CallError, CommandSource, Expect, Reply, Request};
use crate::list::command::Command;
use crate::list::name::ListName;
use crate::list::revision::Idempotency;

/// Which body a request has to have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wants {
    /// None; if there is one, it is not looked at.
    Nothing,
    /// JSON.
    Json,
    /// JSON, or no body at all.
    JsonOrNothing,
    /// JSON, which may call itself a merge patch.
    Patch,
}

/// A request that writes.
pub(super) struct WriteRequest {
    /// Where it was sent to.
    pub(super) origin: Origin,
    /// Its body.
    pub(super) body: Bytes,
    caller: Arc<str>,
    expect: Expect,
    idempotency: Option<Idempotency>,
}

impl WriteRequest {
    /// Reads a request, the body last: what is wrong with the rest is said without waiting for it.
    pub(super) async fn read(web: &Web, request: HttpRequest, wants: Wants) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let headers = &parts.headers;
        let caller = web.caller(headers)?;
        let expect = preconditions::expect(headers)?;
        let origin = web.origin(&parts.uri, headers)?;
        match wants {
            Wants::Json => require_type(headers, &["application/json"])?,
            Wants::Patch => require_type(headers, &["application/merge-patch+json", "application/json"])?,
            Wants::Nothing | Wants::JsonOrNothing => {}
        }
        let options = &web.options;
        let bounds = Bounds { name: "max body bytes", bytes: options.max_body_bytes, time: options.body_timeout };
        let body = if wants == Wants::Nothing { Bytes::new() } else { bounds.read(headers, body).await? };
        if wants == Wants::JsonOrNothing && !body.is_empty() {
            require_type(headers, &["application/json"])?;
        }
        let path = parts.uri.path();
        let idempotency = idempotency::of(headers, &parts.method, path, &caller, &body)?;
        Ok(Self { origin, body, caller, expect, idempotency })
    }

    /// Has a list's actor carry out a command.
    pub(super) async fn call(
        self,
        web: &Web,
        list: &ListName,
        command: impl Into<CommandSource>,
    ) -> Result<Reply, CallError> {
        let Self { caller, expect, idempotency, .. } = self;
        web.cache().call(list, Request { command: command.into(), caller, expect, idempotency }).await
    }

    /// Has a list's actor take back a revision, or the last one.
    pub(super) async fn undo(self, web: &Web, list: &ListName, revision: Option<u64>) -> Result<Reply, Problem> {
        let Self { caller, expect, idempotency, .. } = self;
        let request = |command: Command| Request { command: command.into(), caller, expect, idempotency };
        Ok(web.cache().undo(list, revision, request).await?)
    }
}

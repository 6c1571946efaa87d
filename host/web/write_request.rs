//! Request that writes: its caller, precondition, idempotency key and body.

use std::sync::Arc;

use axum::extract::Request as HttpRequest;
use bytes::Bytes;

use super::body::require_type;
use super::paths::Origin;
use super::problem::Problem;
use super::state::Web;
use super::{idempotency, preconditions};
use crate::actor::{CallError, CommandSource, Expect, Reply, Request};
use crate::list::command::Command;
use crate::list::name::ListName;
use crate::list::receipt::Idempotency;

/// Body that a handler expects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ExpectedBody {
    /// None. A body is ignored.
    Nothing,
    /// JSON.
    Json,
    /// JSON, or no body at all.
    JsonOrNothing,
    /// JSON, which may also be sent as a merge patch.
    Patch,
}

/// A request that writes.
pub(super) struct WriteRequest {
    /// The origin that the request was sent to.
    pub(super) origin: Origin,
    /// The body.
    pub(super) body: Bytes,
    caller: Arc<str>,
    client: Arc<str>,
    expect: Expect,
    idempotency: Option<Idempotency>,
}

impl WriteRequest {
    /// Reads a request. The body is read last, so that an error in the headers is reported without waiting for it.
    pub(super) async fn read(web: &Web, request: HttpRequest, expected_body: ExpectedBody) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let headers = &parts.headers;
        let caller = web.caller(headers, &parts.extensions)?;
        let expect = preconditions::expect(headers)?;
        let origin = web.origin(&parts.uri, headers)?;
        match expected_body {
            ExpectedBody::Json => require_type(headers, &["application/json"])?,
            ExpectedBody::Patch => require_type(headers, &["application/merge-patch+json", "application/json"])?,
            ExpectedBody::Nothing | ExpectedBody::JsonOrNothing => {}
        }
        let body = match expected_body {
            ExpectedBody::Nothing => Bytes::new(),
            _ => web.body_limits().read(headers, body).await?,
        };
        if expected_body == ExpectedBody::JsonOrNothing && !body.is_empty() {
            require_type(headers, &["application/json"])?;
        }
        let path = parts.uri.path();
        let client = web.client(&caller, &parts.extensions);
        let idempotency = idempotency::of(headers, &parts.method, path, &caller, &client, &body)?;
        Ok(Self { origin, body, caller, client, expect, idempotency })
    }

    /// Whether the request is only to be carried out if the list is in a certain state.
    pub(super) fn is_conditional(&self) -> bool {
        !matches!(self.expect, Expect::Anything)
    }

    /// Has the list's actor carry out a command.
    pub(super) async fn call(
        self,
        web: &Web,
        list: &ListName,
        command: impl Into<CommandSource>,
    ) -> Result<Reply, Problem> {
        Ok(self.send(web, list, command).await?)
    }

    /// Like [`WriteRequest::call`], for a handler that reports some errors in its own way.
    pub(super) async fn send(
        self,
        web: &Web,
        list: &ListName,
        command: impl Into<CommandSource>,
    ) -> Result<Reply, CallError> {
        let Self { caller, client, expect, idempotency, .. } = self;
        web.cache().call(list, Request { command: command.into(), caller, client, expect, idempotency }).await
    }

    /// Undoes a revision of a list, or the last one.
    pub(super) async fn undo(self, web: &Web, list: &ListName, revision: Option<u64>) -> Result<Reply, Problem> {
        let Self { caller, client, expect, idempotency, .. } = self;
        let request = |command: Command| Request { command: command.into(), caller, client, expect, idempotency };
        Ok(web.cache().undo(list, revision, web.undo_right(), request).await?)
    }
}

//! Request that writes: its caller, precondition, idempotency key and body.

use std::sync::Arc;

use axum::extract::Request as HttpRequest;
use bytes::Bytes;

use super::answer_budget::Reservation;
use super::body::require_type;
use super::paths::Origin;
use super::problem::Problem;
use super::state::Web;
use super::{idempotency, preconditions};
use crate::actor::{CallError, CommandSource, Expect, Reply, Request, RequestRoom};
use crate::list::command::Command;
use crate::list::name::ListName;
use crate::list::receipt::Idempotency;

/// The bytes that a request takes beside its body.
const REQUEST_BYTES: usize = 1 << 10;

/// The most bytes that a value takes in memory for each of the characters that separate values in JSON. An array of texts
/// with one letter has one such character in four bytes.
const SEPARATED_BYTES: usize = 80;

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
    room: RequestRoom,
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
        let mut room = RequestRoom::default();
        if let Some(reserved) = parts.extensions.get::<Arc<Reservation>>() {
            room.hold(reserved.split(request_bytes(&body))?);
        }
        let path = parts.uri.path();
        let client = web.client(&caller, &parts.extensions);
        let idempotency = idempotency::of(headers, &parts.method, path, &caller, &client, &body)?;
        Ok(Self { origin, body, caller, client, expect, idempotency, room })
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
        let Self { caller, client, expect, idempotency, room, .. } = self;
        web.cache().call(list, Request { command: command.into(), caller, client, expect, idempotency, room }).await
    }

    /// Undoes a revision of a list, or the last one.
    pub(super) async fn undo(self, web: &Web, list: &ListName, revision: Option<u64>) -> Result<Reply, Problem> {
        let Self { caller, client, expect, idempotency, room, .. } = self;
        let request = |command: Command| Request { command: command.into(), caller, client, expect, idempotency, room };
        Ok(web.cache().undo(list, revision, web.undo_right(), request).await?)
    }
}

/// About the most bytes that a request with this body takes in memory, also when the body is parsed.
fn request_bytes(body: &[u8]) -> usize {
    let separators = body.iter().filter(|byte| b",:[{".contains(byte)).count();
    REQUEST_BYTES + 2 * body.len() + separators * SEPARATED_BYTES
}

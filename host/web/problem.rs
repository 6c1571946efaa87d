//! Errors as problem documents (RFC 9457). This is the only place where an error becomes a status.
//!
//! What a caller can use is in the document. What only the operator can use goes to the log.

mod errors;
mod kind;
mod slots;

use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::failure_log::{Failure, FailureClass};
use super::headers::{mark_replayed, name_logic, written_name};
use super::schemas;
use crate::list::id::LogicId;

pub(super) use kind::{CarriedOut, ProblemKind};

/// The media type of problems.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// After how many seconds a client may try again where the cause is likely to pass at once.
const SOON: u64 = 1;

/// Result of a handler.
pub(super) type HandlerResult = Result<Response, Problem>;

/// An error that is sent to the caller.
#[derive(Clone, Debug)]
pub(super) struct Problem(Box<Facts>);

/// What the problem of a request depends on besides the error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    /// The request reads.
    Read,
    /// The request writes, so its caller has to know whether it was carried out.
    Write,
}

#[derive(Clone, Debug)]
struct Facts {
    kind: ProblemKind,
    detail: String,
    code: Option<String>,
    field: Option<String>,
    limit: Option<Limit>,
    logic: Option<Arc<LogicId>>,
    revision: Option<u64>,
    /// After how many seconds the same request is likely to work, where nothing was carried out and that is soon.
    retry_after: Option<u64>,
    /// What only the operator may know.
    cause: Option<String>,
    /// Whether the cause is a failed write of the store.
    is_failed_write: bool,
    /// Whether an earlier request with the same idempotency key had the same problem.
    is_replayed: bool,
}

/// A limit, by its name in the configuration.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Limit {
    /// The limit's name.
    name: &'static str,
    /// The limit's value.
    value: u64,
}

/// A problem document, RFC 9457.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody<'a> {
    /// The kind of the problem: a stable URN, `urn:hotlist:problem:` and a name.
    #[serde(rename = "type")]
    #[schema(value_type = ProblemKind)]
    kind: &'static str,
    /// The kind, for people.
    title: &'static str,
    /// The status of the response.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong, for people. A rejection is in the words of the list's logic.
    detail: &'a str,
    /// The logic's own code of the rejection, or the kind of its failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    code: Option<&'a str>,
    /// The member, field, argument, parameter or header at fault, by its own name and without a path, such as `title`, `limit`
    /// or `If-Match`. A custom field or a setting is named as its logic declares it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<&'a str>,
    /// The limit that was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    limit: Option<&'a Limit>,
    /// The logic that decided, with its version and digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = LogicId, required = false)]
    logic: Option<String>,
    /// The revision that the list is at.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::RevisionNumber, required = false)]
    revision: Option<u64>,
    /// Whether the request was carried out. Only for requests that write, which are those with a method other than GET
    /// and HEAD.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    carried_out: Option<CarriedOut>,
}

impl Problem {
    /// A problem of a kind, explained for the caller.
    pub(super) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let (code, field, limit, logic, revision, cause) = (None, None, None, None, None, None);
        let retry_after = (kind == ProblemKind::Overloaded).then_some(SOON);
        let (is_failed_write, is_replayed) = (false, false);
        Self(Box::new(Facts {
            kind,
            detail,
            code,
            field,
            limit,
            logic,
            revision,
            retry_after,
            cause,
            is_failed_write,
            is_replayed,
        }))
    }

    /// Names the part of the body, parameter or header at fault.
    pub(super) fn with_field(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    /// Names the limit that was reached.
    pub(super) fn with_limit(mut self, name: &'static str, value: usize) -> Self {
        self.0.limit = Some(Limit { name, value: value as u64 });
        self
    }

    /// Asks the client to try again soon. Only for a 503 after which nothing was carried out.
    pub(super) fn with_retry(self) -> Self {
        self.with_retry_after(SOON)
    }

    /// Asks the client to try again after some seconds. Only for a 429 or 503 after which nothing was carried out.
    fn with_retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    /// Explains the problem to the operator.
    fn with_cause(mut self, cause: impl Into<String>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Explains the problem to the operator, who knows of it already if the store takes no more writes.
    fn with_failed_write(mut self, cause: impl Into<String>) -> Self {
        self.0.is_failed_write = true;
        self.with_cause(cause)
    }

    fn with_logic(mut self, logic: Arc<LogicId>) -> Self {
        self.0.logic = Some(logic);
        self
    }

    fn with_revision(mut self, revision: u64) -> Self {
        self.0.revision = Some(revision);
        self
    }

    /// A well-formed body with a member that is not valid.
    pub(super) fn invalid(field: &str, problem: impl std::fmt::Display) -> Self {
        Self::new(ProblemKind::Invalid, format!("{field}: {problem}")).with_field(field)
    }

    /// A limit on concurrent work is reached. Nothing was carried out.
    pub(super) fn overloaded(detail: impl Into<String>, limit: &'static str, value: usize) -> Self {
        let detail = detail.into();
        Self::new(ProblemKind::Overloaded, detail.clone()).with_limit(limit, value).with_cause(detail)
    }

    /// No list of that name.
    pub(super) fn no_list() -> Self {
        Self::new(ProblemKind::NoList, "there is no such list")
    }

    /// No entry under that id.
    pub(super) fn no_entry(id: &str) -> Self {
        Self::new(ProblemKind::NoEntry, format!("the list has no entry {id}"))
    }

    /// A request from a client that may not name the caller. The log has a line for each such client.
    pub(super) fn untrusted_peer(header: &HeaderName, peer: &str) -> Self {
        let detail = format!("{header} names the caller, which only the proxy may do; send requests through the proxy");
        let cause = format!(
            "{peer} is not a trusted proxy, so {header} counts for nothing from there; if it is your proxy, name its \
             network with --trusted-proxy"
        );
        Self::new(ProblemKind::UntrustedPeer, detail).with_field(written_name(header)).with_cause(cause)
    }

    /// A component of the server failed for good. The fault may name files, so it goes to the log only.
    pub(super) fn failed_component(name: &str, fault: &str) -> Self {
        let detail = format!("the server's {name} failed; its log says why, and the server has to be restarted");
        Self::new(ProblemKind::NotReady, detail).with_cause(format!("the {name} failed: {fault}"))
    }

    /// A component cannot work, and works again by itself once the cause has gone.
    pub(super) fn waiting_component(name: &str, fault: &str) -> Self {
        let detail =
            format!("the server's {name} cannot work at the moment; its log says why, and it goes on by itself");
        Self::new(ProblemKind::NotReady, detail).with_cause(format!("the {name} waits: {fault}")).with_retry()
    }

    /// A defect of the server. The error goes to the log.
    pub(super) fn internal(what: &str, error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "{what}");
        Self::new(ProblemKind::Internal, "the server could not answer; its log says why")
    }

    /// What [`super::failure_log`] logs about this problem.
    pub(super) fn failure(&self) -> Option<Failure> {
        let cause = self.0.cause.clone()?;
        let limit = self.0.limit.as_ref().map(|limit| limit.name);
        let class = match self.0.kind {
            ProblemKind::Overloaded | ProblemKind::NoReceiptRoom => FailureClass::Overload,
            ProblemKind::UntrustedPeer => FailureClass::Untrusted,
            _ if self.0.is_failed_write => FailureClass::StoreWrite,
            _ => FailureClass::Fault,
        };
        Some(Failure { problem: self.0.kind.name(), class, limit, cause })
    }

    /// The document for a request that reads or writes.
    pub(super) fn to_json(&self, access: Access) -> Vec<u8> {
        let Facts { kind, detail, code, field, limit, logic, revision, .. } = &*self.0;
        let body = ProblemBody {
            kind: kind.urn(),
            title: kind.title(),
            status: kind.status().as_u16(),
            detail,
            code: code.as_deref(),
            field: field.as_deref(),
            limit: limit.as_ref(),
            logic: logic.as_ref().map(ToString::to_string),
            revision: *revision,
            carried_out: (access == Access::Write).then(|| kind.carried_out()),
        };
        serde_json::to_vec(&body).expect("a problem is strings and numbers under fixed names")
    }

    /// Writes the document into the response of this problem.
    pub(super) fn write_to(&self, response: &mut Response, access: Access) {
        *response.body_mut() = self.to_json(access).into();
    }
}

/// A handler does not know the method of its request, so this response has no body yet. [`super::routes`] takes the
/// problem out of the extensions and writes it, see [`Problem::write_to`].
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.0.kind.status();
        let mut response = Response::default();
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(logic) = &self.0.logic {
            name_logic(headers, logic);
        }
        if self.0.is_replayed {
            mark_replayed(headers);
        }
        let extra: Option<(HeaderName, HeaderValue)> = match status {
            // A 503 whose cause lasts until the operator acts has no such header. A repetition would only add load.
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                self.0.retry_after.map(|seconds| (header::RETRY_AFTER, seconds.into()))
            }
            // A 401 has to name a scheme. No client can answer this one.
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Proxy"))),
            // The rest of the body will not be read, so the connection cannot be used again.
            StatusCode::REQUEST_TIMEOUT => Some((header::CONNECTION, HeaderValue::from_static("close"))),
            _ => None,
        };
        if let Some((name, value)) = extra {
            headers.insert(name, value);
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// The response to a request that writes, with the document in it.
    fn response(problem: &Problem) -> (Response, Value) {
        let document = serde_json::from_slice(&problem.to_json(Access::Write)).expect("JSON");
        (problem.clone().into_response(), document)
    }

    #[test]
    fn every_problem_of_a_write_says_whether_it_was_carried_out_and_no_problem_of_a_read_does() {
        for kind in ProblemKind::ALL {
            let problem = Problem::new(*kind, "for the test");
            let (_, document) = response(&problem);
            assert!(["no", "unknown"].map(Value::from).contains(&document["carried_out"]), "{document}");
            let read: Value = serde_json::from_slice(&problem.to_json(Access::Read)).expect("JSON");
            assert_eq!(read.get("carried_out"), None, "{read}");
        }
    }

    #[test]
    fn an_outcome_is_unknown_only_where_the_server_failed() {
        for kind in ProblemKind::ALL {
            let is_unknown = kind.carried_out() == CarriedOut::Unknown;
            let may_be_unknown = kind.status() == StatusCode::INTERNAL_SERVER_ERROR;
            assert!(!is_unknown || may_be_unknown, "{kind:?}: clients and proxies repeat a 503 by themselves");
        }
    }

    #[test]
    fn only_what_was_certainly_not_carried_out_asks_for_a_retry() {
        for kind in ProblemKind::ALL {
            let (response, document) = response(&Problem::new(*kind, "for the test").with_retry());
            let asks = response.headers().contains_key(header::RETRY_AFTER);
            assert!(!asks || document["carried_out"] == "no", "{document}");
            let may_ask = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS];
            assert_eq!(asks, may_ask.contains(&kind.status()), "{kind:?}");
        }
    }
}

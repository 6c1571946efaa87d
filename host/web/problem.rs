//! Every error as a problem document (RFC 9457): the one place where an error becomes a status.
//!
//! What a caller can use is in the document; what only the operator can use is on the log.

use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::representations;
use crate::actor::CallError;
use crate::list::change::Rejection;
use crate::list::name::{LogicName, NameError};
use crate::list::revision::LogicId;
use crate::list::schema::SchemaError;
use crate::logic::Fault;
use crate::logic::decide::Refusal;
use crate::plugins::PluginError;
use crate::store::StoreError;

/// The media type of problems.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// How many seconds a client is told to wait before it tries again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Kinds of problem: the stable last part of `type`, the status, and the title.
macro_rules! kinds {
    ($($kind:ident $name:literal $status:ident $title:literal;)*) => {
        /// What kind of problem it is. Clients may rely on the name.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(super) enum Kind { $($kind),* }

        impl Kind {
            /// The problem's stable type.
            fn uri(self) -> &'static str {
                match self { $(Self::$kind => concat!("urn:hotlist:problem:", $name)),* }
            }
            fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status),* }
            }
            fn title(self) -> &'static str {
                match self { $(Self::$kind => $title),* }
            }
        }
    };
}

kinds! {
    Malformed "malformed" BAD_REQUEST "The request is malformed";
    BadQuery "query" BAD_REQUEST "A query parameter is not right";
    BadName "name" BAD_REQUEST "The name is not one";
    BadHeader "header" BAD_REQUEST "A header is not right";
    NoCaller "caller-missing" UNAUTHORIZED "The request does not say who asks";
    NoRoute "route-not-found" NOT_FOUND "There is nothing at this path";
    NoList "list-not-found" NOT_FOUND "There is no such list";
    NoEntry "entry-not-found" NOT_FOUND "The list has no such entry";
    NoCommand "command-not-found" NOT_FOUND "The list's logic has no such command";
    NoView "view-not-found" NOT_FOUND "The list's logic has no such view";
    NoLogic "logic-not-found" NOT_FOUND "There is no such logic";
    NoRevision "revision-not-found" NOT_FOUND "The list has no such revision";
    Forgotten "revision-not-kept" GONE "The revision is not kept any more";
    Method "method" METHOD_NOT_ALLOWED "The method is not one of this path's";
    Timeout "timeout" REQUEST_TIMEOUT "The request took too long";
    Rejected "rejected" CONFLICT "The list's logic says no";
    Full "full" CONFLICT "A limit is reached";
    Conflict "undo-conflict" CONFLICT "The revision cannot be taken back";
    FromFile "logic-from-file" CONFLICT "The logic is kept in a file";
    NoVersion "version-not-found" CONFLICT "The list insists on a version that is not there";
    Quarantined "quarantined" CONFLICT "The version fell before";
    Stale "stale-revision" PRECONDITION_FAILED "The list has changed";
    TooLarge "too-large" PAYLOAD_TOO_LARGE "The body is too large";
    MediaType "media-type" UNSUPPORTED_MEDIA_TYPE "The body is of a type that is not taken here";
    Misdirected "host" MISDIRECTED_REQUEST "The request is for another host";
    Invalid "invalid" UNPROCESSABLE_ENTITY "The request is not valid";
    RejectedValue "rejected-value" UNPROCESSABLE_ENTITY "The list's logic refuses a value";
    KeyReused "idempotency-key-reused" UNPROCESSABLE_ENTITY "The idempotency key belongs to another request";
    BadComponent "component" UNPROCESSABLE_ENTITY "The component is not taken";
    Unloadable "version-not-loaded" SERVICE_UNAVAILABLE "A version of a logic could not be loaded";
    Fault "logic-failed" INTERNAL_SERVER_ERROR "The list's logic failed";
    Internal "internal" INTERNAL_SERVER_ERROR "The server failed";
    Unreadable "unreadable" INTERNAL_SERVER_ERROR "The list cannot be read";
    Overloaded "overloaded" SERVICE_UNAVAILABLE "There is too much to do at the moment";
    NotLoaded "logic-not-loaded" SERVICE_UNAVAILABLE "The list's logic is not loaded";
    Store "store-unavailable" SERVICE_UNAVAILABLE "The store is not available";
    NotReady "not-ready" SERVICE_UNAVAILABLE "The server takes no requests now";
}

/// An error on its way to the caller.
#[derive(Debug)]
pub(super) struct Problem(Box<Facts>);

#[derive(Debug)]
struct Facts {
    kind: Kind,
    detail: String,
    code: Option<String>,
    field: Option<String>,
    limit: Option<Limit>,
    logic: Option<Arc<LogicId>>,
    revision: Option<u64>,
}

/// A limit, by its name in the configuration.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Limit {
    /// The limit's name.
    name: &'static str,
    /// How much it allows.
    value: u64,
}

/// A problem document, RFC 9457.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Document<'a> {
    /// What kind of problem it is: a stable URN, `urn:hotlist:problem:` and a name.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The kind, for people.
    title: &'static str,
    /// The status of the response.
    status: u16,
    /// What is wrong, for people. A rejection of a list's logic is in the logic's own words.
    detail: &'a str,
    /// The logic's own code of the rejection, or the kind of its failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    /// The member, field, argument, parameter or header at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    /// The limit that was met.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'a Limit>,
    /// The logic that decided, with its version and digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    logic: Option<String>,
    /// The revision that the list is at.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
}

impl Problem {
    /// A problem of a kind, with what there is to say about it.
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self(Box::new(Facts { kind, detail, code: None, field: None, limit: None, logic: None, revision: None }))
    }

    /// A body, parameter or header whose part of that name is not right.
    pub(super) fn with_field(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    /// The limit that was met.
    pub(super) fn with_limit(mut self, name: &'static str, value: usize) -> Self {
        self.0.limit = Some(Limit { name, value: value as u64 });
        self
    }

    fn with_logic(mut self, logic: Arc<LogicId>) -> Self {
        self.0.logic = Some(logic);
        self
    }

    /// A well-formed body with a member that is not right.
    pub(super) fn invalid(field: &str, problem: impl std::fmt::Display) -> Self {
        Self::new(Kind::Invalid, format!("{field}: {problem}")).with_field(field)
    }

    /// No list of that name.
    pub(super) fn no_list() -> Self {
        Self::new(Kind::NoList, "there is no such list")
    }

    /// No entry under that id.
    pub(super) fn no_entry(id: &str) -> Self {
        Self::new(Kind::NoEntry, format!("the list has no entry {id}"))
    }

    /// The logic of a list has no version that could decide.
    pub(super) fn logic_not_loaded(name: &LogicName) -> Self {
        Self::new(Kind::NotLoaded, format!("logic {name} is not loaded"))
    }

    /// Something that cannot happen did; what, is for the log.
    pub(super) fn internal(what: &str, error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "{what}");
        Self::new(Kind::Internal, "the server could not answer; its log says why")
    }

    fn rejected(rejection: Rejection) -> Self {
        let kind = if rejection.field.is_some() { Kind::RejectedValue } else { Kind::Rejected };
        let mut problem = Self::new(kind, rejection.message);
        problem.0.code = Some(rejection.code);
        problem.0.field = rejection.field;
        problem
    }

    fn fault(fault: &Fault, logic: &LogicId) -> Self {
        tracing::warn!(%logic, %fault, "a logic failed");
        let mut problem = match fault {
            Fault::Instance(_) => {
                Self::new(Kind::Overloaded, format!("there is no room for another instance of {logic}"))
            }
            // What a trap says can be anything: it is on the log, and in what is shown of the logic.
            Fault::Trap(_) => Self::new(Kind::Fault, format!("{logic} failed: it trapped")),
            _ => Self::new(Kind::Fault, format!("{logic} failed: {fault}")),
        };
        problem.0.code = Some(fault.kind().to_owned());
        problem
    }

    fn refusal(refusal: Refusal, logic: Arc<LogicId>) -> Self {
        let text = refusal.to_string();
        let problem = match refusal {
            Refusal::Rejected(rejection) => Self::rejected(rejection),
            Refusal::Fault(fault) => Self::fault(&fault, &logic),
            Refusal::NoSuchList => Self::no_list(),
            Refusal::NoSuchEntry(_) => Self::new(Kind::NoEntry, text),
            Refusal::NoSuchCommand(_) => Self::new(Kind::NoCommand, text),
            Refusal::Invalid(SchemaError { name, problem }) => Self::invalid(&name, problem),
            Refusal::Conflict { .. } => Self::new(Kind::Conflict, text),
            Refusal::Full { what, limit } => Self::new(Kind::Full, text).with_limit(what, limit),
        };
        problem.with_logic(logic)
    }

    fn store(error: &StoreError) -> Self {
        tracing::error!(%error, "the store failed a request");
        match error {
            StoreError::Overloaded { limit } => {
                Self::new(Kind::Overloaded, error.to_string()).with_limit("store queue", *limit)
            }
            StoreError::Unreadable { .. } => {
                Self::new(Kind::Unreadable, "the list is there, but cannot be read; the server's log says why")
            }
            StoreError::Poisoned { .. } => Self::new(
                Kind::Store,
                "the store takes no more writes since one failed; the server has to be restarted",
            ),
            StoreError::Conflict { .. } => Self::new(Kind::Store, "another writer was faster; try again"),
            StoreError::Closed => Self::new(Kind::Store, "the server is stopping"),
            StoreError::Failed { .. } | StoreError::Locked { .. } | StoreError::Format { .. } => {
                Self::new(Kind::Store, "the store failed; whether a change was made is not known")
            }
        }
    }
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        let text = error.to_string();
        match error {
            CallError::Overloaded { limit } => Self::new(Kind::Overloaded, text).with_limit("mailbox", limit),
            CallError::TooManyLists { limit } => Self::new(Kind::Overloaded, text).with_limit("resident lists", limit),
            CallError::Refused { refusal, logic } => Self::refusal(refusal, logic),
            CallError::Invalid { input, logic } => Self::invalid(&input.member, &input.message).with_logic(logic),
            CallError::Stale { revision } => {
                let mut problem = Self::new(Kind::Stale, text);
                problem.0.revision = Some(revision);
                problem
            }
            CallError::KeyReused => Self::new(Kind::KeyReused, text).with_field("Idempotency-Key"),
            CallError::NoLogic(name) => Self::logic_not_loaded(&name),
            CallError::NoVersion { .. } => Self::new(Kind::NoVersion, text),
            CallError::NotLoaded { .. } => {
                tracing::error!(error = text, "a version could not be loaded");
                Self::new(
                    Kind::Unloadable,
                    "the version that keeps the list could not be loaded; the server's log says why",
                )
            }
            CallError::NoRevision { .. } => Self::new(Kind::NoRevision, text),
            CallError::Forgotten { .. } => Self::new(Kind::Forgotten, text),
            CallError::Store(error) => Self::store(&error),
            CallError::Crashed => Self::new(Kind::Overloaded, text),
        }
    }
}

impl From<PluginError> for Problem {
    fn from(error: PluginError) -> Self {
        let text = error.to_string();
        match error {
            PluginError::Invalid(_) => Self::new(Kind::BadComponent, text),
            PluginError::Quarantined { .. } => Self::new(Kind::Quarantined, text),
            PluginError::Unknown(_) => Self::new(Kind::NoLogic, text),
            PluginError::NoCandidate | PluginError::NoLive(_) | PluginError::IsLive(_) => {
                Self::new(Kind::Invalid, text).with_field("candidate")
            }
            PluginError::FromFile { .. } => Self::new(Kind::FromFile, text),
            PluginError::TooMany { limit } => Self::new(Kind::Full, text).with_limit("logics", limit),
            PluginError::Busy { limit } => Self::new(Kind::Overloaded, text).with_limit("waiting components", limit),
            PluginError::Failed(_) => {
                tracing::error!(%error, "an upload failed");
                Self::new(Kind::Store, "the component could not be stored; the server's log says why")
            }
        }
    }
}

impl From<NameError> for Problem {
    fn from(error: NameError) -> Self {
        let problem = Self::new(Kind::BadName, error.to_string());
        match error {
            NameError::TooLong { limit, .. } => problem.with_limit("name bytes", limit),
            NameError::Empty | NameError::Character(_) => problem,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Facts { kind, detail, code, field, limit, logic, revision } = *self.0;
        let status = kind.status();
        let document = Document {
            kind: kind.uri(),
            title: kind.title(),
            status: status.as_u16(),
            detail: &detail,
            code: code.as_deref(),
            field: field.as_deref(),
            limit: limit.as_ref(),
            logic: logic.as_ref().map(ToString::to_string),
            revision,
        };
        let body = serde_json::to_vec(&document).expect("a problem is texts and numbers under fixed names");
        let mut response = Response::new(body.into());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(logic) = &logic {
            representations::name_logic(headers, logic);
        }
        let extra: Option<(HeaderName, HeaderValue)> = match status {
            StatusCode::SERVICE_UNAVAILABLE => Some((header::RETRY_AFTER, RETRY_AFTER)),
            // The rest of the body is not wanted, so the connection is of no use any more.
            StatusCode::REQUEST_TIMEOUT => Some((header::CONNECTION, HeaderValue::from_static("close"))),
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Proxy"))),
            _ => None,
        };
        if let Some((name, value)) = extra {
            headers.insert(name, value);
        }
        response
    }
}

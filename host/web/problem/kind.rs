//! Kinds of problems: the stable last part of `type`, the status, the title, and what a problem says about a write.

use std::borrow::Cow;

use axum::http::StatusCode;
use serde::Serialize;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

macro_rules! kinds {
    ($($kind:ident $name:literal $status:ident $title:literal;)*) => {
        /// Kind of a problem. Clients may rely on its name.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(in crate::web) enum ProblemKind { $($kind),* }

        impl ProblemKind {
            /// Every kind.
            pub(super) const ALL: &[Self] = &[$(Self::$kind),*];

            /// The name of the kind.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$kind => $name),* }
            }
            /// The stable type URN.
            pub(super) fn urn(self) -> &'static str {
                match self { $(Self::$kind => concat!("urn:hotlist:problem:", $name)),* }
            }
            pub(super) fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status),* }
            }
            pub(super) fn title(self) -> &'static str {
                match self { $(Self::$kind => $title),* }
            }
        }
    };
}

/// Whether a request that writes was carried out, although its response is a problem.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::web) enum CarriedOut {
    /// The request changed nothing.
    No,
    /// The change may have been made or not.
    Unknown,
}

impl PartialSchema for ProblemKind {
    fn schema() -> RefOr<Schema> {
        let types = Self::ALL.iter().map(|kind| kind.urn());
        let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(types));
        schema.description(Some("The type of a problem. Later versions may have more.")).into()
    }
}

impl ToSchema for ProblemKind {
    fn name() -> Cow<'static, str> {
        "ProblemType".into()
    }
}

impl ProblemKind {
    /// What a problem of this kind says about a request that writes.
    pub(super) fn carried_out(self) -> CarriedOut {
        match self {
            // The server failed at an unknown point, which may be after the commit.
            Self::OutcomeUnknown | Self::Internal => CarriedOut::Unknown,
            _ => CarriedOut::No,
        }
    }
}

kinds! {
    Malformed "malformed" BAD_REQUEST "The request is malformed";
    BadQuery "query" BAD_REQUEST "A query parameter is not valid";
    BadName "name" BAD_REQUEST "The name is not a valid name";
    BadHeader "header" BAD_REQUEST "A header is not valid";
    UntrustedPeer "caller-not-trusted" UNAUTHORIZED "The request did not come through a trusted proxy";
    CrossOrigin "cross-origin" FORBIDDEN "A page of another origin sent the request";
    NoCaller "caller-missing" FORBIDDEN "The request does not name its caller";
    NotOwnRevision "not-own-revision" FORBIDDEN "Only the caller who made a revision may undo it";
    NoRoute "route-not-found" NOT_FOUND "There is nothing at this path";
    NoList "list-not-found" NOT_FOUND "There is no such list";
    NoEntry "entry-not-found" NOT_FOUND "The list has no such entry";
    NoCommand "command-not-found" NOT_FOUND "The list's logic has no such command";
    NoView "view-not-found" NOT_FOUND "The list's logic has no such view";
    NoLogic "logic-not-found" NOT_FOUND "There is no such logic";
    NoRevision "revision-not-found" NOT_FOUND "The list has no such revision";
    Forgotten "revision-not-kept" GONE "The revision is no longer retained";
    Method "method" METHOD_NOT_ALLOWED "The path does not have this method";
    Timeout "timeout" REQUEST_TIMEOUT "The request took too long";
    Rejected "rejected" CONFLICT "The list's logic rejects the command";
    Full "full" CONFLICT "A limit is reached";
    Conflict "undo-conflict" CONFLICT "The revision cannot be undone";
    FromFile "logic-from-file" CONFLICT "The logic comes from a file";
    NoVersion "version-not-found" CONFLICT "The list is pinned to a version that does not exist";
    Ambiguous "version-ambiguous" CONFLICT "Several versions have this number or these digits";
    InUse "version-in-use" CONFLICT "The version is in use";
    Quarantined "quarantined" CONFLICT "The version is quarantined";
    Stale "stale-revision" PRECONDITION_FAILED "The list has changed";
    TooLarge "too-large" PAYLOAD_TOO_LARGE "The body is too large";
    MediaType "media-type" UNSUPPORTED_MEDIA_TYPE "The body has a media type that is not accepted here";
    Misdirected "host" MISDIRECTED_REQUEST "The request is for another host";
    Invalid "invalid" UNPROCESSABLE_ENTITY "The request is not valid";
    RejectedValue "rejected-value" UNPROCESSABLE_ENTITY "The list's logic rejects a value";
    KeyReused "idempotency-key-reused" UNPROCESSABLE_ENTITY "The idempotency key belongs to another request";
    NoReceiptRoom "receipts-full" TOO_MANY_REQUESTS "There is no room for a receipt of the idempotency key";
    BadComponent "component" UNPROCESSABLE_ENTITY "The component is not accepted";
    Unloadable "version-not-loaded" SERVICE_UNAVAILABLE "A version of a logic could not be loaded";
    ViewTooLarge "view-too-large" INTERNAL_SERVER_ERROR "A view of the list's logic is too large";
    Fault "logic-failed" INTERNAL_SERVER_ERROR "The list's logic failed";
    Internal "internal" INTERNAL_SERVER_ERROR "The server failed";
    Unreadable "unreadable" INTERNAL_SERVER_ERROR "The list cannot be read";
    OutcomeUnknown "outcome-unknown" INTERNAL_SERVER_ERROR "Whether the change was made is not known";
    Overloaded "overloaded" SERVICE_UNAVAILABLE "There is too much to do at the moment";
    NotLoaded "logic-not-loaded" SERVICE_UNAVAILABLE "The list's logic is not loaded";
    Store "store-unavailable" SERVICE_UNAVAILABLE "The store is not available";
    NotReady "not-ready" SERVICE_UNAVAILABLE "The server accepts no requests now";
}

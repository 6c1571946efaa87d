//! Parts of the OpenAPI document that many operations share.

use std::collections::BTreeMap;

use utoipa::openapi::response::Response;
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{
    ComponentsBuilder, Content, HeaderBuilder, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi, OpenApiBuilder,
    RefOr, ResponseBuilder, ServerBuilder, Type,
};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use super::problem::{self, ProblemBody};
use super::query::{ListState, Order};
use super::schemas::{self, reference};

/// Meaning of a status.
type Meaning = (&'static str, &'static str);

const MALFORMED: Meaning = ("400", "The request is malformed");
const UNTRUSTED: Meaning =
    ("401", "The request did not come through a proxy that this server trusts to name the caller");
const NO_CALLER: Meaning = ("403", "The request does not name its caller");
const FORBIDDEN: Meaning = (
    "403",
    "The request does not name its caller, or a page of another origin sent it, or it is an undo of a revision that another \
        caller made",
);
const ABSENT: Meaning = ("404", "What the path or the body names does not exist");
const SLOW: Meaning = ("408", "The body took too long");
const REJECTED: Meaning = ("409", "The list's logic rejects the command, or a limit or a later change is in the way");
const NOT_IN_STATE: Meaning = ("409", "The version is quarantined or missing, or a limit or a file is in the way");
const FORGOTTEN: Meaning = ("410", "The revision is so old that the history no longer contains it");
const STALE: Meaning = ("412", "If-Match does not hold");
const TOO_LARGE: Meaning = ("413", "The body is too large");
const MEDIA_TYPE: Meaning = ("415", "The body has a media type that is not accepted here");
const MISDIRECTED: Meaning = ("421", "The request is for another host");
const INVALID: Meaning = ("422", "The request is well-formed, but not valid; `field` names what is at fault");
const NO_ROOM: Meaning = (
    "429",
    "There is no room for a receipt of the idempotency key. Nothing was carried out; `Retry-After` is there if receipts expire soon",
);
const LARGE_HEAD: Meaning = ("431", "The head is too large; this answer has no body");
const FAILED: Meaning = ("500", "The list's logic failed, or the server did");
const FAILED_WRITE: Meaning =
    ("500", "The list's logic failed, or the server did; the change may have been made if `carried_out` is `unknown`");
const OVERLOADED: Meaning = (
    "503",
    "Too much to do, or the store is not available. Nothing was carried out; `Retry-After` is there if the same request is likely to work soon",
);

/// Declares groups of problems, which operations add to their responses.
macro_rules! groups {
    ($($(#[$about:meta])* $name:ident: $($meaning:ident),*;)*) => {
        $($(#[$about])* pub(super) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                [$($meaning),*].into_iter().map(problem_response).collect()
            }
        })*
    };
}

groups! {
    /// Problems of any request of a probe or a scraper.
    ProbeProblems: MALFORMED, MISDIRECTED, LARGE_HEAD, FAILED, OVERLOADED;
    /// Problems of any request that reads.
    ReadProblems: MALFORMED, UNTRUSTED, NO_CALLER, MISDIRECTED, LARGE_HEAD, FAILED, OVERLOADED;
    /// Problems of any request that writes.
    WriteProblems: MALFORMED, UNTRUSTED, FORBIDDEN, MISDIRECTED, LARGE_HEAD, FAILED_WRITE, OVERLOADED;
    /// Problems of a request that writes to a list.
    ListWriteProblems: MALFORMED, UNTRUSTED, FORBIDDEN, REJECTED, STALE, MISDIRECTED, INVALID, NO_ROOM, LARGE_HEAD,
        FAILED_WRITE, OVERLOADED;
    /// Problems of a request with a body.
    BodyProblems: SLOW, TOO_LARGE, MEDIA_TYPE, INVALID;
    /// The problem of a request that names something.
    AbsentProblem: ABSENT;
    /// The problem of a request for an old revision.
    ForgottenProblem: FORGOTTEN;
    /// The problem of a request that reads, with a precondition.
    StaleProblem: STALE;
    /// Problems of a request that reads through a list's logic.
    ViewProblems: REJECTED, INVALID;
    /// The problem of a request that concerns versions.
    VersionProblem: NOT_IN_STATE;
}

fn problem_response((status, meaning): Meaning) -> (String, RefOr<Response>) {
    let mut response = ResponseBuilder::new().description(meaning);
    if status != LARGE_HEAD.0 {
        let content = Content::new(Some(RefOr::Ref(reference::<ProblemBody<'_>>())));
        response = response.content(problem::MEDIA_TYPE, content);
    }
    if [NO_ROOM.0, OVERLOADED.0].contains(&status) {
        let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
        let header = HeaderBuilder::new().schema(Some(seconds));
        response = response.header("Retry-After", header.description(Some("Seconds")).build());
    }
    (status.to_owned(), RefOr::T(response.build()))
}

const TAGS: [(&str, &str); 7] = [
    ("lists", "Lists as a whole, and their settings"),
    ("entries", "Entries of a list, as a Todo-Backend root"),
    ("logic's own", "Commands and views that a list's logic defines"),
    ("history", "Revisions of a list, their undo, and live events"),
    ("logic", "Logics, their versions and their rollout"),
    ("operation", "Probes, metrics and this document"),
    ("page", "The web page"),
];

/// The document without the routes, which are added to it.
pub(super) fn base() -> OpenApi {
    let about = "A multi-user todo server. Each list is bound to a logic, which decides what its entries may be. \
        Every error is a problem document, RFC 9457. The problem of a request that writes says in `carried_out` whether \
        the change was made. A connection over a limit gets a 503 that names the limit, and is closed before its request is read.";
    let license = LicenseBuilder::new().name(env!("CARGO_PKG_LICENSE")).identifier(Some(env!("CARGO_PKG_LICENSE")));
    let info = InfoBuilder::new()
        .title("Hotlist")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(about))
        .license(Some(license.build()));
    let mut schemas = schemas::shared();
    schemas.extend([(Order::name().into(), Order::schema()), (ListState::name().into(), ListState::schema())]);
    ProblemBody::schemas(&mut schemas);
    schemas.push(("Problem".to_owned(), ProblemBody::schema()));
    let tag = |(name, about): (&str, &str)| -> Tag { TagBuilder::new().name(name).description(Some(about)).build() };
    OpenApiBuilder::new()
        .info(info.build())
        .servers(Some([ServerBuilder::new().url("/").build()]))
        // Requests need no credentials. A proxy may demand some.
        .security(Some([]))
        .tags(Some(TAGS.map(tag)))
        .components(Some(ComponentsBuilder::new().schemas_from_iter(schemas).build()))
        .build()
}

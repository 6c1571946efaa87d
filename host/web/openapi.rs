//! Parts of the OpenAPI document that many operations share.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::response::Response;
use utoipa::openapi::{Content, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder};

use super::problem;

/// Description of the header `Idempotency-Key`.
pub(super) const IDEMPOTENCY_KEY: &str = "Identifies the request, at most 255 bytes: a repetition within 24 hours by default \
    (`--receipt-time`) is not carried out again and gets the first response. For that the server keeps a receipt, by default \
    at most 1 MiB of them for each list (`--max-list-receipt-bytes`), of which one caller or address may have seven eighths, and \
    256 MiB in all (`--max-receipt-bytes`), of which one caller or address may have an eighth. Without room for its receipt a new request is refused with status 429; the receipts of earlier \
    requests stay until they expire";

/// Problems that a probe or a scraper may get. No caller is asked for, and no list is read.
pub(super) struct ProbeProblems;

/// Problems that any request that reads may get.
pub(super) struct ReadProblems;

/// Problems that any request that writes may get.
pub(super) struct WriteProblems;

/// Meaning of each status.
const MEANINGS: [(&str, &str, AppliesTo); 15] = [
    ("400", "The request is malformed", AppliesTo::All),
    ("401", "The request did not come through a proxy that this server trusts to name the caller", AppliesTo::Clients),
    (
        "403",
        "The request does not name its caller, or it writes and a page of another origin sent it, or it is an undo of a \
            revision that another caller made",
        AppliesTo::Clients,
    ),
    ("404", "What the path names does not exist", AppliesTo::Clients),
    ("408", "The body took too long", AppliesTo::Writing),
    ("409", "The list's logic rejects the command, or a limit or a later change is in the way", AppliesTo::Clients),
    ("412", "If-Match does not hold", AppliesTo::Clients),
    ("413", "The body is too large", AppliesTo::Writing),
    ("415", "The body has a media type that is not accepted here", AppliesTo::Writing),
    ("421", "The request is for another host", AppliesTo::All),
    ("422", "The request is well-formed, but not valid; `field` names the member at fault", AppliesTo::Clients),
    (
        "429",
        "There is no room for a receipt of the idempotency key. Nothing was carried out; `Retry-After` is there if receipts expire soon",
        AppliesTo::Writing,
    ),
    ("431", "The head is too large; this answer has no body", AppliesTo::All),
    (
        "500",
        "The list's logic failed, or the server did; the change may have been made if `carried_out` is `unknown`",
        AppliesTo::All,
    ),
    (
        "503",
        "Too much to do, or the store is not available. Nothing was carried out; `Retry-After` is there if the same request is likely to work soon",
        AppliesTo::All,
    ),
];

/// The requests that may get a status. Each kind gets those of the kinds before it, too.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum AppliesTo {
    /// All requests, those of probes and scrapers among them.
    All,
    /// The requests of clients.
    Clients,
    /// Those of them that write.
    Writing,
}

fn problems(requests: AppliesTo) -> BTreeMap<String, RefOr<Response>> {
    let response = |(status, meaning): (&str, &str)| {
        let mut response = ResponseBuilder::new().description(meaning);
        if status != "431" {
            let schema = Some(RefOr::<utoipa::openapi::Schema>::Ref(Ref::from_schema_name("Problem")));
            response = response.content(problem::MEDIA_TYPE, Content::new(schema));
        }
        (status.to_owned(), RefOr::T(response.build()))
    };
    MEANINGS
        .into_iter()
        .filter(|(_, _, applies_to)| *applies_to <= requests)
        .map(|(status, meaning, _)| response((status, meaning)))
        .collect()
}

impl IntoResponses for ProbeProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(AppliesTo::All)
    }
}

impl IntoResponses for ReadProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(AppliesTo::Clients)
    }
}

impl IntoResponses for WriteProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(AppliesTo::Writing)
    }
}

/// The document without the routes, which are added to it.
pub(super) fn base() -> OpenApi {
    let about = "A multi-user todo server. Each list is bound to a logic, which decides what its entries may be. \
        Every error is a problem document, RFC 9457. The problem of a request that writes says in `carried_out` whether \
        the change was made. A connection over a limit gets a 503 that names the limit, and is closed before its request is read.";
    let info = InfoBuilder::new()
        .title("Hotlist")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(about))
        .license(Some(utoipa::openapi::License::new(env!("CARGO_PKG_LICENSE"))));
    let mut schemas = Vec::new();
    <problem::ProblemBody<'_> as utoipa::ToSchema>::schemas(&mut schemas);
    schemas.push(("Problem".to_owned(), <problem::ProblemBody<'_> as utoipa::PartialSchema>::schema()));
    let components = utoipa::openapi::ComponentsBuilder::new().schemas_from_iter(schemas).build();
    OpenApiBuilder::new().info(info.build()).components(Some(components)).build()
}

//! Headers of requests that several operations have, for the OpenAPI document.

use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use super::schemas::{EntityTags, EventPositions, IdempotencyKey, RevisionNumber, reference};

/// Description of the header `Idempotency-Key`.
const IDEMPOTENCY_KEY: &str = "Identifies the request, at most 255 bytes: a repetition within 24 hours by default \
    (`--receipt-time`) is not carried out again and gets the first response. For that the server keeps a receipt, by default \
    at most 1 MiB of them for each list (`--max-list-receipt-bytes`), of which one caller or address may have seven eighths, and \
    256 MiB in all (`--max-receipt-bytes`), of which one caller or address may have an eighth. Without room for its receipt a new request is refused with status 429; the receipts of earlier \
    requests stay until they expire";

/// Headers of a request that reads something with an entity tag.
pub(super) struct ReadConditions;

/// Headers of a request that writes to a list.
pub(super) struct WriteConditions;

/// Header of a client that connects again to a stream of events.
pub(super) struct LastEventId;

/// The same header for a stream of several lists.
pub(super) struct LastEventPositions;

impl IntoParams for ReadConditions {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![
            header::<EntityTags>("If-None-Match", "Answer 304 if one of these is the current tag"),
            header::<EntityTags>("If-Match", "Answer 412 if none of these is the current tag"),
        ]
    }
}

impl IntoParams for WriteConditions {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![
            header::<EntityTags>("If-Match", "Only if the list is at one of these revisions; `*`: only if it exists"),
            header::<IdempotencyKey>("Idempotency-Key", IDEMPOTENCY_KEY),
        ]
    }
}

impl IntoParams for LastEventId {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![header::<RevisionNumber>("Last-Event-ID", "The last revision that the client knows")]
    }
}

impl IntoParams for LastEventPositions {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "The id of the last event that the client has, which goes before the revisions in the query";
        vec![header::<EventPositions>("Last-Event-ID", about)]
    }
}

fn header<T: ToSchema>(name: &str, about: &str) -> Parameter {
    let header = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header).required(Required::False);
    header.description(Some(about)).schema(Some(reference::<T>())).build()
}

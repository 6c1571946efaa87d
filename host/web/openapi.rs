//! The contract: OpenAPI 3.1, made from the handlers and the types that they really read and write.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::response::Response;
use utoipa::openapi::{Content, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required, ResponseBuilder};

use super::{problem, routes};

/// The problems that any reading request may get.
pub(super) struct ReadProblems;

/// The problems that any writing request may get.
pub(super) struct WriteProblems;

/// What each status means here.
const MEANINGS: [(&str, &str, Of); 13] = [
    ("400", "The request is malformed", Of::Both),
    ("401", "The request does not say who asks, which this server wants to know", Of::Both),
    ("404", "What the path names does not exist", Of::Both),
    ("408", "The body took too long", Of::Writing),
    ("409", "The list's logic says no, or a limit or a later change stands in the way", Of::Both),
    ("412", "If-Match does not hold", Of::Both),
    ("413", "The body is too large", Of::Writing),
    ("415", "The body is of a type that is not taken here", Of::Writing),
    ("422", "The request is well-formed, but not valid; `field` names the member at fault", Of::Both),
    ("429", "Too many requests; `Retry-After` says when to try again", Of::Nobody),
    ("431", "The head is too large; this answer has no body", Of::Both),
    ("500", "The list's logic failed, or the server did", Of::Both),
    ("503", "There is too much to do, or the store is not available; `Retry-After` says when to try again", Of::Both),
];

#[derive(Clone, Copy, PartialEq)]
enum Of {
    Both,
    Writing,
    Nobody,
}

fn problems(writing: bool) -> BTreeMap<String, RefOr<Response>> {
    let applies = |of: Of| of == Of::Both || (writing && of == Of::Writing);
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
        .filter(|(_, _, of)| applies(*of))
        .map(|(status, meaning, _)| response((status, meaning)))
        .collect()
}

impl IntoResponses for ReadProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(false)
    }
}

impl IntoResponses for WriteProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(true)
    }
}

/// What the contract begins with; the routes are added to it.
pub(super) fn base() -> OpenApi {
    let about = "A multi-user todo server. Each list is kept by a logic, which decides what its entries may be. \
        Every error is a problem document, RFC 9457.";
    let info = InfoBuilder::new()
        .title("Hotlist")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(about))
        .license(Some(utoipa::openapi::License::new(env!("CARGO_PKG_LICENSE"))));
    let mut schemas = Vec::new();
    <problem::Document<'_> as utoipa::ToSchema>::schemas(&mut schemas);
    schemas.push(("Problem".to_owned(), <problem::Document<'_> as utoipa::PartialSchema>::schema()));
    let components = utoipa::openapi::ComponentsBuilder::new().schemas_from_iter(schemas).build();
    OpenApiBuilder::new().info(info.build()).components(Some(components)).build()
}

/// The contract of this server.
pub fn document() -> OpenApi {
    let mut document = routes::documented().into_openapi();
    // The macros have no word for a body that may be left out.
    for path in ["/lists/{list}", "/lists/{list}/commands/{name}", "/lists/{list}/undo"] {
        let item = document.paths.paths.get_mut(path);
        let operations = item.map(|item| [item.put.as_mut(), item.post.as_mut()]);
        for operation in operations.into_iter().flatten().flatten() {
            if let Some(RefOr::T(body)) = &mut operation.request_body {
                body.required = Some(Required::False);
            }
        }
    }
    document
}

/// The contract as JSON.
pub(super) fn text() -> String {
    document().to_json().expect("a contract is texts and numbers under fixed names")
}

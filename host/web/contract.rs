//! OpenAPI document of the whole interface, made from the routes.

use utoipa::openapi::{OpenApi, RefOr, Required};

use super::routes;

/// The OpenAPI document of this server.
pub fn document() -> OpenApi {
    let mut document = routes::documented().into_openapi();
    // The macros cannot say that a body may be left out.
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

/// The document as JSON.
pub(super) fn text() -> String {
    document().to_json().expect("the document is strings and numbers under fixed names")
}

//! OpenAPI document of the whole interface, made from the routes.
//!
//! It is OpenAPI 3.1, because generators of clients do not read 3.2 yet. So the event stream is described in words: its
//! `itemSchema` is a part of 3.2. A parameter has its default. A member of a body has its default in words: clients that are
//! generated for TypeScript would demand a member with a default.

use utoipa::openapi::schema::Discriminator;
use utoipa::openapi::{OpenApi, Ref, RefOr, Required, Schema};

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
    name_variants(&mut document, "Change", "type");
    document
}

/// Makes each variant of a union a schema of its own, named after the value of the member that tells the variants apart.
/// The macros write the variants into the union, and cannot write a discriminator there.
fn name_variants(document: &mut OpenApi, union: &str, tag: &str) {
    let Some(schemas) = document.components.as_mut().map(|components| &mut components.schemas) else { return };
    let Some(RefOr::T(Schema::OneOf(one_of))) = schemas.get_mut(union) else { return };
    let mut discriminator = Discriminator::new(tag);
    let mut variants = Vec::new();
    for item in &mut one_of.items {
        let Some(value) = constant(item, tag) else { continue };
        let name = format!("{}{union}", capitalized(&value));
        let reference = Ref::from_schema_name(&name);
        discriminator.mapping.insert(value, reference.ref_location.clone());
        variants.push((name, std::mem::replace(item, RefOr::Ref(reference))));
    }
    one_of.discriminator = Some(discriminator);
    schemas.extend(variants);
}

/// The only value that a member of an object may have.
fn constant(schema: &RefOr<Schema>, member: &str) -> Option<String> {
    let RefOr::T(Schema::Object(object)) = schema else { return None };
    let RefOr::T(Schema::Object(member)) = object.properties.get(member)? else { return None };
    member.enum_values.as_ref()?.first()?.as_str().map(str::to_owned)
}

/// `bind-logic` as `BindLogic`.
fn capitalized(value: &str) -> String {
    let word = |word: &str| word.get(..1).map(|first| first.to_ascii_uppercase() + &word[1..]);
    value.split('-').filter_map(word).collect()
}

/// The document as JSON.
pub(super) fn text() -> String {
    document().to_json().expect("the document is strings and numbers under fixed names")
}

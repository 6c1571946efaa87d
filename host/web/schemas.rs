//! Schemas of texts, numbers and values that several members, parameters and headers have, for the OpenAPI document.
//!
//! JSON Schema counts the characters of a text, and the limits here count its bytes. So a length here is the most characters
//! that a text within the limit may have.

use utoipa::openapi::schema::{AnyOfBuilder, ArrayBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::list::command::BUILT_IN_COMMANDS;
use crate::list::entry::MAX_TITLE_CHARS;
use crate::list::id::LogicId;
use crate::list::name::{ListName, LogicName, MAX_IDENTIFIER_BYTES, MAX_LIST_NAME_BYTES};
use crate::list::receipt::MAX_KEY_BYTES;
use crate::list::selector::{LogicSelector, Pin};
use crate::list::value::{MAX_ENTRIES_NAMED, MAX_FIELDS, MAX_TEXT_BYTES, MAX_TEXTS};

/// The largest number up to which every integer is a double.
pub(super) const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// The same as an integer.
const MAX_EXACT_INTEGER: u64 = 1 << 53;

/// Implements the schemas of texts: the lengths, the pattern and the description.
macro_rules! texts {
    ($($name:ty: $lengths:expr, $pattern:expr, $about:expr;)*) => {
        $(impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                text($lengths, $pattern).description(Some($about)).into()
            }
        }
        impl ToSchema for $name {})*

        /// The schemas of texts by their names.
        fn texts() -> Vec<(String, RefOr<Schema>)> {
            vec![$((<$name>::name().into_owned(), <$name>::schema())),*]
        }
    };
}

/// Name of a field, a setting, an argument, a command or a view.
pub(super) enum Identifier {}

/// Digest of a component.
pub(super) enum ComponentDigest {}

/// Digest of a component as a path names it.
pub(super) enum DigestInPath {}

/// Version of a logic as an operator names it.
pub(super) enum VersionSelector {}

/// Number of a version.
pub(super) enum VersionNumber {}

/// Title of an entry.
pub(super) enum Title {}

/// Entity tag that is a revision.
pub(super) enum RevisionTag {}

/// Entity tag of a list's description.
pub(super) enum DescriptionTag {}

/// Entity tag of other content.
pub(super) enum ContentTag {}

/// Entity tag of content whose counters may differ.
pub(super) enum WeakTag {}

/// Value of `If-Match` and `If-None-Match`.
pub(super) enum EntityTags {}

/// Ids of entries in a query.
pub(super) enum EntryIds {}

/// Custom field and its value in a query.
pub(super) enum FieldFilter {}

/// Value of `Idempotency-Replayed`.
pub(super) enum Replayed {}

/// Lists with the last revisions that a client has.
pub(super) enum EventPositions {}

/// Value of `Idempotency-Key`.
pub(super) enum IdempotencyKey {}

/// Pattern of identifiers and names of logics.
const IDENTIFIER: &str = "^[a-z][a-z0-9-]*$";

/// Lengths of texts whose pattern limits them.
const ANY_LENGTH: (usize, usize) = (0, 0);

/// Pattern of texts that are not limited.
const ANY: &str = "";

texts! {
    ListName: (1, MAX_LIST_NAME_BYTES), r"^[^\u0000-\u001f\u007f-\u009f]+$",
        "The name of a list: 1 to 200 bytes of UTF-8 without control characters. A new list cannot have the name `.` or `..`.";
    LogicName: (1, MAX_IDENTIFIER_BYTES), IDENTIFIER, "The name of a logic.";
    Identifier: (1, MAX_IDENTIFIER_BYTES), IDENTIFIER, "The name of a field, a setting, an argument, a command or a view.";
    LogicId: ANY_LENGTH, r"^[a-z][a-z0-9-]*@[0-9]+\.[0-9]+\.[0-9]+.*\+sha256:[0-9a-f]{8}$",
        "A version of a logic: its name, its number and the first digits of its digest.";
    ComponentDigest: ANY_LENGTH, "^sha256:[0-9a-f]{64}$", "The SHA-256 of a component.";
    DigestInPath: ANY_LENGTH, "^(sha256:)?[0-9a-fA-F]{64}$", "The SHA-256 of a component, `sha256:` before it or not.";
    VersionSelector: ANY_LENGTH,
        r"^([0-9]{1,19}([.][0-9]{1,19}){0,2}|(sha256:)?[0-9a-fA-F]{1,64}|last-good|candidate)$",
        "A version: its number, the first digits of its digest, or its role.";
    VersionNumber: ANY_LENGTH, r"^[0-9]+\.[0-9]+\.[0-9]+", "The version number that a component gives itself.";
    Pin: ANY_LENGTH, r"^([0-9]{1,19}(\.[0-9]{1,19}){0,2}|sha256:[0-9a-fA-F]{64})$",
        "A version, by its number or its digest. `1.2` is the newest version whose number begins so.";
    LogicSelector: ANY_LENGTH, r"^[a-z][a-z0-9-]{0,63}(@([0-9]{1,19}(\.[0-9]{1,19}){0,2}|sha256:[0-9a-fA-F]{64}))?$",
        "A logic, and a version to pin the list to if there is one.";
    Title: (0, MAX_TITLE_CHARS), ANY, "The title of an entry. A logic may demand more.";
    RevisionTag: ANY_LENGTH, "^\"[0-9]+(-gzip)?\"$", "The list's revision as a strong entity tag. That of a compressed answer ends with its coding.";
    DescriptionTag: ANY_LENGTH, "^\"[0-9]+([+]([0-9a-f]+|none))?(-gzip)?\"$",
        "The list's revision as a strong entity tag, with the version that decides where that is another one than wrote last.";
    ContentTag: ANY_LENGTH, "^\".+\"$", "A strong entity tag.";
    WeakTag: ANY_LENGTH, "^W/\".+\"$", "A weak entity tag.";
    EntityTags: ANY_LENGTH, r#"^(\*|(W/)?"[!#-~]*"( ?, ?(W/)?"[!#-~]*")*)$"#, "`*`, or entity tags that are separated by commas.";
    EntryIds: ANY_LENGTH, "^[0-9]{1,16}(,[0-9]{1,16}){0,15}$", "Ids of entries. 0 is the start.";
    FieldFilter: ANY_LENGTH, "^[a-z][a-z0-9-]{0,63}:", "The name of a custom field, a colon and a value.";
    Replayed: ANY_LENGTH, "^true$", "`true`.";
    EventPositions: ANY_LENGTH, r"^[^:,\s]+:[0-9]+(,[^:,\s]+:[0-9]+)*$", "Names of lists, percent-encoded, with revisions.";
    IdempotencyKey: (1, MAX_KEY_BYTES), r#"^("([ !#-\[\]-~]|\\["\\])+"|[!#-~]+)$"#, "A quoted string, or a word.";
}

/// A text with at least so many characters and at most so many. 0 is no limit.
fn text((least, most): (usize, usize), pattern: &str) -> ObjectBuilder {
    let limit = |limit: usize| (limit > 0).then_some(limit);
    let pattern = (pattern != ANY).then_some(pattern);
    ObjectBuilder::new().schema_type(Type::String).min_length(limit(least)).max_length(limit(most)).pattern(pattern)
}

/// Id of an entry.
pub(super) enum EntryId {}

/// Number of a revision.
pub(super) enum RevisionNumber {}

/// A whole number from a least one up to the largest that every client can represent.
fn whole(least: usize, about: &str) -> RefOr<Schema> {
    let number =
        ObjectBuilder::new().schema_type(Type::Integer).format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
    number.minimum(Some(least)).maximum(Some(MAX_EXACT_INTEGER)).description(Some(about)).into()
}

impl PartialSchema for EntryId {
    fn schema() -> RefOr<Schema> {
        whole(1, "The id of an entry, unique in its list.")
    }
}

impl ToSchema for EntryId {}

/// Number of things.
pub(super) enum Count {}

impl PartialSchema for Count {
    fn schema() -> RefOr<Schema> {
        whole(0, "A number of things.")
    }
}

impl ToSchema for Count {}

impl PartialSchema for RevisionNumber {
    fn schema() -> RefOr<Schema> {
        whole(0, "The number of a revision. The first one of a list is 1.")
    }
}

impl ToSchema for RevisionNumber {}

/// Value of a custom field, a setting, an argument or a computed value.
pub(super) enum FieldValue {}

impl PartialSchema for FieldValue {
    fn schema() -> RefOr<Schema> {
        let of_type = |schema_type: Type| ObjectBuilder::new().schema_type(schema_type);
        let value_text = || of_type(Type::String).max_length(Some(MAX_TEXT_BYTES));
        let any = AnyOfBuilder::new()
            .item(of_type(Type::Boolean))
            .item(of_type(Type::Number))
            .item(value_text())
            .item(ArrayBuilder::new().items(value_text()).max_items(Some(MAX_TEXTS)))
            .item(ArrayBuilder::new().items(reference::<EntryId>()).max_items(Some(MAX_ENTRIES_NAMED)));
        let about = "A boolean, a number, a text, a date written as a text, an array of texts, an entry's id, or an array of ids. \
            The description of the list's logic says which of them each field has.";
        RefOr::T(any.description(Some(about)).into())
    }
}

impl ToSchema for FieldValue {}

/// An object of named values.
pub(super) fn named_values(values: impl Into<RefOr<Schema>>, about: &str) -> RefOr<Schema> {
    let values = utoipa::openapi::schema::AdditionalProperties::RefOr(values.into());
    let object = ObjectBuilder::new().schema_type(Type::Object).additional_properties(Some(values));
    object.max_properties(Some(MAX_FIELDS)).description(Some(about)).into()
}

/// New values by their names, and `null` for those to remove.
pub(super) enum FieldChanges {}

impl PartialSchema for FieldChanges {
    fn schema() -> RefOr<Schema> {
        let value =
            AnyOfBuilder::new().item(reference::<FieldValue>()).item(ObjectBuilder::new().schema_type(Type::Null));
        named_values(Schema::from(value), "New values by their names. `null` removes one.")
    }
}

impl ToSchema for FieldChanges {}

/// Name of a command in the history.
pub(super) enum CommandName {}

impl PartialSchema for CommandName {
    fn schema() -> RefOr<Schema> {
        let built_in = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(BUILT_IN_COMMANDS));
        let any = AnyOfBuilder::new().item(built_in).item(reference::<Identifier>());
        let about = "A command that every list has, or one of its logic's own.";
        RefOr::T(any.description(Some(about)).into())
    }
}

impl ToSchema for CommandName {}

/// The bytes of a component.
pub(super) enum Component {}

impl PartialSchema for Component {
    fn schema() -> RefOr<Schema> {
        let bytes =
            ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
        bytes.description(Some("A WebAssembly component.")).into()
    }
}

impl ToSchema for Component {}

/// A page of a recording.
pub(super) enum RecordingPage {}

impl PartialSchema for RecordingPage {
    fn schema() -> RefOr<Schema> {
        let bytes =
            ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
        bytes.description(Some("Bytes for a Hotlist program of the same version.")).into()
    }
}

impl ToSchema for RecordingPage {}

/// A reference to a schema.
pub(super) fn reference<T: ToSchema>() -> Ref {
    Ref::from_schema_name(T::name())
}

/// The schemas that parameters, headers and other schemas here refer to. Those of bodies are found by the macros.
pub(super) fn shared() -> Vec<(String, RefOr<Schema>)> {
    let mut all = texts();
    all.extend([
        (EntryId::name().into(), EntryId::schema()),
        (Count::name().into(), Count::schema()),
        (RevisionNumber::name().into(), RevisionNumber::schema()),
        (FieldValue::name().into(), FieldValue::schema()),
    ]);
    all
}

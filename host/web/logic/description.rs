//! Representation of the description that a logic gives of itself.

use serde::Serialize;
use utoipa::ToSchema;

use super::super::schemas::Identifier;
use crate::list::schema::{Description, Reading, Schema};
use crate::list::value::ValueKind;

/// Description that a logic gives of itself.
#[derive(Serialize, ToSchema)]
#[schema(as = Description)]
pub(in crate::web) struct DescriptionBody<'a> {
    /// What the logic does.
    summary: &'a str,
    /// What reads entries when no view is named.
    reading: ReadingBody,
    /// The custom fields of entries.
    fields: Vec<FieldSchemaBody<'a>>,
    /// The settings of lists.
    settings: Vec<FieldSchemaBody<'a>>,
    /// The commands.
    commands: Vec<CommandSchemaBody<'a>>,
    /// The views.
    views: Vec<ViewNameBody<'a>>,
}

/// Schema of a custom field, setting or argument.
#[derive(Serialize, ToSchema)]
#[schema(as = FieldSchema)]
pub(in crate::web) struct FieldSchemaBody<'a> {
    /// The name.
    #[schema(value_type = Identifier)]
    name: &'a str,
    /// The name for people.
    title: &'a str,
    /// The type of the value.
    kind: FieldKindBody,
    /// Whether the value must be given. Only for arguments.
    required: bool,
    /// The only values that a text may have. Empty allows all.
    choices: &'a [String],
}

/// Type of a value.
#[derive(Serialize, ToSchema)]
#[schema(as = FieldKind)]
#[serde(rename_all = "kebab-case")]
pub(in crate::web) enum FieldKindBody {
    /// True or false.
    Boolean,
    /// A number.
    Number,
    /// A text.
    Text,
    /// A day, written as a text.
    Date,
    /// An array of texts.
    Texts,
    /// The id of an entry.
    Entry,
    /// An array of ids of entries.
    Entries,
}

/// What reads entries when no view is named.
#[derive(Serialize, ToSchema)]
#[schema(as = Reading)]
#[serde(rename_all = "kebab-case")]
pub(in crate::web) enum ReadingBody {
    /// The server, by the entries' ids.
    Host,
    /// The logic.
    Logic,
}

/// A command that a logic defines.
#[derive(Serialize, ToSchema)]
#[schema(as = CommandSchema)]
pub(in crate::web) struct CommandSchemaBody<'a> {
    /// The name.
    #[schema(value_type = Identifier)]
    name: &'a str,
    /// The name for people.
    title: &'a str,
    /// The arguments.
    arguments: Vec<FieldSchemaBody<'a>>,
}

/// Name of a view.
#[derive(Serialize, ToSchema)]
#[schema(as = ViewName)]
pub(in crate::web) struct ViewNameBody<'a> {
    /// The name.
    #[schema(value_type = Identifier)]
    name: &'a str,
    /// The name for people.
    title: &'a str,
}

impl<'a> DescriptionBody<'a> {
    pub(super) fn new(description: &'a Description) -> Self {
        let schemas = |schemas: &'a [Schema]| schemas.iter().map(FieldSchemaBody::new).collect();
        let commands = description.commands.iter().map(|command| CommandSchemaBody {
            name: &command.name,
            title: &command.title,
            arguments: schemas(&command.arguments),
        });
        Self {
            summary: &description.summary,
            reading: description.reading.into(),
            fields: schemas(&description.fields),
            settings: schemas(&description.settings),
            commands: commands.collect(),
            views: description.views.iter().map(|view| ViewNameBody { name: &view.name, title: &view.title }).collect(),
        }
    }
}

impl From<ValueKind> for FieldKindBody {
    fn from(kind: ValueKind) -> Self {
        match kind {
            ValueKind::Boolean => Self::Boolean,
            ValueKind::Number => Self::Number,
            ValueKind::Text => Self::Text,
            ValueKind::Date => Self::Date,
            ValueKind::Texts => Self::Texts,
            ValueKind::Entry => Self::Entry,
            ValueKind::Entries => Self::Entries,
        }
    }
}

impl From<Reading> for ReadingBody {
    fn from(reading: Reading) -> Self {
        match reading {
            Reading::Host => Self::Host,
            Reading::Logic => Self::Logic,
        }
    }
}

impl<'a> FieldSchemaBody<'a> {
    fn new(schema: &'a Schema) -> Self {
        let Schema { name, title, kind, required, choices } = schema;
        Self { name, title, kind: (*kind).into(), required: *required, choices }
    }
}

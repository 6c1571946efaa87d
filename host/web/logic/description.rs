//! Representation of the description that a logic gives of itself.

use serde::Serialize;
use utoipa::ToSchema;

use crate::list::schema::{Description, Reading, Schema};

/// Description that a logic gives of itself.
#[derive(Serialize, ToSchema)]
#[schema(as = Description)]
pub(in crate::web) struct DescriptionBody<'a> {
    /// What the logic does.
    summary: &'a str,
    /// What reads entries when no view is named: `host` or `logic`.
    reading: &'static str,
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
    name: &'a str,
    /// The name for people.
    title: &'a str,
    /// The type: `boolean`, `number`, `text`, `date`, `texts`, `entry` or `entries`.
    kind: &'static str,
    /// Whether the value must be given. Only for arguments.
    required: bool,
    /// The only values that a text may have. Empty allows all.
    choices: &'a [String],
}

/// A command that a logic defines.
#[derive(Serialize, ToSchema)]
#[schema(as = CommandSchema)]
pub(in crate::web) struct CommandSchemaBody<'a> {
    /// The name.
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
            reading: if description.reading == Reading::Host { "host" } else { "logic" },
            fields: schemas(&description.fields),
            settings: schemas(&description.settings),
            commands: commands.collect(),
            views: description.views.iter().map(|view| ViewNameBody { name: &view.name, title: &view.title }).collect(),
        }
    }
}

impl<'a> FieldSchemaBody<'a> {
    fn new(schema: &'a Schema) -> Self {
        let Schema { name, title, kind, required, choices } = schema;
        Self { name, title, kind: kind.as_str(), required: *required, choices }
    }
}

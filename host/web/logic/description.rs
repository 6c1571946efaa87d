//! What a logic says of itself, as clients see it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::list::schema::{Description, Reading, Schema};

/// What a logic says of itself.
#[derive(Serialize, ToSchema)]
#[schema(as = Description)]
pub(in crate::web) struct DescriptionBody<'a> {
    /// What it does.
    summary: &'a str,
    /// Who answers a reading that names no view: `host` or `logic`.
    reading: &'static str,
    /// The custom fields of its entries.
    fields: Vec<FieldSchemaBody<'a>>,
    /// The settings of its lists.
    settings: Vec<FieldSchemaBody<'a>>,
    /// Its commands.
    commands: Vec<CommandSchemaBody<'a>>,
    /// Its views.
    views: Vec<ViewNameBody<'a>>,
}

/// A custom field, setting or argument.
#[derive(Serialize, ToSchema)]
#[schema(as = FieldSchema)]
pub(in crate::web) struct FieldSchemaBody<'a> {
    /// Its name.
    name: &'a str,
    /// What people call it.
    title: &'a str,
    /// Its type: `boolean`, `number`, `text`, `date` or `texts`.
    kind: &'static str,
    /// For an argument: whether it must be given.
    required: bool,
    /// For texts: the only values allowed; empty allows all.
    choices: &'a [String],
}

/// A command of a logic.
#[derive(Serialize, ToSchema)]
#[schema(as = CommandSchema)]
pub(in crate::web) struct CommandSchemaBody<'a> {
    /// Its name.
    name: &'a str,
    /// What people call it.
    title: &'a str,
    /// What it takes.
    arguments: Vec<FieldSchemaBody<'a>>,
}

/// A name with what people call it.
#[derive(Serialize, ToSchema)]
#[schema(as = ViewName)]
pub(in crate::web) struct ViewNameBody<'a> {
    /// The name.
    name: &'a str,
    /// What people call it.
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

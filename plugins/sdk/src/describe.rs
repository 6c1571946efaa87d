//! Writing a description, piece by piece.

use crate::{CommandSchema, Description, Kind, Reading, Schema, ViewSchema};

impl Description {
    /// A logic without fields, settings, commands and views, whose plain list the host reads out.
    pub fn new(title: &str, summary: &str, version: &str) -> Self {
        Self {
            title: title.into(),
            summary: summary.into(),
            version: version.into(),
            fields: Vec::new(),
            settings: Vec::new(),
            commands: Vec::new(),
            views: Vec::new(),
            reading: Reading::Host,
            wakes: false,
        }
    }

    /// Adds a custom field that entries may have.
    #[must_use]
    pub fn field(mut self, schema: Schema) -> Self {
        self.fields.push(schema);
        self
    }

    /// Adds a setting that lists may have.
    #[must_use]
    pub fn setting(mut self, schema: Schema) -> Self {
        self.settings.push(schema);
        self
    }

    /// Adds a command.
    #[must_use]
    pub fn command(mut self, name: &str, title: &str, arguments: Vec<Schema>) -> Self {
        self.commands.push(CommandSchema { name: name.into(), title: title.into(), arguments });
        self
    }

    /// Adds a view.
    #[must_use]
    pub fn view(mut self, name: &str, title: &str) -> Self {
        self.views.push(ViewSchema { name: name.into(), title: title.into() });
        self
    }

    /// Has the host ask [`crate::Logic::next_wake_up`] after every change.
    #[must_use]
    pub fn wakes(mut self) -> Self {
        self.wakes = true;
        self
    }

    /// Has this logic's `entries` answer plain readings, too, instead of the host.
    #[must_use]
    pub fn reads_plainly(mut self) -> Self {
        self.reading = Reading::Logic;
        self
    }
}

impl Schema {
    /// A value that may be there or not, and may be anything of its kind.
    pub fn new(name: &str, title: &str, kind: Kind) -> Self {
        Self { name: name.into(), title: title.into(), kind, required: false, choices: Vec::new() }
    }

    /// For an argument: it must be given.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// For texts: only these are allowed.
    #[must_use]
    pub fn choices(mut self, choices: &[&str]) -> Self {
        self.choices = choices.iter().map(|&choice| choice.into()).collect();
        self
    }
}

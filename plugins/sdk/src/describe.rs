//! Builders for descriptions and schemas.

use crate::{CommandSchema, Description, Kind, Reading, Schema, ViewSchema};

impl Description {
    /// A description without fields, settings, commands and views. The host answers plain reads.
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

    /// Declares that the list wakes: the host calls [`crate::Logic::next_wake_up`] after every change.
    #[must_use]
    pub fn wakes(mut self) -> Self {
        self.wakes = true;
        self
    }

    /// Declares that this logic's `entries` answers plain reads, too, instead of the host.
    #[must_use]
    pub fn reads_plainly(mut self) -> Self {
        self.reading = Reading::Logic;
        self
    }
}

impl Schema {
    /// An optional value that may be anything of its kind.
    pub fn new(name: &str, title: &str, kind: Kind) -> Self {
        Self { name: name.into(), title: title.into(), kind, required: false, choices: Vec::new() }
    }

    /// Makes an argument required.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Limits texts to these choices.
    #[must_use]
    pub fn choices(mut self, choices: &[&str]) -> Self {
        self.choices = choices.iter().map(|&choice| choice.into()).collect();
        self
    }
}

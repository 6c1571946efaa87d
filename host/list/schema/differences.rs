//! The differences between two descriptions that lists and clients can notice.

use super::{Description, Schema};

impl Description {
    /// Returns a line for each field, setting, command and view that is new, removed or changed since `before`.
    pub fn differences(&self, before: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for (what, now, before) in
            [("field", &self.fields, &before.fields), ("setting", &self.settings, &before.settings)]
        {
            schemas(what, now, before, &mut lines);
        }
        for command in &before.commands {
            match self.command(&command.name) {
                None => lines.push(format!("command {} is gone", command.name)),
                Some(now) => {
                    let what = format!("command {}: argument", now.name);
                    schemas(&what, &now.arguments, &command.arguments, &mut lines);
                }
            }
        }
        let new = self.commands.iter().filter(|command| before.command(&command.name).is_none());
        lines.extend(new.map(|command| format!("command {} is new", command.name)));
        let gone = before.views.iter().filter(|view| self.view(&view.name).is_none());
        lines.extend(gone.map(|view| format!("view {} is gone", view.name)));
        let new = self.views.iter().filter(|view| before.view(&view.name).is_none());
        lines.extend(new.map(|view| format!("view {} is new", view.name)));
        lines
    }
}

fn schemas(what: &str, now: &[Schema], before: &[Schema], lines: &mut Vec<String>) {
    for schema in before {
        let name = &schema.name;
        match now.iter().find(|other| other.name == *name) {
            None => lines.push(format!("{what} {name} is gone")),
            Some(now) if now.kind != schema.kind => {
                let (is, was) = (now.kind.as_str(), schema.kind.as_str());
                lines.push(format!("{what} {name} is of kind {is}, and was of kind {was}"));
            }
            Some(now) if now.choices != schema.choices => lines.push(format!("{what} {name} has other choices")),
            Some(now) if now.required && !schema.required => lines.push(format!("{what} {name} is required now")),
            Some(_) => {}
        }
    }
    let new = now.iter().filter(|schema| !before.iter().any(|other| other.name == schema.name));
    lines.extend(
        new.map(|schema| {
            format!("{what} {} is new{}", schema.name, if schema.required { ", and required" } else { "" })
        }),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::schema::{CommandSchema, Reading, ViewSchema};
    use crate::list::value::ValueKind;

    fn schema(name: &str, kind: ValueKind) -> Schema {
        Schema { name: name.into(), title: String::new(), kind, required: false, choices: Vec::new() }
    }

    fn described(fields: Vec<Schema>, arguments: Vec<Schema>, view: &str) -> Description {
        Description {
            title: String::new(),
            summary: String::new(),
            version: semver::Version::new(1, 0, 0),
            fields,
            settings: Vec::new(),
            commands: vec![CommandSchema { name: "move".into(), title: String::new(), arguments }],
            views: vec![ViewSchema { name: view.into(), title: String::new() }],
            reading: Reading::Host,
            wakes: false,
        }
    }

    #[test]
    fn each_difference_that_lists_and_clients_notice_has_a_line() {
        let before = described(
            vec![schema("rank", ValueKind::Number), schema("column", ValueKind::Text)],
            vec![schema("to", ValueKind::Text)],
            "board",
        );
        let required = Schema { required: true, ..schema("entry", ValueKind::Entry) };
        let now = described(
            vec![schema("rank", ValueKind::Text), schema("lane", ValueKind::Text)],
            vec![schema("to", ValueKind::Text), required],
            "table",
        );
        assert_eq!(
            now.differences(&before),
            [
                "field rank is of kind text, and was of kind number",
                "field column is gone",
                "field lane is new",
                "command move: argument entry is new, and required",
                "view board is gone",
                "view table is new",
            ]
        );
        assert!(before.differences(&before).is_empty());
    }
}

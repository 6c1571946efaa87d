//! The description of a logic: the fields, settings, commands and views of its lists.

mod differences;

use super::excerpt::{excerpt, quoted};
use super::name::{identifier, stable_hash};
use super::printable::printable;
use super::value::{Field, MAX_FIELDS, Value, ValueKind};

/// The most commands, and the most views, of a description.
pub const MAX_COMMANDS: usize = 64;

/// The most bytes of a title or a summary in a description.
pub const MAX_DESCRIPTION_TEXT_BYTES: usize = 2_000;

/// The most bytes of text in a whole description, choices included. Clients get the description as a whole.
pub const MAX_DESCRIPTION_BYTES: usize = 1 << 20;

/// The most bytes of a message about a schema. A longer message is cut.
const MAX_PROBLEM_BYTES: usize = 2_000;

/// The description that a logic gives of itself.
#[derive(Clone, PartialEq, Debug)]
pub struct Description {
    /// The logic's name for people.
    pub title: String,
    /// A summary in a sentence or two.
    pub summary: String,
    /// The logic's version.
    pub version: semver::Version,
    /// The custom fields of entries.
    pub fields: Vec<Schema>,
    /// The settings of lists.
    pub settings: Vec<Schema>,
    /// The commands besides adding, changing and deleting an entry.
    pub commands: Vec<CommandSchema>,
    /// The views besides the plain list.
    pub views: Vec<ViewSchema>,
    /// Whether the host or the logic answers a query without a view.
    pub reading: Reading,
    /// Whether lists of this logic can have a wake-up time.
    pub wakes: bool,
}

/// The schema of a custom field, a setting or an argument.
#[derive(Clone, PartialEq, Debug)]
pub struct Schema {
    /// The name for programs.
    pub name: String,
    /// The title for people.
    pub title: String,
    /// The type of its values.
    pub kind: ValueKind,
    /// Whether a command requires the argument. It has no meaning for fields and settings.
    pub required: bool,
    /// The only texts that are allowed. Empty allows all.
    pub choices: Vec<String>,
}

/// The schema of a command.
#[derive(Clone, PartialEq, Debug)]
pub struct CommandSchema {
    /// The name for programs.
    pub name: String,
    /// The title for people.
    pub title: String,
    /// The command's arguments.
    pub arguments: Vec<Schema>,
}

/// The schema of a view.
#[derive(Clone, PartialEq, Debug)]
pub struct ViewSchema {
    /// The name for programs.
    pub name: String,
    /// The title for people.
    pub title: String,
}

/// The component that answers a query without a view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// The host, from the snapshot, ids ascending.
    Host,
    /// The logic.
    Logic,
}

/// A breach of a schema by a named value.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}: {}", printable(name), printable(problem))]
pub struct SchemaError {
    /// The name of the field, setting or argument.
    pub name: String,
    /// The problem, for people.
    pub problem: String,
}

impl SchemaError {
    /// Returns an error of bounded size. A logic may give megabytes where a name belongs.
    fn new(name: &str, problem: impl Into<String>) -> Self {
        let mut problem = problem.into();
        problem.truncate(problem.floor_char_boundary(MAX_PROBLEM_BYTES));
        Self { name: excerpt(name).into_owned(), problem }
    }
}

impl Description {
    /// Returns the command with this name.
    pub fn command(&self, name: &str) -> Option<&CommandSchema> {
        self.commands.iter().find(|command| command.name == name)
    }

    /// Returns a fingerprint of the names, types and choices of fields and settings, in any order.
    ///
    /// Two versions with the same fingerprint read a list in the same way. Titles, commands and views do not count.
    pub fn schema_fingerprint(&self) -> u64 {
        let mut lines: Vec<String> = Vec::new();
        for (role, schemas) in [("field", &self.fields), ("setting", &self.settings)] {
            lines.extend(schemas.iter().map(|schema| {
                let mut choices = schema.choices.clone();
                choices.sort_unstable();
                format!("{role} {} {} {choices:?}", schema.name, schema.kind.as_str())
            }));
        }
        lines.sort_unstable();
        stable_hash(lines.join("\n").as_bytes())
    }

    /// Returns the view with this name.
    pub fn view(&self, name: &str) -> Option<&ViewSchema> {
        self.views.iter().find(|view| view.name == name)
    }

    /// Returns the bytes of text in the description.
    fn bytes(&self) -> usize {
        let schemas = |schemas: &[Schema]| -> usize {
            let choices = |schema: &Schema| schema.choices.iter().map(String::len).sum::<usize>();
            schemas.iter().map(|schema| schema.name.len() + schema.title.len() + choices(schema)).sum()
        };
        let command = |command: &CommandSchema| command.name.len() + command.title.len() + schemas(&command.arguments);
        self.title.len()
            + self.summary.len()
            + schemas(&self.fields)
            + schemas(&self.settings)
            + self.commands.iter().map(command).sum::<usize>()
            + self.views.iter().map(|view| view.name.len() + view.title.len()).sum::<usize>()
    }

    /// Checks the description. A logic with a malformed description is not loaded.
    pub fn check(&self) -> Result<(), SchemaError> {
        check_text("title", &self.title)?;
        check_text("summary", &self.summary)?;
        if self.bytes() > MAX_DESCRIPTION_BYTES {
            let problem = format!("it has {} bytes of text, the limit is {MAX_DESCRIPTION_BYTES}", self.bytes());
            return Err(SchemaError::new("description", problem));
        }
        check_schemas("fields", &self.fields)?;
        check_schemas("settings", &self.settings)?;
        check_names("commands", MAX_COMMANDS, self.commands.iter().map(|c| (&c.name, &c.title)))?;
        check_names("views", MAX_COMMANDS, self.views.iter().map(|v| (&v.name, &v.title)))?;
        self.commands.iter().try_for_each(|command| check_schemas(&command.name, &command.arguments))
    }
}

/// Checks values against their schemas: each name is declared and occurs once, and each value has the declared type
/// and keeps the limits.
pub fn check_fields(schemas: &[Schema], fields: &[Field]) -> Result<(), SchemaError> {
    for (at, field) in fields.iter().enumerate() {
        if fields[..at].iter().any(|before| before.name == field.name) {
            return Err(SchemaError::new(&field.name, "it is there twice"));
        }
        check_value(schemas, &field.name, &field.value)?;
    }
    Ok(())
}

/// Checks one value like [`check_fields`].
pub fn check_value(schemas: &[Schema], name: &str, value: &Value) -> Result<(), SchemaError> {
    let schema = find(schemas, name)?;
    if schema.kind != value.kind() {
        let (is, wants) = (value.kind().as_str(), schema.kind.as_str());
        return Err(SchemaError::new(name, format!("it is of kind {is} where {wants} is declared")));
    }
    value.check().map_err(|problem| SchemaError::new(name, problem))?;
    let allowed = |text: &String| schema.choices.is_empty() || schema.choices.contains(text);
    let fits = match value {
        Value::Text(text) => allowed(text),
        Value::Texts(texts) => texts.iter().all(allowed),
        _ => true,
    };
    if fits { Ok(()) } else { Err(SchemaError::new(name, format!("it must be one of: {}", schema.choices.join(", ")))) }
}

/// Checks a command's arguments like [`check_fields`], and that all required arguments are given.
pub fn check_arguments(schemas: &[Schema], arguments: &[Field]) -> Result<(), SchemaError> {
    check_fields(schemas, arguments)?;
    let given = |schema: &&Schema| arguments.iter().any(|argument| argument.name == schema.name);
    match schemas.iter().filter(|schema| schema.required).find(|schema| !given(schema)) {
        Some(missing) => Err(SchemaError::new(&missing.name, "it is required")),
        None => Ok(()),
    }
}

/// Finds the schema of a name, which has to be declared.
pub fn find<'a>(schemas: &'a [Schema], name: &str) -> Result<&'a Schema, SchemaError> {
    let found = schemas.iter().find(|schema| schema.name == name);
    found.ok_or_else(|| SchemaError::new(name, unknown(schemas)))
}

fn unknown(schemas: &[Schema]) -> String {
    if schemas.is_empty() {
        return "it is not declared; none is".to_owned();
    }
    let names: Vec<_> = schemas.iter().map(|schema| schema.name.as_str()).collect();
    format!("it is not declared; these are: {}", names.join(", "))
}

fn check_schemas(place: &str, schemas: &[Schema]) -> Result<(), SchemaError> {
    check_names(place, MAX_FIELDS, schemas.iter().map(|s| (&s.name, &s.title)))
}

fn check_names<'a>(
    place: &str,
    limit: usize,
    items: impl Iterator<Item = (&'a String, &'a String)>,
) -> Result<(), SchemaError> {
    let mut seen = Vec::new();
    for (name, title) in items {
        identifier(name).map_err(|error| SchemaError::new(place, format!("{}: {error}", quoted(name))))?;
        check_text(name, title)?;
        if seen.contains(&name) {
            return Err(SchemaError::new(place, format!("{name} is described twice")));
        }
        seen.push(name);
        if seen.len() > limit {
            return Err(SchemaError::new(place, format!("more than {limit} are described")));
        }
    }
    Ok(())
}

fn check_text(place: &str, text: &str) -> Result<(), SchemaError> {
    if text.len() > MAX_DESCRIPTION_TEXT_BYTES {
        let problem = format!("a text has {} bytes, the limit is {MAX_DESCRIPTION_TEXT_BYTES}", text.len());
        return Err(SchemaError::new(place, problem));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(fields: Vec<Schema>) -> Description {
        Description {
            title: "Test".into(),
            summary: String::new(),
            version: semver::Version::new(1, 0, 0),
            fields,
            settings: Vec::new(),
            commands: Vec::new(),
            views: Vec::new(),
            reading: Reading::Host,
            wakes: false,
        }
    }

    fn choice(name: &str, choices: Vec<String>) -> Schema {
        Schema { name: name.into(), title: String::new(), kind: ValueKind::Text, required: false, choices }
    }

    #[test]
    fn a_description_that_is_too_long_is_refused() {
        let choices = |count| vec!["0123456789".to_owned(); count];
        assert_eq!(described(vec![choice("unit", choices(1_000))]).check(), Ok(()));
        let error = described(vec![choice("unit", choices(MAX_DESCRIPTION_BYTES / 10 + 1))]).check().unwrap_err();
        assert_eq!(error.name, "description");
    }

    #[test]
    fn errors_are_short_however_long_the_names_are() {
        let long = "é".repeat(10_000);
        let error = described(vec![choice(&long, Vec::new())]).check().unwrap_err();
        assert!(error.to_string().len() < 1_000, "{error}");
        let value = Value::Text("none of them".into());
        let error = check_value(&[choice("unit", vec![long; 10])], "unit", &value).unwrap_err();
        assert!(error.to_string().len() <= MAX_PROBLEM_BYTES + "unit: ".len(), "{error}");
    }
}

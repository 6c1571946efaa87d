//! What a logic says of itself: the fields, settings, commands and views that lists of it have.

mod differences;

use super::excerpt::{excerpt, quoted};
use super::name::{identifier, stable_hash};
use super::value::{Field, MAX_FIELDS, Value, ValueKind};

/// The most commands, and the most views, a logic may describe.
pub const MAX_COMMANDS: usize = 64;

/// The most bytes a title or a summary in a description may have.
pub const MAX_DESCRIPTION_TEXT_BYTES: usize = 2_000;

/// The most bytes of text a description may have in all, choices included. It is shown to clients as a
/// whole.
pub const MAX_DESCRIPTION_BYTES: usize = 1 << 20;

/// The most bytes of a problem with a schema; what is more is cut.
const MAX_PROBLEM_BYTES: usize = 2_000;

/// What a logic says of itself.
#[derive(Clone, PartialEq, Debug)]
pub struct Description {
    /// What people call it.
    pub title: String,
    /// What it does, in a sentence or two.
    pub summary: String,
    /// Its own version.
    pub version: semver::Version,
    /// The custom fields of its entries.
    pub fields: Vec<Schema>,
    /// The settings of its lists.
    pub settings: Vec<Schema>,
    /// Its commands, besides adding, changing and deleting an entry.
    pub commands: Vec<CommandSchema>,
    /// Its views, besides the plain list.
    pub views: Vec<ViewSchema>,
    /// Who answers a reading that names no view.
    pub reading: Reading,
    /// Whether its lists ever want to be woken.
    pub wakes: bool,
}

/// One custom field, setting or argument.
#[derive(Clone, PartialEq, Debug)]
pub struct Schema {
    /// Its name.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Its type.
    pub kind: ValueKind,
    /// For an argument: whether it must be given.
    pub required: bool,
    /// For texts: the only values allowed; empty allows all.
    pub choices: Vec<String>,
}

/// A command.
#[derive(Clone, PartialEq, Debug)]
pub struct CommandSchema {
    /// Its name.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// What it takes.
    pub arguments: Vec<Schema>,
}

/// A view.
#[derive(Clone, PartialEq, Debug)]
pub struct ViewSchema {
    /// Its name.
    pub name: String,
    /// What people call it.
    pub title: String,
}

/// Who answers a reading that names no view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// The host, from the snapshot: ids ascending.
    Host,
    /// The logic.
    Logic,
}

/// How a named value breaks a schema.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct SchemaError {
    /// The field, setting or argument.
    pub name: String,
    /// What is wrong with it.
    pub problem: String,
}

impl SchemaError {
    /// The name may be any text that logic gave, and the problem may hold one.
    fn new(name: &str, problem: impl Into<String>) -> Self {
        let mut problem = problem.into();
        problem.truncate(problem.floor_char_boundary(MAX_PROBLEM_BYTES));
        Self { name: excerpt(name).into_owned(), problem }
    }
}

impl Description {
    /// The command of that name, if it is described.
    pub fn command(&self, name: &str) -> Option<&CommandSchema> {
        self.commands.iter().find(|command| command.name == name)
    }

    /// A number that tells descriptions apart by what their lists hold: the names, kinds and choices of
    /// fields and settings, in any order. What people read, commands and views do not count.
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

    /// The view of that name, if it is described.
    pub fn view(&self, name: &str) -> Option<&ViewSchema> {
        self.views.iter().find(|view| view.name == name)
    }

    /// How many bytes of text there are in it.
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

    /// Says what is malformed, if anything. A host takes no logic whose description is.
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

/// Checks values against what was described: every name known and there once, every value of its
/// kind and within its limits.
pub fn check_fields(schemas: &[Schema], fields: &[Field]) -> Result<(), SchemaError> {
    for (at, field) in fields.iter().enumerate() {
        if fields[..at].iter().any(|before| before.name == field.name) {
            return Err(SchemaError::new(&field.name, "it is there twice"));
        }
        check_value(schemas, &field.name, &field.value)?;
    }
    Ok(())
}

/// Checks one value, see [`check_fields`].
pub fn check_value(schemas: &[Schema], name: &str, value: &Value) -> Result<(), SchemaError> {
    let Some(schema) = schemas.iter().find(|schema| schema.name == name) else {
        return Err(SchemaError::new(name, unknown(schemas)));
    };
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

/// Checks a command's arguments: [`check_fields`], and all that are required are there.
pub fn check_arguments(schemas: &[Schema], arguments: &[Field]) -> Result<(), SchemaError> {
    check_fields(schemas, arguments)?;
    let given = |schema: &&Schema| arguments.iter().any(|argument| argument.name == schema.name);
    match schemas.iter().filter(|schema| schema.required).find(|schema| !given(schema)) {
        Some(missing) => Err(SchemaError::new(&missing.name, "it is required")),
        None => Ok(()),
    }
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
    fn a_description_may_not_be_as_long_as_an_answer() {
        let choices = |count| vec!["0123456789".to_owned(); count];
        assert_eq!(described(vec![choice("unit", choices(1_000))]).check(), Ok(()));
        let error = described(vec![choice("unit", choices(MAX_DESCRIPTION_BYTES / 10 + 1))]).check().unwrap_err();
        assert_eq!(error.name, "description");
    }

    #[test]
    fn what_is_wrong_is_said_briefly_however_long_the_names_are() {
        let long = "é".repeat(10_000);
        let error = described(vec![choice(&long, Vec::new())]).check().unwrap_err();
        assert!(error.to_string().len() < 1_000, "{error}");
        let value = Value::Text("none of them".into());
        let error = check_value(&[choice("unit", vec![long; 10])], "unit", &value).unwrap_err();
        assert!(error.to_string().len() <= MAX_PROBLEM_BYTES + "unit: ".len(), "{error}");
    }
}

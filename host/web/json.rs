//! A request's body as JSON, read strictly: a name that is there twice is an error, and every error
//! names the member it is about.
//!
//! Not serde's derive: that says where a wrong type is by line and column, a person wants the name.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::problem::{Problem, ProblemKind};

/// The most members of one object in a body. More than any body here needs, few enough to look for
/// duplicates one by one.
const MAX_MEMBERS: usize = 256;

/// A JSON value.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A number, as precise as a double is.
    Number(f64),
    /// A string.
    Text(String),
    /// An array.
    Array(Vec<Json>),
    /// An object, its members in the order given.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// What kind of value it is, for people.
    pub(super) fn is(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// The members of an object, to be taken out one by one.
#[derive(Debug)]
pub(super) struct Members(Vec<(String, Json)>);

/// What is left in an error's text of a duplicate member, to tell it from malformed JSON.
const DUPLICATE: &str = "duplicate member ";
const TOO_MANY: &str = "too many members";

impl Members {
    /// Reads a body that must be one JSON object.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Problem> {
        match serde_json::from_slice::<Json>(body) {
            Ok(Json::Object(members)) => Ok(Self(members)),
            Ok(other) => Err(Problem::new(ProblemKind::Invalid, format!("the body is {}, not an object", other.is()))),
            Err(error) if error.is_data() => Err(refused(&error.to_string())),
            Err(error) => Err(Problem::new(ProblemKind::Malformed, format!("the body is not JSON: {error}"))),
        }
    }

    /// Takes out the member of that name, if it is there.
    pub(super) fn take(&mut self, name: &str) -> Option<Json> {
        let at = self.0.iter().position(|(member, _)| member == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Says which member is left over, if any.
    pub(super) fn done(self, known: &[&str]) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                let known = known.join(", ");
                Err(Problem::invalid(name, format!("there is no such member; these are: {known}")))
            }
        }
    }

    /// The members themselves.
    pub(super) fn into_inner(self) -> Vec<(String, Json)> {
        self.0
    }
}

/// The problem that an error of the visitor below stands for.
fn refused(error: &str) -> Problem {
    // serde_json adds " at line 1 column 2" to what the visitor said.
    let text = error.rsplit_once(" at line ").map_or(error, |(text, _)| text);
    if text == TOO_MANY {
        let problem =
            Problem::new(ProblemKind::Invalid, format!("an object in the body has over {MAX_MEMBERS} members"));
        return problem.with_limit("members", MAX_MEMBERS);
    }
    match text.strip_prefix(DUPLICATE) {
        Some(name) => Problem::invalid(name, "it is there twice"),
        None => Problem::new(ProblemKind::Invalid, text),
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Boolean(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "JSON numbers are doubles to most of the world")]
    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "JSON numbers are doubles to most of the world")]
    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object: Vec<(String, Json)> = Vec::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.iter().any(|(earlier, _)| *earlier == name) {
                return Err(A::Error::custom(format_args!("{DUPLICATE}{name}")));
            }
            if object.len() == MAX_MEMBERS {
                return Err(A::Error::custom(TOO_MANY));
            }
            object.push((name, members.next_value()?));
        }
        Ok(Json::Object(object))
    }
}

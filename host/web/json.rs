//! JSON bodies, read strictly: a member that is there twice is an error, and every error names its member.
//!
//! A body is read in two steps. The text becomes a [`Json`], which refuses duplicate members at every depth. That
//! becomes the handler's type, by serde's derive. The second step has errors of its own, because clients need the name
//! of the member and a description in the words of JSON, not a line, a column and a type of Rust.

use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    Deserialize, DeserializeOwned, Deserializer, Error, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde::forward_to_deserialize_any;

use super::problem::{Problem, ProblemKind};

/// The most members of one object in a body. That is more than any body needs, and few enough for a linear search for
/// duplicates.
const MAX_MEMBERS: usize = 256;

/// The most levels of arrays and objects in a body. This is serde_json's limit.
const MAX_LEVELS: usize = 127;

/// What some programs write before UTF-8. A reader of JSON may skip it (RFC 8259, section 8.1).
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

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
    /// The type of the value, for people.
    pub(super) fn type_name(&self) -> &'static str {
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

/// Reads a body that must be a JSON object.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    from_object(read_members(body)?)
}

/// Reads a body that must be a JSON object or empty. An empty body is an empty object.
pub(super) fn read_or_empty<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let body = without_mark(body);
    from_object(if body.is_empty() { Vec::new() } else { read_members(body)? })
}

fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)
}

fn read_members(body: &[u8]) -> Result<Vec<(String, Json)>, Problem> {
    let body = without_mark(body);
    match serde_json::from_slice::<Json>(body) {
        Ok(Json::Object(members)) => Ok(members),
        Ok(other) => {
            Err(Problem::new(ProblemKind::Invalid, format!("the body is {}, not an object", other.type_name())))
        }
        Err(error) if error.is_data() => Err(refused(&error.to_string())),
        Err(error) => Err(malformed(body, &error)),
    }
}

/// The problem of a body that serde_json cannot read as JSON, or not within its limits.
fn malformed(body: &[u8], error: &serde_json::Error) -> Problem {
    if body.trim_ascii().is_empty() {
        return Problem::new(ProblemKind::Malformed, "the body is empty; send a JSON object");
    }
    if let Err(error) = std::str::from_utf8(body) {
        let detail = format!("the body is not UTF-8: its byte {} is not part of a character", error.valid_up_to());
        return Problem::new(ProblemKind::Malformed, detail);
    }
    let text = error.to_string();
    let place = text.rfind(" at line ").map_or("", |at| &text[at..]);
    // serde_json tells its errors apart by their texts only. A text that is not known here is shown as it is.
    if text.starts_with("recursion limit exceeded") {
        let detail = format!("arrays and objects of the body are nested over {MAX_LEVELS} levels deep{place}");
        return Problem::new(ProblemKind::Invalid, detail).with_limit("levels", MAX_LEVELS);
    }
    if text.starts_with("number out of range") {
        return Problem::new(
            ProblemKind::Invalid,
            format!("a number is larger than {:e} can express{place}", f64::MAX),
        );
    }
    if text.contains("surrogate") || text.starts_with("unexpected end of hex escape") {
        let detail =
            format!("a text has half of a surrogate pair, such as \\ud83d alone, which is no character{place}");
        return Problem::new(ProblemKind::Malformed, detail);
    }
    Problem::new(ProblemKind::Malformed, format!("the body is not JSON: {text}"))
}

fn from_object<T: DeserializeOwned>(members: Vec<(String, Json)>) -> Result<T, Problem> {
    serde_path_to_error::deserialize(Json::Object(members)).map_err(|error| {
        let path = error.path().to_string();
        let MemberError { member, problem } = error.into_inner();
        match member {
            Some(member) => Problem::invalid(&member, problem),
            None => Problem::invalid(&path, problem),
        }
    })
}

/// Marks in the text of an error what `Reader` refused, as opposed to malformed JSON.
const DUPLICATE: &str = "duplicate member ";
const TOO_MANY: &str = "too many members";

/// The problem of an error that `Reader` made.
fn refused(error: &str) -> Problem {
    // serde_json appends " at line 1 column 2".
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

/// Why a JSON value is not of a handler's type.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub(super) struct MemberError {
    /// The member, where serde knows it better than the path does.
    member: Option<String>,
    problem: String,
}

impl MemberError {
    fn of(member: &str, problem: impl Into<String>) -> Self {
        Self { member: Some(member.to_owned()), problem: problem.into() }
    }
}

impl Error for MemberError {
    fn custom<T: fmt::Display>(problem: T) -> Self {
        Self { member: None, problem: problem.to_string() }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Unit | Unexpected::Option => "null",
            Unexpected::Bool(_) => "a boolean",
            Unexpected::Float(_) | Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a number",
            Unexpected::Str(_) => "a text",
            Unexpected::Seq => "an array",
            Unexpected::Map => "an object",
            other => return Self::custom(format_args!("it is {other} where {expected} is expected")),
        };
        // What serde calls the types of Rust.
        let expected = match &*expected.to_string() {
            "a string" => "a text".to_owned(),
            "f64" => "a number".to_owned(),
            other => other.to_owned(),
        };
        Self::custom(format_args!("it is {found} where {expected} is expected"))
    }

    fn missing_field(member: &'static str) -> Self {
        Self::of(member, "it is required")
    }

    fn unknown_field(member: &str, known: &'static [&'static str]) -> Self {
        Self::of(member, format!("there is no such member; these are: {}", known.join(", ")))
    }

    fn duplicate_field(member: &'static str) -> Self {
        Self::of(member, "it is there twice")
    }
}

impl IntoDeserializer<'_, MemberError> for Json {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Json {
    type Error = MemberError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, MemberError> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Boolean(value) => visitor.visit_bool(value),
            Self::Number(value) => visitor.visit_f64(value),
            Self::Text(text) => visitor.visit_string(text),
            Self::Array(items) => visitor.visit_seq(SeqDeserializer::new(items.into_iter())),
            Self::Object(members) => visitor.visit_map(MapDeserializer::new(members.into_iter())),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, MemberError> {
        match self {
            Self::Null => visitor.visit_none(),
            value => visitor.visit_some(value),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
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

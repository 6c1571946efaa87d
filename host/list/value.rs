//! Values of custom fields, settings and arguments.

use serde::{Deserialize, Serialize};

use super::date::Date;
use super::id::EntryId;

/// The most bytes one text value may have.
pub const MAX_TEXT_BYTES: usize = 10_000;

/// The most texts one `Texts` value may hold.
pub const MAX_TEXTS: usize = 1_000;

/// The most entries one `Entries` value may name.
pub const MAX_ENTRIES_NAMED: usize = 1_000;

/// The most fields an entry, or settings a list, may have.
pub const MAX_FIELDS: usize = 64;

/// The bytes that a text or an entry in a list of them counts for, besides the text. A list without a limit on its length
/// could otherwise fill the memory with empty texts.
const ELEMENT_BYTES: usize = 8;

/// The value of a custom field, a setting or a command's argument.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Value {
    /// A truth value.
    Boolean(bool),
    /// A finite number.
    Number(f64),
    /// A text of at most [`MAX_TEXT_BYTES`] bytes.
    Text(String),
    /// A day.
    Date(Date),
    /// At most [`MAX_TEXTS`] texts of at most [`MAX_TEXT_BYTES`] bytes each.
    Texts(Vec<String>),
    /// The id of an entry of the same list. The entry may be deleted since.
    Entry(EntryId),
    /// The ids of at most [`MAX_ENTRIES_NAMED`] entries of the same list, which may be deleted since.
    Entries(Vec<EntryId>),
}

/// The type of a [`Value`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ValueKind {
    /// [`Value::Boolean`]
    Boolean,
    /// [`Value::Number`]
    Number,
    /// [`Value::Text`]
    Text,
    /// [`Value::Date`]
    Date,
    /// [`Value::Texts`]
    Texts,
    /// [`Value::Entry`]
    Entry,
    /// [`Value::Entries`]
    Entries,
}

/// A named value.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Field {
    /// The field's name, an [identifier](super::name::identifier).
    pub name: String,
    /// The field's value.
    pub value: Value,
}

impl Value {
    /// Returns the type of this value.
    pub fn kind(&self) -> ValueKind {
        match self {
            Self::Boolean(_) => ValueKind::Boolean,
            Self::Number(_) => ValueKind::Number,
            Self::Text(_) => ValueKind::Text,
            Self::Date(_) => ValueKind::Date,
            Self::Texts(_) => ValueKind::Texts,
            Self::Entry(_) => ValueKind::Entry,
            Self::Entries(_) => ValueKind::Entries,
        }
    }

    /// Returns the ids of the entries that this value names.
    pub fn entries(&self) -> &[EntryId] {
        match self {
            Self::Entry(id) => std::slice::from_ref(id),
            Self::Entries(ids) => ids,
            _ => &[],
        }
    }

    /// Returns the bytes of text in the value. A list of texts or entries counts with 8 bytes more for each of them.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Texts(texts) => texts.iter().map(|text| text.len() + ELEMENT_BYTES).sum(),
            Self::Entries(ids) => ids.len() * ELEMENT_BYTES,
            Self::Boolean(_) | Self::Number(_) | Self::Date(_) | Self::Entry(_) => 0,
        }
    }

    /// Returns about how many bytes the content of the value takes in memory.
    pub fn memory(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.iter().map(|text| text.len() + size_of::<String>()).sum(),
            _ => self.bytes(),
        }
    }

    /// Checks the value against the limits, and returns the limit that it breaks.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Number(number) if !number.is_finite() => Err("it is not a finite number".into()),
            Self::Text(text) => check_text(text),
            Self::Texts(texts) if texts.len() > MAX_TEXTS => {
                Err(format!("it has {} texts, the limit is {MAX_TEXTS}", texts.len()))
            }
            Self::Texts(texts) => texts.iter().try_for_each(|text| check_text(text)),
            Self::Entries(ids) if ids.len() > MAX_ENTRIES_NAMED => {
                Err(format!("it names {} entries, the limit is {MAX_ENTRIES_NAMED}", ids.len()))
            }
            _ => Ok(()),
        }
    }
}

fn check_text(text: &str) -> Result<(), String> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(format!("a text has {} bytes, the limit is {MAX_TEXT_BYTES}", text.len()));
    }
    Ok(())
}

impl Field {
    /// Returns the bytes of text in the name and the value, as [`Value::bytes`] counts them.
    pub fn bytes(&self) -> usize {
        self.name.len() + self.value.bytes()
    }

    /// Returns about how many bytes the field takes in memory.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.name.len() + self.value.memory()
    }
}

impl ValueKind {
    /// Returns the name of the type, as descriptions and problems write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::Text => "text",
            Self::Date => "date",
            Self::Texts => "texts",
            Self::Entry => "entry",
            Self::Entries => "entries",
        }
    }
}

/// Finds a field by name.
pub fn find<'a>(fields: &'a [Field], name: &str) -> Option<&'a Value> {
    fields.iter().find(|field| field.name == name).map(|field| &field.value)
}

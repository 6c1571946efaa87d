//! Entries, drafts of new entries, and patches of existing ones.

use serde::{Deserialize, Serialize};

use super::date::Date;
use super::id::EntryId;
use super::value::{Field, Value};

/// The most characters a title may have.
pub const MAX_TITLE_CHARS: usize = 1_000;

/// One entry of a list.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The entry's id within its list.
    pub id: EntryId,
    /// The title, of at most [`MAX_TITLE_CHARS`] characters.
    pub title: String,
    /// The day that the entry belongs to, if any.
    pub date: Option<Date>,
    /// Whether the entry is completed.
    pub completed: bool,
    /// The position in which a client shows the entry, a finite number. The host stores it and does not use it.
    pub order: Option<f64>,
    /// The custom fields that the list's logic declares.
    pub fields: Vec<Field>,
}

impl Entry {
    /// Returns the bytes of text in the entry: its title, and the names and values of its fields.
    pub fn bytes(&self) -> usize {
        self.title.len() + self.fields.iter().map(Field::bytes).sum::<usize>()
    }

    /// Returns about how many bytes the entry takes in memory.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.title.len() + self.fields.iter().map(Field::memory).sum::<usize>()
    }
}

/// A new entry without an id.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Draft {
    /// See [`Entry::title`].
    pub title: String,
    /// See [`Entry::date`].
    pub date: Option<Date>,
    /// See [`Entry::completed`].
    pub completed: bool,
    /// See [`Entry::order`].
    pub order: Option<f64>,
    /// See [`Entry::fields`].
    pub fields: Vec<Field>,
}

/// Changes of one entry's attributes. An attribute that is `None` stays.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Patch {
    /// The new title.
    pub title: Option<String>,
    /// The new date, or `Some(None)` to remove it.
    pub date: Option<Option<Date>>,
    /// Whether the entry becomes completed or open.
    pub completed: Option<bool>,
    /// The new order, or `Some(None)` to remove it.
    pub order: Option<Option<f64>>,
    /// The fields to set, and without a value those to remove.
    pub fields: Vec<(String, Option<Value>)>,
}

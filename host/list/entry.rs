//! An entry, and the two shapes in which callers speak of one.

use serde::{Deserialize, Serialize};

use super::date::Date;
use super::id::EntryId;
use super::value::{Field, Value};

/// The most characters a title may have.
pub const MAX_TITLE_CHARS: usize = 1_000;

/// One thing to do.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Its name within the list.
    pub id: EntryId,
    /// At most [`MAX_TITLE_CHARS`] characters.
    pub title: String,
    /// The day it belongs to, if any.
    pub date: Option<Date>,
    /// Whether it is done.
    pub completed: bool,
    /// Where a client wants it shown; finite. Kept, not used, by the host.
    pub order: Option<f64>,
    /// What the list's logic keeps with it.
    pub fields: Vec<Field>,
}

impl Entry {
    /// How many bytes of text the entry holds: its title, and the names and values of its fields.
    pub fn bytes(&self) -> usize {
        self.title.len() + self.fields.iter().map(Field::bytes).sum::<usize>()
    }
}

/// An entry that has no id yet.
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

/// Changes to one entry; what is `None` stays as it is.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Patch {
    /// A new title.
    pub title: Option<String>,
    /// A new date, or none at all.
    pub date: Option<Option<Date>>,
    /// Done, or not.
    pub completed: Option<bool>,
    /// A new order, or none at all.
    pub order: Option<Option<f64>>,
    /// For each field named: a new value, or none at all.
    pub fields: Vec<(String, Option<Value>)>,
}

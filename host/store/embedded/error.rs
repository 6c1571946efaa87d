//! The error of reading a list's rows.

use super::schema;
use crate::list::name::ListName;
use crate::store::error::StoreError;

/// Why the rows of a list were not read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// A row of the list is damaged. Other lists are readable.
    Damaged(String),
    /// The database failed.
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<String> for ReadError {
    fn from(why: String) -> Self {
        Self::Damaged(why)
    }
}

impl ReadError {
    /// Turns the error into the store's, for the list of that name.
    pub(super) fn into_store_error(self, what: &str, name: &ListName) -> StoreError {
        match self {
            Self::Damaged(why) => StoreError::Unreadable { name: name.clone(), why },
            Self::Database(error) => schema::failed(what)(error),
        }
    }
}

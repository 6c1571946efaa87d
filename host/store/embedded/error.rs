//! The errors of reading a list's rows, and of writing a batch.

use rusqlite::Connection;

use super::damage;
use crate::list::name::ListName;
use crate::store::error::StoreError;

/// Why the rows of a list were not read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// A row of the list is damaged. Other lists are readable.
    Damaged(String),
    /// SQLite finds rows of the list damaged. Other lists are readable.
    Corrupt(rusqlite::Error),
    /// The database failed.
    Database(rusqlite::Error),
}

/// Why a batch was not written. The transaction was rolled back.
#[derive(Debug)]
pub(super) enum WriteError {
    /// Rows of a list are damaged.
    List(ListName, ReadError),
    /// A receipt of a list cannot be written.
    Receipt(ListName, rusqlite::Error),
    /// The revisions that a list no longer retains cannot be read or deleted. They stay from now on.
    Trim(ListName, rusqlite::Error),
    /// The table of timers is damaged.
    Timers(rusqlite::Error),
    /// The digest is damaged. The store goes on without it.
    Digest(rusqlite::Error),
    /// Expired receipts are damaged. They are not deleted from now on.
    Receipts(rusqlite::Error),
    /// The database failed.
    Failed(WriteFailure),
}

/// Why the database did not write.
#[derive(Debug)]
pub(super) enum WriteFailure {
    /// Another program holds the write lock of the database.
    Busy,
    /// The transaction was rolled back after an error, which comes with what was attempted.
    RolledBack(&'static str, rusqlite::Error),
    /// The commit of the transaction failed, so it may be durable or not.
    Unknown(rusqlite::Error),
}

impl WriteFailure {
    /// The failure of a compaction that was rolled back.
    pub(super) fn of_compaction(error: rusqlite::Error) -> Self {
        Self::RolledBack("compact the log", error)
    }

    /// The error of SQLite.
    pub(super) fn into_error(self) -> rusqlite::Error {
        match self {
            Self::Busy => {
                let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
                rusqlite::Error::SqliteFailure(busy, Some("another program holds its write lock".into()))
            }
            Self::RolledBack(_, error) | Self::Unknown(error) => error,
        }
    }
}

impl From<WriteFailure> for WriteError {
    fn from(failure: WriteFailure) -> Self {
        Self::Failed(failure)
    }
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        if damage::is_damage(&error) { Self::Corrupt(error) } else { Self::Database(error) }
    }
}

impl From<String> for ReadError {
    fn from(why: String) -> Self {
        Self::Damaged(why)
    }
}

impl ReadError {
    /// The damage to the list's rows, or the error of the database.
    pub(super) fn into_damage(self, db: &Connection, name: &ListName) -> rusqlite::Result<String> {
        match self {
            Self::Damaged(why) => Ok(why),
            Self::Corrupt(error) => Ok(damage::locate(db, name, &error)),
            Self::Database(error) => Err(error),
        }
    }

    /// Turns the error into the store's, for the list of that name.
    pub(super) fn into_store_error(self, db: &Connection, what: &str, name: &ListName) -> StoreError {
        match self.into_damage(db, name) {
            Ok(why) => StoreError::Unreadable { name: name.clone(), why },
            Err(error) => StoreError::Failed { what: what.to_owned(), why: error.to_string() },
        }
    }
}

//! Damage that SQLite reports: which table or index a damaged page belongs to, and what an operator can do.
//!
//! A page holds rows of a few lists. Only what reads the page fails, so a damaged page of one list's rows concerns that
//! list. A page of the log or of the timers concerns no list in particular.

use rusqlite::{Connection, Error, ErrorCode};

use crate::list::name::ListName;
use crate::store::error::StoreError;

/// What an operator can do about a damaged table.
const RESTORE: &str = "restore the data directory from a backup, or salvage it with `sqlite3 hotlist.db .recover`";

/// The parts of the database that hold rows of a list, each with a statement that reads the list's rows in it.
const PARTS: [(&str, &str); 5] = [
    ("the table lists", "SELECT * FROM lists WHERE name = ?1"),
    ("the table gone", "SELECT * FROM gone WHERE name = ?1"),
    // The index covers the statement, so the table is not read.
    (HISTORY_INDEX, "SELECT last FROM history INDEXED BY sqlite_autoindex_history_1 WHERE name = ?1"),
    ("the table history", "SELECT * FROM history WHERE name = ?1"),
    ("the table receipts", "SELECT * FROM receipts WHERE name = ?1"),
];

const HISTORY_INDEX: &str = "the index of the table history";

/// Whether an error says that rows are damaged, and not that the database cannot be read or written. A row that does
/// not fit is such an error too: the row is at fault, and the next one may be sound.
pub(super) fn is_damage(error: &Error) -> bool {
    match error {
        Error::SqliteFailure(failure, _) => matches!(
            failure.code,
            ErrorCode::DatabaseCorrupt | ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch
        ),
        Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::InvalidColumnType(..)
        | Error::Utf8Error(..) => true,
        _ => false,
    }
}

/// Names the table or index in which rows of a list are damaged, and what to do about it.
pub(super) fn locate(db: &Connection, name: &ListName, error: &Error) -> String {
    find(db, name)
        .unwrap_or_else(|| format!("a page with its commits or beside its rows is damaged ({error}); {RESTORE}"))
}

/// Names the damaged table or index, if rows of the list itself are damaged.
pub(super) fn find(db: &Connection, name: &ListName) -> Option<String> {
    for (part, sql) in PARTS {
        if let Err(found) = read_all(db, sql, name) {
            return Some(match part {
                HISTORY_INDEX => format!(
                    "a page of {part} is damaged ({found}), which costs no row; \
                     stop the server, and rebuild the index with `sqlite3 hotlist.db .recover`"
                ),
                _ => format!("a page of {part} is damaged ({found}); {RESTORE}, or delete the list"),
            });
        }
    }
    None
}

/// Reads the rows with the whole content of their columns.
fn read_all(db: &Connection, sql: &str, name: &ListName) -> rusqlite::Result<()> {
    let mut select = db.prepare(sql)?;
    let columns = select.column_count();
    let mut rows = select.query([name.as_str()])?;
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            row.get_ref(column)?;
        }
    }
    Ok(())
}

/// Turns an error of reading or writing one table into the store's, which names the table.
pub(super) fn failed_in(what: &str, table: &str) -> impl Fn(Error) -> StoreError {
    move |error| StoreError::Failed { what: what.to_owned(), why: explain(table, &error) }
}

/// An error of reading or writing one table as a text, with what to do if the table is damaged.
pub(super) fn explain(table: &str, error: &Error) -> String {
    match is_damage(error) {
        true => format!("the table {table} is damaged ({error}); {RESTORE}"),
        false => error.to_string(),
    }
}

//! The comparison of the definitions of the tables, and of settings in the header of the file, with those that this program
//! makes.
//!
//! SQLite reads the definitions from the database as text. A flipped bit in the type of a column changes how SQLite
//! compares its values, so that rows are not found which are there. No checksum covers the definitions, but the program
//! knows them. The same holds for the header: a flipped bit in it makes SQLite move pages at each commit.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::schema;
use crate::store::error::StoreError;

/// Refuses a database in which the definition of a table or index is damaged. Further tables are not looked at.
pub(super) fn check(db: &Connection) -> Result<(), StoreError> {
    let what = "read the definitions of the tables in hotlist.db";
    let compare = || -> rusqlite::Result<Option<String>> {
        let moves_pages: bool = db.pragma_query_value(None, "auto_vacuum", |row| row.get(0))?;
        if moves_pages {
            return Ok(Some("the header of the file".into()));
        }
        let sound = Connection::open_in_memory()?;
        sound.execute_batch(schema::TABLES)?;
        let found = definitions(db)?;
        let mut sound = definitions(&sound)?.into_iter();
        Ok(sound.find(|(name, definition)| found.get(name) != Some(definition)).map(|(name, _)| name))
    };
    match compare().map_err(schema::failed(what))? {
        None => Ok(()),
        Some(name) => {
            let why = format!("that of {name} is damaged; restore the data directory from a backup");
            Err(StoreError::Failed { what: what.into(), why })
        }
    }
}

/// The definition of each table and index. An upgrade may have written them with other spaces, and a renaming with quotes.
fn definitions(db: &Connection) -> rusqlite::Result<BTreeMap<String, String>> {
    let mut select =
        db.prepare("SELECT name, type || ' ' || tbl_name || ' ' || sql FROM sqlite_schema WHERE sql NOT NULL")?;
    let one_space = |text: String| text.replace('"', "").split_whitespace().collect::<Vec<_>>().join(" ");
    select.query_map([], |row| Ok((row.get(0)?, one_space(row.get(1)?))))?.collect()
}

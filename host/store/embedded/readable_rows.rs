//! Reading of what can be read of a table with damaged pages.

use std::collections::BTreeSet;

use rusqlite::{Connection, Statement};

use super::damage;

/// Reads all rows of a statement with the whole content of their columns.
pub(super) fn read_all(select: &mut Statement<'_>) -> rusqlite::Result<()> {
    let columns = select.column_count();
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            row.get_ref(column)?;
        }
    }
    Ok(())
}

/// The names in a table, which may come with a condition, and whether some may be missing. A damaged page ends a scan, so
/// the table is read from both ends.
pub(super) fn names(db: &Connection, table: &str) -> rusqlite::Result<(BTreeSet<String>, bool)> {
    let mut names = BTreeSet::new();
    for order in ["ASC", "DESC"] {
        match add_names(db, &format!("SELECT name FROM {table} ORDER BY name {order}"), &mut names) {
            Ok(()) => return Ok((names, false)),
            Err(error) if damage::is_damage(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok((names, true))
}

fn add_names(db: &Connection, select: &str, names: &mut BTreeSet<String>) -> rusqlite::Result<()> {
    let mut select = db.prepare(select)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        // A name that is no text is damaged. No row is found by it.
        if let Ok(name) = row.get::<_, String>(0) {
            names.insert(name);
        }
    }
    Ok(())
}

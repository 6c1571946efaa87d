//! Check of all records.

use rusqlite::Connection;

use super::record_table::{self, RowError, Table};
use crate::store::records::{RecordKey, RecordKind};

/// Reads the names of the rows of both tables, each record once.
const NAMES: &str = "SELECT kind, key FROM records UNION SELECT kind, key FROM previous_records ORDER BY kind, key";

/// Checks that each record and each previous value can be read. `add` is called for each damage.
pub(super) fn check(db: &Connection, add: &mut dyn FnMut(String)) {
    if let Err(error) = try_check(db, add) {
        add(format!("not all records could be checked: {error}"));
    }
}

fn try_check(db: &Connection, add: &mut dyn FnMut(String)) -> rusqlite::Result<()> {
    let mut select = db.prepare(NAMES)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, key): (String, String) = (row.get(0)?, row.get(1)?);
        let (Ok(kind), Ok(key)) = (RecordKind::new(&kind), RecordKey::new(&key)) else {
            add(format!("the table records has a row with the damaged name {kind:?} {key:?}"));
            continue;
        };
        if let Err(error) = record_table::get(db, &kind, &key) {
            add(format!("record {key} of kind {kind}: {}", damage(error)?));
        }
        if let Err(error) = record_table::row(db, Table::Previous, &kind, &key) {
            add(format!("the previous value of record {key} of kind {kind}: {}", damage(error)?));
        }
    }
    Ok(())
}

fn damage(error: RowError) -> rusqlite::Result<String> {
    match error {
        RowError::Damaged { why, .. } => Ok(why),
        RowError::Database(error) => Err(error),
    }
}

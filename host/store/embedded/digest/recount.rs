//! The digest of the rows that are there.

use rusqlite::{Connection, Row};

use super::covered::{Account, CoveredRow, CoveredTable, TableSum};
use super::{SetDigest, write};

/// Counts the rows of a table. The columns beside the record are read only.
pub(in crate::store::embedded) fn sum(db: &Connection, table: CoveredTable) -> rusqlite::Result<TableSum> {
    let columns = match table {
        CoveredTable::Lists | CoveredTable::Gone | CoveredTable::Quarantine => "name, seq",
        CoveredTable::History => "name, last",
        CoveredTable::Receipts => "name, place, time, holder, bytes",
        CoveredTable::Timers => "name, at",
    };
    let mut select = db.prepare(&format!("SELECT {columns} FROM {}", table.name()))?;
    let (mut rows, mut sum) = (select.query([])?, TableSum::default());
    while let Some(row) = rows.next()? {
        sum.add(&covered(table, row)?);
    }
    Ok(sum)
}

fn covered<'row>(table: CoveredTable, row: &'row Row<'_>) -> rusqlite::Result<CoveredRow<'row>> {
    let (name, number) = (row.get_ref(0)?.as_bytes()?, row.get(1)?);
    if table != CoveredTable::Receipts {
        return Ok(CoveredRow::new(table, name, number));
    }
    let account = Account { time: row.get(2)?, holder: row.get_ref(3)?.as_bytes()?, bytes: row.get(4)? };
    Ok(CoveredRow::receipt(name, number, account))
}

/// Reads the last commit that was truncated from the log.
pub(in crate::store::embedded) fn truncated_to(db: &Connection) -> rusqlite::Result<u64> {
    db.query_row("SELECT seq FROM cut", [], |row| row.get(0))
}

/// The digest of all rows.
pub(in crate::store::embedded) fn recount(db: &Connection) -> rusqlite::Result<SetDigest> {
    let mut digest = SetDigest { truncated_to: truncated_to(db)?, ..SetDigest::default() };
    for table in CoveredTable::ALL {
        *digest.sums.of_mut(table) = sum(db, table)?;
    }
    Ok(digest)
}

/// Replaces the digest by that of the rows which are there. The caller has begun a transaction.
pub(in crate::store::embedded) fn reset(db: &Connection) -> rusqlite::Result<SetDigest> {
    let digest = recount(db)?;
    write(db, &digest)?;
    Ok(digest)
}

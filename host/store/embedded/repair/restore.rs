//! Restoration of lists that cannot be read, from the sound rows that prove their last states.

use std::path::Path;

use rusqlite::Connection;

use super::repaired::Repaired;
use crate::list::name::ListName;
use crate::store::embedded::covered_rows::CoveredRows;
use crate::store::embedded::digest::{RowChanges, recount};
use crate::store::embedded::receipt_rows::ReceiptWriter;
use crate::store::embedded::salvage::{Salvage, SalvagedList};
use crate::store::embedded::{commit_record, evidence, import, schema};
use crate::store::error::StoreError;

/// A list that cannot be read, and why.
pub(super) type Unreadable = (ListName, String);

/// A commit in `quarantine`: its number, its revision and its record.
type IsolatedCommit = (i64, u64, Vec<u8>);

/// Writes the rows of each list anew whose last state is proven by sound rows. Returns the other lists.
pub(super) fn restore_lists(
    new: &Path,
    unreadable: Vec<Unreadable>,
    done: &mut Repaired,
) -> Result<Vec<Unreadable>, StoreError> {
    if unreadable.is_empty() {
        return Ok(unreadable);
    }
    let failed = schema::failed("write a list anew");
    let db = Connection::open(new.join(schema::FILE)).map_err(schema::failed("open the new database"))?;
    // Each list looks for its commits, and there may be as many commits as damaged lists.
    db.execute_batch("CREATE INDEX quarantine_by_name ON quarantine (name)").map_err(&failed)?;
    let seq = schema::last_commit(&db)?;
    // It reads the database as it is now, so the lists can be written meanwhile.
    let salvage = Salvage::open(new)?;
    let mut lost = Vec::new();
    for (name, why) in unreadable {
        let list = salvage.list(&name)?;
        if list.is_last_state() {
            write(&db, seq, &list, done).map_err(&failed)?;
            done.restored_lists.push((name.as_str().to_owned(), why));
        } else {
            lost.push((name, why));
        }
    }
    drop(salvage);
    let finish = || -> rusqlite::Result<()> {
        let transaction = db.unchecked_transaction()?;
        transaction.execute_batch("DROP INDEX quarantine_by_name")?;
        recount::reset(&transaction)?;
        transaction.commit()
    };
    finish().map_err(&failed)?;
    Ok(lost)
}

/// Writes the rows of a list. Rows of its history that do not lead to its state become evidence.
fn write(db: &Connection, seq: u64, salvaged: &SalvagedList, done: &mut Repaired) -> rusqlite::Result<()> {
    let SalvagedList { list, wake_up, lost_history, .. } = salvaged;
    let (text, given_up) = (list.name.as_str(), evidence::given_up(list.name.as_str()));
    let transaction = db.unchecked_transaction()?;
    // The digest of all rows is made at the end.
    let changes = RowChanges::new(None);
    let rows = CoveredRows { db: &transaction, changes: &changes };
    if !write_receipts(rows, &list.name)? {
        done.lost_receipts.insert(text.to_owned());
    }
    rows.rename_evidence(&list.name, &given_up)?;
    if let Some(why) = lost_history {
        rows.give_up_history(&list.name, &given_up, why)?;
        rows.keep_row(&given_up, 0, &[], why)?;
        done.lost_histories.push((text.to_owned(), why.clone()));
    }
    import::write_list(rows, seq, list, *wake_up)?;
    transaction.commit()
}

/// Writes the receipts of the commits of a list that were copied before the log was truncated. Returns whether these are all
/// of them: a commit whose number was given twice has no places for its receipts.
fn write_receipts(rows: CoveredRows<'_>, name: &ListName) -> rusqlite::Result<bool> {
    let select = "SELECT seq, revision, record FROM quarantine WHERE name = ?1 AND record <> x''";
    let mut select = rows.db.prepare_cached(select)?;
    let commits = select.query_map([name.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let commits = commits.collect::<rusqlite::Result<Vec<IsolatedCommit>>>()?;
    // No receipt expires by a repair.
    let writer = ReceiptWriter { rows, horizon: 0 };
    let mut are_all = true;
    for (seq, revision, record) in &commits {
        match (u64::try_from(*seq), commit_record::log_body(name, *revision, record)) {
            (Ok(seq @ 1..), Ok(body)) => writer.add(name, seq, &body.receipts)?,
            (_, Ok(body)) => are_all &= body.receipts.is_empty(),
            (_, Err(_)) => are_all = false,
        }
    }
    Ok(are_all)
}

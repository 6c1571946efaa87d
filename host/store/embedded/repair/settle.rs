//! The last steps of a repair: a new database with all readable rows becomes a sound one.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, params};
use tokio::runtime::Runtime;

use super::repaired::Repaired;
use super::restore::{Unreadable, restore_lists};
use crate::list::name::ListName;
use crate::store::embedded::covered_rows::CoveredRows;
use crate::store::embedded::digest::{RowChanges, recount};
use crate::store::embedded::options::Options;
use crate::store::embedded::recording::Recording;
use crate::store::embedded::recover::EARLIER;
use crate::store::embedded::verify::history_damage;
use crate::store::embedded::{EmbeddedStore, compacted, evidence, readable_rows, schema};
use crate::store::error::StoreError;
use crate::store::{HistoryLimits, MAX_PAGE, Store};

/// Removes what is damaged from a new database, writes its timers anew, and gives no commit a number up to `remembered`.
pub(super) fn settle(dir: &Path, new: &Path, remembered: u64, done: &mut Repaired) -> Result<(), StoreError> {
    let unreadable = unreadable_lists(new)?;
    let lost = restore_lists(new, unreadable, done)?;
    remove_lists(new, lost, done)?;
    let what = format!("repair {}", dir.display());
    let db = Connection::open(new.join(schema::FILE)).map_err(schema::failed(&what))?;
    give_up_histories(&db, new, done)?;
    let timers = write_timers(&db, new)?;
    let before = schema::open_observer(dir, 0).and_then(|db| timers_of(&db)).unwrap_or_default();
    done.timers = (timers.difference(&before).count(), before.difference(&timers).count());
    let finish = || -> rusqlite::Result<()> {
        let transaction = db.unchecked_transaction()?;
        transaction.execute("UPDATE cut SET seq = max(seq, ?1)", [remembered])?;
        recount::reset(&transaction)?;
        transaction.commit()?;
        // The file is moved alone.
        db.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))
    };
    finish().map_err(schema::failed(&what))?;
    db.close().map_err(|(_, error)| schema::failed(&what)(error))
}

/// Opens the database as a store, has it compact the log, and returns the lists that cannot be read.
fn unreadable_lists(new: &Path) -> Result<Vec<Unreadable>, StoreError> {
    with_store(new, |store, runtime| {
        let db = schema::open_reader(new, 0)?;
        let mut names = BTreeSet::new();
        for table in ["lists", "gone"] {
            names.extend(readable_rows::names(&db, table).map_err(schema::failed("read the names of lists"))?.0);
        }
        drop(db);
        let mut after = None;
        loop {
            let page = store.unreadable(after.as_ref(), MAX_PAGE);
            let Some(last) = page.last() else { break };
            after = Some(last.name.clone());
            names.extend(page.into_iter().map(|list| list.name.as_str().to_owned()));
        }
        let mut unreadable = Vec::new();
        for name in names.iter().filter_map(|name| ListName::new(name).ok()) {
            match runtime.block_on(store.load(&name)) {
                // The copy has marked some lists, which is no earlier start.
                Err(StoreError::Unreadable { why, .. }) => {
                    unreadable.push((name, why.trim_end_matches(EARLIER).to_owned()));
                }
                loaded => drop(loaded?),
            }
        }
        Ok(unreadable)
    })
}

/// Removes lists, as `DELETE` does.
fn remove_lists(new: &Path, lists: Vec<Unreadable>, done: &mut Repaired) -> Result<(), StoreError> {
    if lists.is_empty() {
        return Ok(());
    }
    with_store(new, |store, runtime| {
        for (name, why) in lists {
            // The store removes only lists that it knows to be unreadable.
            drop(runtime.block_on(store.load(&name)));
            runtime.block_on(store.discard(&name))?;
            done.removed_lists.push((name.as_str().to_owned(), why));
        }
        Ok(())
    })
}

/// Opens the database as a store, and closes it at the end.
fn with_store<T>(
    new: &Path,
    work: impl FnOnce(&EmbeddedStore, &Runtime) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let failed = |why: std::io::Error| StoreError::Failed { what: "repair lists".into(), why: why.to_string() };
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(failed)?;
    // Neither revisions nor receipts expire by a repair.
    let options = Options { accept_loss: true, history: HistoryLimits::UNLIMITED, ..Options::default() };
    let store = EmbeddedStore::open(new, options)?;
    let result = work(&store, &runtime)?;
    runtime.block_on(store.close())?;
    Ok(result)
}

/// Gives up each history that is damaged, missing or leads to another list. The list itself is sound.
fn give_up_histories(db: &Connection, new: &Path, done: &mut Repaired) -> Result<(), StoreError> {
    let mut damaged = Vec::new();
    for read in Recording::open(new)?.lists(|_| true) {
        match read {
            Ok(list) => damaged.extend(history_damage(&list).map(|why| (list.name, why))),
            Err(StoreError::Unreadable { name, why }) => damaged.push((name, why)),
            Err(error) => return Err(error),
        }
    }
    let give_up = |name: &ListName, why: &str| -> rusqlite::Result<()> {
        let transaction = db.unchecked_transaction()?;
        // The digest of all rows is made at the end.
        let (changes, given_up) = (RowChanges::new(None), evidence::given_up(name.as_str()));
        let rows = CoveredRows { db: &transaction, changes: &changes };
        rows.give_up_history(name, &given_up, why)?;
        // A list may have lost all rows of its history. This row says that the history was given up.
        rows.keep_row(&given_up, 0, &[], why)?;
        transaction.commit()
    };
    for (name, why) in damaged {
        give_up(&name, &why).map_err(schema::failed("give up a history"))?;
        done.lost_histories.push((name.as_str().to_owned(), why));
    }
    Ok(())
}

/// Writes the timers that the metadata of the lists names, and returns them.
fn write_timers(db: &Connection, new: &Path) -> Result<BTreeSet<(u64, String)>, StoreError> {
    let write = || -> rusqlite::Result<Result<(), String>> {
        let transaction = db.unchecked_transaction()?;
        transaction.execute("DELETE FROM timers", [])?;
        let mut insert = transaction.prepare("INSERT INTO timers (at, name) VALUES (?1, ?2)")?;
        let mut select = transaction.prepare("SELECT name, revision, seq, brief FROM lists")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let (text, meta): (String, Vec<u8>) = (row.get(0)?, row.get(3)?);
            let name = ListName::new(&text).map_err(|error| error.to_string());
            let name_and_meta = name.and_then(|name| {
                let numbers = row.get(1).and_then(|revision| Ok((revision, row.get(2)?)));
                let (revision, seq) = numbers.map_err(|error| error.to_string())?;
                compacted::decode_meta(&name, revision, seq, &meta)
            });
            match name_and_meta {
                Ok(meta) => meta.wake_up.map_or(Ok(0), |at| insert.execute(params![at, text]))?,
                Err(why) => return Ok(Err(why)),
            };
        }
        drop(rows);
        drop(select);
        drop(insert);
        transaction.commit().map(Ok)
    };
    let what = format!("write the timers of {}", new.display());
    let written = write().map_err(schema::failed(&what))?;
    written.map_err(|why| StoreError::Failed { what, why })?;
    timers_of(db)
}

fn timers_of(db: &Connection) -> Result<BTreeSet<(u64, String)>, StoreError> {
    let read = || -> rusqlite::Result<BTreeSet<(u64, String)>> {
        let mut select = db.prepare("SELECT at, name FROM timers")?;
        select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    };
    read().map_err(schema::failed("read the timers"))
}

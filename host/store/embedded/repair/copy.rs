//! Copy of all rows that can be read into a new database.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use parking_lot::Mutex;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, params, params_from_iter};

use super::repaired::Repaired;
use crate::list::name::ListName;
use crate::store::embedded::block::Block;
use crate::store::embedded::covered_rows::CoveredRows;
use crate::store::embedded::digest::{RowChanges, recount};
use crate::store::embedded::log_index::LogIndex;
use crate::store::embedded::scrub::{self, ScrubFinding};
use crate::store::embedded::{damage, evidence, readable_rows, receipt_record, recording, schema};
use crate::store::error::StoreError;

/// The tables with rows of lists, which are looked for by name where a scan does not reach them.
const OF_LISTS: [&str; 4] = ["lists", "gone", "history", "receipts"];

/// The tables that are made anew from the others.
const DERIVED: [&str; 2] = ["timers", "digest"];

/// The columns of a table, and the one by which it is ordered.
struct Table {
    name: String,
    columns: Vec<String>,
    key: String,
}

/// Copies the rows of a directory into a new one, and marks the lists as unreadable whose rows are incomplete or older than
/// others. Returns the last commit.
pub(super) fn copy_rows(dir: &Path, to: &Path, done: &mut Repaired) -> Result<u64, StoreError> {
    let source = schema::open_observer(dir, recording::CACHE_BYTES)?;
    let target = schema::open_writer(to, recording::CACHE_BYTES, None)?;
    let mut copy = || -> rusqlite::Result<u64> {
        let transaction = target.unchecked_transaction()?;
        let names = known_names(&source)?;
        for table in tables(&transaction)? {
            let is_whole = table.copy(&source, &transaction, done)?;
            if !is_whole {
                done.losses.push(format!("some rows of damaged pages of the table {}", table.name));
            }
            if OF_LISTS.contains(&table.name.as_str()) && !is_whole {
                for name in &names {
                    table.copy_of_list(&source, &transaction, name, done)?;
                }
            }
        }
        settle_log(&transaction, done)?;
        // The digest of all rows is made below.
        let changes = RowChanges::new(None);
        let rows = CoveredRows { db: &transaction, changes: &changes };
        evidence::forget_lost_digest(rows)?;
        set_aside_damaged_names(rows, done)?;
        set_aside_receipts(rows, done)?;
        mark_without_rows(rows, &names)?;
        mark_stale(rows)?;
        recount::reset(&transaction)?;
        let last = "UPDATE last_record SET revision = max(revision, (SELECT ifnull(max(revision), 0) FROM records))";
        transaction.execute(last, [])?;
        let last = transaction.query_row(schema::LAST_COMMIT, [], |row| row.get(0))?;
        transaction.commit()?;
        Ok(last)
    };
    copy().map_err(schema::failed(&format!("copy the rows of {}", dir.display())))
}

/// The names of lists in all tables, and in the log.
fn known_names(source: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let (mut names, mut is_incomplete) = (BTreeSet::new(), false);
    for table in ["lists", "gone"] {
        let (found, lacks_some) = readable_rows::names(source, table)?;
        names.extend(found);
        is_incomplete |= lacks_some;
    }
    // A timer that no list waits for says nothing about a list, unless rows of lists cannot be read.
    let timers = if is_incomplete { &["timers"][..] } else { &[] };
    for table in ["history", "history NOT INDEXED", "receipts"].iter().chain(timers) {
        names.extend(readable_rows::names(source, table)?.0);
    }
    let mut add = |block: &Block, seq| {
        let frames = (block.first()..=seq).map_while(|number| block.frame(number));
        names.extend(frames.filter_map(|frame| std::str::from_utf8(frame.name).ok().map(str::to_owned)));
    };
    let mut read = || -> rusqlite::Result<()> {
        let mut select = source.prepare("SELECT seq, first, commits FROM log ORDER BY seq")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            add(&Block::parse(row.get(1)?, row.get(2)?), row.get(0)?);
        }
        Ok(())
    };
    unless_damaged(read())?;
    names.retain(|name| ListName::new(name).is_ok());
    Ok(names)
}

fn tables(target: &Connection) -> rusqlite::Result<Vec<Table>> {
    let select = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let names: Vec<String> =
        target.prepare(select)?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let table = |name: String| {
        let mut columns = target.prepare("SELECT name FROM pragma_table_info(?1)")?;
        let columns = columns.query_map([&name], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        let mut key = target.prepare("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk")?;
        let key = key.query_map([&name], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        Ok(Table { name, columns, key: key.first().cloned().unwrap_or_else(|| "rowid".into()) })
    };
    names.into_iter().filter(|name| !DERIVED.contains(&name.as_str())).map(table).collect()
}

/// Turns damage into `false`.
fn unless_damaged(read: rusqlite::Result<()>) -> rusqlite::Result<bool> {
    match read {
        Ok(()) => Ok(true),
        Err(error) if damage::is_damage(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

impl Table {
    /// Copies the rows from both ends up to the first damaged page. Returns whether that is all of them.
    fn copy(&self, source: &Connection, target: &Connection, done: &mut Repaired) -> rusqlite::Result<bool> {
        let mut is_first = true;
        for order in ["ASC", "DESC"] {
            let rest = format!("NOT INDEXED ORDER BY {} {order}", self.key);
            if self.copy_some(source, target, &rest, None, done)? {
                return Ok(is_first);
            }
            is_first = false;
        }
        Ok(false)
    }

    /// Copies the rows of a list, as far as they are on sound pages.
    fn copy_of_list(
        &self,
        source: &Connection,
        target: &Connection,
        list: &str,
        done: &mut Repaired,
    ) -> rusqlite::Result<()> {
        let is_whole = self.copy_some(source, target, "WHERE name = ?1", Some(list), done)?;
        if !is_whole && self.name == "receipts" {
            done.lost_receipts.insert(list.to_owned());
        }
        Ok(())
    }

    /// Copies rows until the end or until damage. Returns whether the end was reached.
    fn copy_some(
        &self,
        source: &Connection,
        target: &Connection,
        rest: &str,
        list: Option<&str>,
        done: &mut Repaired,
    ) -> rusqlite::Result<bool> {
        let (columns, count) = (self.columns.join(", "), self.columns.len());
        let values = vec!["?"; count].join(", ");
        let insert = format!("INSERT OR REPLACE INTO {} ({columns}) VALUES ({values})", self.name);
        let mut insert = target.prepare_cached(&insert)?;
        let mut read = || -> rusqlite::Result<Vec<Vec<Value>>> {
            let mut select = source.prepare_cached(&format!("SELECT {columns} FROM {} {rest}", self.name))?;
            let mut rows = select.query(params_from_iter(list))?;
            let mut unread = Vec::new();
            while let Some(row) = rows.next()? {
                let row: Vec<Value> = (0..count).map(|at| row.get_ref(at).map(value)).collect::<Result<_, _>>()?;
                // A row that the table does not take is damaged.
                if !unless_damaged(insert.execute(params_from_iter(&row)).map(drop))? {
                    unread.push(row);
                }
            }
            Ok(unread)
        };
        match read() {
            Ok(unread) => {
                let table = &self.name;
                done.losses.extend(unread.iter().map(|row| format!("a row of the table {table}: {:?}", row.first())));
                Ok(true)
            }
            Err(error) => unless_damaged(Err(error)),
        }
    }
}

/// The value of a column. A text that is none becomes bytes.
fn value(found: ValueRef<'_>) -> Value {
    match found {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Blob(text.to_vec()),
        },
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

/// Removes commits from the log that were truncated before, and notes the commits that are missing from it.
fn settle_log(target: &Connection, done: &mut Repaired) -> rusqlite::Result<()> {
    let returned = target.execute("DELETE FROM log WHERE seq <= (SELECT seq FROM cut)", [])?;
    if returned > 0 {
        done.losses.push("pages of the database are older than others, so any list may be older than it was".into());
    }
    let mut last: u64 = target.query_row("SELECT seq FROM cut", [], |row| row.get(0))?;
    let mut select = target.prepare("SELECT first, seq FROM log ORDER BY seq")?;
    let (mut rows, mut missing) = (select.query([])?, 0);
    while let Some(row) = rows.next()? {
        missing += row.get::<_, u64>(0)?.saturating_sub(last + 1);
        last = row.get(1)?;
    }
    if missing > 0 {
        done.losses.push(format!("{missing} commits in the log, so any list may be older than it was"));
    }
    Ok(())
}

/// Moves rows whose name is none of a list. No list is found by such a name.
fn set_aside_damaged_names(covered: CoveredRows<'_>, done: &mut Repaired) -> rusqlite::Result<()> {
    for (table, number, record) in [
        ("lists", "revision", "snapshot"),
        ("gone", "revision", "snapshot"),
        ("history", "last", "record"),
        ("receipts", "place", "record"),
    ] {
        let mut names = covered.db.prepare(&format!("SELECT DISTINCT name FROM {table}"))?;
        let names: Vec<Value> = names.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        for name in names {
            let text = match &name {
                Value::Text(text) if ListName::new(text).is_ok() => continue,
                Value::Text(text) => text.clone(),
                Value::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                other => format!("{other:?}"),
            };
            let shown = recording::as_name(&text);
            let mut rows = covered.db.prepare(&format!("SELECT {number}, {record} FROM {table} WHERE name = ?1"))?;
            let rows = rows.query_map([&name], |row| Ok((row.get(0)?, row.get(1)?)))?;
            for row in rows.collect::<rusqlite::Result<Vec<(i64, Vec<u8>)>>>()? {
                let (number, given_up) = (u64::try_from(row.0).unwrap_or_default(), evidence::given_up(shown.as_str()));
                covered.keep_row(&given_up, number, &row.1, &format!("its name is damaged; {table}.{record}"))?;
            }
            covered.db.execute(&format!("DELETE FROM {table} WHERE name = ?1"), [&name])?;
            done.losses.push(format!("rows of the table {table} whose name {:?} is damaged", shown.as_str()));
        }
    }
    Ok(())
}

/// Moves receipts that cannot be decoded, because each of them would make its list unreadable.
fn set_aside_receipts(covered: CoveredRows<'_>, done: &mut Repaired) -> rusqlite::Result<()> {
    let mut damaged = Vec::new();
    let mut select = covered.db.prepare("SELECT name, place, record FROM receipts")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (text, place, record): (String, i64, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let number = u64::try_from(place).map_err(|error| error.to_string());
        let read = ListName::new(&text).map_err(|error| error.to_string());
        let read = read.and_then(|name| receipt_record::from_row(&name, number?, &record));
        if let Err(why) = read {
            damaged.push((text, place, record, why));
        }
    }
    for (name, place, record, why) in damaged {
        let number = u64::try_from(place).unwrap_or_default();
        covered.keep_row(&evidence::given_up(&name), number, &record, &format!("{why}; receipts.record"))?;
        covered.db.execute("DELETE FROM receipts WHERE name = ?1 AND place = ?2", params![name, place])?;
        done.lost_receipts.insert(name);
    }
    Ok(())
}

/// Marks the lists as unreadable that other tables name, and that have neither a compacted row nor a commit in the log. Their
/// names would be free otherwise, and their revisions be given a second time.
fn mark_without_rows(covered: CoveredRows<'_>, names: &BTreeSet<String>) -> rusqlite::Result<()> {
    let mut logged = BTreeSet::new();
    let mut select = covered.db.prepare("SELECT seq, first, commits FROM log")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let block = Block::parse(row.get(1)?, row.get(2)?);
        for frame in (block.first()..=row.get(0)?).map_while(|number| block.frame(number)) {
            logged.insert(frame.name.to_vec());
        }
    }
    let mut has_row = covered
        .db
        .prepare("SELECT EXISTS (SELECT 1 FROM lists WHERE name = ?1 UNION ALL SELECT 1 FROM gone WHERE name = ?1)")?;
    for name in names.iter().filter(|name| !logged.contains(name.as_bytes())) {
        if !has_row.query_row([name], |row| row.get::<_, bool>(0))? {
            // A commit under the name of a list marks the list as one that cannot be read.
            covered.keep_row(name, 0, &[], "its compacted row is lost")?;
        }
    }
    Ok(())
}

/// Marks the lists as unreadable whose compacted row is older than their other rows. Such a list can be loaded, but its next
/// commits would give its last revisions a second time.
fn mark_stale(covered: CoveredRows<'_>) -> rusqlite::Result<()> {
    // The rows are compared with each other only. A start compares them with the log.
    let (no_log, mut stale) = (Mutex::new(LogIndex::default()), BTreeMap::new());
    scrub::read_all(covered.db, &no_log, 0, &mut |finding| {
        if let ScrubFinding::Stale { name, why } = finding {
            stale.insert(name, why);
        }
    })?;
    let mut is_marked = covered.db.prepare("SELECT EXISTS (SELECT 1 FROM quarantine WHERE name = ?1)")?;
    for (name, why) in stale {
        if !is_marked.query_row([name.as_str()], |row| row.get::<_, bool>(0))? {
            covered.keep_row(name.as_str(), 0, &[], &why)?;
        }
    }
    Ok(())
}

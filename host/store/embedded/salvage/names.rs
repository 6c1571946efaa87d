//! The names of all lists and deleted lists, also where pages with names are damaged.

use std::collections::{BTreeSet, VecDeque, btree_set};
use std::iter::Peekable;

use rusqlite::Connection;

use crate::list::name::ListName;
use crate::store::embedded::digest::{CoveredTable, recount};
use crate::store::embedded::recording::as_name;
use crate::store::embedded::{digest_check, readable_rows, schema};
use crate::store::error::StoreError;

/// How many names are read at once.
const NAMES_PER_READ: usize = 1_000;

/// Iterator over names in their order. After damage, the names that other pages have follow.
pub(super) struct ReadableNames<'db> {
    db: &'db Connection,
    /// Names in rows that were read and not yet returned.
    stored: VecDeque<String>,
    /// The last name that was read from rows.
    after: String,
    is_exhausted: bool,
    besides: Peekable<btree_set::IntoIter<ListName>>,
}

impl<'db> ReadableNames<'db> {
    /// `besides` has the names that may be in no row.
    pub(super) fn new(db: &'db Connection, besides: BTreeSet<ListName>) -> Self {
        let besides = besides.into_iter().peekable();
        Self { db, stored: VecDeque::new(), after: String::new(), is_exhausted: false, besides }
    }

    fn refill(&mut self) -> Result<(), StoreError> {
        let select = "SELECT name FROM lists WHERE name > ?1 UNION SELECT name FROM gone WHERE name > ?1
            ORDER BY name LIMIT ?2";
        let mut names = Vec::new();
        let read = read(self.db, select, &self.after, NAMES_PER_READ, &mut names);
        self.is_exhausted = names.len() < NAMES_PER_READ;
        if let Err(error) = read {
            self.is_exhausted = true;
            names.extend(self.names_elsewhere());
            names.sort_unstable();
            names.dedup();
            self.stored.extend(names);
            return Err(schema::failed("read the names of all lists")(error));
        }
        names.last().cloned().into_iter().for_each(|last| self.after = last);
        self.stored.extend(names);
        Ok(())
    }

    /// The names that are read from the other end, and those in other tables.
    fn names_elsewhere(&self) -> Vec<String> {
        let mut names = Vec::new();
        for select in [
            "SELECT name FROM lists WHERE name > ?1 ORDER BY name DESC LIMIT ?2",
            "SELECT name FROM gone WHERE name > ?1 ORDER BY name LIMIT ?2",
            "SELECT name FROM gone WHERE name > ?1 ORDER BY name DESC LIMIT ?2",
            "SELECT DISTINCT name FROM history WHERE name > ?1 ORDER BY name LIMIT ?2",
            "SELECT DISTINCT name FROM history WHERE name > ?1 ORDER BY name DESC LIMIT ?2",
        ] {
            if let Err(error) = read(self.db, select, &self.after, usize::MAX >> 1, &mut names) {
                tracing::debug!(%error, select, "names cannot be read to the end");
            }
        }
        names
    }
}

/// The rows of lists that are missing or older, as the digest says. A database of an earlier format may have no digest.
pub(super) fn lost_rows(db: &Connection) -> Vec<String> {
    let digest = match digest_check::read(db).unwrap_or_else(|error| Err(error.to_string())) {
        Ok(digest) => digest,
        Err(why) if schema::has_digest(db) => {
            return vec![format!("the digest cannot be read ({why}), so it is not known whether lists are missing")];
        }
        Err(_) => return Vec::new(),
    };
    let differs = |table| digest.sums.difference(table, recount::sum(db, table).ok()?);
    let lost = [CoveredTable::Lists, CoveredTable::Gone].into_iter().filter_map(differs);
    lost.map(|why| format!("{why}, so lists may be missing or older")).collect()
}

/// The names in the tables that have further rows of lists.
pub(super) fn besides_lists(db: &Connection) -> BTreeSet<ListName> {
    let mut names = BTreeSet::new();
    for table in ["history", "receipts"] {
        match readable_rows::names(db, table) {
            Ok((found, _)) => names.extend(found.iter().filter_map(|name| ListName::new(name).ok())),
            Err(error) => tracing::warn!(%error, table, "names cannot be read"),
        }
    }
    names
}

/// Whether a list has history or receipts. It may, if they cannot be read.
pub(super) fn has_rows(db: &Connection, name: &ListName) -> bool {
    let select =
        "SELECT EXISTS (SELECT 1 FROM history WHERE name = ?1 UNION ALL SELECT 1 FROM receipts WHERE name = ?1)";
    db.query_row(select, [name.as_str()], |row| row.get(0)).unwrap_or(true)
}

/// Reads names up to damage.
fn read(db: &Connection, select: &str, after: &str, limit: usize, names: &mut Vec<String>) -> rusqlite::Result<()> {
    let mut select = db.prepare(select)?;
    let mut rows = select.query(rusqlite::params![after, limit])?;
    while let Some(row) = rows.next()? {
        names.push(String::from_utf8_lossy(row.get_ref(0)?.as_bytes()?).into_owned());
    }
    Ok(())
}

impl Iterator for ReadableNames<'_> {
    type Item = Result<ListName, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.stored.is_empty()
            && !self.is_exhausted
            && let Err(error) = self.refill()
        {
            return Some(Err(error));
        }
        let Some(stored) = self.stored.front() else { return self.besides.next().map(Ok) };
        if let Some(besides) = self.besides.next_if(|besides| besides.as_str() <= stored.as_str()) {
            if besides.as_str() == stored {
                self.stored.pop_front();
            }
            return Some(Ok(besides));
        }
        let stored = self.stored.pop_front()?;
        Some(
            ListName::new(&stored)
                .map_err(|_| StoreError::Unreadable { name: as_name(&stored), why: "its name is damaged".into() }),
        )
    }
}

//! Reading: a few threads, each with a connection that only reads.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use parking_lot::Mutex;
use rusqlite::{Connection, params};

use super::block::Blocks;
use super::fold::{self, Base, Fault};
use super::log_index::LogIndex;
use super::record::{self, Body, Kind, ListMeta};
use super::schema;
use crate::list::history::ListHistory;
use crate::list::name::ListName;
use crate::list::revision::{Receipt, Revision};
use crate::store::{MAX_RECEIPTS, StoreError, Stored, Summary, WakeUp};

/// Reads timers in the order of their key, from a place in it on: what is not due is not looked at.
pub(super) const DUE: &str =
    "SELECT at, name FROM timers WHERE at <= ?1 AND (at, name) > (?2, ?3) ORDER BY at, name LIMIT ?4";

/// Reads the first timer of the key.
pub(super) const NEXT_DUE: &str = "SELECT min(at) FROM timers";

/// What a reading thread is asked to do.
pub(super) enum Request {
    /// Read, and answer.
    Read(Box<dyn FnOnce(&Reader) + Send>),
    /// End the thread.
    Stop,
}

/// One thread's connection, and what memory knows of the log.
pub(super) struct Reader {
    pub(super) db: Connection,
    pub(super) log_index: Arc<Mutex<LogIndex>>,
    /// How many revisions of history a list keeps.
    pub(super) keep: u64,
}

impl Reader {
    /// Answers requests until there are no more.
    pub(super) fn run(self, requests: &Mutex<Receiver<Request>>) {
        loop {
            let request = requests.lock().recv();
            match request {
                Ok(Request::Read(read)) => read(&self),
                Ok(Request::Stop) | Err(_) => return,
            }
        }
    }

    /// The list of that name.
    pub(super) fn load(&self, name: &ListName) -> Result<Stored, StoreError> {
        let unreadable = |why: String| StoreError::Unreadable { name: name.clone(), why };
        let rows = self.rows(name)?;
        let stored = self.in_transaction(|db| {
            let base = Base::read(db, name)?;
            let records =
                fold::unfolded_rows(&mut Blocks::prepare(db)?, base.as_ref().map_or(0, |base| base.seq), &rows)?;
            let bodies = fold::bodies(name, &records)?;
            let list = fold::replay(name, base.as_ref(), &bodies)?;
            let last = bodies.last().map(|body| &body.head.meta).or(base.as_ref().map(|base| &base.meta));
            let wake_up = last.and_then(|meta| meta.wake_up);
            let mut receipts = folded_receipts(db, name)?;
            receipts.extend(bodies.into_iter().flat_map(|body| body.receipts));
            receipts.drain(..receipts.len().saturating_sub(MAX_RECEIPTS));
            Ok(Stored { list, receipts, wake_up })
        });
        stored.map_err(|fault| fault.into_error("read a list", unreadable))
    }

    /// The revisions of a list over `after`.
    pub(super) fn history(&self, name: &ListName, after: u64, limit: usize) -> Result<Vec<Arc<Revision>>, StoreError> {
        let unreadable = |why: String| StoreError::Unreadable { name: name.clone(), why };
        let rows = self.rows(name)?;
        let revisions = self.in_transaction(|db| {
            let base = Base::read(db, name)?;
            let records =
                fold::unfolded_rows(&mut Blocks::prepare(db)?, base.as_ref().map_or(0, |base| base.seq), &rows)?;
            let bodies = fold::bodies(name, &records)?;
            kept(db, name, base.as_ref(), &bodies, Wanted { after, limit, keep: self.keep })
        });
        revisions.map_err(|fault| fault.into_error("read a history", unreadable))
    }

    /// The list of that name with all of its history that there is.
    pub(super) fn recorded(&self, name: &ListName) -> Result<ListHistory, StoreError> {
        let unreadable = |why: String| StoreError::Unreadable { name: name.clone(), why };
        let rows = self.rows(name)?;
        let recorded = self.in_transaction(|db| {
            let base = Base::read(db, name)?;
            let records =
                fold::unfolded_rows(&mut Blocks::prepare(db)?, base.as_ref().map_or(0, |base| base.seq), &rows)?;
            let bodies = fold::bodies(name, &records)?;
            let list = fold::replay(name, base.as_ref(), &bodies)?;
            let wanted = Wanted { after: 0, limit: usize::MAX, keep: u64::MAX };
            let revisions = kept(db, name, base.as_ref(), &bodies, wanted)?;
            Ok(ListHistory { name: name.clone(), list, revisions })
        });
        recorded.map_err(|fault| fault.into_error("read a list with its history", unreadable))
    }

    /// The lists behind `after` that exist.
    pub(super) fn page(&self, after: Option<&ListName>, limit: usize) -> Result<Vec<Summary>, StoreError> {
        loop {
            let sweeps = self.log_index.lock().sweeps();
            let page = self.try_page(after, limit)?;
            // A list that a sweep forgot in between might have been read in its state before.
            if self.log_index.lock().sweeps() == sweeps {
                return Ok(page);
            }
        }
    }

    fn try_page(&self, after: Option<&ListName>, limit: usize) -> Result<Vec<Summary>, StoreError> {
        let mut page = self.log_index.lock().unfolded(after, limit);
        self.folded(after, limit, &mut page)?;
        page.sort_by(|(a, _), (b, _)| a.cmp(b));
        page.dedup_by(|(a, _), (b, _)| a == b);
        page.truncate(limit);
        Ok(page.into_iter().filter_map(|(name, meta)| summary(name, meta)).collect())
    }

    /// Adds the first lists behind `after` that exist and have a folded row.
    fn folded(
        &self,
        after: Option<&ListName>,
        limit: usize,
        page: &mut Vec<(ListName, ListMeta)>,
    ) -> Result<(), StoreError> {
        let failed = schema::failed("read a page of lists");
        let sql = "SELECT name, revision, seq, brief FROM lists WHERE name > ?1 ORDER BY name";
        let mut select = self.db.prepare_cached(sql).map_err(&failed)?;
        let mut rows = select.query([after.map_or("", ListName::as_str)]).map_err(&failed)?;
        let end = page.len() + limit;
        while page.len() < end {
            let Some(row) = rows.next().map_err(&failed)? else { break };
            let text: String = row.get(0).map_err(&failed)?;
            let Ok(name) = ListName::new(&text) else {
                tracing::error!(name = text, "a folded row's name is damaged");
                continue;
            };
            // Whatever memory knows of a list is at least as new as its folded row.
            let known = self.log_index.lock().get(&name).map(|tail| tail.meta.clone());
            let meta = match known {
                Some(meta) => meta,
                None => {
                    let columns = || Ok((row.get(1)?, row.get(2)?, row.get::<_, Vec<u8>>(3)?));
                    let (revision, seq, bytes) = columns().map_err(&failed)?;
                    fold::read_brief(&name, revision, seq, &bytes)
                        .map_err(|why| StoreError::Unreadable { name: name.clone(), why })?
                }
            };
            if meta.logic.is_some() {
                page.push((name, meta));
            }
        }
        Ok(())
    }

    /// The lists to wake at or before `until`, behind `after`. One whose name is damaged is not to
    /// keep the others asleep.
    pub(super) fn due(&self, until: u64, after: Option<&WakeUp>, limit: usize) -> Result<Vec<WakeUp>, StoreError> {
        // SQLite's integers end at i64::MAX, and no time is before 0.
        let at = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
        let (from, behind) = after.map_or((-1, ""), |after| (at(after.at), after.name.as_str()));
        let read = || -> rusqlite::Result<Vec<WakeUp>> {
            let mut select = self.db.prepare_cached(DUE)?;
            let mut rows = select.query(params![at(until), from, behind, limit])?;
            let mut due = Vec::new();
            while let Some(row) = rows.next()? {
                let text: String = row.get(1)?;
                match ListName::new(&text) {
                    Ok(name) => due.push(WakeUp { at: row.get(0)?, name }),
                    Err(error) => tracing::error!(name = text, %error, "a timer's name is damaged"),
                }
            }
            Ok(due)
        };
        read().map_err(schema::failed("read the timers"))
    }

    /// The earliest wake-up time.
    pub(super) fn next_due(&self) -> Result<Option<u64>, StoreError> {
        let next = self.db.query_row(NEXT_DUE, [], |row| row.get(0));
        next.map_err(schema::failed("read the timers"))
    }

    /// The list's rows in the log; none of a list that is known to be unreadable.
    fn rows(&self, name: &ListName) -> Result<Vec<super::log_index::Row>, StoreError> {
        let log_index = self.log_index.lock();
        match log_index.quarantined(name) {
            Some(why) => Err(StoreError::Unreadable { name: name.clone(), why: why.clone() }),
            None => Ok(log_index.get(name).map(|tail| tail.rows.clone()).unwrap_or_default()),
        }
    }

    fn in_transaction<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
        // Whoever reads many lists of one moment has begun a transaction already.
        if !self.db.is_autocommit() {
            return read(&self.db);
        }
        let transaction = self.db.unchecked_transaction()?;
        read(&transaction)
    }
}

impl Fault {
    pub(super) fn into_error(self, what: &str, unreadable: impl FnOnce(String) -> StoreError) -> StoreError {
        match self {
            Self::List(why) => unreadable(why),
            Self::Database(error) => schema::failed(what)(error),
        }
    }
}

fn summary(name: ListName, meta: ListMeta) -> Option<Summary> {
    let logic = meta.logic?;
    Some(Summary { name, logic, revision: meta.revision, entries: meta.entries, open: meta.open })
}

fn folded_receipts(db: &Connection, name: &ListName) -> Result<Vec<Receipt>, Fault> {
    let mut select = db.prepare_cached("SELECT place, record FROM receipts WHERE name = ?1 ORDER BY place")?;
    let mut rows = select.query([name.as_str()])?;
    let mut receipts = Vec::new();
    while let Some(row) = rows.next()? {
        let bytes: Vec<u8> = row.get(1)?;
        receipts.push(record::decode(Kind::Receipt, name, row.get(0)?, &bytes)?);
    }
    Ok(receipts)
}

/// Which part of a history is wanted.
struct Wanted {
    after: u64,
    limit: usize,
    /// How many revisions there are to be at most, however many there are.
    keep: u64,
}

/// The revisions of a list, from its folded ones and from its commits in the log.
fn kept(
    db: &Connection,
    name: &ListName,
    base: Option<&Base>,
    bodies: &[Body<'_>],
    Wanted { after, limit, keep }: Wanted,
) -> Result<Vec<Arc<Revision>>, Fault> {
    let erased = bodies.iter().filter_map(|body| body.head.erased).max().unwrap_or(0);
    let last = bodies.last().map(|body| &body.head.meta).or(base.map(|base| &base.meta));
    let end = last.map_or(0, |meta| meta.revision);
    let from = after.saturating_add(1).max(erased).max((end + 1).saturating_sub(keep));
    if from > end {
        return Ok(Vec::new());
    }
    let mut found = folded_history(db, name, from, limit)?;
    for body in bodies.iter().filter(|body| body.head.meta.revision >= from) {
        if found.len() < limit {
            found.extend(record::revisions(body.revisions)?.into_iter().filter(|r| r.number >= from));
        }
    }
    found.truncate(limit);
    check_order(&found)?;
    Ok(found)
}

fn folded_history(db: &Connection, name: &ListName, from: u64, limit: usize) -> Result<Vec<Arc<Revision>>, Fault> {
    let mut select =
        db.prepare_cached("SELECT last, record FROM history WHERE name = ?1 AND last >= ?2 ORDER BY last")?;
    let mut rows = select.query(params![name.as_str(), from])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let bytes: Vec<u8> = row.get(1)?;
        let run = record::history_revisions(name, row.get(0)?, &bytes)?;
        found.extend(run.into_iter().filter(|revision| revision.number >= from));
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

fn check_order(revisions: &[Arc<Revision>]) -> Result<(), String> {
    match revisions.windows(2).find(|pair| pair[1].number != pair[0].number + 1) {
        Some(pair) => Err(format!("revision {} is followed by {} in its history", pair[0].number, pair[1].number)),
        None => Ok(()),
    }
}

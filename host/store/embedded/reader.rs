//! The readers: threads with a connection each that only reads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use parking_lot::Mutex;
use rusqlite::{Connection, params};

use super::block::Blocks;
use super::compacted::{self, CompactedRow};
use super::damage;
use super::error::ReadError;
use super::lifecycle::Lifecycle;
use super::log_index::{CommitRef, LogIndex};
use super::record::ListMeta;
use super::retained_history::RetainedHistory;
use super::{receipt_record, receipt_rows};
use crate::list::history::ListHistory;
use crate::list::name::ListName;
use crate::list::receipt::Receipt;
use crate::store::receipt_room::ReceiptRoom;
use crate::store::{ChangesPage, HistoryPage, PageLimit, StoreError, Stored, Summary, WakeUp};

/// Reads timers in the order of their key, from a place in it on. Timers that are not due are not read.
pub(super) const DUE: &str =
    "SELECT at, name FROM timers WHERE at <= ?1 AND (at, name) > (?2, ?3) ORDER BY at, name LIMIT ?4";

/// Reads the first timer in the order of the key.
pub(super) const NEXT_DUE: &str = "SELECT min(at) FROM timers";

/// The name of the threads.
pub(super) const THREAD: &str = "store-reader";

/// A request to a reader.
pub(super) enum ReaderRequest {
    /// Read, and answer.
    Read(Box<dyn FnOnce(&Reader) + Send>),
    /// End the thread.
    Stop,
}

/// One thread's connection, and the index of the log.
pub(super) struct Reader {
    pub(super) db: Connection,
    pub(super) log_index: Arc<Mutex<LogIndex>>,
    /// How many revisions of history a list retains.
    pub(super) history_limit: u64,
    /// The room for receipts, which knows the expired ones.
    pub(super) receipt_room: Arc<ReceiptRoom>,
    /// The time, for damage that is found.
    pub(super) now: fn() -> u64,
}

impl Reader {
    /// Answers requests until there are no more.
    ///
    /// A panic poisons the store, which then takes no writes. The thread goes on, because a list that makes every read of
    /// it panic must not end the reads of all other lists.
    pub(super) fn run(self, requests: &Mutex<Receiver<ReaderRequest>>, lifecycle: &Lifecycle) {
        loop {
            let request = requests.lock().recv();
            match request {
                Ok(ReaderRequest::Read(read)) => {
                    // Unwinding rolls the transaction of the read back, so the next read finds the connection unused.
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| read(&self))) {
                        lifecycle.thread_failed(THREAD, &*panic);
                    }
                }
                Ok(ReaderRequest::Stop) | Err(_) => return,
            }
        }
    }

    /// The list of that name.
    pub(super) fn load(&self, name: &ListName) -> Result<Stored, StoreError> {
        let discards = self.log_index.lock().discards();
        let stored = self.try_load(name);
        match &stored {
            Ok(_) => self.log_index.lock().note_readable(name),
            Err(StoreError::Unreadable { why, .. }) => self.note_unreadable(name, why, discards),
            Err(_) => {}
        }
        stored
    }

    fn note_unreadable(&self, name: &ListName, why: &str, discards: u64) {
        self.log_index.lock().note_unreadable(name, why, (self.now)(), discards);
    }

    fn try_load(&self, name: &ListName) -> Result<Stored, StoreError> {
        let commits = self.logged_commits(name)?;
        let stored = self.in_transaction(|db| {
            let row = CompactedRow::read(db, name)?;
            let compacted_to = row.as_ref().map_or(0, |row| row.seq);
            let commits = compacted::later_commits(&mut Blocks::prepare(db)?, compacted_to, &commits)?;
            let bodies = compacted::bodies(name, &commits)?;
            let list = compacted::replay(name, row.as_ref(), &bodies)?;
            let last = bodies.last().map(|body| &body.head.meta).or(row.as_ref().map(|row| &row.meta));
            let wake_up = last.and_then(|meta| meta.wake_up);
            let horizon = self.receipt_room.horizon();
            let mut receipts = compacted_receipts(db, name, horizon)?;
            for receipt in bodies.iter().flat_map(|body| &body.receipts).filter(|receipt| receipt.time >= horizon) {
                receipts.push(receipt.decode()?);
            }
            Ok(Stored { list, receipts: receipts.into_iter().map(Arc::new).collect(), wake_up })
        });
        stored.map_err(|fault| fault.into_store_error(&self.db, "read a list", name))
    }

    /// A page of the revisions of a list after `after`.
    pub(super) fn history_page(
        &self,
        name: &ListName,
        after: u64,
        limit: PageLimit,
    ) -> Result<HistoryPage, StoreError> {
        self.read_history(name, |history| history.page(after, limit))
    }

    /// A page of the changes of one revision. `None` if the list does not retain the revision.
    pub(super) fn changes(
        &self,
        name: &ListName,
        revision: u64,
        after: usize,
        limit: PageLimit,
    ) -> Result<Option<ChangesPage>, StoreError> {
        self.read_history(name, |history| history.changes(revision, after, limit))
    }

    fn read_history<T>(
        &self,
        name: &ListName,
        read: impl FnOnce(&RetainedHistory<'_>) -> Result<T, ReadError>,
    ) -> Result<T, StoreError> {
        let commits = self.logged_commits(name)?;
        let found = self.in_transaction(|db| {
            // The snapshot beside the metadata may be as large as a list.
            let row = compacted::read_head(db, name)?;
            let compacted_to = row.as_ref().map_or(0, |(_, seq)| *seq);
            let commits = compacted::later_commits(&mut Blocks::prepare(db)?, compacted_to, &commits)?;
            let bodies = compacted::bodies(name, &commits)?;
            read(&RetainedHistory::new(db, name, row.map(|(meta, _)| meta).as_ref(), &bodies, self.history_limit))
        });
        found.map_err(|fault| fault.into_store_error(&self.db, "read a history", name))
    }

    /// The list of that name with its whole history, and its wake-up time.
    pub(super) fn recorded(&self, name: &ListName) -> Result<(ListHistory, Option<u64>), StoreError> {
        let commits = self.logged_commits(name)?;
        let recorded = self.in_transaction(|db| {
            let row = CompactedRow::read(db, name)?;
            let compacted_to = row.as_ref().map_or(0, |row| row.seq);
            let commits = compacted::later_commits(&mut Blocks::prepare(db)?, compacted_to, &commits)?;
            let bodies = compacted::bodies(name, &commits)?;
            let list = compacted::replay(name, row.as_ref(), &bodies)?;
            let history = RetainedHistory::new(db, name, row.as_ref().map(|row| &row.meta), &bodies, u64::MAX);
            let revisions = history.all()?;
            let last = bodies.last().map(|body| &body.head.meta).or(row.as_ref().map(|row| &row.meta));
            let wake_up = last.and_then(|meta| meta.wake_up);
            Ok((ListHistory { name: name.clone(), list, revisions }, wake_up))
        });
        recorded.map_err(|fault| fault.into_store_error(&self.db, "read a list with its history", name))
    }

    /// The existing lists after `after` that can be read.
    pub(super) fn page(&self, after: Option<&ListName>, limit: usize) -> Result<Vec<Summary>, StoreError> {
        loop {
            let compactions = self.log_index.lock().compactions();
            let page = self.try_page(after, limit)?;
            // The page may hold an old state of a list that a compaction forgot in between. Compactions are rare, so
            // the loop ends.
            if self.log_index.lock().compactions() == compactions {
                return Ok(page);
            }
        }
    }

    fn try_page(&self, after: Option<&ListName>, limit: usize) -> Result<Vec<Summary>, StoreError> {
        let mut page = self.log_index.lock().uncompacted(after, limit);
        self.add_compacted(after, limit, &mut page)?;
        page.sort_by(|(a, _), (b, _)| a.cmp(b));
        page.dedup_by(|(a, _), (b, _)| a == b);
        page.truncate(limit);
        Ok(page.into_iter().filter_map(|(name, meta)| summary(name, meta)).collect())
    }

    /// Adds the first existing lists after `after` that have a compacted row.
    fn add_compacted(
        &self,
        after: Option<&ListName>,
        limit: usize,
        page: &mut Vec<(ListName, ListMeta)>,
    ) -> Result<(), StoreError> {
        let discards = self.log_index.lock().discards();
        let failed = damage::failed_in("read a page of lists", "lists");
        let sql = "SELECT name, revision, seq, brief FROM lists WHERE name > ?1 ORDER BY name";
        let mut select = self.db.prepare_cached(sql).map_err(&failed)?;
        let mut rows = select.query([after.map_or("", ListName::as_str)]).map_err(&failed)?;
        let end = page.len() + limit;
        while page.len() < end {
            let Some(row) = rows.next().map_err(&failed)? else { break };
            let text: String = row.get(0).map_err(&failed)?;
            let Ok(name) = ListName::new(&text) else {
                tracing::error!(
                    name = text,
                    "the name of a compacted row is damaged; its list is left out of the page"
                );
                continue;
            };
            // The index is at least as new as the compacted row.
            let logged = self.log_index.lock().get(&name).map(|list| list.meta.clone());
            let meta = match logged {
                Some(meta) => meta,
                None => {
                    let columns = || Ok((row.get(1)?, row.get(2)?, row.get::<_, Vec<u8>>(3)?));
                    let (revision, seq, bytes) = columns().map_err(&failed)?;
                    match compacted::decode_meta(&name, revision, seq, &bytes) {
                        Ok(meta) => meta,
                        Err(why) => {
                            self.note_unreadable(&name, &why, discards);
                            continue;
                        }
                    }
                }
            };
            if meta.logic.is_some() {
                page.push((name, meta));
            }
        }
        Ok(())
    }

    /// The lists to wake at or before `until`, after `after`. A timer with a damaged name is left out, so that it does
    /// not keep the other lists from being woken.
    pub(super) fn due(&self, until: u64, after: Option<&WakeUp>, limit: usize) -> Result<Vec<WakeUp>, StoreError> {
        // SQLite's integers end at i64::MAX, and no time is before 0.
        let at = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
        let (from, after_name) = after.map_or((-1, ""), |after| (at(after.at), after.name.as_str()));
        let read = || -> rusqlite::Result<Vec<WakeUp>> {
            let mut select = self.db.prepare_cached(DUE)?;
            let mut rows = select.query(params![at(until), from, after_name, limit])?;
            let mut due = Vec::new();
            while let Some(row) = rows.next()? {
                let text: String = row.get(1)?;
                match ListName::new(&text) {
                    Ok(name) => due.push(WakeUp { at: row.get(0)?, name }),
                    Err(error) => {
                        tracing::error!(name = text, %error, "the name of a timer is damaged; its list is not woken")
                    }
                }
            }
            Ok(due)
        };
        read().map_err(damage::failed_in("read the timers", "timers"))
    }

    /// The earliest wake-up time.
    pub(super) fn next_due(&self) -> Result<Option<u64>, StoreError> {
        let next = self.db.query_row(NEXT_DUE, [], |row| row.get(0));
        next.map_err(damage::failed_in("read the timers", "timers"))
    }

    /// The list's commits in the log. Fails when the list is isolated.
    fn logged_commits(&self, name: &ListName) -> Result<Vec<CommitRef>, StoreError> {
        let log_index = self.log_index.lock();
        match log_index.isolated(name) {
            Some(why) => Err(StoreError::Unreadable { name: name.clone(), why: why.clone() }),
            None => Ok(log_index.get(name).map(|list| list.commits.clone()).unwrap_or_default()),
        }
    }

    fn in_transaction<T>(&self, read: impl FnOnce(&Connection) -> Result<T, ReadError>) -> Result<T, ReadError> {
        // A recording reads all lists in one transaction, which it has begun already.
        if !self.db.is_autocommit() {
            return read(&self.db);
        }
        let transaction = self.db.unchecked_transaction()?;
        read(&transaction)
    }
}

fn summary(name: ListName, meta: ListMeta) -> Option<Summary> {
    let logic = meta.logic?;
    Some(Summary { name, logic, revision: meta.revision, entries: meta.entries, open: meta.open })
}

/// The compacted receipts of a list that are not expired, the oldest first.
fn compacted_receipts(db: &Connection, name: &ListName, horizon: u64) -> Result<Vec<Receipt>, ReadError> {
    let select = "SELECT place, record FROM receipts WHERE name = ?1 AND time >= ?2 ORDER BY place";
    let mut select = db.prepare_cached(select)?;
    let mut rows = select.query(params![name.as_str(), receipt_rows::at(horizon)])?;
    let mut receipts = Vec::new();
    while let Some(row) = rows.next()? {
        let bytes: Vec<u8> = row.get(1)?;
        receipts.push(receipt_record::from_row(name, row.get(0)?, &bytes)?);
    }
    Ok(receipts)
}

//! The writer: one thread that turns whatever waits in its queue into one durable write.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::oneshot;

use super::fold::{self, Fault};
use super::lock::DirectoryLock;
use super::reader;
use super::record::Brief;
use super::sweep::{Slice, Sweep};
use super::tails::{Row, Tails};
use super::wal::{self, Wal};
use super::{Options, SLOW_WRITE};
use crate::list::List;
use crate::list::name::ListName;
use crate::store::StoreError;

/// How long nothing must have come before a sweep goes on by itself: those who were just answered
/// are about to come again, and a slice without commits would make them wait for its fsync.
const IDLE: Duration = Duration::from_millis(2);

/// How many lists an idle writer folds before it looks into its queue again.
const IDLE_LISTS: usize = 1_024;

/// How many lists a batch of commits folds at least, while a sweep is under way.
const LEAST_LISTS: usize = 8;

/// What the writer is asked to do.
pub(super) enum Request {
    /// Write a commit.
    Commit(Prepared),
    /// Fold everything, end all threads, give the directory back.
    Close(oneshot::Sender<Result<(), StoreError>>),
    /// End all threads.
    Stop,
}

/// A commit, encoded by its caller so that the one thread that all wait for need not.
pub(super) struct Prepared {
    pub(super) name: ListName,
    pub(super) after: u64,
    pub(super) brief: Brief,
    pub(super) record: Arc<[u8]>,
    pub(super) state: Arc<List>,
    pub(super) reply: oneshot::Sender<Result<(), StoreError>>,
}

/// What the writer must know of a list to take a commit for it.
#[derive(Clone, Copy)]
struct Known {
    revision: u64,
    wake_up: Option<u64>,
    /// Whether nothing is known of the list but its commits in the log.
    is_new: bool,
}

/// A batch that was written, commit by commit: the row, or why there is none.
type Verdicts = Vec<Result<Written, StoreError>>;

struct Written {
    seq: u64,
    is_new: bool,
}

/// All that the thread owns.
pub(super) struct Writer {
    pub(super) db: Connection,
    pub(super) requests: Receiver<Request>,
    pub(super) tails: Arc<Mutex<Tails>>,
    pub(super) poison: Arc<OnceLock<String>>,
    pub(super) sweep: Sweep,
    pub(super) wal: Wal,
    pub(super) options: Options,
    pub(super) readers: Vec<JoinHandle<()>>,
    pub(super) reads: SyncSender<reader::Request>,
    pub(super) lock: DirectoryLock,
    /// Where the batch at hand leaves its lists; empty between batches.
    pub(super) ahead: HashMap<ListName, Ahead>,
}

/// Where a batch leaves a list.
pub(super) struct Ahead(Known);

impl Writer {
    /// Writes until there is nobody left to write for.
    pub(super) fn run(mut self) {
        let mut batch = Vec::new();
        let end = loop {
            match self.fill(&mut batch) {
                Ok(None) => self.write(&mut batch),
                Ok(Some(end)) => {
                    self.write(&mut batch);
                    break end;
                }
                Err(()) => break Request::Stop,
            }
        };
        let Request::Close(reply) = end else { return self.end() };
        let folded = self.fold_everything();
        self.end();
        // The caller may have gone; nothing depends on it.
        let _ = reply.send(folded);
    }

    /// Takes what waits; waits when nothing does, but not for long when there is something to fold.
    /// Answers with the request that ends the thread, if it came.
    fn fill(&mut self, batch: &mut Vec<Prepared>) -> Result<Option<Request>, ()> {
        let folding = self.sweep.is_under_way() && self.poison.get().is_none();
        let patience = if folding { IDLE } else { Duration::MAX };
        match self.requests.recv_timeout(patience) {
            Ok(Request::Commit(commit)) => batch.push(commit),
            Ok(end) => return Ok(Some(end)),
            Err(RecvTimeoutError::Timeout) => return Ok(None),
            Err(RecvTimeoutError::Disconnected) => return Err(()),
        }
        let mut bytes = 0;
        while batch.len() < self.options.batch && bytes < self.options.batch_bytes {
            match self.requests.try_recv() {
                Ok(Request::Commit(commit)) => {
                    bytes += commit.record.len();
                    batch.push(commit);
                }
                Ok(end) => return Ok(Some(end)),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Err(()),
            }
        }
        Ok(None)
    }

    /// Writes a batch, and a slice of folding with it, and answers.
    fn write(&mut self, batch: &mut Vec<Prepared>) {
        if let Some(why) = self.poison.get() {
            for commit in batch.drain(..) {
                let _ = commit.reply.send(Err(StoreError::Poisoned { why: why.clone() }));
            }
            return;
        }
        let begun = Instant::now();
        let lists = if batch.is_empty() { IDLE_LISTS } else { batch.len().max(LEAST_LISTS) };
        let written = self.transaction(batch, lists);
        self.ahead.clear();
        match written {
            Ok((verdicts, slice)) => {
                self.sweep.done(slice, &self.tails);
                self.acknowledge(batch, verdicts);
            }
            Err(error) => self.fail(batch, &error),
        }
        let over = self.sweep.rows() > self.options.log_rows || self.tails.lock().bytes() > self.options.log_bytes;
        if over && !self.sweep.is_under_way() {
            self.sweep.begin(&self.tails);
        }
        if let Err(error) = self.wal.written(&self.db) {
            self.poisoned(&error);
        }
        let took = begun.elapsed();
        if took > SLOW_WRITE {
            tracing::warn!(?took, "a durable write was slow");
        }
    }

    fn transaction(&mut self, batch: &[Prepared], lists: usize) -> rusqlite::Result<(Verdicts, Slice)> {
        let transaction = self.db.unchecked_transaction()?;
        let mut verdicts = Vec::with_capacity(batch.len());
        let mut seq = self.sweep.last;
        let mut insert =
            self.db.prepare_cached("INSERT INTO log (seq, name, revision, record) VALUES (?1, ?2, ?3, ?4)")?;
        for commit in batch {
            let known = match check(&self.db, &self.tails, &self.ahead, commit)? {
                Ok(known) => known,
                Err(error) => {
                    verdicts.push(Err(error));
                    continue;
                }
            };
            seq += 1;
            insert.execute(params![seq, commit.name.as_str(), commit.brief.revision, commit.record])?;
            set_timer(&self.db, &commit.name, known.wake_up, commit.brief.wake_up)?;
            let next = Known { revision: commit.brief.revision, wake_up: commit.brief.wake_up, is_new: false };
            self.ahead.insert(commit.name.clone(), Ahead(next));
            verdicts.push(Ok(Written { seq, is_new: known.is_new }));
        }
        let slice = self.sweep.slice(&self.db, &self.tails, lists, self.options.history)?;
        transaction.commit()?;
        self.sweep.last = seq;
        Ok((verdicts, slice))
    }

    /// Lets readers see what is durable now, then answers the callers.
    fn acknowledge(&self, batch: &mut Vec<Prepared>, verdicts: Verdicts) {
        let mut replies = Vec::with_capacity(batch.len());
        let mut tails = self.tails.lock();
        for (commit, verdict) in batch.drain(..).zip(verdicts) {
            let Prepared { name, brief, record, state, reply, .. } = commit;
            let answer = verdict.map(|Written { seq, is_new }| {
                let row = Row { seq, revision: brief.revision, record: Some(record) };
                tails.push(name, brief, Arc::downgrade(&state), row, is_new);
            });
            replies.push((reply, answer, state));
        }
        drop(tails);
        for (reply, answer, _state) in replies {
            // A caller may drop its answer; the commit stands.
            let _ = reply.send(answer);
        }
    }

    fn fail(&self, batch: &mut Vec<Prepared>, error: &rusqlite::Error) {
        self.poisoned(error);
        for commit in batch.drain(..) {
            let what = format!("write revision {} of list {:?}", commit.brief.revision, commit.name.as_str());
            let _ = commit.reply.send(Err(StoreError::Failed { what, why: error.to_string() }));
        }
    }

    fn poisoned(&self, error: &rusqlite::Error) {
        tracing::error!(%error, "a durable write failed; the store takes no more writes");
        let _ = self.poison.set(error.to_string());
    }

    /// Folds all lists, empties the log and the write-ahead log.
    fn fold_everything(&mut self) -> Result<(), StoreError> {
        self.sweep.begin(&self.tails);
        while self.sweep.is_under_way() && self.poison.get().is_none() {
            self.write(&mut Vec::new());
        }
        match self.poison.get() {
            Some(why) => Err(StoreError::Poisoned { why: why.clone() }),
            None => Ok(()),
        }
    }

    /// Ends the other threads, and gives the directory back last of all.
    fn end(self) {
        for _ in &self.readers {
            // It fails only when they have all ended.
            let _ = self.reads.send(reader::Request::Stop);
        }
        for reader in self.readers {
            if reader.join().is_err() {
                tracing::error!("a reading thread panicked");
            }
        }
        self.wal.stop();
        if self.poison.get().is_none()
            && let Err(error) = wal::truncate(&self.db)
        {
            tracing::warn!(%error, "the write-ahead log could not be emptied; it will be at the next start");
        }
        if let Err((_, error)) = self.db.close() {
            tracing::warn!(%error, "the database could not be closed");
        }
        drop(self.lock);
    }
}

/// Whether a commit continues its list, with all that is before it in the batch.
fn check(
    db: &Connection,
    tails: &Mutex<Tails>,
    ahead: &HashMap<ListName, Ahead>,
    commit: &Prepared,
) -> rusqlite::Result<Result<Known, StoreError>> {
    let known = match ahead.get(&commit.name) {
        Some(Ahead(known)) => Ok(*known),
        None => look_up(db, tails, &commit.name),
    };
    match known {
        Ok(known) if known.revision == commit.after => Ok(Ok(known)),
        Ok(Known { revision: found, .. }) => {
            Ok(Err(StoreError::Conflict { name: commit.name.clone(), expected: commit.after, found }))
        }
        Err(Fault::List(why)) => Ok(Err(StoreError::Unreadable { name: commit.name.clone(), why })),
        Err(Fault::Database(error)) => Err(error),
    }
}

fn look_up(db: &Connection, tails: &Mutex<Tails>, name: &ListName) -> Result<Known, Fault> {
    {
        let tails = tails.lock();
        if let Some(tail) = tails.get(name) {
            return Ok(Known { revision: tail.brief.revision, wake_up: tail.brief.wake_up, is_new: false });
        }
        if let Some(why) = tails.quarantined(name) {
            return Err(Fault::List(why.clone()));
        }
    }
    let mut select = db.prepare_cached("SELECT revision, seq, brief FROM lists WHERE name = ?1")?;
    let row = select.query_row([name.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?)));
    Ok(match row.optional()? {
        Some((revision, seq, bytes)) => {
            let brief = fold::read_brief(name, revision, seq, &bytes)?;
            Known { revision, wake_up: brief.wake_up, is_new: false }
        }
        None => Known { revision: 0, wake_up: None, is_new: true },
    })
}

fn set_timer(db: &Connection, name: &ListName, before: Option<u64>, after: Option<u64>) -> rusqlite::Result<()> {
    if before == after {
        return Ok(());
    }
    // SQLite's integers end at i64::MAX, which is some way off for a time.
    let at = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
    if let Some(before) = before {
        db.prepare_cached("DELETE FROM timers WHERE at = ?1 AND name = ?2")?
            .execute(params![at(before), name.as_str()])?;
    }
    if let Some(after) = after {
        db.prepare_cached("INSERT OR REPLACE INTO timers (at, name) VALUES (?1, ?2)")?
            .execute(params![at(after), name.as_str()])?;
    }
    Ok(())
}

//! The writer: one thread that turns whatever waits in its queue into one durable write.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use tokio::sync::oneshot;

use super::block::{Block, FULL_BYTES};
use super::fold::{self, Fault};
use super::lock::DirectoryLock;
use super::log_index::{Ahead, LogIndex, Row};
use super::reader;
use super::record::ListMeta;
use super::sweep::{Slice, Sweep};
use super::wal::{self, Wal};
use super::{Options, SLOW_WRITE};
use crate::list::List;
use crate::list::name::ListName;
use crate::store::StoreError;

/// How long nothing must have come before a sweep goes on by itself: those who were just answered
/// are about to come again, and a slice without commits would make them wait for its fsync.
const IDLE: Duration = Duration::from_millis(2);

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
    pub(super) meta: ListMeta,
    pub(super) frame: Vec<u8>,
    pub(super) state: Weak<List>,
    pub(super) reply: oneshot::Sender<Answer>,
}

/// The answer to a commit, with what it was made of: that is freed by whoever allocated it, which
/// costs much less than freeing it here, and not while others wait.
pub(super) struct Answer {
    pub(super) result: Result<(), StoreError>,
    pub(super) _spent: (ListName, Vec<u8>, Weak<List>),
}

/// A batch that was written: each commit's number, or why it has none, and the rows they are in.
struct Written {
    verdicts: Vec<Result<u64, StoreError>>,
    blocks: Vec<Arc<Block>>,
}

/// All that the thread owns.
pub(super) struct Writer {
    pub(super) db: Connection,
    pub(super) requests: Receiver<Request>,
    pub(super) log_index: Arc<Mutex<LogIndex>>,
    pub(super) poison: Arc<OnceLock<String>>,
    pub(super) sweep: Sweep,
    pub(super) wal: Wal,
    pub(super) options: Options,
    pub(super) readers: Vec<JoinHandle<()>>,
    pub(super) reads: SyncSender<reader::Request>,
    pub(super) lock: DirectoryLock,
}

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
                    bytes += commit.frame.len();
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
                commit.answer(Err(StoreError::Poisoned { why: why.clone() }));
            }
            return;
        }
        let begun = Instant::now();
        match self.transaction(batch) {
            Ok((written, slice)) => {
                self.sweep.done(slice, &self.log_index);
                self.acknowledge(batch, written);
            }
            Err(error) => self.fail(batch, &error),
        }
        self.sweep.begin_if_due(&self.log_index, &self.options);
        if let Err(error) = self.wal.written(&self.db) {
            self.poisoned(&error);
        }
        let took = begun.elapsed();
        if took > SLOW_WRITE {
            tracing::warn!(?took, "a durable write was slow");
        }
    }

    fn transaction(&mut self, batch: &[Prepared]) -> rusqlite::Result<(Written, Slice)> {
        // One that begins by reading would fail, not wait, while a shell looks after something.
        let transaction = Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate)?;
        let mut written = Written { verdicts: Vec::with_capacity(batch.len()), blocks: Vec::new() };
        let mut block = Block::new(self.sweep.last() + 1);
        for commit in batch {
            if let Err(error) = check(&self.db, &self.log_index, commit)? {
                written.verdicts.push(Err(error));
                continue;
            }
            block.push(&commit.name, commit.meta.revision, &commit.frame);
            written.verdicts.push(Ok(block.last()));
            if block.bytes().len() >= FULL_BYTES {
                let next = Block::new(block.last() + 1);
                written.blocks.push(self.append(std::mem::replace(&mut block, next))?);
            }
        }
        if !block.is_empty() {
            written.blocks.push(self.append(block)?);
        }
        let slice = self.sweep.slice(&self.db, &self.log_index, batch.len(), &self.options)?;
        transaction.commit()?;
        Ok((written, slice))
    }

    fn append(&self, mut block: Block) -> rusqlite::Result<Arc<Block>> {
        let insert = "INSERT INTO log (seq, first, directory, commits) VALUES (?1, ?2, ?3, ?4)";
        let directory = block.take_directory();
        let values = params![block.last(), block.first(), directory, block.bytes()];
        self.db.prepare_cached(insert)?.execute(values)?;
        Ok(Arc::new(block.closed()))
    }

    /// Lets readers see what is durable now, then answers the callers.
    fn acknowledge(&mut self, batch: &mut Vec<Prepared>, Written { verdicts, blocks }: Written) {
        for block in &blocks {
            self.sweep.appended(block.last(), block.bytes().len());
        }
        let mut blocks = blocks.into_iter().peekable();
        let mut log_index = self.log_index.lock();
        for (commit, verdict) in batch.iter_mut().zip(&verdicts) {
            let Ok(seq) = *verdict else { continue };
            while blocks.next_if(|block| block.last() < seq).is_some() {}
            let row = Row { seq, block: blocks.peek().cloned() };
            let meta = std::mem::take(&mut commit.meta);
            let count = log_index.push(&commit.name, meta, &mut commit.state, row);
            self.sweep.has_tail(&commit.name, count);
        }
        drop(log_index);
        for (commit, verdict) in batch.drain(..).zip(verdicts) {
            commit.answer(verdict.map(drop));
        }
    }

    fn fail(&self, batch: &mut Vec<Prepared>, error: &rusqlite::Error) {
        self.poisoned(error);
        for commit in batch.drain(..) {
            let what = format!("write revision {} of list {:?}", commit.meta.revision, commit.name.as_str());
            commit.answer(Err(StoreError::Unknown { what, why: error.to_string() }));
        }
    }

    fn poisoned(&self, error: &rusqlite::Error) {
        tracing::error!(%error, "a durable write failed; the store takes no more writes");
        let _ = self.poison.set(error.to_string());
    }

    /// Folds all lists, empties the log and the write-ahead log.
    fn fold_everything(&mut self) -> Result<(), StoreError> {
        self.sweep.begin(&self.log_index);
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

impl Prepared {
    /// A caller may have dropped its answer; the commit stands.
    fn answer(self, result: Result<(), StoreError>) {
        let _ = self.reply.send(Answer { result, _spent: (self.name, self.frame, self.state) });
    }
}

/// Takes a commit into the batch, if it continues its list with all that is before it in the batch.
fn check(db: &Connection, log_index: &Mutex<LogIndex>, commit: &Prepared) -> rusqlite::Result<Result<(), StoreError>> {
    let conflict = |found| Ok(Err(StoreError::Conflict { name: commit.name.clone(), expected: commit.after, found }));
    let next = Ahead { revision: commit.meta.revision, wake_up: commit.meta.wake_up };
    let mut locked = log_index.lock();
    let before = match locked.ahead(&commit.name) {
        Some(ahead) if ahead.revision != commit.after => return conflict(ahead.revision),
        Some(ahead) => std::mem::replace(ahead, next),
        None => {
            if let Some(why) = locked.quarantined(&commit.name) {
                return Ok(Err(StoreError::Unreadable { name: commit.name.clone(), why: why.clone() }));
            }
            drop(locked);
            let meta = match look_up(db, &commit.name) {
                Ok(meta) => meta,
                Err(Fault::List(why)) => return Ok(Err(StoreError::Unreadable { name: commit.name.clone(), why })),
                Err(Fault::Database(error)) => return Err(error),
            };
            if meta.revision != commit.after {
                return conflict(meta.revision);
            }
            std::mem::replace(&mut log_index.lock().learn(commit.name.clone(), meta).ahead, next)
        }
    };
    set_timer(db, &commit.name, before.wake_up, next.wake_up)?;
    Ok(Ok(()))
}

/// What is known of a list that has nothing in the log.
fn look_up(db: &Connection, name: &ListName) -> Result<ListMeta, Fault> {
    let mut select = db.prepare_cached(
        "SELECT revision, seq, brief FROM lists WHERE name = ?1
         UNION ALL SELECT revision, seq, brief FROM gone WHERE name = ?1",
    )?;
    let row = select.query_row([name.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?)));
    let meta = row.optional()?.map(|(revision, seq, bytes)| fold::read_brief(name, revision, seq, &bytes));
    Ok(meta.transpose()?.unwrap_or_default())
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

//! The writer: one thread that turns the commits in its queue into durable writes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use tokio::sync::oneshot;

use super::block::{Block, FULL_BYTES};
use super::compacted;
use super::compaction::{Compaction, Slice};
use super::error::ReadError;
use super::lifecycle::Lifecycle;
use super::lock::DirectoryLock;
use super::log_index::{CommitRef, LogIndex, StagedHead};
use super::options::Options;
use super::reader::ReaderRequest;
use super::record::ListMeta;
use super::wal::{self, Checkpointer};
use crate::list::List;
use crate::list::name::ListName;
use crate::store::error::StoreError;

/// The name of the thread.
pub(super) const THREAD: &str = "store-writer";

/// A durable write that takes longer is logged.
const SLOW_WRITE: Duration = Duration::from_secs(1);

/// How long the queue must be empty before a compaction goes on without commits. Callers that were just answered are
/// about to commit again, and a slice of its own would make them wait for its fsync.
const IDLE: Duration = Duration::from_millis(2);

/// A request to the writer.
pub(super) enum WriterRequest {
    /// Write a commit.
    Commit(EncodedCommit),
    /// Compact everything, end all threads, give the directory back.
    Close(oneshot::Sender<Result<(), StoreError>>),
    /// End all threads.
    Stop,
    /// Panic, with the commits of the batch in flight.
    #[cfg(test)]
    Panic,
}

/// A commit that its caller encoded, so that the one thread that all callers wait for need not.
pub(super) struct EncodedCommit {
    pub(super) name: ListName,
    pub(super) after: u64,
    pub(super) meta: ListMeta,
    pub(super) frame: Vec<u8>,
    pub(super) state: Weak<List>,
    pub(super) reply: oneshot::Sender<CommitReply>,
}

/// The result of a commit, with the memory of the commit. The thread that allocated the memory frees it, which costs much
/// less than freeing it here, and no other caller waits for it.
pub(super) struct CommitReply {
    pub(super) result: Result<(), StoreError>,
    pub(super) _spent: (ListName, Vec<u8>, Weak<List>),
}

/// A batch that was written: the number or the error of each commit, and the blocks that hold the commits.
struct WrittenBatch {
    results: Vec<Result<u64, StoreError>>,
    blocks: Vec<Arc<Block>>,
}

/// Why a batch was not written.
enum WriteError {
    /// The transaction was rolled back.
    RolledBack(rusqlite::Error),
    /// The commit of the transaction failed, so it may be durable or not.
    Unknown(rusqlite::Error),
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        Self::RolledBack(error)
    }
}

/// Everything that the thread owns.
pub(super) struct Writer {
    pub(super) db: Connection,
    pub(super) requests: Receiver<WriterRequest>,
    pub(super) log_index: Arc<Mutex<LogIndex>>,
    pub(super) lifecycle: Arc<Lifecycle>,
    pub(super) compaction: Compaction,
    pub(super) checkpointer: Checkpointer,
    pub(super) options: Options,
    pub(super) readers: Vec<JoinHandle<()>>,
    pub(super) reads: SyncSender<ReaderRequest>,
    pub(super) lock: DirectoryLock,
}

impl Writer {
    /// Writes until the store is closed or dropped.
    ///
    /// A panic poisons the store. The thread goes on and refuses every write, so that callers get an answer, reads go on,
    /// and closing gives the directory back.
    pub(super) fn run(mut self) {
        let mut batch = Vec::new();
        let end = loop {
            if let Some(end) = self.guarded(|writer| writer.serve(&mut batch)) {
                break end;
            }
            self.abandon(&mut batch);
        };
        let WriterRequest::Close(reply) = end else { return self.end() };
        let compacted = self.guarded(Self::compact_everything).unwrap_or_else(|| self.lifecycle.check_healthy());
        self.end();
        // A caller may have dropped its answer; the store is closed all the same.
        let _ = reply.send(compacted);
    }

    /// Runs a part of the thread's work. A panic in it poisons the store, and returns `None`.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> Option<T> {
        // The panic may leave the writer's state half changed. A poisoned store does not use that state.
        let result = catch_unwind(AssertUnwindSafe(|| work(self)));
        result.map_err(|panic| self.lifecycle.thread_failed(THREAD, &*panic)).ok()
    }

    /// Writes batch after batch. Returns the request that ends the thread.
    fn serve(&mut self, batch: &mut Vec<EncodedCommit>) -> WriterRequest {
        loop {
            match self.fill(batch) {
                Ok(None) => self.write(batch),
                Ok(Some(end)) => {
                    self.write(batch);
                    return end;
                }
                Err(()) => return WriterRequest::Stop,
            }
        }
    }

    /// Answers the commits that were in flight during a panic.
    fn abandon(&self, batch: &mut Vec<EncodedCommit>) {
        for commit in batch.drain(..) {
            let error = self.lifecycle.unanswered_commit(commit.action());
            commit.answer(Err(error));
        }
    }

    /// Takes the commits in the queue, and waits while there are none. Waits only briefly while there is something to
    /// compact. Returns the request that ends the thread, if it came.
    fn fill(&mut self, batch: &mut Vec<EncodedCommit>) -> Result<Option<WriterRequest>, ()> {
        let compacting = self.compaction.is_under_way() && !self.lifecycle.is_poisoned();
        let timeout = if compacting { IDLE } else { Duration::MAX };
        match self.requests.recv_timeout(timeout) {
            Ok(WriterRequest::Commit(commit)) => batch.push(commit),
            #[cfg(test)]
            Ok(WriterRequest::Panic) => panic!("a test asks for it"),
            Ok(end) => return Ok(Some(end)),
            Err(RecvTimeoutError::Timeout) => return Ok(None),
            Err(RecvTimeoutError::Disconnected) => return Err(()),
        }
        let mut bytes = 0;
        while batch.len() < self.options.batch && bytes < self.options.batch_bytes {
            match self.requests.try_recv() {
                Ok(WriterRequest::Commit(commit)) => {
                    bytes += commit.frame.len();
                    batch.push(commit);
                }
                #[cfg(test)]
                Ok(WriterRequest::Panic) => panic!("a test asks for it"),
                Ok(end) => return Ok(Some(end)),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Err(()),
            }
        }
        Ok(None)
    }

    /// Writes a batch and a slice of the compaction, then answers the callers.
    fn write(&mut self, batch: &mut Vec<EncodedCommit>) {
        if let Err(poisoned) = self.lifecycle.check_healthy() {
            batch.drain(..).for_each(|commit| commit.answer(Err(poisoned.clone())));
            return;
        }
        let begun = Instant::now();
        match self.transaction(batch) {
            Ok((written, slice)) => {
                self.compaction.record(slice, &self.log_index);
                self.acknowledge(batch, written);
            }
            Err(error) => self.fail(batch, &error),
        }
        self.compaction.begin_if_due(&self.log_index, &self.options);
        if let Err(error) = self.checkpointer.after_write(&self.db) {
            self.lifecycle.write_failed("a checkpoint", &error);
        }
        let took = begun.elapsed();
        if took > SLOW_WRITE {
            tracing::warn!(?took, "a durable write was slow");
        }
    }

    fn transaction(&mut self, batch: &[EncodedCommit]) -> Result<(WrittenBatch, Slice), WriteError> {
        // A transaction that begins by reading would fail, not wait, while a SQLite shell holds the write lock.
        let transaction = Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate)?;
        let mut written = WrittenBatch { results: Vec::with_capacity(batch.len()), blocks: Vec::new() };
        let mut block = Block::new(self.compaction.last() + 1);
        for commit in batch {
            if let Err(error) = stage(&self.db, &self.log_index, commit)? {
                written.results.push(Err(error));
                continue;
            }
            block.push(&commit.name, commit.meta.revision, &commit.frame);
            written.results.push(Ok(block.last()));
            if block.bytes().len() >= FULL_BYTES {
                let next = Block::new(block.last() + 1);
                written.blocks.push(self.append(std::mem::replace(&mut block, next))?);
            }
        }
        if !block.is_empty() {
            written.blocks.push(self.append(block)?);
        }
        let slice = self.compaction.slice(&self.db, &self.log_index, batch.len(), &self.options)?;
        transaction.commit().map_err(WriteError::Unknown)?;
        Ok((written, slice))
    }

    fn append(&self, mut block: Block) -> rusqlite::Result<Arc<Block>> {
        let insert = "INSERT INTO log (seq, first, directory, commits) VALUES (?1, ?2, ?3, ?4)";
        let directory = block.take_directory();
        let values = params![block.last(), block.first(), directory, block.bytes()];
        self.db.prepare_cached(insert)?.execute(values)?;
        Ok(Arc::new(block.closed()))
    }

    /// Shows readers what is durable now, then answers the callers.
    fn acknowledge(&mut self, batch: &mut Vec<EncodedCommit>, WrittenBatch { results, blocks }: WrittenBatch) {
        for block in &blocks {
            self.compaction.appended(block.last(), block.bytes().len());
        }
        let mut blocks = blocks.into_iter().peekable();
        let mut log_index = self.log_index.lock();
        for (commit, result) in batch.iter_mut().zip(&results) {
            let Ok(seq) = *result else { continue };
            while blocks.next_if(|block| block.last() < seq).is_some() {}
            let logged = CommitRef { seq, block: blocks.peek().cloned() };
            let meta = std::mem::take(&mut commit.meta);
            let count = log_index.push(&commit.name, meta, &mut commit.state, logged);
            self.compaction.note_log_length(&commit.name, count);
        }
        drop(log_index);
        for (commit, result) in batch.drain(..).zip(results) {
            commit.answer(result.map(drop));
        }
    }

    /// Poisons the store, and answers the callers.
    fn fail(&self, batch: &mut Vec<EncodedCommit>, error: &WriteError) {
        let (WriteError::RolledBack(cause) | WriteError::Unknown(cause)) = error;
        self.lifecycle.write_failed("a transaction", cause);
        for commit in batch.drain(..) {
            let (what, why) = (commit.action(), cause.to_string());
            commit.answer(Err(match error {
                WriteError::RolledBack(_) => StoreError::Failed { what, why },
                WriteError::Unknown(_) => StoreError::Unknown { what, why },
            }));
        }
    }

    /// Compacts all lists, which empties the log.
    fn compact_everything(&mut self) -> Result<(), StoreError> {
        self.compaction.begin(&self.log_index);
        while self.compaction.is_under_way() && !self.lifecycle.is_poisoned() {
            self.write(&mut Vec::new());
        }
        self.lifecycle.check_healthy()
    }

    /// Ends the other threads, and gives the directory back last of all.
    fn end(self) {
        for _ in &self.readers {
            // It fails only when all readers have ended.
            let _ = self.reads.send(ReaderRequest::Stop);
        }
        for reader in self.readers {
            // A panic on the thread has poisoned the store.
            let _ = reader.join();
        }
        self.checkpointer.stop();
        if !self.lifecycle.is_poisoned()
            && let Err(error) = wal::truncate(&self.db)
        {
            tracing::warn!(%error, "the write-ahead log could not be emptied; the next start empties it");
        }
        if let Err((_, error)) = self.db.close() {
            tracing::warn!(%error, "the database could not be closed");
        }
        drop(self.lock);
    }
}

impl EncodedCommit {
    /// The commit as the object of an error message.
    fn action(&self) -> String {
        action(&self.name, self.meta.revision)
    }

    /// A caller may have dropped its answer; the commit stands.
    fn answer(self, result: Result<(), StoreError>) {
        let _ = self.reply.send(CommitReply { result, _spent: (self.name, self.frame, self.state) });
    }
}

/// A commit as the object of an error message.
pub(super) fn action(name: &ListName, revision: u64) -> String {
    format!("write revision {revision} of list {:?}", name.as_str())
}

/// Stages a commit, if it continues its list after all earlier commits of the batch.
fn stage(
    db: &Connection,
    log_index: &Mutex<LogIndex>,
    commit: &EncodedCommit,
) -> rusqlite::Result<Result<(), StoreError>> {
    let conflict = |found| Ok(Err(StoreError::Conflict { name: commit.name.clone(), expected: commit.after, found }));
    let next = StagedHead { revision: commit.meta.revision, wake_up: commit.meta.wake_up };
    let mut locked = log_index.lock();
    let before = match locked.staged(&commit.name) {
        Some(staged) if staged.revision != commit.after => return conflict(staged.revision),
        Some(staged) => std::mem::replace(staged, next),
        None => {
            if let Some(why) = locked.isolated(&commit.name) {
                return Ok(Err(StoreError::Unreadable { name: commit.name.clone(), why: why.clone() }));
            }
            drop(locked);
            let meta = match compacted::read_meta(db, &commit.name) {
                Ok(meta) => meta,
                Err(ReadError::Damaged(why)) => {
                    return Ok(Err(StoreError::Unreadable { name: commit.name.clone(), why }));
                }
                Err(ReadError::Database(error)) => return Err(error),
            };
            if meta.revision != commit.after {
                return conflict(meta.revision);
            }
            std::mem::replace(&mut log_index.lock().track(commit.name.clone(), meta).staged, next)
        }
    };
    set_timer(db, &commit.name, before.wake_up, next.wake_up)?;
    Ok(Ok(()))
}

fn set_timer(db: &Connection, name: &ListName, before: Option<u64>, after: Option<u64>) -> rusqlite::Result<()> {
    if before == after {
        return Ok(());
    }
    // SQLite's integers end at i64::MAX, which no real time reaches.
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

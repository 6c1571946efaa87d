//! The writer: one thread that turns the commits in its queue into durable writes.

mod changes;
mod discards;
mod isolation;
mod rows;
mod scrubbing;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, params};

use super::block::{Block, FULL_BYTES};
use super::compaction::{Compaction, Slice};
use super::covered_change;
use super::covered_rows::CoveredRows;
use super::damage;
use super::digest::{Difference, OpenDigest, RowChanges};
use super::discard::Discard;
use super::disk_room;
use super::error::{WriteError, WriteFailure};
use super::file_guard::FileGuard;
use super::lifecycle::Lifecycle;
use super::lock::DirectoryLock;
use super::log_index::{CommitRef, LogIndex};
use super::options::Options;
use super::queue::{self, WriterRequest};
use super::reader::ReaderRequest;
use super::receipt_rows::{self, ReceiptExpiry};
use super::record_change::QueuedChange;
use super::schema;
use super::scrubber::Scrubber;
use super::staging::{EncodedCommit, stage};
use super::transaction;
use super::wal::{self, Checkpointer};
use crate::store::error::StoreError;
use crate::store::receipt_room::ReceiptRoom;
use crate::store::records::Watchers;

/// The name of the thread.
pub(super) const THREAD: &str = "store-writer";

/// A durable write that takes longer is logged.
const SLOW_WRITE: Duration = Duration::from_secs(1);

/// How long the queue must be empty before a compaction goes on without commits. Callers that were just answered are
/// about to commit again, and a slice of its own would make them wait for its fsync.
const IDLE: Duration = Duration::from_millis(2);

/// How long SQLite waits for the write lock at a time. The store waits for [`Options::lock_wait`] in all.
const LOCK_WAIT: Duration = Duration::from_secs(1);

/// A batch that was written: the number or the error of each commit, and the blocks that hold the commits.
struct WrittenBatch {
    results: Vec<Result<u64, StoreError>>,
    blocks: Vec<Arc<Block>>,
}

/// A transaction that is durable.
struct Transacted {
    batch: WrittenBatch,
    slice: Slice,
    rows: Difference,
}

/// What the writer waits for.
#[derive(Default)]
pub(super) struct Waiting {
    /// When the store next tries whether a full disk has room.
    retry_at: Option<Instant>,
}

/// Everything that the thread owns.
pub(super) struct Writer {
    pub(super) db: Connection,
    pub(super) requests: Receiver<WriterRequest>,
    pub(super) log_index: Arc<Mutex<LogIndex>>,
    pub(super) lifecycle: Arc<Lifecycle>,
    pub(super) compaction: Compaction,
    pub(super) digest: OpenDigest,
    pub(super) scrubber: Scrubber,
    pub(super) checkpointer: Checkpointer,
    pub(super) options: Options,
    pub(super) receipt_room: Arc<ReceiptRoom>,
    pub(super) receipt_expiry: ReceiptExpiry,
    pub(super) readers: Vec<JoinHandle<()>>,
    pub(super) reads: SyncSender<ReaderRequest>,
    pub(super) guard: FileGuard,
    pub(super) lock: DirectoryLock,
    pub(super) waiting: Waiting,
    /// Whether the index of receipts by time was made anew since the start.
    pub(super) has_rebuilt_index: bool,
    /// Removals that wait until the log is compacted.
    pub(super) discards: Vec<Discard>,
    /// Changes of records, which are written after the batch.
    pub(super) changes: Vec<QueuedChange>,
    pub(super) watchers: Arc<Watchers>,
}

impl Writer {
    /// Writes until the store is closed or dropped.
    ///
    /// A panic poisons the store. The thread goes on and refuses every write, so that callers get an answer, reads go on,
    /// and closing gives the directory back.
    pub(super) fn run(mut self) {
        if let Err(error) = self.db.busy_timeout(LOCK_WAIT.min(self.options.lock_wait)) {
            self.lifecycle.write_failed("set the time to wait for the write lock", &error);
        }
        let mut batch = Vec::new();
        let end = loop {
            if let Some(end) = self.guarded(|writer| writer.serve(&mut batch)) {
                break end;
            }
            self.abandon(&mut batch);
        };
        self.finish(end);
    }

    /// Does what the request that ends the thread asks for.
    pub(super) fn finish(mut self, end: WriterRequest) {
        let WriterRequest::Close(reply) = end else { return self.end() };
        let compacted = self.guarded(Self::compact_everything).unwrap_or_else(|| self.lifecycle.check_healthy());
        let lifecycle = self.lifecycle.clone();
        self.end();
        // The last look at the files is part of the end.
        let compacted = compacted.and_then(|()| lifecycle.check_healthy());
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
            let end = self.take(batch, self.queue_timeout());
            let is_idle = batch.is_empty() && self.changes.is_empty() && self.discards.is_empty();
            if is_idle && end.is_none() && self.scrub_if_due(true) {
                continue;
            }
            self.write(batch);
            if let Some(end) = end {
                return end;
            }
            self.scrub_if_due(false);
        }
    }

    /// Takes a batch from the queue and writes it. Waits at most `timeout` while the queue is empty. Returns the request
    /// that ends the thread, if it came. For a test that does the work of the thread.
    #[cfg(feature = "failpoints")]
    pub(super) fn pass(&mut self, batch: &mut Vec<EncodedCommit>, timeout: Duration) -> Option<WriterRequest> {
        let end = self.take(batch, timeout);
        self.write(batch);
        end
    }

    fn take(&mut self, batch: &mut Vec<EncodedCommit>, timeout: Duration) -> Option<WriterRequest> {
        let taken = queue::take(&self.requests, timeout, &self.options, batch);
        self.changes.extend(taken.changes);
        taken.discards.into_iter().for_each(|(name, reply)| self.queue_discard(name, reply));
        #[cfg(test)]
        taken.scrubs.into_iter().for_each(|done| self.scrub_everything(done));
        taken.end
    }

    /// How long the writer waits for a commit: briefly while there is something to compact, and else until the scrub is
    /// due.
    fn queue_timeout(&self) -> Duration {
        match self.waiting.retry_at {
            Some(at) => at.saturating_duration_since(Instant::now()),
            None if self.lifecycle.check_healthy().is_err() => Duration::MAX,
            None if self.compaction.is_under_way() => IDLE,
            None => self.scrubber.wait(),
        }
    }

    /// Answers the commits and changes that were in flight during a panic.
    fn abandon(&mut self, batch: &mut Vec<EncodedCommit>) {
        let error = self.lifecycle.unanswered_commit("change a record".into());
        self.changes.drain(..).for_each(|change| change.answer(Err(error.clone().into())));
        for commit in batch.drain(..) {
            let error = self.lifecycle.unanswered_commit(commit.action());
            commit.answer(Err(error));
        }
    }

    /// Writes a batch and a slice of the compaction, then answers the callers.
    fn write(&mut self, batch: &mut Vec<EncodedCommit>) {
        if let Err(refusal) = self.lifecycle.check_healthy() {
            batch.drain(..).for_each(|commit| commit.answer(Err(refusal.clone())));
            // A caller may have dropped its answer.
            self.discards.drain(..).for_each(|discard| drop(discard.reply.send(Err(refusal.clone()))));
            self.changes.drain(..).for_each(|change| change.answer(Err(refusal.clone().into())));
            self.retry_if_due();
            return;
        }
        let begun = Instant::now();
        self.write_or_fail(batch);
        self.carry_out_changes();
        self.carry_out_discards();
        self.compaction.begin_if_due(&self.log_index, &self.options);
        self.checkpointer.after_write(&self.db, self.scrubber.pages.is_running(), &self.lifecycle);
        let took = begun.elapsed();
        if took > SLOW_WRITE {
            tracing::warn!(?took, "a durable write was slow");
        }
    }

    /// Writes a batch and a slice, or answers the callers why not. Each attempt but the last isolates a list, refuses the
    /// timers of the batch, leaves expired receipts alone, or waits for the write lock.
    fn write_or_fail(&mut self, batch: &mut Vec<EncodedCommit>) {
        let mut timers = Ok(());
        let begun = Instant::now();
        loop {
            let error = match self.transaction(batch, &timers) {
                Ok(Transacted { batch: written, slice, rows }) => {
                    self.note_write_lock();
                    self.note_rows(&rows);
                    self.compaction.record(slice, &self.log_index);
                    return self.acknowledge(batch, written);
                }
                Err(error) => error,
            };
            let mut log_index = self.log_index.lock();
            batch.iter().for_each(|commit| log_index.unstage(&commit.name));
            drop(log_index);
            let handled = match error {
                WriteError::List(name, error) => self.isolate(name, error),
                WriteError::Receipt(name, error) => self.go_on_without_receipt(name, error),
                WriteError::Trim(name, error) => self.go_on_untrimmed(name, error),
                WriteError::Timers(error) => {
                    timers = Err(damage::explain("timers", &error));
                    Ok(())
                }
                WriteError::Receipts(error) => self.rebuild_receipt_index().map(|is_rebuilt| {
                    if !is_rebuilt {
                        self.lifecycle.note_damage(&receipt_rows::undeletable(&error));
                    }
                }),
                WriteError::Digest(error) => {
                    self.lose_digest(&error);
                    Ok(())
                }
                WriteError::Failed(failure) => Err(failure),
            };
            // Another program may take the lock after the transaction was rolled back.
            let handled = match handled {
                Err(WriteFailure::Busy) => self.wait_for_lock(begun, batch.is_empty()),
                handled => handled,
            };
            if let Err(error) = handled {
                return self.fail(batch, &error);
            }
        }
    }

    fn transaction(&self, batch: &[EncodedCommit], timers: &Result<(), String>) -> Result<Transacted, WriteError> {
        let transaction = transaction::begin(&self.db)?;
        let changes = RowChanges::new(self.scrub_position());
        let rows = CoveredRows { db: &self.db, changes: &changes };
        let mut written = WrittenBatch { results: Vec::with_capacity(batch.len()), blocks: Vec::new() };
        let mut block = Block::new(self.compaction.last() + 1);
        for commit in batch {
            if let Err(error) = stage(rows, &self.log_index, commit, timers)? {
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
        let horizon = self.receipt_room.horizon();
        let slice = self.compaction.slice(rows, &self.log_index, batch.len(), &self.options, horizon)?;
        let expired = self.receipt_expiry.delete_some(rows, horizon);
        expired.map_err(|error| match damage::is_damage(&error) {
            true => WriteError::Receipts(error),
            false => WriteFailure::RolledBack("delete expired receipts", error).into(),
        })?;
        let rows =
            covered_change::write_digest(rows, &self.digest).map_err(|error| match damage::is_damage(&error) {
                true => WriteError::Digest(error),
                false => WriteFailure::RolledBack("write the digest", error).into(),
            })?;
        transaction.commit().map_err(WriteFailure::Unknown)?;
        Ok(Transacted { batch: written, slice, rows })
    }

    fn append(&self, mut block: Block) -> Result<Arc<Block>, WriteFailure> {
        let insert = "INSERT INTO log (seq, first, directory, commits) VALUES (?1, ?2, ?3, ?4)";
        let directory = block.take_directory();
        let values = params![block.last(), block.first(), directory, block.bytes()];
        let appended = self.db.prepare_cached(insert).and_then(|mut insert| insert.execute(values));
        appended.map_err(|error| WriteFailure::RolledBack("append to the log", error))?;
        Ok(Arc::new(block.closed()))
    }

    /// Notes that another program holds the write lock. Fails when commits have waited long enough since then. A write without
    /// commits does not wait, because commits may have come meanwhile.
    fn wait_for_lock(&mut self, since: Instant, is_idle: bool) -> Result<(), WriteFailure> {
        let limit = self.options.lock_wait;
        if self.lifecycle.set_locked_out(true) {
            tracing::warn!(?limit, "another program holds the write lock of hotlist.db; commits wait until the limit");
        }
        if is_idle || since.elapsed() >= limit { Err(WriteFailure::Busy) } else { Ok(()) }
    }

    /// Notes that the store has the write lock.
    fn note_write_lock(&mut self) {
        if self.lifecycle.set_locked_out(false) {
            tracing::info!("the write lock of hotlist.db was released; commits go on");
        }
    }

    /// Tries whether a full disk has room, if it is time to.
    fn retry_if_due(&mut self) {
        let now = Instant::now();
        if self.lifecycle.is_poisoned() {
            self.waiting.retry_at = None;
        }
        if self.waiting.retry_at.is_none_or(|at| at > now) {
            return;
        }
        self.waiting.retry_at = Some(now + self.options.retry);
        match disk_room::write_filler(&self.db) {
            Ok(()) => {
                self.waiting.retry_at = None;
                self.lifecycle.disk_has_room();
            }
            Err(error) => self.fail(&mut Vec::new(), &error),
        }
    }

    /// Shows readers what is durable now, then answers the callers.
    fn acknowledge(&mut self, batch: &mut Vec<EncodedCommit>, WrittenBatch { results, blocks }: WrittenBatch) {
        for block in &blocks {
            self.compaction.appended(block.last(), block.bytes().len());
        }
        self.lifecycle.acknowledged(self.compaction.last());
        let mut blocks = blocks.into_iter().peekable();
        let mut log_index = self.log_index.lock();
        for (commit, result) in batch.iter_mut().zip(&results) {
            let Ok(seq) = *result else { continue };
            while blocks.next_if(|block| block.last() < seq).is_some() {}
            let logged = CommitRef { seq, block: blocks.peek().cloned() };
            let meta = std::mem::take(&mut commit.meta);
            if log_index.push(&commit.name, meta, &mut commit.state, logged, commit.frame.len()) {
                self.compaction.hasten(&commit.name);
            }
        }
        drop(log_index);
        for (commit, result) in batch.drain(..).zip(results) {
            commit.answer(result.map(drop));
        }
    }

    /// Answers the callers why their commits were not written. Poisons the store, unless it can go on by itself.
    fn fail(&mut self, batch: &mut Vec<EncodedCommit>, failure: &WriteFailure) {
        let (what, cause) = match failure {
            WriteFailure::Busy => {
                let refused = self.locked_out();
                return batch.drain(..).for_each(|commit| commit.answer(Err(refused.clone())));
            }
            WriteFailure::RolledBack(what, cause) => (*what, cause),
            WriteFailure::Unknown(cause) => ("commit a transaction", cause),
        };
        // SQLite writes all of a transaction before it synchronizes the file. So a transaction that did not fit is not
        // durable, also when its commit found out.
        if cause.sqlite_error_code() == Some(ErrorCode::DiskFull) && self.db.is_autocommit() {
            self.waiting.retry_at = Some(Instant::now() + self.options.retry);
            self.lifecycle.disk_is_full(&format!("{what}: {cause}"));
            let refused = self.lifecycle.check_healthy();
            return batch.drain(..).for_each(|commit| commit.answer(refused.clone()));
        }
        self.lifecycle.write_failed(what, cause);
        for commit in batch.drain(..) {
            let (what, why) = (commit.action(), cause.to_string());
            commit.answer(Err(match failure {
                WriteFailure::Unknown(_) => StoreError::Unknown { what, why },
                _ => StoreError::Failed { what, why },
            }));
        }
    }

    /// The error of a commit that has waited for the write lock.
    fn locked_out(&self) -> StoreError {
        let limit = self.options.lock_wait;
        StoreError::Unavailable { why: format!("another program has held its write lock for more than {limit:?}") }
    }

    /// Compacts all lists, which empties the log.
    fn compact_everything(&mut self) -> Result<(), StoreError> {
        self.compaction.begin(&self.log_index);
        let mut locked_since = None;
        while self.compaction.is_under_way() {
            self.lifecycle.check_healthy()?;
            self.write(&mut Vec::new());
            if !self.lifecycle.is_locked_out() {
                locked_since = None;
            } else if locked_since.get_or_insert_with(Instant::now).elapsed() >= self.options.lock_wait {
                return Err(self.locked_out());
            }
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
        self.scrubber.stop();
        self.guard.stop();
        if self.lifecycle.has_lost_files() {
            wal::rescue(&self.db);
        } else if !self.lifecycle.is_poisoned() {
            wal::empty(&self.db);
        } else if let Err(error) = schema::checkpoint_on_close(&self.db, false) {
            // The log may hold pages that are not on the disk as the kernel shows them. The next start checks it.
            tracing::warn!(%error, "the write-ahead log may be copied into the database although a write failed");
        }
        if let Err((_, error)) = self.db.close() {
            tracing::warn!(%error, "the database could not be closed");
        }
        drop(self.lock);
    }
}

//! The store for a single machine: SQLite, used as an append-only log with folded lists.
//!
//! A commit is appended to the log and is acknowledged once that is durable. One thread writes:
//! whatever waits in its queue becomes a few rows, one transaction and one fsync (group commit).
//! Later, in the order of their names, the lists in the log are *folded*: their commits become a
//! snapshot, history and receipts, and the log's head is cut off. Reading a list is its snapshot and
//! the commits after it, in one read transaction, on other threads.
//!
//! A data directory holds `hotlist.db` with SQLite's companions, which any SQLite shell opens, and
//! `lock`.

mod block;
mod fold;
mod lock;
mod log_index;
mod reader;
mod record;
mod recording;
mod recover;
mod schema;
mod sweep;
#[cfg(test)]
mod tests;
mod wal;
mod writer;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Commit, Health, MAX_PAGE, Pending, Store, StoreError, Stored, Summary, WakeUp};
use crate::list::name::ListName;
use crate::list::revision::Revision;
use lock::DirectoryLock;
use reader::Reader;
use record::{Head, ListMeta};
pub use recording::Recording;
use wal::Wal;
use writer::{Prepared, Writer};

/// A durable write that takes longer is worth a line on the log.
const SLOW_WRITE: Duration = Duration::from_secs(1);

/// The limits of an [`EmbeddedStore`].
#[derive(Clone, Debug)]
pub struct Options {
    /// How many revisions of history a list keeps.
    pub history: u64,
    /// How many calls may wait to be written; one more is [`StoreError::Overloaded`].
    pub queue: usize,
    /// How many reads may wait; one more is [`StoreError::Overloaded`].
    pub read_queue: usize,
    /// How many threads read.
    pub readers: usize,
    /// The most commits in one durable write.
    pub batch: usize,
    /// A durable write takes no more commits once it has this many bytes of them.
    pub batch_bytes: usize,
    /// Folding starts when the log has more commits. It may grow by another quarter meanwhile, and
    /// a start after a crash reads all of it.
    pub log_rows: u64,
    /// Folding starts when the log's commits have more bytes. What was written since the store was
    /// opened is held in memory until it is folded, so this bounds that too.
    pub log_bytes: usize,
    /// The writer's cache of pages, in bytes; each reader has an eighth of that.
    pub cache_bytes: u64,
    /// The most bytes the database may grow to; `None` for as many as the disk has. Reaching it is
    /// a failed write.
    pub max_bytes: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            history: 1_000,
            queue: 65_536,
            read_queue: 65_536,
            readers: 2,
            batch: 4_096,
            batch_bytes: 16 << 20,
            log_rows: 500_000,
            log_bytes: 112 << 20,
            cache_bytes: 32 << 20,
            max_bytes: None,
        }
    }
}

/// A [`Store`] in a directory of one machine. Keeps all the promises of the trait.
///
/// Dropping it without [`Store::close`] loses nothing that was acknowledged: it finishes the write
/// at hand, waits for its threads to end, and leaves folding to the next start.
#[derive(Debug)]
pub struct EmbeddedStore {
    writes: SyncSender<writer::Request>,
    reads: SyncSender<reader::Request>,
    writer: Option<JoinHandle<()>>,
    poison: Arc<OnceLock<String>>,
    closed: Arc<AtomicBool>,
    options: Options,
}

impl EmbeddedStore {
    /// Opens the store in a directory, which is created if need be, and takes the directory for
    /// this process. Blocks while it reads the log.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] when another process has it, [`StoreError::Format`] when another
    /// version of the program wrote it, and [`StoreError::Failed`].
    pub fn open(dir: &Path, options: Options) -> Result<Self, StoreError> {
        let begun = Instant::now();
        let lock = DirectoryLock::take(dir)?;
        let db = schema::open_writer(dir, options.cache_bytes, options.max_bytes)?;
        lock::sync_directory(dir)?;
        let recovered = recover::recover(&db)?;
        tracing::info!(
            log_commits = recovered.sweep.rows(),
            lists_in_log = recovered.log_index.count(),
            unreadable_lists = recovered.log_index.quarantined_count(),
            took = ?begun.elapsed(),
            "opened the store in {}", dir.display(),
        );
        let (writes, requests) = sync_channel(options.queue);
        let (reads, read_requests) = sync_channel(options.read_queue);
        let read_requests = Arc::new(Mutex::new(read_requests));
        let log_index = Arc::new(Mutex::new(recovered.log_index));
        let poison = Arc::new(OnceLock::new());
        let mut readers = Vec::new();
        for _ in 0..options.readers.max(1) {
            let db = schema::open_reader(dir, options.cache_bytes / 8)?;
            let reader = Reader { db, log_index: log_index.clone(), keep: options.history };
            let requests = read_requests.clone();
            readers.push(start("store-reader", move || reader.run(&requests))?);
        }
        let wal = Wal::start(schema::open_checkpointer(dir)?, poison.clone()).map_err(no_thread)?;
        let writer = Writer {
            db,
            requests,
            log_index,
            poison: poison.clone(),
            sweep: recovered.sweep,
            wal,
            options: options.clone(),
            readers,
            reads: reads.clone(),
            lock,
        };
        let writer = Some(start("store-writer", move || writer.run())?);
        Ok(Self { writes, reads, writer, poison, closed: Arc::default(), options })
    }

    fn enqueue(&self, commit: Commit) -> Result<oneshot::Receiver<writer::Answer>, StoreError> {
        self.check_open()?;
        if let Some(why) = self.poison.get() {
            return Err(StoreError::Poisoned { why: why.clone() });
        }
        commit.check()?;
        let meta = ListMeta::of(&commit.state, commit.wake_up);
        let head = Head { after: commit.after, erased: record::erased(&commit.revisions), meta };
        let frame = block::frame(&commit.name, head.meta.revision, |bytes| record::log(&commit, &head, bytes));
        let (reply, answer) = oneshot::channel();
        let Head { after, meta, .. } = head;
        let prepared = Prepared { name: commit.name, after, meta, frame, state: Arc::downgrade(&commit.state), reply };
        match self.writes.try_send(writer::Request::Commit(prepared)) {
            Ok(()) => Ok(answer),
            Err(TrySendError::Full(_)) => Err(StoreError::Overloaded { limit: self.options.queue }),
            Err(TrySendError::Disconnected(_)) => Err(StoreError::Closed),
        }
    }

    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<T> {
        let (reply, answer) = oneshot::channel();
        let request = reader::Request::Read(Box::new(move |reader: &Reader| {
            // A caller may drop its answer.
            let _ = reply.send(read(reader));
        }));
        let sent = self.check_open().and_then(|()| match self.reads.try_send(request) {
            Ok(()) => Ok(answer),
            Err(TrySendError::Full(_)) => Err(StoreError::Overloaded { limit: self.options.read_queue }),
            Err(TrySendError::Disconnected(_)) => Err(StoreError::Closed),
        });
        self.answer(sent, |answer| answer)
    }

    fn answer<A: Send + 'static, T: Send + 'static>(
        &self,
        sent: Result<oneshot::Receiver<A>, StoreError>,
        result: impl FnOnce(A) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<T> {
        let closed = self.closed.clone();
        async move {
            // A thread lets go of a request unanswered when the store is closed, or when it panics.
            sent?.await.map_or_else(
                |_| match closed.load(Ordering::Acquire) {
                    true => Err(StoreError::Closed),
                    false => Err(StoreError::Failed { what: "answer".into(), why: "its thread ended".into() }),
                },
                result,
            )
        }
        .boxed()
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) { Err(StoreError::Closed) } else { Ok(()) }
    }
}

impl Store for EmbeddedStore {
    fn load(&self, name: &ListName) -> Pending<Stored> {
        let name = name.clone();
        self.read(move |reader| reader.load(&name))
    }

    fn commit(&self, commit: Commit) -> Pending<()> {
        self.answer(self.enqueue(commit), |answer: writer::Answer| answer.result)
    }

    fn page(&self, after: Option<&ListName>, limit: usize) -> Pending<Vec<Summary>> {
        let after = after.cloned();
        self.read(move |reader| reader.page(after.as_ref(), limit.min(MAX_PAGE)))
    }

    fn history(&self, name: &ListName, after: u64, limit: usize) -> Pending<Vec<Arc<Revision>>> {
        let name = name.clone();
        self.read(move |reader| reader.history(&name, after, limit.min(MAX_PAGE)))
    }

    fn due(&self, until: u64, after: Option<&WakeUp>, limit: usize) -> Pending<Vec<WakeUp>> {
        let after = after.cloned();
        self.read(move |reader| reader.due(until, after.as_ref(), limit.min(MAX_PAGE)))
    }

    fn next_due(&self) -> Pending<Option<u64>> {
        self.read(Reader::next_due)
    }

    fn health(&self) -> Health {
        self.poison.get().map_or(Health::Healthy, |why| Health::WriteFailed { why: why.clone() })
    }

    fn close(&self) -> Pending<()> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return std::future::ready(Err(StoreError::Closed)).boxed();
        }
        let (reply, answer) = oneshot::channel();
        // Waits while the queue is full, which is as long as one durable write.
        let sent = self.writes.send(writer::Request::Close(reply)).map_err(|_| StoreError::Closed);
        self.answer(sent.map(|()| answer), |answer| answer)
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        // Fails when the writer has ended already.
        let _ = self.writes.send(writer::Request::Stop);
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the writing thread panicked");
        }
    }
}

fn start(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    std::thread::Builder::new().name(name.into()).spawn(run).map_err(no_thread)
}

fn no_thread(error: std::io::Error) -> StoreError {
    StoreError::Failed { what: "start a thread".into(), why: error.to_string() }
}

//! The store of a single machine: SQLite, used as an append-only log with compacted lists.
//!
//! A commit is appended to the log, and is acknowledged once it is durable. One thread writes: the commits in its queue
//! become a few rows, one transaction and one fsync (group commit). Later the lists in the log are *compacted*, in the
//! order of their names: their commits become a snapshot, history and receipts, and the log's head is truncated. Reader
//! threads read a list from its snapshot and the commits after it, in one read transaction.
//!
//! A data directory holds `hotlist.db` with SQLite's companion files, which any SQLite shell opens, `lock`, and
//! `last-commit`. The store opens only if they hold everything that was acknowledged, and it takes writes only while they
//! are at their places.

mod backup;
mod block;
mod commit_record;
mod compacted;
mod compaction;
mod completeness;
mod conversion;
mod covered_change;
mod covered_rows;
mod damage;
mod digest;
mod digest_check;
mod discard;
mod disk_room;
mod encoded_revision;
mod encoding_2;
mod error;
mod evidence;
mod file_guard;
mod import;
mod last_commit;
mod lifecycle;
mod lock;
mod log_index;
mod missing_timers;
mod observed;
mod observer;
mod options;
mod page_check;
mod queue;
mod queue_room;
mod readable_rows;
mod reader;
mod receipt_index;
mod receipt_record;
mod receipt_rows;
mod record;
mod record_change;
mod record_check;
mod record_reads;
mod record_table;
mod recording;
mod records;
mod recover;
mod repair;
mod retained_history;
mod salvage;
mod schema;
mod scrub;
mod scrubber;
mod staging;
#[cfg(feature = "failpoints")]
mod stepped;
mod tables_check;
#[cfg(test)]
mod tests;
mod transaction;
mod upgrade;
mod verify;
mod wal;
mod wal_scan;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::error::StoreError;
use super::health::Health;
use super::receipt_room::ReceiptRoom;
use super::records::Watchers;
use super::{
    ChangesPage, Commit, HistoryPage, MAX_PAGE, PageLimit, Pending, Store, Stored, Summary, UnreadableList, WakeUp,
};
use crate::list::name::ListName;
pub use backup::{DatabaseCopy, NewDirectory, copy_database};
use commit_record::CommitHead;
use completeness::Completeness;
use digest_check::CheckedDigest;
use file_guard::FileGuard;
pub use import::{Import, ImportedList, MAX_IMPORTED_REVISION};
use lifecycle::Lifecycle;
use lock::DirectoryLock;
use log_index::LogIndex;
pub use observed::{ObservedRecord, observe_records};
pub use options::Options;
use queue::WriterRequest;
use queue_room::QueueRoom;
use reader::{Reader, ReaderRequest};
use receipt_rows::ReceiptExpiry;
use record::ListMeta;
pub use recording::Recording;
pub use repair::{Repaired, repair};
pub use salvage::{Salvage, SalvagedList};
pub use scrub::ScrubOptions;
use scrubber::Scrubber;
use staging::EncodedCommit;
#[cfg(feature = "failpoints")]
pub use stepped::{LogCopier, Stepper};
pub use upgrade::{UpgradeCheck, check_upgrade};
pub use verify::{Finding, Verification, verify};
use wal::Checkpointer;
use writer::Writer;

/// A [`Store`] in a directory of one machine. Fulfils all promises of the trait.
///
/// Dropping it without [`Store::close`] loses nothing that was acknowledged. The drop finishes the write at hand, waits
/// for the threads to end, and leaves compaction to the next start.
#[derive(Debug)]
pub struct EmbeddedStore {
    writes: SyncSender<WriterRequest>,
    reads: SyncSender<ReaderRequest>,
    writer: Option<JoinHandle<()>>,
    log_index: Arc<Mutex<LogIndex>>,
    lifecycle: Arc<Lifecycle>,
    options: Options,
    queue_room: Arc<QueueRoom>,
    receipt_room: Arc<ReceiptRoom>,
    watchers: Arc<Watchers>,
    /// [`block::MAX_FRAME_BYTES`], which tests lower.
    max_frame_bytes: usize,
}

impl EmbeddedStore {
    /// Opens the store in a directory, creates the directory if it is missing, and locks it for this process. Blocks
    /// while it reads the log.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] when another process holds the directory, [`StoreError::Format`] when another version of
    /// the program wrote it, [`StoreError::Incomplete`] when it lacks acknowledged changes, and [`StoreError::Failed`].
    pub fn open(dir: &Path, options: Options) -> Result<Self, StoreError> {
        let (mut store, writer) = Self::prepare(dir, options, file_guard::INTERVAL)?;
        store.writer = Some(lifecycle::spawn(writer::THREAD, &store.lifecycle, move || writer.run())?);
        Ok(store)
    }

    /// Opens the store without the thread of its writer: the caller does the writer's work.
    ///
    /// # Errors
    ///
    /// Those of [`EmbeddedStore::open`].
    #[cfg(feature = "failpoints")]
    pub fn open_stepped(dir: &Path, options: Options) -> Result<(Self, Stepper), StoreError> {
        let (store, writer) = Self::prepare(dir, options, std::time::Duration::MAX)?;
        Ok((store, Stepper::new(dir, writer)))
    }

    /// Opens the store, whose writer does not run yet. The files are checked at an interval.
    fn prepare(dir: &Path, options: Options, interval: std::time::Duration) -> Result<(Self, Writer), StoreError> {
        let begun = Instant::now();
        let lock = DirectoryLock::acquire(dir)?;
        let completeness = Completeness { dir, accept_loss: options.accept_loss };
        completeness.check_files()?;
        let db = schema::open_writer(dir, options.cache_bytes, options.max_bytes)?;
        completeness.check_last_commit(schema::last_commit(&db)?)?;
        let log = dir.join(schema::WAL_FILE);
        wal::write_again(&db, &log)?;
        schema::upgrade(dir, &db, options.cache_bytes)?;
        tables_check::check(&db)?;
        lock::sync_directory(dir)?;
        let receipt_room = ReceiptRoom::new(options.receipts);
        let CheckedDigest { mut digest, damage } = digest_check::open(&db, dir, options.accept_loss)?;
        let now = (options.now)();
        let recovered = recover::recover(&db, options.accept_loss, &receipt_room, now, &mut digest)?;
        wal::begin_anew(&db, &log)?;
        completeness.set_last_commit(recovered.compaction.last());
        tracing::info!(
            log_commits = recovered.compaction.commits(),
            lists_in_log = recovered.log_index.count(),
            unreadable_lists = recovered.log_index.isolated_count(),
            receipt_bytes = receipt_room.used(),
            took = ?begun.elapsed(),
            "opened the store in {}", dir.display(),
        );
        let (writes, requests) = sync_channel(options.queue);
        let (reads, read_requests) = sync_channel(options.read_queue);
        let read_requests = Arc::new(Mutex::new(read_requests));
        let log_index = Arc::new(Mutex::new(recovered.log_index));
        let mut compaction = recovered.compaction;
        if recovered.has_accepted_loss {
            compaction.begin(&log_index);
        }
        let lifecycle = Arc::new(Lifecycle::new(compaction.last()));
        damage.iter().chain(&recovered.damage).for_each(|what| lifecycle.note_damage(what));
        let mut readers = Vec::new();
        for _ in 0..options.readers.max(1) {
            let db = schema::open_reader(dir, options.cache_bytes / 8)?;
            let (log_index, receipt_room) = (log_index.clone(), receipt_room.clone());
            let reader =
                Reader { db, log_index, history_limit: options.history.revisions, receipt_room, now: options.now };
            let (requests, shared) = (read_requests.clone(), lifecycle.clone());
            let run = move || reader.run(&requests, &shared);
            readers.push(lifecycle::spawn(reader::THREAD, &lifecycle, run)?);
        }
        let watchers = Arc::<Watchers>::default();
        let checkpointer = Checkpointer::start(schema::open_checkpointer(dir)?, &lifecycle)?;
        let writer = Writer {
            db,
            requests,
            log_index: log_index.clone(),
            lifecycle: lifecycle.clone(),
            compaction,
            digest,
            scrubber: Scrubber::start(dir, options.scrub, &lifecycle)?,
            checkpointer,
            options: options.clone(),
            receipt_room: receipt_room.clone(),
            receipt_expiry: ReceiptExpiry::default(),
            readers,
            reads: reads.clone(),
            guard: FileGuard::start(dir, interval, &lifecycle)?,
            lock,
            waiting: writer::Waiting::default(),
            has_rebuilt_index: false,
            discards: Vec::new(),
            changes: Vec::new(),
            watchers: watchers.clone(),
        };
        let max_frame_bytes = block::MAX_FRAME_BYTES;
        let queue_room = QueueRoom::new(options.queue_bytes);
        let store = Self {
            writes,
            reads,
            writer: None,
            log_index,
            lifecycle,
            options,
            queue_room,
            receipt_room,
            watchers,
            max_frame_bytes,
        };
        Ok((store, writer))
    }

    fn enqueue(&self, commit: Commit) -> Result<oneshot::Receiver<staging::CommitReply>, StoreError> {
        self.lifecycle.check_open()?;
        self.lifecycle.check_healthy()?;
        commit.check()?;
        let meta = ListMeta::of(&commit.state, commit.wake_up);
        let head = CommitHead { after: commit.after, deleted_at: commit_record::deleted_at(&commit.revisions), meta };
        let encode = |bytes| commit_record::append_commit(&commit, &head, bytes);
        let revision = head.meta.revision;
        let frame = block::frame(&commit.name, revision, self.max_frame_bytes, encode).map_err(|oversized| {
            StoreError::Failed { what: staging::action(&commit.name, revision), why: oversized.to_string() }
        })?;
        let (reply, answer) = oneshot::channel();
        let CommitHead { after, meta, .. } = head;
        let state = Arc::downgrade(&commit.state);
        let room = self.queue_room.take(frame.len())?;
        let encoded = EncodedCommit { name: commit.name, after, meta, frame, state, reply, room };
        match self.writes.try_send(WriterRequest::Commit(encoded)) {
            Ok(()) => Ok(answer),
            Err(TrySendError::Full(_)) => Err(StoreError::Overloaded { limit: self.options.queue }),
            Err(TrySendError::Disconnected(_)) => Err(self.lifecycle.disconnected(writer::THREAD)),
        }
    }

    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<T> {
        let (reply, answer) = oneshot::channel();
        let request = ReaderRequest::Read(Box::new(move |reader: &Reader| {
            // A caller may drop its answer.
            let _ = reply.send(read(reader));
        }));
        let sent = self.lifecycle.check_open().and_then(|()| match self.reads.try_send(request) {
            Ok(()) => Ok(answer),
            Err(TrySendError::Full(_)) => Err(StoreError::Overloaded { limit: self.options.read_queue }),
            Err(TrySendError::Disconnected(_)) => Err(self.lifecycle.disconnected(reader::THREAD)),
        });
        let lifecycle = self.lifecycle.clone();
        async move { sent?.await.unwrap_or_else(|_| Err(lifecycle.unanswered("read"))) }.boxed()
    }
}

impl Store for EmbeddedStore {
    fn load(&self, name: &ListName) -> Pending<Stored> {
        let name = name.clone();
        self.read(move |reader| reader.load(&name))
    }

    fn commit(&self, commit: Commit) -> Pending<()> {
        let sent = self.enqueue(commit);
        let lifecycle = self.lifecycle.clone();
        let lost = move || Err(lifecycle.unanswered_commit("write a commit".into()));
        async move { sent?.await.map_or_else(|_| lost(), |reply| reply.result) }.boxed()
    }

    fn page(&self, after: Option<&ListName>, limit: usize) -> Pending<Vec<Summary>> {
        let after = after.cloned();
        self.read(move |reader| reader.page(after.as_ref(), limit.min(MAX_PAGE)))
    }

    fn unreadable(&self, after: Option<&ListName>, limit: usize) -> Vec<UnreadableList> {
        self.log_index.lock().unreadable(after, limit.min(MAX_PAGE))
    }

    fn unreadable_count(&self) -> usize {
        self.log_index.lock().unreadable_count()
    }

    fn damage_count(&self) -> usize {
        self.lifecycle.damage_count()
    }

    fn discard(&self, name: &ListName) -> Pending<()> {
        let (reply, answer) = oneshot::channel();
        let request = WriterRequest::Discard(name.clone(), reply);
        let sent = self.lifecycle.check_open().and_then(|()| match self.writes.try_send(request) {
            Ok(()) => Ok(answer),
            Err(TrySendError::Full(_)) => Err(StoreError::Overloaded { limit: self.options.queue }),
            Err(TrySendError::Disconnected(_)) => Err(self.lifecycle.disconnected(writer::THREAD)),
        });
        let lifecycle = self.lifecycle.clone();
        async move { sent?.await.unwrap_or_else(|_| Err(lifecycle.unanswered_commit("delete an unreadable list".into()))) }.boxed()
    }

    fn history_page(&self, name: &ListName, after: u64, limit: PageLimit) -> Pending<HistoryPage> {
        let name = name.clone();
        let limit = PageLimit { items: limit.items.min(MAX_PAGE), ..limit };
        self.read(move |reader| reader.history_page(&name, after, limit))
    }

    fn changes(&self, name: &ListName, revision: u64, after: usize, limit: PageLimit) -> Pending<Option<ChangesPage>> {
        let name = name.clone();
        let limit = PageLimit { items: limit.items.min(MAX_PAGE), ..limit };
        self.read(move |reader| reader.changes(&name, revision, after, limit))
    }

    fn due(&self, until: u64, after: Option<&WakeUp>, limit: usize) -> Pending<Vec<WakeUp>> {
        let after = after.cloned();
        self.read(move |reader| reader.due(until, after.as_ref(), limit.min(MAX_PAGE)))
    }

    fn next_due(&self) -> Pending<Option<u64>> {
        self.read(Reader::next_due)
    }

    fn receipt_room(&self) -> &Arc<ReceiptRoom> {
        &self.receipt_room
    }

    fn health(&self) -> Health {
        self.lifecycle.health()
    }

    fn log_bytes(&self) -> Option<u64> {
        Some(self.lifecycle.log_bytes())
    }

    fn close(&self) -> Pending<()> {
        if self.lifecycle.close() {
            return std::future::ready(Err(StoreError::Closed)).boxed();
        }
        self.watchers.close();
        let (reply, answer) = oneshot::channel();
        // Waits while the queue is full, which is as long as one durable write.
        let sent = self.writes.send(WriterRequest::Close(reply));
        let lifecycle = self.lifecycle.clone();
        async move {
            let lost = || Err(lifecycle.unanswered("close"));
            if sent.is_ok() { answer.await.unwrap_or_else(|_| lost()) } else { lost() }
        }
        .boxed()
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.lifecycle.close();
        // Fails when the writer has ended already.
        let _ = self.writes.send(WriterRequest::Stop);
        // A panic on the thread has poisoned the store.
        self.writer.take().map(JoinHandle::join);
    }
}

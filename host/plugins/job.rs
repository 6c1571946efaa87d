//! Jobs of the loader, the work that it gives to other threads, and the guard of its thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::error::LoaderDied;
use super::files::FileAnswer;
use crate::list::List;
use crate::list::name::LogicName;
use crate::rollout::{Accepted, Digest, Prepared, PublishError, RolloutUpdate, SubmitError, Version};

/// The most jobs that wait for the loader. Notices of changed files beyond it are dropped, because the waiting ones make
/// the loader look at all files.
pub(super) const MAX_WAITING_JOBS: usize = 256;

/// How an uploaded component is handled.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UploadOptions {
    /// Whether the component becomes live, or is only checked and stored.
    pub publish: bool,
    /// Whether the component is accepted though it is quarantined or fails its gates.
    pub force: bool,
    /// Whether the component is only checked, and nothing is changed.
    pub dry_run: bool,
    /// The client that sent the component.
    pub client: Option<Arc<str>>,
}

/// How a version is deleted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeleteOptions {
    /// Whether a quarantined version, and one that lists may need, is deleted.
    pub force: bool,
    /// The client that requests it.
    pub client: Option<Arc<str>>,
}

/// Where the answer to a job goes.
pub(super) type Answer<T, E = PublishError> = oneshot::Sender<Result<T, E>>;

/// A job of the loader. A job is done even when the caller does not wait for the answer any more, but for an upload that is
/// not compiled yet.
pub(super) enum Job {
    Upload(Upload),
    /// Changes a rollout on request.
    Update {
        name: LogicName,
        update: RolloutUpdate,
        answer: Answer<()>,
    },
    /// Forgets a version that nothing uses.
    Delete {
        name: LogicName,
        digest: Digest,
        options: DeleteOptions,
        answer: Answer<()>,
    },
    /// Loads a version that a list is pinned to.
    Fetch {
        name: LogicName,
        digest: Digest,
        answer: Answer<(), String>,
    },
    /// Reads the component of a version.
    Component {
        name: LogicName,
        digest: Digest,
        answer: Answer<Vec<u8>>,
    },
    /// Wakes the loader: a state changed in memory, or [`Shared::close`] was called.
    Save,
    /// Reads all files of the watched directory again.
    Rescan {
        answer: Answer<Option<usize>>,
    },
    /// These files of the watched directory changed; none are named when the watcher does not know which.
    Changed(Vec<PathBuf>),
    /// The thread that reads the watched directory has read something.
    File(FileAnswer),
    /// A thread has done its work.
    Done {
        /// The number of the thread.
        worker: usize,
        done: Box<Done>,
    },
    /// Ends the loader.
    Stop,
}

/// A component that was uploaded.
pub(super) struct Upload {
    pub(super) name: LogicName,
    pub(super) bytes: Bytes,
    pub(super) options: UploadOptions,
    /// All lists of the server, see [`Submission::lists`](crate::rollout::Submission::lists).
    pub(super) lists: Option<Vec<Arc<List>>>,
    pub(super) answer: Answer<Accepted>,
}

/// A component that was read from a file of the watched directory.
pub(super) struct FileUpload {
    pub(super) name: LogicName,
    pub(super) bytes: Vec<u8>,
    pub(super) digest: Digest,
    pub(super) source: String,
    pub(super) force: bool,
    /// Whether the file has other bytes by now.
    pub(super) is_superseded: Arc<AtomicBool>,
}

/// A version that has to be loaded before jobs can go on.
pub(super) struct Load {
    pub(super) name: LogicName,
    pub(super) digest: Digest,
    pub(super) source: String,
}

/// The job that goes on when a version is loaded.
pub(super) enum Then {
    Fetch { answer: Answer<(), String> },
    Update { update: RolloutUpdate, loaded: Vec<Arc<Version>>, answer: Answer<()> },
}

/// Work that takes long.
pub(super) enum Work {
    Upload(Upload),
    File(FileUpload),
    Load(Load),
}

/// Work that was done.
pub(super) enum Done {
    Upload(Upload, Result<Prepared, SubmitError>),
    File(FileUpload, Result<Prepared, SubmitError>),
    Load(Load, Result<Arc<Version>, String>),
}

/// What the loader thread and its callers share besides the queue.
#[derive(Default)]
pub(super) struct Shared {
    died: AtomicBool,
    /// Whether nothing is to be compiled any more.
    is_stopping: AtomicBool,
    /// The callers that wait until every state is on disk. They are beside the queue, because the queue may be full when
    /// the server stops, and the last write must not be lost then.
    closing: Mutex<Vec<oneshot::Sender<()>>>,
}

impl Shared {
    pub(super) fn health(&self) -> Result<(), LoaderDied> {
        if self.died.load(Ordering::Acquire) { Err(LoaderDied) } else { Ok(()) }
    }

    /// Ends every compilation, now and from now on.
    pub(super) fn stop_compiling(&self) {
        self.is_stopping.store(true, Ordering::Release);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    /// Has the loader answer when every state is on disk.
    pub(super) fn close(&self, jobs: &mpsc::SyncSender<Job>) -> oneshot::Receiver<()> {
        let (done, closed) = oneshot::channel();
        self.closing.lock().push(done);
        match jobs.try_send(Job::Save) {
            // A loader with a full queue is awake, and looks here between two jobs.
            Ok(()) | Err(mpsc::TrySendError::Full(_)) => {}
            Err(mpsc::TrySendError::Disconnected(_)) => self.closing.lock().clear(),
        }
        closed
    }

    /// Takes the callers of [`Shared::close`] so far. Taken before the states are written: a caller that comes during the
    /// write may have changed a state that the write no longer sees, and waits for the next one.
    pub(super) fn take_closing(&self) -> Vec<oneshot::Sender<()>> {
        std::mem::take(&mut *self.closing.lock())
    }

    /// Puts callers back for whom the write failed.
    pub(super) fn return_closing(&self, callers: Vec<oneshot::Sender<()>>) {
        self.closing.lock().extend(callers);
    }
}

/// Notices when the loader thread ends without having been told to.
pub(super) struct ThreadGuard {
    shared: Arc<Shared>,
    orderly: bool,
}

impl ThreadGuard {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, orderly: false }
    }

    /// Notes that the thread ends because the server stops.
    pub(super) fn finish(mut self) {
        self.orderly = true;
    }
}

impl Drop for ThreadGuard {
    fn drop(&mut self) {
        if !self.orderly {
            self.shared.died.store(true, Ordering::Release);
            tracing::error!("{LoaderDied}");
        }
        self.shared.closing.lock().clear();
    }
}

/// A job in which the host panicked.
#[derive(Debug)]
pub(super) struct Panicked(&'static str);

impl std::fmt::Display for Panicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the host panicked while it {}", self.0)
    }
}

impl From<Panicked> for PublishError {
    fn from(panicked: Panicked) -> Self {
        Self::Interrupted(panicked.to_string())
    }
}

impl From<Panicked> for SubmitError {
    fn from(panicked: Panicked) -> Self {
        Self::Panicked(panicked.to_string())
    }
}

impl From<Panicked> for String {
    fn from(panicked: Panicked) -> Self {
        panicked.to_string()
    }
}

/// Does a job. A panic becomes an error of this job, and the loader goes on with the next one.
pub(super) fn catch<T, E: From<Panicked>>(doing: &'static str, job: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|_| {
        let panicked = Panicked(doing);
        tracing::error!("{panicked}; the loader goes on with the next job");
        Err(panicked.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_panics_is_reported_as_dead_and_one_that_finishes_is_not() {
        let shared = Arc::new(Shared::default());
        let guard = ThreadGuard::new(shared.clone());
        std::thread::spawn(move || guard.finish()).join().unwrap();
        assert_eq!(shared.health(), Ok(()));
        let (guard, (jobs, _waiting)) = (ThreadGuard::new(shared.clone()), mpsc::sync_channel(1));
        let mut closed = shared.close(&jobs);
        let ended = std::thread::spawn(move || {
            let _guard = guard;
            panic!("as the test has it");
        });
        assert!(ended.join().is_err());
        assert_eq!(shared.health(), Err(LoaderDied));
        assert_eq!(closed.try_recv(), Err(oneshot::error::TryRecvError::Closed), "there is nothing to wait for");
    }
}

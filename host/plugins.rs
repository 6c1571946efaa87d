//! From a file or an upload to a checked, published version.
//!
//! All loading happens on one thread, which is not the runtime's: components are taken one after
//! the other, so two versions of a logic are published in the order in which they came, and a
//! compiler at work holds up nobody but the next component.

mod artifacts;
pub mod builtin;
mod loader;
mod watch;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::list::id::LogicId;
use crate::list::name::LogicName;
use crate::list::selector::Pin;
use crate::logic::Fault;
use crate::rollout::{Digest, Registry};
use crate::wasm::{Engine, LoadError};

/// The most logics a server has, and the most files a watched directory may hold.
pub const MAX_LOGICS: usize = 1_000;

/// The most jobs that wait for the loader. Notices of changed files beyond it are dropped: those that
/// wait already make it look at all files.
const MAX_WAITING_JOBS: usize = 256;

/// Where components come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Where versions are kept, and how each logic stands, so that it is so after a restart.
    pub kept: PathBuf,
    /// A directory whose `NAME.wasm` files are logics, watched for changes.
    pub watched: Option<PathBuf>,
    /// The logics whose instances never serve two lists.
    pub isolated: BTreeSet<LogicName>,
    /// Whether components are taken though they fell before, or fail their gates.
    pub force: bool,
}

/// What is to become of an uploaded component.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UploadOptions {
    /// Whether it is to be live, or only checked and kept.
    pub publish: bool,
    /// Whether it is taken though it fell before, or fails its gates.
    pub force: bool,
}

/// What is wanted of a logic. What is not mentioned stays as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RolloutUpdate {
    /// The version that is to be live.
    pub live: Option<Pin>,
    /// The version that is to be on trial, or that none is.
    pub candidate: Option<Option<Pin>>,
    /// For how many lists of a hundred it decides.
    pub percent: Option<u8>,
    /// Whether it decides in the shadow of the live one.
    pub shadow: Option<bool>,
    /// Whether versions are taken that fell.
    pub force: bool,
}

/// Takes components in. Dropping it ends the loader and the watcher.
pub struct Plugins {
    jobs: mpsc::SyncSender<Job>,
}

/// What the loader is told.
enum Job {
    Upload {
        name: LogicName,
        bytes: Bytes,
        options: UploadOptions,
        answer: oneshot::Sender<Result<Arc<LogicId>, PluginError>>,
    },
    /// Somebody wants another version live or on trial.
    RolloutUpdate { name: LogicName, update: RolloutUpdate, answer: oneshot::Sender<Result<(), PluginError>> },
    /// A list wants a version that is not in memory.
    Fetch { name: LogicName, digest: Digest, answer: oneshot::Sender<Result<(), String>> },
    /// Somebody wants the bytes of a version.
    Component { name: LogicName, digest: Digest, answer: oneshot::Sender<Result<Vec<u8>, PluginError>> },
    /// A standing changed in memory.
    Keep,
    /// Everything is to be written before the server stops.
    Close(oneshot::Sender<()>),
    /// Something changed in the watched directory: these files, or nobody knows which.
    Changed(Vec<PathBuf>),
    /// The server stops.
    Stop,
}

/// Why a component was not taken.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum PluginError {
    /// The component is not what it has to be; the text says how, and names the import or version.
    #[error("{0}")]
    Invalid(String),
    /// The logic is kept in a watched directory, where an upload would not last.
    #[error("logic {name} comes from the file {file}; save the new component there")]
    FromFile {
        /// The logic.
        name: LogicName,
        /// The file.
        file: String,
    },
    /// The component, or version, fell before.
    #[error("sha256:{digest} was quarantined, because {why}; mend it, or insist with force")]
    Quarantined {
        /// Which one.
        digest: String,
        /// What it did.
        why: String,
    },
    /// It is not there.
    #[error("there is no {0}")]
    Unknown(String),
    /// A trial cannot be changed that is not.
    #[error("no version is on trial; name one as candidate")]
    NoCandidate,
    /// A trial needs a live version to be compared with.
    #[error("{0} has no live version that another one could be tried beside; make one live first")]
    NoLive(LogicName),
    /// A live version cannot be on trial.
    #[error("{0} is live, so it cannot be on trial")]
    IsLive(String),
    /// There are as many logics as there may be.
    #[error("the server has {limit} logics, which is its limit")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// As many components wait to be compiled as may.
    #[error("{limit} components wait to be compiled already; try again in a moment")]
    Busy {
        /// The limit.
        limit: usize,
    },
    /// The component could not be kept.
    #[error("the component could not be stored: {0}")]
    Failed(String),
}

/// Why a component did not become a version.
#[derive(Debug, thiserror::Error)]
enum TakeError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("it fails its gates: {failed} of {asked} questions went wrong; {first}")]
    Gates { failed: usize, asked: usize, first: String, kind: &'static str },
    #[error("the component could not be stored: {0}")]
    NotKept(String),
    #[error(transparent)]
    RolloutState(#[from] PluginError),
}

impl From<TakeError> for PluginError {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::Load(_) | TakeError::Gates { .. } => Self::Invalid(error.to_string()),
            TakeError::NotKept(why) => Self::Failed(why),
            TakeError::RolloutState(error) => error,
        }
    }
}

impl TakeError {
    /// Whether it may go differently the next time, for the machine was busy.
    fn is_transient(&self) -> bool {
        match self {
            Self::Load(LoadError::SmokeTest(fault)) => fault.is_busy(),
            Self::Gates { kind, .. } => [Fault::DEADLINE, Fault::INSTANCE].contains(kind),
            Self::Load(_) | Self::RolloutState(PluginError::Quarantined { .. }) => false,
            Self::NotKept(_) | Self::RolloutState(_) => true,
        }
    }
}

/// Why plugins could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The directory of plugins cannot be read or watched.
    #[error("the plugins directory {path} cannot be {what}: {why}")]
    Directory {
        /// The directory.
        path: String,
        /// What was attempted.
        what: &'static str,
        /// What the system said.
        why: String,
    },
    /// What is kept of a logic makes no sense: it was damaged, or is another program's.
    #[error("how logic {name} stands cannot be read from {path}: {why}; mend that file, or move its directory away")]
    RolloutState {
        /// The logic.
        name: LogicName,
        /// The file.
        path: String,
        /// What does not fit.
        why: String,
    },
    /// The machine gives no thread.
    #[error("the thread that loads plugins could not be started: {0}")]
    Thread(std::io::Error),
    /// The loader ended before it was ready.
    #[error("the thread that loads plugins ended early")]
    Loader,
}

impl Plugins {
    /// Loads all there is, built in, uploaded and in files, publishes it, and goes on to watch.
    /// Answers when everything that was there at the start has been dealt with. A component that
    /// is not taken is no error: the log and the catalog say why.
    pub async fn start(
        engine: Engine,
        registry: Arc<Registry>,
        clock: Arc<dyn Clock>,
        sources: Sources,
    ) -> Result<Self, StartError> {
        let (jobs, waiting) = mpsc::sync_channel(MAX_WAITING_JOBS);
        let (ready, started) = oneshot::channel();
        let watcher_jobs = jobs.clone();
        let run = move || match loader::Loader::open(engine, registry, clock, sources, watcher_jobs) {
            Ok(loader) => {
                // Nobody waits for it any more when the server was stopped while it started.
                let _ = ready.send(Ok(()));
                loader.run(&waiting);
            }
            Err(error) => drop(ready.send(Err(error))),
        };
        std::thread::Builder::new().name("plugin-loader".into()).spawn(run).map_err(StartError::Thread)?;
        started.await.map_err(|_| StartError::Loader)??;
        Ok(Self { jobs })
    }

    /// Checks a component, keeps it durably, and publishes it if it is to be. Answers its identity.
    pub async fn upload(
        &self,
        name: LogicName,
        bytes: Bytes,
        options: UploadOptions,
    ) -> Result<Arc<LogicId>, PluginError> {
        self.ask(|answer| Job::Upload { name, bytes, options, answer }).await
    }

    /// Changes which versions of a logic decide; durable when this is answered.
    pub async fn update(&self, name: LogicName, update: RolloutUpdate) -> Result<(), PluginError> {
        self.ask(|answer| Job::RolloutUpdate { name, update, answer }).await
    }

    /// The component of a version.
    pub async fn component(&self, name: LogicName, digest: Digest) -> Result<Vec<u8>, PluginError> {
        self.ask(|answer| Job::Component { name, digest, answer }).await
    }

    /// Waits until everything that changed is on disk.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        // Full for as long as the loader has jobs to do; without a loader there is nothing to write.
        if self.jobs.try_send(Job::Close(done)).is_ok() {
            drop(closed.await);
        }
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T, PluginError>>) -> Job) -> Result<T, PluginError> {
        let (answer, answered) = oneshot::channel();
        self.jobs.try_send(job(answer)).map_err(|error| match error {
            mpsc::TrySendError::Full(_) => PluginError::Busy { limit: MAX_WAITING_JOBS },
            mpsc::TrySendError::Disconnected(_) => PluginError::Failed("the loader ended".into()),
        })?;
        answered.await.unwrap_or_else(|_| Err(PluginError::Failed("the loader ended".into())))
    }
}

impl Drop for Plugins {
    fn drop(&mut self) {
        // The watcher holds a sender, too, so the loader would not notice by itself. When the queue
        // is full, the loader ends with the process.
        let _ = self.jobs.try_send(Job::Stop);
    }
}

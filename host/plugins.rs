//! From a file or an upload to a checked, published version.
//!
//! All loading happens on one thread, which is not the runtime's: components are taken one after
//! the other, so two versions of a logic are published in the order in which they came, and a
//! compiler at work holds up nobody but the next component.

pub mod build;
pub mod builtin;
pub mod cases;
pub mod edits;
mod loader;
pub mod scaffold;
mod uploads;
mod watch;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::list::name::LogicName;
use crate::list::revision::LogicId;
use crate::logic::catalog::Catalog;
use crate::wasm::Engine;

/// The most logics a server has, and the most files a watched directory may hold.
pub const MAX_LOGICS: usize = 1_000;

/// The most jobs that wait for the loader. Notices of changed files beyond it are dropped: those that
/// wait already make it look at all files.
const MAX_WAITING_JOBS: usize = 256;

/// Where components come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Where uploads are kept, so that they are there after a restart.
    pub uploads: PathBuf,
    /// A directory whose `NAME.wasm` files are logics, watched for changes.
    pub watched: Option<PathBuf>,
    /// The logics whose instances never serve two lists.
    pub isolated: BTreeSet<LogicName>,
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
        answer: oneshot::Sender<Result<Arc<LogicId>, PluginError>>,
    },
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
        catalog: Arc<Catalog>,
        clock: Arc<dyn Clock>,
        sources: Sources,
    ) -> Result<Self, StartError> {
        let (jobs, waiting) = mpsc::sync_channel(MAX_WAITING_JOBS);
        let (ready, started) = oneshot::channel();
        let watcher_jobs = jobs.clone();
        let run = move || match loader::Loader::open(engine, catalog, clock, sources, watcher_jobs) {
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

    /// Checks a component, keeps it durably, and publishes it. Answers its identity.
    pub async fn upload(&self, name: LogicName, bytes: Bytes) -> Result<Arc<LogicId>, PluginError> {
        let (answer, answered) = oneshot::channel();
        let busy = PluginError::Busy { limit: MAX_WAITING_JOBS };
        self.jobs.try_send(Job::Upload { name, bytes, answer }).map_err(|error| match error {
            mpsc::TrySendError::Full(_) => busy,
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

//! Loads and watches components: from a file or an upload to a published version.
//!
//! One thread outside the runtime publishes: each change of a rollout is made after the one before it, and is durable before
//! it takes effect. Components are compiled and probed on other threads, and the watched directory is read on another one.
//! So what is in memory never waits for a compiler or for a file. Two components of one logic are published in the order in
//! which they came.

pub mod builtin;
mod compiler;
mod directory;
mod error;
mod files;
mod job;
mod loader;
#[cfg(test)]
mod tests;
mod watch;
mod work_queue;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use self::compiler::EngineCompiler;
use self::job::{Job, MAX_WAITING_JOBS, Shared, ThreadGuard, Upload};
use self::loader::{Loader, Setup};
use crate::clock::Clock;
use crate::list::name::LogicName;
use crate::list::{Limits, List};
use crate::rollout::{Accepted, Digest, PublishError, Registry, RolloutUpdate, StateStore};
use crate::wasm::Engine;

pub use error::{CloseError, LoaderDied, StartError};
pub use job::{DeleteOptions, UploadOptions};

/// How long [`Plugins::close`] waits for the last write.
pub const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// Where components come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The directory in which components are stored.
    pub stored: PathBuf,
    /// A directory whose `NAME.wasm` files are logics, watched for changes.
    pub watched: Option<PathBuf>,
    /// The logic of lists that name none. If its rollout state cannot be read, its built-in version decides.
    pub default_logic: Option<LogicName>,
    /// Whether components are accepted at the start though they are quarantined or fail their gates.
    pub force: bool,
    /// The limits of lists, at which components are probed.
    pub limits: Limits,
}

/// Handle to the loader. Dropping it ends the loader and the watcher.
pub struct Plugins {
    jobs: mpsc::SyncSender<Job>,
    shared: Arc<Shared>,
}

impl Plugins {
    /// Restores and publishes everything that is stored, built in and in files, and goes on to watch. Returns when all of
    /// it was handled. A refused component is no error: the log and the registry say why.
    pub async fn start(
        engine: Engine,
        registry: Arc<Registry>,
        clock: Arc<dyn Clock>,
        states: Box<dyn StateStore>,
        sources: Sources,
    ) -> Result<Self, StartError> {
        let Sources { stored, watched, default_logic, force, limits } = sources;
        let limit = engine.settings().component_bytes;
        let compiler = Box::new(EngineCompiler { engine });
        let (directory, watched) = (stored, watched.map(|directory| (directory, limit)));
        let shared = Arc::default();
        let setup =
            Setup { compiler, registry, clock, directory, states, watched, default_logic, force, limits, shared };
        Self::start_with(setup).await
    }

    async fn start_with(setup: Setup) -> Result<Self, StartError> {
        let (jobs, waiting) = mpsc::sync_channel(MAX_WAITING_JOBS);
        let (ready, started) = oneshot::channel();
        let (loader_jobs, shared) = (jobs.clone(), setup.shared.clone());
        let starting = StopUnlessStarted(Some(shared.clone()));
        let guard = ThreadGuard::new(shared.clone());
        let run = move || {
            match Loader::open(setup, loader_jobs) {
                Ok(loader) => {
                    // The other end is gone when the server was stopped while it started.
                    let _ = ready.send(Ok(()));
                    loader.run(&waiting);
                }
                Err(error) => drop(ready.send(Err(error))),
            }
            guard.finish();
        };
        std::thread::Builder::new().name("plugin-loader".into()).spawn(run).map_err(StartError::Thread)?;
        started.await.map_err(|_| StartError::Loader)??;
        starting.finish();
        Ok(Self { jobs, shared })
    }

    /// Whether the loader thread is running. A server whose loader died is not ready.
    pub fn health(&self) -> Result<(), LoaderDied> {
        self.shared.health()
    }

    /// Checks a component. Stores it durably and publishes it if the options say so. When the caller stops waiting, the
    /// component is no longer compiled.
    pub async fn upload(
        &self,
        name: LogicName,
        bytes: Bytes,
        options: UploadOptions,
    ) -> Result<Accepted, PublishError> {
        self.ask(|answer| Job::Upload(Upload { name, bytes, options, lists: None, answer })).await
    }

    /// Like [`Plugins::upload`], for a server with few lists: the gates probe the migration of these lists instead of
    /// generated ones.
    pub async fn upload_for(
        &self,
        lists: Vec<Arc<List>>,
        name: LogicName,
        bytes: Bytes,
        options: UploadOptions,
    ) -> Result<Accepted, PublishError> {
        self.ask(|answer| Job::Upload(Upload { name, bytes, options, lists: Some(lists), answer })).await
    }

    /// Changes a rollout. The change is durable when this returns.
    pub async fn update(&self, name: LogicName, update: RolloutUpdate) -> Result<(), PublishError> {
        self.ask(|answer| Job::Update { name, update, answer }).await
    }

    /// Forgets a version that nothing uses. The change is durable when this returns.
    pub async fn delete(&self, name: LogicName, digest: Digest, options: DeleteOptions) -> Result<(), PublishError> {
        self.ask(|answer| Job::Delete { name, digest, options, answer }).await
    }

    /// Reads the component of a version.
    pub async fn component(&self, name: LogicName, digest: Digest) -> Result<Vec<u8>, PublishError> {
        let component = self.ask(|answer| Job::Component { name, digest, answer }).await;
        component.map_err(|error| match error {
            // A read changes nothing.
            PublishError::Interrupted(why) => PublishError::Failed(why),
            error => error,
        })
    }

    /// Reads the files of the watched directory again, also those that look unchanged. Returns how many it found, or
    /// `None` if no directory is watched.
    pub async fn rescan(&self) -> Result<Option<usize>, PublishError> {
        self.ask(|answer| Job::Rescan { answer }).await
    }

    /// Ends every compilation. From now on, components that would have to be compiled are refused.
    pub fn stop_compiling(&self) {
        self.shared.stop_compiling();
        // Wakes the loader for those that wait. One with a full queue is awake.
        let _ = self.jobs.try_send(Job::Save);
    }

    /// Waits until every changed state is on disk, at most [`CLOSE_LIMIT`].
    ///
    /// # Errors
    ///
    /// The states were not on disk in time, or the loader died.
    pub async fn close(&self) -> Result<(), CloseError> {
        let closed = self.shared.close(&self.jobs);
        // A loader that ended has dropped the sender. If the loader ended in order, it has nothing to write any more.
        let closed = tokio::time::timeout(CLOSE_LIMIT, closed).await;
        self.health().map_err(|LoaderDied| CloseError::LoaderDied)?;
        closed.map(drop).map_err(|_| CloseError::Late(CLOSE_LIMIT))
    }

    async fn ask<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, PublishError>>) -> Job,
    ) -> Result<T, PublishError> {
        let (answer, answered) = oneshot::channel();
        const ENDED: &str = "the plugin loader ended";
        self.jobs.try_send(job(answer)).map_err(|error| match error {
            mpsc::TrySendError::Full(_) => PublishError::Busy { limit: MAX_WAITING_JOBS },
            mpsc::TrySendError::Disconnected(_) => PublishError::Failed(ENDED.into()),
        })?;
        // The loader took the job, or ended with the job in its queue.
        answered.await.unwrap_or_else(|_| Err(PublishError::Interrupted(ENDED.into())))
    }
}

/// Ends the compilations of a start that is given up.
struct StopUnlessStarted(Option<Arc<Shared>>);

impl StopUnlessStarted {
    fn finish(mut self) {
        self.0 = None;
    }
}

impl Drop for StopUnlessStarted {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            shared.stop_compiling();
        }
    }
}

impl Drop for Plugins {
    fn drop(&mut self) {
        self.shared.stop_compiling();
        // The watcher holds a sender, too, so the loader would not notice by itself. A loader with a full queue ends
        // with the process.
        let _ = self.jobs.try_send(Job::Stop);
    }
}

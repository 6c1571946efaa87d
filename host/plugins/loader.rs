//! The loader: the one thread on which components are checked, compiled and published, and on which rollout states are
//! written.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::builtin::BUILTIN;
use super::error::StartError;
use super::job::{Job, Panicked, Shared, UploadOptions, catch};
use super::watch::Watch;
use crate::clock::Clock;
use crate::list::digest::digest_of;
use crate::list::id::LogicId;
use crate::list::name::LogicName;
use crate::rollout::{
    ArtifactStore, Compiler, Digest, MAX_LOGICS, PublishError, Publisher, Registry, StateStore, Submission,
    VersionSource,
};

/// After how long a failed write of a state is tried again.
const RETRY: Duration = Duration::from_secs(1);

pub(super) struct Loader {
    publisher: Publisher,
    watch: Option<Watch>,
    shared: Arc<Shared>,
}

/// What a loader works with.
pub(super) struct Setup {
    pub(super) compiler: Box<dyn Compiler>,
    pub(super) registry: Arc<Registry>,
    pub(super) clock: Arc<dyn Clock>,
    /// The directory of components.
    pub(super) directory: PathBuf,
    /// The rollout states.
    pub(super) states: Box<dyn StateStore>,
    /// The watched directory, with the most bytes that a component may have.
    pub(super) watched: Option<(PathBuf, usize)>,
    /// The logic of lists that name none.
    pub(super) default_logic: Option<LogicName>,
    pub(super) force: bool,
    pub(super) shared: Arc<Shared>,
}

impl Loader {
    /// Restores the stored rollouts, then publishes the built-in logics and the files of the watched directory.
    pub(super) fn open(setup: Setup, jobs: mpsc::SyncSender<Job>) -> Result<Self, StartError> {
        let Setup { compiler, registry, clock, directory, states, watched, default_logic, force, shared } = setup;
        let unreadable = |error: std::io::Error| StartError::Directory {
            path: directory.display().to_string(),
            what: "read",
            why: error.to_string(),
        };
        let artifacts = ArtifactStore::open(directory.clone()).map_err(unreadable)?;
        registry.load_from(Arc::new(LoaderHandle(jobs.clone())));
        let publisher = Publisher::new(compiler, registry, clock, artifacts, states, force);
        let stored = publisher.find_stored().map_err(StartError::States)?;
        let builtin = || {
            let name = |name| LogicName::new(name).expect("the names of built-in logics are names");
            BUILTIN.into_iter().map(move |(text, bytes)| (name(text), bytes))
        };
        for (name, bytes) in builtin() {
            publisher.store_builtin(&name, bytes).map_err(unreadable)?;
        }
        let restored = stored.into_iter().filter(|(name, imported)| publisher.restore(name, imported.clone()).is_err());
        let unreadable: BTreeSet<_> = restored.map(|(name, _)| name).collect();
        for (name, bytes) in builtin() {
            // Which version decided is not known, and another one may migrate the lists. The server does not start
            // without its default logic, so only that one has its built-in version then.
            if !unreadable.contains(&name) || Some(&name) == default_logic.as_ref() {
                publisher.publish_builtin(&name, bytes);
            }
        }
        let watch = watched.map(|(directory, limit)| Watch::open(directory, limit, &publisher, jobs)).transpose()?;
        publisher.save_dirty();
        Ok(Self { publisher, watch, shared })
    }

    /// Does jobs until the server stops. A panic in one of them is an error of that job.
    pub(super) fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        loop {
            let all_saved = self.step();
            let next_look = self.watch.as_ref().map(Watch::next_look);
            let pause = if all_saved { next_look } else { Some(next_look.unwrap_or(RETRY).min(RETRY)) };
            let job = match pause {
                Some(pause) => jobs.recv_timeout(pause),
                None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match job {
                Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(job) => self.carry_out(job),
                // It is time to look at the directory, or to write again.
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        self.step();
    }

    /// Looks at the directory if it is time, and writes what changed in memory. Comes before every job, so that a busy
    /// queue delays neither. Returns whether every state is on disk.
    fn step(&mut self) -> bool {
        let closing = self.shared.take_closing();
        let stepped = catch("looked after its files", || {
            if let Some(watch) = self.watch.as_mut().filter(|watch| watch.next_look().is_zero()) {
                watch.look(&self.publisher);
            }
            Ok::<_, Panicked>(self.publisher.save_dirty())
        });
        let all_saved = stepped.unwrap_or(false);
        if all_saved {
            // A caller may have stopped waiting.
            for done in closing {
                let _ = done.send(());
            }
        } else {
            self.shared.return_closing(closing);
        }
        all_saved
    }

    fn carry_out(&mut self, job: Job) {
        let publisher = &self.publisher;
        match job {
            Job::Upload { name, bytes, options, answer } => {
                drop(answer.send(catch("checked a component", || self.upload(&name, &bytes, options))));
            }
            Job::Update { name, update, answer } => {
                drop(answer.send(catch("changed a rollout", || publisher.apply(&name, &update))));
            }
            Job::Fetch { name, digest, answer } => {
                drop(answer.send(catch("loaded a version", || publisher.load_spare(&name, &digest))));
            }
            Job::Component { name, digest, answer } => {
                drop(answer.send(catch("read a component", || publisher.component(&name, &digest))));
            }
            Job::Changed(paths) => {
                if let Some(watch) = &mut self.watch {
                    watch.note(paths);
                }
            }
            Job::Rescan { answer } => {
                let watch = self.watch.as_mut();
                let rescan = || watch.map(|watch| watch.rescan(publisher)).transpose();
                drop(answer.send(catch("read its files again", rescan)));
            }
            Job::Save | Job::Stop => {}
        }
    }

    fn upload(&self, name: &LogicName, bytes: &[u8], options: UploadOptions) -> Result<Arc<LogicId>, PublishError> {
        if let Some(file) = self.watch.as_ref().and_then(|watch| watch.file_of(name)).filter(|_| options.publish) {
            return Err(PublishError::FromFile { name: name.clone(), file: file.display().to_string() });
        }
        let known = self.publisher.registry().all();
        if known.len() >= MAX_LOGICS && !known.contains_key(name) {
            return Err(PublishError::TooMany { limit: MAX_LOGICS });
        }
        let digest = digest_of(bytes);
        if let Some(live) = self.publisher.live_with(name, &digest) {
            self.publisher.clear_failure(name, "upload");
            return Ok(live);
        }
        let UploadOptions { publish, force } = options;
        self.publisher.submit(Submission { name, bytes, source: "upload", publish, force }).map_err(|error| {
            let why = error.to_string();
            let error = PublishError::from(error);
            // A store that takes no writes says nothing about the component.
            let is_of_store = matches!(error, PublishError::Unavailable { .. } | PublishError::Interrupted(_));
            // Only a known logic remembers what it refused. An unknown name with nothing live would stay in the registry
            // for ever.
            if known.contains_key(name) && !is_of_store {
                self.publisher.refuse(name, "upload", Some(digest), why);
            }
            error
        })
    }
}

/// The registry's way to the loader.
struct LoaderHandle(mpsc::SyncSender<Job>);

impl VersionSource for LoaderHandle {
    fn fetch(&self, name: &LogicName, digest: Digest) -> BoxFuture<'static, Result<(), String>> {
        let (answer, answered) = oneshot::channel();
        let sent = self.0.try_send(Job::Fetch { name: name.clone(), digest, answer });
        async move {
            sent.map_err(|_| "the plugin loader has too much to do; try again in a moment".to_owned())?;
            answered.await.unwrap_or_else(|_| Err("the plugin loader ended".into()))
        }
        .boxed()
    }

    fn changed(&self) {
        // A loader with a full queue writes what changed before its next job.
        drop(self.0.try_send(Job::Save));
    }
}

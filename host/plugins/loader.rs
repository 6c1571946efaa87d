//! The loader: the one thread on which components are checked, compiled and published, and on which a
//! logic's standing is written.

mod publisher;
mod update;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

pub(super) use publisher::{Publisher, Submission};

use super::artifacts::{ArtifactStore, Durably, STANDING};
use super::builtin::BUILTIN;
use super::watch::Watch;
use super::{Job, MAX_LOGICS, PluginError, Sources, StartError, UploadOptions};
use crate::clock::Clock;
use crate::list::id::LogicId;
use crate::list::name::LogicName;
use crate::rollout::{Digest, Record, Registry, VersionSource};
use crate::wasm::{self, Engine};

/// After how long it is tried again to write what could not be written.
const RETRY: Duration = Duration::from_secs(1);

pub(super) struct Loader {
    publisher: Publisher,
    watch: Option<Watch>,
}

impl Loader {
    pub(super) fn open(
        engine: Engine,
        registry: Arc<Registry>,
        clock: Arc<dyn Clock>,
        sources: Sources,
        jobs: mpsc::SyncSender<Job>,
    ) -> Result<Self, StartError> {
        let Sources { kept, watched, isolated, force } = sources;
        let unreadable = |error: std::io::Error| StartError::Directory {
            path: kept.display().to_string(),
            what: "read",
            why: error.to_string(),
        };
        let artifacts = ArtifactStore::open(kept.clone()).map_err(unreadable)?;
        let names = artifacts.names().map_err(unreadable)?;
        registry.kept_by(Arc::new(LoaderHandle(jobs.clone())));
        let publisher = Publisher { engine, registry, clock, isolated, kept: artifacts, force };
        for (name, bytes) in BUILTIN {
            let name = LogicName::new(name).expect("the names of built-in logics are names");
            // Also where it is not live: some list may insist on it, and a damaged one is made anew.
            let kept = publisher.kept.keep(&name, &wasm::digest(bytes), bytes, Durably::No);
            kept.map_err(unreadable)?;
        }
        for name in names {
            publisher.restore(&name).map_err(|why| {
                let path = kept.join(name.as_str()).join(STANDING).display().to_string();
                StartError::RolloutState { name, path, why }
            })?;
        }
        for (name, bytes) in BUILTIN {
            let name = LogicName::new(name).expect("the names of built-in logics are names");
            publisher.take_at_start(&name, bytes, "built in", Durably::No);
        }
        let watch = watched.map(|directory: PathBuf| Watch::open(directory, &publisher, jobs)).transpose()?;
        publisher.save_dirty();
        Ok(Self { publisher, watch })
    }

    /// Works until the server lets go of the other end.
    pub(super) fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        loop {
            if let Some(watch) = self.watch.as_mut().filter(|watch| watch.next_look().is_zero()) {
                // Before any further job: a directory that is never quiet is looked at, too.
                watch.look(&self.publisher);
            }
            let all_kept = self.publisher.save_dirty();
            let next_look = self.watch.as_ref().map(Watch::next_look);
            let pause = if all_kept { next_look } else { Some(next_look.unwrap_or(RETRY).min(RETRY)) };
            let job = match pause {
                Some(pause) => jobs.recv_timeout(pause),
                None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match job {
                Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(job) => self.carry_out(job),
                // It is time to look.
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        self.publisher.save_dirty();
    }

    /// Whoever waits for an answer may have hung up: then there is none, and the job is done all the same.
    fn carry_out(&mut self, job: Job) {
        match job {
            Job::Upload { name, bytes, options, answer } => drop(answer.send(self.upload(&name, &bytes, options))),
            Job::RolloutUpdate { name, update, answer } => drop(answer.send(self.publisher.apply(&name, &update))),
            Job::Fetch { name, digest, answer } => drop(answer.send(self.fetch(&name, &digest))),
            Job::Component { name, digest, answer } => drop(answer.send(self.publisher.component(&name, &digest))),
            Job::Changed(paths) => self.watch.iter_mut().for_each(|watch| watch.note(paths.clone())),
            // What changed in memory is written after every job.
            Job::Keep | Job::Stop => {}
            Job::Close(done) => {
                self.publisher.save_dirty();
                let _ = done.send(());
            }
        }
    }

    fn upload(&self, name: &LogicName, bytes: &[u8], options: UploadOptions) -> Result<Arc<LogicId>, PluginError> {
        if let Some(file) = self.watch.as_ref().and_then(|watch| watch.file_of(name)).filter(|_| options.publish) {
            return Err(PluginError::FromFile { name: name.clone(), file: file.display().to_string() });
        }
        let known = self.publisher.registry.all();
        if known.len() >= MAX_LOGICS && !known.contains_key(name) {
            return Err(PluginError::TooMany { limit: MAX_LOGICS });
        }
        let digest = wasm::digest(bytes);
        if let Some(live) = self.publisher.live_with(name, &digest) {
            self.publisher.restored(name, "upload");
            return Ok(live);
        }
        let UploadOptions { publish, force } = options;
        self.publisher.take(Submission { name, bytes, source: "upload", publish, force }).map_err(|error| {
            // An unknown name with nothing live would stay in the catalog for ever: only a logic
            // that is there remembers what it refused.
            if known.contains_key(name) {
                self.publisher.refuse(name, "upload", Some(digest), error.to_string());
            }
            error.into()
        })
    }

    fn fetch(&self, name: &LogicName, digest: &Digest) -> Result<(), String> {
        let version = self.publisher.kept_version(name, digest)?;
        self.publisher.registry.add_spare(&version);
        Ok(())
    }
}

impl Publisher {
    /// Puts a logic into the catalog as it stood when that was last written.
    fn restore(&self, name: &LogicName) -> Result<(), String> {
        let Some(record) = self.kept.state(name).map_err(|error| error.to_string())? else { return Ok(()) };
        let mut loaded = Vec::new();
        for digest in record.wanted() {
            let source = source_of(&record, &digest);
            match self.load_kept(name, &digest, &source) {
                Ok(version) => loaded.push(version),
                Err(why) => self.refuse(name, &source, Some(digest), format!("it is kept, but does not load: {why}")),
            }
        }
        let events = self.registry.state(name).map(|state| state.events.clone()).unwrap_or_default();
        let mut state = record.restore(&loaded);
        events.into_iter().for_each(|event| state.note(event));
        if self.registry.accept(self.registry.propose(name, |now| *now = state)) {
            return Ok(());
        }
        Err("its standing changed while it was read".into())
    }
}

fn source_of(record: &Record, digest: &Digest) -> String {
    let known = record.versions.iter().find(|known| known.digest == *digest);
    known.map_or_else(|| "upload".into(), |known| known.source.clone())
}

/// The catalog's way to the loader.
struct LoaderHandle(mpsc::SyncSender<Job>);

impl VersionSource for LoaderHandle {
    fn fetch(&self, name: &LogicName, digest: Digest) -> BoxFuture<'static, Result<(), String>> {
        let (answer, answered) = oneshot::channel();
        let sent = self.0.try_send(Job::Fetch { name: name.clone(), digest, answer });
        async move {
            sent.map_err(|_| "the loader has too much to do; try again in a moment".to_owned())?;
            answered.await.unwrap_or_else(|_| Err("the loader ended".into()))
        }
        .boxed()
    }

    fn changed(&self) {
        // With a full queue, the loader writes what changed after the job it is at.
        drop(self.0.try_send(Job::Keep));
    }
}

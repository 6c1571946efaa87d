//! The loader: the one thread on which components are checked, compiled and published.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};

use super::builtin::BUILTIN;
use super::uploads::Uploads;
use super::watch::Watch;
use super::{Job, MAX_LOGICS, PluginError, Sources, StartError};
use crate::clock::Clock;
use crate::list::name::LogicName;
use crate::list::revision::LogicId;
use crate::logic::catalog::Catalog;
use crate::wasm::{self, Engine, Isolation, LoadError};

pub(super) struct Loader {
    bench: Bench,
    uploads: Uploads,
    watch: Option<Watch>,
}

/// What is needed to make a published version of bytes.
pub(super) struct Bench {
    engine: Engine,
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    isolated: std::collections::BTreeSet<LogicName>,
}

impl Loader {
    pub(super) fn open(
        engine: Engine,
        catalog: Arc<Catalog>,
        clock: Arc<dyn Clock>,
        sources: Sources,
        jobs: mpsc::SyncSender<Job>,
    ) -> Result<Self, StartError> {
        let bench = Bench { engine, catalog, clock, isolated: sources.isolated };
        for (name, bytes) in BUILTIN {
            let name = LogicName::new(name).expect("the names of built-in logics are names");
            bench.take(&name, bytes, "built in");
        }
        let unreadable = |path: &PathBuf, error: std::io::Error| StartError::Directory {
            path: path.display().to_string(),
            what: "read",
            why: error.to_string(),
        };
        let uploads = Uploads::open(sources.uploads.clone()).map_err(|error| unreadable(&sources.uploads, error))?;
        for (name, path) in uploads.all().map_err(|error| unreadable(&sources.uploads, error))? {
            match std::fs::read(&path) {
                Ok(bytes) => bench.take(&name, &bytes, "upload"),
                Err(error) => bench.refuse(&name, "upload", None, format!("it cannot be read: {error}")),
            }
        }
        let watch = sources.watched.map(|directory| Watch::open(directory, &bench, jobs)).transpose()?;
        Ok(Self { bench, uploads, watch })
    }

    /// Works until the server lets go of the other end.
    pub(super) fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        loop {
            if let Some(watch) = self.watch.as_mut().filter(|watch| watch.next_look().is_zero()) {
                // Before any further job: a directory that is never quiet is looked at, too.
                watch.look(&self.bench);
            }
            let job = match self.watch.as_ref().map(Watch::next_look) {
                Some(pause) => jobs.recv_timeout(pause),
                None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match (job, &mut self.watch) {
                (Ok(Job::Upload { name, bytes, answer }), _) => {
                    // A client that hung up gets no answer, and the component is taken all the same.
                    let _ = answer.send(self.upload(&name, &bytes));
                }
                (Ok(Job::Changed(paths)), Some(watch)) => watch.note(paths),
                (Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected), _) => return,
                // It is time to look, or there is nothing to look at.
                (Err(RecvTimeoutError::Timeout), _) | (Ok(Job::Changed(_)), None) => {}
            }
        }
    }

    fn upload(&self, name: &LogicName, bytes: &[u8]) -> Result<Arc<LogicId>, PluginError> {
        if let Some(file) = self.watch.as_ref().and_then(|watch| watch.file_of(name)) {
            return Err(PluginError::FromFile { name: name.clone(), file: file.display().to_string() });
        }
        let known = self.bench.catalog.all();
        if known.len() >= MAX_LOGICS && !known.contains_key(name) {
            return Err(PluginError::TooMany { limit: MAX_LOGICS });
        }
        if let Some(live) = self.bench.live_with(name, &wasm::digest(bytes)) {
            // It may be live from somewhere else, and gone with that: an upload is kept.
            self.keep(name, bytes)?;
            self.bench.restored(name, "upload");
            return Ok(live);
        }
        let logic = self.bench.load(name, bytes).map_err(|error| {
            // An unknown name with nothing live would stay in the catalog for ever: only a logic
            // that is there remembers what it refused.
            if known.contains_key(name) {
                self.bench.refuse(name, "upload", Some(wasm::digest(bytes)), error.to_string());
            }
            PluginError::Invalid(error.to_string())
        })?;
        self.keep(name, bytes)?;
        let id = logic.id().clone();
        self.bench.publish(logic, "upload");
        Ok(id)
    }

    fn keep(&self, name: &LogicName, bytes: &[u8]) -> Result<(), PluginError> {
        self.uploads.keep(name, bytes).map_err(|error| {
            tracing::error!(logic = %name, %error, "an upload could not be kept");
            PluginError::Failed(error.to_string())
        })
    }
}

impl Bench {
    /// Publishes a component, or notes why it is not taken.
    pub(super) fn take(&self, name: &LogicName, bytes: &[u8], source: &str) {
        match self.load(name, bytes) {
            Ok(logic) => self.publish(logic, source),
            Err(error) => self.refuse(name, source, Some(wasm::digest(bytes)), error.to_string()),
        }
    }

    pub(super) fn load(&self, name: &LogicName, bytes: &[u8]) -> Result<Box<dyn crate::logic::Logic>, LoadError> {
        let isolation = if self.isolated.contains(name) { Isolation::List } else { Isolation::Shared };
        // A compiler that panics over a component must not take the loader with it.
        let load = AssertUnwindSafe(|| wasm::load(&self.engine, name.clone(), bytes, isolation));
        catch_unwind(load).unwrap_or_else(|_| Err(LoadError::Invalid("the compiler panicked over it".into())))
    }

    pub(super) fn publish(&self, logic: Box<dyn crate::logic::Logic>, source: &str) {
        tracing::info!(logic = %logic.id(), source, "published");
        self.catalog.publish(logic, source, self.clock.now());
    }

    pub(super) fn refuse(&self, name: &LogicName, source: &str, digest: Option<[u8; 32]>, why: String) {
        tracing::warn!(logic = %name, source, why, "not taken; what was live stays live");
        self.catalog.refuse(name, source, digest, why, self.clock.now());
    }

    /// Notes that what is live was offered again after something that was not taken, so that the old
    /// failure is not shown for ever.
    pub(super) fn restored(&self, name: &LogicName, source: &str) {
        self.catalog.restore(name, source, self.clock.now());
    }

    /// The live version of a logic, if it is of exactly these bytes.
    pub(super) fn live_with(&self, name: &LogicName, digest: &[u8; 32]) -> Option<Arc<LogicId>> {
        let live = self.catalog.live(name)?;
        (live.logic.id().digest == *digest).then(|| live.logic.id().clone())
    }

    pub(super) fn component_limit(&self) -> usize {
        self.engine.settings().component_bytes
    }
}

//! The loader: the one thread on which components are published, and on which rollout states are written.
//!
//! [`work_queue`](super::work_queue) compiles and loads, and [`files`](super::files) reads. One thing that takes long is done
//! here once the server has started: a version that is to become live or a candidate beside one with another schema first
//! migrates generated lists, and the jobs after it wait for that.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::builtin::{self, BUILTIN};
use super::error::StartError;
use super::job::{Answer, DeleteOptions, Done, Job, Load, Panicked, Shared, Then, Upload, Work, catch};
use super::watch::Watch;
use super::work_queue::{Kind, WorkQueue};
use crate::clock::Clock;
use crate::list::Limits;
use crate::list::digest::{digest_of, hex};
use crate::list::name::LogicName;
use crate::rollout::{
    Accepted, ArtifactStore, Cause, Compiler, Digest, MAX_LOGICS, Prepared, PublishError, Publisher, Registry,
    RolloutUpdate, StateStore, SubmitError, UPLOAD, Version, VersionSource,
};

/// The most versions that are loaded for one update. An update names two.
const MAX_LOADED_FOR_UPDATE: usize = 4;

/// The most jobs that wait for one version to be loaded.
const MAX_WAITING_FOR_VERSION: usize = 10_000;

/// After how long a failed write of a state is tried again, and how often the loader looks for a canary that is to end.
const RETRY: Duration = Duration::from_secs(1);

pub(super) struct Loader {
    publisher: Publisher,
    watch: Option<Watch>,
    queue: WorkQueue,
    /// The versions that are being loaded, with the jobs that wait for each.
    loads: BTreeMap<(LogicName, Digest), Vec<Then>>,
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
    /// The limits of lists.
    pub(super) limits: Limits,
    pub(super) shared: Arc<Shared>,
}

impl Loader {
    /// Restores the stored rollouts, then publishes the built-in logics and the files of the watched directory.
    pub(super) fn open(setup: Setup, jobs: mpsc::SyncSender<Job>) -> Result<Self, StartError> {
        let Setup { compiler, registry, clock, directory, states, watched, default_logic, force, limits, shared } =
            setup;
        let unreadable = |error: std::io::Error| StartError::Directory {
            path: directory.display().to_string(),
            what: "read",
            why: error.to_string(),
        };
        let artifacts = ArtifactStore::open(directory.clone()).map_err(unreadable)?;
        registry.load_from(Arc::new(LoaderHandle(jobs.clone())));
        let publisher = Publisher::new(compiler, registry, clock, artifacts, states, force, limits);
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
        let queue = WorkQueue::start(publisher.preparer(), &shared, &jobs).map_err(StartError::Thread)?;
        let watch = watched.map(|(directory, limit)| Watch::open(directory, limit, &publisher, jobs)).transpose()?;
        publisher.save_dirty();
        Ok(Self { publisher, watch, queue, loads: BTreeMap::new(), shared })
    }

    /// Does jobs until the server stops. A panic in one of them is an error of that job.
    pub(super) fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        loop {
            let all_saved = self.step();
            let pause = self.watch.as_ref().map(Watch::pause);
            let looks_again = !all_saved || !self.publisher.registry().canary_ends().is_empty();
            let pause = if looks_again { Some(pause.unwrap_or(RETRY).min(RETRY)) } else { pause };
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

    /// Has the directory read if it is time, writes what changed in memory, and ends the canaries whose time is over. Comes before
    /// every job, so that a busy queue delays none of it. Returns whether every state is on disk.
    fn step(&mut self) -> bool {
        let closing = self.shared.take_closing();
        for done in self.queue.cancel_waiting() {
            self.finish(done);
        }
        let stepped = catch("looked after its files", || {
            if let Some(watch) = &mut self.watch {
                watch.step(self.queue.has_room(Kind::File));
            }
            Ok::<_, Panicked>(self.publisher.save_dirty())
        });
        // Apart, because the gates of a version may panic, and what changed in memory is written whatever they do.
        let _ = catch("ended canaries", || {
            self.publisher.end_canaries();
            Ok::<_, Panicked>(())
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
            Job::Upload(upload) => self.begin_upload(upload),
            Job::Update { name, update, answer } => self.update(name, update, Vec::new(), answer),
            Job::Delete { name, digest, options, answer } => {
                let DeleteOptions { force, client } = &options;
                let deleted = catch("deleted a version", || {
                    self.check_deletion(&name, &digest)?;
                    publisher.delete(&name, &digest, *force, client.as_deref())
                });
                drop(answer.send(deleted));
            }
            Job::Fetch { name, digest, answer } => self.fetch(name, digest, answer),
            Job::Component { name, digest, answer } => {
                drop(answer.send(catch("read a component", || publisher.component(&name, &digest))));
            }
            Job::Changed(paths) => {
                if let Some(watch) = &mut self.watch {
                    watch.note(paths);
                }
            }
            Job::Rescan { answer } => match &mut self.watch {
                Some(watch) => watch.rescan(answer),
                None => drop(answer.send(Ok(None))),
            },
            Job::File(read) => {
                let (watch, queue) = (self.watch.as_mut(), &mut self.queue);
                let taken = catch("looked at a file", || {
                    if let Some(watch) = watch {
                        watch.take(read, publisher, queue);
                    }
                    Ok::<_, Panicked>(())
                });
                drop(taken); // the log has it
            }
            Job::Done { worker, done } => {
                self.queue.release(worker);
                self.finish(*done);
            }
            Job::Save | Job::Stop => {}
        }
    }

    /// Ends what a thread has prepared.
    fn finish(&mut self, done: Done) {
        match done {
            Done::Upload(upload, prepared) => {
                let published = catch("published a component", || self.publish_upload(&upload, prepared));
                drop(upload.answer.send(published));
            }
            Done::File(file, _) if file.is_superseded() => {}
            // The file is submitted at the next start.
            Done::File(..) if self.shared.is_stopping() => {}
            Done::File(file, prepared) => {
                let publish = |prepared| self.publisher.publish(file.submission(), prepared);
                let published = catch("published a component", || prepared.and_then(publish));
                if let Some(watch) = &mut self.watch {
                    watch.note_outcome(&file, published.err().as_ref());
                }
            }
            Done::Load(Load { name, digest, .. }, loaded) => {
                let waiting = self.loads.remove(&(name.clone(), digest)).unwrap_or_default();
                waiting.into_iter().for_each(|then| self.go_on(&name, then, loaded.clone()));
            }
        }
    }

    /// Refuses an upload, or has it prepared.
    fn begin_upload(&mut self, upload: Upload) {
        let at_once = match self.check_upload(&upload) {
            Ok(None) if self.shared.is_stopping() => Err(PublishError::Stopping),
            Ok(None) if !self.queue.has_room(Kind::Upload) => Err(busy(Kind::Upload)),
            Ok(None) => return self.queue.push(Work::Upload(upload)),
            Ok(Some(live)) => Ok(live),
            Err(error) => Err(error),
        };
        drop(upload.answer.send(at_once));
    }

    /// Checks what needs no compiler. Returns the live version if it is the same component, unless it is to be checked only.
    fn check_upload(&self, upload: &Upload) -> Result<Option<Accepted>, PublishError> {
        let Upload { name, bytes, options, .. } = upload;
        self.check_place(name, options.publish)?;
        if options.dry_run {
            return Ok(None);
        }
        let live = self.publisher.live_with(name, &digest_of(bytes));
        if live.is_some() {
            let cause = Cause { client: options.client.as_deref(), ..self.publisher.cause(UPLOAD) };
            self.publisher.clear_failure(name, cause);
        }
        Ok(live.map(|id| Accepted { id, gates: None, released: None }))
    }

    /// Checks that a logic may be uploaded. Asked again before it is published, because a file may have come meanwhile.
    fn check_place(&self, name: &LogicName, publish: bool) -> Result<(), PublishError> {
        if let Some(file) = self.watch.as_ref().and_then(|watch| watch.file_of(name)).filter(|_| publish) {
            return Err(PublishError::FromFile { name: name.clone(), file: file.display().to_string() });
        }
        let known = self.publisher.registry().all();
        if known.len() >= MAX_LOGICS && !known.contains_key(name) {
            return Err(PublishError::TooMany { limit: MAX_LOGICS });
        }
        Ok(())
    }

    /// Refuses to forget a component that the next start would take for a new one.
    fn check_deletion(&self, name: &LogicName, digest: &Digest) -> Result<(), PublishError> {
        let file = self.watch.as_ref().and_then(|watch| watch.file_with(name, digest));
        let why = match file {
            Some(file) => format!("the file {} has this component; remove it there first", file.display()),
            None if builtin::digests().contains(digest) => "it is part of the program".to_owned(),
            None => return Ok(()),
        };
        Err(PublishError::InUse { digest: hex(digest), why })
    }

    fn publish_upload(
        &self,
        upload: &Upload,
        prepared: Result<Prepared, SubmitError>,
    ) -> Result<Accepted, PublishError> {
        let (name, submission) = (&upload.name, upload.submission());
        self.check_place(name, upload.options.publish)?;
        if upload.options.dry_run {
            let checked = prepared.and_then(|prepared| self.publisher.check(submission, prepared));
            return Ok(checked?);
        }
        let published = prepared.and_then(|prepared| self.publisher.publish(submission, prepared));
        published.map_err(|error| {
            let why = error.to_string();
            let error = PublishError::from(error);
            // Only a known logic remembers what it refused. An unknown name with nothing live would stay in the registry
            // for ever.
            if error.is_about_component() && self.publisher.registry().all().contains_key(name) {
                let cause = Cause { client: submission.client, ..self.publisher.cause(UPLOAD) };
                self.publisher.refuse(name, cause, Some(digest_of(&upload.bytes)), why);
            }
            error
        })
    }

    /// Changes a rollout. Has a version loaded first that is not in memory.
    fn update(&mut self, name: LogicName, update: RolloutUpdate, loaded: Vec<Arc<Version>>, answer: Answer<()>) {
        let applied = catch("changed a rollout", || self.publisher.apply(&name, &update, &loaded));
        let failed = match applied {
            Ok(None) => return drop(answer.send(Ok(()))),
            Ok(Some(_)) if loaded.len() >= MAX_LOADED_FOR_UPDATE => {
                PublishError::Failed(format!("the versions of {name} kept changing; try again in a moment"))
            }
            Ok(Some(digest)) => match self.begin_load(&name, &digest) {
                Ok(waiting) => return waiting.push(Then::Update { update, loaded, answer }),
                Err(error) => error,
            },
            Err(error) => error,
        };
        drop(answer.send(Err(failed)));
    }

    /// Loads a version for lists that are pinned to it.
    fn fetch(&mut self, name: LogicName, digest: Digest, answer: Answer<(), String>) {
        if let Some(version) = self.publisher.loaded(&name, &digest) {
            self.publisher.add_spare(&version);
            return drop(answer.send(Ok(())));
        }
        match self.begin_load(&name, &digest) {
            Ok(waiting) => waiting.push(Then::Fetch { answer }),
            Err(error) => drop(answer.send(Err(error.to_string()))),
        }
    }

    /// Has a version loaded, unless it is being loaded for another job. Returns the jobs that wait for it.
    fn begin_load(&mut self, name: &LogicName, digest: &Digest) -> Result<&mut Vec<Then>, PublishError> {
        if self.shared.is_stopping() {
            return Err(PublishError::Stopping);
        }
        let key = (name.clone(), *digest);
        match self.loads.get(&key) {
            Some(waiting) if waiting.len() >= MAX_WAITING_FOR_VERSION => {
                return Err(PublishError::Busy { limit: MAX_WAITING_FOR_VERSION });
            }
            Some(_) => {}
            None if !self.queue.has_room(Kind::Load) => return Err(busy(Kind::Load)),
            None => {
                let source = self.publisher.source(name, digest).map_err(PublishError::Failed)?;
                self.queue.push(Work::Load(Load { name: name.clone(), digest: *digest, source }));
            }
        }
        Ok(self.loads.entry(key).or_default())
    }

    /// Goes on with a job that waited for a version.
    fn go_on(&mut self, name: &LogicName, then: Then, loaded: Result<Arc<Version>, String>) {
        match (then, loaded) {
            (Then::Fetch { answer }, loaded) => {
                let added = loaded.map(|version| self.publisher.add_spare(&version));
                drop(answer.send(added));
            }
            (Then::Update { update, loaded: mut all, answer }, Ok(version)) => {
                all.push(version);
                self.update(name.clone(), update, all, answer);
            }
            (Then::Update { answer, .. }, Err(why)) => {
                let stops = self.shared.is_stopping();
                drop(answer.send(Err(if stops { PublishError::Stopping } else { PublishError::Failed(why) })));
            }
        }
    }
}

/// The error of work for which there is no room.
fn busy(kind: Kind) -> PublishError {
    PublishError::Busy { limit: kind.limit() }
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

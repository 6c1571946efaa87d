//! Work that takes long: components to be compiled and probed, and versions to be loaded. It is done on threads of its own,
//! so that the loader's thread changes rollouts meanwhile.
//!
//! Components of the same logic are prepared one after the other, so that the one that came last becomes live last. Loading
//! has a thread of its own, so that a list does not wait for its version behind uploads.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};

use super::job::{Done, FileUpload, Job, Load, Shared, Upload, Work, catch};
use crate::list::name::LogicName;
use crate::rollout::{Preparer, Submission, UPLOAD};

/// The most components that are compiled and probed at a time.
const MAX_PREPARING: usize = 2;

/// The most versions that are loaded at a time.
const MAX_LOADING: usize = 1;

/// The bytes of waiting components from which on no more of them are taken.
const MAX_WAITING_BYTES: usize = 128 << 20;

/// A kind of work. Each has a limit of its own, so that files and uploads leave room for each other, and for the versions
/// that lists and rollbacks need.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Upload,
    File,
    Load,
}

/// The work that waits, and the threads that do it.
pub(super) struct WorkQueue {
    preparer: Arc<Preparer>,
    shared: Arc<Shared>,
    waiting: VecDeque<Work>,
    workers: Vec<Worker>,
}

/// A thread that does work of one kind.
struct Worker {
    loads: bool,
    /// The logic that the thread works for.
    busy_with: Option<LogicName>,
    work: mpsc::SyncSender<Work>,
}

impl WorkQueue {
    /// Starts the threads. They report to the loader's queue.
    pub(super) fn start(
        preparer: &Arc<Preparer>,
        shared: &Arc<Shared>,
        jobs: &mpsc::SyncSender<Job>,
    ) -> io::Result<Self> {
        let kinds = [(false, MAX_PREPARING), (true, MAX_LOADING)];
        let kinds = kinds.into_iter().flat_map(|(loads, count)| std::iter::repeat_n(loads, count));
        let start = |(worker, loads): (usize, bool)| -> io::Result<Worker> {
            let (sender, work) = mpsc::sync_channel(1);
            let (preparer, shared, jobs) = (preparer.clone(), shared.clone(), jobs.clone());
            let run = move || {
                for work in work {
                    let done = Box::new(carry_out(&preparer, &shared, work));
                    if jobs.send(Job::Done { worker, done }).is_err() {
                        return;
                    }
                }
            };
            let name = if loads { "plugin-load" } else { "plugin-check" };
            std::thread::Builder::new().name(name.into()).spawn(run)?;
            Ok(Worker { loads, busy_with: None, work: sender })
        };
        let workers = kinds.enumerate().map(start).collect::<io::Result<_>>()?;
        Ok(Self { preparer: preparer.clone(), shared: shared.clone(), waiting: VecDeque::new(), workers })
    }

    /// Whether more work of a kind may wait.
    pub(super) fn has_room(&self, kind: Kind) -> bool {
        let bytes: usize = self.waiting.iter().map(Work::bytes).sum();
        let waiting = self.waiting.iter().filter(|work| work.kind() == kind).count();
        waiting < kind.limit() && (kind == Kind::Load || bytes < MAX_WAITING_BYTES)
    }

    /// Adds work. The caller has asked whether there is room.
    pub(super) fn push(&mut self, work: Work) {
        self.waiting.push_back(work);
        self.start_next();
    }

    /// Notes that a thread has done its work, and gives it the next.
    pub(super) fn release(&mut self, worker: usize) {
        self.workers[worker].busy_with = None;
        self.start_next();
    }

    /// Takes the waiting work when the server stops, all of it cancelled.
    pub(super) fn cancel_waiting(&mut self) -> Vec<Done> {
        if !self.shared.is_stopping() {
            return Vec::new();
        }
        self.waiting.drain(..).map(|work| carry_out(&self.preparer, &self.shared, work)).collect()
    }

    fn start_next(&mut self) {
        while let Some((worker, at)) = self.next() {
            let Some(work) = self.waiting.remove(at) else { return };
            let worker = &mut self.workers[worker];
            worker.busy_with = Some(work.logic().clone());
            // An idle thread has an empty channel, and ends only after this queue.
            let _ = worker.work.try_send(work);
        }
    }

    /// An idle thread, and the first work that it may do.
    fn next(&self) -> Option<(usize, usize)> {
        let is_prepared = |logic: &LogicName| {
            self.workers.iter().any(|worker| !worker.loads && worker.busy_with.as_ref() == Some(logic))
        };
        let may_do =
            |worker: &Worker, work: &Work| worker.loads == work.loads() && (work.loads() || !is_prepared(work.logic()));
        let mut idle = self.workers.iter().enumerate().filter(|(_, worker)| worker.busy_with.is_none());
        idle.find_map(|(number, worker)| Some((number, self.waiting.iter().position(|work| may_do(worker, work))?)))
    }
}

impl Kind {
    /// The most work of this kind that waits for a thread.
    pub(super) fn limit(self) -> usize {
        match self {
            Self::Upload | Self::Load => 64,
            // The others stay on disk until it is their turn.
            Self::File => 4,
        }
    }
}

impl Work {
    fn logic(&self) -> &LogicName {
        match self {
            Self::Upload(upload) => &upload.name,
            Self::File(file) => &file.name,
            Self::Load(load) => &load.name,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Upload(_) => Kind::Upload,
            Self::File(_) => Kind::File,
            Self::Load(_) => Kind::Load,
        }
    }

    fn loads(&self) -> bool {
        self.kind() == Kind::Load
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Upload(upload) => upload.bytes.len(),
            Self::File(file) => file.bytes.len(),
            Self::Load(_) => 0,
        }
    }
}

impl Upload {
    pub(super) fn submission(&self) -> Submission<'_> {
        let options = &self.options;
        Submission {
            name: &self.name,
            bytes: &self.bytes,
            source: UPLOAD,
            client: options.client.as_deref(),
            publish: options.publish,
            force: options.force,
            lists: self.lists.as_deref(),
        }
    }
}

impl FileUpload {
    pub(super) fn submission(&self) -> Submission<'_> {
        let Self { name, bytes, source, force, .. } = self;
        Submission { name, bytes, source, client: None, publish: true, force: *force, lists: None }
    }

    pub(super) fn is_superseded(&self) -> bool {
        self.is_superseded.load(Ordering::Acquire)
    }
}

fn carry_out(preparer: &Preparer, shared: &Shared, work: Work) -> Done {
    const CHECKED: &str = "checked a component";
    let is_stopping = || shared.is_stopping();
    match work {
        Work::Upload(upload) => {
            let is_cancelled = || is_stopping() || upload.answer.is_closed();
            let prepared = catch(CHECKED, || preparer.prepare(upload.submission(), &is_cancelled));
            Done::Upload(upload, prepared)
        }
        Work::File(file) => {
            let is_cancelled = || is_stopping() || file.is_superseded();
            let prepared = catch(CHECKED, || preparer.prepare(file.submission(), &is_cancelled));
            Done::File(file, prepared)
        }
        Work::Load(load) => {
            let Load { name, digest, source, .. } = &load;
            let loaded = catch("loaded a version", || preparer.load(name, digest, source, &is_stopping));
            Done::Load(load, loaded)
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::sync::oneshot;

    use super::super::job::UploadOptions;
    use super::*;
    use crate::clock::ManualClock;
    use crate::list::Limits;
    use crate::logic::Logic;
    use crate::rollout::testing::MemoryStates;
    use crate::rollout::{ArtifactStore, CompileError, Compiler, IsCancelled, Publisher, Registry};

    struct Refuses;

    impl Compiler for Refuses {
        fn compile(&self, _: &LogicName, _: &[u8], _: IsCancelled<'_>) -> Result<Box<dyn Logic>, CompileError> {
            Err(CompileError::Cancelled)
        }
    }

    #[test]
    fn files_and_uploads_leave_room_for_each_other_and_for_versions_to_be_loaded() {
        let data = tempfile::tempdir().unwrap();
        let artifacts = ArtifactStore::open(data.path().to_owned()).unwrap();
        let (registry, clock) = (Arc::new(Registry::default()), Arc::new(ManualClock::at(1)));
        let states = Box::new(MemoryStates::default());
        let publisher = Publisher::new(Box::new(Refuses), registry, clock, artifacts, states, false, Limits::default());
        let (preparer, shared) = (publisher.preparer().clone(), Arc::default());
        // Without threads, all work waits.
        let mut queue = WorkQueue { preparer, shared, waiting: VecDeque::new(), workers: Vec::new() };
        let has_room = |queue: &WorkQueue| [Kind::File, Kind::Upload, Kind::Load].map(|kind| queue.has_room(kind));
        let name = LogicName::new("works").unwrap();
        let upload = |bytes: usize| {
            let options = UploadOptions { publish: true, ..UploadOptions::default() };
            let bytes = Bytes::from(vec![0; bytes]);
            Work::Upload(Upload { name: name.clone(), bytes, options, lists: None, answer: oneshot::channel().0 })
        };
        for _ in 0..Kind::File.limit() {
            assert_eq!(has_room(&queue), [true; 3]);
            queue.push(Work::File(FileUpload {
                name: name.clone(),
                bytes: vec![0],
                digest: [0; 32],
                source: "file works.wasm".into(),
                force: false,
                is_superseded: Arc::default(),
            }));
        }
        assert_eq!(has_room(&queue), [false, true, true]);
        (1..Kind::Upload.limit()).for_each(|_| queue.push(upload(1)));
        assert_eq!(has_room(&queue), [false, true, true]);
        queue.push(upload(1));
        assert_eq!(has_room(&queue), [false, false, true]);
        queue.waiting.clear();
        queue.push(upload(MAX_WAITING_BYTES));
        assert_eq!(has_room(&queue), [false, false, true], "uploads and files share the memory");
    }
}

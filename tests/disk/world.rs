//! A store on a simulated disk, all of whose work is done by the test's thread.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use futures_util::FutureExt;
use futures_util::future::{join_all, try_join_all};
use hotlist::list::revision::Revision;
use hotlist::store::embedded::{EmbeddedStore, LogCopier, Options, Stepper, verify};
use hotlist::store::{Commit, Health, HistoryLimits, Pending, Store, StoreError, Summary, WakeUp};
use hotlist_simulated_disk::{Disk, Image};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::model::{HISTORY, LISTS, Model, name};

/// The files that the store writes durably and without SQLite.
pub const REPLACED: &[&str] = &["last-commit"];

/// The most steps of a writer for the commits that were handed to it.
const MAX_STEPS: usize = 100;

/// A directory with its disk, while no process uses it.
pub struct Ground {
    pub dir: TempDir,
    pub disk: Disk,
}

/// A process that uses a directory.
pub struct World {
    pub ground: Ground,
    pub store: EmbeddedStore,
    stepper: Arc<Mutex<Stepper>>,
    copier: Arc<Mutex<LogCopier>>,
    runtime: Runtime,
}

/// Commits that the store has not all answered yet.
#[derive(Clone)]
pub struct Batch {
    disk: Disk,
    /// The number of acknowledged commits once these are.
    last: usize,
    answers: Arc<Mutex<Vec<Answer>>>,
}

/// The answer to a commit.
enum Answer {
    Pending(Pending<()>),
    Given(Result<(), StoreError>),
}

/// A directory in memory, where the machine has one.
pub fn temporary() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a directory can be made")
}

/// Small limits, so that compaction and spilled pages are frequent.
pub fn options(chance: &mut Rng) -> Options {
    Options {
        history: HistoryLimits { revisions: HISTORY as u64, ..HistoryLimits::default() },
        readers: 1,
        // The memory of a queue is allocated when a store is opened.
        queue: 64,
        read_queue: 64,
        batch: chance.usize(1..6),
        log_commits: chance.u64(..12),
        cache_bytes: 1 << chance.u8(15..21),
        retry: Duration::ZERO,
        now: || 0,
        ..Options::default()
    }
}

impl Ground {
    pub fn new(seed: u64) -> Self {
        let dir = temporary();
        let disk = Disk::new(dir.path(), seed, REPLACED);
        Self { dir, disk }
    }

    /// What is left after a power failure.
    pub fn after(image: &Image, seed: u64) -> Self {
        let dir = temporary();
        image.write_to(dir.path());
        let disk = Disk::new(dir.path(), seed, REPLACED);
        disk.promise(image.promised);
        Self { dir, disk }
    }

    /// What the next process finds after this one was killed.
    pub fn fork(&self) -> Self {
        let dir = temporary();
        let disk = self.disk.fork(dir.path());
        Self { dir, disk }
    }
}

impl World {
    /// Starts a process.
    pub fn start(ground: Ground, options: Options) -> Result<Self, (StoreError, Ground)> {
        let dir = ground.dir.path().canonicalize().expect("the directory exists");
        let opened = EmbeddedStore::open_stepped(&dir, options).and_then(|(store, stepper)| {
            let copier = stepper.log_copier()?.expect("the store is open");
            Ok((store, stepper, copier))
        });
        let (store, stepper, copier) = match opened {
            Ok(opened) => opened,
            Err(error) => return Err((error, ground)),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (stepper, copier) = (Arc::new(Mutex::new(stepper)), Arc::new(Mutex::new(copier)));
        Ok(Self { ground, store, stepper, copier, runtime })
    }

    /// Hands commits to the store. The last one is the number `last` of all.
    pub fn submit(&self, commits: Vec<Commit>, last: usize) -> Batch {
        let answers = commits.into_iter().map(|commit| Answer::Pending(self.store.commit(commit))).collect();
        Batch { disk: self.ground.disk.clone(), last, answers: Arc::new(Mutex::new(answers)) }
    }

    /// Does what the writer's thread does, and returns the answers.
    pub fn finish(&self, batch: &Batch) -> Vec<Result<(), StoreError>> {
        for _ in 0..MAX_STEPS {
            if let Some(answers) = batch.poll() {
                return answers;
            }
            self.step();
        }
        panic!("commits are not answered after {MAX_STEPS} steps");
    }

    /// One step of the writer.
    pub fn step(&self) {
        self.stepper.lock().unwrap().step();
    }

    /// The checks of the files, which also write the number of the last commit.
    pub fn check_files(&self) {
        self.stepper.lock().unwrap().check_files();
    }

    /// The work of the checkpoint thread.
    pub fn copy(&self) {
        self.copier.lock().unwrap().copy();
    }

    /// Lets the checkpoint thread interrupt what this thread does next.
    pub fn copy_after(&self, operations: u64) {
        let copier = self.copier.clone();
        self.ground.disk.interrupt_after(operations, move || copier.lock().unwrap().copy());
    }

    /// Lets the writer interrupt what this thread does next.
    pub fn step_after(&self, operations: u64, batch: &Batch) {
        let (stepper, batch) = (self.stepper.clone(), batch.clone());
        self.ground.disk.interrupt_after(operations, move || {
            stepper.lock().unwrap().step();
            batch.poll();
        });
    }

    /// Whether the store takes no writes until it is opened anew.
    pub fn is_poisoned(&self) -> bool {
        !matches!(self.store.health(), Health::Healthy | Health::DiskFull { .. })
    }

    /// Closes the store in order.
    pub fn close(self) -> (Result<(), StoreError>, Ground) {
        let Self { ground, store, stepper, copier, runtime } = self;
        drop(copier);
        let closed = store.close();
        while stepper.lock().unwrap().step() {}
        let closed = runtime.block_on(closed);
        drop(store);
        (closed, ground)
    }

    /// Ends the process, whose directory is of no further use.
    pub fn discard(self) {
        let Self { ground, store, stepper, copier, .. } = self;
        ground.disk.do_not_interrupt();
        ground.disk.take_images(0);
        drop(copier);
        drop(store);
        while stepper.lock().unwrap().step() {}
    }

    /// Checks that the store has the first commits of a model, at least the acknowledged ones, and nothing else. Returns their
    /// number.
    pub fn check(&self, model: &Model) -> Result<usize, String> {
        self.store.receipt_room().advance(model.now());
        self.runtime.block_on(async {
            // All reads begin before the first is awaited, because each wait costs two switches of threads.
            let reads: Vec<_> = (0..LISTS).map(|list| self.store.load(&name(list))).collect();
            let histories: Vec<_> = (0..LISTS).map(|list| self.store.history(&name(list), 0, 100)).collect();
            let rest = (self.store.due(u64::MAX >> 1, None, 100), self.store.page(None, 100));
            let stored = try_join_all(reads).await.map_err(|error| error.to_string())?;
            let fits = |list: u64, count| stored[list as usize] == model.at(list, count).stored(model.now());
            let counts = (model.acknowledged..=model.len()).rev();
            let count = counts.into_iter().find(|count| (0..LISTS).all(|list| fits(list, *count)));
            let Some(count) = count else {
                let revisions = |count| (0..LISTS).map(move |list| model.at(list, count).list.revision());
                return Err(format!(
                    "the lists are at revisions {:?}, which is none of the {} states from {:?} to {:?}",
                    stored.iter().map(|stored| stored.list.revision()).collect::<Vec<_>>(),
                    model.len() + 1 - model.acknowledged,
                    revisions(model.acknowledged).collect::<Vec<_>>(),
                    revisions(model.len()).collect::<Vec<_>>(),
                ));
            };
            let (histories, due, page) = (join_all(histories).await, rest.0.await, rest.1.await);
            self.check_rest(model, count, histories, &due, page).map(|()| count)
        })
    }

    /// Checks histories, timers, pages and accounts.
    fn check_rest(
        &self,
        model: &Model,
        count: usize,
        histories: Vec<Result<Vec<Arc<Revision>>, StoreError>>,
        due: &Result<Vec<WakeUp>, StoreError>,
        listed: Result<Vec<Summary>, StoreError>,
    ) -> Result<(), String> {
        let (mut page, mut timers, mut receipt_bytes) = (Vec::new(), Vec::new(), 0);
        for (list, history) in (0..LISTS).zip(histories) {
            let version = model.at(list, count);
            if history.as_ref() != Ok(&version.history) {
                let numbers = |all: &[Arc<Revision>]| all.iter().map(|one| one.number).collect::<Vec<_>>();
                let found = history.map(|all| numbers(&all));
                return Err(format!("list {list} has the history {found:?}, not {:?}", numbers(&version.history)));
            }
            page.extend(version.list.exists().then(|| name(list)));
            timers.extend(version.wake_up.map(|at| WakeUp { at, name: name(list) }));
            let receipts = version.stored(model.now()).receipts;
            receipt_bytes += receipts.iter().map(|receipt| receipt.bytes() as u64).sum::<u64>();
        }
        timers.sort();
        expect("timers", due, &Ok(timers))?;
        let lists = listed.map(|lines| lines.into_iter().map(|line| line.name).collect());
        expect("lists", &lists, &Ok(page))?;
        expect("bytes of receipts", &self.store.receipt_room().used(), &receipt_bytes)
    }

    /// Checks every page and row.
    pub fn verify(&self) -> Result<(), String> {
        let found = verify(self.ground.dir.path(), &mut |_, _| ()).map_err(|error| error.to_string())?;
        if found.is_sound() { Ok(()) } else { Err(format!("{:?}", found.findings)) }
    }
}

impl Batch {
    /// The answers, if all are there. The disk then promises what was acknowledged.
    fn poll(&self) -> Option<Vec<Result<(), StoreError>>> {
        let mut answers = self.answers.lock().unwrap();
        for answer in answers.iter_mut() {
            if let Answer::Pending(pending) = answer
                && let Some(given) = pending.now_or_never()
            {
                *answer = Answer::Given(given);
            }
        }
        let given = |answer: &Answer| match answer {
            Answer::Given(given) => Some(given.clone()),
            Answer::Pending(_) => None,
        };
        let all: Option<Vec<_>> = answers.iter().map(given).collect();
        if all.as_ref().is_some_and(|all| all.iter().all(Result::is_ok)) {
            self.disk.promise(self.last as u64);
        }
        all
    }
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?}, not {expected:?}")) }
}

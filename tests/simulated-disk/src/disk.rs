//! The directory that a disk holds: its names, its files, its failures, and the images of power failures.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use fastrand::Rng;

use crate::file::{SECTOR_BYTES, SimulatedFile};
use crate::image::{Counts, Image};

/// The disks of this process, by directory.
static DISKS: LazyLock<Mutex<BTreeMap<PathBuf, Weak<Mutex<State>>>>> = LazyLock::new(Mutex::default);

/// The shared memory of SQLite is never durable, so an image has anything under names that end like this.
const SHARED_MEMORY: &str = "-shm";

/// A simulated disk, which holds one directory.
#[derive(Clone)]
pub struct Disk(Arc<Mutex<State>>);

/// A failure of a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A synchronization fails once, and the pages count as clean from then on.
    FailedSync,
    /// A write fails once. The whole sectors in the first half of what was to be written are on the disk.
    FailedWrite,
    /// Synchronizations succeed and do nothing, from then on.
    IgnoredSyncs,
}

/// The number of a file, as an inode has one.
pub(crate) type FileId = u64;

/// What is to happen at an operation.
type Action = Box<dyn FnOnce() + Send>;

struct State {
    dir: PathBuf,
    chance: Rng,
    files: BTreeMap<FileId, SimulatedFile>,
    /// The names as they are.
    names: BTreeMap<String, FileId>,
    /// The names as they are on the disk.
    durable_names: BTreeMap<String, FileId>,
    /// The changes between the two: a new name has the number of its file.
    renamed: Vec<(String, Option<FileId>)>,
    next_id: FileId,
    /// Files that are replaced without SQLite, durably: their content, and the content before the last replacement.
    replaced: BTreeMap<&'static str, [Option<Vec<u8>>; 2]>,
    counts: Counts,
    promised: u64,
    /// How many of a thousand operations give an image.
    images_per_mille: u16,
    images: Vec<Image>,
    /// The faults to come, each with the number of its kind of operation that are left before it.
    faults: Vec<(Fault, u64)>,
    ignores_syncs: bool,
    /// How many bytes the files may still grow by.
    room: Option<usize>,
    /// Runs before the operation of that number.
    action: Option<(u64, Action)>,
}

/// An open file of a disk.
pub(crate) struct OpenFile {
    disk: Disk,
    id: FileId,
    name: String,
    /// Whether SQLite synchronizes the directory with the first synchronization of the file.
    syncs_directory: bool,
    /// How many failed synchronizations of the file are known here. Linux reports a failure once to each open file.
    known_failures: u64,
}

/// Why an operation fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    Failed,
    Full,
}

impl fmt::Debug for Disk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Disk({})", self.state().dir.display())
    }
}

impl Disk {
    /// A disk with a directory and its files, which are durable. The files in `replaced` are those that the program writes
    /// durably and without SQLite.
    ///
    /// # Panics
    ///
    /// When the directory cannot be read.
    pub fn new(dir: &Path, seed: u64, replaced: &[&'static str]) -> Self {
        let dir = dir.canonicalize().expect("the directory exists");
        let mut state = State::new(dir.clone(), seed);
        for name in replaced {
            state.replaced.insert(name, [None, fs::read(dir.join(name)).ok()]);
        }
        for entry in fs::read_dir(&dir).expect("the directory can be read") {
            let name = entry.expect("an entry can be read").file_name().to_string_lossy().into_owned();
            if !name.ends_with(SHARED_MEMORY) && !state.replaced.contains_key(name.as_str()) {
                let file = SimulatedFile::durable(fs::read(dir.join(&name)).expect("a file can be read"));
                let id = state.new_file(file);
                state.names.insert(name, id);
            }
        }
        state.durable_names = state.names.clone();
        Self::register(dir, state)
    }

    /// The same disk after its process was killed: in a new, empty directory, and with everything that was not yet durable.
    ///
    /// # Panics
    ///
    /// When the files cannot be copied.
    pub fn fork(&self, dir: &Path) -> Self {
        let dir = dir.canonicalize().expect("the directory exists");
        let mut old = self.state();
        let seed = old.chance.u64(..);
        let mut state = State::new(dir.clone(), seed);
        for name in old.names.keys().map(String::as_str).chain(old.replaced.keys().copied()) {
            if old.dir.join(name).exists() {
                fs::copy(old.dir.join(name), dir.join(name)).expect("a file can be copied");
            }
        }
        state.files = old.files.clone();
        state.names = old.names.clone();
        state.durable_names = old.durable_names.clone();
        state.renamed = old.renamed.clone();
        state.next_id = old.next_id;
        state.replaced = old.replaced.clone();
        state.counts.trace = old.counts.trace;
        state.promised = old.promised;
        state.ignores_syncs = old.ignores_syncs;
        drop(old);
        Self::register(dir, state)
    }

    fn register(dir: PathBuf, state: State) -> Self {
        let state = Arc::new(Mutex::new(state));
        let mut disks = lock(&DISKS);
        disks.retain(|_, disk| disk.strong_count() > 0);
        disks.insert(dir, Arc::downgrade(&state));
        Self(state)
    }

    /// The disk that holds the file at a path.
    pub(crate) fn of(path: &str) -> Option<(Self, String)> {
        let (dir, name) = path.rsplit_once('/')?;
        let disk = lock(&DISKS).get(Path::new(dir))?.upgrade()?;
        Some((Self(disk), name.to_owned()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// What a power failure now may leave.
    pub fn image(&self) -> Image {
        self.state().image()
    }

    /// Takes an image at a share of all operations from now on, in a thousandth.
    pub fn take_images(&self, per_mille: u16) {
        self.state().images_per_mille = per_mille;
    }

    /// The images since the last call.
    pub fn taken_images(&self) -> Vec<Image> {
        std::mem::take(&mut self.state().images)
    }

    /// Sets the number that the images have from now on.
    pub fn promise(&self, promised: u64) {
        self.state().promised = promised;
    }

    /// Fails after a number of operations of the kind of the fault.
    pub fn fail_after(&self, fault: Fault, operations: u64) {
        self.state().faults.push((fault, operations));
    }

    /// Lets all files together grow by a number of bytes only.
    pub fn limit_room(&self, bytes: Option<usize>) {
        self.state().room = bytes;
    }

    /// Fails no more.
    pub fn repair(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.room = None;
    }

    /// Runs an action before an operation, after a number of operations. The action may use the disk.
    pub fn interrupt_after(&self, operations: u64, action: impl FnOnce() + Send + 'static) {
        let mut state = self.state();
        state.action = Some((state.counts.operations + operations, Box::new(action)));
    }

    /// Forgets an action that has not run.
    pub fn do_not_interrupt(&self) {
        let action = self.state().action.take();
        drop(action);
    }

    /// What the disk has seen.
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// Begins an operation: takes an image before it, and runs what is to run there.
    pub(crate) fn interrupt(&self) {
        let due = {
            let mut state = self.state();
            if state.images_per_mille > 0 && state.chance.u16(..1_000) < state.images_per_mille {
                let image = state.image();
                state.images.push(image);
            }
            let operations = state.counts.operations;
            state.action.take_if(|(at, _)| *at <= operations)
        };
        if let Some((_, action)) = due {
            action();
        }
    }

    /// Opens a file, which was created if the disk does not have its name.
    pub(crate) fn open(&self, name: String, syncs_directory: bool) -> OpenFile {
        let mut state = self.state();
        let id = match state.names.get(&name) {
            Some(id) => *id,
            None => {
                let id = state.new_file(SimulatedFile::default());
                state.record(("created", &name, 0, 0));
                state.names.insert(name.clone(), id);
                state.renamed.push((name.clone(), Some(id)));
                id
            }
        };
        let known_failures = state.files[&id].failures();
        OpenFile { disk: self.clone(), id, name, syncs_directory, known_failures }
    }

    /// Notes that a name was removed.
    pub(crate) fn removed(&self, name: &str, is_synced: bool) {
        let mut state = self.state();
        state.record(("removed", name, usize::from(is_synced), 0));
        state.names.remove(name);
        state.renamed.push((name.to_owned(), None));
        if is_synced {
            state.sync_directory();
        }
    }
}

impl OpenFile {
    pub(crate) fn interrupt(&self) {
        self.disk.interrupt();
    }

    /// How many bytes of a write to carry out, and why not all of them.
    pub(crate) fn allow_write(&self, offset: usize, count: usize) -> (usize, Option<Refused>) {
        let mut state = self.disk.state();
        if state.is_due(Fault::FailedWrite) {
            state.counts.failed_writes += 1;
            let end = (offset + count / 2) / SECTOR_BYTES * SECTOR_BYTES;
            return (end.saturating_sub(offset), Some(Refused::Failed));
        }
        let Some(room) = state.room else { return (count, None) };
        let size = state.files[&self.id].current().len();
        let growth = (offset + count).saturating_sub(size);
        if growth <= room {
            state.room = Some(room - growth);
            return (count, None);
        }
        state.counts.failed_writes += 1;
        state.room = Some(0);
        ((size + room).saturating_sub(offset).min(count), Some(Refused::Full))
    }

    pub(crate) fn written(&self, offset: usize, bytes: &[u8]) {
        let mut state = self.disk.state();
        state.record(("written", &self.name, offset, bytes.len()));
        state.file(self.id).write(offset, bytes);
    }

    pub(crate) fn resized(&self, size: usize) {
        let mut state = self.disk.state();
        state.record(("resized", &self.name, size, 0));
        state.file(self.id).resize(size);
    }

    /// Synchronizes the file, or fails and lies.
    pub(crate) fn sync(&mut self) -> Result<(), Refused> {
        let mut state = self.disk.state();
        state.record(("synchronized", &self.name, 0, 0));
        state.counts.syncs += 1;
        if state.is_due(Fault::FailedSync) {
            state.file(self.id).fail_sync();
        }
        state.ignores_syncs |= state.is_due(Fault::IgnoredSyncs);
        if state.ignores_syncs {
            return Ok(());
        }
        let file = state.file(self.id);
        file.sync();
        let failures = file.failures();
        if std::mem::replace(&mut self.known_failures, failures) < failures {
            state.counts.failed_syncs += 1;
            return Err(Refused::Failed);
        }
        if std::mem::take(&mut self.syncs_directory) {
            state.sync_directory();
        }
        Ok(())
    }
}

impl State {
    fn new(dir: PathBuf, seed: u64) -> Self {
        Self {
            dir,
            chance: Rng::with_seed(seed),
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            renamed: Vec::new(),
            next_id: 1,
            replaced: BTreeMap::new(),
            counts: Counts::default(),
            promised: 0,
            images_per_mille: 0,
            images: Vec::new(),
            faults: Vec::new(),
            ignores_syncs: false,
            room: None,
            action: None,
        }
    }

    fn new_file(&mut self, file: SimulatedFile) -> FileId {
        let id = self.next_id;
        self.next_id += 1;
        self.files.insert(id, file);
        id
    }

    fn file(&mut self, id: FileId) -> &mut SimulatedFile {
        self.files.get_mut(&id).expect("a file stays while its disk does")
    }

    /// Counts an operation: what was done, to which file, and where.
    fn record(&mut self, operation: (&str, &str, usize, usize)) {
        self.counts.operations += 1;
        let mut hasher = DefaultHasher::new();
        (self.counts.trace, operation).hash(&mut hasher);
        self.counts.trace = hasher.finish();
    }

    /// Counts an operation of a fault's kind. Returns whether the fault happens now.
    fn is_due(&mut self, fault: Fault) -> bool {
        let Some(at) = self.faults.iter().position(|(kind, _)| *kind == fault) else { return false };
        match self.faults[at].1.checked_sub(1) {
            Some(left) => {
                self.faults[at].1 = left;
                false
            }
            None => {
                self.faults.remove(at);
                true
            }
        }
    }

    fn sync_directory(&mut self) {
        self.renamed.clear();
        self.durable_names = self.names.clone();
    }

    fn image(&mut self) -> Image {
        let mut names = self.durable_names.clone();
        // A journal of the file system keeps the order of the changes.
        let kept = self.chance.usize(..=self.renamed.len());
        for (name, id) in &self.renamed[..kept] {
            match id {
                Some(id) => drop(names.insert(name.clone(), *id)),
                None => drop(names.remove(name)),
            }
        }
        let mut files = BTreeMap::new();
        for (name, id) in names {
            files.insert(name, self.files[&id].image(&mut self.chance, &mut self.counts.fates));
        }
        for (name, contents) in &mut self.replaced {
            let content = fs::read(self.dir.join(name)).ok();
            if contents[1] != content {
                contents.swap(0, 1);
                contents[1] = content;
            }
            // The last replacement may be as good as lost, if the directory was not yet synchronized.
            let found = if self.chance.u8(..4) == 0 { &contents[0] } else { &contents[1] };
            found.iter().for_each(|found| drop(files.insert((*name).to_owned(), found.clone())));
        }
        self.leave_shared_memory(&mut files);
        Image { files, operation: self.counts.operations, promised: self.promised }
    }

    /// Leaves the shared memory as it is, or damaged, or not at all.
    fn leave_shared_memory(&mut self, files: &mut BTreeMap<String, Vec<u8>>) {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<_> = names.filter(|name| name.ends_with(SHARED_MEMORY)).collect();
        names.sort();
        for name in names {
            let choice = self.chance.u8(..4);
            let Ok(mut bytes) = fs::read(self.dir.join(&name)) else { continue };
            if choice == 0 && !bytes.is_empty() {
                let at = self.chance.usize(..bytes.len().min(256));
                bytes[at] ^= 1;
            }
            if choice < 2 {
                files.insert(name, bytes);
            }
        }
    }
}

/// Notes that the program wrote all bytes of a file once more, and synchronized it, without SQLite.
///
/// # Panics
///
/// When the file cannot be read.
pub fn rewritten(path: &Path) {
    let Some((disk, name)) = path.to_str().and_then(Disk::of) else { return };
    let mut state = disk.state();
    let Some(&id) = state.names.get(&name) else { return };
    let bytes = fs::read(path).expect("the file can be read");
    state.record(("rewritten", &name, 0, bytes.len()));
    state.files.insert(id, SimulatedFile::durable(bytes));
}

/// Locks a mutex also after a test has panicked with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

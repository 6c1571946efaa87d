//! The thread that reads the watched directory and its files.
//!
//! A file system may not answer, so no other thread waits for one without a limit. A file is opened by the path that its
//! links lead to, without following another link and without waiting for the other end of a pipe. What was opened is then
//! judged by its handle. So it does not matter that a file is replaced by something else meanwhile.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use super::directory;
use crate::list::name::LogicName;

/// How long the directory or a file of it may take to be read. The thread is not waited for any longer.
pub(super) const READ_LIMIT: Duration = Duration::from_secs(10);

/// What the file system knows of a file. A file with another stamp may have changed. Size and modification time do not say so
/// alone: what unpacks an archive or builds an image often gives all files the same time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    pub(super) bytes: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// The same of the last change of the file or of what is known of it, which no program can set.
    changed: (i64, i64),
    identity: FileIdentity,
}

/// Device and number of a file or directory.
pub(super) type FileIdentity = (u64, u64);

/// What a look at the directory found.
pub(super) struct Listing {
    /// The directory, without links.
    pub(super) directory: PathBuf,
    pub(super) identity: FileIdentity,
    /// The files whose names are those of logics, sorted by name.
    pub(super) found: Vec<Found>,
    /// The names of files that look like components, and are not the names of logics.
    pub(super) passed_over: BTreeSet<String>,
}

/// The most files that a listing names as passed over.
const MAX_PASSED_OVER: usize = 100;

/// A file of the directory whose name is that of a logic. It has a stamp if it is a regular file.
pub(super) struct Found {
    pub(super) name: LogicName,
    pub(super) path: PathBuf,
    pub(super) stamp: Option<Stamp>,
}

/// A regular file that was listed.
pub(super) struct Listed {
    pub(super) name: LogicName,
    pub(super) path: PathBuf,
    pub(super) stamp: Stamp,
    /// Whether an event named it.
    pub(super) is_named: bool,
}

/// What the thread is asked to read.
pub(super) enum Request {
    List(PathBuf),
    Read(Listed),
}

/// What the thread has read.
pub(super) enum FileAnswer {
    Listed(io::Result<Listing>),
    /// A file with its stamp and its bytes, of which one is too many if it is too large. `None` is no regular file.
    Read {
        file: Listed,
        content: io::Result<Option<(Stamp, Vec<u8>)>>,
    },
}

/// Where an answer goes.
type Answer = Box<dyn FnOnce(FileAnswer) + Send>;

/// Handle to the thread, which ends when the handle is dropped and it has answered.
pub(super) struct FileReader(mpsc::Sender<(Request, Answer)>);

impl FileReader {
    /// Starts the thread. It reads at most one byte more than `limit` of a file.
    pub(super) fn start(limit: usize) -> io::Result<Self> {
        let (requests, waiting) = mpsc::channel::<(Request, Answer)>();
        let run = move || {
            for (request, answer) in waiting {
                answer(match request {
                    Request::List(directory) => FileAnswer::Listed(list(&directory)),
                    Request::Read(file) => {
                        let content = read(&file.path, limit);
                        FileAnswer::Read { file, content }
                    }
                });
            }
        };
        std::thread::Builder::new().name("plugin-files".into()).spawn(run)?;
        Ok(Self(requests))
    }

    /// Asks for something. The caller asks for one thing at a time.
    pub(super) fn ask(&self, request: Request, answer: impl FnOnce(FileAnswer) + Send + 'static) {
        // The thread lives as long as this handle.
        let _ = self.0.send((request, Box::new(answer)));
    }

    /// Asks and waits for the answer, at most [`READ_LIMIT`].
    pub(super) fn ask_and_wait(&self, request: Request) -> io::Result<FileAnswer> {
        let (sender, answer) = mpsc::channel();
        self.ask(request, move |answer| drop(sender.send(answer)));
        answer.recv_timeout(READ_LIMIT).map_err(|_| not_answered())
    }
}

/// The error of a file system that does not answer.
pub(super) fn not_answered() -> io::Error {
    let why = format!("the file system did not answer within {} s", READ_LIMIT.as_secs());
    io::Error::new(io::ErrorKind::TimedOut, why)
}

/// The `NAME.wasm` files of the directory that a path leads to now. Who may write in it is checked each time, because a link may
/// lead to another directory by now.
fn list(path: &Path) -> io::Result<Listing> {
    let directory = fs::canonicalize(path)?;
    directory::check(&directory).map_err(|why| io::Error::other(format!("it is not safe, {why}")))?;
    let identity = identity(&fs::metadata(&directory)?);
    let mut listing = Listing { directory, identity, found: Vec::new(), passed_over: BTreeSet::new() };
    for entry in fs::read_dir(&listing.directory)? {
        let path = entry?.path();
        let is_component = path.extension().is_some_and(|extension| extension == "wasm");
        let name = path.file_stem().and_then(|stem| LogicName::new(stem.to_str()?).ok());
        if let Some(name) = name.filter(|_| is_component) {
            // A file that was just renamed is found when its name is back.
            let stamp = fs::metadata(&path).ok().filter(Metadata::is_file).map(|file| stamp(&file));
            listing.found.push(Found { name, path, stamp });
        } else if let Some(file) = passed_over(&path).filter(|_| listing.passed_over.len() < MAX_PASSED_OVER) {
            listing.passed_over.insert(file);
        }
    }
    listing.found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(listing)
}

/// The name of a file that a user may take for a component. Hidden files belong to editors and to programs that copy.
fn passed_over(path: &Path) -> Option<String> {
    let is_component = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wasm"));
    let file = path.file_name()?.to_string_lossy();
    (is_component && !file.starts_with(['.', '#', '~'])).then(|| file.into_owned())
}

/// A name for a file that is passed over because of its name.
pub(super) fn suggestion(file: &str) -> String {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = stem.chars().map(letter).collect();
    let name = name.trim_matches('-');
    let name = LogicName::new(name).map_or_else(|_| "my-rules".to_owned(), |name| name.as_str().to_owned());
    format!("{name}.wasm")
}

fn read(path: &Path, limit: usize) -> io::Result<Option<(Stamp, Vec<u8>)>> {
    let target = fs::canonicalize(path)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(target, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some((stamp(&metadata), bytes)))
}

pub(super) fn stamp(file: &Metadata) -> Stamp {
    Stamp {
        bytes: file.len(),
        modified: (file.mtime(), file.mtime_nsec()),
        changed: (file.ctime(), file.ctime_nsec()),
        identity: identity(file),
    }
}

fn identity(file: &Metadata) -> FileIdentity {
    (file.dev(), file.ino())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_pipe_is_neither_waited_for_nor_a_component_and_a_link_leads_to_its_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        assert!(Command::new("mkfifo").arg(path("pipe.wasm")).status().expect("mkfifo runs").success());
        assert!(read(&path("pipe.wasm"), 10).expect("it is opened").is_none());
        fs::create_dir(path("..2026")).expect("it is made");
        fs::write(path("..2026/rules.wasm"), b"component").expect("it is written");
        symlink("..2026", path("..data")).expect("it is made");
        symlink("..data/rules.wasm", path("rules.wasm")).expect("it is made");
        let (stamp, bytes) = read(&path("rules.wasm"), 10).expect("it is read").expect("it is a file");
        assert_eq!((stamp.bytes, bytes.as_slice()), (9, &b"component"[..]));
        assert_eq!(read(&path("rules.wasm"), 3).expect("it is read").expect("it is a file").1, b"comp");
        read(&path("gone.wasm"), 10).expect_err("there is none");
        let listing = list(directory.path()).expect("it is read");
        let found: Vec<_> =
            listing.found.iter().map(|found| (found.name.as_str(), found.stamp == Some(stamp))).collect();
        assert_eq!(found, [("pipe", false), ("rules", true)]);
    }

    #[test]
    fn a_file_that_is_replaced_by_one_of_the_same_size_and_time_has_another_stamp() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        let time = fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
        for (release, content) in [("1", b"one"), ("2", b"two")] {
            fs::create_dir(path(release)).expect("it is made");
            let file = path(release).join("rules.wasm");
            fs::write(&file, content).expect("it is written");
            File::options().write(true).open(file).and_then(|file| file.set_times(time)).expect("the time is set");
        }
        let found = |release: &str| {
            drop(fs::remove_file(path("current")));
            symlink(release, path("current")).expect("it is made");
            let listing = list(&path("current")).expect("it is read");
            assert_eq!(listing.directory, fs::canonicalize(path(release)).expect("it is there"));
            listing.found[0].stamp.expect("a file")
        };
        assert_ne!(found("1"), found("2"));
        assert_eq!(found("1"), found("1"));
    }

    #[test]
    fn a_component_whose_name_is_none_for_a_logic_is_passed_over_and_gets_a_name_that_is_one() {
        let directory = tempfile::tempdir().expect("a directory");
        for file in ["my_rules.wasm", "Todo.wasm", "x.WASM", ".x.wasm.swp", ".hidden.wasm", "notes.txt", "todo.wasm"] {
            fs::write(directory.path().join(file), b"component").expect("it is written");
        }
        let listing = list(directory.path()).expect("it is read");
        let named: Vec<_> = listing.passed_over.iter().map(|file| (&**file, suggestion(file))).collect();
        let expected = [("Todo.wasm", "todo.wasm"), ("my_rules.wasm", "my-rules.wasm"), ("x.WASM", "x.wasm")];
        assert_eq!(named, expected.map(|(file, name)| (file, name.to_owned())));
        assert_eq!(listing.found.len(), 1);
        assert_eq!(suggestion("42.wasm"), "my-rules.wasm");
    }
}

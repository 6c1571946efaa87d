//! The thread that reads the watched directory and its files.
//!
//! A file system may not answer, so no other thread waits for one without a limit. A file is opened by the path that its
//! links lead to, without following another link and without waiting for the other end of a pipe. What was opened is then
//! judged by its handle. So it does not matter that a file is replaced by something else meanwhile.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use rustix::fs::{Mode, OFlags};

use crate::list::name::LogicName;

/// How long the directory or a file of it may take to be read. The thread is not waited for any longer.
pub(super) const READ_LIMIT: Duration = Duration::from_secs(10);

/// Size, modification time and number of a file. A file with another stamp may have changed.
pub(super) type Stamp = (u64, Option<SystemTime>, u64);

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
    Listed(io::Result<Vec<Found>>),
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

/// The `NAME.wasm` files of a directory whose stem is the name of a logic, sorted by name.
fn list(directory: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm")
            && let Some(name) = path.file_stem().and_then(|stem| LogicName::new(stem.to_str()?).ok())
        {
            // A file that was just renamed is found when its name is back.
            let stamp = fs::metadata(&path).ok().filter(Metadata::is_file).map(|file| stamp(&file));
            found.push(Found { name, path, stamp });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
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

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.len(), metadata.modified().ok(), metadata.ino())
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
        assert_eq!((stamp.0, bytes.as_slice()), (9, &b"component"[..]));
        assert_eq!(read(&path("rules.wasm"), 3).expect("it is read").expect("it is a file").1, b"comp");
        read(&path("gone.wasm"), 10).expect_err("there is none");
        let found = list(directory.path()).expect("it is read");
        let found: Vec<_> = found.iter().map(|found| (found.name.as_str(), found.stamp == Some(stamp))).collect();
        assert_eq!(found, [("pipe", false), ("rules", true)]);
    }
}

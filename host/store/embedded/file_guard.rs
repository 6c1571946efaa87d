//! A thread that checks once a second that the files of the store are at their places, and remembers the last commit.
//!
//! A process goes on writing into a file that was removed, moved or replaced, and no start finds what it writes. SQLite
//! does not notice. So the thread compares each path with the file that was opened, and poisons the store when they
//! differ. The thread is not the writer's, so no commit waits for a slow look at a path.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use super::last_commit;
use super::lifecycle::{self, Lifecycle};
use super::lock;
use super::schema;
use crate::store::error::StoreError;

/// The time between two checks, which bounds what is acknowledged after a file was removed.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// The handle of the thread.
pub(super) struct FileGuard {
    #[cfg_attr(not(feature = "failpoints"), expect(dead_code, reason = "only the thread makes rounds"))]
    rounds: Arc<Mutex<Rounds>>,
    stop: SyncSender<()>,
    thread: JoinHandle<()>,
}

/// A file or directory that the store opened.
struct OpenedFile {
    path: PathBuf,
    /// The device and the inode, which are not given to another file while this one is open.
    identity: (u64, u64),
}

/// The state of the thread.
struct Rounds {
    dir: PathBuf,
    files: Vec<OpenedFile>,
    /// The size of one of the files is a metric.
    log: PathBuf,
    /// Keeps the inode of the directory. The other files are open elsewhere.
    _directory: File,
    lifecycle: Arc<Lifecycle>,
    /// The number in the file of the last commit.
    remembered: Option<u64>,
    /// Whether the last round could not be carried out, which is logged once.
    has_failed: bool,
}

impl FileGuard {
    /// Starts the thread. The files exist, and the store has opened them.
    pub(super) fn start(dir: &Path, interval: Duration, lifecycle: &Arc<Lifecycle>) -> Result<Self, StoreError> {
        let rounds = Rounds::new(dir, lifecycle.clone()).map_err(|error| StoreError::Failed {
            what: format!("read the files of {}", dir.display()),
            why: error.to_string(),
        })?;
        let rounds = Arc::new(Mutex::new(rounds));
        let (stop, stops) = sync_channel(1);
        let shared = rounds.clone();
        let thread = lifecycle::spawn("store-files", lifecycle, move || run(&shared, interval, &stops))?;
        Ok(Self { rounds, stop, thread })
    }

    /// Checks the files now.
    #[cfg(feature = "failpoints")]
    pub(super) fn round(&self) {
        self.rounds.lock().round();
    }

    /// Ends the thread after a last round.
    pub(super) fn stop(self) {
        drop(self.stop);
        // A panic on the thread has poisoned the store.
        let _ = self.thread.join();
    }
}

fn run(rounds: &Mutex<Rounds>, interval: Duration, stops: &Receiver<()>) {
    while let Err(RecvTimeoutError::Timeout) = stops.recv_timeout(interval) {
        rounds.lock().round();
    }
    rounds.lock().round();
}

impl Rounds {
    fn new(dir: &Path, lifecycle: Arc<Lifecycle>) -> io::Result<Self> {
        let log = dir.join(schema::WAL_FILE);
        let paths = [dir.to_path_buf(), dir.join(schema::FILE), log.clone(), dir.join(lock::LOCK_FILE)];
        let opened = |path: PathBuf| fs::metadata(&path).map(|found| OpenedFile { identity: identity(&found), path });
        let files = paths.into_iter().map(opened).collect::<io::Result<_>>()?;
        let _directory = File::open(dir)?;
        Ok(Self { dir: dir.to_path_buf(), files, log, _directory, lifecycle, remembered: None, has_failed: false })
    }

    /// Checks the files, then remembers the last commit. After a file was lost the number is not written, because the
    /// directory may be another one.
    fn round(&mut self) {
        if self.lifecycle.has_lost_files() {
            return;
        }
        let outcome = self.check_files().and_then(|lost| match lost {
            Some(why) => {
                self.lifecycle.files_replaced(why);
                Ok(())
            }
            None => self.remember(),
        });
        match outcome {
            Ok(()) => self.has_failed = false,
            Err(error) if !self.has_failed => {
                self.has_failed = true;
                let directory = self.dir.display();
                tracing::warn!(%error, "the files in {directory} cannot be checked, or {} not be written", last_commit::FILE);
            }
            Err(_) => {}
        }
    }

    /// Says which file was lost, if one was. An error means that this is not known.
    fn check_files(&self) -> io::Result<Option<String>> {
        for file in &self.files {
            let what = match fs::metadata(&file.path) {
                Ok(found) if identity(&found) == file.identity => {
                    if file.path == self.log {
                        self.lifecycle.set_log_bytes(found.len());
                    }
                    continue;
                }
                Ok(_) => "is another file than the one that this server opened",
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    "is missing"
                }
                Err(error) => return Err(error),
            };
            let advice = "the last changes may be in no file of the directory, so read the lists from this server \
                          before you stop it";
            return Ok(Some(format!("{} {what}; {advice}", file.path.display())));
        }
        Ok(None)
    }

    fn remember(&mut self) -> io::Result<()> {
        let last = self.lifecycle.last_acknowledged();
        if self.remembered != Some(last) {
            last_commit::write(&self.dir, last)?;
            self.remembered = Some(last);
        }
        Ok(())
    }
}

fn identity(found: &fs::Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

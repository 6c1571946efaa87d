//! Watches a project for edits.
//!
//! Events only say when to look; what counts is the digest of the author's files. So it does not matter how an editor
//! saves a file. A build, a log or a store that writes into the project is no edit.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::build::Project;

/// How long a project must be quiet before it is read. The several writes of an editor become one edit.
const DEBOUNCE: Duration = Duration::from_millis(20);

/// How often to read the project without an event, for file systems that send none.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// The most events that wait. Further ones are dropped, because a waiting event causes a look anyway.
const MAX_EVENTS: usize = 64;

/// How long files of a project may be missing while they are saved.
const GRACE_PERIOD: Duration = Duration::from_secs(1);

/// Why no edit can be seen.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The project cannot be read, which is returned once. An edit is seen as soon as it can be.
    #[error("the project cannot be read, so no edit is seen: {0}")]
    Unreadable(#[source] io::Error),
    /// The watcher ended.
    #[error("the watcher ended")]
    Ended,
}

/// A project that is watched for edits.
pub struct ProjectWatcher {
    project: Project,
    /// The digest of the files at the last look.
    digest: [u8; 32],
    /// The time of the last look.
    looked_at: Instant,
    /// Since when the project cannot be read, and whether that was returned.
    unreadable: Option<(Instant, bool)>,
    events: mpsc::Receiver<Instant>,
    /// Sends events until it is dropped.
    _watcher: RecommendedWatcher,
}

impl ProjectWatcher {
    /// Watches a project. Its present content is not an edit.
    pub fn watch(project: Project) -> io::Result<Self> {
        let (event_sender, events) = mpsc::sync_channel(MAX_EVENTS);
        let watched = project.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let is_edit = event.is_ok_and(|event| {
                !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(|path| watched.has(path))
            });
            if is_edit {
                let _ = event_sender.try_send(Instant::now()); // See MAX_EVENTS.
            }
        })
        .map_err(io::Error::other)?;
        // Not the whole folder: build output and installed packages in it have tens of thousands of files.
        watcher.watch(project.dir(), RecursiveMode::NonRecursive).map_err(io::Error::other)?;
        for folder in project.folders()? {
            watcher.watch(&folder, RecursiveMode::Recursive).map_err(io::Error::other)?;
        }
        let digest = project.digest()?;
        Ok(Self { project, digest, looked_at: Instant::now(), unreadable: None, events, _watcher: watcher })
    }

    /// Waits for the next edit, at most for `timeout`. Returns the time of the edit, or `None` without one.
    ///
    /// # Errors
    ///
    /// [`WatchError`].
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Instant>, WatchError> {
        let until = Instant::now() + timeout;
        loop {
            let next_poll = self.looked_at + POLL_INTERVAL;
            let saved = match self.events.recv_timeout(until.min(next_poll).saturating_duration_since(Instant::now())) {
                Ok(saved) => {
                    while self.events.recv_timeout(DEBOUNCE).is_ok() {}
                    saved
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() < next_poll => return Ok(None),
                Err(RecvTimeoutError::Timeout) => Instant::now(),
                Err(RecvTimeoutError::Disconnected) => return Err(WatchError::Ended),
            };
            if self.is_changed()? {
                return Ok(Some(saved));
            }
            if Instant::now() >= until {
                return Ok(None);
            }
        }
    }

    /// Whether the files differ from those at the last look.
    fn is_changed(&mut self) -> Result<bool, WatchError> {
        self.looked_at = Instant::now();
        match self.project.digest() {
            Ok(digest) => {
                self.unreadable = None;
                Ok(std::mem::replace(&mut self.digest, digest) != digest)
            }
            Err(error) => {
                // A file may be missing for a moment while it is saved. A later look finds it.
                let (since, is_returned) = self.unreadable.get_or_insert((self.looked_at, false));
                if *is_returned || since.elapsed() < GRACE_PERIOD {
                    return Ok(false);
                }
                *is_returned = true;
                Err(WatchError::Unreadable(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// How long to wait for an edit that must be seen, and for one that must not.
    const PATIENCE: Duration = Duration::from_secs(60);
    const A_MOMENT: Duration = Duration::from_millis(100);

    /// A project with a folder of data in it, watched.
    fn watched() -> (tempfile::TempDir, ProjectWatcher) {
        let dir = tempfile::tempdir().expect("a folder");
        for folder in ["src", "src/data"] {
            fs::create_dir(dir.path().join(folder)).expect("made");
        }
        fs::write(dir.path().join("Cargo.toml"), "").expect("written");
        let project = Project::open(dir.path()).expect("a project");
        let project = project.without(&dir.path().join("src/data")).expect("it is there");
        let watcher = ProjectWatcher::watch(project).expect("it is watched");
        (dir, watcher)
    }

    #[test]
    fn a_saved_file_is_one_edit() {
        let (dir, mut watcher) = watched();
        assert_eq!(watcher.next(A_MOMENT).expect("a look"), None);
        fs::write(dir.path().join("src/lib.rs"), "// more").expect("written");
        assert!(watcher.next(PATIENCE).expect("a look").is_some());
        assert_eq!(watcher.next(A_MOMENT).expect("a look"), None);
    }

    #[test]
    fn a_change_without_an_event_is_seen_by_the_next_poll_and_not_before() {
        let (dir, mut watcher) = watched();
        for folder in [dir.path(), &dir.path().join("src")] {
            watcher._watcher.unwatch(folder).expect("it was watched");
        }
        fs::write(dir.path().join("src/lib.rs"), "// more").expect("written");
        assert_eq!(watcher.next(Duration::ZERO).expect("no look"), None);
        watcher.looked_at -= POLL_INTERVAL;
        assert!(watcher.next(Duration::ZERO).expect("a look").is_some());
    }

    #[test]
    fn a_file_that_a_program_writes_into_a_project_is_no_edit() {
        let (dir, mut watcher) = watched();
        for file in ["out.txt", "Cargo.lock", "src/.lib.rs.swp", "src/lib.rs~", "src/4913", "src/data/lists.db"] {
            fs::write(dir.path().join(file), "more").expect("written");
            assert_eq!(watcher.next(A_MOMENT).expect("a look"), None, "{file}");
        }
    }

    #[test]
    fn a_project_that_cannot_be_read_for_some_time_is_an_error_once_and_is_watched_on() {
        let (dir, mut watcher) = watched();
        let away = dir.path().with_extension("away");
        fs::rename(dir.path(), &away).expect("renamed");
        watcher.is_changed().expect("a file may be missing for a moment");
        let (since, _) = watcher.unreadable.expect("it is gone");
        watcher.unreadable = Some((since - GRACE_PERIOD, false));
        let error = watcher.is_changed().expect_err("it is gone");
        assert!(matches!(error, WatchError::Unreadable(_)), "{error}");
        assert!(!watcher.is_changed().expect("it was said"));
        fs::write(away.join("src/lib.rs"), "// more").expect("written");
        fs::rename(&away, dir.path()).expect("renamed");
        assert!(watcher.is_changed().expect("it is back"));
    }
}

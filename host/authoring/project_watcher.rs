//! A project under an editor's hands: when it was saved, and whether that changed anything.
//!
//! As with the directory of rules, events only say when to look; what counts is the digest of the
//! author's files. So it does not matter how an editor saves, and a build, a log or a store that
//! writes into the project is no edit.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::build::Project;

/// How long a project must have been quiet before it is looked at: an editor's several writes become
/// one look.
const DEBOUNCE: Duration = Duration::from_millis(20);

/// How often to look without being told, for file systems that tell nothing.
const PATROL: Duration = Duration::from_secs(2);

/// How many notices may wait. Those beyond it are dropped: the ones that wait make it look anyway.
const MAX_NOTICES: usize = 64;

/// The project of a plugin, watched.
pub struct ProjectWatcher {
    project: Project,
    /// The files as they were when they were last looked at.
    digest: [u8; 32],
    /// When that was.
    looked: Instant,
    notices: mpsc::Receiver<Instant>,
    /// Tells of changes for as long as it is there.
    _watcher: RecommendedWatcher,
}

impl ProjectWatcher {
    /// Watches a project. What is there now is not an edit.
    pub fn watch(project: Project) -> io::Result<Self> {
        let (notice, notices) = mpsc::sync_channel(MAX_NOTICES);
        let watched = project.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let is_edit = event.is_ok_and(|event| {
                !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(|path| watched.has(path))
            });
            if is_edit {
                let _ = notice.try_send(Instant::now()); // See MAX_NOTICES.
            }
        })
        .map_err(io::Error::other)?;
        // Not all of the folder: what is built and installed in it has tens of thousands of files.
        watcher.watch(project.dir(), RecursiveMode::NonRecursive).map_err(io::Error::other)?;
        for folder in project.folders()? {
            watcher.watch(&folder, RecursiveMode::Recursive).map_err(io::Error::other)?;
        }
        let digest = project.digest()?;
        Ok(Self { project, digest, looked: Instant::now(), notices, _watcher: watcher })
    }

    /// Waits for the next edit, `for_at_most` so long. Answers when it was made, or none if there was none.
    pub fn next(&mut self, for_at_most: Duration) -> io::Result<Option<Instant>> {
        let until = Instant::now() + for_at_most;
        loop {
            let patrol = self.looked + PATROL;
            let saved = match self.notices.recv_timeout(until.min(patrol).saturating_duration_since(Instant::now())) {
                Ok(saved) => {
                    while self.notices.recv_timeout(DEBOUNCE).is_ok() {}
                    saved
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() < patrol => return Ok(None),
                Err(RecvTimeoutError::Timeout) => Instant::now(),
                Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("the watcher ended")),
            };
            if self.look() {
                return Ok(Some(saved));
            }
            if Instant::now() >= until {
                return Ok(None);
            }
        }
    }

    /// Whether the files are others than at the last look.
    fn look(&mut self) -> bool {
        self.looked = Instant::now();
        // A file may be gone for a moment while it is saved; the next look sees it again.
        let Ok(digest) = self.project.digest() else { return false };
        std::mem::replace(&mut self.digest, digest) != digest
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// How long to wait for what has to come, and how long for what must not.
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
        let edits = ProjectWatcher::watch(project).expect("it is watched");
        (dir, edits)
    }

    #[test]
    fn a_saved_file_is_an_edit_and_is_told_once() {
        let (dir, mut edits) = watched();
        assert_eq!(edits.next(A_MOMENT).expect("a look"), None);
        fs::write(dir.path().join("src/lib.rs"), "// more").expect("written");
        assert!(edits.next(PATIENCE).expect("a look").is_some());
        assert_eq!(edits.next(A_MOMENT).expect("a look"), None);
    }

    #[test]
    fn a_file_of_which_nobody_tells_is_seen_by_the_patrol_and_not_before() {
        let (dir, mut edits) = watched();
        for folder in [dir.path(), &dir.path().join("src")] {
            edits._watcher.unwatch(folder).expect("it was watched");
        }
        fs::write(dir.path().join("src/lib.rs"), "// more").expect("written");
        assert_eq!(edits.next(Duration::ZERO).expect("no look"), None);
        edits.looked -= PATROL;
        assert!(edits.next(Duration::ZERO).expect("a look").is_some());
    }

    #[test]
    fn what_programs_write_into_a_project_is_no_edit() {
        let (dir, mut edits) = watched();
        for file in ["out.txt", "Cargo.lock", "src/.lib.rs.swp", "src/lib.rs~", "src/4913", "src/data/lists.db"] {
            fs::write(dir.path().join(file), "more").expect("written");
            assert_eq!(edits.next(A_MOMENT).expect("a look"), None, "{file}");
        }
    }
}

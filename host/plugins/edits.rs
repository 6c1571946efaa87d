//! A project under an editor's hands: when it was saved, and whether that changed anything.
//!
//! As with the directory of rules, events only say when to look; what counts is the digest of the
//! files. So it does not matter how an editor saves, and a build that writes into the project is
//! no edit.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use std::{fs, io};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::build::{self, project_digest};

/// How long a project must have been quiet before it is looked at: an editor's several writes become
/// one look.
const DEBOUNCE: Duration = Duration::from_millis(20);

/// How often to look without being told, for file systems that tell nothing.
const PATROL: Duration = Duration::from_secs(2);

/// How many notices may wait. Those beyond it are dropped: the ones that wait make it look anyway.
const MAX_NOTICES: usize = 64;

/// The project of a plugin, watched.
pub struct Edits {
    dir: PathBuf,
    /// The files as they were when they were last looked at.
    digest: [u8; 32],
    notices: mpsc::Receiver<Instant>,
    _watcher: RecommendedWatcher,
}

impl Edits {
    /// Watches the project in `dir`. What is there now is not an edit.
    pub fn watch(dir: &Path) -> io::Result<Self> {
        let dir = dir.canonicalize()?;
        let (notice, notices) = mpsc::sync_channel(MAX_NOTICES);
        let project = dir.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let about_sources = event.is_ok_and(|event| {
                !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(|path| is_of(&project, path))
            });
            if about_sources {
                let _ = notice.try_send(Instant::now()); // See MAX_NOTICES.
            }
        })
        .map_err(io::Error::other)?;
        // Not all of the folder: what is built and installed in it has tens of thousands of files.
        watcher.watch(&dir, RecursiveMode::NonRecursive).map_err(io::Error::other)?;
        for item in fs::read_dir(&dir)? {
            let path = item?.path();
            if path.is_dir() && is_of(&dir, &path) {
                watcher.watch(&path, RecursiveMode::Recursive).map_err(io::Error::other)?;
            }
        }
        let digest = project_digest(&dir)?;
        Ok(Self { dir, digest, notices, _watcher: watcher })
    }

    /// Waits for the next edit, `for_at_most` so long. Answers when it was made, or none if there was none.
    pub fn next(&mut self, for_at_most: Duration) -> io::Result<Option<Instant>> {
        let until = Instant::now() + for_at_most;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let saved = match self.notices.recv_timeout(left.min(PATROL)) {
                Ok(saved) => {
                    while self.notices.recv_timeout(DEBOUNCE).is_ok() {}
                    saved
                }
                Err(RecvTimeoutError::Timeout) => Instant::now(),
                Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("the watcher ended")),
            };
            // A file may be gone for a moment while it is saved; the next look sees it again.
            if let Ok(digest) = project_digest(&self.dir)
                && digest != self.digest
            {
                self.digest = digest;
                return Ok(Some(saved));
            }
            if Instant::now() >= until {
                return Ok(None);
            }
        }
    }
}

/// Whether a file is part of the project's sources, or of its cases.
fn is_of(project: &Path, path: &Path) -> bool {
    let first = path.strip_prefix(project).ok().and_then(|inside| inside.components().next());
    first.is_some_and(|first| build::is_source(Path::new(&first)))
}

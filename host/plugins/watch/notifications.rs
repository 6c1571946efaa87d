//! Events of the file system that say when to look at the watched directory.
//!
//! They are a convenience. Where the operating system gives none, such as when all inotify instances are taken, the directory
//! is looked at at an interval.

use std::path::{Path, PathBuf};
use std::sync::mpsc;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::super::files::FileIdentity;
use super::super::job::Job;

/// The events of one directory.
pub(super) struct Notifications {
    watcher: Option<RecommendedWatcher>,
    /// The directory that is followed, with its device and number.
    directory: Option<(PathBuf, FileIdentity)>,
}

impl Notifications {
    /// Sends the changed files of the directory that is followed to the loader.
    pub(super) fn start(jobs: mpsc::SyncSender<Job>) -> Self {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let changed = match event {
                Ok(event) if matches!(event.kind, EventKind::Access(_)) || is_of_others(&event) => return,
                Ok(event) => event.paths,
                Err(_) => Vec::new(),
            };
            // A full queue means that the loader is about to look anyway. If it is not, the poll looks.
            let _ = jobs.try_send(Job::Changed(changed));
        });
        let watcher = watcher.map_err(|error| warn(&error)).ok();
        Self { watcher, directory: None }
    }

    /// Follows a directory, and no other one any more. Returns whether it was not followed before.
    pub(super) fn follow(&mut self, directory: &Path, identity: FileIdentity) -> bool {
        let is_followed = |(path, followed): &(PathBuf, FileIdentity)| path == directory && *followed == identity;
        if self.directory.as_ref().is_some_and(is_followed) {
            return false;
        }
        let Some(watcher) = &mut self.watcher else { return false };
        if let Some((before, _)) = self.directory.take() {
            // It fails for a directory that is gone, which has no events any more.
            let _ = watcher.unwatch(&before);
        }
        if let Err(error) = watcher.watch(directory, RecursiveMode::NonRecursive) {
            warn(&error);
        }
        // Also after an error, which is then logged once for the directory.
        self.directory = Some((directory.to_owned(), identity));
        true
    }
}

fn warn(error: &notify::Error) {
    tracing::warn!(%error, "there are no events of the plugins directory, so the server looks at it every two seconds");
}

/// Whether an event is about files that are no components, such as an editor's own.
fn is_of_others(event: &notify::Event) -> bool {
    let is_component = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "wasm");
    !event.need_rescan() && !event.paths.is_empty() && !event.paths.iter().any(is_component)
}

//! The thread that builds a project now and after each edit.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::mpsc;

use crate::authoring::build::{self, Built, Project, SCRATCH};
use crate::authoring::project_watcher::{ProjectWatcher, WatchError};
use crate::cli::output::print_error;
use crate::cli::plugin::component::{guest_cargo, read};

/// How long the builder waits for an edit before it checks whether the session has ended.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// One build of the project, successful or not.
pub(super) struct BuildAttempt {
    /// When the edit was made. For the first build: when the session began.
    pub(super) saved: Instant,
    pub(super) result: anyhow::Result<(Built, Vec<u8>)>,
}

/// Starts the thread that builds the project now and after each edit, until the receiver is dropped.
pub(super) fn start_builder(directory: &Path, project: Project) -> anyhow::Result<mpsc::Receiver<BuildAttempt>> {
    let directory = directory.to_owned();
    let (done, attempts) = mpsc::channel(1);
    // Watched before the first build, so that an edit during that build is not missed.
    let mut edits = ProjectWatcher::watch(project).with_context(|| format!("cannot watch {}", directory.display()))?;
    let work = move || {
        let mut saved = Instant::now();
        loop {
            if done.blocking_send(BuildAttempt { saved, result: attempt(&directory) }).is_err() {
                return;
            }
            saved = loop {
                match edits.next(POLL_INTERVAL) {
                    Ok(Some(saved)) => break saved,
                    Ok(None) if done.is_closed() => return,
                    Ok(None) => {}
                    Err(error @ WatchError::Unreadable(_)) => print_error(&error.to_string()),
                    Err(error @ WatchError::Ended) => {
                        return print_error(&format!("cannot watch the project any longer: {error}"));
                    }
                }
            };
        }
    };
    std::thread::Builder::new().name("plugin-builder".into()).spawn(work).context("cannot start a thread")?;
    Ok(attempts)
}

fn attempt(directory: &Path) -> anyhow::Result<(Built, Vec<u8>)> {
    let output = directory.join(SCRATCH).join("live.wasm");
    let options = build::Options { output: Some(output), guest_cargo: guest_cargo(), quick: true };
    let built = build::build(directory, &options)?;
    let component = read(&built.path)?;
    Ok((built, component))
}

//! Errors of starting and running the loader.

use std::time::Duration;

/// Why plugins could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The directory of plugins cannot be read or watched.
    #[error("the plugins directory {path} cannot be {what}: {why}")]
    Directory {
        /// The directory.
        path: String,
        /// What was attempted.
        what: &'static str,
        /// The error of the operating system.
        why: String,
    },
    /// The operating system gave no thread.
    #[error("the plugin loader thread could not be started: {0}")]
    Thread(std::io::Error),
    /// The loader ended before it was ready.
    #[error("the plugin loader thread ended early")]
    Loader,
}

/// The loader thread ended unexpectedly. Lists are served by the versions that are loaded, and nothing can be uploaded,
/// loaded or changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the plugin loader thread ended unexpectedly; restart the server")]
pub struct LoaderDied;

/// Rollout states were not on disk when the time for closing was over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the rollout states were not on disk within {0:?}")]
pub struct CloseError(pub Duration);

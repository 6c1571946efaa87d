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
    /// The rollout states cannot be read.
    #[error("{0}")]
    States(String),
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

/// Why the loader did not close in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CloseError {
    /// Rollout states were not on disk when the time for closing was over.
    #[error("the rollout states were not on disk within {0:?}")]
    Late(Duration),
    /// The loader thread had ended, so states that changed since are not on disk.
    #[error("the plugin loader thread ended unexpectedly, so the last changes of rollout states may not be on disk")]
    LoaderDied,
}

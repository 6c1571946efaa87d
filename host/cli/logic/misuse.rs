//! Mistakes on the operator's machine, at which no request is sent.

/// A flag or a file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Misuse(pub(super) String);

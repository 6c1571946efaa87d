//! Whether a store takes writes.

use super::error::StoreError;

/// The health of a store. A store that is unhealthy stays so until it is opened anew.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Health {
    /// The store takes writes. A closed store has this health too, because closing is no fault.
    Healthy,
    /// A durable write failed, so every later write is refused. Reads go on.
    WriteFailed {
        /// The write, and what the storage said.
        why: String,
    },
    /// A thread of the store panicked, so every later write is refused.
    ThreadFailed {
        /// The name of the thread.
        thread: &'static str,
        /// The message of the panic.
        why: String,
    },
}

impl Health {
    /// Whether the store takes writes.
    pub fn is_healthy(&self) -> bool {
        matches!(self, Self::Healthy)
    }

    /// Fails with the error that a commit would get, so that a caller can spare the work before the commit.
    ///
    /// # Errors
    ///
    /// [`StoreError::Poisoned`], unless the store is healthy.
    pub fn check(&self) -> Result<(), StoreError> {
        if self.is_healthy() { Ok(()) } else { Err(StoreError::Poisoned { why: self.to_string() }) }
    }
}

impl std::fmt::Display for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Healthy => f.write_str("healthy"),
            Self::WriteFailed { why } => write!(f, "a durable write failed: {why}"),
            Self::ThreadFailed { thread, why } => write!(f, "the thread {thread} panicked: {why}"),
        }
    }
}

//! Whether a store takes writes.

use super::error::StoreError;

/// The health of a store. A store that is unhealthy stays so until it is opened anew, unless its disk is full.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Health {
    /// The store takes writes. A closed store has this health too, because closing is no fault.
    Healthy,
    /// The disk is full, so writes are refused. The store tries again by itself, and is healthy once there is room.
    DiskFull {
        /// The write, and what the storage said.
        why: String,
    },
    /// A durable write failed, so every later write is refused. Reads go on.
    WriteFailed {
        /// The write, and what the storage said.
        why: String,
    },
    /// A file of the store is no longer at its place, so every later write is refused. Reads go on.
    FilesReplaced {
        /// The file, and what happened to it.
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

    /// Whether the store becomes healthy by itself once the cause has gone.
    pub fn recovers(&self) -> bool {
        matches!(self, Self::DiskFull { .. })
    }

    /// Fails with the error that a commit would get, so that a caller can spare the work before the commit.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] while the disk is full, and [`StoreError::Poisoned`] after a fault.
    pub fn check(&self) -> Result<(), StoreError> {
        match self {
            Self::Healthy => Ok(()),
            Self::DiskFull { .. } => Err(StoreError::Unavailable { why: self.to_string() }),
            Self::WriteFailed { .. } | Self::FilesReplaced { .. } | Self::ThreadFailed { .. } => {
                Err(StoreError::Poisoned { why: self.to_string() })
            }
        }
    }
}

impl std::fmt::Display for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Healthy => f.write_str("healthy"),
            Self::DiskFull { why } => write!(f, "the disk is full: {why}"),
            Self::WriteFailed { why } => write!(f, "a durable write failed: {why}"),
            Self::FilesReplaced { why } => write!(f, "a file of the store was removed, moved or replaced: {why}"),
            Self::ThreadFailed { thread, why } => write!(f, "the thread {thread} panicked: {why}"),
        }
    }
}

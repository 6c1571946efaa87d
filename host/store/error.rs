//! The errors of a store, and what each one says about a commit.

use crate::list::name::ListName;

/// Why a call of the store failed.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum StoreError {
    /// Another writer committed first.
    #[error("list {name:?} is at revision {found}, the commit continues {expected}")]
    Conflict {
        /// The list.
        name: ListName,
        /// The revision the commit continues.
        expected: u64,
        /// The revision the list is at.
        found: u64,
    },
    /// The list exists and cannot be read.
    #[error("list {name:?} cannot be read: {why}")]
    Unreadable {
        /// The list.
        name: ListName,
        /// The damage.
        why: String,
    },
    /// The storage failed, or the call was refused. A commit was not carried out.
    #[error("the store failed to {what}: {why}")]
    Failed {
        /// What was attempted, on what.
        what: String,
        /// The error of the storage.
        why: String,
    },
    /// The store failed while it carried out the commit, which may be there after a restart.
    #[error("whether the store carried out a commit is not known ({what}): {why}")]
    Unknown {
        /// What was attempted, on what.
        what: String,
        /// The error of the storage.
        why: String,
    },
    /// The store takes no writes until it is opened anew; see promise 5. A commit was not carried out.
    #[error("the store takes no more writes ({why}); restart the server")]
    Poisoned {
        /// The failure, as [`Store::health`](super::Store::health) has it.
        why: String,
    },
    /// The store takes no writes at the moment: its disk is full, or another program holds its write lock. A commit was
    /// not carried out, and may be repeated later.
    #[error("the store takes no writes at the moment ({why}); try again in a moment")]
    Unavailable {
        /// What the store waits for.
        why: String,
    },
    /// The store's queue is full. The call was not carried out and may be repeated later.
    #[error("the store's queue of {limit} calls is full")]
    Overloaded {
        /// The limit.
        limit: usize,
    },
    /// The commits that wait for the writer have too many bytes. The call was not carried out and may be repeated later.
    #[error("the commits in the store's queue have {limit} bytes, which is the limit")]
    QueueFull {
        /// The limit.
        limit: usize,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// Another process holds the data directory.
    #[error(
        "the data directory {path} is in use by another process ({holder}); stop it, or choose another directory with --data"
    )]
    Locked {
        /// The directory.
        path: String,
        /// The process, as far as it is known.
        holder: String,
    },
    /// The data directory does not hold everything that was acknowledged. [`Options::accept_loss`] opens it all the same.
    ///
    /// [`Options::accept_loss`]: super::embedded::Options::accept_loss
    #[error(
        "the data directory {path} lacks acknowledged changes, so the store stays closed: {why}; restore the directory from a backup, or start once with --accept-loss to go on without those changes"
    )]
    Incomplete {
        /// The directory.
        path: String,
        /// What is missing or damaged, and how it is known.
        why: String,
    },
    /// Another version of the program wrote the data.
    #[error("the data directory {path} has format {found}, this program reads {known}; use the program that wrote it")]
    Format {
        /// The directory.
        path: String,
        /// The format it has.
        found: String,
        /// The format this program reads.
        known: String,
    },
}

impl StoreError {
    /// Whether the outcome of the commit is unknown: it may be durable, so repeating it may do the same
    /// thing twice. After every other error the commit was not carried out.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }
}

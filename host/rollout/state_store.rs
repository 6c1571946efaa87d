//! The trait that keeps rollout states, and its errors. The system implements it with records of the store.

use bytes::Bytes;

use crate::list::name::LogicName;

/// The kind of the records that hold rollout states. The key of each is the name of its logic.
pub const RECORD_KIND: &str = "rollout";

/// Keeps the rollout state of each logic, with the state before the last change. Each call waits for the storage, so it
/// is made on a thread that may block.
pub trait StateStore: Send {
    /// The logics that have a state, readable or not, in the order of their names.
    fn names(&self) -> Result<Vec<LogicName>, StateError>;

    /// The state of a logic, or `None` if it was never written.
    fn present(&self, name: &LogicName) -> Result<Option<StateValue>, StateError>;

    /// The state before the last change of a logic, or `None` if there is none.
    fn previous(&self, name: &LogicName) -> Result<Option<StateValue>, StateError>;

    /// Writes a state in place of that with the revision `expected`, and returns its revision. The state survives a power
    /// loss when this returns. `keep` says whether the replaced state becomes the one before the last change. A damaged one
    /// never does.
    fn write(&self, name: &LogicName, state: Vec<u8>, expected: Option<u64>, keep: bool) -> Result<u64, StateError>;
}

/// A stored state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StateValue {
    /// Its revision, which the next write names.
    pub revision: u64,
    /// The state, in JSON.
    pub bytes: Bytes,
}

/// Why a state was not read or written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StateError {
    /// The state is there and damaged.
    #[error("{why}")]
    Damaged {
        /// What a write that replaces the state names as its revision.
        revision: Option<u64>,
        /// The damage.
        why: String,
    },
    /// The storage takes no writes. The write was not carried out.
    #[error("{why}")]
    Unavailable {
        /// The reason.
        why: String,
        /// Whether the storage takes writes again by itself.
        recovers: bool,
    },
    /// Whether the write was carried out is not known.
    #[error("{0}")]
    Unknown(String),
    /// The reading failed, or the write was refused and not carried out.
    #[error("{0}")]
    Failed(String),
}

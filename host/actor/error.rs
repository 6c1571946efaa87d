//! Why a list's actor did not carry out a command.

use std::sync::Arc;

use super::request::InvalidInput;
use crate::list::change::Rejection;
use crate::list::id::LogicId;
use crate::list::name::LogicName;
use crate::list::selector::Pin;
use crate::logic::Refusal;
use crate::store::StoreError;
use crate::store::receipt_room::NoReceiptRoom;

/// Why a command was not carried out. The list is as it was before the command, except where a variant
/// says otherwise.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum CallError {
    /// The mailbox of the list is full.
    #[error("the list has {limit} messages in its mailbox, which is the limit; try again in a moment")]
    Overloaded {
        /// The most messages a mailbox holds.
        limit: usize,
    },
    /// The server holds as many lists in memory as its configuration allows.
    #[error("the server holds {limit} lists in memory, which is its limit; try again in a moment")]
    TooManyLists {
        /// The most lists in memory.
        limit: usize,
    },
    /// The lists in memory take as many bytes as the configuration of the server allows.
    #[error("the lists in memory take {limit} bytes, which is the limit; try again in a moment")]
    ListMemoryFull {
        /// The most bytes of lists in memory.
        limit: usize,
    },
    /// The revisions that are being undone have as many bytes as the server allows.
    #[error("the revisions that are being undone have {limit} bytes, which is the limit; try again in a moment")]
    UndosFull {
        /// The most bytes of such revisions.
        limit: usize,
    },
    /// Too many commands and reads wait for slow logic.
    #[error("{limit} commands and reads wait for slow logic, which is the limit; try again in a moment")]
    TooManyDecisions {
        /// The most commands and reads that wait, of all clients or of one.
        limit: usize,
    },
    /// The deciding version, or the host on its behalf, refused the command.
    #[error("{refusal}")]
    Refused {
        /// The reason.
        refusal: Refusal,
        /// The version that decided.
        logic: Arc<LogicId>,
    },
    /// The request is a repetition. The version rejected the first one.
    #[error("{}", rejection.message)]
    RejectedBefore {
        /// The rejection of the first request.
        rejection: Rejection,
        /// The version that decided.
        logic: Arc<LogicId>,
    },
    /// The body of the command does not fit the description of the deciding version.
    #[error("{input}")]
    Invalid {
        /// The member at fault, and what is wrong with it.
        input: InvalidInput,
        /// The version that decided.
        logic: Arc<LogicId>,
    },
    /// The condition on the list's state does not hold.
    #[error("{}", not_expected(*.revision))]
    Stale {
        /// The current revision of the list. `None` if there is no list.
        revision: Option<u64>,
    },
    /// The idempotency key belongs to another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// There is no room for a receipt of the idempotency key.
    #[error(transparent)]
    NoReceiptRoom(#[from] NoReceiptRoom),
    /// No component of this name is loaded.
    #[error("logic {0} is not loaded")]
    NoLogic(LogicName),
    /// The first version of the logic is being built.
    #[error("the first version of logic {0} is being built; try again when it is live")]
    Awaited(LogicName),
    /// The list is pinned to a version that does not exist, or that is quarantined.
    #[error(
        "there is no version {pin} of {logic}, which the list is pinned to; pin the list to another version, or to none"
    )]
    NoVersion {
        /// The logic.
        logic: LogicName,
        /// The pin of the list.
        pin: Pin,
    },
    /// The live version is quarantined, and the logic lets no other version decide in its place.
    #[error(
        "the live version of {logic} is quarantined, because {why}; its rules refuse every command until an operator makes a version live"
    )]
    Quarantined {
        /// The logic.
        logic: LogicName,
        /// The reason of the quarantine.
        why: String,
    },
    /// The version that has to decide is stored, and could not be loaded.
    #[error("cannot load the version of {logic} that the list is bound or pinned to: {why}")]
    NotLoaded {
        /// The logic.
        logic: LogicName,
        /// The error of the loader.
        why: String,
    },
    /// The list has no revision of this number yet.
    #[error("the list has no revision {number}; its last revision is {last}")]
    NoRevision {
        /// The number that was asked for.
        number: u64,
        /// The number of the last revision.
        last: u64,
    },
    /// The history does not hold the revision any more.
    #[error("the history does not hold revision {number} any more; it holds {kept} revisions, from {oldest} on")]
    Forgotten {
        /// The number that was asked for.
        number: u64,
        /// The number of the oldest revision in the history.
        oldest: u64,
        /// How many revisions the history holds.
        kept: u64,
    },
    /// The revision to undo was made by another caller, or by the host.
    #[error("{}", not_own(*number, by.as_deref()))]
    NotOwnRevision {
        /// The number of the revision.
        number: u64,
        /// The caller who made it. `None` for the host.
        by: Option<Arc<str>>,
    },
    /// The store failed, and the command was certainly not carried out.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The actor ended before it handed the command to the store, so the command was certainly not carried
    /// out. The next request finds another actor.
    #[error("the list's actor ended before it decided the command; nothing was changed, try again")]
    Crashed,
    /// The command may or may not have been carried out. Only the list itself can tell.
    #[error(
        "it is not known whether the command was carried out ({why}); look at the list, or repeat the request if it has an idempotency key"
    )]
    Unknown {
        /// Why nothing is known.
        why: String,
    },
}

fn not_own(number: u64, by: Option<&str>) -> String {
    match by {
        Some(by) => format!("revision {number} was made by {by}, and only the caller who made a revision may undo it"),
        None => format!("revision {number} was made by the server itself, and no caller may undo it"),
    }
}

impl CallError {
    /// The actor ended while the store had the command.
    pub(super) fn actor_ended() -> Self {
        Self::Unknown { why: "the list's actor ended before the store replied".into() }
    }
}

fn not_expected(revision: Option<u64>) -> String {
    match revision {
        Some(revision) => format!("the list is at revision {revision}, which is not what the request expects"),
        None => "there is no list, which is not what the request expects".to_owned(),
    }
}

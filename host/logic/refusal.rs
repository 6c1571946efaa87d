//! The reasons why a command is not carried out.

use super::fault::Fault;
use crate::list::change::{Rejection, Subject};
use crate::list::id::EntryId;
use crate::list::printable::printable;
use crate::list::schema::SchemaError;
use crate::render;

/// The reason why a command is not carried out.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The list's logic rejects the command.
    #[error("{}", printable(&.0.message))]
    Rejected(Rejection),
    /// The list's logic failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// No list has this name.
    #[error("there is no such list")]
    NoSuchList,
    /// The list has no entry with this id.
    #[error("the list has no entry {0}")]
    NoSuchEntry(EntryId),
    /// The logic describes no command with this name.
    #[error("the list's logic has no command {}", printable(.0))]
    NoSuchCommand(String),
    /// The command does not fit what the logic describes.
    #[error(transparent)]
    Invalid(#[from] SchemaError),
    /// A revision cannot be undone.
    #[error("revision {revision} cannot be taken back: {why}")]
    Conflict {
        /// The revision to undo.
        revision: u64,
        /// The obstacle, for people.
        why: String,
        /// The thing that a later revision changed, if that is the obstacle.
        about: Option<Subject>,
    },
    /// The list, or its next revision, would exceed a limit of the host on its size.
    #[error("a list may have {limit} {what}, and this one would have more")]
    Full {
        /// What is limited: `entries`, `bytes of text`, or the `changes` or `bytes of changes` in one revision.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl Refusal {
    /// Renders the refusal for authors of logic. A rejection is rendered as a file of cases writes it.
    pub fn shown(&self) -> String {
        match self {
            Self::Rejected(rejection) => render::rejection(rejection),
            Self::Fault(fault) => format!("failed: {fault}"),
            other => format!("refused: {other}"),
        }
    }
}

//! A version's answer to one command, and the difference between two answers.

use std::fmt;

use crate::list::change::Change;
use crate::logic::Refusal;
use crate::render;

/// A version's answer to a command.
#[derive(Debug)]
pub(super) enum ReplayAnswer {
    /// The logic's own changes, without the host's.
    Changes(Vec<Change>),
    /// The command is not carried out.
    Refused(Refusal),
    /// The version's schema is incompatible with the list's binding, and it does not migrate the list.
    NotMigrated(Refusal),
}

/// The kind of a difference between two answers. If several fit, the last one counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DifferenceKind {
    /// Both carry the command out with different changes.
    Changes,
    /// Only one refuses the command, or they refuse it for different reasons.
    Rejection,
    /// Only one fails, or they fail with different kinds of fault.
    Fault,
    /// At least one does not migrate the list, so that the later commands of the list cannot be compared.
    Migration,
}

impl DifferenceKind {
    /// All kinds of difference.
    pub const ALL: [Self; 4] = [Self::Changes, Self::Rejection, Self::Fault, Self::Migration];

    /// Returns a stable word for programs: `changes`, `rejection`, `fault` or `migration`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Rejection => "rejection",
            Self::Fault => "fault",
            Self::Migration => "migration",
        }
    }
}

impl fmt::Display for DifferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ReplayAnswer {
    /// Renders the answer as a case writes it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Changes(changes) => render::changes(changes),
            Self::Refused(refusal) => refusal.shown(),
            Self::NotMigrated(refusal) => format!("does not migrate the list: {}", refusal.shown()),
        }
    }
}

/// Returns the kind of the difference between two answers, if they differ.
pub(super) fn compare(one: &ReplayAnswer, other: &ReplayAnswer) -> Option<DifferenceKind> {
    match (one, other) {
        (ReplayAnswer::NotMigrated(_), _) | (_, ReplayAnswer::NotMigrated(_)) => Some(DifferenceKind::Migration),
        (ReplayAnswer::Changes(one), ReplayAnswer::Changes(other)) => (one != other).then_some(DifferenceKind::Changes),
        // The place and the message of a failure differ between two builds of the same source.
        (ReplayAnswer::Refused(Refusal::Fault(one)), ReplayAnswer::Refused(Refusal::Fault(other))) => {
            (one.kind() != other.kind()).then_some(DifferenceKind::Fault)
        }
        (ReplayAnswer::Refused(Refusal::Fault(_)), _) | (_, ReplayAnswer::Refused(Refusal::Fault(_))) => {
            Some(DifferenceKind::Fault)
        }
        (ReplayAnswer::Refused(one), ReplayAnswer::Refused(other)) => {
            (one != other).then_some(DifferenceKind::Rejection)
        }
        (ReplayAnswer::Refused(_), ReplayAnswer::Changes(_)) | (ReplayAnswer::Changes(_), ReplayAnswer::Refused(_)) => {
            Some(DifferenceKind::Rejection)
        }
    }
}

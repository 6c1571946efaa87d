//! What a version answers to one command, and how two answers differ.

use std::fmt;

use crate::list::change::Change;
use crate::logic::Refusal;
use crate::render;

/// What a version makes of a command.
#[derive(Debug)]
pub(super) enum ReplayAnswer {
    /// The changes that are the logic's own.
    Changes(Vec<Change>),
    /// It is not carried out.
    Refused(Refusal),
    /// The version holds something else in its lists than this one's keeper, and does not take it over.
    NotTakenOver(Refusal),
}

/// How two answers differ, by the stronger word that fits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DifferenceKind {
    /// Both carry the command out, and not in the same way.
    Changes,
    /// One refuses what the other does not, or they refuse it in other words.
    Rejection,
    /// One fails where the other does not, or in another way.
    Fault,
    /// One of them, or both, would not have taken the list over from its keeper, so that nothing can be said
    /// about its commands from there on.
    Migration,
}

impl DifferenceKind {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Changes, Self::Rejection, Self::Fault, Self::Migration];

    /// A word for programs, stable: `changes`, `rejection`, `fault` or `migration`.
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
    /// The answer in the words of a case.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Changes(changes) => render::changes(changes),
            Self::Refused(refusal) => refusal.shown(),
            Self::NotTakenOver(refusal) => format!("does not take the list over: {}", refusal.shown()),
        }
    }
}

/// How the one differs from the other, if it does.
pub(super) fn compare(one: &ReplayAnswer, other: &ReplayAnswer) -> Option<DifferenceKind> {
    match (one, other) {
        (ReplayAnswer::NotTakenOver(_), _) | (_, ReplayAnswer::NotTakenOver(_)) => Some(DifferenceKind::Migration),
        (ReplayAnswer::Changes(one), ReplayAnswer::Changes(other)) => (one != other).then_some(DifferenceKind::Changes),
        // Where it failed, and in which words, is different in each build of the same source.
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

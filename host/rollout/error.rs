//! Errors of publishing a component and of changing a rollout.

use super::conformance::Failure;
use super::state::TransitionError;
use super::state_store::StateError;
use crate::list::digest::hex;
use crate::list::name::LogicName;
use crate::logic::Fault;

/// The failures of a component at its gates.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[error("it fails its gates: {failed} of {probes} probes failed; {}", .first.line())]
pub struct FailedGates {
    /// The number of probes that failed.
    pub failed: usize,
    /// The number of probes.
    pub probes: usize,
    /// The first failure.
    pub first: Failure,
}

/// Why a component was refused, or a rollout was not changed.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum PublishError {
    /// The component breaks the contract. The text says how, and names the import or version.
    #[error("{0}")]
    Invalid(String),
    /// The component failed its gates.
    #[error(transparent)]
    Gates(Box<FailedGates>),
    /// The compiler needs more memory or processor time for the component than it may take.
    #[error("{why}")]
    CompileLimit {
        /// The limit, as a text for people.
        why: String,
        /// The name of the limit.
        name: &'static str,
        /// The limit in its unit.
        value: u64,
    },
    /// The machine could not compile the component, which says nothing about the component. Nothing was changed.
    #[error("{0}")]
    NotCompiled(String),
    /// The server stops. Nothing was changed.
    #[error("the server is stopping")]
    Stopping,
    /// The logic comes from a watched directory, where an upload would not last.
    #[error("logic {name} comes from the file {file}; save the new component there")]
    FromFile {
        /// The logic.
        name: LogicName,
        /// The file.
        file: String,
    },
    /// The version is quarantined.
    #[error("sha256:{digest} was quarantined, because {why}; repair it, or insist with force")]
    Quarantined {
        /// The digest, in hexadecimal digits.
        digest: String,
        /// The reason for the quarantine.
        why: String,
    },
    /// There is no such logic or version.
    #[error("there is no {0}")]
    Unknown(String),
    /// Several versions have the number or the digits.
    #[error("{selector} names {count} versions of {logic}: {versions}; name one by its digest")]
    Ambiguous {
        /// What was to name one version.
        selector: String,
        /// The logic.
        logic: LogicName,
        /// The number of versions.
        count: usize,
        /// The versions, as a text for people.
        versions: String,
    },
    /// The percentage or shadow of a candidate was to be changed, and there is no candidate.
    #[error("there is no candidate; name a version as candidate")]
    NoCandidate,
    /// A candidate needs a live version to be compared with.
    #[error("{0} has no live version that a candidate could be compared with; make one live first")]
    NoLive(LogicName),
    /// A setting of the live version was to be changed, and there is none.
    #[error("{0} has no live version; make one live first")]
    NothingLive(LogicName),
    /// The live version cannot be the candidate.
    #[error("{0} is live, so it cannot be the candidate")]
    IsLive(String),
    /// The version is used, so it was not deleted.
    #[error("sha256:{digest} is in use: {why}")]
    InUse {
        /// The digest, in hexadecimal digits.
        digest: String,
        /// What uses it.
        why: String,
    },
    /// A canary that ends by itself decides for no list.
    #[error("a canary that ends by itself needs a percentage above 0")]
    EmptyCanary,
    /// The server has as many logics as it may have.
    #[error("the server has {limit} logics, which is its limit")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// The loader's queue is full.
    #[error("{limit} jobs wait for the plugin loader already; try again in a moment")]
    Busy {
        /// The limit.
        limit: usize,
    },
    /// The component or the state could not be stored, or the rollout kept changing. Nothing was changed.
    #[error("{0}")]
    Failed(String),
    /// The store takes no writes, so the rollout was not changed.
    #[error("the state of {name} was not changed: {why}")]
    Unavailable {
        /// The logic.
        name: LogicName,
        /// Why the store takes no writes.
        why: String,
        /// Whether the store takes writes again by itself.
        recovers: bool,
    },
    /// The host failed in the middle of it, so it is not known whether the rollout was changed.
    #[error("{0}; it is not known whether the rollout was changed")]
    Interrupted(String),
}

impl PublishError {
    /// Whether the component is at fault, and not the machine, the store or the time.
    pub fn is_about_component(&self) -> bool {
        !matches!(
            self,
            Self::Unavailable { .. } | Self::Interrupted(_) | Self::NotCompiled(_) | Self::Stopping | Self::Busy { .. }
        )
    }

    /// The error of writing the state of one logic.
    pub(super) fn of_state(error: StateError, logic: &LogicName) -> Self {
        let what = format!("the state of {logic} could not be written: {error}");
        match error {
            StateError::Unavailable { why, recovers } => Self::Unavailable { name: logic.clone(), why, recovers },
            StateError::Unknown(_) => Self::Interrupted(what),
            StateError::Damaged { .. } | StateError::Failed(_) => Self::Failed(what),
        }
    }

    /// The error of a transition of one logic.
    pub(super) fn of_transition(error: TransitionError, logic: &LogicName) -> Self {
        match error {
            TransitionError::UnknownVersion(digest) => {
                Self::Unknown(format!("version sha256:{} of {logic}", hex(&digest)))
            }
            TransitionError::Quarantined { digest, why } => Self::Quarantined { digest: hex(&digest), why },
            TransitionError::NoLive => Self::NoLive(logic.clone()),
            TransitionError::NothingLive => Self::NothingLive(logic.clone()),
            TransitionError::IsLive(digest) => Self::IsLive(format!("sha256:{} of {logic}", hex(&digest))),
            TransitionError::InUse { digest, why } => Self::InUse { digest: hex(&digest), why: why.into() },
            error @ TransitionError::NoFallback(_) => Self::Failed(error.to_string()),
        }
    }
}

/// Why a submitted component did not become a version.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The component does not compile or does not keep the contract.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The component failed its gates.
    #[error(transparent)]
    Gates(Box<FailedGates>),
    /// The host panicked in the compiler or the gates.
    #[error("{0}")]
    Panicked(String),
    /// The component could not be stored.
    #[error("the component could not be stored: {0}")]
    NotStored(String),
    /// The rollout could not be changed.
    #[error(transparent)]
    Rollout(#[from] PublishError),
}

/// Why a compiler made no logic of a component.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum CompileError {
    /// The component is not accepted.
    #[error("{why}")]
    Refused {
        /// What is wrong with the component, as a text for people.
        why: String,
        /// Whether the same bytes may be accepted the next time, because the machine was busy.
        is_transient: bool,
    },
    /// The compiler needs more memory or time for it than it may take.
    #[error("{why}")]
    Limit {
        /// The limit, as a text for people.
        why: String,
        /// The name of the limit.
        name: &'static str,
        /// The limit in its unit.
        value: u64,
    },
    /// The machine could not compile it, which says nothing about the component.
    #[error("{0}")]
    Machine(String),
    /// It was cancelled.
    #[error("its compilation was stopped")]
    Cancelled,
}

impl CompileError {
    /// Whether the same bytes may compile the next time.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused { is_transient, .. } => *is_transient,
            Self::Machine(_) => true,
            Self::Limit { .. } | Self::Cancelled => false,
        }
    }
}

impl From<SubmitError> for PublishError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Compile(CompileError::Limit { why, name, value }) => Self::CompileLimit { why, name, value },
            SubmitError::Compile(CompileError::Machine(why)) => Self::NotCompiled(why),
            SubmitError::Compile(CompileError::Cancelled) => Self::Stopping,
            SubmitError::Compile(CompileError::Refused { .. }) | SubmitError::Panicked(_) => {
                Self::Invalid(error.to_string())
            }
            SubmitError::Gates(failed) => Self::Gates(failed),
            SubmitError::NotStored(why) => Self::Failed(format!("the component could not be stored: {why}")),
            SubmitError::Rollout(error) => error,
        }
    }
}

impl SubmitError {
    /// Whether the component was accepted and could not be stored, such as on a full disk.
    pub fn is_of_storage(&self) -> bool {
        matches!(self, Self::NotStored(_) | Self::Rollout(PublishError::Unavailable { .. } | PublishError::Failed(_)))
    }

    /// Whether the same bytes may be accepted the next time, because the machine was busy or the disk failed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Compile(error) => error.is_transient(),
            Self::Gates(failed) => [Fault::DEADLINE, Fault::INSTANCE].contains(&failed.first.kind),
            Self::Panicked(_) | Self::Rollout(PublishError::Quarantined { .. }) => false,
            Self::NotStored(_) | Self::Rollout(_) => true,
        }
    }
}

//! Versions of each logic: which one is live, which one decides about which list, and how a new one is published.
//!
//! - [`RolloutState`] is plain data, and what is stored on disk. [`RolloutDraft`] is a change of it.
//! - [`Registry`] holds the [`Rollout`] of each logic: its state with the loaded versions. Actors resolve the version
//!   of each command there.
//! - [`Preparer`] compiles and probes a component, and [`Publisher`] stores and publishes it. [`ArtifactStore`] holds components on disk, and a
//!   [`StateStore`] the states.
//! - [`shadows`] compares a candidate with the live version, and [`conformance`] probes a component before it is
//!   accepted.

mod artifacts;
mod candidate;
mod decision_times;
mod digest;
mod draft;
mod error;
mod event;
mod import;
mod on_fault;
mod policy;
mod publisher;
mod registry;
mod resolve;
mod retry;
mod sealed;
mod sharing;
mod state;
mod state_store;
mod states;
#[cfg(test)]
pub(crate) mod testing;
mod version;
mod version_record;
mod version_selector;

pub mod conformance;
pub mod shadows;

pub use artifacts::{ArtifactStore, DAMAGED_FILE, LOGIC_DIRECTORY, file_name};
pub use candidate::{CanaryEnd, Candidate, Then, ThenError};
pub use decision_times::Stopwatch;
pub use digest::Digest;
pub use draft::{MAX_SPARE, RolloutDraft};
pub use error::{CompileError, FailedGates, PublishError, SubmitError};
pub use event::{Cause, Event, Step, UPLOAD};
pub use import::{StateFiles, has_state_files};
pub use on_fault::OnFault;
pub use policy::{Asked, Failure, MIN_CLIENTS, QuarantinePolicy};
pub use publisher::{
    Accepted, CanaryTime, Compiler, Imported, IsCancelled, Prepared, Preparer, Publisher, RolloutUpdate, Submission,
};
pub use registry::{MAX_LOGICS, Proposal, Registry, VersionSource};
pub use resolve::{LoadedCandidate, ResolveError, Rollout, Selection, Selector, bucket};
pub use sharing::Sharing;
pub use state::{MAX_EVENTS, MAX_VERSIONS, Roles, RolloutState, TransitionError};
pub use state_store::{RECORD_KIND, StateError, StateStore, StateValue};
pub use states::{StoredState, decode_state};
pub use version::{Counters, MANY_ENTRIES, Version};
pub use version_record::{FailureRecord, Gates, MAX_FAILURES, MAX_RELEASED, Quarantine, Released, VersionRecord};
pub use version_selector::{VersionSelector, VersionSelectorError};

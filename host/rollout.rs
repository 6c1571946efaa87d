//! Versions of each logic: which one is live, which one decides about which list, and how a new one gets
//! there.

pub mod conformance;
mod policy;
mod record;
mod registry;
pub mod shadows;
mod state;
mod version;

pub use policy::QuarantinePolicy;
pub use record::{CandidateRecord, Record};
pub use registry::{Proposal, Registry, VersionSource};
pub use state::{
    Candidate, Event, Gates, MAX_EVENTS, MAX_SPARE, MAX_VERSIONS, Quarantine, ResolveError, RolloutState, Selection,
    Step, VersionRecord, bucket,
};
pub use version::{Counters, Digest, Version};

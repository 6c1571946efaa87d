//! Representation of the record of a version: its state, its quarantines with the failures before them, and its gates.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::super::schemas::{ComponentDigest, VersionNumber};
use super::super::timestamp::Timestamp;
use super::words::VersionState;
use crate::list::digest::hex;
use crate::rollout::{Digest, FailureRecord, Gates, Quarantine, Released, Rollout, Version, VersionRecord};

/// A version, whether in memory or not.
#[derive(Serialize, ToSchema)]
#[schema(as = Version)]
pub(in crate::web) struct VersionBody<'a> {
    /// The version number that the component gives itself.
    #[schema(value_type = VersionNumber)]
    version: String,
    /// The SHA-256 of the component.
    #[schema(value_type = ComponentDigest)]
    digest: String,
    /// What the version does.
    state: VersionState,
    /// When the component was accepted.
    #[schema(value_type = String, format = DateTime)]
    accepted: Timestamp,
    /// Where the component came from.
    source: &'a str,
    /// Whether the version is in memory.
    loaded: bool,
    /// Since when the version is quarantined.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, format = DateTime)]
    quarantined: Option<Timestamp>,
    /// Why the version is quarantined.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    why: Option<&'a str>,
    /// The last failures before the quarantine, one a list, the newest last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    failures: Vec<FailureBody<'a>>,
    /// The quarantines that were ended by force, the newest last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    released: Vec<ReleasedBody<'a>>,
    /// What the gates measured when the component was accepted. Absent for components that are part of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    gates: Option<GatesBody<'a>>,
}

/// A quarantine that was ended by force.
#[derive(Serialize, ToSchema)]
#[schema(as = ReleasedQuarantine)]
pub(in crate::web) struct ReleasedBody<'a> {
    /// Since when the version was quarantined.
    #[schema(value_type = String, format = DateTime)]
    quarantined: Timestamp,
    /// Why it was quarantined.
    why: &'a str,
    /// The last failures before the quarantine, one a list, the newest last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    failures: Vec<FailureBody<'a>>,
    /// When the quarantine ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, format = DateTime)]
    released: Option<Timestamp>,
    /// The client whose request ended it: a caller, or an address where callers have no names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    client: Option<&'a str>,
}

/// A failure of a version.
#[derive(Serialize, ToSchema)]
#[schema(as = VersionFailure)]
pub(in crate::web) struct FailureBody<'a> {
    /// When it was.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// The list.
    list: &'a str,
    /// The revision that the list was at, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    revision: Option<u64>,
    /// The command or the view in the notation of a file of cases, if it is known. Cut if it is long.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    question: Option<&'a str>,
    /// The client whose request it was: a caller, or an address where callers have no names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    client: Option<&'a str>,
    /// What the version said, for people. Cut if it is long.
    fault: &'a str,
}

/// Results of the gates.
#[derive(Serialize, ToSchema)]
#[schema(as = Gates)]
pub(in crate::web) struct GatesBody<'a> {
    /// The number of calls that the gates made.
    probes: usize,
    /// The most fuel that a call used.
    worst_fuel: u64,
    /// The longest time that a call took, in microseconds.
    worst_micros: u64,
    /// The most memory that the component had, in bytes.
    worst_memory: usize,
    /// Failures of the gates that were overruled with `force`.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    #[schema(required = false)]
    forced: &'a [String],
    /// Differences from the version that was live at that time.
    differs: &'a [String],
}

/// Formats a digest as clients see and write it.
pub(super) fn digest_text(digest: &Digest) -> String {
    format!("sha256:{}", hex(digest))
}

impl<'a> VersionBody<'a> {
    pub(super) fn new(record: &'a VersionRecord, rollout: &Rollout) -> Self {
        let is = |version: Option<&Arc<Version>>| version.is_some_and(|v| *v.digest() == record.digest);
        let status = match () {
            () if record.quarantine.is_some() => VersionState::Quarantined,
            () if is(rollout.live.as_ref()) => VersionState::Live,
            () if is(rollout.candidate.as_ref().map(|candidate| &candidate.version)) => VersionState::Candidate,
            () if is(rollout.last_good.as_ref()) => VersionState::LastGood,
            () => VersionState::Retained,
        };
        Self {
            version: record.version.to_string(),
            digest: digest_text(&record.digest),
            state: status,
            accepted: Timestamp(record.accepted),
            source: &record.source,
            loaded: rollout.loaded().any(|version| *version.digest() == record.digest),
            quarantined: record.quarantine.as_ref().map(|quarantine| Timestamp(quarantine.time)),
            why: record.quarantine.as_ref().map(|quarantine| quarantine.why.as_str()),
            failures: record.quarantine.as_ref().map(FailureBody::all).unwrap_or_default(),
            released: record.released.iter().map(ReleasedBody::new).collect(),
            gates: record.gates.as_ref().map(GatesBody::new),
        }
    }
}

impl<'a> ReleasedBody<'a> {
    fn new(Released { quarantine, time, client }: &'a Released) -> Self {
        Self { released: Some(Timestamp(*time)), client: client.as_deref(), ..Self::of(quarantine) }
    }

    /// A quarantine that the request itself ended.
    pub(super) fn of(quarantine: &'a Quarantine) -> Self {
        let (quarantined, failures) = (Timestamp(quarantine.time), FailureBody::all(quarantine));
        Self { quarantined, why: &quarantine.why, failures, released: None, client: None }
    }
}

impl<'a> FailureBody<'a> {
    fn all(quarantine: &'a Quarantine) -> Vec<Self> {
        quarantine.failures.iter().map(Self::new).collect()
    }

    fn new(failure: &'a FailureRecord) -> Self {
        Self {
            time: Timestamp(failure.time),
            list: &failure.list,
            revision: failure.revision,
            question: failure.question.as_deref(),
            client: failure.client.as_deref(),
            fault: &failure.fault,
        }
    }
}

impl<'a> GatesBody<'a> {
    pub(super) fn new(gates: &'a Gates) -> Self {
        let Gates { probes, worst_fuel, worst_micros, worst_memory, forced, differs } = gates;
        let (probes, worst_fuel, worst_micros, worst_memory) = (*probes, *worst_fuel, *worst_micros, *worst_memory);
        Self { probes, worst_fuel, worst_micros, worst_memory, forced, differs }
    }
}

//! Representations of a logic's rollout: its versions, candidate, shadow and events.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use utoipa::ToSchema;

use super::super::schemas::{ComponentDigest, VersionNumber};
use super::super::timestamp::Timestamp;
use super::description::DescriptionBody;
use super::records::{VersionBody, digest_text};
use super::words::{DifferenceKindBody, EventKind, LogicState, OnFaultBody, ThenBody};
use crate::list::name::{ListName, LogicName};
use crate::rollout::shadows::{Difference, MeasuredAnswer, Tally};
use crate::rollout::{CanaryEnd, Event, LoadedCandidate, Rollout, Version};

/// A logic and its rollout state.
#[derive(Serialize, ToSchema)]
#[schema(as = Logic)]
pub(in crate::web) struct LogicBody<'a> {
    /// The logic's name.
    #[schema(value_type = LogicName)]
    name: &'a str,
    /// Whether a version decides.
    state: LogicState,
    /// What happens to a command at which the live version fails.
    on_fault: OnFaultBody,
    /// The version that decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    live: Option<LoadedVersionBody<'a>>,
    /// The version that lists fall back to when the live one is quarantined: the one that was live before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_good: Option<LoadedVersionBody<'a>>,
    /// The candidate, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    candidate: Option<CandidateBody<'a>>,
    /// Why the newest component was refused, or why it was quarantined, if that was the last event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    failure: Option<&'a str>,
}

/// A version that is in memory, with its counters since it was loaded.
#[derive(Serialize, ToSchema)]
#[schema(as = LoadedVersion)]
pub(in crate::web) struct LoadedVersionBody<'a> {
    /// The title that the version gives itself.
    title: &'a str,
    /// The version number that the component gives itself.
    #[schema(value_type = VersionNumber)]
    version: String,
    /// The SHA-256 of the component.
    #[schema(value_type = ComponentDigest)]
    digest: String,
    /// Since when the version is live. For a version that is not live, since when it is in memory.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// Where the component came from.
    source: &'a str,
    /// Whether lists share instances of the version: a component that is part of the program, or one that an operator
    /// trusts (`--share`, or `share` in a change of the logic).
    shared: bool,
    /// Commands that the version accepted.
    accepted: u64,
    /// Commands that the version rejected.
    rejected: u64,
    /// Calls that failed.
    faults: u64,
    /// Commands that failed and that the last good version decided instead.
    fell_back: u64,
    /// Lists that the version migrated from another version.
    migrated: u64,
    /// Lists that the version did not migrate, because it rejected them or failed. They stay bound to their version.
    not_migrated: u64,
    /// The last failure, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_fault: Option<String>,
}

/// A candidate: a version that decides for some lists, or in the shadow of the live version.
#[derive(Serialize, ToSchema)]
#[schema(as = Candidate)]
pub(in crate::web) struct CandidateBody<'a> {
    /// The version.
    #[serde(flatten)]
    version: LoadedVersionBody<'a>,
    /// The canary: the share of lists for which the candidate decides, in per cent. A list's name determines whether it is one
    /// of them.
    #[schema(maximum = 100)]
    percent: u8,
    /// When the canary ends by itself, unless the candidate fails before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    until: Option<Timestamp>,
    /// What happens then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    then: Option<ThenBody>,
    /// The comparison with the live version, if the candidate runs in its shadow.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    shadow: Option<ShadowBody>,
}

/// Comparison of a candidate with the live version.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = Shadow)]
pub(in crate::web) struct ShadowBody {
    /// Commands that both versions decided.
    compared: u64,
    /// Commands that wait to be compared.
    waiting: u64,
    /// Commands that were skipped because the candidate was too slow.
    skipped: u64,
    /// Commands with different results, by kind of difference.
    differences: DifferenceCounts,
    /// The last differences, the newest last. Only where one logic is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last: Option<Vec<DifferenceBody>>,
}

/// Number of differences by kind.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = DifferenceCounts)]
pub(in crate::web) struct DifferenceCounts {
    /// The changes differ.
    changes: u64,
    /// One version rejects the command, or the reasons differ.
    rejection: u64,
    /// The changes are the same, and a view differs.
    view: u64,
    /// The candidate failed.
    fault: u64,
}

/// A command at which the candidate differs from the live version.
#[derive(Serialize, ToSchema)]
#[schema(as = Difference)]
pub(in crate::web) struct DifferenceBody {
    /// When the command was decided.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// The list.
    #[schema(value_type = ListName)]
    list: String,
    /// The revision that the list was at.
    revision: u64,
    /// The caller.
    caller: String,
    /// The command, in the notation of a file of cases.
    command: String,
    /// The kind of the difference.
    kind: DifferenceKindBody,
    /// The answer of the live version.
    live: MeasuredAnswerBody,
    /// The answer of the candidate.
    candidate: MeasuredAnswerBody,
}

/// An answer with its cost.
#[derive(Serialize, ToSchema)]
#[schema(as = MeasuredAnswer)]
pub(in crate::web) struct MeasuredAnswerBody {
    /// The answer, for people.
    answer: String,
    /// Fuel that deciding used, about one unit per WebAssembly instruction.
    fuel: u64,
    /// Microseconds that deciding took.
    micros: u64,
}

/// A logic with its rollout state, description, versions and events.
#[derive(Serialize, ToSchema)]
#[schema(as = LogicDescription)]
pub(in crate::web) struct LogicDetailBody<'a> {
    /// The logic and its rollout state.
    #[serde(flatten)]
    logic: LogicBody<'a>,
    /// The description that the live version gives of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    description: Option<DescriptionBody<'a>>,
    /// All recorded versions, the oldest first.
    versions: Vec<VersionBody<'a>>,
    /// The events of the rollout, the newest last.
    events: Vec<LogicEventBody<'a>>,
}

/// An event in the rollout of a logic.
#[derive(Serialize, ToSchema)]
#[schema(as = LogicEvent)]
pub(in crate::web) struct LogicEventBody<'a> {
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// The kind of event.
    event: EventKind,
    /// Where the component came from, or what caused the event.
    source: &'a str,
    /// The client whose request caused the event: a caller, or an address where callers have no names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    client: Option<&'a str>,
    /// The SHA-256 of the component, if it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ComponentDigest, required = false)]
    digest: Option<String>,
    /// The version, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = VersionNumber, required = false)]
    version: Option<String>,
    /// The reason, or details.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    why: Option<&'a str>,
    /// The event as a sentence for people.
    text: String,
}

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl<'a> LogicBody<'a> {
    /// With `differences`, the last differences of the candidate are included.
    pub(in crate::web) fn new(name: &'a str, rollout: &'a Rollout, differences: bool) -> Self {
        let status = match &rollout.live {
            Some(_) if rollout.state.refusal().is_some() => LogicState::Quarantined,
            Some(_) => LogicState::Live,
            None if rollout.state.versions.iter().any(|known| known.quarantine.is_none()) => LogicState::Retained,
            None => LogicState::Failed,
        };
        let live = rollout.live.as_deref().map(|live| LoadedVersionBody::new(live, rollout.state.since));
        let last_good =
            rollout.last_good.as_deref().map(|last_good| LoadedVersionBody::new(last_good, last_good.since));
        let end = rollout.state.candidate.as_ref().and_then(|candidate| candidate.end.as_ref());
        let candidate = rollout.candidate.as_ref().map(|candidate| CandidateBody::new(candidate, end, differences));
        let on_fault = rollout.state.on_fault.into();
        Self { name, state: status, on_fault, live, last_good, candidate, failure: rollout.state.failure() }
    }

    /// The same with all counters at 0 and without last faults: what changes with the rollout only.
    pub(in crate::web) fn without_counters(self) -> Self {
        let of = |version: Option<LoadedVersionBody<'a>>| version.map(LoadedVersionBody::without_counters);
        let candidate = self.candidate.map(CandidateBody::without_counters);
        Self { live: of(self.live), last_good: of(self.last_good), candidate, ..self }
    }
}

impl<'a> LoadedVersionBody<'a> {
    fn new(version: &'a Version, since: u64) -> Self {
        let (id, counters) = (version.id(), &version.counters);
        Self {
            title: &version.logic.description().title,
            version: id.version.to_string(),
            digest: id.digest_text(),
            since: Timestamp(since),
            source: &version.source,
            shared: version.logic.is_shared(),
            accepted: count(&counters.accepted),
            rejected: count(&counters.rejected),
            faults: count(&counters.faults),
            fell_back: count(&counters.fell_back),
            migrated: count(&counters.migrated),
            not_migrated: count(&counters.not_migrated),
            last_fault: counters.last_fault().map(|fault| fault.to_string()),
        }
    }

    fn without_counters(self) -> Self {
        let (accepted, rejected, faults, fell_back, migrated, not_migrated) = (0, 0, 0, 0, 0, 0);
        Self { accepted, rejected, faults, fell_back, migrated, not_migrated, last_fault: None, ..self }
    }
}

impl<'a> CandidateBody<'a> {
    fn new(candidate: &'a LoadedCandidate, end: Option<&CanaryEnd>, differences: bool) -> Self {
        Self {
            version: LoadedVersionBody::new(&candidate.version, candidate.version.since),
            percent: candidate.percent,
            until: end.map(|end| Timestamp(end.until)),
            then: end.map(|end| end.then.into()),
            shadow: candidate.shadow.as_ref().map(|shadow| ShadowBody::new(shadow.tally(), differences)),
        }
    }

    fn without_counters(self) -> Self {
        let shadow = self.shadow.map(|_| ShadowBody::default());
        Self { version: self.version.without_counters(), shadow, ..self }
    }
}

impl ShadowBody {
    fn new(tally: &Tally, differences: bool) -> Self {
        Self {
            compared: count(&tally.compared),
            waiting: tally.waiting(),
            skipped: count(&tally.skipped),
            differences: DifferenceCounts {
                changes: count(&tally.changes),
                rejection: count(&tally.rejection),
                view: count(&tally.view),
                fault: count(&tally.fault),
            },
            last: differences.then(|| tally.last().into_iter().map(DifferenceBody::new).collect()),
        }
    }
}

impl DifferenceBody {
    fn new(difference: Difference) -> Self {
        Self {
            time: Timestamp(difference.time),
            list: difference.list.as_str().to_owned(),
            revision: difference.revision,
            caller: difference.caller.to_string(),
            command: difference.command,
            kind: difference.kind.into(),
            live: MeasuredAnswerBody::new(difference.live),
            candidate: MeasuredAnswerBody::new(difference.candidate),
        }
    }
}

impl MeasuredAnswerBody {
    fn new(measured: MeasuredAnswer) -> Self {
        let micros = u64::try_from(measured.took.as_micros()).unwrap_or(u64::MAX);
        Self { answer: measured.answer, fuel: measured.fuel, micros }
    }
}

impl<'a> LogicDetailBody<'a> {
    pub(super) fn new(name: &'a str, rollout: &'a Rollout) -> Self {
        Self {
            logic: LogicBody::new(name, rollout, true),
            description: rollout.live.as_deref().map(|live| DescriptionBody::new(live.logic.description())),
            versions: rollout.state.versions.iter().map(|record| VersionBody::new(record, rollout)).collect(),
            events: rollout.state.events.iter().map(LogicEventBody::new).collect(),
        }
    }
}

impl<'a> LogicEventBody<'a> {
    fn new(event: &'a Event) -> Self {
        Self {
            time: Timestamp(event.time),
            event: event.step.into(),
            source: &event.source,
            client: event.client.as_deref(),
            digest: event.digest.as_ref().map(digest_text),
            version: event.version.as_ref().map(ToString::to_string),
            why: (!event.why.is_empty()).then_some(&event.why),
            text: event.to_string(),
        }
    }
}

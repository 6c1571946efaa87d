//! How a logic stands, as clients see it.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use utoipa::ToSchema;

use super::super::timestamp::Timestamp;
use super::description::DescriptionBody;
use crate::list::digest::hex;
use crate::rollout::shadows::{Difference, MeasuredAnswer, Tally};
use crate::rollout::{Candidate, Digest, Event, Gates, RolloutState, Step, Version, VersionRecord};

/// How a logic stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Logic)]
pub(in crate::web) struct LogicBody<'a> {
    /// Its name.
    name: &'a str,
    /// `live`: a version decides; `kept`: there are versions, and none is live; `failed`: no version could ever be
    /// loaded.
    state: &'static str,
    /// The version that decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<LoadedVersionBody<'a>>,
    /// The version that lists fall back to when the live one fails too often: the one that was live before.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_good: Option<LoadedVersionBody<'a>>,
    /// The version on trial.
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate: Option<CandidateBody<'a>>,
    /// Why the newest component offered was not taken, or why it was quarantined, if that is the newest that
    /// happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a str>,
}

/// A version that is in memory, with what it did since it was loaded.
#[derive(Serialize, ToSchema)]
#[schema(as = LoadedVersion)]
pub(in crate::web) struct LoadedVersionBody<'a> {
    /// What it calls itself.
    title: &'a str,
    /// The version it gives itself.
    version: String,
    /// The SHA-256 of its component.
    digest: String,
    /// Since when it is live; for others, since when it is in memory.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// Where it came from.
    source: &'a str,
    /// Commands it carried out.
    accepted: u64,
    /// Commands it said no to.
    rejected: u64,
    /// Calls in which it failed.
    faults: u64,
    /// Commands it failed at that another version decided instead.
    rescued: u64,
    /// Lists it took over from another version.
    migrated: u64,
    /// Lists it did not take over, because it said no or failed: they stay with the version that has them.
    not_migrated: u64,
    /// The last failure, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_fault: Option<String>,
}

/// A version on trial.
#[derive(Serialize, ToSchema)]
#[schema(as = Candidate)]
pub(in crate::web) struct CandidateBody<'a> {
    /// Which one.
    #[serde(flatten)]
    version: LoadedVersionBody<'a>,
    /// For how many lists of a hundred it decides. Which ones depends on their names only.
    percent: u8,
    /// What was found in the shadow of the live version, if the candidate works there.
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow: Option<ShadowBody>,
}

/// What a candidate in the shadow of the live version found.
#[derive(Serialize, ToSchema)]
#[schema(as = Shadow)]
pub(in crate::web) struct ShadowBody {
    /// Commands that both decided.
    compared: u64,
    /// Commands that wait to be compared.
    waiting: u64,
    /// Commands that were skipped, because the shadow could not keep up.
    skipped: u64,
    /// Commands that came to something else, by how.
    differences: DifferenceCounts,
    /// The last of them, the newest last; only where one logic is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Vec<DifferenceBody>>,
}

/// How often a candidate differed, by how.
#[derive(Serialize, ToSchema)]
#[schema(as = DifferenceCounts)]
pub(in crate::web) struct DifferenceCounts {
    /// Other changes.
    changes: u64,
    /// One says no, or not for the same reason.
    rejection: u64,
    /// The same changes, and a view that shows something else.
    view: u64,
    /// The candidate failed.
    fault: u64,
}

/// A command at which the candidate differs.
#[derive(Serialize, ToSchema)]
#[schema(as = Difference)]
pub(in crate::web) struct DifferenceBody {
    /// When it was decided.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// Of which list.
    list: String,
    /// The revision that the list was at.
    revision: u64,
    /// Who asked.
    caller: String,
    /// What was asked, as a file of cases would write it.
    command: String,
    /// How they differ: `changes`, `rejection`, `view` or `fault`.
    kind: &'static str,
    /// What the live version answered.
    live: MeasuredAnswerBody,
    /// What the candidate answered.
    candidate: MeasuredAnswerBody,
}

/// An answer with its price.
#[derive(Serialize, ToSchema)]
#[schema(as = MeasuredAnswer)]
pub(in crate::web) struct MeasuredAnswerBody {
    /// The answer, for people.
    answer: String,
    /// Fuel for deciding: about one WebAssembly instruction each.
    fuel: u64,
    /// Microseconds for deciding.
    micros: u64,
}

/// A logic with its versions, what it says of itself and what happened to it.
#[derive(Serialize, ToSchema)]
#[schema(as = LogicDescription)]
pub(in crate::web) struct LogicDetailBody<'a> {
    /// How it stands.
    #[serde(flatten)]
    logic: LogicBody<'a>,
    /// What the live version says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<DescriptionBody<'a>>,
    /// All versions that are kept or remembered, the oldest first.
    versions: Vec<VersionBody<'a>>,
    /// What happened to it, the newest last.
    events: Vec<LogicEventBody<'a>>,
}

/// A version, in memory or not.
#[derive(Serialize, ToSchema)]
#[schema(as = Version)]
pub(in crate::web) struct VersionBody<'a> {
    /// The version it gives itself.
    version: String,
    /// The SHA-256 of its component.
    digest: String,
    /// `live`, `last_good` (what lists fall back to), `candidate`, `kept`, or `quarantined`.
    state: &'static str,
    /// When it was taken.
    #[schema(value_type = String, format = DateTime)]
    taken: Timestamp,
    /// Where it came from.
    source: &'a str,
    /// Whether it is in memory.
    loaded: bool,
    /// Since when it is quarantined.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    quarantined: Option<Timestamp>,
    /// Why it is quarantined.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    /// What the gates found when it was taken; absent for what is part of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    gates: Option<GatesBody<'a>>,
}

/// What the gates found.
#[derive(Serialize, ToSchema)]
#[schema(as = Gates)]
pub(in crate::web) struct GatesBody<'a> {
    /// How many questions it was asked.
    asked: usize,
    /// The most fuel that an answer took.
    worst_fuel: u64,
    /// The longest that an answer took, in microseconds.
    worst_micros: u64,
    /// The most memory that it had, in bytes.
    worst_memory: usize,
    /// What went wrong, where it was taken all the same.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    forced: &'a [String],
    /// How it differs from the version that was live then.
    differs: &'a [String],
}

/// Something that happened to a logic.
#[derive(Serialize, ToSchema)]
#[schema(as = LogicEvent)]
pub(in crate::web) struct LogicEventBody<'a> {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// What: `published`, `kept`, `refused`, `candidate`, `withdrawn`, `quarantined` or `released`.
    #[schema(value_type = String)]
    event: Step,
    /// Where the component came from, or who made it happen.
    source: &'a str,
    /// The SHA-256 of the component, if it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// The version, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// Why, or how.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
}

/// A digest as clients see and write it.
pub(super) fn digest_text(digest: &Digest) -> String {
    format!("sha256:{}", hex(digest))
}

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl<'a> LogicBody<'a> {
    /// A logic; with the differences of its candidate, or without.
    pub(super) fn new(name: &'a str, state: &'a RolloutState, whole: bool) -> Self {
        let status = match &state.live {
            Some(_) => "live",
            None if state.versions.iter().any(|known| known.quarantine.is_none()) => "kept",
            None => "failed",
        };
        let live = state.live.as_deref().map(|live| LoadedVersionBody::new(live, state.since));
        let last_good = state.last_good.as_deref().map(|last_good| LoadedVersionBody::new(last_good, last_good.since));
        let candidate = state.candidate.as_ref().map(|trial| CandidateBody::new(trial, whole));
        Self { name, state: status, live, last_good, candidate, failure: state.failure() }
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
            accepted: count(&counters.accepted),
            rejected: count(&counters.rejected),
            faults: count(&counters.faults),
            rescued: count(&counters.rescued),
            migrated: count(&counters.migrated),
            not_migrated: count(&counters.not_migrated),
            last_fault: counters.last_fault().map(|fault| fault.to_string()),
        }
    }
}

impl<'a> CandidateBody<'a> {
    fn new(trial: &'a Candidate, whole: bool) -> Self {
        Self {
            version: LoadedVersionBody::new(&trial.version, trial.version.since),
            percent: trial.percent,
            shadow: trial.shadow.as_ref().map(|shadow| ShadowBody::new(shadow.tally(), whole)),
        }
    }
}

impl ShadowBody {
    fn new(tally: &Tally, whole: bool) -> Self {
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
            last: whole.then(|| tally.last().into_iter().map(DifferenceBody::new).collect()),
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
            kind: difference.kind.as_str(),
            live: MeasuredAnswerBody::new(difference.live),
            candidate: MeasuredAnswerBody::new(difference.candidate),
        }
    }
}

impl MeasuredAnswerBody {
    fn new(told: MeasuredAnswer) -> Self {
        let micros = u64::try_from(told.took.as_micros()).unwrap_or(u64::MAX);
        Self { answer: told.answer, fuel: told.fuel, micros }
    }
}

impl<'a> LogicDetailBody<'a> {
    pub(super) fn new(name: &'a str, state: &'a RolloutState) -> Self {
        Self {
            logic: LogicBody::new(name, state, true),
            description: state.live.as_deref().map(|live| DescriptionBody::new(live.logic.description())),
            versions: state.versions.iter().map(|known| VersionBody::new(known, state)).collect(),
            events: state.events.iter().map(LogicEventBody::new).collect(),
        }
    }
}

impl<'a> VersionBody<'a> {
    fn new(known: &'a VersionRecord, state: &RolloutState) -> Self {
        let is = |version: Option<&std::sync::Arc<Version>>| version.is_some_and(|v| *v.digest() == known.digest);
        let status = match () {
            () if known.quarantine.is_some() => "quarantined",
            () if is(state.live.as_ref()) => "live",
            () if is(state.candidate.as_ref().map(|trial| &trial.version)) => "candidate",
            () if is(state.last_good.as_ref()) => "last-good",
            () => "kept",
        };
        Self {
            version: known.version.to_string(),
            digest: digest_text(&known.digest),
            state: status,
            taken: Timestamp(known.taken),
            source: &known.source,
            loaded: state.loaded().any(|version| *version.digest() == known.digest),
            quarantined: known.quarantine.as_ref().map(|quarantine| Timestamp(quarantine.time)),
            why: known.quarantine.as_ref().map(|quarantine| quarantine.why.as_str()),
            gates: known.gates.as_ref().map(GatesBody::new),
        }
    }
}

impl<'a> GatesBody<'a> {
    fn new(gates: &'a Gates) -> Self {
        let Gates { asked, worst_fuel, worst_micros, worst_memory, forced, differs } = gates;
        let (asked, worst_fuel, worst_micros, worst_memory) = (*asked, *worst_fuel, *worst_micros, *worst_memory);
        Self { asked, worst_fuel, worst_micros, worst_memory, forced, differs }
    }
}

impl<'a> LogicEventBody<'a> {
    fn new(event: &'a Event) -> Self {
        Self {
            time: Timestamp(event.time),
            event: event.step,
            source: &event.source,
            digest: event.digest.as_ref().map(digest_text),
            version: event.version.as_ref().map(ToString::to_string),
            why: (!event.why.is_empty()).then_some(&event.why),
        }
    }
}

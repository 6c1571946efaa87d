//! Rollout state of one logic: which version is live, which one is the last good one, which one is the candidate,
//! and what is known of all versions.
//!
//! The state is plain data. It holds digests, numbers and times, never a loaded version, and it is what
//! the store holds. Every transition either succeeds as a whole or leaves the state as it was and says
//! why. A transition reads no clock and starts no thread.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::digest::{Digest, digits, optional_digits};
use super::on_fault::OnFault;
use crate::list::digest::hex;
use crate::list::id::LogicId;
use crate::list::name::LogicName;

/// How many past events of one logic are remembered. The oldest are removed first.
pub const MAX_EVENTS: usize = 100;

/// How many versions of one logic are remembered. The oldest version that is not in use is removed first.
pub const MAX_VERSIONS: usize = 32;

/// The rollout of one logic, as it is stored.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct RolloutState {
    /// The live version, which decides for all lists that have no pin and are not in the canary.
    #[serde(with = "optional_digits", default)]
    pub live: Option<Digest>,
    /// Since when the live version is live: milliseconds since the epoch.
    pub since: u64,
    /// The version that was live before and was not quarantined. Lists fall back to it.
    #[serde(with = "optional_digits", default, alias = "good")]
    pub last_good: Option<Digest>,
    /// The version that is tried beside the live one.
    #[serde(default)]
    pub candidate: Option<Candidate>,
    /// What happens to a command at which the live version fails.
    #[serde(default)]
    pub on_fault: OnFault,
    /// All versions that are stored or remembered, the oldest first. At most [`MAX_VERSIONS`], unless more are in use.
    pub versions: Vec<VersionRecord>,
    /// What happened, the newest last. At most [`MAX_EVENTS`].
    pub events: VecDeque<Event>,
}

/// A version that is tried beside the live one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Candidate {
    /// The digest of the version.
    #[serde(with = "digits")]
    pub digest: Digest,
    /// The percentage of lists in the canary: the candidate decides for these.
    pub percent: u8,
    /// Whether the candidate also decides in the shadow of the live version.
    pub shadow: bool,
}

/// What is known of a version, whether it is loaded or not.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct VersionRecord {
    /// The version number that the component declares.
    pub version: semver::Version,
    /// The SHA-256 of the component.
    #[serde(with = "digits")]
    pub digest: Digest,
    /// Where the component came from.
    pub source: String,
    /// When the component was accepted: milliseconds since the epoch.
    #[serde(alias = "taken")]
    pub accepted: u64,
    /// Whether the version ever was live.
    #[serde(default)]
    pub published: bool,
    /// Whether some list needs the version, because it is pinned to it or could not migrate from it.
    #[serde(default)]
    pub held: bool,
    /// Whether an operator allowed lists to share instances of the version.
    #[serde(default)]
    pub shared: bool,
    /// Why the version may not decide, if it is quarantined.
    #[serde(default)]
    pub quarantine: Option<Quarantine>,
    /// What the gates found, if the version went through them.
    #[serde(default)]
    pub gates: Option<Gates>,
}

/// Why a version may not decide any more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Quarantine {
    /// Since when: milliseconds since the epoch.
    pub time: u64,
    /// The reason, as a text for people.
    pub why: String,
}

/// What the gates found when a version was accepted.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Gates {
    /// The number of probes.
    #[serde(alias = "asked")]
    pub probes: usize,
    /// The most fuel that one answer took.
    pub worst_fuel: u64,
    /// The longest time that one answer took, in microseconds.
    pub worst_micros: u64,
    /// The most memory that an instance had, in bytes.
    pub worst_memory: usize,
    /// The failures that were overruled with `force`.
    pub forced: Vec<String>,
    /// How the description differs from that of the version that was live then.
    pub differs: Vec<String>,
}

/// Something that happened to a logic.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Milliseconds since the epoch.
    pub time: u64,
    /// What happened.
    pub step: Step,
    /// What caused the event, such as `built in`, `upload`, the name of a file, `request` or `failures`.
    pub source: String,
    /// The SHA-256 of the component, if the component could be read.
    #[serde(with = "optional_digits", default)]
    pub digest: Option<Digest>,
    /// The version number, if it is known.
    #[serde(default)]
    pub version: Option<semver::Version>,
    /// The reason or the details. May be empty.
    #[serde(default)]
    pub why: String,
}

/// The kind of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// A version became live.
    Published,
    /// A component was checked and stored. It decides nothing yet.
    #[serde(alias = "kept")]
    Stored,
    /// A component was refused.
    Refused,
    /// A version became the candidate, or its percentage or shadow changed.
    Candidate,
    /// The candidate was withdrawn.
    Withdrawn,
    /// A version failed too often.
    Quarantined,
    /// A quarantined version may decide again.
    Released,
    /// Lists may share instances of a version.
    Shared,
    /// Lists may not share instances of a version any more.
    Isolated,
    /// Another thing happens to commands at which the live version fails.
    OnFault,
}

/// Why a transition is not possible. The state is unchanged then.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TransitionError {
    /// The state has no record of the version.
    #[error("there is no version sha256:{}", hex(.0))]
    UnknownVersion(Digest),
    /// The version is quarantined.
    #[error("sha256:{} was quarantined, because {why}", hex(digest))]
    Quarantined {
        /// The version.
        digest: Digest,
        /// The reason for the quarantine.
        why: String,
    },
    /// A candidate needs a live version to be compared with.
    #[error("no version is live; make one live first")]
    NoLive,
    /// A setting of the live version was to be changed, and there is none.
    #[error("no version is live")]
    NothingLive,
    /// The live version cannot be the candidate.
    #[error("sha256:{} is live, so it cannot be the candidate", hex(.0))]
    IsLive(Digest),
    /// No other version could decide instead of the one to be quarantined.
    #[error("no other version can decide instead of sha256:{}", hex(.0))]
    NoFallback(Digest),
}

/// The versions that decide: the part of a state that needs loaded versions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Roles {
    /// See [`RolloutState::live`].
    pub live: Option<Digest>,
    /// See [`RolloutState::last_good`].
    pub last_good: Option<Digest>,
    /// See [`RolloutState::candidate`].
    pub candidate: Option<Candidate>,
}

impl RolloutState {
    /// The record of a version.
    pub fn record(&self, digest: &Digest) -> Option<&VersionRecord> {
        self.versions.iter().find(|record| record.digest == *digest)
    }

    fn record_mut(&mut self, digest: &Digest) -> Option<&mut VersionRecord> {
        self.versions.iter_mut().find(|record| record.digest == *digest)
    }

    /// Why a version may not decide, if it is quarantined.
    pub fn quarantine_of(&self, digest: &Digest) -> Option<&Quarantine> {
        self.record(digest)?.quarantine.as_ref()
    }

    /// Why the newest component was refused, or why a version was quarantined. `None` when something else happened
    /// since.
    pub fn failure(&self) -> Option<&str> {
        let newest = self.events.back()?;
        matches!(newest.step, Step::Refused | Step::Quarantined).then_some(newest.why.as_str())
    }

    /// The versions that have to be loaded, the live one first.
    pub fn in_use(&self) -> impl Iterator<Item = Digest> {
        let candidate = self.candidate.as_ref().map(|candidate| candidate.digest);
        [self.live, self.last_good, candidate].into_iter().flatten()
    }

    /// The versions that can decide when only some are loaded. The last good version replaces a live one that is not
    /// loaded, unless the logic refuses what its live version does not decide.
    pub fn roles(&self, is_loaded: impl Fn(&Digest) -> bool) -> Roles {
        let live = self.live.filter(&is_loaded);
        let last_good = self.last_good.filter(&is_loaded);
        let falls_back = live.is_none() && self.on_fault == OnFault::FallBack;
        let (live, last_good) = if falls_back { (last_good, None) } else { (live, last_good) };
        let candidate = self.candidate.clone();
        let candidate = candidate.filter(|one| is_loaded(&one.digest) && live.is_some_and(|live| live != one.digest));
        Roles { live, last_good, candidate }
    }

    /// Gives the roles of versions that are not loaded to versions that are. Transitions that change a role start from
    /// here. Other transitions leave the roles on record, because the next start may load what this one could not. A
    /// candidate that loses its role is withdrawn.
    pub fn set_roles(&mut self, Roles { live, last_good, candidate }: Roles, source: &str, now: u64) {
        // A version that guards something keeps its role also while it is not loaded. Only an operator replaces it.
        let live = live.or(self.live.filter(|_| self.on_fault == OnFault::Refuse));
        (self.live, self.last_good) = (live, last_good);
        let before = std::mem::replace(&mut self.candidate, candidate);
        let Some(dropped) = before.filter(|_| self.candidate.is_none()) else { return };
        let why = match live {
            None => "no live version is loaded to compare it with",
            Some(live) if live == dropped.digest => "it decides instead of the live version, which is not loaded",
            Some(_) => "it is not loaded",
        };
        self.note_version(Step::Withdrawn, source, &dropped.digest, why, now);
    }

    /// Remembers a version, without giving it a role. Beyond [`MAX_VERSIONS`], removes the oldest versions that are
    /// not in use; quarantined ones last, so that the same bytes are recognized.
    pub fn learn(&mut self, id: &LogicId, source: &str, gates: Option<Gates>, now: u64) {
        match self.record_mut(&id.digest) {
            Some(record) => record.gates = gates.or(record.gates.take()),
            None => self.versions.push(VersionRecord {
                version: id.version.clone(),
                digest: id.digest,
                source: source.into(),
                accepted: now,
                published: false,
                held: false,
                shared: false,
                quarantine: None,
                gates,
            }),
        }
        let in_use: Vec<Digest> = self.in_use().chain([id.digest]).collect();
        for quarantined in [false, true] {
            while self.versions.len() > MAX_VERSIONS
                && let Some(at) = self.versions.iter().position(|record| {
                    record.quarantine.is_some() == quarantined && !record.held && !in_use.contains(&record.digest)
                })
            {
                self.versions.remove(at);
            }
        }
    }

    /// Remembers a checked and stored version, without giving it a role.
    pub fn store(&mut self, id: &LogicId, source: &str, gates: Option<Gates>, now: u64) {
        self.learn(id, source, gates, now);
        self.note_version(Step::Stored, source, &id.digest, "", now);
    }

    /// Makes a known version live. The version that was live before becomes the last good one. A version that was
    /// rolled back from does not: when the last good version is made live again, there is no last good version.
    pub fn publish(&mut self, digest: &Digest, source: &str, now: u64) -> Result<(), TransitionError> {
        self.check_may_decide(digest)?;
        if let Some(record) = self.record_mut(digest) {
            record.published = true;
        }
        let before = self.live.replace(*digest);
        if before != Some(*digest) {
            self.since = now;
            let rolls_back = self.last_good == Some(*digest);
            let before = before.filter(|before| self.quarantine_of(before).is_none());
            self.last_good = if rolls_back { None } else { before.or(self.last_good) };
        }
        self.clear_candidate(digest);
        self.note_version(Step::Published, source, digest, "", now);
        Ok(())
    }

    /// Makes a known version the candidate, or changes the percentage and the shadow of the candidate.
    pub fn stage(&mut self, candidate: Candidate, source: &str, now: u64) -> Result<(), TransitionError> {
        self.check_may_decide(&candidate.digest)?;
        match self.live {
            None => return Err(TransitionError::NoLive),
            Some(live) if live == candidate.digest => return Err(TransitionError::IsLive(live)),
            Some(_) => {}
        }
        let details = format!("{} per cent{}", candidate.percent, if candidate.shadow { ", in shadow" } else { "" });
        self.note_version(Step::Candidate, source, &candidate.digest, &details, now);
        self.candidate = Some(candidate);
        Ok(())
    }

    /// Withdraws the candidate, if there is one.
    pub fn withdraw(&mut self, source: &str, now: u64) {
        if let Some(candidate) = self.candidate.take() {
            self.note_version(Step::Withdrawn, source, &candidate.digest, "", now);
        }
    }

    /// Quarantines a version, if another one can decide instead. When the version is live, rolls back to the last good
    /// one. A live version that guards something stays live and decides nothing.
    pub fn quarantine(&mut self, digest: &Digest, why: &str, now: u64) -> Result<(), TransitionError> {
        self.check_may_decide(digest)?;
        let fallback = match self.is_guard(digest) {
            true => *digest,
            false => self.fallback(digest).ok_or(TransitionError::NoFallback(*digest))?,
        };
        if let Some(record) = self.record_mut(digest) {
            record.quarantine = Some(Quarantine { time: now, why: why.into() });
        }
        if self.last_good == Some(*digest) {
            self.last_good = None;
        }
        if self.live == Some(*digest) && fallback != *digest {
            self.fall_back_to(&fallback, now);
        }
        self.clear_candidate(digest);
        self.note_version(Step::Quarantined, "failures", digest, why, now);
        Ok(())
    }

    /// Makes the version live that lists fall back to.
    fn fall_back_to(&mut self, fallback: &Digest, now: u64) {
        (self.live, self.last_good, self.since) = (Some(*fallback), None, now);
        self.clear_candidate(fallback);
    }

    /// Sets what happens to a command at which the live version fails. If the live version is quarantined and lists may
    /// fall back from now on, they do.
    pub fn set_on_fault(&mut self, on_fault: OnFault, source: &str, now: u64) {
        if std::mem::replace(&mut self.on_fault, on_fault) == on_fault {
            return;
        }
        let (digest, version, why) = (None, None, on_fault.to_string());
        self.note(Event { time: now, step: Step::OnFault, source: source.into(), digest, version, why });
        let quarantined = self.live.filter(|live| self.quarantine_of(live).is_some());
        let fallback = quarantined.and_then(|live| self.fallback(&live));
        if let Some(fallback) = fallback.filter(|_| on_fault == OnFault::FallBack) {
            self.fall_back_to(&fallback, now);
        }
    }

    /// Whether a version is live and no other one decides in its place.
    pub fn is_guard(&self, digest: &Digest) -> bool {
        self.live == Some(*digest) && self.on_fault == OnFault::Refuse
    }

    /// Why the live version decides nothing, if it is quarantined.
    pub fn refusal(&self) -> Option<&Quarantine> {
        self.quarantine_of(self.live.as_ref()?)
    }

    /// Lets a quarantined version decide again. Without `force`, a quarantined version is refused.
    pub fn release(&mut self, digest: &Digest, force: bool, source: &str, now: u64) -> Result<(), TransitionError> {
        let Some(record) = self.record_mut(digest) else { return Ok(()) };
        match record.quarantine.take_if(|_| force) {
            Some(_) => self.note_version(Step::Released, source, digest, "", now),
            None => self.check_not_quarantined(digest)?,
        }
        Ok(())
    }

    /// Allows lists to share instances of a version, or forbids it.
    pub fn share(&mut self, digest: &Digest, is_shared: bool, source: &str, now: u64) -> Result<(), TransitionError> {
        let record = self.record_mut(digest).ok_or(TransitionError::UnknownVersion(*digest))?;
        if std::mem::replace(&mut record.shared, is_shared) != is_shared {
            let step = if is_shared { Step::Shared } else { Step::Isolated };
            self.note_version(step, source, digest, "", now);
        }
        Ok(())
    }

    /// Marks a version as needed by some list.
    pub fn hold(&mut self, digest: &Digest) {
        if let Some(record) = self.record_mut(digest) {
            record.held = true;
        }
    }

    /// Adds an event, and removes the oldest one beyond [`MAX_EVENTS`].
    pub fn note(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// The version that decides instead of another one: the last good version for the live one, the live version for
    /// any other.
    pub fn fallback(&self, failed: &Digest) -> Option<Digest> {
        let other = if self.live == Some(*failed) { self.last_good } else { self.live };
        other.filter(|other| self.quarantine_of(other).is_none())
    }

    /// Refuses a quarantined version. A version without a record is not quarantined.
    pub fn check_not_quarantined(&self, digest: &Digest) -> Result<(), TransitionError> {
        match self.quarantine_of(digest) {
            Some(quarantine) => Err(TransitionError::Quarantined { digest: *digest, why: quarantine.why.clone() }),
            None => Ok(()),
        }
    }

    fn check_may_decide(&self, digest: &Digest) -> Result<(), TransitionError> {
        self.record(digest).ok_or(TransitionError::UnknownVersion(*digest))?;
        self.check_not_quarantined(digest)
    }

    fn clear_candidate(&mut self, digest: &Digest) {
        self.candidate.take_if(|candidate| candidate.digest == *digest);
    }

    fn note_version(&mut self, step: Step, source: &str, digest: &Digest, why: &str, now: u64) {
        let version = self.record(digest).map(|record| record.version.clone());
        self.note(Event { time: now, step, source: source.into(), digest: Some(*digest), version, why: why.into() });
    }
}

impl VersionRecord {
    /// The full identity of the version, for a logic of this name.
    pub fn id(&self, logic: &LogicName) -> LogicId {
        LogicId { name: logic.clone(), version: self.version.clone(), digest: self.digest }
    }
}

#[cfg(test)]
mod tests;

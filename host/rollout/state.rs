//! Rollout state of one logic: which version is live, which one is the last good one, which one is the candidate,
//! and what is known of all versions.
//!
//! The state is plain data. It holds digests, numbers and times, never a loaded version, and it is what
//! the store holds. Every transition either succeeds as a whole or leaves the state as it was and says
//! why. A transition reads no clock and starts no thread.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::candidate::Candidate;
use super::digest::{Digest, optional_digits};
use super::event::{Cause, Event, FAILURES, Step};
use super::on_fault::OnFault;
use super::version_record::{Gates, Quarantine, VersionRecord};
use crate::list::digest::hex;
use crate::list::id::LogicId;

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
    /// The version is used, so it cannot be deleted.
    #[error("sha256:{} is in use: {why}", hex(digest))]
    InUse {
        /// The version.
        digest: Digest,
        /// What uses it.
        why: &'static str,
    },
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

    /// The role of a version: `quarantined`, `live`, `candidate` or `last-good`. `None` if it has none.
    pub fn role_of(&self, record: &VersionRecord) -> Option<&'static str> {
        let candidate = self.candidate.as_ref().map(|candidate| candidate.digest);
        match Some(record.digest) {
            _ if record.quarantine.is_some() => Some("quarantined"),
            digest if digest == self.live => Some("live"),
            digest if digest == candidate => Some("candidate"),
            digest if digest == self.last_good => Some("last-good"),
            _ => None,
        }
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
    pub fn set_roles(&mut self, Roles { live, last_good, candidate }: Roles, cause: Cause<'_>) {
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
        self.note_version(Step::Withdrawn, cause, &dropped.digest, why);
    }

    /// Remembers a version, without giving it a role. Beyond [`MAX_VERSIONS`], removes the oldest versions that are
    /// not in use; quarantined ones last, so that the same bytes are recognized.
    pub fn learn(&mut self, id: &LogicId, source: &str, gates: Option<Gates>, now: u64) {
        match self.record_mut(&id.digest) {
            Some(record) => record.gates = gates.or(record.gates.take()),
            None => self.versions.push(VersionRecord::new(id, source, gates, now)),
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
    pub fn store(&mut self, id: &LogicId, gates: Option<Gates>, cause: Cause<'_>) {
        self.learn(id, cause.source, gates, cause.time);
        self.note_version(Step::Stored, cause, &id.digest, "");
    }

    /// Makes a known version live. The version that was live before becomes the last good one. A version that was
    /// rolled back from does not: when the last good version is made live again, there is no last good version.
    pub fn publish(&mut self, digest: &Digest, cause: Cause<'_>) -> Result<(), TransitionError> {
        self.check_may_decide(digest)?;
        if let Some(record) = self.record_mut(digest) {
            record.published = true;
        }
        let before = self.live.replace(*digest);
        if before != Some(*digest) {
            self.since = cause.time;
            let rolls_back = self.last_good == Some(*digest);
            let before = before.filter(|before| self.quarantine_of(before).is_none());
            self.last_good = if rolls_back { None } else { before.or(self.last_good) };
        }
        self.clear_candidate(digest);
        self.note_version(Step::Published, cause, digest, "");
        if before != Some(*digest) {
            self.stop_canary("another version became live", cause);
        }
        Ok(())
    }

    /// Makes a known version the candidate, or changes the percentage and the shadow of the candidate.
    pub fn stage(&mut self, candidate: Candidate, cause: Cause<'_>) -> Result<(), TransitionError> {
        self.check_may_decide(&candidate.digest)?;
        match self.live {
            None => return Err(TransitionError::NoLive),
            Some(live) if live == candidate.digest => return Err(TransitionError::IsLive(live)),
            Some(_) => {}
        }
        self.note_version(Step::Candidate, cause, &candidate.digest, &candidate.to_string());
        self.candidate = Some(candidate);
        Ok(())
    }

    /// Stops a canary that would end by itself: the candidate decides for no list any more.
    pub fn stop_canary(&mut self, why: &str, cause: Cause<'_>) {
        let Some(candidate) = self.candidate.as_mut().filter(|candidate| candidate.end.is_some()) else { return };
        (candidate.percent, candidate.end) = (0, None);
        let digest = candidate.digest;
        self.note_version(Step::Stopped, cause, &digest, why);
    }

    /// Forgets a version that nothing uses. With `force`, also one that is quarantined, or that lists may need.
    pub fn delete(&mut self, digest: &Digest, force: bool, cause: Cause<'_>) -> Result<(), TransitionError> {
        let record = self.record(digest).ok_or(TransitionError::UnknownVersion(*digest))?;
        let candidate = self.candidate.as_ref().map(|candidate| candidate.digest);
        let use_of = match Some(*digest) {
            digest if digest == self.live => Some("it is live"),
            digest if digest == self.last_good => Some("lists fall back to it, because it is the last good version"),
            digest if digest == candidate => Some("it is the candidate"),
            _ if force => None,
            _ if record.held => Some("a list is or was pinned to it or could not migrate from it; insist with force"),
            _ if record.quarantine.is_some() => {
                Some("it is quarantined, and its record keeps the same component from coming back; insist with force")
            }
            _ => None,
        };
        if let Some(why) = use_of {
            return Err(TransitionError::InUse { digest: *digest, why });
        }
        let quarantine =
            record.quarantine.as_ref().map(|quarantine| format!("it was quarantined, because {}", quarantine.why));
        self.note_version(Step::Deleted, cause, digest, &quarantine.unwrap_or_default());
        self.versions.retain(|record| record.digest != *digest);
        Ok(())
    }

    /// Withdraws the candidate, if there is one.
    pub fn withdraw(&mut self, cause: Cause<'_>) {
        if let Some(candidate) = self.candidate.take() {
            self.note_version(Step::Withdrawn, cause, &candidate.digest, "");
        }
    }

    /// Quarantines a version, if another one can decide instead. When the version is live, rolls back to the last good
    /// one. A live version that guards something stays live and decides nothing.
    pub fn quarantine(&mut self, digest: &Digest, quarantine: Quarantine) -> Result<(), TransitionError> {
        let (why, now) = (quarantine.why.clone(), quarantine.time);
        self.check_may_decide(digest)?;
        let fallback = match self.is_guard(digest) {
            true => *digest,
            false => self.fallback(digest).ok_or(TransitionError::NoFallback(*digest))?,
        };
        if let Some(record) = self.record_mut(digest) {
            record.quarantine = Some(quarantine);
        }
        if self.last_good == Some(*digest) {
            self.last_good = None;
        }
        if self.live == Some(*digest) && fallback != *digest {
            self.fall_back_to(&fallback, now);
        }
        self.clear_candidate(digest);
        self.note_version(Step::Quarantined, Cause::new(FAILURES, now), digest, &why);
        Ok(())
    }

    /// Makes the version live that lists fall back to.
    fn fall_back_to(&mut self, fallback: &Digest, now: u64) {
        (self.live, self.last_good, self.since) = (Some(*fallback), None, now);
        self.clear_candidate(fallback);
        self.stop_canary("the live version was quarantined", Cause::new(FAILURES, now));
    }

    /// Sets what happens to a command at which the live version fails. If the live version is quarantined and lists may
    /// fall back from now on, they do.
    pub fn set_on_fault(&mut self, on_fault: OnFault, cause: Cause<'_>) {
        if std::mem::replace(&mut self.on_fault, on_fault) == on_fault {
            return;
        }
        self.note(Event::new(Step::OnFault, cause, on_fault.as_str()));
        let quarantined = self.live.filter(|live| self.quarantine_of(live).is_some());
        let fallback = quarantined.and_then(|live| self.fallback(&live));
        if let Some(fallback) = fallback.filter(|_| on_fault == OnFault::FallBack) {
            self.fall_back_to(&fallback, cause.time);
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

    /// Lets a quarantined version decide again, and remembers why it was quarantined. Without `force`, a quarantined
    /// version is refused. Returns the quarantine that ended.
    pub fn release(
        &mut self,
        digest: &Digest,
        force: bool,
        cause: Cause<'_>,
    ) -> Result<Option<Quarantine>, TransitionError> {
        if !force {
            return self.check_not_quarantined(digest).map(|()| None);
        }
        let record = self.record_mut(digest);
        let ended = record.and_then(|record| record.release(cause.client, cause.time));
        if let Some(quarantine) = &ended {
            let why = format!("it was quarantined, because {}", quarantine.why);
            self.note_version(Step::Released, cause, digest, &why);
        }
        Ok(ended)
    }

    /// Allows lists to share instances of a version, or forbids it.
    pub fn share(&mut self, digest: &Digest, is_shared: bool, cause: Cause<'_>) -> Result<(), TransitionError> {
        let record = self.record_mut(digest).ok_or(TransitionError::UnknownVersion(*digest))?;
        if std::mem::replace(&mut record.shared, is_shared) != is_shared {
            let step = if is_shared { Step::Shared } else { Step::Isolated };
            self.note_version(step, cause, digest, "");
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

    fn note_version(&mut self, step: Step, cause: Cause<'_>, digest: &Digest, why: &str) {
        let version = self.record(digest).map(|record| record.version.clone());
        self.note(Event { digest: Some(*digest), version, ..Event::new(step, cause, why) });
    }
}

#[cfg(test)]
mod tests;

//! Rollout of one logic in effect, and which of its versions decides about a list.

use std::sync::Arc;

use super::candidate::Candidate;
use super::digest::Digest;
use super::draft::RolloutDraft;
use super::on_fault::OnFault;
use super::shadows::Shadow;
use super::state::RolloutState;
use super::version::Version;
use super::version_record::VersionRecord;
use crate::list::name::{ListName, LogicName, stable_hash};
use crate::list::selector::Pin;

/// A rollout in effect: its state, with the loaded version behind each role. Never changes; a new one replaces it.
#[derive(Clone, Default)]
pub struct Rollout {
    /// The state, which is also in the store.
    pub state: RolloutState,
    /// The version that decides: the live version, or the last good one when the live version could not be loaded.
    pub live: Option<Arc<Version>>,
    /// The version that lists fall back to.
    pub last_good: Option<Arc<Version>>,
    /// The version that is tried beside the live one.
    pub candidate: Option<LoadedCandidate>,
    /// Versions that are loaded because some list is pinned to them.
    pub spare: Vec<Arc<Version>>,
}

/// A candidate that is loaded.
#[derive(Clone)]
pub struct LoadedCandidate {
    /// The version.
    pub version: Arc<Version>,
    /// The percentage of lists in the canary.
    pub percent: u8,
    /// The thread that compares the candidate with the live version, if the candidate is in shadow.
    pub shadow: Option<Arc<Shadow>>,
}

/// What a version is resolved by.
#[derive(Clone, Copy, Debug)]
pub enum Selector<'a> {
    /// The list's pin, the canary, or the live version, in this order.
    List {
        /// The list.
        list: &'a ListName,
        /// The version that the list is pinned to, if it is.
        pin: Option<&'a Pin>,
    },
    /// Exactly the version of a digest, unless it is quarantined.
    Digest(&'a Digest),
    /// The version to decide instead of a failed one, unless it is quarantined: the last good version for the live
    /// one, the live version for any other.
    InsteadOf(&'a Digest),
}

/// A version that decides about a list.
pub struct Selection {
    /// The version.
    pub version: Arc<Version>,
    /// The shadow that compares a candidate on the same commands, if there is one.
    pub shadow: Option<Arc<Shadow>>,
}

/// Why no version can decide.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ResolveError {
    /// The version is stored, and has to be loaded first.
    NotLoaded(LogicName, Digest),
    /// There is no such version, or it was removed or quarantined.
    NoVersion(LogicName, Pin),
    /// There is no such logic, or it has no live version.
    NoLogic(LogicName),
    /// The live version is quarantined for a reason, and the logic lets no other version decide in its place.
    Quarantined(LogicName, String),
}

/// Which hundredth of all lists a list belongs to, from 0 to 99. Depends on the name only.
pub fn bucket(list: &ListName) -> u8 {
    u8::try_from(stable_hash(list.as_str().as_bytes()) % 100).expect("a number below a hundred")
}

impl Rollout {
    /// Puts a draft into effect. Starts a shadow where the draft has one and the rollout before it had not, and takes
    /// over the one that compares the same two versions. A shadow that is dropped ends.
    pub(super) fn accept(draft: RolloutDraft, before: Option<&Self>) -> Self {
        let RolloutDraft { state, loaded, mut spare } = draft;
        let find = |digest: &Digest| loaded.iter().find(|version| version.digest() == digest).cloned();
        let roles = state.roles(|digest| find(digest).is_some());
        let live = roles.live.as_ref().and_then(find);
        let running = before.and_then(|before| before.candidate.as_ref()?.shadow.as_ref());
        let candidate = roles.candidate.and_then(|Candidate { digest, percent, shadow, .. }| {
            let (version, live) = (find(&digest)?, live.as_ref().filter(|_| shadow));
            let shadow = live.map(|live| Shadow::follow(running, &version, live.digest()));
            Some(LoadedCandidate { version, percent, shadow })
        });
        let last_good = roles.last_good.as_ref().and_then(find);
        let has_role = |digest: &Digest| state.in_use().any(|used| used == *digest) && find(digest).is_some();
        spare.retain(|version| !has_role(version.digest()));
        Self { state, live, last_good, candidate, spare }
    }

    /// The draft from which a change starts.
    pub(super) fn draft(&self) -> RolloutDraft {
        let loaded = self.with_roles().cloned().collect();
        RolloutDraft { state: self.state.clone(), loaded, spare: self.spare.clone() }
    }

    /// The loaded versions, each once.
    pub fn loaded(&self) -> impl Iterator<Item = &Arc<Version>> {
        self.with_roles().chain(&self.spare)
    }

    fn with_roles(&self) -> impl Iterator<Item = &Arc<Version>> {
        let candidate = self.candidate.as_ref().map(|candidate| &candidate.version);
        // The last good version may be the candidate, too.
        let last_good = self.last_good.as_ref();
        let last_good = last_good.filter(|good| candidate.is_none_or(|other| other.digest() != good.digest()));
        [self.live.as_ref(), last_good, candidate].into_iter().flatten()
    }

    /// Resolves a selector to a version and its shadow. Every choice of a version comes through here.
    pub(super) fn resolve(&self, logic: &LogicName, selector: Selector<'_>) -> Result<Selection, ResolveError> {
        let no_logic = || ResolveError::NoLogic(logic.clone());
        let version = match selector {
            Selector::List { list, pin: None } => {
                let selection = self.by_name(list).ok_or_else(no_logic)?;
                self.check_may_decide(logic, &selection.version)?;
                return Ok(selection);
            }
            Selector::List { pin: Some(pin), .. } => {
                let live = self.live.as_ref().ok_or_else(no_logic)?;
                let version = self.pinned(logic, pin, live)?;
                self.check_may_decide(logic, &version)?;
                Ok(version)
            }
            Selector::Digest(digest) => self.exactly(logic, digest),
            Selector::InsteadOf(failed) => {
                let may_fall_back = self.state.on_fault == OnFault::FallBack;
                self.fallback(failed).filter(|_| may_fall_back).cloned().ok_or_else(no_logic)
            }
        };
        version.map(|version| Selection { version, shadow: None })
    }

    /// Refuses a live version that is quarantined.
    fn check_may_decide(&self, logic: &LogicName, version: &Version) -> Result<(), ResolveError> {
        match self.state.quarantine_of(version.digest()) {
            Some(quarantine) => Err(ResolveError::Quarantined(logic.clone(), quarantine.why.clone())),
            None => Ok(()),
        }
    }

    /// The candidate for lists in the canary, or else the live version with the candidate in its shadow.
    fn by_name(&self, list: &ListName) -> Option<Selection> {
        let live = self.live.clone()?;
        Some(match &self.candidate {
            Some(candidate) if bucket(list) < candidate.percent => {
                Selection { version: candidate.version.clone(), shadow: None }
            }
            Some(candidate) => Selection { version: live, shadow: candidate.shadow.clone() },
            None => Selection { version: live, shadow: None },
        })
    }

    /// The version that a pin names; the newest one of a number. The live version decides for a list that is pinned to
    /// a quarantined version.
    fn pinned(&self, logic: &LogicName, pin: &Pin, live: &Arc<Version>) -> Result<Arc<Version>, ResolveError> {
        let accepted = |record: &&VersionRecord| pin.accepts(&record.id(logic));
        // A version that was never live decides only for lists that are pinned to its digest.
        let named = |record: &&VersionRecord| record.published || matches!(pin, Pin::Digest(_));
        let named = || self.state.versions.iter().filter(accepted).filter(named);
        let usable = named().filter(|record| record.quarantine.is_none());
        match usable.max_by(|a, b| (&a.version, a.accepted).cmp(&(&b.version, b.accepted))) {
            Some(record) => self.exactly(logic, &record.digest),
            None if pin.accepts(live.id()) || named().next().is_some() => Ok(live.clone()),
            None => Err(ResolveError::NoVersion(logic.clone(), pin.clone())),
        }
    }

    fn exactly(&self, logic: &LogicName, digest: &Digest) -> Result<Arc<Version>, ResolveError> {
        if self.state.quarantine_of(digest).is_some() {
            return Err(ResolveError::NoVersion(logic.clone(), Pin::Digest(*digest)));
        }
        if let Some(version) = self.loaded().find(|version| version.digest() == digest) {
            return Ok(version.clone());
        }
        match self.state.record(digest) {
            Some(_) => Err(ResolveError::NotLoaded(logic.clone(), *digest)),
            None => Err(ResolveError::NoVersion(logic.clone(), Pin::Digest(*digest))),
        }
    }

    fn fallback(&self, failed: &Digest) -> Option<&Arc<Version>> {
        let is_live = self.live.as_ref().is_some_and(|live| live.digest() == failed);
        let other = if is_live { self.last_good.as_ref() } else { self.live.as_ref() };
        other.filter(|other| self.state.quarantine_of(other.digest()).is_none())
    }

    /// Whether a failing version can be quarantined: it is not quarantined yet, and another one can decide instead, or
    /// none may.
    pub(super) fn can_quarantine(&self, digest: &Digest) -> bool {
        let may_decide = self.state.record(digest).is_some_and(|record| record.quarantine.is_none());
        may_decide && (self.state.is_guard(digest) || self.fallback(digest).is_some())
    }

    /// Whether no version decides because the live one could not be loaded, and the live one has another digest.
    pub fn awaits_another(&self, digest: &Digest) -> bool {
        self.live.is_none() && self.state.live.is_some_and(|live| live != *digest)
    }
}

//! How one logic stands: which of its versions is live, which was good before, which is on trial, which
//! fell; and which of them decides about a list.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::record::{CandidateRecord, digits, digits_if_any};
use super::shadows::Shadow;
use super::version::{Digest, Version};
use crate::list::id::LogicId;
use crate::list::name::{ListName, LogicName, stable_hash};
use crate::list::selector::Pin;

/// How many past events of one logic are remembered; the oldest go first.
pub const MAX_EVENTS: usize = 100;

/// How many versions of one logic are kept. The oldest that nobody needs goes first.
pub const MAX_VERSIONS: usize = 32;

/// How many versions of one logic are in memory for the sake of lists that insist on them.
pub const MAX_SPARE: usize = 8;

/// How a logic stands.
#[derive(Clone, Default)]
pub struct RolloutState {
    /// The version that decides, if one could ever be loaded.
    pub live: Option<Arc<Version>>,
    /// Since when it is live: milliseconds since the epoch.
    pub since: u64,
    /// The version that was live before, and did not fall: what lists fall back to.
    pub last_good: Option<Arc<Version>>,
    /// The version on trial.
    pub candidate: Option<Candidate>,
    /// Versions in memory because some list insists on them.
    pub spare: Vec<Arc<Version>>,
    /// All versions that are kept or remembered, the oldest first; at most [`MAX_VERSIONS`], unless more
    /// are needed.
    pub versions: Vec<VersionRecord>,
    /// What happened, the newest last; at most [`MAX_EVENTS`].
    pub events: VecDeque<Event>,
    /// What was on record, where not all of it could be loaded: it stays on record until somebody changes
    /// something, for the next start may have more luck.
    pub(super) wanted: Option<Wanted>,
}

/// The versions that a standing is made of.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Wanted {
    pub(super) live: Option<Digest>,
    pub(super) last_good: Option<Digest>,
    pub(super) candidate: Option<CandidateRecord>,
}

/// A version on trial.
#[derive(Clone)]
pub struct Candidate {
    /// Which one.
    pub version: Arc<Version>,
    /// For how many lists of a hundred it decides.
    pub percent: u8,
    /// Compares its decisions with those of the live one, if it is to.
    pub shadow: Option<Arc<Shadow>>,
}

/// What is known of a version, in memory or not.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct VersionRecord {
    /// The version that it gives itself.
    pub version: semver::Version,
    /// The SHA-256 of its component.
    #[serde(with = "digits")]
    pub digest: Digest,
    /// Where it came from.
    pub source: String,
    /// When it was taken: milliseconds since the epoch.
    pub taken: u64,
    /// Whether it ever was live.
    #[serde(default)]
    pub published: bool,
    /// Whether some list cannot do without it.
    #[serde(default)]
    pub held: bool,
    /// Why it may not decide, if it may not.
    #[serde(default)]
    pub quarantine: Option<Quarantine>,
    /// What the gates found, if it went through them.
    #[serde(default)]
    pub gates: Option<Gates>,
}

/// Why a version may not decide any more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Quarantine {
    /// Since when: milliseconds since the epoch.
    pub time: u64,
    /// For people.
    pub why: String,
}

/// What the gates found when a version was taken.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Gates {
    /// How many questions it was asked.
    pub asked: usize,
    /// The most fuel that an answer took.
    pub worst_fuel: u64,
    /// The longest that an answer took, in microseconds.
    pub worst_micros: u64,
    /// The most memory that it had, in bytes.
    pub worst_memory: usize,
    /// What went wrong, where it was taken all the same because somebody insisted.
    pub forced: Vec<String>,
    /// How it differs from the version that was live then, as far as clients can tell.
    pub differs: Vec<String>,
}

/// Something that happened to a logic.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Milliseconds since the epoch.
    pub time: u64,
    /// What happened.
    pub step: Step,
    /// Who or what made it happen, such as `built in`, `upload`, a file's name, `request`, `failures`.
    pub source: String,
    /// The SHA-256 of the component it is about, if that could be read.
    #[serde(with = "digits_if_any", default)]
    pub digest: Option<Digest>,
    /// The version it is about, if that is known.
    #[serde(default)]
    pub version: Option<semver::Version>,
    /// Why, or how; may be empty.
    #[serde(default)]
    pub why: String,
}

/// A kind of event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// A version became live.
    Published,
    /// A component was checked and kept, and decides nothing yet.
    Kept,
    /// A component was not taken.
    Refused,
    /// A version is on trial from now on, or its trial changed.
    Candidate,
    /// The version on trial is no longer.
    Withdrawn,
    /// A version failed too often.
    Quarantined,
    /// A version that had fallen may decide again.
    Released,
}

/// Who decides about a list.
pub struct Selection {
    /// The version.
    pub version: Arc<Version>,
    /// Who wants to see what it decides.
    pub shadow: Option<Arc<Shadow>>,
}

/// Why there is nobody to decide.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ResolveError {
    /// The version is kept, and has to be loaded first.
    NotLoaded(LogicName, Digest),
    /// There is no such version, or none any more.
    NoVersion(LogicName, Pin),
    /// There is no such logic, or it has no live version.
    NoLogic(LogicName),
}

/// Which hundredth of all lists one belongs to, from 0 to 99. Depends on the name only.
pub fn bucket(list: &ListName) -> u8 {
    u8::try_from(stable_hash(list.as_str().as_bytes()) % 100).expect("a number below a hundred")
}

impl RolloutState {
    /// The version that decides about a list.
    pub(super) fn resolve(
        &self,
        logic: &LogicName,
        list: &ListName,
        pin: Option<&Pin>,
    ) -> Result<Selection, ResolveError> {
        let live = self.live.as_ref().ok_or_else(|| ResolveError::NoLogic(logic.clone()))?;
        if let Some(pin) = pin {
            return self.pinned(logic, pin, live).map(|version| Selection { version, shadow: None });
        }
        match &self.candidate {
            Some(candidate) if bucket(list) < candidate.percent => {
                Ok(Selection { version: candidate.version.clone(), shadow: None })
            }
            candidate => {
                let shadow = candidate.as_ref().and_then(|candidate| candidate.shadow.clone());
                Ok(Selection { version: live.clone(), shadow })
            }
        }
    }

    /// The version that a pin stands for: of a number, the newest. A list that is pinned to a version
    /// which fell goes with the others.
    fn pinned(&self, logic: &LogicName, pin: &Pin, live: &Arc<Version>) -> Result<Arc<Version>, ResolveError> {
        let accepted = |known: &&VersionRecord| pin.accepts(&known.id(logic));
        // What was never live decides only for whoever names its very bytes.
        let named = |known: &&VersionRecord| known.published || matches!(pin, Pin::Digest(_));
        let usable = self.versions.iter().filter(accepted).filter(named).filter(|known| known.quarantine.is_none());
        match usable.max_by(|a, b| (&a.version, a.taken).cmp(&(&b.version, b.taken))) {
            Some(known) => self.version(logic, &known.digest),
            None if pin.accepts(live.id())
                || self.versions.iter().filter(named).any(|known| pin.accepts(&known.id(logic))) =>
            {
                Ok(live.clone())
            }
            None => Err(ResolveError::NoVersion(logic.clone(), pin.clone())),
        }
    }

    /// The version of exactly these bytes.
    pub(super) fn version(&self, logic: &LogicName, digest: &Digest) -> Result<Arc<Version>, ResolveError> {
        if let Some(version) = self.loaded().find(|version| version.digest() == digest) {
            return Ok(version.clone());
        }
        match self.known(digest) {
            Some(_) => Err(ResolveError::NotLoaded(logic.clone(), *digest)),
            None => Err(ResolveError::NoVersion(logic.clone(), Pin::Digest(*digest))),
        }
    }

    /// The versions in memory.
    pub fn loaded(&self) -> impl Iterator<Item = &Arc<Version>> {
        let candidate = self.candidate.as_ref().map(|candidate| &candidate.version);
        // One version may be the good one and on trial at once.
        let last_good = self
            .last_good
            .as_ref()
            .filter(|last_good| candidate.is_none_or(|candidate| candidate.digest() != last_good.digest()));
        [self.live.as_ref(), last_good, candidate].into_iter().flatten().chain(&self.spare)
    }

    /// What is known of a version.
    pub fn known(&self, digest: &Digest) -> Option<&VersionRecord> {
        self.versions.iter().find(|known| known.digest == *digest)
    }

    fn known_mut(&mut self, digest: &Digest) -> Option<&mut VersionRecord> {
        self.versions.iter_mut().find(|known| known.digest == *digest)
    }

    /// Takes a version out of service, if another one can step in. Answers whether it fell by that.
    pub fn quarantine(&mut self, version: &Version, why: &str, now: u64) -> bool {
        let digest = version.digest();
        let Some(instead) = self.fallback(version) else { return false };
        match self.known_mut(digest) {
            Some(known) if known.quarantine.is_none() => {
                known.quarantine = Some(Quarantine { time: now, why: why.into() });
            }
            _ => return false,
        }
        self.wanted = None;
        if self.last_good.as_ref().is_some_and(|last_good| last_good.digest() == digest) {
            self.last_good = None;
        }
        if self.live.as_ref().is_some_and(|live| live.digest() == digest) {
            self.restart_shadow();
            if self.candidate.as_ref().is_some_and(|candidate| candidate.version.digest() == instead.digest()) {
                self.candidate = None;
            }
            (self.live, self.last_good, self.since) = (Some(instead), None, now);
        }
        if self.candidate.as_ref().is_some_and(|candidate| candidate.version.digest() == digest) {
            self.candidate = None;
        }
        self.spare.retain(|spare| spare.digest() != digest);
        self.tell(Step::Quarantined, "failures", version.id(), why, now);
        true
    }

    /// The version that decides instead of another one: for the live one the last good one, for any other
    /// the live one.
    pub(super) fn fallback(&self, failed: &Version) -> Option<Arc<Version>> {
        let is_live = self.live.as_ref().is_some_and(|live| live.digest() == failed.digest());
        let other = if is_live { self.last_good.clone() } else { self.live.clone() };
        other.filter(|other| self.known(other.digest()).is_none_or(|known| known.quarantine.is_none()))
    }

    /// Whether a version can fall: it has not yet, and there is one to fall back on.
    pub(super) fn can_fall(&self, version: &Version) -> bool {
        let stands = self.known(version.digest()).is_some_and(|known| known.quarantine.is_none());
        stands && self.fallback(version).is_some()
    }

    /// Why a version may not decide, if it may not.
    pub fn fallen(&self, digest: &Digest) -> Option<&Quarantine> {
        self.known(digest)?.quarantine.as_ref()
    }

    /// Whether nothing is live because what is on record as live could not be loaded, and is not these bytes.
    pub fn waits_for_another(&self, digest: &Digest) -> bool {
        let wanted = self.wanted.as_ref().and_then(|wanted| wanted.live.as_ref());
        self.live.is_none() && wanted.is_some_and(|wanted| wanted != digest)
    }

    /// Compares with another live version from now on, and forgets what was found about the one before.
    fn restart_shadow(&mut self) {
        if let Some(Candidate { version, shadow: shadow @ Some(_), .. }) = &mut self.candidate {
            *shadow = Some(Shadow::start(version.clone()));
        }
    }

    /// Makes a version live. The one that was live before is the good one from then on, unless it fell.
    pub fn publish(&mut self, version: Arc<Version>, gates: Option<Gates>, source: &str, now: u64) {
        self.wanted = None;
        let before = self.live.replace(version.clone());
        if self.candidate.as_ref().is_some_and(|candidate| candidate.version.digest() == version.digest()) {
            self.candidate = None;
        }
        self.spare.retain(|spare| spare.digest() != version.digest());
        match before {
            Some(before) if before.digest() == version.digest() => {}
            // Whoever goes back to the good version ran from the other one.
            _ if self.last_good.as_ref().is_some_and(|last_good| last_good.digest() == version.digest()) => {
                (self.since, self.last_good) = (now, None);
                self.restart_shadow();
            }
            before => {
                (self.since, self.last_good) = (now, before.or(self.last_good.take()));
                self.restart_shadow();
            }
        }
        self.learn(&version, gates, now);
        if let Some(known) = self.known_mut(version.digest()) {
            known.published = true;
        }
        self.tell(Step::Published, source, version.id(), "", now);
    }

    /// Takes a version among those that are kept, without it deciding anything.
    pub fn keep(&mut self, version: &Version, gates: Option<Gates>, now: u64) {
        self.learn(version, gates, now);
        self.tell(Step::Kept, &version.source, version.id(), "", now);
    }

    /// Puts a version on trial, or changes its trial.
    pub fn stage_candidate(&mut self, version: Arc<Version>, percent: u8, shadow: bool, source: &str, now: u64) {
        self.wanted = None;
        let running = self.candidate.take().filter(|candidate| candidate.version.digest() == version.digest());
        let shadow = match (shadow, running) {
            (false, _) => None,
            (true, Some(Candidate { shadow: Some(shadow), .. })) => Some(shadow),
            (true, _) => Some(Shadow::start(version.clone())),
        };
        let how =
            format!("{percent} per cent{}", if shadow.is_some() { ", in the shadow of the live one" } else { "" });
        self.spare.retain(|spare| spare.digest() != version.digest());
        self.tell(Step::Candidate, source, version.id(), &how, now);
        self.candidate = Some(Candidate { version, percent, shadow });
    }

    /// Ends a trial.
    pub fn withdraw(&mut self, source: &str, now: u64) {
        self.wanted = None;
        if let Some(candidate) = self.candidate.take() {
            self.tell(Step::Withdrawn, source, candidate.version.id(), "", now);
        }
    }

    /// Lets a version that fell decide again.
    pub fn release(&mut self, digest: &Digest, source: &str, now: u64) {
        let Some(known) = self.known_mut(digest).filter(|known| known.quarantine.is_some()) else { return };
        known.quarantine = None;
        let version = Some(known.version.clone());
        let digest = Some(*digest);
        self.note(Event {
            time: now,
            step: Step::Released,
            source: source.into(),
            digest,
            version,
            why: String::new(),
        });
    }

    pub(super) fn hold(&mut self, digest: &Digest) {
        if let Some(known) = self.known_mut(digest) {
            known.held = true;
        }
    }

    pub(super) fn add_spare(&mut self, version: Arc<Version>) {
        if self.loaded().any(|loaded| loaded.digest() == version.digest()) {
            return;
        }
        if self.spare.len() >= MAX_SPARE {
            self.spare.sort_by_key(|spare| std::cmp::Reverse(spare.last_used()));
            self.spare.truncate(MAX_SPARE - 1);
        }
        self.spare.push(version);
    }

    /// Remembers a version. Beyond the limit, the oldest goes that nobody needs; what fell is remembered
    /// longest.
    fn learn(&mut self, version: &Version, gates: Option<Gates>, now: u64) {
        match self.known_mut(version.digest()) {
            Some(known) => known.gates = gates.or(known.gates.take()),
            None => self.versions.push(VersionRecord {
                version: version.id().version.clone(),
                digest: *version.digest(),
                source: version.source.clone(),
                taken: now,
                published: false,
                held: false,
                quarantine: None,
                gates,
            }),
        }
        for fallen in [false, true] {
            while self.versions.len() > MAX_VERSIONS
                && let Some(at) = self.versions.iter().position(|known| {
                    known.quarantine.is_some() == fallen
                        && !known.held
                        && known.digest != *version.digest()
                        && !self.is_in_use(&known.digest)
                })
            {
                self.versions.remove(at);
            }
        }
    }

    fn is_in_use(&self, digest: &Digest) -> bool {
        let candidate = self.candidate.as_ref().map(|candidate| &candidate.version);
        [self.live.as_ref(), self.last_good.as_ref(), candidate]
            .into_iter()
            .flatten()
            .any(|version| version.digest() == digest)
    }

    fn tell(&mut self, step: Step, source: &str, id: &LogicId, why: &str, now: u64) {
        let (digest, version) = (Some(id.digest), Some(id.version.clone()));
        self.note(Event { time: now, step, source: source.into(), digest, version, why: why.into() });
    }

    /// Remembers what happened.
    pub fn note(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Why the newest component offered was not taken, or fell; `None` when it was and did not, or when
    /// something else happened since.
    pub fn failure(&self) -> Option<&str> {
        let newest = self.events.back()?;
        matches!(newest.step, Step::Refused | Step::Quarantined).then_some(newest.why.as_str())
    }
}

impl VersionRecord {
    /// Which version it is, of the logic of that name.
    pub fn id(&self, logic: &LogicName) -> LogicId {
        LogicId { name: logic.clone(), version: self.version.clone(), digest: self.digest }
    }
}

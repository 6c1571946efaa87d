//! Which logics there are, and which version of each decides about which list: published atomically,
//! pulled by the actors.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use super::policy::QuarantinePolicy;
use super::state::{Event, ResolveError, RolloutState, Selection, Step};
use super::version::{Digest, Version};
use crate::list::List;
use crate::list::digest::hex;
use crate::list::name::{ListName, LogicName};
use crate::list::selector::Pin;
use crate::logic::{Fault, Logic};

/// Every logic by name. Reading is wait-free; a change replaces the whole map in one step, so a
/// reader sees it as a whole or not at all.
#[derive(Default)]
pub struct Registry {
    logics: ArcSwap<BTreeMap<LogicName, Arc<RolloutState>>>,
    /// Held while a new map is made from the old one, so that no change is lost.
    writing: Mutex<()>,
    /// What makes a version fall.
    rule: QuarantinePolicy,
    /// The logics whose standing changed and is not on disk yet.
    dirty: Mutex<BTreeSet<LogicName>>,
    shelf: OnceLock<Arc<dyn VersionSource>>,
}

/// Where versions are that are not in memory, and where changes of standing are made durable.
pub trait VersionSource: Send + Sync {
    /// Loads a version that is kept, and puts it into the catalog.
    fn fetch(&self, name: &LogicName, digest: Digest) -> BoxFuture<'static, Result<(), String>>;

    /// Says that the standing of a logic changed in memory, see [`Registry::dirty`].
    fn changed(&self);
}

/// A change to a logic's standing that is not in effect yet, so that it can be made durable first.
pub struct Proposal {
    name: LogicName,
    before: Option<Arc<RolloutState>>,
    after: Arc<RolloutState>,
}

impl Proposal {
    /// How the logic would stand.
    pub fn after(&self) -> &RolloutState {
        &self.after
    }
}

impl Registry {
    /// An empty catalog in which versions fall by this rule.
    pub fn new(rule: QuarantinePolicy) -> Self {
        Self { rule, ..Self::default() }
    }

    /// Says who keeps what is not in memory. The first word counts.
    pub fn kept_by(&self, shelf: Arc<dyn VersionSource>) {
        drop(self.shelf.set(shelf));
    }

    /// The version of a logic that is live.
    pub fn live(&self, name: &LogicName) -> Option<Arc<Version>> {
        self.logics.load().get(name)?.live.clone()
    }

    /// How a logic stands.
    pub fn state(&self, name: &LogicName) -> Option<Arc<RolloutState>> {
        self.logics.load().get(name).cloned()
    }

    /// All logics, by name.
    pub fn all(&self) -> Arc<BTreeMap<LogicName, Arc<RolloutState>>> {
        self.logics.load_full()
    }

    /// The version of a logic that decides about a list which is, or is to be, pinned so.
    pub fn resolve(&self, logic: &LogicName, list: &ListName, pin: Option<&Pin>) -> Result<Selection, ResolveError> {
        match self.logics.load().get(logic) {
            Some(state) => state.resolve(logic, list, pin),
            None => Err(ResolveError::NoLogic(logic.clone())),
        }
    }

    /// The version of exactly these bytes.
    pub fn version(&self, logic: &LogicName, digest: &Digest) -> Result<Arc<Version>, ResolveError> {
        let logics = self.logics.load();
        let state = logics.get(logic).ok_or_else(|| ResolveError::NoLogic(logic.clone()))?;
        state.version(logic, digest)
    }

    /// The version of exactly these bytes, unless it fell.
    pub fn usable(&self, logic: &LogicName, digest: &Digest) -> Result<Arc<Version>, ResolveError> {
        if self.state(logic).is_some_and(|state| state.fallen(digest).is_some()) {
            return Err(ResolveError::NoVersion(logic.clone(), Pin::Digest(*digest)));
        }
        self.version(logic, digest)
    }

    /// The version that keeps a list, if it may still decide.
    pub fn keeping(&self, list: &List) -> Result<Option<Arc<Version>>, ResolveError> {
        let Some(binding) = list.binding() else { return Ok(None) };
        let logics = self.logics.load();
        let Some(state) = logics.get(binding.logic()) else { return Ok(None) };
        if state.known(&binding.id.digest).is_none_or(|known| known.quarantine.is_some()) {
            return Ok(None);
        }
        state.version(binding.logic(), &binding.id.digest).map(Some)
    }

    /// Has a version loaded that is kept and not in memory.
    ///
    /// # Errors
    ///
    /// A text for people: it could not be read, or does not load any more.
    pub async fn fetch(&self, logic: &LogicName, digest: Digest) -> Result<(), String> {
        let Some(shelf) = self.shelf.get() else {
            return Err(format!("sha256:{} of {logic} is not in memory", hex(&digest)));
        };
        shelf.fetch(logic, digest).await
    }

    /// Makes a logic the live version at once, and in memory only.
    pub fn publish(&self, logic: Box<dyn Logic>, source: &str, now: u64) {
        let name = logic.id().name.clone();
        let version = Version::new(logic, source, now);
        self.change(&name, |state| state.publish(version, None, source, now));
    }

    /// Notes that a component was not taken, and why. What is live stays live.
    pub fn refuse(&self, name: &LogicName, source: &str, digest: Option<Digest>, why: String, now: u64) {
        let event = Event { time: now, step: Step::Refused, source: source.into(), digest, version: None, why };
        self.change(name, |state| state.note(event));
    }

    /// Puts a version that some list wants into memory; the one unused for longest goes when there are
    /// too many.
    pub fn add_spare(&self, version: &Arc<Version>) {
        self.alter(&version.logic.id().name, |state| state.add_spare(version.clone()));
    }

    /// Lets go of versions that are in memory for some list's sake and were not used since `before`.
    /// Answers how many.
    pub fn unload_unused(&self, before: u64) -> usize {
        let mut unloaded = 0;
        for (name, state) in self.all().iter() {
            if state.spare.iter().any(|version| version.last_used() < before) {
                unloaded += self.alter(name, |state| {
                    let all = state.spare.len();
                    state.spare.retain(|version| version.last_used() >= before);
                    all - state.spare.len()
                });
            }
        }
        unloaded
    }

    /// Notes that some list cannot do without a version, so that it is kept.
    pub fn hold(&self, logic: &LogicName, digest: &Digest) {
        let held = |state: &RolloutState| state.known(digest).is_none_or(|known| known.held);
        if self.state(logic).is_none_or(|state| held(&state)) {
            return;
        }
        self.change(logic, |state| state.hold(digest));
    }

    /// The version that decides instead of one that failed: for the live one the last good one, for any
    /// other the live one. Only where both mean the same by a list, so that nothing has to be done first.
    pub fn instead_of(&self, failed: &Version, list: &List) -> Option<Arc<Version>> {
        let other = self.state(&failed.logic.id().name)?.fallback(failed)?;
        list.binding().is_none_or(|binding| binding.is_schema_compatible(other.logic.binding())).then_some(other)
    }

    /// Counts a failure of a version at a list's command or reading. `shared` says what the one that
    /// decides instead made of it: `Some(true)` when it failed too, `None` when it was not asked. When that
    /// is one too many, the version falls: answers whether it did.
    pub fn failed(
        &self,
        version: &Arc<Version>,
        list: &ListName,
        fault: &Fault,
        shared: Option<bool>,
        now: u64,
    ) -> bool {
        version.counters.fault(fault);
        // A command that the last good version fails at, too, says nothing against the new one; nor does
        // a machine without room.
        if shared == Some(true) || matches!(fault, Fault::Instance(_)) {
            return false;
        }
        let Some(why) = version.failures.count(&self.rule, list, shared == Some(false), now) else { return false };
        let name = &version.logic.id().name;
        // Asked first, so that one which has nobody to step in does not change the map at each failure.
        if !self.state(name).is_some_and(|state| state.can_fall(version)) {
            return false;
        }
        let fell = self.change(name, |state| state.quarantine(version, &format!("{why}; the last one: {fault}"), now));
        if fell {
            tracing::error!(logic = %version.logic.id(), why, last = %fault, "quarantined; its lists fall back to the last good version");
        }
        fell
    }

    /// A change that can be made durable before it is in effect.
    pub fn propose(&self, name: &LogicName, change: impl FnOnce(&mut RolloutState)) -> Proposal {
        let before = self.state(name);
        let mut after = before.as_deref().cloned().unwrap_or_default();
        change(&mut after);
        Proposal { name: name.clone(), before, after: Arc::new(after) }
    }

    /// Puts a change into effect, unless the logic's standing changed since it was proposed.
    pub fn accept(&self, proposal: Proposal) -> bool {
        let _writing = self.writing.lock();
        let mut logics = BTreeMap::clone(&self.logics.load());
        let unchanged = match (logics.get(&proposal.name), &proposal.before) {
            (Some(now), Some(before)) => Arc::ptr_eq(now, before),
            (None, None) => true,
            _ => false,
        };
        if unchanged {
            logics.insert(proposal.name, proposal.after);
            self.logics.store(Arc::new(logics));
        }
        unchanged
    }

    /// Notes that a standing could not be made durable, so that it is tried again.
    pub fn mark_dirty(&self, name: LogicName) {
        self.dirty.lock().insert(name);
    }

    /// Takes the names of the logics whose standing changed in memory and is not durable yet.
    pub fn dirty(&self) -> BTreeSet<LogicName> {
        std::mem::take(&mut *self.dirty.lock())
    }

    /// Changes what has to be durable in the end.
    fn change<T>(&self, name: &LogicName, change: impl FnOnce(&mut RolloutState) -> T) -> T {
        let answer = self.alter(name, change);
        self.dirty.lock().insert(name.clone());
        if let Some(shelf) = self.shelf.get() {
            shelf.changed();
        }
        answer
    }

    fn alter<T>(&self, name: &LogicName, change: impl FnOnce(&mut RolloutState) -> T) -> T {
        let _writing = self.writing.lock();
        let mut logics = BTreeMap::clone(&self.logics.load());
        let mut state = logics.get(name).map(|state| RolloutState::clone(state)).unwrap_or_default();
        let answer = change(&mut state);
        logics.insert(name.clone(), Arc::new(state));
        self.logics.store(Arc::new(logics));
        answer
    }
}

#[cfg(test)]
mod tests;

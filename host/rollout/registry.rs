//! Registry of all logics: the rollout of each, replaced atomically and read without waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::digest::Digest;
use super::draft::RolloutDraft;
use super::event::{Cause, Event, FAILURES, Step};
use super::on_fault::OnFault;
use super::policy::{Failure, QuarantinePolicy};
use super::resolve::{ResolveError, Rollout, Selection, Selector};
use super::sharing::Sharing;
use super::state::{RolloutState, TransitionError};
use super::version::Version;
use super::version_record::Quarantine;
use crate::clock::Clock;
use crate::list::List;
use crate::list::digest::hex;
use crate::list::excerpt::quoted;
use crate::list::name::{ListName, LogicName};
use crate::list::selector::Pin;
use crate::logic::{Fault, Logic};

/// The most logics that a server has, and the most files that a watched directory may hold.
pub const MAX_LOGICS: usize = 1_000;

type Logics = BTreeMap<LogicName, Arc<Rollout>>;

/// Every logic by name. Reading is wait-free. A change replaces the whole map in one step, so a reader sees the change
/// as a whole or not at all.
#[derive(Default)]
pub struct Registry {
    logics: ArcSwap<Logics>,
    /// Held while a new map is made from the old one, so that no change is lost.
    writing: Mutex<()>,
    policy: QuarantinePolicy,
    sharing: Sharing,
    /// A logic whose first version is being built.
    awaited: Option<LogicName>,
    /// The logics whose state changed in memory and is not on disk yet.
    dirty: Mutex<BTreeSet<LogicName>>,
    source: OnceLock<Arc<dyn VersionSource>>,
    /// Notified after each change of a rollout.
    changed: watch::Sender<()>,
}

/// Where stored versions are loaded from, and where changed states are written.
pub trait VersionSource: Send + Sync {
    /// Loads a stored version into the registry.
    fn fetch(&self, name: &LogicName, digest: Digest) -> BoxFuture<'static, Result<(), String>>;

    /// Announces that the state of a logic changed in memory, see [`Registry::take_dirty`].
    fn changed(&self);
}

/// A change of one logic's rollout that is not in effect yet, so that it can be written to disk first.
pub struct Proposal {
    name: LogicName,
    before: Option<Arc<Rollout>>,
    draft: RolloutDraft,
}

impl Proposal {
    /// The state that the logic would have.
    pub fn state(&self) -> &RolloutState {
        &self.draft.state
    }
}

impl Registry {
    /// Returns an empty registry that quarantines versions by a policy.
    pub fn new(policy: QuarantinePolicy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// Sets which versions may share instances.
    #[must_use]
    pub fn with_sharing(mut self, sharing: Sharing) -> Self {
        self.sharing = sharing;
        self
    }

    /// Sets a logic whose first version is being built.
    #[must_use]
    pub fn awaiting(mut self, logic: LogicName) -> Self {
        self.awaited = Some(logic);
        self
    }

    /// Whether the first version of a logic is being built, so that none decides yet.
    pub fn is_awaited(&self, logic: &LogicName) -> bool {
        self.awaited.as_ref() == Some(logic) && self.live(logic).is_none()
    }

    /// Sets where versions that are not loaded come from. Only the first call has an effect.
    pub fn load_from(&self, source: Arc<dyn VersionSource>) {
        drop(self.source.set(source));
    }

    /// The live version of a logic.
    pub fn live(&self, name: &LogicName) -> Option<Arc<Version>> {
        self.logics.load().get(name)?.live.clone()
    }

    /// The rollout of a logic.
    pub fn rollout(&self, name: &LogicName) -> Option<Arc<Rollout>> {
        self.logics.load().get(name).cloned()
    }

    /// The rollouts of all logics, by name.
    pub fn all(&self) -> Arc<Logics> {
        self.logics.load_full()
    }

    /// Notifications of changes of rollouts, from now on. A change may be one that readers do not see.
    pub fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The version of a logic that decides about a list with this pin.
    pub fn resolve(&self, logic: &LogicName, list: &ListName, pin: Option<&Pin>) -> Result<Selection, ResolveError> {
        self.select(logic, Selector::List { list, pin })
    }

    /// The version of exactly this digest, unless it is quarantined.
    pub fn resolve_digest(&self, logic: &LogicName, digest: &Digest) -> Result<Arc<Version>, ResolveError> {
        self.select(logic, Selector::Digest(digest)).map(|selection| selection.version)
    }

    /// The version that a list is bound to, or `None` when it may not decide any more.
    pub fn resolve_bound(&self, list: &List) -> Result<Option<Arc<Version>>, ResolveError> {
        let Some(binding) = list.binding() else { return Ok(None) };
        match self.resolve_digest(binding.logic(), &binding.id.digest) {
            Ok(version) => Ok(Some(version)),
            Err(ResolveError::NoVersion(..) | ResolveError::NoLogic(_)) => Ok(None),
            Err(error @ (ResolveError::NotLoaded(..) | ResolveError::Quarantined(..))) => Err(error),
        }
    }

    /// The version that decides instead of a failed one, see [`Selector::InsteadOf`]. None where the list would have
    /// to migrate first.
    pub fn resolve_fallback(&self, failed: &Version, list: &List) -> Option<Arc<Version>> {
        let other = self.select(&failed.id().name, Selector::InsteadOf(failed.digest())).ok()?.version;
        list.binding().is_none_or(|binding| binding.is_schema_compatible(other.logic.binding())).then_some(other)
    }

    fn select(&self, logic: &LogicName, selector: Selector<'_>) -> Result<Selection, ResolveError> {
        match self.logics.load().get(logic) {
            Some(rollout) => rollout.resolve(logic, selector),
            None => Err(ResolveError::NoLogic(logic.clone())),
        }
    }

    /// Whether no version may decide in place of one that fails.
    pub fn refuses_on_fault(&self, logic: &LogicName) -> bool {
        self.logics.load().get(logic).is_some_and(|rollout| rollout.state.on_fault == OnFault::Refuse)
    }

    /// Why a version may not decide, if it is quarantined.
    pub fn quarantine_of(&self, version: &Version) -> Option<String> {
        let rollout = self.rollout(&version.id().name)?;
        rollout.state.quarantine_of(version.digest()).map(|quarantine| quarantine.why.clone())
    }

    /// Loads a stored version.
    ///
    /// # Errors
    ///
    /// A text for people when the component cannot be read, or does not load any more.
    pub async fn fetch(&self, logic: &LogicName, digest: Digest) -> Result<(), String> {
        let Some(source) = self.source.get() else {
            return Err(format!("sha256:{} of {logic} is not loaded", hex(&digest)));
        };
        source.fetch(logic, digest).await
    }

    /// Makes a logic the live version at once, in memory only. A quarantined version stays as it is.
    pub fn publish(&self, logic: Box<dyn Logic>, source: &str, now: u64) {
        let name = logic.id().name.clone();
        let version = Version::new(logic, source, now);
        if let Err(error) = self.change(&name, |draft| draft.publish(&version, None, Cause::new(source, now))) {
            tracing::warn!(logic = %version.id(), %error, "cannot publish a version");
        }
    }

    /// Records that a component was refused, and why. The live version stays live.
    pub fn refuse(&self, name: &LogicName, cause: Cause<'_>, digest: Option<Digest>, why: String) {
        let event = Event { digest, ..Event::new(Step::Refused, cause, why) };
        self.change_always(name, |draft| draft.state.note(event));
    }

    /// Adds a loaded version that some list is pinned to, see [`RolloutDraft::add_spare`].
    pub fn add_spare(&self, version: &Arc<Version>) {
        let added = self.alter(&version.id().name, |draft| {
            draft.add_spare(version);
            Ok(())
        });
        debug_assert!(added.is_ok(), "adding a spare version cannot fail");
    }

    /// Unloads versions that are loaded only for pinned lists and were last used before `before`, on
    /// the monotonic clock in milliseconds. Returns how many.
    pub fn unload_unused(&self, before: u64) -> usize {
        let is_unused = |version: &Arc<Version>| version.last_used() < before;
        let mut unloaded = 0;
        for (name, rollout) in self.all().iter().filter(|(_, rollout)| rollout.spare.iter().any(is_unused)) {
            let count = rollout.spare.iter().filter(|version| is_unused(version)).count();
            let released = self.alter(name, |draft| {
                draft.spare.retain(|version| !is_unused(version));
                Ok(())
            });
            if released.is_ok() {
                unloaded += count;
            }
        }
        unloaded
    }

    /// Marks a version as needed by some list, so that it stays stored.
    pub fn hold(&self, logic: &LogicName, digest: &Digest) {
        let needs_change = |rollout: Arc<Rollout>| rollout.state.record(digest).is_some_and(|record| !record.held);
        if self.rollout(logic).is_some_and(needs_change) {
            self.change_always(logic, |draft| draft.state.hold(digest));
        }
    }

    /// Counts a failure of a version at a command or a reading of a list, and quarantines the version when the policy
    /// says so. Returns whether it did.
    pub fn failed(&self, version: &Arc<Version>, failure: Failure<'_>, fault: &Fault, clock: &dyn Clock) -> bool {
        version.counters.fault(fault);
        if failure.shared != Some(true) && !fault.is_busy() {
            self.stop_canary(version, failure.list, fault, clock.now());
        }
        // A command at which the fallback fails, too, says nothing against this version. A resource that ran out does
        // not either: the list may be larger than any before, and the machine may be busy.
        if failure.shared == Some(true) || !fault.is_defect() {
            return false;
        }
        let now = clock.now();
        let counted = version.failures.count(&self.policy, failure, clock.monotonic());
        version.failures.remember(failure.list, failure.record(fault, now));
        let Some(why) = counted else { return false };
        let name = &version.id().name;
        // Checked first, so that a version without a fallback does not replace the map at each failure.
        if !self.rollout(name).is_some_and(|rollout| rollout.can_quarantine(version.digest())) {
            return false;
        }
        let details = format!("{why}; the last one {}: {fault}", failure.place());
        let quarantined = self.change(name, |draft| {
            let failures = version.failures.last();
            draft.quarantine(version, Quarantine { time: now, why: details.clone(), failures })
        });
        let quarantined = quarantined.is_ok();
        if quarantined {
            let is_refusing = self.rollout(name).is_some_and(|rollout| rollout.state.refusal().is_some());
            let effect = if is_refusing {
                "the commands of its lists are refused"
            } else {
                "its lists fall back to another one"
            };
            tracing::error!(logic = %version.id(), why = details, "quarantined a version; {effect}");
        }
        quarantined
    }

    /// Stops the canary of a version that failed on a list, if the canary would end by itself. One failure is enough, because
    /// nothing is lost when an operator starts the canary again.
    fn stop_canary(&self, version: &Version, list: &ListName, fault: &Fault, now: u64) {
        let name = &version.id().name;
        let ends_by_itself = |state: &RolloutState| {
            state.candidate.as_ref().is_some_and(|one| one.digest == *version.digest() && one.end.is_some())
        };
        // Checked first, so that the failures of other versions replace no map.
        if !self.rollout(name).is_some_and(|rollout| ends_by_itself(&rollout.state)) {
            return;
        }
        let why = format!("it failed on list {}: {fault}", quoted(list.as_str()));
        self.change_always(name, |draft| {
            // Another version may have become the candidate meanwhile.
            if ends_by_itself(&draft.state) {
                draft.state.stop_canary(&why, Cause::new(FAILURES, now));
            }
        });
        tracing::warn!(logic = %version.id(), why, "stopped a canary; the live version decides for its lists");
    }

    /// The logics that have a canary which ends by itself, each with the time of its end in milliseconds since the epoch.
    pub fn canary_ends(&self) -> Vec<(LogicName, u64)> {
        let all = self.all();
        let end = |(name, rollout): (&LogicName, &Arc<Rollout>)| {
            let end = rollout.state.candidate.as_ref()?.end.as_ref()?;
            Some((name.clone(), end.until))
        };
        all.iter().filter_map(end).collect()
    }

    /// Prepares a change that can be written to disk before it is in effect.
    pub fn propose<E>(
        &self,
        name: &LogicName,
        change: impl FnOnce(&mut RolloutDraft) -> Result<(), E>,
    ) -> Result<Proposal, E> {
        let before = self.rollout(name);
        let mut draft = before.as_deref().map(Rollout::draft).unwrap_or_default();
        change(&mut draft)?;
        Ok(Proposal { name: name.clone(), before, draft })
    }

    /// Puts a change into effect, unless the rollout changed since the proposal. Returns whether it did.
    pub fn accept(&self, proposal: Proposal) -> bool {
        let Proposal { name, before, draft } = proposal;
        let _writing = self.writing.lock();
        let logics = self.logics.load();
        let unchanged = match (logics.get(&name), &before) {
            (Some(now), Some(before)) => Arc::ptr_eq(now, before),
            (None, None) => true,
            _ => false,
        };
        if unchanged {
            self.store(&logics, name, draft);
        }
        unchanged
    }

    /// Marks a logic whose state could not be written to disk, so that it is tried again.
    pub fn mark_dirty(&self, name: LogicName) {
        self.dirty.lock().insert(name);
    }

    /// Takes the names of the logics whose state changed in memory and is not on disk yet.
    pub fn take_dirty(&self) -> BTreeSet<LogicName> {
        std::mem::take(&mut *self.dirty.lock())
    }

    /// Changes a rollout in memory, and has it written to disk afterwards.
    fn change(
        &self,
        name: &LogicName,
        change: impl FnOnce(&mut RolloutDraft) -> Result<(), TransitionError>,
    ) -> Result<(), TransitionError> {
        self.alter(name, change)?;
        self.mark_dirty(name.clone());
        if let Some(source) = self.source.get() {
            source.changed();
        }
        Ok(())
    }

    /// Changes a rollout by a transition that cannot fail.
    fn change_always(&self, name: &LogicName, change: impl FnOnce(&mut RolloutDraft)) {
        let changed = self.change(name, |draft| {
            change(draft);
            Ok(())
        });
        debug_assert!(changed.is_ok(), "the transition cannot fail");
    }

    fn alter(
        &self,
        name: &LogicName,
        change: impl FnOnce(&mut RolloutDraft) -> Result<(), TransitionError>,
    ) -> Result<(), TransitionError> {
        let _writing = self.writing.lock();
        let logics = self.logics.load();
        let mut draft = logics.get(name).map(|rollout| rollout.draft()).unwrap_or_default();
        change(&mut draft)?;
        self.store(&logics, name.clone(), draft);
        Ok(())
    }

    /// Replaces one logic's rollout. The caller holds the lock, so `logics` is the current map.
    fn store(&self, logics: &Logics, name: LogicName, draft: RolloutDraft) {
        let mut logics = BTreeMap::clone(logics);
        let rollout = Rollout::accept(draft, logics.get(&name).map(|before| &**before));
        for version in rollout.loaded() {
            version.logic.share(self.sharing.allows(&name, &rollout.state, version.digest()));
        }
        logics.insert(name, Arc::new(rollout));
        self.logics.store(Arc::new(logics));
        self.changed.send_replace(());
    }
}

#[cfg(test)]
mod tests;

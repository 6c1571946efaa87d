//! What it takes to make a version of bytes: the gates, the shelf, and the step into the catalog.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::super::artifacts::{ArtifactStore, Durably};
use super::super::{PluginError, TakeError};
use crate::clock::Clock;
use crate::failpoint;
use crate::list::digest::hex;
use crate::list::id::LogicId;
use crate::list::name::LogicName;
use crate::logic::Logic;
use crate::rollout::conformance;
use crate::rollout::{Digest, Gates, Registry, RolloutState, Version};
use crate::wasm::{self, Engine, Isolation, LoadError};

/// How often a component that was good once is loaded while the machine is too busy for it.
const MAX_LOADS: usize = 5;

/// How often a change of standing is made anew because a version fell meanwhile.
const MAX_TRIES: usize = 16;

/// How many ways in which a version differs from the live one are remembered.
const MAX_DIFFERENCES: usize = 20;

/// What is needed to make a version of bytes.
pub(in crate::plugins) struct Publisher {
    pub(super) engine: Engine,
    pub(super) registry: Arc<Registry>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) isolated: BTreeSet<LogicName>,
    pub(super) kept: ArtifactStore,
    /// Whether components that are there at the start are taken though they fell before or fail their gates.
    pub(in crate::plugins) force: bool,
}

/// A component that is offered.
#[derive(Clone, Copy)]
pub(in crate::plugins) struct Submission<'a> {
    /// The logic.
    pub name: &'a LogicName,
    /// The component.
    pub bytes: &'a [u8],
    /// Where it comes from.
    pub source: &'a str,
    /// Whether it is to be live, or only kept.
    pub publish: bool,
    /// Whether it is taken though it fell before or fails its gates.
    pub force: bool,
}

impl Publisher {
    /// Takes a component that is part of the program or was there at the start. What is known already
    /// stands as it stood when the server stopped.
    pub(super) fn take_at_start(&self, name: &LogicName, bytes: &[u8], source: &str, durably: Durably) {
        let digest = wasm::digest(bytes);
        let state = self.registry.state(name);
        // What cannot be loaded today may be tomorrow: nothing else takes its place.
        let waits = state.as_ref().is_some_and(|state| state.waits_for_another(&digest));
        if waits || self.stands(name, &digest) {
            return;
        }
        // A newer program has newer rules, but they do not take the place of what somebody put there.
        let ours = |state: &Arc<RolloutState>| state.live.as_ref().is_none_or(|live| live.source == source);
        let publish = state.as_ref().is_none_or(ours);
        let submission = Submission { name, bytes, source, publish, force: self.force };
        if let Err(error) = self.take_durably(submission, durably) {
            self.refuse(name, source, Some(digest), error.to_string());
        }
    }

    /// Whether a component is known, and something is live: then it stands as it stood when the server
    /// stopped, live or not.
    pub(in crate::plugins) fn stands(&self, name: &LogicName, digest: &Digest) -> bool {
        let Some(state) = self.registry.state(name) else { return false };
        let known = state.known(digest).filter(|known| known.quarantine.is_none() || !self.force);
        state.live.is_some() && known.is_some()
    }

    /// Checks a component, keeps it, and makes it live if it is to be.
    pub(in crate::plugins) fn take(&self, submission: Submission<'_>) -> Result<Arc<LogicId>, TakeError> {
        self.take_durably(submission, Durably::Yes)
    }

    fn take_durably(&self, submission: Submission<'_>, durably: Durably) -> Result<Arc<LogicId>, TakeError> {
        let Submission { name, bytes, source, publish, force } = submission;
        let digest = wasm::digest(bytes);
        if let Some(state) = self.registry.state(name) {
            may_decide(&state, &digest, force)?;
        }
        let logic = self.load(name, bytes)?;
        let gates = if durably == Durably::Yes { Some(self.gates(&*logic, force)?) } else { None };
        self.kept.keep(name, &digest, bytes, durably).map_err(|error| TakeError::NotKept(error.to_string()))?;
        failpoint::point("component-kept");
        let version = Version::new(logic, source, self.clock.now());
        let now = self.clock.now();
        self.change(name, |state| {
            admit(state, &digest, force, source, now)?;
            match publish {
                true => state.publish(version.clone(), gates.clone(), source, now),
                false => state.keep(&version, gates.clone(), now),
            }
            Ok(())
        })?;
        tracing::info!(logic = %version.logic.id(), source, "{}", if publish { "published" } else { "kept" });
        Ok(version.logic.id().clone())
    }

    /// Makes logic of a component.
    pub(in crate::plugins) fn load(&self, name: &LogicName, bytes: &[u8]) -> Result<Box<dyn Logic>, LoadError> {
        let isolation = if self.isolated.contains(name) { Isolation::List } else { Isolation::Shared };
        // A compiler that panics over a component must not take the loader with it.
        let load = AssertUnwindSafe(|| wasm::load(&self.engine, name.clone(), bytes, isolation));
        catch_unwind(load).unwrap_or_else(|_| Err(LoadError::Invalid("the compiler panicked over it".into())))
    }

    /// Asks a component all that its description allows, and has it take over lists of the live version
    /// where those mean something else to it.
    fn gates(&self, logic: &dyn Logic, force: bool) -> Result<Gates, TakeError> {
        let begun = Instant::now();
        let clock = || begun.elapsed();
        let report = conformance::run(logic, &clock);
        let mut failures = report.failures.clone();
        let (mut asked, mut differs) = (report.asked, Vec::new());
        if let Some(live) = self.registry.live(&logic.id().name) {
            differs = logic.description().differences(live.logic.description());
            differs.truncate(MAX_DIFFERENCES);
            let taken = taken_over(&live, logic);
            asked += taken.asked;
            failures.extend(taken.failures);
        }
        let forced: Vec<_> = failures.iter().map(conformance::Failure::line).collect();
        if !force {
            all_passed(&failures, asked)?;
        }
        let worst = report.worst();
        Ok(Gates {
            asked,
            worst_fuel: worst.fuel,
            worst_micros: u64::try_from(worst.time.as_micros()).unwrap_or(u64::MAX),
            worst_memory: worst.memory,
            forced,
            differs,
        })
    }

    /// Loads a version that is kept, unless it is in memory.
    pub(super) fn kept_version(&self, name: &LogicName, digest: &Digest) -> Result<Arc<Version>, String> {
        let state = self.registry.state(name);
        if let Some(version) = state.as_ref().and_then(|s| s.loaded().find(|v| v.digest() == digest).cloned()) {
            return Ok(version);
        }
        let source = state.as_ref().and_then(|state| state.known(digest)).map(|known| known.source.clone());
        let source = source.ok_or_else(|| format!("sha256:{} of {name} is not known", hex(digest)))?;
        self.load_kept(name, digest, &source)
    }

    /// Loads a component from disk; patiently, for it was good enough once.
    pub(super) fn load_kept(&self, name: &LogicName, digest: &Digest, source: &str) -> Result<Arc<Version>, String> {
        let bytes = self.kept.component(name, digest).map_err(|error| error.to_string())?;
        let mut loaded = self.load(name, &bytes);
        for _ in 1..MAX_LOADS {
            if !matches!(&loaded, Err(LoadError::SmokeTest(fault)) if fault.is_busy()) {
                break;
            }
            loaded = self.load(name, &bytes);
        }
        let logic = loaded.map_err(|error| error.to_string())?;
        Ok(Version::new(logic, source, self.clock.now()))
    }

    /// Whether lists of the live version can be taken over by another one, where those mean something else to
    /// it: what a version is asked when it is taken, and again when it is to be live next to another.
    pub(super) fn takes_over(&self, logic: &dyn Logic) -> Result<(), TakeError> {
        let Some(live) = self.registry.live(&logic.id().name) else { return Ok(()) };
        let report = taken_over(&live, logic);
        all_passed(&report.failures, report.asked)
    }

    /// Changes how a logic stands: durably first, then for everybody. A change that refuses itself, because
    /// of what happened since it was thought of, leaves everything as it is.
    pub(super) fn change(
        &self,
        name: &LogicName,
        change: impl Fn(&mut RolloutState) -> Result<(), PluginError>,
    ) -> Result<(), PluginError> {
        for _ in 0..MAX_TRIES {
            let mut refused = Ok(());
            let proposal = self.registry.propose(name, |state| refused = change(state));
            refused?;
            self.write(name, proposal.after()).map_err(|error| PluginError::Failed(error.to_string()))?;
            failpoint::point("standing-written");
            if self.registry.accept(proposal) {
                failpoint::point("standing-accepted");
                return Ok(());
            }
        }
        Err(PluginError::Failed("versions of the logic fall all the while; try again in a moment".into()))
    }

    /// Makes durable what changed in memory, such as a version that fell. Answers whether nothing is left.
    pub(super) fn save_dirty(&self) -> bool {
        let mut all = true;
        for name in self.registry.dirty() {
            failpoint::point("standing-unkept");
            let Some(state) = self.registry.state(&name) else { continue };
            // A logic that never had a version leaves nothing behind.
            if !state.versions.is_empty() && self.write(&name, &state).is_err() {
                all = false;
                self.registry.mark_dirty(name);
            }
            failpoint::point("unkept-written");
        }
        all
    }

    fn write(&self, name: &LogicName, state: &RolloutState) -> std::io::Result<()> {
        self.kept.write(name, state).inspect_err(|error| {
            tracing::error!(logic = %name, %error, "how a logic stands could not be written");
        })
    }

    /// Notes that a component was not taken.
    pub(in crate::plugins) fn refuse(&self, name: &LogicName, source: &str, digest: Option<Digest>, why: String) {
        tracing::warn!(logic = %name, source, why, "not taken; what was live stays live");
        self.registry.refuse(name, source, digest, why, self.clock.now());
    }

    /// Notes that what is live was offered again after something that was not taken, so that the old
    /// failure is not shown for ever.
    pub(in crate::plugins) fn restored(&self, name: &LogicName, source: &str) {
        let failing = self.registry.state(name).is_some_and(|state| state.failure().is_some());
        if let (Some(live), true) = (self.registry.live(name), failing) {
            let now = self.clock.now();
            // Nobody waits for this, and what could not be written is on the log.
            drop(self.change(name, |state| {
                state.publish(live.clone(), None, source, now);
                Ok(())
            }));
        }
    }

    /// The live version of a logic, if it is of exactly these bytes.
    pub(in crate::plugins) fn live_with(&self, name: &LogicName, digest: &Digest) -> Option<Arc<LogicId>> {
        let live = self.registry.live(name)?;
        (live.digest() == digest).then(|| live.logic.id().clone())
    }

    pub(in crate::plugins) fn component_limit(&self) -> usize {
        self.engine.settings().component_bytes
    }
}

/// What becomes of lists of the live version when another one takes them over; nothing, where they mean the
/// same to it.
fn taken_over(live: &Version, logic: &dyn Logic) -> conformance::Report {
    let binding = live.logic.binding();
    if binding.is_schema_compatible(logic.binding()) {
        return conformance::Report::default();
    }
    let begun = Instant::now();
    conformance::migrate_lists(logic, binding, live.logic.description(), &|| begun.elapsed())
}

fn all_passed(failures: &[conformance::Failure], asked: usize) -> Result<(), TakeError> {
    failures.first().map_or(Ok(()), |first| {
        Err(TakeError::Gates { failed: failures.len(), asked, first: first.line(), kind: first.kind })
    })
}

/// A version that fell before decides only for whoever insists.
pub(super) fn may_decide(state: &RolloutState, digest: &Digest, force: bool) -> Result<(), PluginError> {
    match state.fallen(digest) {
        Some(quarantine) if !force => {
            Err(PluginError::Quarantined { digest: hex(digest), why: quarantine.why.clone() })
        }
        _ => Ok(()),
    }
}

/// Lets a version in that fell before only for whoever insists.
pub(super) fn admit(
    state: &mut RolloutState,
    digest: &Digest,
    force: bool,
    source: &str,
    now: u64,
) -> Result<(), PluginError> {
    may_decide(state, digest, force)?;
    state.release(digest, source, now);
    Ok(())
}

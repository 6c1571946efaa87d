//! Publishes a component: compiles it, runs the conformance gates, stores it, and adds it to the registry.
//!
//! A change of a rollout is durable before it is in effect. Changes that are made in memory first, such as a quarantine,
//! are written by [`Publisher::save_dirty`].

mod unsaved;
mod update;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use unsaved::Unsaved;
pub use update::RolloutUpdate;

use super::artifacts::ArtifactStore;
use super::conformance;
use super::digest::Digest;
use super::draft::RolloutDraft;
use super::error::{CompileError, PublishError, SubmitError};
use super::import;
use super::registry::Registry;
use super::resolve::Rollout;
use super::state::{Gates, RolloutState, TransitionError};
use super::state_store::{StateError, StateStore};
use super::states::States;
use super::version::Version;
use crate::clock::Clock;
use crate::failpoint;
use crate::files::Durability;
use crate::list::digest::{digest_of, hex};
use crate::list::id::LogicId;
use crate::list::name::LogicName;
use crate::logic::Logic;

/// How often a stored component is loaded while the machine is too busy for it.
const MAX_LOADS: usize = 5;

/// How often a change is prepared anew because the rollout changed meanwhile.
const MAX_TRIES: usize = 16;

/// How many differences from the live version are remembered.
const MAX_DIFFERENCES: usize = 20;

/// The source of events about a stored state.
const STATE_SOURCE: &str = "rollout state";

/// What the import of a logic's state from the files of an earlier version found: why the newest state could not be used,
/// or why the import failed.
pub type Imported = Result<Option<String>, String>;

/// Makes a logic of a component. The publisher does not know the engine.
pub trait Compiler: Send + Sync {
    /// Compiles a component as a version of a logic, and tries it out.
    fn compile(&self, name: &LogicName, bytes: &[u8]) -> Result<Box<dyn Logic>, CompileError>;
}

/// Publishes components, and changes rollouts on request. Used by one thread.
pub struct Publisher {
    compiler: Box<dyn Compiler>,
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    artifacts: ArtifactStore,
    states: States,
    /// Whether components that are there at the start are accepted though they are quarantined or fail their gates.
    force_at_start: bool,
}

/// A component to be published or stored.
#[derive(Clone, Copy)]
pub struct Submission<'a> {
    /// The logic.
    pub name: &'a LogicName,
    /// The component.
    pub bytes: &'a [u8],
    /// Where the component comes from.
    pub source: &'a str,
    /// Whether the component becomes live, or is only stored.
    pub publish: bool,
    /// Whether the component is accepted though it is quarantined or fails its gates.
    pub force: bool,
}

impl Publisher {
    /// Returns a publisher that stores components in `artifacts` and states in `states`.
    pub fn new(
        compiler: Box<dyn Compiler>,
        registry: Arc<Registry>,
        clock: Arc<dyn Clock>,
        artifacts: ArtifactStore,
        states: Box<dyn StateStore>,
        force_at_start: bool,
    ) -> Self {
        Self { compiler, registry, clock, artifacts, states: States::new(states), force_at_start }
    }

    /// The registry that versions are published to.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Whether components that are there at the start are accepted though they are quarantined or fail their gates.
    pub fn force_at_start(&self) -> bool {
        self.force_at_start
    }

    /// Imports the states that earlier versions kept in files. Returns every logic that has a state, readable or not.
    ///
    /// # Errors
    ///
    /// A text for people when the logics cannot be listed.
    pub fn find_stored(&self) -> Result<BTreeMap<LogicName, Imported>, String> {
        let unlisted = |error: &dyn std::fmt::Display| format!("cannot list the rollout states: {error}");
        let with_files = import::names(&self.artifacts).map_err(|error| unlisted(&error))?;
        let import = |name: LogicName| {
            let imported = import::import(&self.artifacts, self.states.store(), &name);
            (name, imported)
        };
        let mut found: BTreeMap<_, _> = with_files.into_iter().map(import).collect();
        let stored = self.states.store().names().map_err(|error| unlisted(&error))?;
        let damaged = self.artifacts.damaged_names().map_err(|error| unlisted(&error))?;
        for name in stored.into_iter().chain(damaged) {
            found.entry(name).or_insert(Ok(None));
        }
        Ok(found)
    }

    /// Adds a logic to the registry in its stored state.
    ///
    /// # Errors
    ///
    /// A text for people when the state cannot be read. The logic is not loaded then, and the registry records why. A
    /// version that does not load is no error: it keeps its role on record, and the registry records why it is not loaded.
    pub fn restore(&self, name: &LogicName, imported: Imported) -> Result<(), String> {
        self.restore_stored(name, imported).inspect_err(|why| {
            tracing::error!(logic = %name, why, "cannot read the rollout state of a logic; the logic is not loaded until a component is uploaded");
            self.registry.refuse(name, STATE_SOURCE, None, why.clone(), self.clock.now());
        })
    }

    fn restore_stored(&self, name: &LogicName, imported: Imported) -> Result<(), String> {
        let damaged = self.artifacts.damaged_file(name);
        if let Some(file) = &damaged {
            tracing::warn!(logic = %name, file = %file.display(), "a rollout state was damaged; no component of the logic is deleted until that file is");
        }
        let imported = imported.inspect_err(|why| self.states.leave_alone(name, why))?;
        let (mut state, damage) = match (self.states.read(name)?, damaged) {
            (Some(stored), _) => (stored.state, stored.damage.or(imported)),
            (None, None) => return Ok(()),
            (None, Some(file)) => {
                return Err(
                    imported.unwrap_or_else(|| format!("its rollout state was damaged, see {}", file.display()))
                );
            }
        };
        let mut loaded = Vec::new();
        for digest in state.in_use().collect::<Vec<_>>() {
            let source = state.record(&digest).map_or_else(|| "upload".into(), |record| record.source.clone());
            match self.load_stored(name, &digest, &source) {
                Ok(version) => loaded.push(version),
                Err(why) => {
                    self.refuse(name, &source, Some(digest), format!("it is stored, but does not load: {why}"));
                }
            }
        }
        let events = self.registry.rollout(name).map(|rollout| rollout.state.events.clone()).unwrap_or_default();
        events.into_iter().for_each(|event| state.note(event));
        let restored = RolloutDraft::restored(state, loaded);
        let proposal = self.registry.propose(name, |draft| {
            *draft = restored;
            Ok::<_, String>(())
        })?;
        if !self.registry.accept(proposal) {
            return Err("its state changed while it was read".into());
        }
        if let Some(why) = damage {
            tracing::error!(logic = %name, why, "the rollout state of a logic is damaged; the state before its last change is in effect");
            let why = format!("{why}; the state before its last change is in effect");
            self.registry.refuse(name, STATE_SOURCE, None, why, self.clock.now());
        }
        Ok(())
    }

    /// Stores a component that is part of the program, so that pinned lists find it and a damaged file is replaced.
    pub fn store_builtin(&self, name: &LogicName, bytes: &[u8]) -> std::io::Result<()> {
        self.artifacts.store(name, &digest_of(bytes), bytes, Durability::Crash)
    }

    /// Publishes a component that is part of the program, unless its rollout was restored. A newer program has newer
    /// rules, but these do not replace a live version that came from somewhere else.
    pub fn publish_builtin(&self, name: &LogicName, bytes: &[u8]) {
        const SOURCE: &str = "built in";
        let digest = digest_of(bytes);
        let rollout = self.registry.rollout(name);
        // The next start may load a version that this one could not, so nothing else takes its place.
        let awaits_another = rollout.as_ref().is_some_and(|rollout| rollout.awaits_another(&digest));
        if awaits_another || self.is_restored(name, &digest) {
            return;
        }
        let is_builtin = |rollout: &Arc<Rollout>| rollout.live.as_ref().is_none_or(|live| live.source == SOURCE);
        let publish = rollout.as_ref().is_none_or(is_builtin);
        let submission = Submission { name, bytes, source: SOURCE, publish, force: self.force_at_start };
        if let Err(error) = self.submit_as(submission, Durability::Crash) {
            self.refuse(name, SOURCE, Some(digest), error.to_string());
        }
    }

    /// Whether a logic has a live version and knows a component: then the restored rollout counts at the start.
    pub fn is_restored(&self, name: &LogicName, digest: &Digest) -> bool {
        let Some(rollout) = self.registry.rollout(name) else { return false };
        let record = rollout.state.record(digest);
        let known = record.filter(|record| record.quarantine.is_none() || !self.force_at_start);
        rollout.live.is_some() && known.is_some()
    }

    /// Checks a component, stores it, and makes it live if the submission says so.
    pub fn submit(&self, submission: Submission<'_>) -> Result<Arc<LogicId>, SubmitError> {
        self.submit_as(submission, Durability::PowerLoss)
    }

    fn submit_as(&self, submission: Submission<'_>, durability: Durability) -> Result<Arc<LogicId>, SubmitError> {
        let Submission { name, bytes, source, publish, force } = submission;
        let digest = digest_of(bytes);
        if let Some(rollout) = self.registry.rollout(name).filter(|_| !force) {
            let allowed = rollout.state.check_not_quarantined(&digest);
            allowed.map_err(|error| PublishError::of_transition(error, name))?;
        }
        let logic = self.compile(name, bytes)?;
        // Components that are part of the program passed the gates when the program was built.
        let gates = if durability == Durability::PowerLoss { Some(self.gates(&*logic, force)?) } else { None };
        let stored = self.artifacts.store(name, &digest, bytes, durability);
        stored.map_err(|error| SubmitError::NotStored(error.to_string()))?;
        failpoint::point("component-stored");
        let now = self.clock.now();
        let version = Version::new(logic, source, now);
        self.change(name, |draft| {
            draft.state.release(&digest, force, source, now)?;
            match publish {
                true => draft.publish(&version, gates.clone(), source, now)?,
                false => draft.store(&version, gates.clone(), now),
            }
            Ok(())
        })?;
        tracing::info!(logic = %version.id(), source, "{}", if publish { "published" } else { "stored" });
        Ok(version.id().clone())
    }

    /// Compiles a component. A panic of the compiler refuses the component and does not end the loader.
    fn compile(&self, name: &LogicName, bytes: &[u8]) -> Result<Box<dyn Logic>, CompileError> {
        let compiled = catch_unwind(AssertUnwindSafe(|| self.compiler.compile(name, bytes)));
        compiled.unwrap_or_else(|_| {
            tracing::error!(logic = %name, digest = hex(&digest_of(bytes)), "the compiler panicked over a component");
            Err(CompileError { why: "the compiler panicked over it".into(), is_transient: false })
        })
    }

    /// Runs the gates. A panic of the host refuses the component and does not end the loader.
    fn gates(&self, logic: &dyn Logic, force: bool) -> Result<Gates, SubmitError> {
        let passed = catch_unwind(AssertUnwindSafe(|| self.run_gates(logic, force)));
        passed.unwrap_or_else(|_| {
            tracing::error!(logic = %logic.id(), "the host panicked while a component passed its gates");
            Err(SubmitError::Panicked("the host panicked while it passed its gates".into()))
        })
    }

    /// Probes everything that the description of a logic allows. Migrates lists of the live version where these have
    /// another schema.
    fn run_gates(&self, logic: &dyn Logic, force: bool) -> Result<Gates, SubmitError> {
        let report = conformance::run(logic, &self.elapsed());
        let mut failures = report.failures.clone();
        let (mut probes, mut differs) = (report.probes, Vec::new());
        if let Some(live) = self.registry.live(&logic.id().name) {
            differs = logic.description().differences(live.logic.description());
            differs.truncate(MAX_DIFFERENCES);
            let migrated = self.migrate_lists(&live, logic);
            probes += migrated.probes;
            failures.extend(migrated.failures);
        }
        let forced: Vec<_> = failures.iter().map(conformance::Failure::line).collect();
        if !force {
            all_passed(&failures, probes)?;
        }
        let worst = report.worst();
        Ok(Gates {
            probes,
            worst_fuel: worst.fuel,
            worst_micros: u64::try_from(worst.time.as_micros()).unwrap_or(u64::MAX),
            worst_memory: worst.memory,
            forced,
            differs,
        })
    }

    /// Loads a stored version, unless it is loaded.
    pub fn loaded(&self, name: &LogicName, digest: &Digest) -> Result<Arc<Version>, String> {
        let rollout = self.registry.rollout(name);
        let is_it = |version: &&Arc<Version>| version.digest() == digest;
        if let Some(version) = rollout.as_ref().and_then(|rollout| rollout.loaded().find(is_it)) {
            return Ok(version.clone());
        }
        let record = rollout.as_ref().and_then(|rollout| rollout.state.record(digest));
        let source = record.map(|record| record.source.clone());
        let source = source.ok_or_else(|| format!("sha256:{} of {name} is not known", hex(digest)))?;
        self.load_stored(name, digest, &source)
    }

    /// Loads a component from disk. Retries while the machine is busy, because the component compiled once.
    fn load_stored(&self, name: &LogicName, digest: &Digest, source: &str) -> Result<Arc<Version>, String> {
        let bytes = self.artifacts.component(name, digest).map_err(|error| error.to_string())?;
        let mut compiled = self.compile(name, &bytes);
        for _ in 1..MAX_LOADS {
            if !compiled.as_ref().is_err_and(|error| error.is_transient) {
                break;
            }
            compiled = self.compile(name, &bytes);
        }
        let logic = compiled.map_err(|error| error.to_string())?;
        let version = Version::new(logic, source, self.clock.now());
        // It is loaded for a use that is about to come.
        version.touch(self.clock.uptime());
        Ok(version)
    }

    /// Adds a stored version to the loaded ones, for lists that are pinned to it.
    pub fn load_spare(&self, name: &LogicName, digest: &Digest) -> Result<(), String> {
        self.registry.add_spare(&self.loaded(name, digest)?);
        Ok(())
    }

    /// Checks that lists of the live version can migrate to another one. Checked when a version is accepted, and again
    /// before it becomes live, because another version may be live by then.
    fn check_migration(&self, logic: &dyn Logic) -> Result<(), SubmitError> {
        let Some(live) = self.registry.live(&logic.id().name) else { return Ok(()) };
        let report = self.migrate_lists(&live, logic);
        all_passed(&report.failures, report.probes)
    }

    /// Migrates generated lists of the live version to another one, unless both have the same schema.
    fn migrate_lists(&self, live: &Version, logic: &dyn Logic) -> conformance::Report {
        let binding = live.logic.binding();
        if binding.is_schema_compatible(logic.binding()) {
            return conformance::Report::default();
        }
        conformance::migrate_lists(logic, binding, live.logic.description(), &self.elapsed())
    }

    fn elapsed(&self) -> impl Fn() -> Duration {
        let begun = self.clock.monotonic();
        move || self.clock.monotonic().saturating_sub(begun)
    }

    /// Changes a rollout: durably first, then in effect. A failing change leaves everything as it is. A quarantine may
    /// change the rollout in between; then the change is prepared anew.
    fn change(
        &self,
        name: &LogicName,
        change: impl Fn(&mut RolloutDraft) -> Result<(), TransitionError>,
    ) -> Result<(), PublishError> {
        for attempt in 0..MAX_TRIES {
            // A state that was written and never took effect must not become the previous one.
            if self.states.is_ahead(name)
                && let Err(error) = self.save(name)
            {
                return Err(match attempt {
                    0 => PublishError::of_state(error, name),
                    // The last attempt of this change is the stored state, and the next start would take it.
                    _ => self.overtaken(name, &error),
                });
            }
            let proposal = self.registry.propose(name, &change);
            let proposal = proposal.map_err(|error| PublishError::of_transition(error, name))?;
            if let Err(error) = self.write(name, proposal.state()) {
                if let StateError::Unknown(_) = &error {
                    // The state in effect is written again, as soon as it can be.
                    self.registry.mark_dirty(name.clone());
                }
                return Err(PublishError::of_state(error, name));
            }
            failpoint::point("state-written");
            if self.registry.accept(proposal) {
                failpoint::point("state-accepted");
                self.states.took_effect(name);
                // Not before: a state that was not accepted may not know a component that lists need by now.
                self.remove_unknown(name);
                return Ok(());
            }
        }
        self.save(name).map_err(|error| self.overtaken(name, &error))?;
        Err(PublishError::Failed(format!(
            "versions of {name} were quarantined during each of {MAX_TRIES} tries; try again in a moment"
        )))
    }

    /// The error of a change that was written and did not take effect, because the state in effect could not be written in
    /// its place.
    fn overtaken(&self, name: &LogicName, error: &StateError) -> PublishError {
        self.registry.mark_dirty(name.clone());
        PublishError::Interrupted(format!("the state of {name} could not be written again: {error}"))
    }

    /// Writes a state. One that replaces a damaged state is preceded by a note, so that components stay.
    fn write(&self, name: &LogicName, state: &RolloutState) -> Result<(), StateError> {
        let noted = if self.states.is_damaged(name) { self.artifacts.note_damage(name) } else { Ok(()) };
        let noted = noted.map_err(|error| StateError::Failed(error.to_string()));
        noted.and_then(|()| self.states.write(name, state)).inspect_err(|error| match error {
            // The store has logged it.
            StateError::Unavailable { .. } => {}
            _ => tracing::error!(logic = %name, %error, "cannot write the state of a rollout"),
        })
    }

    /// Writes the states that changed in memory. Returns whether all of them are durable.
    pub fn save_dirty(&self) -> bool {
        let mut unsaved = Unsaved { registry: &self.registry, names: self.registry.take_dirty() };
        let mut failed = Vec::new();
        while let Some(name) = unsaved.names.first().cloned() {
            failpoint::point("state-dirty");
            if self.save(&name).is_err() {
                failed.push(name.clone());
            }
            failpoint::point("dirty-state-written");
            unsaved.names.remove(&name);
        }
        let all_saved = failed.is_empty();
        unsaved.names.extend(failed);
        all_saved
    }

    fn save(&self, name: &LogicName) -> Result<(), StateError> {
        match self.registry.rollout(name) {
            // A logic that never had a version is not stored.
            Some(rollout) if !rollout.state.versions.is_empty() => {
                self.write(name, &rollout.state)?;
                self.states.took_effect(name);
                self.remove_unknown(name);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Removes the components that neither the state in effect nor the previous one names, if both are known.
    fn remove_unknown(&self, name: &LogicName) {
        let rollout = self.registry.rollout(name);
        if let (Some(rollout), Some(mut known)) = (rollout, self.states.previous_components(name)) {
            known.extend(rollout.state.versions.iter().map(|record| record.digest));
            self.artifacts.remove_all_but(name, &known);
        }
    }

    /// Records that a component was refused.
    pub fn refuse(&self, name: &LogicName, source: &str, digest: Option<Digest>, why: String) {
        tracing::warn!(logic = %name, source, why, "refused a component; the live version stays live");
        self.registry.refuse(name, source, digest, why, self.clock.now());
    }

    /// Records that the live component was submitted again after a refusal, so that the old failure is not shown any
    /// more.
    pub fn clear_failure(&self, name: &LogicName, source: &str) {
        let Some(rollout) = self.registry.rollout(name) else { return };
        if let (Some(live), Some(_)) = (&rollout.live, rollout.state.failure()) {
            let now = self.clock.now();
            if let Err(error) = self.change(name, |draft| draft.publish(live, None, source, now)) {
                tracing::warn!(logic = %name, %error, "cannot clear the failure of a logic");
            }
        }
    }

    /// The live version of a logic, if it has this digest.
    pub fn live_with(&self, name: &LogicName, digest: &Digest) -> Option<Arc<LogicId>> {
        let live = self.registry.live(name)?;
        (live.digest() == digest).then(|| live.id().clone())
    }

    /// The bytes of a version's component.
    pub fn component(&self, name: &LogicName, digest: &Digest) -> Result<Vec<u8>, PublishError> {
        let rollout = self.registry.rollout(name);
        if rollout.is_none_or(|rollout| rollout.state.record(digest).is_none()) {
            return Err(PublishError::Unknown(format!("version sha256:{} of {name}", hex(digest))));
        }
        self.artifacts
            .component(name, digest)
            .map_err(|error| PublishError::Failed(format!("the component could not be read: {error}")))
    }
}

fn all_passed(failures: &[conformance::Failure], probes: usize) -> Result<(), SubmitError> {
    failures.first().map_or(Ok(()), |first| {
        Err(SubmitError::Gates { failed: failures.len(), probes, first: first.line(), kind: first.kind })
    })
}

#[cfg(test)]
mod tests;

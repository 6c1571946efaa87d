//! Publishes a component: compiles it, runs the conformance gates, stores it, and adds it to the registry.
//!
//! [`Preparer`] does what takes long, on any thread. [`Publisher`] does the rest, on one thread.
//!
//! A change of a rollout is durable before it is in effect. Changes that are made in memory first, such as a quarantine,
//! are written by [`Publisher::save_dirty`].

mod canary;
mod delay;
mod prepare;
mod unsaved;
mod update;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
pub use prepare::{Accepted, Compiler, IsCancelled, Prepared, Preparer, Submission};
use unsaved::Unsaved;
pub use update::{CanaryTime, RolloutUpdate};

use super::artifacts::ArtifactStore;
use super::digest::Digest;
use super::draft::RolloutDraft;
use super::error::{PublishError, SubmitError};
use super::event::{BUILT_IN, Cause, Event};
use super::import;
use super::registry::Registry;
use super::resolve::Rollout;
use super::state::{RolloutState, TransitionError};
use super::state_store::{StateError, StateStore};
use super::states::States;
use super::version::Version;
use crate::clock::Clock;
use crate::failpoint;
use crate::files::Durability;
use crate::list::Limits;
use crate::list::digest::{digest_of, hex};
use crate::list::id::LogicId;
use crate::list::name::LogicName;

/// How often a change is prepared anew because the rollout changed meanwhile.
const MAX_TRIES: usize = 16;

/// The source of events about a stored state.
const STATE_SOURCE: &str = "rollout state";

/// What the import of a logic's state from the files of an earlier version found: why the newest state could not be used,
/// or why the import failed.
pub type Imported = Result<Option<String>, String>;

/// Publishes components, and changes rollouts on request. Used by one thread.
pub struct Publisher {
    preparer: Arc<Preparer>,
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    artifacts: Arc<ArtifactStore>,
    states: States,
    /// Whether components that are there at the start are accepted though they are quarantined or fail their gates.
    force_at_start: bool,
    /// The canaries that could not be ended at their time.
    canary_delays: Mutex<BTreeMap<LogicName, delay::Delay>>,
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
        limits: Limits,
    ) -> Self {
        let artifacts = Arc::new(artifacts);
        let preparer = Preparer::new(compiler, registry.clone(), clock.clone(), artifacts.clone(), limits);
        Self {
            preparer: Arc::new(preparer),
            registry,
            clock,
            artifacts,
            states: States::new(states),
            force_at_start,
            canary_delays: Mutex::default(),
        }
    }

    /// What compiles and probes components before they are published.
    pub fn preparer(&self) -> &Arc<Preparer> {
        &self.preparer
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
            self.registry.refuse(name, self.cause(STATE_SOURCE), None, why.clone());
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
            match self.preparer.load(name, &digest, &source, &|| false) {
                Ok(version) => loaded.push(version),
                Err(why) => {
                    let why = format!("it is stored, but does not load: {why}");
                    self.refuse(name, self.cause(&source), Some(digest), why);
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
            self.registry.refuse(name, self.cause(STATE_SOURCE), None, why);
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
        let digest = digest_of(bytes);
        let rollout = self.registry.rollout(name);
        // The next start may load a version that this one could not, so nothing else takes its place.
        let awaits_another = rollout.as_ref().is_some_and(|rollout| rollout.awaits_another(&digest));
        if awaits_another || self.is_restored(name, &digest) {
            return;
        }
        let is_builtin = |rollout: &Arc<Rollout>| rollout.live.as_ref().is_none_or(|live| live.source == BUILT_IN);
        let publish = rollout.as_ref().is_none_or(is_builtin);
        let submission = Submission {
            name,
            bytes,
            source: BUILT_IN,
            client: None,
            publish,
            force: self.force_at_start,
            lists: None,
        };
        // Components that are part of the program passed the gates when the program was built.
        let prepared = self.preparer.compile_only(submission);
        let published = prepared.and_then(|prepared| self.publish_as(submission, prepared, Durability::Crash));
        if let Err(error) = published {
            self.refuse(name, self.cause(BUILT_IN), Some(digest), error.to_string());
        }
    }

    /// Whether a logic has a live version and knows a component: then the restored rollout counts at the start.
    pub fn is_restored(&self, name: &LogicName, digest: &Digest) -> bool {
        let Some(rollout) = self.registry.rollout(name) else { return false };
        let record = rollout.state.record(digest);
        let known = record.filter(|record| record.quarantine.is_none() || !self.force_at_start);
        rollout.live.is_some() && known.is_some()
    }

    /// Prepares and publishes a component, see [`Preparer::prepare`] and [`Publisher::publish`].
    pub fn submit(&self, submission: Submission<'_>) -> Result<Accepted, SubmitError> {
        let prepared = self.preparer.prepare(submission, &|| false)?;
        self.publish(submission, prepared)
    }

    /// Stores a prepared component, and makes it live if the submission says so.
    pub fn publish(&self, submission: Submission<'_>, prepared: Prepared) -> Result<Accepted, SubmitError> {
        self.publish_as(submission, prepared, Durability::PowerLoss)
    }

    /// Checks a prepared component as [`Publisher::publish`] does, and changes nothing.
    pub fn check(&self, submission: Submission<'_>, prepared: Prepared) -> Result<Accepted, SubmitError> {
        let (logic, gates) = self.preparer.finish(prepared, submission)?;
        Ok(Accepted { id: logic.id().clone(), gates, released: None })
    }

    fn publish_as(
        &self,
        submission: Submission<'_>,
        prepared: Prepared,
        durability: Durability,
    ) -> Result<Accepted, SubmitError> {
        let Submission { name, bytes, source, client, publish, force, .. } = submission;
        let digest = digest_of(bytes);
        let (logic, gates) = self.preparer.finish(prepared, submission)?;
        let stored = self.artifacts.store(name, &digest, bytes, durability);
        stored.map_err(|error| SubmitError::NotStored(error.to_string()))?;
        failpoint::point("component-stored");
        let cause = Cause { client, ..self.cause(source) };
        let version = Version::new(logic, source, cause.time);
        let released = RefCell::new(None);
        self.change(name, |draft| {
            released.replace(draft.state.release(&digest, force, cause)?);
            match publish {
                true => draft.publish(&version, gates.clone(), cause)?,
                false => draft.store(&version, gates.clone(), cause),
            }
            Ok(())
        })?;
        Ok(Accepted { id: version.id().clone(), gates, released: released.into_inner() })
    }

    /// A version that is in memory.
    pub fn loaded(&self, name: &LogicName, digest: &Digest) -> Option<Arc<Version>> {
        let rollout = self.registry.rollout(name)?;
        rollout.loaded().find(|version| version.digest() == digest).cloned()
    }

    /// Where the component of a version came from.
    pub fn source(&self, name: &LogicName, digest: &Digest) -> Result<String, String> {
        let rollout = self.registry.rollout(name);
        let record = rollout.as_ref().and_then(|rollout| rollout.state.record(digest));
        let source = record.map(|record| record.source.clone());
        source.ok_or_else(|| format!("sha256:{} of {name} is not known", hex(digest)))
    }

    /// Adds a version to the loaded ones, for lists that are pinned to it.
    pub fn add_spare(&self, version: &Arc<Version>) {
        self.registry.add_spare(version);
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
            let before = self.registry.rollout(name);
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
                self.log_events(name, before.as_deref());
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

    /// Logs what a change did, a line an event.
    fn log_events(&self, name: &LogicName, before: Option<&Rollout>) {
        let Some(rollout) = self.registry.rollout(name) else { return };
        let known = before.and_then(|before| before.state.events.back());
        let is_new = |event: &&Event| Some(*event) != known;
        let events: Vec<_> = rollout.state.events.iter().rev().take_while(is_new).collect();
        events.into_iter().rev().for_each(|event| tracing::info!(logic = %name, "{event}"));
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
    pub fn refuse(&self, name: &LogicName, cause: Cause<'_>, digest: Option<Digest>, why: String) {
        let Cause { source, client, .. } = cause;
        tracing::warn!(logic = %name, source, client, why, "refused a component; the live version stays live");
        self.registry.refuse(name, cause, digest, why);
    }

    /// A cause that is no request of a client, at this time.
    pub fn cause<'a>(&self, source: &'a str) -> Cause<'a> {
        Cause::new(source, self.clock.now())
    }

    /// Records that the live component was submitted again after a refusal, so that the old failure is not shown any
    /// more.
    pub fn clear_failure(&self, name: &LogicName, cause: Cause<'_>) {
        let Some(rollout) = self.registry.rollout(name) else { return };
        if let (Some(live), Some(_)) = (&rollout.live, rollout.state.failure())
            && let Err(error) = self.change(name, |draft| draft.publish(live, None, cause))
        {
            tracing::warn!(logic = %name, %error, "cannot clear the failure of a logic");
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

#[cfg(test)]
mod tests;

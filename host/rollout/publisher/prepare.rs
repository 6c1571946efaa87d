//! Prepares a component: compiles it, and runs the conformance gates. Several threads prepare components at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::super::artifacts::ArtifactStore;
use super::super::conformance;
use super::super::digest::Digest;
use super::super::error::{CompileError, FailedGates, PublishError, SubmitError};
use super::super::registry::Registry;
use super::super::version::Version;
use super::super::version_record::{Gates, Quarantine};
use crate::clock::Clock;
use crate::list::command::Context;
use crate::list::digest::{digest_of, hex};
use crate::list::id::LogicId;
use crate::list::name::LogicName;
use crate::list::{Limits, List};
use crate::logic::Logic;

/// How often a stored component is loaded while the machine is too busy for it.
const MAX_LOADS: usize = 5;

/// How many differences from the live version are remembered.
const MAX_DIFFERENCES: usize = 20;

/// Whether a component is not wanted any more.
pub type IsCancelled<'a> = &'a dyn Fn() -> bool;

/// Makes a logic of a component. The publisher does not know the engine.
pub trait Compiler: Send + Sync {
    /// Compiles a component as a version of a logic, and tries it out. Ends early when it is cancelled.
    fn compile(
        &self,
        name: &LogicName,
        bytes: &[u8],
        is_cancelled: IsCancelled<'_>,
    ) -> Result<Box<dyn Logic>, CompileError>;
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
    /// The client that sent it, see [`Event::client`](crate::rollout::Event::client).
    pub client: Option<&'a str>,
    /// Whether the component becomes live, or is only stored.
    pub publish: bool,
    /// Whether the component is accepted though it is quarantined or fails its gates.
    pub force: bool,
    /// All lists of the server, where that has few. Their migration is probed instead of that of generated lists.
    pub lists: Option<&'a [Arc<List>]>,
}

/// A component that was accepted.
#[derive(Clone, PartialEq, Debug)]
pub struct Accepted {
    /// The version.
    pub id: Arc<LogicId>,
    /// The results of the gates, if the component went through them.
    pub gates: Option<Gates>,
    /// The quarantine of the same bytes that was ended by force, if there was one.
    pub released: Option<Quarantine>,
}

/// A component that passed its gates, ready to be published.
pub struct Prepared {
    logic: Box<dyn Logic>,
    /// The results of the gates, unless the component is part of the program.
    gates: Option<Gates>,
    /// The version that was live when the gates ran.
    beside: Option<Digest>,
}

/// Compiles and probes components.
pub struct Preparer {
    compiler: Box<dyn Compiler>,
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    artifacts: Arc<ArtifactStore>,
    /// The limits of lists.
    limits: Limits,
}

impl Preparer {
    pub(super) fn new(
        compiler: Box<dyn Compiler>,
        registry: Arc<Registry>,
        clock: Arc<dyn Clock>,
        artifacts: Arc<ArtifactStore>,
        limits: Limits,
    ) -> Self {
        Self { compiler, registry, clock, artifacts, limits }
    }

    /// Compiles a component and runs its gates. Changes nothing.
    pub fn prepare(&self, submission: Submission<'_>, is_cancelled: IsCancelled<'_>) -> Result<Prepared, SubmitError> {
        let logic = self.check_and_compile(submission, is_cancelled)?;
        if is_cancelled() {
            return Err(CompileError::Cancelled.into());
        }
        let live = self.registry.live(submission.name);
        let gates = self.gates(&*logic, live.as_deref(), submission)?;
        Ok(Prepared { logic, gates: Some(gates), beside: live.map(|live| *live.digest()) })
    }

    /// Compiles a component that is part of the program.
    pub(super) fn compile_only(&self, submission: Submission<'_>) -> Result<Prepared, SubmitError> {
        let logic = self.check_and_compile(submission, &|| false)?;
        Ok(Prepared { logic, gates: None, beside: None })
    }

    /// Checks a prepared component against the live version, which may be another one than when the gates ran.
    pub(super) fn finish(
        &self,
        prepared: Prepared,
        Submission { force, lists, .. }: Submission<'_>,
    ) -> Result<(Box<dyn Logic>, Option<Gates>), SubmitError> {
        let Prepared { logic, mut gates, beside } = prepared;
        if let (Some(gates), Some(live)) = (&mut gates, self.registry.live(&logic.id().name)) {
            if !force && beside.as_ref() != Some(live.digest()) {
                self.check_migration(&*logic, lists)?;
            }
            gates.differs = logic.description().differences(live.logic.description());
            gates.differs.truncate(MAX_DIFFERENCES);
        }
        Ok((logic, gates))
    }

    /// Loads a component from disk. Retries while the machine is busy, because the component compiled once.
    pub fn load(
        &self,
        name: &LogicName,
        digest: &Digest,
        source: &str,
        is_cancelled: IsCancelled<'_>,
    ) -> Result<Arc<Version>, String> {
        if is_cancelled() {
            return Err(CompileError::Cancelled.to_string());
        }
        let bytes = self.artifacts.component(name, digest).map_err(|error| error.to_string())?;
        let mut compiled = self.compile(name, &bytes, is_cancelled);
        for _ in 1..MAX_LOADS {
            if !compiled.as_ref().is_err_and(CompileError::is_transient) {
                break;
            }
            compiled = self.compile(name, &bytes, is_cancelled);
        }
        let logic = compiled.map_err(|error| error.to_string())?;
        let version = Version::new(logic, source, self.clock.now());
        // It is loaded for a use that is about to come.
        version.touch(self.clock.uptime());
        Ok(version)
    }

    /// Checks that lists of the live version can migrate to another one. Checked when a version is accepted, and again
    /// before it becomes live, because another version may be live by then.
    pub(super) fn check_migration(&self, logic: &dyn Logic, lists: Option<&[Arc<List>]>) -> Result<(), SubmitError> {
        let Some(live) = self.registry.live(&logic.id().name) else { return Ok(()) };
        let report = self.migrate_lists(&live, logic, lists);
        all_passed(report.failures, report.probes)
    }

    fn check_and_compile(
        &self,
        submission: Submission<'_>,
        is_cancelled: IsCancelled<'_>,
    ) -> Result<Box<dyn Logic>, SubmitError> {
        let Submission { name, bytes, force, .. } = submission;
        if let Some(rollout) = self.registry.rollout(name).filter(|_| !force) {
            let allowed = rollout.state.check_not_quarantined(&digest_of(bytes));
            allowed.map_err(|error| PublishError::of_transition(error, name))?;
        }
        Ok(self.compile(name, bytes, is_cancelled)?)
    }

    /// Compiles a component. A panic of the compiler refuses the component and does not end the loader.
    fn compile(
        &self,
        name: &LogicName,
        bytes: &[u8],
        is_cancelled: IsCancelled<'_>,
    ) -> Result<Box<dyn Logic>, CompileError> {
        if is_cancelled() {
            return Err(CompileError::Cancelled);
        }
        let compiled = catch_unwind(AssertUnwindSafe(|| self.compiler.compile(name, bytes, is_cancelled)));
        compiled.unwrap_or_else(|_| {
            tracing::error!(logic = %name, digest = hex(&digest_of(bytes)), "the compiler panicked over a component");
            Err(CompileError::Refused { why: "the compiler panicked over it".into(), is_transient: false })
        })
    }

    /// Runs the gates. A panic of the host refuses the component and does not end the loader.
    fn gates(
        &self,
        logic: &dyn Logic,
        live: Option<&Version>,
        submission: Submission<'_>,
    ) -> Result<Gates, SubmitError> {
        logic.probe(true);
        let passed = catch_unwind(AssertUnwindSafe(|| self.run_gates(logic, live, submission)));
        logic.probe(false);
        passed.unwrap_or_else(|_| {
            tracing::error!(logic = %logic.id(), "the host panicked while a component passed its gates");
            Err(SubmitError::Panicked("the host panicked while it passed its gates".into()))
        })
    }

    /// Probes everything that the description of a logic allows. Migrates lists of the live version where these have
    /// another schema.
    fn run_gates(
        &self,
        logic: &dyn Logic,
        live: Option<&Version>,
        Submission { force, lists, .. }: Submission<'_>,
    ) -> Result<Gates, SubmitError> {
        let report = conformance::run(logic, self.limits, &self.elapsed());
        let mut failures = report.failures.clone();
        let mut probes = report.probes;
        if let Some(live) = live {
            let migrated = self.migrate_lists(live, logic, lists);
            probes += migrated.probes;
            failures.extend(migrated.failures);
        }
        let forced: Vec<_> = failures.iter().map(conformance::Failure::line).collect();
        if !force {
            all_passed(failures, probes)?;
        }
        let worst = report.worst();
        Ok(Gates {
            probes,
            worst_fuel: worst.fuel,
            worst_micros: u64::try_from(worst.time.as_micros()).unwrap_or(u64::MAX),
            worst_memory: worst.memory,
            forced,
            differs: Vec::new(),
        })
    }

    /// Migrates lists to a version: the given ones, or generated lists of the live version. Those with the schema of the
    /// version need no migration.
    fn migrate_lists(&self, live: &Version, logic: &dyn Logic, lists: Option<&[Arc<List>]>) -> conformance::Report {
        let binding = live.logic.binding();
        let migrates = |list: &List| list.binding().is_some_and(|bound| bound.needs_migration(logic.binding()));
        let samples = match lists {
            Some(lists) => {
                let context = self.context();
                lists.iter().filter(|list| migrates(list)).map(|list| (list.clone(), context.clone())).collect()
            }
            None if binding.is_schema_compatible(logic.binding()) => Vec::new(),
            None => conformance::sample_lists(binding, live.logic.description()),
        };
        conformance::migrate_lists(logic, samples, &self.elapsed())
    }

    /// The context of a migration by the host.
    fn context(&self) -> Context {
        let now = self.clock.now();
        let (today, utc_offset) = self.clock.local_at(now);
        Context { now, today, utc_offset, caller: "hotlist".into(), seed: 0 }
    }

    fn elapsed(&self) -> impl Fn() -> Duration {
        let begun = self.clock.monotonic();
        move || self.clock.monotonic().saturating_sub(begun)
    }
}

fn all_passed(failures: Vec<conformance::Failure>, probes: usize) -> Result<(), SubmitError> {
    let failed = failures.len();
    match failures.into_iter().next() {
        Some(first) => Err(SubmitError::Gates(Box::new(FailedGates { failed, probes, first }))),
        None => Ok(()),
    }
}

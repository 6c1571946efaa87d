//! Who decides about a list: the version that is chosen for it, the one that keeps it, or the one that
//! steps in when that fails.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::batch::{Batch, PendingCommand, is_a_move};
use super::{Actor, CallError, Request, decision_log};
use crate::list::List;
use crate::list::change::Change;
use crate::list::command::{Command, Context};
use crate::list::name::LogicName;
use crate::list::revision::Receipt;
use crate::logic::decide::{Decided, Decider, binding_after_undo};
use crate::logic::{Cost, Fault, Refusal, Session};
use crate::rollout::shadows::{Case, Shadow};
use crate::rollout::{ResolveError, Selection, Version};

/// Who asks for what the host does by itself.
const HOST: &str = "hotlist";

type Decision = Result<Decided, Refusal>;

impl Actor {
    /// The version that decides a command about the list as the round has it.
    pub(super) fn choose(&self, batch: &Batch, command: &Command) -> Result<Selection, ResolveError> {
        let (list, registry) = (&batch.list, &self.environment.registry);
        let unseen = |version| Selection { version, shadow: None };
        if let Command::Undo { changes, inverse, .. } = command {
            // Nobody but the version that keeps the list, or kept it then, can tell what belongs into it.
            if let Some(binding) = binding_after_undo(list, changes, inverse) {
                return registry.usable(binding.logic(), &binding.id.digest).map(unseen);
            }
            if let Some(version) = registry.keeping(list)? {
                return Ok(unseen(version));
            }
        }
        let logic = self.logic_of(list, command);
        let pin = match command {
            Command::Configure { pin: Some(pin), .. } => pin.as_ref(),
            _ => list.pin().filter(|_| list.logic() == Some(&logic)),
        };
        let selection = registry.resolve(&logic, &self.name, pin)?;
        if pin.is_some() {
            selection.version.touch(batch.batch_clock.now);
        }
        if batch.migration_failed == Some(*selection.version.digest())
            && !is_a_move(command)
            && list.binding().is_some_and(|binding| !binding.is_schema_compatible(selection.version.logic.binding()))
            && let Some(version) = registry.keeping(list)?
        {
            version.touch(batch.batch_clock.now);
            return Ok(unseen(version));
        }
        Ok(selection)
    }

    /// The logic that decides a command: the one that the command hands the list to, or its own.
    fn logic_of(&self, list: &List, command: &Command) -> LogicName {
        match command {
            Command::Configure { logic: Some(logic), .. } => logic.clone(),
            _ => list.logic().unwrap_or(&self.environment.default_logic).clone(),
        }
    }

    /// Has a version take the list over from the one that keeps it, as a revision of its own. When it does
    /// not, the list stays where it is; another version may do better.
    pub(super) fn migrate_list(&self, batch: &mut Batch, version: &Arc<Version>, session: &mut dyn Session) -> bool {
        let context = self.context(batch, &HOST.into());
        let (decided, _) = self.ask(batch, version, session, &context, &Command::Migrate, false);
        let Err(refusal) = decided else {
            version.counters.migrated.fetch_add(1, Ordering::Relaxed);
            if let Ok(decided) = decided {
                batch.carry_out(version, session, Command::Migrate, context, decided);
            }
            return !batch.session_over;
        };
        version.counters.not_migrated.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(list = %self.name, to = %version.logic.id(), why = %refusal, "a list was not taken over, and stays with the version that keeps it");
        if let Refusal::Fault(fault) = &refusal {
            batch.session_over = true;
            self.environment.registry.failed(version, &self.name, fault, None, batch.batch_clock.now);
        }
        if let Some(binding) = batch.list.binding() {
            self.environment.registry.hold(binding.logic(), &binding.id.digest);
        }
        batch.migration_failed = Some(*version.digest());
        false
    }

    /// Decides one command, and takes what comes of it into the round.
    pub(super) fn decide(
        &self,
        batch: &mut Batch,
        selection: &Selection,
        session: &mut dyn Session,
        pending: PendingCommand,
    ) -> Option<PendingCommand> {
        let version = &selection.version;
        let source = pending.request.command.clone();
        let command = match source.prepare(version.logic.description()) {
            Ok(command) => command,
            Err(input) => {
                let logic = version.logic.id().clone();
                batch.queue_reply(pending.answer, Err(CallError::Invalid { input, logic }));
                return None;
            }
        };
        let command = &*command;
        let context = self.context(batch, &pending.request.caller);
        let watched =
            selection.shadow.as_deref().filter(|shadow| is_the_logics(command) && shadow.has_room(&batch.list));
        let (decided, spent) = self.ask(batch, version, session, &context, command, watched.is_some());
        match decided {
            Err(Refusal::Fault(fault)) => self.fall_back(batch, version, pending, context, fault),
            decided => {
                if is_the_logics(command) && matches!(decided, Ok(_) | Err(Refusal::Rejected(_))) {
                    version.did_well(&self.name);
                }
                if let Some(shadow) = watched {
                    self.show(shadow, batch, version, &context, command, &decided, spent);
                }
                self.finish(batch, version, session, pending, command.clone(), context, decided)
            }
        }
    }

    /// Asks a version; counts and tells what it says.
    fn ask(
        &self,
        batch: &Batch,
        version: &Version,
        session: &mut dyn Session,
        context: &Context,
        command: &Command,
        timed: bool,
    ) -> (Decision, (Cost, Duration)) {
        let begun = (timed || decision_log::wanted()).then(Instant::now);
        let limits = self.environment.limits;
        let mut decider = Decider { logic: &*version.logic, session: &mut *session, limits };
        let decided = decider.decide(&batch.list, context, command);
        let took = begun.map(|begun| begun.elapsed()).unwrap_or_default();
        match &decided {
            Ok(_) => drop(version.counters.accepted.fetch_add(1, Ordering::Relaxed)),
            Err(Refusal::Rejected(_)) => drop(version.counters.rejected.fetch_add(1, Ordering::Relaxed)),
            Err(_) => {}
        }
        if decision_log::wanted() {
            decision_log::decision(&self.name, &context.caller, command, &decided, version.logic.id(), took);
        }
        let cost = if timed { session.cost() } else { Cost::default() };
        (decided, (cost, took))
    }

    /// A version failed at a command. Nothing was applied, so another one may decide it: the last good one
    /// at once, where it means the same by the list; or whichever is chosen after the version fell.
    pub(super) fn fall_back(
        &self,
        batch: &mut Batch,
        failed: &Arc<Version>,
        pending: PendingCommand,
        context: Context,
        fault: Fault,
    ) -> Option<PendingCommand> {
        batch.session_over = true;
        let registry = &self.environment.registry;
        let instead = registry.instead_of(failed, &batch.list);
        let mut session = instead.as_ref().and_then(|version| version.logic.session().ok());
        let source = pending.request.command.clone();
        let command = instead.as_ref().and_then(|version| source.prepare(version.logic.description()).ok());
        let second = match (&instead, &mut session, command.as_deref()) {
            (Some(version), Some(session), Some(command)) => {
                Some(self.ask(batch, version, session.as_mut(), &context, command, false).0)
            }
            _ => None,
        };
        // What the other one does not know, such as a new command, it did not decide.
        let shared = second.as_ref().and_then(|second| match second {
            Ok(_) | Err(Refusal::Rejected(_)) => Some(false),
            Err(Refusal::Fault(_)) => Some(true),
            Err(_) => None,
        });
        let fell = registry.failed(failed, &self.name, &fault, shared, batch.batch_clock.now);
        match (&instead, &mut session, second.zip(command)) {
            (Some(version), Some(session), Some((decided, command))) if shared == Some(false) => {
                failed.counters.rescued.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(list = %self.name, failed = %failed.logic.id(), %fault, decided_by = %version.logic.id(), "a version failed at a command; the last good one decided it");
                self.finish(batch, version, session.as_mut(), pending, command.into_owned(), context, decided)
            }
            _ if fell && !pending.retried => Some(PendingCommand { retried: true, ..pending }),
            _ => {
                let logic = failed.logic.id().clone();
                batch.queue_reply(pending.answer, Err(CallError::Refused { refusal: Refusal::Fault(fault), logic }));
                None
            }
        }
    }

    /// Takes a decision into the round.
    #[expect(clippy::too_many_arguments, reason = "a decision with all that led to it")]
    fn finish(
        &self,
        batch: &mut Batch,
        version: &Arc<Version>,
        session: &mut dyn Session,
        pending: PendingCommand,
        command: Command,
        context: Context,
        decided: Decision,
    ) -> Option<PendingCommand> {
        let logic = version.logic.id().clone();
        let PendingCommand { request, answer, .. } = pending;
        let Request { idempotency, .. } = *request;
        if let Some(request) = idempotency
            && let Some(outcome) = batch.outcome(&decided)
        {
            batch.save(Receipt { request, time: context.now, logic: logic.clone(), outcome });
        }
        let reply = match decided {
            Ok(decided) => {
                if decided.changes.iter().any(|change| matches!(change, Change::Pin(Some(_)))) {
                    self.environment.registry.hold(&logic.name, &logic.digest);
                }
                Ok(batch.carry_out(version, session, command, context, decided))
            }
            Err(refusal) => Err(CallError::Refused { refusal, logic }),
        };
        batch.queue_reply(answer, reply);
        if let Some(fault) = batch.wake_up_fault.take() {
            self.environment.registry.failed(version, &self.name, &fault, None, batch.batch_clock.now);
        }
        None
    }

    /// Hands a decision to the candidate that works in the shadow.
    #[expect(clippy::too_many_arguments, reason = "a decision with all that led to it")]
    fn show(
        &self,
        shadow: &Shadow,
        batch: &Batch,
        live: &Arc<Version>,
        context: &Context,
        command: &Command,
        decided: &Decision,
        (cost, took): (Cost, Duration),
    ) {
        let answer = match decided {
            Ok(decided) => Ok((decided.changes.clone(), decided.list.clone())),
            Err(refusal) => Err(refusal.clone()),
        };
        shadow.send(Case {
            name: self.name.clone(),
            list: batch.list.clone(),
            context: context.clone(),
            command: command.clone(),
            limits: self.environment.limits,
            live: live.clone(),
            answer,
            cost,
            took,
        });
    }
}

/// Whether a command is one that versions may see differently.
fn is_the_logics(command: &Command) -> bool {
    !is_a_move(command) && !matches!(command, Command::DeleteList | Command::Undo { .. } | Command::Migrate)
}

//! Who decides about a list: the version that is chosen for it, the one that keeps it, or the one that
//! steps in when that fails.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::round::{Round, Waiting, is_a_move};
use super::{Actor, CallError, Request, told};
use crate::list::List;
use crate::list::change::Change;
use crate::list::command::{Command, Context};
use crate::list::name::LogicName;
use crate::list::revision::Receipt;
use crate::logic::catalog::{Chosen, Unready, Version};
use crate::logic::decide::{Decided, Decider, Refusal, keeper_after};
use crate::logic::shadow::{Case, Shadow};
use crate::logic::{Cost, Fault, Session};

/// Who asks for what the host does by itself.
const HOST: &str = "hotlist";

type Decision = Result<Decided, Refusal>;

impl Actor {
    /// The version that decides a command about the list as the round has it.
    pub(super) fn choose(&self, round: &Round, command: &Command) -> Result<Chosen, Unready> {
        let (list, catalog) = (&round.list, &self.environment.catalog);
        let unseen = |version| Chosen { version, shadow: None };
        if let Command::Undo { changes, inverse, .. } = command {
            // Nobody but the version that keeps the list, or kept it then, can tell what belongs into it.
            if let Some(keeper) = keeper_after(list, changes, inverse) {
                return catalog.usable(keeper.logic(), &keeper.id.digest).map(unseen);
            }
            if let Some(version) = catalog.keeping(list)? {
                return Ok(unseen(version));
            }
        }
        let logic = self.logic_of(list, command);
        let pin = match command {
            Command::Configure { pin: Some(pin), .. } => pin.as_ref(),
            _ => list.pin().filter(|_| list.logic() == Some(&logic)),
        };
        let chosen = catalog.choose(&logic, &self.name, pin)?;
        if pin.is_some() {
            chosen.version.touch(round.moment.now);
        }
        if round.stuck == Some(*chosen.version.digest())
            && !is_a_move(command)
            && list.keeper().is_some_and(|keeper| !keeper.suits(chosen.version.logic.keeper()))
            && let Some(version) = catalog.keeping(list)?
        {
            version.touch(round.moment.now);
            return Ok(unseen(version));
        }
        Ok(chosen)
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
    pub(super) fn move_list(&self, round: &mut Round, version: &Arc<Version>, session: &mut dyn Session) -> bool {
        let context = self.context(round, &HOST.into());
        let (decided, _) = self.ask(round, version, session, &context, &Command::Migrate, false);
        let Err(refusal) = decided else {
            version.counters.migrated.fetch_add(1, Ordering::Relaxed);
            if let Ok(decided) = decided {
                round.carry_out(version, session, Command::Migrate, context, decided);
            }
            return !round.session_over;
        };
        version.counters.not_migrated.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(list = %self.name, to = %version.logic.id(), why = %refusal, "a list was not taken over, and stays with the version that keeps it");
        if let Refusal::Fault(fault) = &refusal {
            round.session_over = true;
            self.environment.catalog.failed(version, &self.name, fault, None, round.moment.now);
        }
        if let Some(keeper) = round.list.keeper() {
            self.environment.catalog.hold(keeper.logic(), &keeper.id.digest);
        }
        round.stuck = Some(*version.digest());
        false
    }

    /// Decides one command, and takes what comes of it into the round.
    pub(super) fn decide(
        &self,
        round: &mut Round,
        chosen: &Chosen,
        session: &mut dyn Session,
        waiting: Waiting,
    ) -> Option<Waiting> {
        let version = &chosen.version;
        let command = &waiting.request.command;
        let context = self.context(round, &waiting.request.caller);
        let watched = chosen.shadow.as_deref().filter(|shadow| is_the_logics(command) && shadow.has_room(&round.list));
        let (decided, spent) = self.ask(round, version, session, &context, command, watched.is_some());
        match decided {
            Err(Refusal::Fault(fault)) => self.rescue(round, version, waiting, context, fault),
            decided => {
                if is_the_logics(command) && matches!(decided, Ok(_) | Err(Refusal::Rejected(_))) {
                    version.did_well(&self.name);
                }
                if let Some(shadow) = watched {
                    self.show(shadow, round, version, &context, command, &decided, spent);
                }
                self.conclude(round, version, session, waiting, context, decided)
            }
        }
    }

    /// Asks a version; counts and tells what it says.
    fn ask(
        &self,
        round: &Round,
        version: &Version,
        session: &mut dyn Session,
        context: &Context,
        command: &Command,
        timed: bool,
    ) -> (Decision, (Cost, Duration)) {
        let begun = (timed || told::wanted()).then(Instant::now);
        let limits = self.environment.limits;
        let mut decider = Decider { logic: &*version.logic, session: &mut *session, limits };
        let decided = decider.decide(&round.list, context, command);
        let took = begun.map(|begun| begun.elapsed()).unwrap_or_default();
        match &decided {
            Ok(_) => drop(version.counters.accepted.fetch_add(1, Ordering::Relaxed)),
            Err(Refusal::Rejected(_)) => drop(version.counters.rejected.fetch_add(1, Ordering::Relaxed)),
            Err(_) => {}
        }
        if told::wanted() {
            told::decision(&self.name, &context.caller, command, &decided, version.logic.id(), took);
        }
        let cost = if timed { session.cost() } else { Cost::default() };
        (decided, (cost, took))
    }

    /// A version failed at a command. Nothing was applied, so another one may decide it: the last good one
    /// at once, where it means the same by the list; or whichever is chosen after the version fell.
    pub(super) fn rescue(
        &self,
        round: &mut Round,
        failed: &Arc<Version>,
        waiting: Waiting,
        context: Context,
        fault: Fault,
    ) -> Option<Waiting> {
        round.session_over = true;
        let catalog = &self.environment.catalog;
        let instead = catalog.instead_of(failed, &round.list);
        let mut session = instead.as_ref().and_then(|version| version.logic.session().ok());
        let second = match (&instead, &mut session) {
            (Some(version), Some(session)) => {
                Some(self.ask(round, version, session.as_mut(), &context, &waiting.request.command, false).0)
            }
            _ => None,
        };
        // What the other one does not know, such as a new command, it did not decide.
        let shared = second.as_ref().and_then(|second| match second {
            Ok(_) | Err(Refusal::Rejected(_)) => Some(false),
            Err(Refusal::Fault(_)) => Some(true),
            Err(_) => None,
        });
        let fell = catalog.failed(failed, &self.name, &fault, shared, round.moment.now);
        match (&instead, &mut session, second) {
            (Some(version), Some(session), Some(decided)) if shared == Some(false) => {
                failed.counters.rescued.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(list = %self.name, failed = %failed.logic.id(), %fault, decided_by = %version.logic.id(), "a version failed at a command; the last good one decided it");
                self.conclude(round, version, session.as_mut(), waiting, context, decided)
            }
            _ if fell && !waiting.retried => Some(Waiting { retried: true, ..waiting }),
            _ => {
                let logic = failed.logic.id().clone();
                round.put_down(waiting.answer, Err(CallError::Refused { refusal: Refusal::Fault(fault), logic }));
                None
            }
        }
    }

    /// Takes a decision into the round.
    fn conclude(
        &self,
        round: &mut Round,
        version: &Arc<Version>,
        session: &mut dyn Session,
        waiting: Waiting,
        context: Context,
        decided: Decision,
    ) -> Option<Waiting> {
        let logic = version.logic.id().clone();
        let Waiting { request, answer, .. } = waiting;
        let Request { command, idempotency, .. } = *request;
        if let Some(request) = idempotency
            && let Some(outcome) = round.outcome(&decided)
        {
            round.remember(Receipt { request, time: context.now, logic: logic.clone(), outcome });
        }
        let reply = match decided {
            Ok(decided) => {
                if decided.changes.iter().any(|change| matches!(change, Change::Pin(Some(_)))) {
                    self.environment.catalog.hold(&logic.name, &logic.digest);
                }
                Ok(round.carry_out(version, session, command, context, decided))
            }
            Err(refusal) => Err(CallError::Refused { refusal, logic }),
        };
        round.put_down(answer, reply);
        if let Some(fault) = round.wake_up_fault.take() {
            self.environment.catalog.failed(version, &self.name, &fault, None, round.moment.now);
        }
        None
    }

    /// Hands a decision to the candidate that works in the shadow.
    #[expect(clippy::too_many_arguments, reason = "a decision with all that led to it")]
    fn show(
        &self,
        shadow: &Shadow,
        round: &Round,
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
            list: round.list.clone(),
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
    !is_a_move(command) && !matches!(command, Command::Erase | Command::Undo { .. } | Command::Migrate)
}

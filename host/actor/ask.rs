//! One question to one version: asked, counted, logged, and shown to a candidate in shadow.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::batch::Batch;
use super::decision_log::{self, LoggedDecision, Outcome};
use super::environment::Environment;
use super::slow::is_long;
use crate::list::command::{Command, Context};
use crate::list::name::ListName;
use crate::logic::decide::{Decided, Decider};
use crate::logic::{Cost, Fault, KeptInstance, Refusal, Session};
use crate::render::case::Question;
use crate::rollout::Version;
use crate::rollout::shadows::{Case, Shadow};

/// What a version, or the host on its behalf, answers to a command.
pub(super) type Decision = Result<Decided, Refusal>;

/// A session of a version, used for consecutive commands of one list.
pub(super) struct OpenSession<'v> {
    /// The version.
    pub(super) version: &'v Arc<Version>,
    session: Box<dyn Session + 'v>,
    /// Whether a call failed, or the list was deleted. The session answers no more calls then.
    is_over: bool,
}

/// What a decision cost. The units are only counted for a candidate in shadow.
#[derive(Clone, Copy, Default)]
pub(super) struct Spent {
    cost: Cost,
    took: Duration,
}

impl<'v> OpenSession<'v> {
    /// Opens a session about the list of a batch, with the instance of an earlier one of the same list if there is one.
    /// Times the start of an instance for the version.
    ///
    /// # Errors
    ///
    /// No instance could be made.
    pub(super) fn open(
        environment: &Environment,
        version: &'v Arc<Version>,
        batch: &Batch,
        kept: Option<KeptInstance>,
    ) -> Result<Self, Fault> {
        let clock = &*environment.clock;
        let started = version.start_timer(batch.list(), clock);
        let session = version.logic.session_with(kept);
        version.stop_timer_beside(batch.list(), &started, clock);
        Ok(Self { version, session: session?, is_over: false })
    }

    /// Ends the session. Returns its instance if the list may go on with it.
    pub(super) fn keep(self) -> Option<KeptInstance> {
        if self.is_over { None } else { self.session.keep() }
    }

    /// Whether the session may decide another command.
    pub(super) fn is_usable(&self) -> bool {
        !self.is_over
    }

    /// Asks for a decision. Counts and times it for the version, and logs it.
    pub(super) fn decide(
        &mut self,
        environment: &Environment,
        name: &ListName,
        batch: &Batch,
        context: &Context,
        command: &Command,
        is_measured: bool,
    ) -> (Decision, Spent) {
        let clock = &environment.clock;
        let is_logged = decision_log::is_enabled();
        let version = self.version;
        let started = version.start_timer(batch.list(), &**clock);
        let mut decider = Decider { logic: &*version.logic, session: &mut *self.session, limits: environment.limits };
        let decided = decider.decide(batch.list(), context, command);
        let took = match is_long(batch.list(), command) {
            // It tells nothing about the version.
            true => started.wall_time(&**clock),
            false => version.stop_timer(batch.list(), &started, &**clock),
        };
        match &decided {
            Ok(_) => drop(version.counters.accepted.fetch_add(1, Ordering::Relaxed)),
            Err(Refusal::Rejected(_)) => drop(version.counters.rejected.fetch_add(1, Ordering::Relaxed)),
            Err(Refusal::Fault(_)) => self.is_over = true,
            Err(_) => {}
        }
        let is_deleted = |decided: &Decided| !decided.list.exists() && batch.list().exists();
        if decided.as_ref().is_ok_and(is_deleted) && !version.logic.is_shared() {
            // The next list of this name is another one, which must not meet the instance that saw this one.
            self.is_over = true;
            self.session.poison();
        }
        if is_logged {
            let outcome = decided.as_ref().map_or_else(Outcome::Refused, Outcome::Decided);
            self.log(name, batch, context, Question::Command(command), outcome, took);
        }
        let cost = if is_measured { self.session.cost() } else { Cost::default() };
        (decided, Spent { cost, took })
    }

    fn log(
        &mut self,
        name: &ListName,
        batch: &Batch,
        context: &Context,
        question: Question<'_>,
        outcome: Outcome<'_>,
        took: Duration,
    ) {
        let (list, caller, logic) = (&**batch.list(), &*context.caller, &**self.version.logic.id());
        let printed = self.session.take_printed();
        LoggedDecision { name, list, caller, question, outcome, logic, took, printed }.log();
    }

    /// Asks when the working list of the batch wants to be woken. Times the question for the version.
    ///
    /// # Errors
    ///
    /// The version failed.
    pub(super) fn next_wake_up(
        &mut self,
        environment: &Environment,
        name: &ListName,
        batch: &Batch,
        context: &Context,
    ) -> Result<Option<u64>, Fault> {
        let clock = &*environment.clock;
        let is_logged = decision_log::is_enabled();
        let started = self.version.start_timer(batch.list(), clock);
        // The question has a budget of its own, however much of it the command used.
        self.session.begin_question();
        let answer = self.session.next_wake_up(batch.list(), context);
        self.version.stop_timer_beside(batch.list(), &started, clock);
        self.is_over |= answer.is_err();
        if is_logged {
            let outcome = answer.as_ref().map_or_else(Outcome::Failed, |at| Outcome::WakeUp(*at));
            self.log(name, batch, context, Question::NextWakeUp, outcome, started.wall_time(clock));
        }
        answer
    }
}

/// A decision of the live version, as a candidate in shadow compares it.
pub(super) struct Shown<'a> {
    pub(super) name: &'a ListName,
    pub(super) environment: &'a Environment,
    pub(super) batch: &'a Batch,
    pub(super) live: &'a Arc<Version>,
    pub(super) context: &'a Context,
    pub(super) command: &'a Command,
}

impl Shown<'_> {
    /// Sends the decision to a candidate in shadow. Nothing waits for the candidate.
    pub(super) fn send_to(self, shadow: &Shadow, decided: &Decision, Spent { cost, took }: Spent) {
        let answer = match decided {
            Ok(decided) => Ok((decided.changes.clone(), decided.list.clone())),
            Err(refusal) => Err(refusal.clone()),
        };
        shadow.send(Case {
            name: self.name.clone(),
            list: self.batch.list().clone(),
            context: self.context.clone(),
            command: self.command.clone(),
            limits: self.environment.limits,
            live: self.live.clone(),
            answer,
            cost,
            took,
        });
    }
}

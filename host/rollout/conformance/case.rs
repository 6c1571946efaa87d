//! One probe of one list, and the answer to it.

use std::sync::Arc;

use super::report::Failure;
use crate::list::change::{Change, Rejection};
use crate::list::command::{Command, Context, Page, Query};
use crate::list::excerpt::quoted;
use crate::list::{Limits, List};
use crate::logic::decide::Decider;
use crate::logic::read::read;
use crate::logic::{Fault, Logic, Refusal, Session};
use crate::render;
use crate::render::case::Question;

/// A probe with the list and the context that it is made in.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct ProbeCase {
    pub(super) list: Arc<List>,
    pub(super) context: Context,
    pub(super) probe: Probe,
    /// The limits of lists.
    pub(super) limits: Limits,
}

/// A call of a logic whose answer is checked.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Probe {
    Command(Command),
    /// Migrates a list that is bound to another logic.
    Migrate,
    View(Query),
    NextWakeUp,
}

/// The answer to a probe, compared between instances.
#[derive(PartialEq, Debug)]
pub(super) enum ProbeAnswer {
    Changes(Vec<Change>),
    Refused(Refusal),
    Page(Result<Page, Rejection>),
    WakeUp(Option<u64>),
}

/// Why a probe failed.
pub(super) struct ProbeError {
    pub(super) kind: &'static str,
    pub(super) why: String,
}

impl From<Fault> for ProbeError {
    fn from(fault: Fault) -> Self {
        Self { kind: fault.kind(), why: fault.to_string() }
    }
}

impl ProbeCase {
    /// Calls the logic. A fault that the host found in a decision is a fault of the logic, too.
    pub(super) fn ask(&self, logic: &dyn Logic, session: &mut dyn Session) -> Result<ProbeAnswer, Fault> {
        let (list, context) = (&self.list, &self.context);
        let mut decide = |command: &Command| {
            let limits = self.limits;
            match (Decider { logic, session: &mut *session, limits }).decide(list, context, command) {
                Ok(decided) => Ok(ProbeAnswer::Changes(decided.changes)),
                Err(Refusal::Fault(fault)) => Err(fault),
                Err(refusal) => Ok(ProbeAnswer::Refused(refusal)),
            }
        };
        match &self.probe {
            Probe::Command(command) => decide(command),
            Probe::Migrate => decide(&Command::Migrate),
            Probe::View(query) => read(session, list, context, query).map(ProbeAnswer::Page),
            Probe::NextWakeUp => {
                session.begin();
                session.next_wake_up(list, context).map(ProbeAnswer::WakeUp)
            }
        }
    }

    /// The kind of probe.
    pub(super) fn name(&self) -> String {
        match &self.probe {
            Probe::Command(command) => command.name().to_owned(),
            Probe::Migrate => "migrate".into(),
            Probe::View(Query { view: Some(view), .. }) => format!("view {view}"),
            Probe::View(_) => "view".into(),
            Probe::NextWakeUp => "next-wake-up".into(),
        }
    }

    /// Describes the failure of this probe in the notation of a case file.
    pub(super) fn failure(&self, error: ProbeError) -> Failure {
        let (probe, question) = match &self.probe {
            Probe::Command(command) => (render::command(command), Question::Command(command)),
            Probe::Migrate => {
                let from = quoted(&render::case::bound_to(&self.list));
                (format!("migrate = {from}"), Question::Command(&Command::Migrate))
            }
            Probe::View(query) => (render::query(query), Question::View(query)),
            Probe::NextWakeUp => ("next-wake-up = true".into(), Question::NextWakeUp),
        };
        let ProbeError { kind, why } = error;
        let title = format!("{} answers as the gates ask it", self.name());
        let case = render::case::case(&title, &self.list, &self.context, question);
        Failure { name: self.name(), probe, list: render::list(&self.list), kind, why, case }
    }
}

impl ProbeAnswer {
    pub(super) fn is_rejection(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Page(Err(_)))
    }

    /// Fails unless another instance gave the same answer.
    pub(super) fn check_same(&self, other: &Self) -> Result<(), ProbeError> {
        if self == other {
            return Ok(());
        }
        let why = format!("asked the same on two instances, it answered {} and {}", self.show(), other.show());
        Err(ProbeError { kind: Fault::Impure.kind(), why })
    }

    fn show(&self) -> String {
        match self {
            Self::Changes(changes) => render::changes(changes),
            Self::Refused(Refusal::Rejected(rejection)) | Self::Page(Err(rejection)) => render::rejection(rejection),
            Self::Refused(refusal) => format!("what made the host refuse it: {refusal}"),
            Self::Page(Ok(page)) => render::page(page),
            Self::WakeUp(None) => "that it never wakes".into(),
            Self::WakeUp(Some(time)) => format!("that it wakes at {time}"),
        }
    }
}

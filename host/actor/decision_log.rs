//! Logs each decision at debug level under `hotlist::decision`, for authors of rules. Nothing is formatted unless
//! that target is enabled. Logs each failure of a version with the question at which it failed.

use std::time::Duration;

use tracing::Level;

use crate::list::List;
use crate::list::change::Rejection;
use crate::list::command::Page;
use crate::list::id::LogicId;
use crate::list::name::ListName;
use crate::logic::decide::Decided;
use crate::logic::{Fault, Refusal};
use crate::render;
use crate::render::case::{Question, time, whole};
use crate::rollout::Asked;

/// The target of the events.
pub const TARGET: &str = "hotlist::decision";

/// The target of the events about failures.
pub const FAILURE_TARGET: &str = "hotlist::failure";

/// What a version was asked, and how it replied.
pub struct LoggedDecision<'a> {
    /// The name of the list.
    pub name: &'a ListName,
    /// The list before the question.
    pub list: &'a List,
    /// The caller.
    pub caller: &'a str,
    /// The question.
    pub question: Question<'a>,
    /// The outcome as a file of cases writes it.
    pub outcome: Outcome<'a>,
    /// The version.
    pub logic: &'a LogicId,
    /// How long the version took.
    pub took: Duration,
    /// The lines that the version printed meanwhile.
    pub printed: Vec<String>,
}

/// The outcome of a question.
pub enum Outcome<'a> {
    /// A command was carried out.
    Decided(&'a Decided),
    /// A page of a view.
    Page(&'a Page),
    /// When the list is to be woken.
    WakeUp(Option<u64>),
    /// A query was rejected.
    Rejected(&'a Rejection),
    /// A command was refused.
    Refused(&'a Refusal),
    /// There is none, because the version failed.
    Failed(&'a Fault),
}

/// Whether decisions are logged.
pub fn is_enabled() -> bool {
    tracing::enabled!(target: TARGET, Level::DEBUG)
}

impl LoggedDecision<'_> {
    /// Logs the decision.
    pub fn log(self) {
        let outcome = match &self.outcome {
            Outcome::Decided(decided) => render::changes(&decided.changes),
            Outcome::Page(page) => render::page(page),
            Outcome::WakeUp(at) => at.map_or_else(|| "never".into(), time),
            Outcome::Rejected(rejection) => render::rejection(rejection),
            Outcome::Refused(refusal) => refusal.shown(),
            Outcome::Failed(fault) => format!("failed: {fault}"),
        };
        let has_failed = matches!(self.outcome, Outcome::Failed(_) | Outcome::Refused(Refusal::Fault(_)));
        // With this, the question can be asked again.
        let again = has_failed.then(|| whole(self.list, self.question));
        let micros = u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX);
        let printed = (!self.printed.is_empty()).then(|| self.printed.join("\n"));
        let (list, command) = (self.name.as_str(), render::question(self.question));
        let (revision, caller, logic) = (self.list.revision(), self.caller, self.logic);
        tracing::debug!(target: TARGET, list, revision, caller, command, outcome, %logic, micros, printed, again);
    }
}

/// Logs that a version failed, with the question at which it did. `decided_by` is the version that decided instead.
pub fn log_failure(list: &ListName, asked: Asked<'_>, fault: &Fault, logic: &LogicId, decided_by: Option<&LogicId>) {
    // A machine without room for an instance is overloaded, which is logged once for many requests.
    if fault.kind() == Fault::INSTANCE {
        return;
    }
    let (list, revision, command) = (list.as_str(), asked.revision, asked.shown());
    match decided_by {
        Some(decided_by) => {
            tracing::warn!(target: FAILURE_TARGET, list, revision, command, failed = %logic, %fault, %decided_by, "version failed at a command; the last good version decided it");
        }
        None => {
            tracing::warn!(target: FAILURE_TARGET, list, revision, command, failed = %logic, %fault, "version failed at a command; nothing was changed");
        }
    }
}

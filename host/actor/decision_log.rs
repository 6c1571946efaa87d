//! Decisions told on the log, for whoever writes rules: one event for each, at level debug. Nobody
//! pays for it where it is not asked for.

use std::time::Duration;

use tracing::Level;

use crate::list::command::Command;
use crate::list::id::LogicId;
use crate::list::name::ListName;
use crate::logic::Refusal;
use crate::logic::decide::Decided;
use crate::render;

/// What the events are logged under.
pub const TARGET: &str = "hotlist::decision";

/// Whether somebody wants to be told.
pub(super) fn wanted() -> bool {
    tracing::enabled!(target: TARGET, Level::DEBUG)
}

/// Tells a decision.
pub(super) fn decision(
    list: &ListName,
    caller: &str,
    command: &Command,
    decided: &Result<Decided, Refusal>,
    logic: &LogicId,
    took: Duration,
) {
    let outcome = match decided {
        Ok(decided) => render::changes(&decided.changes),
        Err(refusal) => refusal.shown(),
    };
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let (list, command) = (list.as_str(), render::command(command));
    tracing::debug!(target: TARGET, list, caller, command, outcome, %logic, micros);
}

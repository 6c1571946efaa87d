//! Logs each decision at debug level under `hotlist::decision`, for authors of rules. Nothing is formatted unless
//! that target is enabled.

use std::time::Duration;

use tracing::Level;

use crate::list::command::Command;
use crate::list::id::LogicId;
use crate::list::name::ListName;
use crate::logic::Refusal;
use crate::logic::decide::Decided;
use crate::render;

/// The target of the events.
pub const TARGET: &str = "hotlist::decision";

/// Whether decisions are logged.
pub(super) fn is_enabled() -> bool {
    tracing::enabled!(target: TARGET, Level::DEBUG)
}

/// Logs a decision.
pub(super) fn log(
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

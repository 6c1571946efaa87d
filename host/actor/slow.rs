//! Decisions that keep a thread busy.
//!
//! Quick decisions run on the runtime's own threads, which also serve requests. A slow one waits for a turn first, and
//! then the runtime hands the other tasks of its thread to another one. So requests, timers and lists of quick logic
//! wait for no slow logic, and a client with many slow commands delays no other client for long.

use super::batch::PendingCommand;
use crate::list::List;
use crate::list::command::Command;
use crate::rollout::Version;

/// The most entries that a clear deletes without a turn.
const CLEAR_AT_ONCE: usize = 500;

/// Whether a command is long with every logic: a clear asks the version about each entry.
pub(super) fn is_long(list: &List, command: &Command) -> bool {
    matches!(command, Command::Clear) && list.count() > CLEAR_AT_ONCE
}

/// Whether a command needs a turn before a version decides it.
pub(super) fn needs_turn(version: &Version, list: &List, pending: &PendingCommand) -> bool {
    version.is_slow() || is_long(list, pending.request.command.outline())
}

//! Decisions that keep a thread busy.
//!
//! Quick decisions run on the runtime's own threads, which also serve requests. A slow one waits for a turn first, and
//! then the runtime hands the other tasks of its thread to another one. So requests, timers and lists of quick logic
//! wait for no slow logic, and a client with many slow commands delays no other client for long.

use super::batch::{Batch, PendingCommand};
use super::resolve::needs_migration;
use crate::list::List;
use crate::list::command::Command;
use crate::rollout::{MANY_ENTRIES, Version};

/// Whether a command is long with every logic, because it may concern each entry of a large list.
pub(super) fn is_long(list: &List, command: &Command) -> bool {
    match command {
        Command::Clear | Command::Migrate => list.count() > MANY_ENTRIES,
        Command::Undo { inverse, .. } => inverse.len() > MANY_ENTRIES,
        _ => false,
    }
}

/// Whether a command needs a turn before a version decides it.
pub(super) fn needs_turn(version: &Version, batch: &Batch, pending: &PendingCommand) -> bool {
    let (list, command) = (batch.list(), pending.request.command.outline());
    version.is_slow(list)
        || is_long(list, command)
        || (list.count() > MANY_ENTRIES && needs_migration(batch, version, command))
}

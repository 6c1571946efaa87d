//! The list of states that are still to be written, which survives a panic.

use std::collections::BTreeSet;

use crate::list::name::LogicName;
use crate::rollout::registry::Registry;

/// The logics whose states are still to be written. A panic marks them dirty again, so that the next write includes them.
pub(super) struct Unsaved<'a> {
    pub(super) registry: &'a Registry,
    pub(super) names: BTreeSet<LogicName>,
}

impl Drop for Unsaved<'_> {
    fn drop(&mut self) {
        std::mem::take(&mut self.names).into_iter().for_each(|name| self.registry.mark_dirty(name));
    }
}

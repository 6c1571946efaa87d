//! One of the two versions, at work on one list.

use std::sync::Arc;
use std::time::Duration;

use super::answer::ReplayAnswer;
use super::report::VersionCosts;
use crate::list::change::Change;
use crate::list::command::{Command, Context};
use crate::list::revision::Revision;
use crate::list::{Limits, List};
use crate::logic::decide::{Decided, Decider};
use crate::logic::{Logic, Refusal, Session};

/// How often a command is decided whose failure may be the machine's: it was busy, or had no room.
const MAX_TRIES: usize = 3;

/// A version with its session, which lasts until a call fails.
pub(super) struct Runner<'a> {
    logic: &'a dyn Logic,
    session: Option<Box<dyn Session + 'a>>,
    clock: &'a (dyn Fn() -> Duration + Sync),
}

impl<'a> Runner<'a> {
    pub(super) fn new(logic: &'a dyn Logic, clock: &'a (dyn Fn() -> Duration + Sync)) -> Self {
        Self { logic, session: None, clock }
    }

    /// Decides a revision's command on the list as it was before; where its keeper held something else
    /// in it, on what it is after the version took it over, as the server would have it first.
    ///
    /// That is done for each command anew, since each finds another list: what the version made of the
    /// one before has, by itself, nothing to do with this one. It costs a call more for each.
    pub(super) fn answer(&mut self, before: &Arc<List>, revision: &Revision, costs: &mut VersionCosts) -> ReplayAnswer {
        let mut list = before;
        let taken_over;
        if before.binding().is_some_and(|binding| binding.needs_migration(self.logic.binding())) {
            match self.decide(before, &revision.context, &Command::Migrate, None) {
                Ok(decided) => {
                    taken_over = decided.list;
                    list = &taken_over;
                }
                Err(refusal) => {
                    costs.count(&refusal);
                    return ReplayAnswer::NotTakenOver(refusal);
                }
            }
        }
        match self.decide(list, &revision.context, &revision.command, Some(costs)) {
            Ok(decided) => ReplayAnswer::Changes(Change::made_by_logic(decided.changes)),
            Err(refusal) => {
                costs.count(&refusal);
                ReplayAnswer::Refused(refusal)
            }
        }
    }

    fn decide(
        &mut self,
        list: &Arc<List>,
        context: &Context,
        command: &Command,
        mut costs: Option<&mut VersionCosts>,
    ) -> Result<Decided, Refusal> {
        let mut decided = self.decide_once(list, context, command, costs.as_deref_mut());
        for _ in 1..MAX_TRIES {
            if !matches!(&decided, Err(Refusal::Fault(fault)) if fault.is_busy()) {
                break;
            }
            decided = self.decide_once(list, context, command, costs.as_deref_mut());
        }
        decided
    }

    /// Decides, and measures what the logic answered to.
    fn decide_once(
        &mut self,
        list: &Arc<List>,
        context: &Context,
        command: &Command,
        costs: Option<&mut VersionCosts>,
    ) -> Result<Decided, Refusal> {
        let session = match &mut self.session {
            Some(session) => session,
            None => self.session.insert(self.logic.session()?),
        };
        let begun = (self.clock)();
        let mut decider = Decider { logic: self.logic, session: session.as_mut(), limits: Limits::default() };
        let decided = decider.decide(list, context, command);
        match &decided {
            Ok(_) | Err(Refusal::Rejected(_)) => {
                let time = (self.clock)().saturating_sub(begun);
                costs.into_iter().for_each(|costs| costs.add(time, session.cost().fuel));
            }
            Err(Refusal::Fault(_)) => self.session = None,
            // The host refused it, mostly before the logic was asked at all.
            Err(_) => {}
        }
        decided
    }
}

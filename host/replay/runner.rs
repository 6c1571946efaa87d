//! One of the two versions, deciding the commands of one list.

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

/// The most attempts at a command whose failure may be caused by a busy or full machine.
const MAX_TRIES: usize = 3;

/// A version with its session. A failed call ends the session.
pub(super) struct Runner<'a> {
    logic: &'a dyn Logic,
    session: Option<Box<dyn Session + 'a>>,
    clock: &'a (dyn Fn() -> Duration + Sync),
}

impl<'a> Runner<'a> {
    pub(super) fn new(logic: &'a dyn Logic, clock: &'a (dyn Fn() -> Duration + Sync)) -> Self {
        Self { logic, session: None, clock }
    }

    /// Decides a revision's command on the list before it. If the list's binding has an incompatible schema, the version
    /// migrates the list first, as in the server.
    ///
    /// The migration is repeated for each command, because each command starts from another recorded list. This costs
    /// one more call for each.
    pub(super) fn answer(&mut self, before: &Arc<List>, revision: &Revision, costs: &mut VersionCosts) -> ReplayAnswer {
        let mut list = before;
        let migrated;
        if before.binding().is_some_and(|binding| binding.needs_migration(self.logic.binding())) {
            match self.decide(before, &revision.context, &Command::Migrate, None) {
                Ok(decided) => {
                    migrated = decided.list;
                    list = &migrated;
                }
                Err(refusal) => {
                    costs.count(&refusal);
                    return ReplayAnswer::NotMigrated(refusal);
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

    /// Decides a command once, and measures it if the logic answered.
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
            // The host refused the command, usually before it called the logic.
            Err(_) => {}
        }
        decided
    }
}

//! Probes of the migration of lists from one version to another.

use std::sync::Arc;
use std::time::Duration;

use super::case::{Probe, ProbeCase, ProbeError};
use super::generate;
use super::prober::Prober;
use super::report::Report;
use crate::list::binding::LogicBinding;
use crate::list::command::{Command, Context};
use crate::list::schema::Description;
use crate::list::{Limits, List};
use crate::logic::Logic;
use crate::logic::decide::{Decider, first_misfit};

/// The kind of the failure of a migration that leaves values behind which do not fit.
pub const SCHEMA_KIND: &str = "schema";

/// Generates lists of a version, each with a context.
pub fn sample_lists(from: &Arc<LogicBinding>, described: &Description) -> Vec<(Arc<List>, Context)> {
    generate::lists(from, described)
}

/// Migrates lists to a logic. The logic may reject a list. A list that it migrates has to fit its description afterwards.
pub fn migrate_lists(
    logic: &dyn Logic,
    lists: impl IntoIterator<Item = (Arc<List>, Context)>,
    clock: &dyn Fn() -> Duration,
) -> Report {
    let mut prober = Prober::new(logic, clock);
    let mut report = Report::default();
    for (list, context) in lists {
        let case = ProbeCase { list, context, probe: Probe::Migrate, limits: Limits::default() };
        report.probes += 1;
        let checked = prober.probe(&case).and_then(|()| check_migrated(logic, &case));
        if let Err(error) = checked {
            // One failure is enough. The first is about the smallest list.
            report.failures.push(case.failure(error));
            break;
        }
    }
    report
}

/// Fails if a migrated list has a value that does not fit the description of the new version.
fn check_migrated(logic: &dyn Logic, case: &ProbeCase) -> Result<(), ProbeError> {
    let mut session = logic.fresh_session()?;
    let mut decider = Decider { logic, session: session.as_mut(), limits: Limits::default() };
    // A rejected list stays with its version.
    let Ok(decided) = decider.decide(&case.list, &case.context, &Command::Migrate) else { return Ok(()) };
    let misfit = first_misfit(&decided.list, logic.description());
    misfit.map_or(Ok(()), |why| Err(ProbeError { kind: SCHEMA_KIND, why }))
}

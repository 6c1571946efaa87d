//! Probes of the migration of generated lists from one version to another.

use std::sync::Arc;
use std::time::Duration;

use super::case::{Probe, ProbeCase, ProbeError};
use super::generate;
use super::prober::Prober;
use super::report::Report;
use crate::list::binding::LogicBinding;
use crate::list::command::Command;
use crate::list::schema::{Description, Schema, check_value};
use crate::list::value::Field;
use crate::list::{Limits, List};
use crate::logic::Logic;
use crate::logic::decide::Decider;

/// Migrates generated lists from another version to a logic. The logic may reject a list. A list that it migrates has
/// to fit its description afterwards.
pub fn migrate_lists(
    logic: &dyn Logic,
    from: &Arc<LogicBinding>,
    described: &Description,
    clock: &dyn Fn() -> Duration,
) -> Report {
    let mut prober = Prober::new(logic, clock);
    let mut report = Report::default();
    for (list, context) in generate::lists(from, described) {
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
    first_misfit(&decided.list, logic.description()).map_or(Ok(()), |why| Err(ProbeError { kind: "schema", why }))
}

/// The first value that does not fit a description.
fn first_misfit(list: &List, described: &Description) -> Option<String> {
    let odd = |schemas: &[Schema], field: &Field| check_value(schemas, &field.name, &field.value).err();
    let entries = list.scan(0).flat_map(|entry| entry.fields.iter().map(move |field| (entry.id, field)));
    let of_entry = entries.filter_map(|(id, field)| Some((format!("entry {id}"), odd(&described.fields, field)?)));
    let of_list =
        list.settings().iter().filter_map(|field| Some(("the settings".into(), odd(&described.settings, field)?)));
    of_entry.chain(of_list).next().map(|(place, error)| {
        format!("after migrate, {place} still holds what this version does not describe so: {error}; have migrate change it or take it away")
    })
}

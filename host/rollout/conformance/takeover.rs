//! What becomes of lists of one version when another takes them over: generated lists of the first are
//! handed to the second.

use std::sync::Arc;
use std::time::Duration;

use super::{Battery, Case, Probe, Report, Wrong, generate};
use crate::list::binding::LogicBinding;
use crate::list::command::Command;
use crate::list::schema::{Description, Schema, check_value};
use crate::list::value::Field;
use crate::list::{Limits, List};
use crate::logic::Logic;
use crate::logic::decide::Decider;

/// Has a logic take over lists that another version kept, which described itself so. It may say no to a
/// list; but what it takes over has to fit its own description afterwards.
pub fn migrate_lists(
    logic: &dyn Logic,
    from: &Arc<LogicBinding>,
    described: &Description,
    clock: &dyn Fn() -> Duration,
) -> Report {
    let mut battery = Battery { logic, clock, warm: None, kinds: Vec::new() };
    let mut report = Report::default();
    for (list, context) in generate::lists(from, described) {
        let case = Case { list, context, question: Probe::Migrate };
        report.asked += 1;
        let taken = battery.ask(&case).and_then(|()| fits(logic, &case));
        if let Err(wrong) = taken {
            // One failure is enough: the first is about the smallest list.
            report.failures.push(case.failure(wrong));
            break;
        }
    }
    report
}

/// Whether a list that was taken over holds only what the new version describes.
fn fits(logic: &dyn Logic, case: &Case) -> Result<(), Wrong> {
    let mut session = logic.fresh_session()?;
    let mut decider = Decider { logic, session: session.as_mut(), limits: Limits::default() };
    // What is rejected stays with the version that has it.
    let Ok(decided) = decider.decide(&case.list, &case.context, &Command::Migrate) else { return Ok(()) };
    leftover(&decided.list, logic.description()).map_or(Ok(()), |why| Err(Wrong { kind: "schema", why }))
}

/// The first value that does not fit a description.
fn leftover(list: &List, described: &Description) -> Option<String> {
    let odd = |schemas: &[Schema], field: &Field| check_value(schemas, &field.name, &field.value).err();
    let entries = list.scan(0).flat_map(|entry| entry.fields.iter().map(move |field| (entry.id, field)));
    let of_entry = entries.filter_map(|(id, field)| Some((format!("entry {id}"), odd(&described.fields, field)?)));
    let of_list =
        list.settings().iter().filter_map(|field| Some(("the settings".into(), odd(&described.settings, field)?)));
    of_entry.chain(of_list).next().map(|(place, error)| {
        format!("after migrate, {place} still holds what this version does not describe so: {error}; have migrate change it or take it away")
    })
}

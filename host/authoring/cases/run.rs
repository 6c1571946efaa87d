//! Runs a case as a server would decide it.

use std::sync::Arc;

use super::format::{CaseAction, CaseCommand, CaseSetup, DraftTable, PatchTable, TestCase, ViewTable};
use super::time::CaseTime;
use super::value::{Optional, fields, optional};
use crate::list::binding::LogicBinding;
use crate::list::change::{Change, Rejection};
use crate::list::command::{Command, Context, Page, Query};
use crate::list::date::Date;
use crate::list::entry::{Draft, Entry, Patch};
use crate::list::id::LogicId;
use crate::list::name::LogicName;
use crate::list::schema::{Description, Reading, Schema, check_fields};
use crate::list::{Limits, List};
use crate::logic::decide::Decider;
use crate::logic::read::read;
use crate::logic::{Fault, Logic, Refusal};

/// The result of a case.
#[derive(Debug)]
pub(super) enum CaseOutcome {
    /// The command was accepted: the logic's changes, without those of the host, and the list after them.
    Done(Vec<Change>, Arc<List>),
    /// The logic rejected the command.
    Rejected(Rejection),
    /// The host refused the command before the logic decided, or refused the changes of the logic.
    Refused(String),
    /// A page of a query.
    Page(Page),
    /// The next wake-up time, or none.
    WakeUp(Option<CaseTime>),
}

/// Runs a case. An error is a text for its author: the logic failed, or the case does not fit the logic.
pub(super) fn run(case: &TestCase, logic: &dyn Logic) -> Result<CaseOutcome, String> {
    let binding = binding(&case.action)?;
    let list = Arc::new(given(&case.setup, binding.as_ref(), logic)?);
    let context = context(&case.setup);
    match &case.action {
        CaseAction::View(view) => query(logic, &list, &context, view),
        CaseAction::NextWakeUp => next_wake_up(logic, &list, &context),
        CaseAction::Decide(command) => decide(logic, &list, &context, command),
    }
}

/// The binding of the list before a migration: another logic or another version.
fn binding(action: &CaseAction) -> Result<Option<Arc<LogicBinding>>, String> {
    let CaseAction::Decide(CaseCommand::Migrate(from)) = action else { return Ok(None) };
    let (name, version) = from.split_once('@').unwrap_or((from, ""));
    let name = LogicName::new(name).map_err(|error| format!("migrate: {from:?} names no logic: {error}"))?;
    let version = version.parse().map_err(|_| format!("migrate: {from:?} names no version, as todo@1.0.0 does"))?;
    Ok(Some(Arc::new(LogicBinding { id: Arc::new(LogicId { name, version, digest: [0; 32] }), schema_fingerprint: 0 })))
}

/// The list that the case describes. The logic does not decide about its entries. A list that is bound to another logic
/// may have fields and settings that this logic does not know.
fn given(setup: &CaseSetup, binding: Option<&Arc<LogicBinding>>, logic: &dyn Logic) -> Result<List, String> {
    let Description { fields: entry_fields, settings: list_settings, .. } = logic.description();
    let check = |schemas: &[Schema], fields: &[_]| match binding {
        None => check_fields(schemas, fields).map_err(|error| error.to_string()),
        Some(_) => Ok(()),
    };
    let mut changes = vec![Change::BindLogic(binding.unwrap_or(logic.binding()).clone())];
    for (id, table) in (1..).zip(&setup.given) {
        let draft = draft(table, entry_fields).and_then(|draft| check(entry_fields, &draft.fields).map(|()| draft));
        let Draft { title, date, completed, order, fields } =
            draft.map_err(|problem| format!("given entry {id}: {problem}"))?;
        changes.push(Change::put(Entry { id, title, date, completed, order, fields }));
    }
    let settings = fields(&setup.settings, list_settings)
        .and_then(|settings| check(list_settings, &settings).map(|()| settings))
        .map_err(|problem| format!("settings: {problem}"))?;
    changes.extend(settings.into_iter().map(Change::Set));
    List::absent(0).apply(&changes).map_err(|violation| violation.to_string())
}

fn context(setup: &CaseSetup) -> Context {
    Context {
        now: setup.now.0,
        today: setup.today.0,
        utc_offset: setup.utc_offset,
        caller: setup.caller.as_str().into(),
        seed: setup.seed,
    }
}

fn decide(logic: &dyn Logic, list: &Arc<List>, context: &Context, table: &CaseCommand) -> Result<CaseOutcome, String> {
    let command = command(table, logic)?;
    let mut session = logic.session().map_err(|fault| failed(&fault))?;
    let mut decider = Decider { logic, session: session.as_mut(), limits: Limits::default() };
    match decider.decide(list, context, &command) {
        Ok(decided) => Ok(CaseOutcome::Done(Change::made_by_logic(decided.changes), decided.list)),
        Err(Refusal::Rejected(rejection)) => Ok(CaseOutcome::Rejected(rejection)),
        Err(Refusal::Fault(fault)) => Err(failed(&fault)),
        Err(refusal) => Ok(CaseOutcome::Refused(refusal.to_string())),
    }
}

fn command(table: &CaseCommand, logic: &dyn Logic) -> Result<Command, String> {
    let description = logic.description();
    Ok(match table {
        CaseCommand::Add(table) => Command::Add(draft(table, &description.fields).map_err(|e| format!("add: {e}"))?),
        CaseCommand::Update(table) => {
            let patch = patch(table, &description.fields).map_err(|problem| format!("update: {problem}"))?;
            Command::Update { id: table.id, patch }
        }
        CaseCommand::Delete(id) => Command::Delete { id: *id },
        CaseCommand::Clear => Command::Clear,
        CaseCommand::Custom(table) => {
            let schemas = description.command(&table.name).map_or(&[][..], |command| &command.arguments);
            let arguments = fields(&table.arguments, schemas).map_err(|problem| format!("arguments: {problem}"))?;
            Command::Custom { name: table.name.clone(), arguments }
        }
        CaseCommand::Configure(settings) => {
            let settings = fields(settings, &description.settings).map_err(|e| format!("configure: {e}"))?;
            let settings = settings.into_iter().map(|field| (field.name, Some(field.value))).collect();
            Command::Configure { logic: None, pin: None, settings }
        }
        CaseCommand::Unset(names) => {
            let settings = names.iter().map(|name| (name.clone(), None)).collect();
            Command::Configure { logic: None, pin: None, settings }
        }
        CaseCommand::Migrate(_) => Command::Migrate,
        CaseCommand::Wake => Command::Wake,
    })
}

fn draft(table: &DraftTable, schemas: &[Schema]) -> Result<Draft, String> {
    Ok(Draft {
        title: table.title.clone(),
        date: table.date.map(|day| day.0),
        completed: table.completed,
        order: table.order,
        fields: fields(&table.fields, schemas)?,
    })
}

fn patch(table: &PatchTable, schemas: &[Schema]) -> Result<Patch, String> {
    let set = fields(&table.fields, schemas)?.into_iter().map(|field| (field.name, Some(field.value)));
    let mut patch = Patch {
        title: table.title.clone(),
        date: table.date.map(|day| Some::<Date>(day.0)),
        completed: table.completed,
        order: table.order.map(Some),
        fields: set.collect(),
    };
    for name in &table.clear {
        let set = match optional(name, schemas)? {
            Optional::Date => patch.date.replace(None).is_some(),
            Optional::Order => patch.order.replace(None).is_some(),
            Optional::Field(name) => {
                let set = patch.fields.iter().any(|(field, _)| field == name);
                patch.fields.push((name.to_owned(), None));
                set
            }
        };
        if set {
            return Err(format!("{name} is to be set and cleared; do one of the two"));
        }
    }
    Ok(patch)
}

fn query(logic: &dyn Logic, list: &Arc<List>, context: &Context, view: &ViewTable) -> Result<CaseOutcome, String> {
    match &view.name {
        Some(name) if logic.description().view(name).is_none() => {
            return Ok(CaseOutcome::Refused(format!("the list's logic has no view {name:?}")));
        }
        None if logic.description().reading == Reading::Host => {
            return Err("view: the host reads the plain list of this logic; name a view".into());
        }
        _ => {}
    }
    let query = Query {
        view: view.name.clone(),
        date: view.date.map(|day| day.0),
        completed: view.completed,
        after: view.after,
        limit: view.limit,
    };
    let mut session = logic.session().map_err(|fault| failed(&fault))?;
    match read(session.as_mut(), list, context, &query) {
        Ok(Ok(page)) => Ok(CaseOutcome::Page(page)),
        Ok(Err(rejection)) => Ok(CaseOutcome::Rejected(rejection)),
        Err(fault) => Err(failed(&fault)),
    }
}

fn next_wake_up(logic: &dyn Logic, list: &Arc<List>, context: &Context) -> Result<CaseOutcome, String> {
    if !logic.description().wakes {
        return Err("next-wake-up: this logic describes itself as one that never wakes".into());
    }
    let mut session = logic.session().map_err(|fault| failed(&fault))?;
    session.begin();
    let moment = session.next_wake_up(list, context).map_err(|fault| failed(&fault))?;
    Ok(CaseOutcome::WakeUp(moment.map(CaseTime)))
}

fn failed(fault: &Fault) -> String {
    format!("the logic failed ({}): {fault}", fault.kind())
}

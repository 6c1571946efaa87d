//! Runs a case as a server would decide it.

use std::sync::Arc;

use super::format::{CaseAction, CaseCommand, CaseSetup, CaseStep, TestCase};
use super::tables::{DraftTable, GivenTable, PatchTable, ViewTable};
use super::time::CaseTime;
use super::value::{Optional, fields, optional};
use crate::list::binding::LogicBinding;
use crate::list::change::{Change, Rejection};
use crate::list::command::{Command, Context, Page, Query};
use crate::list::date::Date;
use crate::list::entry::{Draft, Entry, Patch};
use crate::list::id::{EntryId, LogicId};
use crate::list::name::LogicName;
use crate::list::schema::{Description, Reading, Schema, check_fields};
use crate::list::{Limits, List};
use crate::logic::decide::{Decider, first_misfit};
use crate::logic::read::read;
use crate::logic::{Cost, Fault, Logic, Refusal, Session};

/// The most ids in a row that no given entry has.
const MAX_ID_GAP: EntryId = 10_000;

/// The result of a case.
#[derive(Debug)]
pub(super) enum CaseOutcome {
    /// The command was accepted: the logic's changes, without those of the host, and the list after them.
    Done(Vec<Change>, Arc<List>),
    /// The logic rejected the command.
    Rejected(Rejection),
    /// The host refused the command before the logic decided, or refused the changes of the logic.
    Refused {
        /// Why, for people.
        why: String,
        /// The name of the value at fault.
        field: Option<String>,
    },
    /// A page of a query.
    Page(Page),
    /// The next wake-up time, or none.
    WakeUp(Option<CaseTime>),
}

impl CaseOutcome {
    /// The list after a command that was accepted.
    pub(super) fn list(self) -> Option<Arc<List>> {
        if let Self::Done(_, list) = self { Some(list) } else { None }
    }
}

/// What a step gave.
pub(super) struct StepRun {
    /// The outcome, or why there is none as a text for the author: the logic failed, or the step does not fit the logic.
    pub(super) outcome: Result<CaseOutcome, String>,
    /// The lines that the logic printed meanwhile.
    pub(super) printed: Vec<String>,
    /// What the logic's calls cost.
    pub(super) cost: Cost,
}

/// Runs a step on a list.
pub(super) fn run(step: &CaseStep, list: &Arc<List>, logic: &dyn Logic) -> StepRun {
    let mut session = match logic.session() {
        Ok(session) => session,
        Err(fault) => {
            return StepRun { outcome: Err(failed(&fault)), printed: Vec::new(), cost: Cost::default() };
        }
    };
    let context = context(&step.setup);
    let question = Question { logic, session: session.as_mut(), list, context: &context };
    let outcome = match &step.action {
        CaseAction::View(view) => query(question, view),
        CaseAction::NextWakeUp => next_wake_up(question),
        CaseAction::Decide(command) => decide(question, command),
    };
    StepRun { outcome, printed: session.take_printed(), cost: session.cost() }
}

/// What a step is asked with.
struct Question<'a> {
    logic: &'a dyn Logic,
    session: &'a mut dyn Session,
    list: &'a Arc<List>,
    context: &'a Context,
}

/// The list that a case begins with.
pub(super) fn list_of(case: &TestCase, logic: &dyn Logic) -> Result<Arc<List>, String> {
    let migrates = |step: &CaseStep| matches!(step.action, CaseAction::Decide(CaseCommand::Migrate(_)));
    if case.steps.iter().skip(1).any(migrates) {
        return Err("only the first step can be `migrate`: after it, the list is bound to this logic".into());
    }
    let binding = binding(&case.steps[0].action)?;
    given(case, binding.as_ref(), logic).map(Arc::new)
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
fn given(case: &TestCase, binding: Option<&Arc<LogicBinding>>, logic: &dyn Logic) -> Result<List, String> {
    let Description { fields: entry_fields, settings: list_settings, .. } = logic.description();
    let check = |schemas: &[Schema], fields: &[_]| match binding {
        None => check_fields(schemas, fields).map_err(|error| error.to_string()),
        Some(_) => Ok(()),
    };
    let mut changes = vec![Change::BindLogic(binding.unwrap_or(logic.binding()).clone())];
    let (mut next, mut missing) = (1, Vec::new());
    for GivenTable { id, title, date, completed, order, fields: values } in &case.given {
        let id = id.unwrap_or(next);
        if id < next || id - next > MAX_ID_GAP {
            return Err(format!("given entry {id}: the ids of given entries ascend, each by at most {MAX_ID_GAP}"));
        }
        // An id that is left out was given once, and its entry removed.
        for id in next..id {
            changes.push(Change::put(Entry { id, ..empty_entry() }));
            missing.push(Change::Remove(id));
        }
        next = id + 1;
        let fields = fields(values, entry_fields).and_then(|fields| check(entry_fields, &fields).map(|()| fields));
        let fields = fields.map_err(|problem| format!("given entry {id}: {problem}"))?;
        let (title, date) = (title.clone(), date.map(|day| day.0));
        changes.push(Change::put(Entry { id, title, date, completed: *completed, order: *order, fields }));
    }
    changes.extend(missing);
    let settings = fields(&case.settings, list_settings)
        .and_then(|settings| check(list_settings, &settings).map(|()| settings))
        .map_err(|problem| format!("settings: {problem}"))?;
    changes.extend(settings.into_iter().map(Change::Set));
    List::absent(0).apply(&changes).map_err(|violation| violation.to_string())
}

/// An entry without anything in it.
fn empty_entry() -> Entry {
    Entry { id: 0, title: String::new(), date: None, completed: false, order: None, fields: Vec::new() }
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

fn decide(
    Question { logic, session, list, context }: Question<'_>,
    table: &CaseCommand,
) -> Result<CaseOutcome, String> {
    let command = command(table, logic)?;
    let mut decider = Decider { logic, session, limits: Limits::default() };
    match decider.decide(list, context, &command) {
        Ok(decided) => {
            // A server does not accept a version that leaves values behind which it does not declare. Those of another logic
            // may stay.
            let is_older = list.logic() == Some(&logic.id().name);
            let migrates = matches!(command, Command::Migrate) && is_older;
            let misfit = migrates.then(|| first_misfit(&decided.list, logic.description())).flatten();
            match misfit {
                Some(misfit) => Err(misfit),
                None => Ok(CaseOutcome::Done(Change::made_by_logic(decided.changes), decided.list)),
            }
        }
        Err(Refusal::Rejected(rejection)) => Ok(CaseOutcome::Rejected(rejection)),
        Err(Refusal::Fault(fault)) => Err(failed(&fault)),
        Err(refusal) => {
            let field = if let Refusal::Invalid(error) = &refusal { Some(error.name.clone()) } else { None };
            Ok(CaseOutcome::Refused { why: refusal.to_string(), field })
        }
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
        CaseCommand::Configure(set, unset) => {
            let set = fields(set, &description.settings).map_err(|e| format!("configure: {e}"))?;
            let set = set.into_iter().map(|field| (field.name, Some(field.value)));
            let settings = set.chain(unset.iter().map(|name| (name.clone(), None))).collect();
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

fn query(Question { logic, session, list, context }: Question<'_>, view: &ViewTable) -> Result<CaseOutcome, String> {
    match &view.name {
        Some(name) if logic.description().view(name).is_none() => {
            let why = format!("the list's logic has no view {name:?}");
            return Ok(CaseOutcome::Refused { why, field: None });
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
    match read(session, list, context, &query) {
        Ok(Ok(page)) => Ok(CaseOutcome::Page(page)),
        Ok(Err(rejection)) => Ok(CaseOutcome::Rejected(rejection)),
        Err(fault) => Err(failed(&fault)),
    }
}

fn next_wake_up(Question { logic, session, list, context }: Question<'_>) -> Result<CaseOutcome, String> {
    if !logic.description().wakes {
        return Err("next-wake-up: this logic describes itself as one that never wakes".into());
    }
    session.begin();
    let moment = session.next_wake_up(list, context).map_err(|fault| failed(&fault))?;
    Ok(CaseOutcome::WakeUp(moment.map(CaseTime)))
}

fn failed(fault: &Fault) -> String {
    format!("the logic failed ({}): {fault}", fault.kind())
}

//! One case, decided as a server would decide it.

use std::sync::Arc;

use super::format::{Action, Case, CommandShape, DraftShape, PatchShape, Setup, ViewShape};
use super::time::Moment;
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

/// What came of a case.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The command is carried out: its changes without those that are the host's own, and the list
    /// after it.
    Done(Vec<Change>, Arc<List>),
    /// The logic said no.
    Rejected(Rejection),
    /// The host said no, and did not ask the logic, or did not take what came of its answer.
    Refused(String),
    /// A reader's page.
    Page(Page),
    /// When the list is to be woken.
    WakeUp(Option<Moment>),
}

/// Runs a case. An error is a text for its author: the logic failed, or the case does not fit it.
pub(super) fn run(case: &Case, logic: &dyn Logic) -> Result<Outcome, String> {
    let binding = binding(&case.action)?;
    let list = Arc::new(given(&case.setup, binding.as_ref(), logic)?);
    let context = context(&case.setup);
    match &case.action {
        Action::View(view) => look(logic, &list, &context, view),
        Action::NextWakeUp => next_wake_up(logic, &list, &context),
        Action::Decide(command) => decide(logic, &list, &context, command),
    }
}

/// Who kept the list until now, where that is another logic, or another version.
fn binding(action: &Action) -> Result<Option<Arc<LogicBinding>>, String> {
    let Action::Decide(CommandShape::Migrate(from)) = action else { return Ok(None) };
    let (name, version) = from.split_once('@').unwrap_or((from, ""));
    let name = LogicName::new(name).map_err(|error| format!("migrate: {from:?} names no logic: {error}"))?;
    let version = version.parse().map_err(|_| format!("migrate: {from:?} names no version, as todo@1.0.0 does"))?;
    Ok(Some(Arc::new(LogicBinding { id: Arc::new(LogicId { name, version, digest: [0; 32] }), schema_fingerprint: 0 })))
}

/// The list as the case gives it, whatever the logic would say of its entries. What another logic
/// kept may have fields and settings that this one does not know.
fn given(setup: &Setup, binding: Option<&Arc<LogicBinding>>, logic: &dyn Logic) -> Result<List, String> {
    let Description { fields: entry_fields, settings: list_settings, .. } = logic.description();
    let check = |schemas: &[Schema], fields: &[_]| match binding {
        None => check_fields(schemas, fields).map_err(|error| error.to_string()),
        Some(_) => Ok(()),
    };
    let mut changes = vec![Change::BindLogic(binding.unwrap_or(logic.binding()).clone())];
    for (id, shape) in (1..).zip(&setup.given) {
        let draft = draft(shape, entry_fields).and_then(|draft| check(entry_fields, &draft.fields).map(|()| draft));
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

fn context(setup: &Setup) -> Context {
    Context {
        now: setup.now.0,
        today: setup.today.0,
        utc_offset: setup.utc_offset,
        caller: setup.caller.as_str().into(),
        seed: setup.seed,
    }
}

fn decide(logic: &dyn Logic, list: &Arc<List>, context: &Context, shape: &CommandShape) -> Result<Outcome, String> {
    let command = command(shape, logic)?;
    let mut session = logic.session().map_err(|fault| failed(&fault))?;
    let mut decider = Decider { logic, session: session.as_mut(), limits: Limits::default() };
    match decider.decide(list, context, &command) {
        Ok(decided) => Ok(Outcome::Done(Change::made_by_logic(decided.changes), decided.list)),
        Err(Refusal::Rejected(rejection)) => Ok(Outcome::Rejected(rejection)),
        Err(Refusal::Fault(fault)) => Err(failed(&fault)),
        Err(refusal) => Ok(Outcome::Refused(refusal.to_string())),
    }
}

fn command(shape: &CommandShape, logic: &dyn Logic) -> Result<Command, String> {
    let description = logic.description();
    Ok(match shape {
        CommandShape::Add(shape) => Command::Add(draft(shape, &description.fields).map_err(|e| format!("add: {e}"))?),
        CommandShape::Update(shape) => {
            let patch = patch(shape, &description.fields).map_err(|problem| format!("update: {problem}"))?;
            Command::Update { id: shape.id, patch }
        }
        CommandShape::Delete(id) => Command::Delete { id: *id },
        CommandShape::Clear => Command::Clear,
        CommandShape::Custom(shape) => {
            let schemas = description.command(&shape.name).map_or(&[][..], |command| &command.arguments);
            let arguments = fields(&shape.arguments, schemas).map_err(|problem| format!("arguments: {problem}"))?;
            Command::Custom { name: shape.name.clone(), arguments }
        }
        CommandShape::Configure(settings) => {
            let settings = fields(settings, &description.settings).map_err(|e| format!("configure: {e}"))?;
            let settings = settings.into_iter().map(|field| (field.name, Some(field.value))).collect();
            Command::Configure { logic: None, pin: None, settings }
        }
        CommandShape::Unset(names) => {
            let settings = names.iter().map(|name| (name.clone(), None)).collect();
            Command::Configure { logic: None, pin: None, settings }
        }
        CommandShape::Migrate(_) => Command::Migrate,
        CommandShape::Wake => Command::Wake,
    })
}

fn draft(shape: &DraftShape, schemas: &[Schema]) -> Result<Draft, String> {
    Ok(Draft {
        title: shape.title.clone(),
        date: shape.date.map(|day| day.0),
        completed: shape.completed,
        order: shape.order,
        fields: fields(&shape.fields, schemas)?,
    })
}

fn patch(shape: &PatchShape, schemas: &[Schema]) -> Result<Patch, String> {
    let set = fields(&shape.fields, schemas)?.into_iter().map(|field| (field.name, Some(field.value)));
    let mut patch = Patch {
        title: shape.title.clone(),
        date: shape.date.map(|day| Some::<Date>(day.0)),
        completed: shape.completed,
        order: shape.order.map(Some),
        fields: set.collect(),
    };
    for name in &shape.clear {
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

fn look(logic: &dyn Logic, list: &Arc<List>, context: &Context, view: &ViewShape) -> Result<Outcome, String> {
    match &view.name {
        Some(name) if logic.description().view(name).is_none() => {
            return Ok(Outcome::Refused(format!("the list's logic has no view {name:?}")));
        }
        None if logic.description().reading == Reading::Host => {
            return Err("view: this logic leaves the plain list to the host; name a view".into());
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
        Ok(Ok(page)) => Ok(Outcome::Page(page)),
        Ok(Err(rejection)) => Ok(Outcome::Rejected(rejection)),
        Err(fault) => Err(failed(&fault)),
    }
}

fn next_wake_up(logic: &dyn Logic, list: &Arc<List>, context: &Context) -> Result<Outcome, String> {
    if !logic.description().wakes {
        return Err("next-wake-up: this logic describes itself as one that never wakes, so nobody asks".into());
    }
    let mut session = logic.session().map_err(|fault| failed(&fault))?;
    session.begin();
    let moment = session.next_wake_up(list, context).map_err(|fault| failed(&fault))?;
    Ok(Outcome::WakeUp(moment.map(Moment)))
}

fn failed(fault: &Fault) -> String {
    format!("the logic failed ({}): {fault}", fault.kind())
}

//! From a command to checked changes: what the host does around a logic's answer.
//!
//! Pure but for the session it asks, so that the same function serves the live path and whoever
//! wants to know what another logic would have decided.

mod undo;

use std::sync::Arc;

pub use undo::binding_after_undo;

use super::call::{Call, Decision};
use super::fault::Fault;
use super::refusal::Refusal;
use super::{Logic, Session};
use crate::list::binding::LogicBinding;
use crate::list::change::{Change, Violation};
use crate::list::command::{Command, Context};
use crate::list::entry::{MAX_TITLE_CHARS, Patch};
use crate::list::id::EntryId;
use crate::list::schema::{SchemaError, check_arguments, check_fields, check_value};
use crate::list::selector::Pin;
use crate::list::value::Value;
use crate::list::{Limits, List};

/// The most changes that [`Command::Clear`] may make for each entry, on average and beyond what one call may make.
/// Deleting an entry may change those that name it.
const MAX_CHANGES_PER_CLEARED_ENTRY: usize = 16;

/// A command that may be carried out.
#[derive(Debug)]
pub struct Decided {
    /// What it does; empty when it changes nothing.
    pub changes: Vec<Change>,
    /// What takes the changes back, in order.
    pub inverse: Vec<Change>,
    /// The list with the changes applied, at the next revision; or as it was, if there are none.
    pub list: Arc<List>,
}

/// One logic's decisions about one list, under the host's limits.
pub struct Decider<'a> {
    /// Who decides.
    pub logic: &'a dyn Logic,
    /// A session of it.
    pub session: &'a mut dyn Session,
    /// What the list may become.
    pub limits: Limits,
}

impl Decider<'_> {
    /// Decides one command. The list is only read; the answer holds its successor.
    pub fn decide(&mut self, list: &Arc<List>, context: &Context, command: &Command) -> Result<Decided, Refusal> {
        self.admit(list, command)?;
        match command {
            Command::Clear => self.session.begin_in_parts(list.count()),
            _ => self.session.begin(),
        }
        let mut draft = Draft { list: list.clone(), changes: Vec::new(), reverts: Vec::new() };
        match command {
            Command::Add(entry) => self.ask(&mut draft, context, Call::Add(entry))?,
            Command::Update { id, patch } => self.ask(&mut draft, context, Call::Update(*id, patch))?,
            Command::Delete { id } => self.ask(&mut draft, context, Call::Delete(*id))?,
            Command::Clear => self.clear(&mut draft, context)?,
            Command::Custom { name, arguments } => self.ask(&mut draft, context, Call::Custom(name, arguments))?,
            Command::Configure { pin, settings, .. } => self.configure(&mut draft, context, pin.as_ref(), settings)?,
            Command::DeleteList => draft.add(vec![Change::DeleteList])?,
            Command::Wake => self.ask(&mut draft, context, Call::Wake)?,
            Command::Migrate => self.take_over(&mut draft, context)?,
            Command::Undo { revision, changes, inverse } => self.undo(&mut draft, *revision, changes, inverse)?,
        }
        self.finish(list, draft)
    }

    /// Refuses what no logic should be bothered with: the form of the command is wrong, or what it
    /// is about is not there.
    fn admit(&self, list: &List, command: &Command) -> Result<(), Refusal> {
        let description = self.logic.description();
        match command {
            Command::Add(draft) => {
                check_title(&draft.title)?;
                check_order(draft.order)?;
                Ok(check_fields(&description.fields, &draft.fields)?)
            }
            Command::Update { id, patch } => {
                check_entry(list, *id)?;
                self.check_patch(patch)
            }
            Command::Delete { id } => check_entry(list, *id),
            Command::Custom { name, arguments } => {
                let schema = description.command(name).ok_or_else(|| Refusal::NoSuchCommand(name.clone()))?;
                check_arguments(&schema.arguments, arguments)?;
                let mut named = arguments.iter().flat_map(|argument| argument.value.entries());
                named.try_for_each(|id| check_entry(list, *id))
            }
            Command::Configure { settings, .. } => {
                // As with fields: only new values are checked.
                let mut given = settings.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
                Ok(given.try_for_each(|(name, value)| check_value(&description.settings, name, value))?)
            }
            Command::DeleteList | Command::Migrate | Command::Undo { .. } if !list.exists() => Err(Refusal::NoSuchList),
            Command::Clear | Command::DeleteList | Command::Wake | Command::Migrate | Command::Undo { .. } => Ok(()),
        }
    }

    fn check_patch(&self, patch: &Patch) -> Result<(), Refusal> {
        patch.title.as_deref().map_or(Ok(()), check_title)?;
        check_order(patch.order.flatten())?;
        let schemas = &self.logic.description().fields;
        // A field that is no longer declared may still be taken away: only new values are checked.
        let mut given = patch.fields.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        Ok(given.try_for_each(|(name, value)| check_value(schemas, name, value))?)
    }

    /// Asks the logic one question about the list as it is by now, and adds the answer.
    fn ask(&mut self, draft: &mut Draft, context: &Context, ask: Call<'_>) -> Result<(), Refusal> {
        let decision: Decision = self.session.decide(&draft.list, context, ask)?;
        let changes = decision.map_err(Refusal::Rejected)?;
        let checked = draft.list.check(&changes, self.logic.description(), self.limits);
        let added = checked.map_err(Fault::from).map_err(Refusal::from).and_then(|()| draft.add(changes));
        if added.is_err() {
            // Whatever made it answer so may still be in its memory.
            self.session.poison();
        }
        added
    }

    fn clear(&mut self, draft: &mut Draft, context: &Context) -> Result<(), Refusal> {
        let ids: Vec<EntryId> = draft.list.scan(0).map(|entry| entry.id).collect();
        let limit = self.limits.changes.saturating_add(ids.len().saturating_mul(MAX_CHANGES_PER_CLEARED_ENTRY));
        for id in ids {
            // A logic that deletes one entry may have deleted others along with it.
            if draft.list.get(id).is_none() {
                continue;
            }
            self.session.begin_part();
            self.ask(draft, context, Call::Delete(id))?;
            let count = draft.changes.len();
            if count > limit {
                self.session.poison();
                return Err(Fault::from(Violation::TooManyChanges { count, limit }).into());
            }
        }
        Ok(())
    }

    fn configure(
        &mut self,
        draft: &mut Draft,
        context: &Context,
        pin: Option<&Option<Pin>>,
        settings: &[(String, Option<Value>)],
    ) -> Result<(), Refusal> {
        let binding = self.logic.binding();
        let before = draft.list.binding().cloned();
        let handed_over = before.as_ref().is_none_or(|before| !before.is_schema_compatible(binding));
        if handed_over {
            draft.add(vec![Change::BindLogic(binding.clone())])?;
        }
        // A list that goes to another logic does not take along which version of the old one it wanted.
        let elsewhere = before.as_ref().is_some_and(|before| before.logic() != binding.logic());
        let pin = pin.or(elsewhere.then_some(&None));
        if let Some(pin) = pin
            && pin.as_ref() != draft.list.pin()
        {
            draft.add(vec![Change::Pin(pin.clone())])?;
        }
        if !settings.is_empty() {
            self.ask(draft, context, Call::Configure(settings))?;
        }
        // With the settings that came along, for what becomes of the entries may depend on them.
        match before {
            Some(before) if handed_over => self.migrate(draft, context, &before),
            _ => Ok(()),
        }
    }

    /// Takes a list over from another version of the same logic.
    fn take_over(&mut self, draft: &mut Draft, context: &Context) -> Result<(), Refusal> {
        let before = draft.list.binding().cloned().ok_or(Refusal::NoSuchList)?;
        draft.add(vec![Change::BindLogic(self.logic.binding().clone())])?;
        self.migrate(draft, context, &before)
    }

    fn migrate(&mut self, draft: &mut Draft, context: &Context, before: &LogicBinding) -> Result<(), Refusal> {
        let from = format!("{}@{}", before.id.name, before.id.version);
        self.ask(draft, context, Call::Migrate(&from))
    }

    /// Turns the draft into a revision's worth of changes, within the limits of a list.
    fn finish(&self, before: &Arc<List>, mut draft: Draft) -> Result<Decided, Refusal> {
        if draft.changes.is_empty() {
            return Ok(Decided { changes: draft.changes, inverse: Vec::new(), list: before.clone() });
        }
        let binding = self.logic.binding();
        let erased = matches!(draft.changes.first(), Some(Change::DeleteList));
        let keeps = |now: &Arc<LogicBinding>| now != binding && now.is_schema_compatible(binding);
        if !erased && draft.list.binding().is_none_or(keeps) {
            // The list comes into being with its first change, like the book's cache starts servers. And
            // what a version changed first says that it keeps the list from then on; unless the list means
            // something else to it, and is still to be taken over by whichever version can.
            draft.add(vec![Change::BindLogic(binding.clone())])?;
            draft.changes.rotate_right(1);
            draft.reverts.rotate_right(1);
        }
        let list = &draft.list;
        for (what, size, limit, size_before) in [
            ("entries", list.count(), self.limits.entries, before.count()),
            ("bytes of text", list.bytes(), self.limits.bytes, before.bytes()),
        ] {
            // A list that is over a limit because the limit was lowered may still shrink.
            if size > limit && size > size_before {
                return Err(Refusal::Full { what, limit });
            }
        }
        let list = Arc::unwrap_or_clone(draft.list).succeeding(before.revision());
        draft.reverts.reverse();
        Ok(Decided { changes: draft.changes, inverse: draft.reverts, list: Arc::new(list) })
    }
}

/// A revision in the making: the changes so far, and the list with them applied.
struct Draft {
    list: Arc<List>,
    changes: Vec<Change>,
    /// The change that reverts each of the changes, in their order: reversed, the inverse of them all.
    reverts: Vec<Change>,
}

impl Draft {
    fn add(&mut self, changes: Vec<Change>) -> Result<(), Refusal> {
        if !changes.is_empty() {
            self.list = Arc::new(self.list.apply_with_inverse(&changes, &mut self.reverts).map_err(Fault::from)?);
        }
        if self.changes.is_empty() {
            self.changes = changes;
        } else {
            self.changes.extend(changes);
        }
        Ok(())
    }
}

fn check_entry(list: &List, id: EntryId) -> Result<(), Refusal> {
    match list.get(id) {
        Some(_) => Ok(()),
        None if list.exists() => Err(Refusal::NoSuchEntry(id)),
        None => Err(Refusal::NoSuchList),
    }
}

fn check_title(title: &str) -> Result<(), SchemaError> {
    // A title within the limit in bytes is within it in characters: most need no counting.
    if title.len() <= MAX_TITLE_CHARS {
        return Ok(());
    }
    match title.chars().count() {
        chars if chars > MAX_TITLE_CHARS => {
            let problem = format!("it has {chars} characters, the limit is {MAX_TITLE_CHARS}");
            Err(SchemaError { name: "title".into(), problem })
        }
        _ => Ok(()),
    }
}

fn check_order(order: Option<f64>) -> Result<(), SchemaError> {
    match order {
        Some(order) if !order.is_finite() => {
            Err(SchemaError { name: "order".into(), problem: "it is not a finite number".into() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;

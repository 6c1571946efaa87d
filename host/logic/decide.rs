//! Decisions about commands, with the host's checks around a logic's answers.
//!
//! Apart from the session, everything here is pure. The actor, shadows, replays and the conformance gates therefore
//! decide through the same function.

mod misfit;
mod undo;

use std::sync::Arc;

pub use misfit::first_misfit;
pub use undo::binding_after_undo;

use super::call::{Call, Decision};
use super::fault::Fault;
use super::refusal::Refusal;
use super::{Logic, Session};
use crate::list::binding::LogicBinding;
use crate::list::change::{Change, Violation};
use crate::list::command::{Command, Context};
use crate::list::entry::{Entry, MAX_TITLE_CHARS, Patch};
use crate::list::id::EntryId;
use crate::list::schema::{self, SchemaError, check_arguments, check_fields, check_value};
use crate::list::selector::Pin;
use crate::list::value::Value;
use crate::list::{Limits, List};

/// The most changes that [`Command::Clear`] may make for each entry, on average and beyond what one call may make.
/// Deleting an entry may change those that name it.
const MAX_CHANGES_PER_CLEARED_ENTRY: usize = 16;

/// The command by which a logic decides [`Command::Clear`] with one answer, if it declares a command of this name that
/// needs no arguments.
pub const DELETE_ENTRIES: &str = "delete-entries";

/// The most text in the changes of a revision and in those that revert them, in sizes of a full list. An honest clear of
/// a full list takes one, for the reverting changes. A migration that rewrites each entry takes two.
const MAX_FULL_LISTS_PER_REVISION: usize = 4;

/// The decision to carry out a command.
#[derive(Debug)]
pub struct Decided {
    /// The changes, empty if the command changes nothing.
    pub changes: Vec<Change>,
    /// The changes that revert them, in order.
    pub inverse: Vec<Change>,
    /// The list after the changes, at its next revision. The same list if there are no changes.
    pub list: Arc<List>,
}

/// Decides commands on one list by one logic, under the host's limits.
pub struct Decider<'a> {
    /// The logic that decides.
    pub logic: &'a dyn Logic,
    /// A session of the logic.
    pub session: &'a mut dyn Session,
    /// The limits on the list and its changes.
    pub limits: Limits,
}

impl Decider<'_> {
    /// Decides one command. The answer holds the next state of the list.
    pub fn decide(&mut self, list: &Arc<List>, context: &Context, command: &Command) -> Result<Decided, Refusal> {
        self.validate(list, command)?;
        match command {
            Command::Clear => self.session.begin_in_parts(list.count()),
            _ if self.migrates(list, command) => self.session.begin_about(list.count()),
            _ => self.session.begin(),
        }
        let mut draft = RevisionDraft::new(list, self.limits);
        match command {
            Command::Add(entry) => self.call(&mut draft, context, Call::Add(entry))?,
            Command::Update { id, patch } => self.call(&mut draft, context, Call::Update(*id, patch))?,
            Command::Delete { id } => self.call(&mut draft, context, Call::Delete(*id))?,
            Command::Clear => self.clear(&mut draft, context)?,
            Command::Custom { name, arguments } => self.call(&mut draft, context, Call::Custom(name, arguments))?,
            Command::Configure { pin, settings, .. } => self.configure(&mut draft, context, pin.as_ref(), settings)?,
            Command::DeleteList => draft.add(vec![Change::DeleteList])?,
            Command::Wake => self.call(&mut draft, context, Call::Wake)?,
            Command::Migrate => self.migrate(&mut draft, context)?,
            Command::Undo { revision, changes, inverse } => self.undo(&mut draft, *revision, changes, inverse)?,
        }
        self.finish(list, draft)
    }

    /// Refuses a malformed command, and a command about something that does not exist, before the logic is called.
    fn validate(&self, list: &List, command: &Command) -> Result<(), Refusal> {
        let description = self.logic.description();
        match command {
            Command::Add(draft) => {
                check_title(&draft.title)?;
                check_order(draft.order)?;
                Ok(check_fields(&description.fields, &draft.fields)?)
            }
            Command::Update { id, patch } => {
                check_entry(list, *id)?;
                self.check_patch(list.get(*id), patch)
            }
            Command::Delete { id } => check_entry(list, *id),
            Command::Custom { name, arguments } => {
                let schema = description.command(name).ok_or_else(|| Refusal::NoSuchCommand(name.clone()))?;
                check_arguments(&schema.arguments, arguments)?;
                let mut named = arguments.iter().flat_map(|argument| argument.value.entries());
                named.try_for_each(|id| check_entry(list, *id))
            }
            Command::Configure { settings, .. } => {
                // A setting that the logic no longer declares may still be removed: only new values are checked.
                let mut given = settings.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
                Ok(given.try_for_each(|(name, value)| check_value(&description.settings, name, value))?)
            }
            Command::DeleteList | Command::Migrate | Command::Undo { .. } if !list.exists() => Err(Refusal::NoSuchList),
            Command::Clear | Command::DeleteList | Command::Wake | Command::Migrate | Command::Undo { .. } => Ok(()),
        }
    }

    fn check_patch(&self, entry: Option<&Arc<Entry>>, patch: &Patch) -> Result<(), Refusal> {
        patch.title.as_deref().map_or(Ok(()), check_title)?;
        check_order(patch.order.flatten())?;
        let schemas = &self.logic.description().fields;
        let has = |name: &String| entry.is_some_and(|entry| entry.fields.iter().any(|field| field.name == *name));
        Ok(patch.fields.iter().try_for_each(|(name, value)| match value {
            Some(value) => check_value(schemas, name, value),
            // A field that the logic no longer declares may still be removed.
            None if has(name) => Ok(()),
            None => schema::find(schemas, name).map(drop),
        })?)
    }

    /// Calls the logic with the current state of the draft, checks the answer, and adds it to the draft.
    fn call(&mut self, draft: &mut RevisionDraft, context: &Context, call: Call<'_>) -> Result<(), Refusal> {
        self.call_within(self.limits, draft, context, call)
    }

    fn call_within(
        &mut self,
        limits: Limits,
        draft: &mut RevisionDraft,
        context: &Context,
        call: Call<'_>,
    ) -> Result<(), Refusal> {
        let decision: Decision = self.session.decide(&draft.list, context, call)?;
        let changes = decision.map_err(Refusal::Rejected)?;
        let checked = draft.list.check(&changes, self.logic.description(), limits);
        let added = checked.map_err(Fault::from).map_err(Refusal::from).and_then(|()| draft.add(changes));
        if added.is_err() {
            // The state that led to this answer may still be in the instance's memory.
            self.session.poison();
        }
        added
    }

    fn clear(&mut self, draft: &mut RevisionDraft, context: &Context) -> Result<(), Refusal> {
        let ids: Vec<EntryId> = draft.list.scan(0).map(|entry| entry.id).collect();
        let command = self.logic.description().command(DELETE_ENTRIES);
        if !ids.is_empty() && command.is_some_and(|command| command.arguments.iter().all(|argument| !argument.required))
        {
            return self.delete_entries(draft, context);
        }
        let limit = self.limits.changes.saturating_add(ids.len().saturating_mul(MAX_CHANGES_PER_CLEARED_ENTRY));
        for id in ids {
            // The logic may have deleted this entry together with an earlier one.
            if draft.list.get(id).is_none() {
                continue;
            }
            self.session.begin_part();
            self.call(draft, context, Call::Delete(id))?;
            if draft.changes.len() > limit {
                self.session.poison();
                // Not a fault of the logic, because each of its answers was within its own limit.
                return Err(Refusal::Full { what: "changes in one revision", limit });
            }
        }
        Ok(())
    }

    /// Has the logic delete all entries with one answer. A logic that scans the list for each deletion is too slow for
    /// a long list.
    fn delete_entries(&mut self, draft: &mut RevisionDraft, context: &Context) -> Result<(), Refusal> {
        self.session.begin_part();
        // A list above a limit that was lowered may still be cleared.
        let limits = Limits { changes: self.limits.changes.max(draft.list.count()), ..self.limits };
        self.call_within(limits, draft, context, Call::Custom(DELETE_ENTRIES, &[]))?;
        match draft.list.count() {
            0 => Ok(()),
            left => {
                self.session.poison();
                let what = format!("left {left} of the list's entries at the command {DELETE_ENTRIES}");
                Err(Fault::from(Violation::Content(what)).into())
            }
        }
    }

    /// Whether a command has the logic migrate the list, which is about each of its entries.
    fn migrates(&self, list: &List, command: &Command) -> bool {
        let is_incompatible = |before: &Arc<LogicBinding>| !before.is_schema_compatible(self.logic.binding());
        match command {
            Command::Migrate => true,
            Command::Configure { .. } => list.binding().is_some_and(is_incompatible),
            _ => false,
        }
    }

    fn configure(
        &mut self,
        draft: &mut RevisionDraft,
        context: &Context,
        pin: Option<&Option<Pin>>,
        settings: &[(String, Option<Value>)],
    ) -> Result<(), Refusal> {
        let binding = self.logic.binding();
        let before = draft.list.binding().cloned();
        let needs_migration = before.as_ref().is_none_or(|before| !before.is_schema_compatible(binding));
        if needs_migration {
            draft.add(vec![Change::BindLogic(binding.clone())])?;
        }
        // A pin names a version of the old logic, so that a change of the logic removes it.
        let changes_logic = before.as_ref().is_some_and(|before| before.logic() != binding.logic());
        let pin = pin.or(changes_logic.then_some(&None));
        if let Some(pin) = pin
            && pin.as_ref() != draft.list.pin()
        {
            draft.add(vec![Change::Pin(pin.clone())])?;
        }
        if !settings.is_empty() {
            self.call(draft, context, Call::Configure(settings))?;
        }
        // The settings come first, because the migration of the entries may depend on them.
        match before {
            Some(before) if needs_migration => self.call_migrate(draft, context, &before),
            _ => Ok(()),
        }
    }

    /// Migrates a list from another version of the same logic.
    fn migrate(&mut self, draft: &mut RevisionDraft, context: &Context) -> Result<(), Refusal> {
        let before = draft.list.binding().cloned().ok_or(Refusal::NoSuchList)?;
        draft.add(vec![Change::BindLogic(self.logic.binding().clone())])?;
        self.call_migrate(draft, context, &before)
    }

    fn call_migrate(
        &mut self,
        draft: &mut RevisionDraft,
        context: &Context,
        before: &LogicBinding,
    ) -> Result<(), Refusal> {
        let from = format!("{}@{}", before.id.name, before.id.version);
        self.call(draft, context, Call::Migrate(&from))
    }

    /// Completes the draft as one revision, and checks the limits on the size of a list.
    fn finish(&self, before: &Arc<List>, mut draft: RevisionDraft) -> Result<Decided, Refusal> {
        if draft.changes.is_empty() {
            return Ok(Decided { changes: draft.changes, inverse: Vec::new(), list: before.clone() });
        }
        let binding = self.logic.binding();
        let is_deleted = matches!(draft.changes.first(), Some(Change::DeleteList));
        let rebinds = |now: &Arc<LogicBinding>| now != binding && now.is_schema_compatible(binding);
        if !is_deleted && draft.list.binding().is_none_or(rebinds) {
            // A list is created by its first change, which also binds it to the deciding version. A version with an
            // incompatible schema is not bound here; it migrates the list first.
            draft.add(vec![Change::BindLogic(binding.clone())])?;
            draft.changes.rotate_right(1);
            draft.reverts.rotate_right(1);
        }
        let list = &draft.list;
        for (what, size, limit, size_before) in [
            ("entries", list.count(), self.limits.entries, before.count()),
            ("bytes of text", list.bytes(), self.limits.bytes, before.bytes()),
        ] {
            // A list above a limit that was lowered may still shrink.
            if size > limit && size > size_before {
                return Err(Refusal::Full { what, limit });
            }
        }
        let list = Arc::unwrap_or_clone(draft.list).succeeding(before.revision());
        draft.reverts.reverse();
        Ok(Decided { changes: draft.changes, inverse: draft.reverts, list: Arc::new(list) })
    }
}

/// An unfinished revision: the changes so far, and the list with these changes applied.
struct RevisionDraft {
    list: Arc<List>,
    changes: Vec<Change>,
    /// The change that reverts each of the changes, in their order: reversed, the inverse of them all.
    reverts: Vec<Change>,
    /// The bytes of text in the changes and in the reverting changes.
    bytes: usize,
    max_bytes: usize,
}

impl RevisionDraft {
    fn new(list: &Arc<List>, limits: Limits) -> Self {
        // A list above a limit that was lowered may still shrink.
        let full = limits.bytes.max(list.bytes());
        let max_bytes = full.saturating_mul(MAX_FULL_LISTS_PER_REVISION);
        Self { list: list.clone(), changes: Vec::new(), reverts: Vec::new(), bytes: 0, max_bytes }
    }

    /// Applies changes. Counts their bytes at once, because a draft of many calls fills the memory before it ends.
    fn add(&mut self, changes: Vec<Change>) -> Result<(), Refusal> {
        if !changes.is_empty() {
            let reverts = self.reverts.len();
            self.list = Arc::new(self.list.apply_with_inverse(&changes, &mut self.reverts).map_err(Fault::from)?);
            self.bytes += changes.iter().chain(&self.reverts[reverts..]).map(text_bytes).sum::<usize>();
            if self.bytes > self.max_bytes {
                return Err(Refusal::Full { what: "bytes of changes in one revision", limit: self.max_bytes });
            }
        }
        if self.changes.is_empty() {
            self.changes = changes;
        } else {
            self.changes.extend(changes);
        }
        Ok(())
    }
}

/// Returns the bytes of text in a change. The limits on the number of changes bound the rest of it.
fn text_bytes(change: &Change) -> usize {
    match change {
        Change::Put(entry) | Change::Restore(entry) => entry.bytes(),
        Change::Set(field) => field.bytes(),
        Change::Unset(name) => name.len(),
        Change::Remove(_) | Change::BindLogic(_) | Change::DeleteList | Change::Pin(_) => 0,
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
    // A title with no more bytes than the limit has no more characters either. Most titles need no count.
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

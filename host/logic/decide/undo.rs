//! Undo of a revision: restores what the revision changed, unless a later revision changed the same things.
//!
//! For each thing, only its states before and after the revision count, not the changes in between. A thing that the
//! revision left as it was is no obstacle, and an undo makes at most one change of each thing. The logic is not called,
//! because it allowed the earlier state already. The changes are checked against its description like every answer.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Decider, RevisionDraft};
use crate::list::List;
use crate::list::binding::LogicBinding;
use crate::list::change::{Change, Subject, Violation};
use crate::list::entry::Entry;
use crate::list::id::EntryId;
use crate::list::selector::Pin;
use crate::list::value::{Field, Value, find};
use crate::logic::refusal::Refusal;

/// Returns the version that has to decide about an undo if the list is not bound to it: the version that the undo
/// binds the list to.
pub fn binding_after_undo<'a>(list: &List, changes: &[Change], inverse: &'a [Change]) -> Option<&'a Arc<LogicBinding>> {
    let (before, after) = rebound(changes, inverse)?;
    // If the list was bound to another version since, the undo is a conflict, which any version can detect.
    list.binding().is_some_and(|now| now.is_schema_compatible(after)).then_some(before)
}

/// Returns the bindings before and after a revision, if their schemas are incompatible. An upgrade to a compatible
/// version is not part of what a caller did, and is not undone.
fn rebound<'a, 'b>(
    changes: &'a [Change],
    inverse: &'b [Change],
) -> Option<(&'b Arc<LogicBinding>, &'a Arc<LogicBinding>)> {
    let (before, after) = (last_binding(inverse)?, last_binding(changes)?);
    (!before.is_schema_compatible(after)).then_some((before, after))
}

fn last_binding(changes: &[Change]) -> Option<&Arc<LogicBinding>> {
    changes.iter().rev().find_map(|change| match change {
        Change::BindLogic(binding) => Some(binding),
        _ => None,
    })
}

impl Decider<'_> {
    pub(super) fn undo(
        &self,
        draft: &mut RevisionDraft,
        revision: u64,
        changes: &[Change],
        inverse: &[Change],
    ) -> Result<(), Refusal> {
        let refuse = |Obstacle { why, about }: Obstacle| Refusal::Conflict { revision, why, about };
        let list = draft.list.clone();
        let mut back = reverting_changes(&list, changes, inverse).map_err(refuse)?;
        if let Some(binding) = binding_after_undo(&list, changes, inverse) {
            back.extend(self.rebind(&list, binding, inverse).map_err(refuse)?);
        }
        if back.is_empty() {
            let created = inverse.contains(&Change::DeleteList);
            let why = match created {
                true => "it brought the list into being, and nothing else; delete the list instead",
                false => "there is nothing in it to take back",
            };
            return Err(refuse(Obstacle::new(why)));
        }
        self.check_undo(&list, &back).map_err(refuse)?;
        draft.add(back).map_err(|refusal| refuse(Obstacle::new(refusal.to_string())))
    }

    /// Returns the changes that bind the list to an earlier version again.
    ///
    /// They also pin the list to that version, because the next command would migrate it forward again. If the revision
    /// set a pin itself, the undo restores the earlier pin instead.
    fn rebind(&self, list: &List, binding: &Arc<LogicBinding>, inverse: &[Change]) -> Result<Vec<Change>, Obstacle> {
        if binding.id != *self.logic.id() {
            return Err(Obstacle::new(format!("the list goes back to {} with it, which is not loaded", binding.id)));
        }
        let mut back = vec![Change::BindLogic(binding.clone())];
        let changed_pin = inverse.iter().any(|change| matches!(change, Change::Pin(_)));
        if !changed_pin && list.logic() == Some(binding.logic()) {
            back.push(Change::Pin(Some(Pin::Digest(binding.id.digest))));
        }
        Ok(back)
    }

    /// Checks the reverting changes like an answer of the list's logic.
    fn check_undo(&self, list: &List, back: &[Change]) -> Result<(), Obstacle> {
        let as_answered = |change: &Change| match change {
            Change::BindLogic(_) | Change::Pin(_) | Change::DeleteList => None,
            Change::Restore(entry) => Some(Change::Put(entry.clone())),
            other => Some(other.clone()),
        };
        let answered: Vec<_> = back.iter().filter_map(as_answered).collect();
        list.check(&answered, self.logic.description(), self.limits).map_err(|violation| {
            Obstacle::new(match violation {
                Violation::Content(what) => format!("the list's logic has no place for it any more: it would {what}"),
                other => other.to_string(),
            })
        })
    }
}

/// The reason why a revision is not undone.
struct Obstacle {
    why: String,
    /// The thing that a later revision changed, if that is the reason.
    about: Option<Subject>,
}

impl Obstacle {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), about: None }
    }

    fn since(about: Subject, what: impl std::fmt::Display) -> Self {
        Self { why: format!("{what} since"), about: Some(about) }
    }
}

/// The state of a thing that changes are about: after some changes, or in the current list.
#[derive(Clone, Copy, PartialEq)]
enum SubjectState<'a> {
    Entry(EntryId, Option<&'a Arc<Entry>>),
    Setting(&'a str, Option<&'a Value>),
    Pin(Option<&'a Pin>),
}

impl<'a> SubjectState<'a> {
    /// Returns the state after a change. [`rebound`] handles the binding of the list.
    fn after(change: &'a Change) -> Option<Self> {
        Some(match change {
            Change::Put(entry) | Change::Restore(entry) => Self::Entry(entry.id, Some(entry)),
            Change::Remove(id) => Self::Entry(*id, None),
            Change::Set(field) => Self::Setting(&field.name, Some(&field.value)),
            Change::Unset(name) => Self::Setting(name, None),
            Change::Pin(pin) => Self::Pin(pin.as_ref()),
            Change::BindLogic(_) | Change::DeleteList => return None,
        })
    }

    /// Returns the state of the same thing in a list.
    fn now(self, list: &'a List) -> Self {
        match self {
            Self::Entry(id, _) => Self::Entry(id, list.get(id)),
            Self::Setting(name, _) => {
                let setting = list.settings().iter().find(|setting| setting.name == name);
                Self::Setting(name, setting.map(|setting| &setting.value))
            }
            Self::Pin(_) => Self::Pin(list.pin()),
        }
    }

    /// Returns the change that brings the thing of a list into this state.
    fn into_change(self, list: &List) -> Change {
        match self {
            Self::Entry(id, None) => Change::Remove(id),
            Self::Entry(id, Some(entry)) if list.get(id).is_some() => Change::Put(entry.clone()),
            Self::Entry(_, Some(entry)) => Change::Restore(entry.clone()),
            Self::Setting(name, Some(value)) => Change::Set(Field { name: name.into(), value: value.clone() }),
            Self::Setting(name, None) => Change::Unset(name.into()),
            Self::Pin(pin) => Change::Pin(pin.cloned()),
        }
    }
}

/// Returns the state of each thing after some changes. Of several changes of one thing, the last one counts.
fn states(changes: &[Change]) -> HashMap<Subject, SubjectState<'_>> {
    changes.iter().filter_map(|change| Some((change.subject(), SubjectState::after(change)?))).collect()
}

/// Returns the changes that restore the state before a revision: one for each thing, in the order of its changes.
fn reverting_changes(list: &List, changes: &[Change], inverse: &[Change]) -> Result<Vec<Change>, Obstacle> {
    if changes.contains(&Change::DeleteList) {
        return Err(Obstacle::new("it ended the list"));
    }
    if let Some((_, after)) = rebound(changes, inverse)
        && let Some(now) = list.binding().filter(|now| !now.is_schema_compatible(after))
    {
        return Err(Obstacle::since(Subject::LogicBinding, format_args!("{} took the list over", now.id)));
    }
    let (found, mut left) = (states(inverse), states(changes));
    let mut back = Vec::new();
    for subject in changes.iter().map(Change::subject) {
        // Removed from the map, so that each thing is handled once.
        let Some((left, found)) = left.remove(&subject).zip(found.get(&subject)) else { continue };
        if *found == left {
            continue;
        }
        let now = left.now(list);
        if now != left {
            return Err(Obstacle::since(subject, since(left, now)));
        }
        if let SubjectState::Entry(id, Some(_)) = found
            && *id >= list.next_id()
        {
            // Another list took the name after the cache had read the history.
            return Err(Obstacle::new(format!("entry {id} is of an earlier list of this name")));
        }
        back.push(found.into_change(list));
    }
    Ok(back)
}

/// Describes for people how a thing changed.
fn since(left: SubjectState<'_>, now: SubjectState<'_>) -> String {
    match (left, now) {
        (SubjectState::Entry(id, Some(left)), SubjectState::Entry(_, Some(now))) => {
            format!("entry {id} {}", difference(left, now))
        }
        (SubjectState::Entry(id, _), SubjectState::Entry(_, None)) => format!("entry {id} was deleted"),
        (SubjectState::Entry(id, _), _) => format!("entry {id} was put back"),
        (SubjectState::Setting(name, _), SubjectState::Setting(_, None)) => format!("setting {name} was taken away"),
        (SubjectState::Setting(name, _), _) => format!("setting {name} was changed"),
        (SubjectState::Pin(_), _) => "another version was chosen for the list".into(),
    }
}

/// Describes the first attribute in which two states of an entry differ.
fn difference(then: &Entry, now: &Entry) -> String {
    let field = |name: &str| find(&then.fields, name) != find(&now.fields, name);
    match then.fields.iter().chain(&now.fields).find(|either| field(&either.name)) {
        _ if then.title != now.title => "was renamed".into(),
        _ if then.completed != now.completed => format!("was {}", if now.completed { "completed" } else { "reopened" }),
        _ if then.date != now.date => "got another date".into(),
        Some(field) => format!("got another {}", field.name),
        None => "was moved".into(),
    }
}

#[cfg(test)]
mod tests;

//! Taking a revision back: what it changed becomes what it was before, through the checks that every
//! answer of a logic goes through, unless something later stands in the way.
//!
//! What counts is how the revision found and how it left each thing that it touched, not the steps in
//! between: a thing that it left as it was is nobody's obstacle, and one undo makes one change of each.
//! A logic is not asked, for it allowed the state before already; what it declares is checked.

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

/// The version that has to decide whether a revision is taken back, where that is not the list's
/// keeper: the one that the list goes back to with it.
pub fn binding_after_undo<'a>(list: &List, changes: &[Change], inverse: &'a [Change]) -> Option<&'a Arc<LogicBinding>> {
    let (before, after) = handed_over(changes, inverse)?;
    // Where somebody else keeps it since, there is a conflict, which anybody can tell.
    list.binding().is_some_and(|now| now.is_schema_compatible(after)).then_some(before)
}

/// Whom a revision took the list from and whom it gave it to, if its contents mean something else to
/// the two. That a version is replaced by one that suits it is no part of what people did.
fn handed_over<'a, 'b>(
    changes: &'a [Change],
    inverse: &'b [Change],
) -> Option<(&'b Arc<LogicBinding>, &'a Arc<LogicBinding>)> {
    let (before, after) = (adopted(inverse)?, adopted(changes)?);
    (!before.is_schema_compatible(after)).then_some((before, after))
}

fn adopted(changes: &[Change]) -> Option<&Arc<LogicBinding>> {
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
        let mut back = takes_back(&list, changes, inverse).map_err(refuse)?;
        if let Some(binding) = binding_after_undo(&list, changes, inverse) {
            back.extend(self.hand_back(&list, binding, inverse).map_err(refuse)?);
        }
        if back.is_empty() {
            let born = inverse.contains(&Change::DeleteList);
            let why = match born {
                true => "it brought the list into being, and nothing else; delete the list instead",
                false => "there is nothing in it to take back",
            };
            return Err(refuse(Obstacle::new(why)));
        }
        self.check_undo(&list, &back).map_err(refuse)?;
        draft.add(back).map_err(|refusal| refuse(Obstacle::new(refusal.to_string())))
    }

    /// The changes that have an earlier version keep the list again. It is pinned to it, or its next
    /// command would bring it forward again; unless the revision chose among versions itself, for then
    /// its choice is what is taken back.
    fn hand_back(&self, list: &List, binding: &Arc<LogicBinding>, inverse: &[Change]) -> Result<Vec<Change>, Obstacle> {
        if binding.id != *self.logic.id() {
            return Err(Obstacle::new(format!("the list goes back to {} with it, which is not loaded", binding.id)));
        }
        let mut back = vec![Change::BindLogic(binding.clone())];
        let chosen = inverse.iter().any(|change| matches!(change, Change::Pin(_)));
        if !chosen && list.logic() == Some(binding.logic()) {
            back.push(Change::Pin(Some(Pin::Digest(binding.id.digest))));
        }
        Ok(back)
    }

    /// Checks what comes back as if the list's logic had answered it.
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

/// Why a revision is not taken back.
struct Obstacle {
    why: String,
    /// What was changed since, if it is that.
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

/// A thing that changes are about, and how it is: as some changes left it, or now.
#[derive(Clone, Copy, PartialEq)]
enum State<'a> {
    Entry(EntryId, Option<&'a Arc<Entry>>),
    Setting(&'a str, Option<&'a Value>),
    Pin(Option<&'a Pin>),
}

impl<'a> State<'a> {
    /// What a change leaves behind. Who keeps the list is looked at elsewhere.
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

    /// How the same thing is in a list.
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

    /// The change of a list by which the thing becomes so.
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

/// How some changes leave each thing: of several changes of one thing the last one counts.
fn states(changes: &[Change]) -> HashMap<Subject, State<'_>> {
    changes.iter().filter_map(|change| Some((change.subject(), State::after(change)?))).collect()
}

/// The changes that bring back what a revision found, one for each thing, in the order in which it
/// touched them.
fn takes_back(list: &List, changes: &[Change], inverse: &[Change]) -> Result<Vec<Change>, Obstacle> {
    if changes.contains(&Change::DeleteList) {
        return Err(Obstacle::new("it ended the list"));
    }
    if let Some((_, after)) = handed_over(changes, inverse)
        && let Some(now) = list.binding().filter(|now| !now.is_schema_compatible(after))
    {
        return Err(Obstacle::since(Subject::LogicBinding, format_args!("{} took the list over", now.id)));
    }
    let (found, mut left) = (states(inverse), states(changes));
    let mut back = Vec::new();
    for subject in changes.iter().map(Change::subject) {
        // Taken out, so that each thing is looked at once.
        let Some((left, found)) = left.remove(&subject).zip(found.get(&subject)) else { continue };
        if *found == left {
            continue;
        }
        let now = left.now(list);
        if now != left {
            return Err(Obstacle::since(subject, since(left, now)));
        }
        if let State::Entry(id, Some(_)) = found
            && *id >= list.next_id()
        {
            // Another list took the name between the reading of the history and this moment.
            return Err(Obstacle::new(format!("entry {id} is of an earlier list of this name")));
        }
        back.push(found.into_change(list));
    }
    Ok(back)
}

/// What became of a thing, for people.
fn since(left: State<'_>, now: State<'_>) -> String {
    match (left, now) {
        (State::Entry(id, Some(left)), State::Entry(_, Some(now))) => format!("entry {id} {}", difference(left, now)),
        (State::Entry(id, _), State::Entry(_, None)) => format!("entry {id} was deleted"),
        (State::Entry(id, _), _) => format!("entry {id} was put back"),
        (State::Setting(name, _), State::Setting(_, None)) => format!("setting {name} was taken away"),
        (State::Setting(name, _), _) => format!("setting {name} was changed"),
        (State::Pin(_), _) => "another version was chosen for the list".into(),
    }
}

/// The first attribute in which two states of an entry differ.
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

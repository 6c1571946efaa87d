//! Taking a revision back: its inverse, through the checks that every answer of a logic goes through,
//! unless something later stands in the way.

use std::sync::Arc;

use super::{Decider, Draft, Refusal};
use crate::list::List;
use crate::list::change::Change;
use crate::list::entry::{Entry, EntryId};
use crate::list::keeper::{Keeper, Pin};

/// The version that has to decide whether a revision is taken back: the one that the list goes back to
/// with it, where it goes back to another one.
pub fn keeper_after<'a>(list: &List, inverse: &'a [Change]) -> Option<&'a Arc<Keeper>> {
    let back_to = inverse.iter().rev().find_map(|change| match change {
        Change::Adopt(keeper) => Some(keeper),
        _ => None,
    });
    back_to.filter(|keeper| list.keeper().is_some_and(|now| !now.suits(keeper)))
}

impl Decider<'_> {
    pub(super) fn undo(
        &self,
        draft: &mut Draft,
        revision: u64,
        changes: &[Change],
        inverse: &[Change],
    ) -> Result<(), Refusal> {
        let conflict = |why: String| Refusal::Conflict { revision, why };
        unchanged_since(&draft.list, changes).map_err(conflict)?;
        let mut back = takes_back(&draft.list, inverse);
        if back.is_empty() {
            let why = match changes.iter().any(|change| matches!(change, Change::Adopt(_))) {
                true => "it brought the list into being; delete the list instead",
                false => "there is nothing in it to take back",
            };
            return Err(conflict(why.into()));
        }
        let listed = back.iter().filter(|change| !is_the_hosts(change)).cloned();
        let listed: Vec<_> = listed.map(as_put).collect();
        let checked = draft.list.check(&listed, self.logic.description(), self.limits);
        checked.map_err(|violation| conflict(format!("the list's logic does not allow it now: {violation}")))?;
        // A list that went back to another version stays there, or its next command would bring it
        // forward again.
        if let Some(keeper) = keeper_after(&draft.list, inverse)
            && draft.list.keeper().is_some_and(|now| now.logic() == keeper.logic())
        {
            back.push(Change::Pin(Some(Pin::Digest(keeper.id.digest))));
        }
        draft.add(back).map_err(|refusal| conflict(refusal.to_string()))
    }
}

/// The part of an inverse that is the caller's to ask for: a list does not end by undoing, and which
/// version keeps it matters only where its contents mean something else to another one.
fn takes_back(list: &List, inverse: &[Change]) -> Vec<Change> {
    let matters = |change: &&Change| match change {
        Change::Erase => false,
        Change::Adopt(keeper) => list.keeper().is_some_and(|now| !now.suits(keeper)),
        _ => true,
    };
    inverse.iter().filter(matters).cloned().collect()
}

fn is_the_hosts(change: &Change) -> bool {
    matches!(change, Change::Adopt(_) | Change::Pin(_) | Change::Erase)
}

fn as_put(change: Change) -> Change {
    match change {
        Change::Restore(entry) => Change::Put(entry),
        other => other,
    }
}

/// Says what is no longer as a revision left it.
fn unchanged_since(list: &List, changes: &[Change]) -> Result<(), String> {
    let mut seen: Vec<&Change> = Vec::new();
    // From the last one on: what counts is how the revision left things.
    for change in changes.iter().rev() {
        if seen.iter().any(|later| about_the_same(later, change)) {
            continue;
        }
        unchanged(list, change)?;
        seen.push(change);
    }
    Ok(())
}

fn unchanged(list: &List, change: &Change) -> Result<(), String> {
    match change {
        Change::Put(entry) | Change::Restore(entry) => match list.get(entry.id) {
            Some(now) if now == entry => Ok(()),
            Some(now) => Err(format!("entry {} was changed since{}", entry.id, difference(entry, now))),
            None => Err(format!("entry {} was deleted since", entry.id)),
        },
        Change::Remove(id) if list.get(*id).is_some() => Err(format!("entry {id} was put back since")),
        Change::Set(field) => {
            let now = list.settings().iter().find(|setting| setting.name == field.name);
            match now.is_some_and(|now| now.value == field.value) {
                true => Ok(()),
                false => Err(format!("setting {} was changed since", field.name)),
            }
        }
        Change::Unset(name) if list.settings().iter().any(|setting| setting.name == *name) => {
            Err(format!("setting {name} was set since"))
        }
        Change::Adopt(keeper) if list.keeper().is_none_or(|now| !now.suits(keeper)) => {
            let now = list.keeper().map_or("nobody".into(), |now| now.id.to_string());
            Err(format!("{now} keeps the list since"))
        }
        Change::Pin(pin) if list.pin() != pin.as_ref() => Err("the list was pinned to another version since".into()),
        Change::Erase => Err("it ended the list".into()),
        Change::Remove(_) | Change::Unset(_) | Change::Adopt(_) | Change::Pin(_) => Ok(()),
    }
}

/// The first attribute that differs, for people.
fn difference(then: &Entry, now: &Entry) -> String {
    let differs = [
        ("title", then.title != now.title),
        ("date", then.date != now.date),
        ("completion", then.completed != now.completed),
        ("order", then.order != now.order),
    ];
    let what = differs.iter().find(|(_, differs)| *differs).map_or("fields", |(what, _)| what);
    format!(" (its {what})")
}

/// What a change is about.
#[derive(PartialEq)]
enum Subject<'a> {
    Entry(EntryId),
    Setting(&'a str),
    Keeper,
    Pin,
    List,
}

fn about_the_same(one: &Change, other: &Change) -> bool {
    subject(one) == subject(other)
}

fn subject(change: &Change) -> Subject<'_> {
    match change {
        Change::Put(entry) | Change::Restore(entry) => Subject::Entry(entry.id),
        Change::Remove(id) => Subject::Entry(*id),
        Change::Set(field) => Subject::Setting(&field.name),
        Change::Unset(name) => Subject::Setting(name),
        Change::Adopt(_) => Subject::Keeper,
        Change::Pin(_) => Subject::Pin,
        Change::Erase => Subject::List,
    }
}

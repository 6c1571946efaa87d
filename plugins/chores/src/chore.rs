//! Life of a chore: it is added, changed, done, skipped and opened again.

use hotlist_plugin::{
    Change, Context, Date, DatePatch, Decision, Draft, Entry, EntryId, Fields, List, Patch, Rejection,
};

use crate::rotation::Rotation;
use crate::rule::Rule;
use crate::zone::Local;

/// The field with a chore's rule. An entry without it is an ordinary one, done once.
pub(crate) const RULE: &str = "rule";

/// The field with the person whose turn it is.
pub(crate) const ASSIGNEE: &str = "assignee";

/// The field with the date when the chore was last done.
pub(crate) const DONE_ON: &str = "done-on";

/// The rule of an entry, if it is a chore.
pub(crate) fn rule(entry: &Entry) -> Result<Option<Rule>, Rejection> {
    entry.fields.text(RULE).map(Rule::parse).transpose()
}

/// Whether an entry is a chore that was done and is due on a later day.
pub(crate) fn waits(entry: &Entry, today: Date) -> bool {
    entry.completed && entry.fields.text(RULE).is_some() && entry.date.is_some_and(|due| due > today)
}

/// Whether an entry is a chore that was done and is due again.
pub(crate) fn is_back(entry: &Entry, today: Date) -> bool {
    entry.completed && entry.fields.text(RULE).is_some() && entry.date.is_some_and(|due| due <= today)
}

/// Adds an entry. A chore without a date is due on the first day of its rule.
pub(crate) fn add(list: &impl List, cx: &Context, new: Draft) -> Decision {
    let mut entry = new.into_entry(list.next_id());
    let today = Local::of(list, cx).today;
    if let Some(rule) = rule(&entry)? {
        entry.date = entry.date.or(Some(rule.first(today)));
        let rotation = Rotation::of(list);
        rotation.begin(&mut entry);
        if entry.completed {
            finish(&mut entry, rule, &rotation, today);
        }
    }
    put(entry)
}

/// Changes an entry. A patch that completes or re-opens a chore also changes its date and its turn.
pub(crate) fn update(list: &impl List, cx: &Context, id: EntryId, patch: Patch) -> Decision {
    let before = get(list, id)?;
    let mut entry = before.clone();
    let (dates, completed) = (patch.date != DatePatch::Leave, patch.completed);
    let assigns = patch.fields.iter().any(|field| field.name == ASSIGNEE);
    patch.apply(&mut entry);
    let Some(rule) = rule(&entry)? else { return put(entry) };

    let today = Local::of(list, cx).today;
    let was_chore = before.fields.text(RULE).is_some();
    match completed {
        Some(true) => {
            if was_chore {
                early(&before, today)?;
            }
            entry.date = before.date.or(entry.date).or(Some(rule.first(today)));
            finish(&mut entry, rule, &Rotation::of(list), today);
        }
        Some(false) if was_chore && before.completed => {
            reopen(&mut entry, dates, today);
            if !assigns {
                Rotation::of(list).hand_back(&mut entry);
            }
        }
        _ => {
            if entry.date.is_none() || (!dates && before.fields.text(RULE) != entry.fields.text(RULE)) {
                entry.date = Some(if entry.completed { rule.next(today, today) } else { rule.first(today) });
            }
            entry.completed = entry.completed && !is_back(&entry, today);
        }
    }
    put(entry)
}

/// Completes a chore until it is due again. Then it is the next person's turn.
pub(crate) fn complete(list: &impl List, cx: &Context, id: EntryId) -> Decision {
    update(list, cx, id, Patch { completed: Some(true), ..Patch::default() })
}

/// Skips a chore: it is due on the next day of its rule, and the turn stays with the same person.
pub(crate) fn skip(list: &impl List, cx: &Context, id: EntryId) -> Decision {
    let mut entry = get(list, id)?;
    let Some(rule) = rule(&entry)? else {
        let message = format!("“{}” has no rule, so there is no next time. Complete or delete it.", entry.title);
        return Err(Rejection::new("no-rule", message).at("entry"));
    };
    let today = Local::of(list, cx).today;
    let due = entry.date.unwrap_or(today);
    // A chore that was done stays completed, unless it is due again by now.
    entry.completed = waits(&entry, today);
    entry.date = Some(rule.next(due, today));
    put(entry)
}

fn get(list: &impl List, id: EntryId) -> Result<Entry, Rejection> {
    list.get(id).ok_or_else(|| Rejection::unknown_entry(id))
}

/// Puts the changed entry, if it is valid.
fn put(entry: Entry) -> Decision {
    hotlist_todo::check(&entry)?;
    Ok(vec![Change::Put(entry)])
}

/// Refuses to do a chore that was done and is not due again yet.
fn early(before: &Entry, today: Date) -> Result<(), Rejection> {
    let Some(due) = before.date.filter(|_| waits(before, today)) else { return Ok(()) };
    let done = before.fields.date(DONE_ON).map_or_else(String::new, |done| format!(" on {done}"));
    let message = format!("“{}” was done{done} already. It can be done again from {due}.", before.title);
    Err(Rejection::new("too-early", message).at("completed"))
}

/// Marks a chore as done today. Its next date follows from its rule, and a date in the same patch is
/// ignored.
fn finish(entry: &mut Entry, rule: Rule, rotation: &Rotation, today: Date) {
    entry.completed = true;
    entry.date = Some(rule.next(entry.date.unwrap_or(today), today));
    entry.set_field(DONE_ON, Some(today.into()));
    rotation.hand_on(entry);
}

/// Re-opens a chore that was done. Its earlier date is not recorded, so it is due today.
fn reopen(entry: &mut Entry, dated: bool, today: Date) {
    if !dated || entry.date.is_none() {
        entry.date = Some(today);
    }
    entry.set_field(DONE_ON, None);
}

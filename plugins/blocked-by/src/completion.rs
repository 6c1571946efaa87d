//! The checks before an entry is completed or deleted.

use hotlist_plugin::{Change, Decision, Entry, EntryId, List, Rejection};

use crate::is_strict;
use crate::links::{cut, depends_on, short};

/// The most entries named in a message.
const MAX_NAMED: usize = 3;

/// Refuses to complete an entry while it depends on an open one, if the list is strict.
pub(crate) fn allow(list: &impl List, entry: &Entry) -> Result<(), Rejection> {
    if !is_strict(list) {
        return Ok(());
    }
    let on = depends_on(entry).iter().filter_map(|&id| list.get(id));
    let open: Vec<Entry> = on.filter(|other| !other.completed).collect();
    if open.is_empty() {
        return Ok(());
    }
    let message = format!("“{}” is blocked by {}. Complete what blocks it first.", short(&entry.title), names(&open));
    Err(Rejection::new("blocked", message).at("completed"))
}

/// Deletes an entry, and removes it from the links of others. A strict list refuses to delete an open entry
/// that open ones depend on.
pub(crate) fn delete(list: &impl List, id: EntryId) -> Decision {
    let entry = list.get(id).ok_or_else(|| Rejection::unknown_entry(id))?;
    let dependents: Vec<Entry> = list.all(0).filter(|other| depends_on(other).contains(&id)).collect();
    if is_strict(list) && !entry.completed {
        let waiting: Vec<Entry> = dependents.iter().filter(|other| !other.completed).cloned().collect();
        if !waiting.is_empty() {
            let (title, names) = (short(&entry.title), names(&waiting));
            let message = format!("“{title}” is needed by {names}. Complete it, or unlink what needs it, first.");
            return Err(Rejection::new("needed", message));
        }
    }
    let mut changes: Vec<Change> = Vec::new();
    for mut other in dependents {
        cut(&mut other, &[id]);
        changes.push(Change::Put(other));
    }
    changes.push(Change::Remove(id));
    Ok(changes)
}

/// Deletes all entries. None is left that depends on a deleted one, so that a strict list allows it, too. The host
/// clears a list with this command, because [`delete`] reads the whole list for each entry.
pub(crate) fn delete_all(list: &impl List) -> Vec<Change> {
    list.all(0).map(|entry| Change::Remove(entry.id)).collect()
}

/// Entries by number and title: `3 “Dig the hole”, 4 “Buy a tree” and 5 more`.
fn names(entries: &[Entry]) -> String {
    let named: Vec<String> =
        entries.iter().take(MAX_NAMED).map(|entry| format!("{} “{}”", entry.id, short(&entry.title))).collect();
    let named = named.join(", ");
    match entries.len().saturating_sub(MAX_NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

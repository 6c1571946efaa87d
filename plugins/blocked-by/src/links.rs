//! Links between entries, set by a command, a new entry or a patch.

use hotlist_plugin::{Change, Decision, Draft, Entry, EntryId, Fields, List, Patch, Rejection};

use crate::{completion, cycle};

/// The field with the entries that an entry depends on.
pub(crate) const DEPENDS_ON: &str = "depends-on";

/// The most dependencies of an entry, which is the most ids of a field.
const MAX_LINKS: usize = 1_000;

/// The dependencies of an entry. Some may have been deleted.
pub(crate) fn depends_on(entry: &Entry) -> &[EntryId] {
    entry.fields.entries(DEPENDS_ON)
}

/// Adds an entry with its dependencies.
pub(crate) fn add(list: &impl List, new: Draft) -> Decision {
    put(list, new.into_entry(list.next_id()), None)
}

/// Changes an entry. A patch of the field replaces all its dependencies.
pub(crate) fn update(list: &impl List, id: EntryId, patch: Patch) -> Decision {
    let before = list.get(id).ok_or_else(|| Rejection::unknown_entry(id))?;
    let mut entry = before.clone();
    patch.apply(&mut entry);
    put(list, entry, Some(&before))
}

/// Adds dependencies to an entry.
pub(crate) fn link(list: &impl List, id: EntryId, on: &[EntryId]) -> Decision {
    let before = list.get(id).ok_or_else(|| Rejection::unknown_entry(id))?;
    let mut entry = before.clone();
    set(&mut entry, [depends_on(&before), on].concat());
    put(list, entry, Some(&before))
}

/// Removes dependencies from an entry.
pub(crate) fn unlink(list: &impl List, id: EntryId, from: &[EntryId]) -> Decision {
    let mut entry = list.get(id).ok_or_else(|| Rejection::unknown_entry(id))?;
    cut(&mut entry, from);
    Ok(vec![Change::Put(entry)])
}

/// An entry without some of its dependencies.
pub(crate) fn cut(entry: &mut Entry, from: &[EntryId]) {
    let left = depends_on(entry).iter().filter(|id| !from.contains(id)).copied().collect();
    set(entry, left);
}

/// Sets the dependencies of an entry, or removes the field if there are none.
fn set(entry: &mut Entry, on: Vec<EntryId>) {
    entry.set_field(DEPENDS_ON, if on.is_empty() { None } else { Some(on.into()) });
}

/// Puts the changed entry, if its links are valid and its completion is allowed.
fn put(list: &impl List, mut entry: Entry, before: Option<&Entry>) -> Decision {
    hotlist_todo::check(&entry)?;
    if depends_on(&entry) != before.map_or(&[][..], depends_on) {
        let links = check(list, &entry, before)?;
        set(&mut entry, links);
    }
    if entry.completed && before.is_none_or(|before| !before.completed) {
        completion::allow(list, &entry)?;
    }
    Ok(vec![Change::Put(entry)])
}

/// The links of an entry without duplicates, if they are allowed. Earlier links to deleted entries are
/// dropped.
fn check(list: &impl List, entry: &Entry, before: Option<&Entry>) -> Result<Vec<EntryId>, Rejection> {
    let known = before.map_or(&[][..], depends_on);
    let refuse = |code, message: String| Err(Rejection::new(code, message).at(DEPENDS_ON));
    let (mut links, mut new) = (Vec::new(), Vec::new());
    for &id in depends_on(entry) {
        if id == entry.id {
            return refuse("link-self", format!("“{}” cannot depend on itself. Leave it out.", short(&entry.title)));
        }
        if links.contains(&id) {
            continue;
        }
        match (list.get(id).is_some(), known.contains(&id)) {
            (true, false) => new.push(id),
            (true, true) => {}
            (false, true) => continue,
            (false, false) => {
                return refuse(
                    "link-absent",
                    format!("There is no entry {id} in this list to depend on. Leave it out."),
                );
            }
        }
        links.push(id);
    }
    if links.len() > MAX_LINKS {
        return refuse("links-many", format!("An entry can depend on {MAX_LINKS} others at most. Unlink some first."));
    }
    // No entry can depend on one that is being added.
    match before.and_then(|_| cycle::find(list, entry.id, &new)) {
        Some(way) => Err(cycle::refuse(list, entry, &way)),
        None => Ok(links),
    }
}

/// The index of an id among ascending ones. The distance of ids bounds the distance of indexes, so with few
/// gaps there is little to search.
pub(crate) fn position(ids: &[EntryId], id: EntryId) -> Option<usize> {
    let distance = |larger: EntryId, smaller| Some(usize::try_from(larger.checked_sub(smaller)?).unwrap_or(usize::MAX));
    let end = ids.len().checked_sub(1)?;
    let to = distance(id, ids[0])?.min(end);
    let from = end.saturating_sub(distance(ids[end], id)?);
    ids[from..=to].binary_search(&id).ok().map(|at| from + at)
}

/// The most characters of a title shown in a message.
const MAX_SHOWN_CHARS: usize = 40;

/// A title shortened for a message.
pub(crate) fn short(title: &str) -> String {
    match title.char_indices().nth(MAX_SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &title[..end]),
        None => title.into(),
    }
}

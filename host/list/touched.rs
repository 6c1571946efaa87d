//! The entries that the changes of a command touched.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::change::Change;
use super::entry::Entry;
use super::id::EntryId;

/// The entries that changes added, changed or removed.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Touched {
    /// The entries that were put and not removed, in the order of their first change and in their last state.
    pub put: Vec<Arc<Entry>>,
    /// The ids of entries that were put and whose content is no longer known. Only a repetition has such entries.
    pub unknown: Vec<EntryId>,
    /// The ids of the entries that were removed.
    pub removed: Vec<EntryId>,
}

impl Touched {
    /// Returns the entries that changes touched.
    pub fn by(changes: &[Change]) -> Self {
        let mut put: Vec<Arc<Entry>> = Vec::new();
        let mut removed = Vec::new();
        // The index in `put` by id. A search would make thousands of changes quadratic.
        let mut indexes = HashMap::new();
        for change in changes {
            match change {
                Change::Put(entry) | Change::Restore(entry) => {
                    let at = *indexes.entry(entry.id).or_insert(put.len());
                    if at == put.len() { put.push(entry.clone()) } else { put[at] = entry.clone() }
                }
                Change::Remove(id) => removed.push(*id),
                Change::Set(_) | Change::Unset(_) | Change::BindLogic(_) | Change::Pin(_) | Change::DeleteList => {}
            }
        }
        let removed_ids: HashSet<_> = removed.iter().collect();
        put.retain(|entry| !removed_ids.contains(&entry.id));
        Self { put, unknown: Vec::new(), removed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_changes_more_than_once_is_shown_in_its_last_state() {
        let put = |id, title: &str| {
            let (title, fields) = (title.to_owned(), Vec::new());
            Change::put(Entry { id, title, date: None, completed: false, order: None, fields })
        };
        let changes = [put(2, "b"), put(1, "a"), put(3, "c"), put(2, "bb"), Change::Remove(3), Change::Remove(9)];
        let Touched { put, unknown, removed } = Touched::by(&changes);
        let put: Vec<_> = put.iter().map(|entry| (entry.id, entry.title.as_str())).collect();
        assert_eq!((put, unknown, removed), (vec![(2, "bb"), (1, "a")], vec![], vec![3, 9]));
    }
}

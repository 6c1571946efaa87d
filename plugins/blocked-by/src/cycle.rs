//! Detection of cycles among dependencies.

use hotlist_plugin::{Entry, EntryId, List, Rejection};

use crate::links::{DEPENDS_ON, depends_on, position, short};

/// The most entries of a cycle shown in a message.
const MAX_SHOWN: usize = 6;

/// Finds the shortest path from an entry's new dependencies back to it: the entries on the path, in order.
///
/// The list is read once, which for a long chain costs less than reading each entry by itself. The search is
/// breadth-first and follows each link once. Its queue is on the heap and not on the stack, so that the
/// longest possible chain costs no more than any other list of that length.
pub(crate) fn find(list: &impl List, entry: EntryId, on: &[EntryId]) -> Option<Vec<EntryId>> {
    if on.is_empty() {
        return None;
    }
    let links = Links::read(list);
    let mut seen = vec![false; links.ids.len()];
    // Queue of the search: the index of each entry found, and the step that led to it. Steps stay in it.
    let mut steps: Vec<(usize, Option<usize>)> = Vec::new();
    let (mut on, mut step) = (on, None);
    for taken in 0.. {
        for &further in on {
            if further == entry {
                return Some(links.way(&steps, step));
            }
            if let Some(at) = links.place(further)
                && !seen[at]
            {
                seen[at] = true;
                steps.push((at, step));
            }
        }
        on = links.of(steps.get(taken)?.0);
        step = Some(taken);
    }
    None
}

/// All links of a list, in three allocations.
struct Links {
    /// The entries that depend on others, ids ascending.
    ids: Vec<EntryId>,
    /// The end of each entry's links in `on`.
    ends: Vec<usize>,
    on: Vec<EntryId>,
}

impl Links {
    fn read(list: &impl List) -> Self {
        let mut links = Self { ids: Vec::new(), ends: Vec::new(), on: Vec::new() };
        for entry in list.all(0) {
            let on = depends_on(&entry);
            if !on.is_empty() {
                links.ids.push(entry.id);
                links.on.extend_from_slice(on);
                links.ends.push(links.on.len());
            }
        }
        links
    }

    /// The index of an entry, if it depends on any.
    fn place(&self, id: EntryId) -> Option<usize> {
        position(&self.ids, id)
    }

    /// The dependencies of the entry at an index.
    fn of(&self, at: usize) -> &[EntryId] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.on[start..self.ends[at]]
    }

    /// The entries on the path to a step.
    fn way(&self, steps: &[(usize, Option<usize>)], last: Option<usize>) -> Vec<EntryId> {
        let back = std::iter::successors(last, |step| steps[*step].1);
        let mut way: Vec<EntryId> = back.map(|step| self.ids[steps[step].0]).collect();
        way.reverse();
        way
    }
}

/// A rejection that shows the cycle by its titles.
pub(crate) fn refuse(list: &impl List, entry: &Entry, way: &[EntryId]) -> Rejection {
    let start = format!("“{}”", short(&entry.title));
    let mut circle = start.clone();
    for (at, &id) in way.iter().enumerate() {
        // A long cycle is shown by its first entries and its last.
        if way.len() > MAX_SHOWN && (MAX_SHOWN - 1..way.len() - 1).contains(&at) {
            if at == MAX_SHOWN - 1 {
                circle += &format!(" → {} more", way.len() - MAX_SHOWN);
            }
            continue;
        }
        let title = list.get(id).map_or_else(String::new, |entry| short(&entry.title));
        circle += &format!(" → “{title}”");
    }
    let message = format!("These would wait for each other: {circle} → {start}. Leave one of the links out.");
    Rejection::new("cycle", message).at(DEPENDS_ON)
}

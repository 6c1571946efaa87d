//! Builders for pages, the answers to queries.

use std::collections::BinaryHeap;

use crate::{Entry, EntryId, Field, Group, List, Page, Query, Rejection, Row, Value};

impl From<EntryId> for Row {
    fn from(id: EntryId) -> Self {
        Self { id, computed: Vec::new() }
    }
}

impl Row {
    /// Adds a computed value to the row.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.computed.push(Field { name: name.into(), value: value.into() });
        self
    }
}

impl Group {
    /// A group without rows.
    pub fn new(name: impl Into<String>, title: impl Into<String>) -> Self {
        Self { name: name.into(), title: title.into(), computed: Vec::new(), rows: Vec::new() }
    }

    /// Adds a computed value to the group.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.computed.push(Field { name: name.into(), value: value.into() });
        self
    }
}

impl Page {
    /// A page of one group.
    pub fn of(group: Group, more: bool) -> Self {
        Self { groups: vec![group], more }
    }

    /// Cuts the requested page out of a whole view: the rows after `query.after`, at most `query.limit`.
    /// Groups without rows are kept. If the entry `after` is not in the view, it answers a rejection.
    ///
    /// Each page costs as much as the whole view, so this suits lists of a size that people read.
    pub fn cut(groups: Vec<Group>, query: &Query) -> Result<Self, Rejection> {
        let mut behind = query.after.is_none();
        let mut room = query.limit as usize;
        let mut page = Self { groups, more: false };
        for group in &mut page.groups {
            group.rows.retain(|row| {
                let kept = behind && room > 0;
                page.more |= behind && room == 0;
                room -= usize::from(kept);
                behind |= query.after == Some(row.id);
                kept
            });
        }
        match query.after {
            Some(after) if !behind => Err(Rejection::after_gone(after)),
            _ => Ok(page),
        }
    }
}

/// Whether an entry matches a query's date and completion.
pub fn matches(entry: &Entry, query: &Query) -> bool {
    query.date.is_none_or(|day| entry.date == Some(day)) && query.completed.is_none_or(|done| entry.completed == done)
}

/// The plain page of a query, whichever view it names: ids ascending, filtered by date and completion, in
/// one unnamed group.
pub fn plain_page(list: &impl List, query: &Query) -> Page {
    let after = query.after.unwrap_or(0);
    match query.date {
        Some(day) => cut(list.on_date(day).into_iter().filter(|entry| entry.id > after), query),
        None => cut(list.all(after), query),
    }
}

/// Takes a query's rows from entries that are in order and start after `after`.
fn cut(entries: impl Iterator<Item = Entry>, query: &Query) -> Page {
    let mut group = Group::new("", "");
    for entry in entries.filter(|entry| matches(entry, query)) {
        if group.rows.len() == query.limit as usize {
            return Page::of(group, true);
        }
        group.rows.push(entry.id.into());
    }
    Page::of(group, false)
}

/// The `count` smallest items, ascending: the rows of one page. It holds no more than `count` items, and
/// costs much less than sorting all of them.
///
/// ```
/// # use hotlist_plugin::least;
/// assert_eq!(least([5, 1, 4, 2, 3], 3), [1, 2, 3]);
/// assert_eq!(least([2, 1], 3), [1, 2]);
/// ```
pub fn least<T: Ord>(items: impl IntoIterator<Item = T>, count: usize) -> Vec<T> {
    // A heap is little code. Code size matters, because a component contains all that it calls.
    let mut kept = BinaryHeap::new();
    for item in items {
        if kept.len() < count {
            kept.push(item);
        } else if let Some(mut last) = kept.peek_mut()
            && item < *last
        {
            *last = item;
        }
    }
    kept.into_sorted_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_through_the_groups() {
        let group = |name: &str, ids: &[EntryId]| Group {
            rows: ids.iter().map(|&id| id.into()).collect(),
            ..Group::new(name, name)
        };
        let page = |after, limit| {
            let query = Query { view: None, date: None, completed: None, after, limit };
            let page = Page::cut(vec![group("a", &[5, 2]), group("b", &[]), group("c", &[9])], &query);
            let ids = |group: &Group| group.rows.iter().map(|row| row.id).collect::<Vec<_>>();
            page.map(|page| (page.groups.iter().map(ids).collect::<Vec<_>>(), page.more))
        };
        assert_eq!(page(None, 9), Ok((vec![vec![5, 2], vec![], vec![9]], false)));
        assert_eq!(page(None, 2), Ok((vec![vec![5, 2], vec![], vec![]], true)));
        assert_eq!(page(Some(5), 1), Ok((vec![vec![2], vec![], vec![]], true)));
        assert_eq!(page(Some(2), 1), Ok((vec![vec![], vec![], vec![9]], false)));
        assert_eq!(page(Some(9), 1), Ok((vec![vec![], vec![], vec![]], false)));
        assert_eq!(page(Some(7), 1), Err(Rejection::after_gone(7)));
    }
}

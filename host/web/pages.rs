//! Links from one page of entries to the next.

use crate::cache::View;
use crate::list::command::Query;

/// The query string of the page after this one, if there are more entries.
pub(super) fn next_page(view: &View, query: &Query) -> Option<String> {
    let last = view.page.groups.iter().rev().find_map(|group| group.rows.last())?;
    let mut next = format!("after={}&limit={}", last.id, query.limit);
    if let Some(date) = query.date {
        next.push_str(&format!("&date={date}"));
    }
    if let Some(completed) = query.completed {
        next.push_str(&format!("&completed={completed}"));
    }
    if let Some(view) = &query.view {
        next.push_str(&format!("&view={view}"));
    }
    view.page.more.then_some(next)
}

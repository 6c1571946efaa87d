//! Links from one page of entries to the next.

use crate::cache::View;
use crate::list::command::Query;

/// The query string of the page after this one, if there are more entries.
pub(super) fn next_page(view: &View, query: &Query) -> Option<String> {
    if !view.page.more {
        return None;
    }
    let last = view.page.groups.iter().rev().find_map(|group| group.rows.last())?;
    let mut next = form_urlencoded::Serializer::new(String::new());
    next.append_pair("after", &last.id.to_string()).append_pair("limit", &query.limit.to_string());
    if let Some(date) = query.date {
        next.append_pair("date", &date.to_string());
    }
    if let Some(completed) = query.completed {
        next.append_pair("completed", &completed.to_string());
    }
    if let Some(view) = &query.view {
        next.append_pair("view", view);
    }
    Some(next.finish())
}

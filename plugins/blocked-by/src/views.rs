//! The views: entries that can be started, and blocked ones.

use hotlist_plugin::{EntryId, Group, List, Page, Query, Rejection, Row, matches, plain_page};

use crate::links::{depends_on, position};

/// Answers a query for any of the views, or for the plain list.
pub(crate) fn page(list: &impl List, query: &Query) -> Result<Page, Rejection> {
    match query.view.as_deref() {
        None => Ok(plain_page(list, query)),
        Some("ready") => Ok(open(list, query, Group::new("ready", "Ready"), false)),
        Some("blocked") => Ok(open(list, query, Group::new("blocked", "Blocked"), true)),
        Some(other) => Err(Rejection::unknown_view(other)),
    }
}

/// The open entries that are blocked or not, ids ascending.
fn open(list: &impl List, query: &Query, mut group: Group, blocked: bool) -> Page {
    // One read collects the open ids in order. Dependencies are checked after that.
    let mut open: Vec<EntryId> = Vec::new();
    let mut asked: Vec<(EntryId, Vec<EntryId>)> = Vec::new();
    for entry in list.all(0).filter(|entry| !entry.completed) {
        open.push(entry.id);
        if matches(&entry, query) && entry.id > query.after.unwrap_or(0) {
            asked.push((entry.id, depends_on(&entry).to_vec()));
        }
    }
    for (id, mut blockers) in asked {
        blockers.retain(|blocker| position(&open, *blocker).is_some());
        if blockers.is_empty() == blocked {
            continue;
        }
        if group.rows.len() == query.limit as usize {
            return Page::of(group, true);
        }
        group.rows.push(if blocked { Row::from(id).with("blocked-by", blockers) } else { id.into() });
    }
    Page::of(group, false)
}

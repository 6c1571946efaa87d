//! The views: by date, open, done.

use hotlist_plugin::{Date, Entry, EntryId, Group, List, Page, Query, Rejection, least, matches, plain_page};

/// Answers a query for any of the views, or for the plain list.
pub fn entries(list: &impl List, query: &Query) -> Result<Page, Rejection> {
    match query.view.as_deref() {
        None => Ok(plain_page(list, query)),
        Some("by-date") => by_date(list, query),
        Some("open") => Ok(by_completion(list, query, false, "Open")),
        Some("done") => Ok(by_completion(list, query, true, "Done")),
        Some(other) => Err(Rejection::unknown_view(other)),
    }
}

/// The entries with the given completion, in one group.
fn by_completion(list: &impl List, query: &Query, completed: bool, title: &str) -> Page {
    let name = if completed { "done" } else { "open" };
    if query.completed == Some(!completed) {
        return Page::of(Group::new(name, title), false);
    }
    let mut page = plain_page(list, &Query { completed: Some(completed), ..query.clone() });
    for group in &mut page.groups {
        group.name = name.into();
        group.title = title.into();
    }
    page
}

/// Sort key of the view by date: earlier days first, entries without a date last.
type Place = (bool, Option<Date>, EntryId);

fn place(entry: &Entry) -> Place {
    (entry.date.is_none(), entry.date, entry.id)
}

/// A group for each day that has entries, and one for those without a date.
fn by_date(list: &impl List, query: &Query) -> Result<Page, Rejection> {
    let after = query.after.map(|id| list.get(id).ok_or_else(|| Rejection::after_gone(id))).transpose()?;
    let after = after.as_ref().map(place);
    let wanted = |entry: &Entry| matches(entry, query) && after.is_none_or(|after| place(entry) > after);

    let entries: &mut dyn Iterator<Item = Entry> = match query.date {
        Some(day) => &mut list.on_date(day).into_iter(),
        None => &mut list.all(0),
    };
    // One row more than the page has, to know whether more follow.
    let limit = query.limit as usize;
    let places = least(entries.filter(wanted).map(|entry| place(&entry)), limit + 1);
    let more = places.len() > limit;
    let page = &places[..places.len().min(limit)];
    let groups = page.chunk_by(|a, b| a.1 == b.1).map(group).collect();
    Ok(Page { groups, more })
}

/// The group of entries with the same date.
fn group(places: &[Place]) -> Group {
    let mut group = match places[0].1 {
        Some(date) => Group::new(date.to_string(), date.to_string()),
        None => Group::new("undated", "No date"),
    };
    group.rows = places.iter().map(|&(_, _, id)| id.into()).collect();
    group
}

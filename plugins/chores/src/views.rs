//! The views: overdue, today, upcoming.

use std::cmp::Ordering;

use hotlist_plugin::{
    Context, Date, Entry, EntryId, Fields, Group, List, Page, Query, Rejection, Row, least, matches, plain_page,
};

use crate::chore::RULE;
use crate::zone::Local;

/// Sort key of the views: earlier days first.
type Place = (Date, EntryId);

/// Answers a query for any of the views, or for the plain list.
pub(crate) fn page(list: &impl List, cx: &Context, query: &Query) -> Result<Page, Rejection> {
    let (when, title) = match query.view.as_deref() {
        None => return Ok(plain_page(list, query)),
        Some("overdue") => (Ordering::Less, "Overdue"),
        Some("today") => (Ordering::Equal, "Today"),
        Some("upcoming") => (Ordering::Greater, "Upcoming"),
        Some(other) => return Err(Rejection::unknown_view(other)),
    };
    let today = Local::of(list, cx).today;
    let stands = |id| list.get(id).as_ref().and_then(place).ok_or_else(|| Rejection::after_gone(id));
    let after = query.after.map(stands).transpose()?;
    let wanted = |entry: Entry| {
        let place = place(&entry).filter(|(due, _)| due.cmp(&today) == when)?;
        (matches(&entry, query) && after.is_none_or(|after| place > after)).then_some(place)
    };
    let entries: &mut dyn Iterator<Item = Entry> = match when {
        Ordering::Equal => &mut list.on_date(today).into_iter(),
        _ => &mut list.all(0),
    };
    // One row more than the page has, to know whether more follow.
    let limit = query.limit as usize;
    let places = least(entries.filter_map(wanted), limit + 1);

    let mut group = Group::new(title.to_ascii_lowercase(), title);
    group.rows = places.iter().take(limit).map(|&place| row(place, today)).collect();
    Ok(Page::of(group, places.len() > limit))
}

/// The place of an entry in the views: any chore, and any other entry until it is completed. Entries without
/// a date are in no view.
fn place(entry: &Entry) -> Option<Place> {
    let to_be_done = !entry.completed || entry.fields.text(RULE).is_some();
    entry.date.filter(|_| to_be_done).map(|due| (due, entry.id))
}

/// An entry's row, with the number of days that it is overdue, if any.
fn row((due, id): Place, today: Date) -> Row {
    let late = today.days() - due.days();
    if late > 0 { Row::from(id).with("days-late", late as f64) } else { id.into() }
}

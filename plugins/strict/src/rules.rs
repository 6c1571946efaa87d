//! The two rules.

use hotlist_plugin::{Entry, List, Rejection};

/// The most open entries.
pub const OPEN_LIMIT: u64 = 5;

/// Refuses an open entry over the limit, whether new or re-opened. A list with more, from a time under other
/// rules, can still be changed.
pub(crate) fn few_open(list: &impl List, new: &Entry, before: Option<&Entry>) -> Result<(), Rejection> {
    let opens = !new.completed && before.is_none_or(|before| before.completed);
    let open = if opens { list.count_open() } else { return Ok(()) };
    if open < OPEN_LIMIT {
        return Ok(());
    }
    let message = format!("There are {open} open entries already; finish one first (limit {OPEN_LIMIT}).");
    Err(Rejection::new("too-many-open", message))
}

/// Refuses a title that another entry of the same day has. Entries without a date count as one day.
pub(crate) fn not_twice(list: &impl List, new: &Entry, before: Option<&Entry>) -> Result<(), Rejection> {
    let title = key(&new.title);
    if before.is_some_and(|before| before.date == new.date && key(&before.title) == title) {
        return Ok(()); // The title is unchanged, so a change of something else is not refused.
    }
    let same = |entry: &Entry| entry.id != new.id && entry.date == new.date && key(&entry.title) == title;
    let twin = match new.date {
        Some(day) => list.on_date(day).into_iter().find(same),
        None => list.all(0).find(same),
    };
    let Some(twin) = twin else { return Ok(()) };
    let place = new.date.map_or_else(|| "without a date".into(), |day| format!("on {day}"));
    let message = format!("There is an entry \"{}\" {place} already (number {}).", twin.title.trim(), twin.id);
    Err(Rejection::new("title-twice", message).at("title"))
}

/// The part of a title that counts in comparisons.
fn key(title: &str) -> String {
    title.trim().to_lowercase()
}

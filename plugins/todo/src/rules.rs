//! The check of an entry, and the command that clears completed ones.

use hotlist_plugin::{Change, Entry, List, Rejection};

/// Refuses an entry without a title, or with a date that does not exist.
pub fn check(entry: &Entry) -> Result<(), Rejection> {
    if entry.title.trim().is_empty() {
        return Err(Rejection::new("title-empty", "Give the entry a title.").at("title"));
    }
    match entry.date {
        Some(date) if !date.is_real() => {
            let message = format!("The calendar has no {date}. Choose another date.");
            Err(Rejection::new("date-impossible", message).at("date"))
        }
        _ => Ok(()),
    }
}

/// The changes that remove all completed entries.
pub fn clear_completed(list: &impl List) -> Vec<Change> {
    if list.count() == list.count_open() {
        return Vec::new(); // Nothing is completed, so a long list need not be read.
    }
    list.all(0).filter(|entry| entry.completed).map(|entry| Change::Remove(entry.id)).collect()
}

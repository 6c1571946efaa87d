//! Wake-ups: their time, and what the list does then.

use hotlist_plugin::{Change, Context, Date, Entry, List};

use crate::chore::{is_back, waits};
use crate::zone::Local;

/// The days ahead that are searched for a chore that is due again. The host calls `next` after every
/// change, so it must not read the whole list. The index of dates answers for one day at a time. Chores
/// further ahead are found when the list wakes after these days.
const DAYS_AHEAD: i64 = 31;

/// The time at which the next chore is due again: the start of its day in local time.
///
/// The offset of the server's zone may change before that. If the list then wakes too early, nothing is
/// due yet, and the host calls this function again with the new offset.
pub(crate) fn next(list: &impl List, cx: &Context) -> Option<u64> {
    if list.count() == list.count_open() {
        return None; // No completed chore.
    }
    let Local { today, offset } = Local::of(list, cx);
    let comes_back = |day: &Date| list.on_date(*day).iter().any(|entry| waits(entry, today) || is_back(entry, today));
    let mut ahead = (0..=DAYS_AHEAD).map(|days| today.plus_days(days));
    let day = ahead.find(comes_back).unwrap_or(today.plus_days(DAYS_AHEAD));
    Some(day.begins(offset))
}

/// Re-opens the chores that are due by today. It reads the whole list, once a day: the server may have
/// been down for any time, so no range of days is sure to contain all of them.
pub(crate) fn reopen(list: &impl List, today: Date) -> Vec<Change> {
    let back = list.all(0).filter(|entry| is_back(entry, today));
    back.map(|entry| Change::Put(Entry { completed: false, ..entry })).collect()
}

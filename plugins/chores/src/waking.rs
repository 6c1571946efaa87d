//! When the list wakes, and what it does then.

use hotlist_plugin::{Change, Context, Date, Entry, List};

use crate::chore::{is_back, waits};
use crate::zone::Local;

/// How many days ahead are looked at for a chore that comes back. The host asks after every change,
/// so this is no time to read the list: its index of dates answers for one day at a time, and what
/// lies further ahead is looked for when the list wakes after so many days.
const DAYS_AHEAD: i64 = 31;

/// The moment at which the first chore that waits is due again: the start of its day, local time.
///
/// The offset of the server's zone may change before that. If the list then wakes too early,
/// nothing is due yet, and the host asks again, with the new offset.
pub(crate) fn next(list: &impl List, cx: &Context) -> Option<u64> {
    if list.count() == list.count_open() {
        return None; // No chore waits.
    }
    let Local { today, offset } = Local::of(list, cx);
    let comes_back = |day: &Date| list.on_date(*day).iter().any(|entry| waits(entry, today) || is_back(entry, today));
    let mut ahead = (0..=DAYS_AHEAD).map(|days| today.plus_days(days));
    let day = ahead.find(comes_back).unwrap_or(today.plus_days(DAYS_AHEAD));
    Some(day.begins(offset))
}

/// Opens the chores again that are due by today. It reads the whole list, once on a day: nobody
/// knows for how long the server was down, and so how far back to look.
pub(crate) fn reopen(list: &impl List, today: Date) -> Vec<Change> {
    let back = list.all(0).filter(|entry| is_back(entry, today));
    back.map(|entry| Change::Put(Entry { completed: false, ..entry })).collect()
}

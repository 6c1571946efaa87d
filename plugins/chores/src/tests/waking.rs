//! Tests of wake-ups, and of what it costs to compute them.

use std::cell::Cell;

use hotlist_plugin::testing::TestList;
use hotlist_plugin::{Date, Draft, Entry, EntryId, Field, List, Logic, Value};

use super::{HOUR, at, chore, day, due, noon, show, waiting, wake};
use crate::Chores;

#[test]
fn a_list_that_wakes_too_early_sleeps_on() {
    // Computed in summer time and woken in winter time, so the list wakes an hour before the day starts.
    let mut list = TestList::of::<Chores>().with(waiting(day(26), "Bins", "weekly"));
    let summer = at(day(23).begins(0) + 12 * HOUR, 2);
    let moment = Chores::next_wake_up(&list, &summer).expect("it waits");
    assert_eq!(moment, day(26).begins(120));
    let winter = at(moment, 1);
    assert_eq!(Chores::wake(&list, &winter), Ok(vec![]));
    let again = Chores::next_wake_up(&list, &winter).expect("it waits");
    assert_eq!(again, moment + HOUR);
    wake(&mut list, &at(again, 1));
    assert_eq!(show(&list, 1), "open, due 2026-11-26");
}

#[test]
fn a_list_that_slept_too_long_opens_all_that_is_due() {
    let mut list = TestList::of::<Chores>()
        .with(waiting(day(3), "a", "daily"))
        .with(waiting(day(23), "b", "daily"))
        .with(waiting(day(24), "c", "daily"))
        .with(Draft { completed: true, ..due(day(3), Draft::new("done once")) });
    wake(&mut list, &noon(23));
    let open: Vec<_> = list.all(0).filter(|entry| !entry.completed).map(|entry| entry.id).collect();
    assert_eq!(open, [1, 2]);
}

#[test]
fn a_chore_due_today_that_waits_wakes_the_list_at_once() {
    let list = TestList::of::<Chores>().with(waiting(day(23), "a", "daily"));
    assert_eq!(Chores::next_wake_up(&list, &noon(23)), Some(day(23).begins(0)));
}

#[test]
fn a_chore_far_ahead_is_looked_for_again_every_month() {
    let mut list = TestList::of::<Chores>().with(waiting(Date::new(2027, 5, 23), "Boiler", "every 6 months"));
    let (mut cx, mut times) = (noon(23), 0);
    while list.get(1).expect("it is there").completed {
        let moment = Chores::next_wake_up(&list, &cx).expect("it waits");
        assert!(moment > cx.now);
        cx = at(moment, 0);
        wake(&mut list, &cx);
        times += 1;
    }
    assert_eq!((cx.today, times), (Date::new(2027, 5, 23), 6));
}

#[test]
fn nothing_that_waits_needs_no_waking() {
    let once = Draft { completed: true, ..due(day(25), Draft::new("done once")) };
    let list = TestList::of::<Chores>().with(due(day(10), chore("a", "daily"))).with(Draft::new("b"));
    assert_eq!(Chores::next_wake_up(&list.clone().with(once), &noon(23)), Some(day(23).plus_days(31).begins(0)));
    assert_eq!(Chores::next_wake_up(&list, &noon(23)), None);
    assert_eq!(Chores::next_wake_up(&TestList::of::<Chores>(), &noon(23)), None);
}

/// A list that counts reads.
struct Counting(TestList, Cell<usize>);

impl List for Counting {
    fn get(&self, id: EntryId) -> Option<Entry> {
        self.0.get(id)
    }

    fn on_date(&self, day: Date) -> Vec<Entry> {
        let entries = self.0.on_date(day);
        self.1.set(self.1.get() + 1 + entries.len());
        entries
    }

    fn scan(&self, after: EntryId, limit: u32) -> Vec<Entry> {
        let entries = self.0.scan(after, limit);
        self.1.set(self.1.get() + 1 + entries.len());
        entries
    }

    fn count(&self) -> u64 {
        self.0.count()
    }

    fn count_open(&self) -> u64 {
        self.0.count_open()
    }

    fn next_id(&self) -> EntryId {
        self.0.next_id()
    }

    fn settings(&self) -> Vec<Field> {
        self.0.settings()
    }

    fn setting(&self, name: &str) -> Option<Value> {
        self.0.setting(name)
    }
}

#[test]
fn asking_when_to_wake_costs_the_same_for_a_list_of_any_length() {
    let years = (0..3_000)
        .fold(TestList::of::<Chores>(), |list, n| list.with(due(day(1).plus_days(-n), chore("late", "daily"))));
    let near = Counting(years.clone().with(waiting(day(25), "a", "daily")), Cell::new(0));
    assert_eq!(Chores::next_wake_up(&near, &noon(23)), Some(day(25).begins(0)));
    assert!(near.1.get() <= 5, "{:?}", near.1);
    let far = Counting(years.with(waiting(Date::new(2027, 5, 23), "a", "daily")), Cell::new(0));
    assert_eq!(Chores::next_wake_up(&far, &noon(23)), Some(Date::new(2026, 12, 24).begins(0)));
    assert!(far.1.get() <= 32, "{:?}", far.1);
}

//! Tests of the two rules on a list.

use hotlist_plugin::testing::{TestList, context};
use hotlist_plugin::{Change, Date, DatePatch, Draft, Entry, List, Logic, Patch};

use crate::Strict;

fn day(day: u8) -> Date {
    Date { year: 2026, month: 11, day }
}

fn on(title: &str, date: Date) -> Draft {
    Draft { date: Some(date), ..Draft::new(title) }
}

fn done(title: &str) -> Draft {
    Draft { completed: true, ..Draft::new(title) }
}

fn add(list: &TestList, new: Draft) -> Result<Vec<Change>, String> {
    Strict::add_entry(list, &context(), new).map_err(|rejection| rejection.message)
}

fn update(list: &TestList, id: u64, patch: Patch) -> Result<Vec<Change>, String> {
    Strict::update_entry(list, &context(), id, patch).map_err(|rejection| rejection.message)
}

fn open(count: u8) -> TestList {
    (0..count).fold(TestList::of::<Strict>(), |list, n| list.with(Draft::new(format!("entry {n}"))))
}

#[test]
fn five_entries_may_be_open_and_no_more() {
    assert!(add(&open(4), Draft::new("a")).is_ok());
    let message = "There are 5 open entries already; finish one first (limit 5).";
    assert_eq!(add(&open(5), Draft::new("a")), Err(message.into()));
    assert!(add(&open(5), done("a")).is_ok());
}

#[test]
fn a_completed_entry_may_not_be_reopened_beside_five() {
    let list = open(5).with(done("a"));
    let reopen = Patch { completed: Some(false), ..Patch::default() };
    let message = "There are 5 open entries already; finish one first (limit 5).";
    assert_eq!(update(&list, 6, reopen.clone()), Err(message.into()));
    assert!(update(&open(4).with(done("a")), 5, reopen).is_ok());
}

#[test]
fn a_list_that_has_too_many_open_entries_already_may_be_worked_on() {
    let rename = Patch { title: Some("b".into()), ..Patch::default() };
    assert!(update(&open(7), 1, rename).is_ok());
    let finish = Patch { completed: Some(true), ..Patch::default() };
    assert!(update(&open(7), 1, finish).is_ok());
}

#[test]
fn a_title_is_there_once_on_a_day() {
    let list = TestList::of::<Strict>().with(on("Buy milk", day(23)));
    let message = "There is an entry \"Buy milk\" on 2026-11-23 already (number 1).";
    for twin in ["Buy milk", "buy MILK", "  Buy milk "] {
        assert_eq!(add(&list, on(twin, day(23))), Err(message.into()), "{twin:?}");
    }
    assert!(add(&list, on("Buy milk", day(24))).is_ok());
    assert!(add(&list, Draft::new("Buy milk")).is_ok());
}

#[test]
fn entries_without_a_date_count_as_one_day() {
    let list = TestList::of::<Strict>().with(Draft::new("Über"));
    let message = "There is an entry \"Über\" without a date already (number 1).";
    assert_eq!(add(&list, Draft::new("ÜBER")), Err(message.into()));
}

#[test]
fn an_update_may_not_make_a_twin() {
    let list = TestList::of::<Strict>().with(on("a", day(23))).with(on("a", day(24))).with(on("b", day(23)));
    let message = "There is an entry \"a\" on 2026-11-23 already (number 1).";
    let moved = Patch { date: DatePatch::Set(day(23)), ..Patch::default() };
    assert_eq!(update(&list, 2, moved), Err(message.into()));
    let renamed = Patch { title: Some("A".into()), ..Patch::default() };
    assert_eq!(update(&list, 3, renamed), Err(message.into()));
}

#[test]
fn an_entry_is_no_twin_of_itself() {
    let list = TestList::of::<Strict>().with(on("a", day(23)));
    let patch = Patch { title: Some("A".into()), ..Patch::default() };
    let entry = Entry { title: "A".into(), ..list.get(1).expect("it is there") };
    assert_eq!(update(&list, 1, patch), Ok(vec![Change::Put(entry)]));
}

#[test]
fn twins_from_before_these_rules_may_be_completed() {
    let list = TestList::of::<Strict>().with(Draft::new("a")).with(Draft::new("a"));
    assert!(update(&list, 2, Patch { completed: Some(true), ..Patch::default() }).is_ok());
}

#[test]
fn the_default_rules_hold_too() {
    assert_eq!(add(&open(0), Draft::new(" ")), Err("Give the entry a title.".into()));
    let mut list = TestList::of::<Strict>().with(done("a")).with(Draft::new("b"));
    let changes = Strict::command(&list, &context(), "clear-completed", vec![]).expect("accepted");
    list.apply(changes).expect("good changes");
    assert_eq!(list.count(), 1);
}

//! Tests of the rules and views on a list.

use hotlist_plugin::testing::{TestList, context};
use hotlist_plugin::{Change, Date, DatePatch, Draft, List, Logic, Page, Patch, Query};

use crate::Todo;

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
    Todo::add_entry(list, &context(), new).map_err(|rejection| rejection.code)
}

fn update(list: &TestList, id: u64, patch: Patch) -> Result<Vec<Change>, String> {
    Todo::update_entry(list, &context(), id, patch).map_err(|rejection| rejection.code)
}

fn query(view: Option<&str>) -> Query {
    Query { view: view.map(Into::into), date: None, completed: None, after: None, limit: 100 }
}

/// A page as text: `open: 1 2; done: 3`, with a `+` if more rows follow.
fn show(page: &Page) -> String {
    let ids = |rows: &[hotlist_plugin::Row]| rows.iter().map(|row| row.id.to_string()).collect::<Vec<_>>().join(" ");
    let groups: Vec<_> = page.groups.iter().map(|group| format!("{}: {}", group.name, ids(&group.rows))).collect();
    groups.join("; ") + if page.more { " +" } else { "" }
}

fn read(list: &TestList, query: &Query) -> String {
    Todo::entries(list, &context(), query).map_or_else(|rejection| rejection.code, |page| show(&page))
}

/// Entries 1 and 3 on the 23rd, 2 on the 22nd and completed, 4 without a date, 5 without a date and completed.
fn week() -> TestList {
    TestList::of::<Todo>()
        .with(on("a", day(23)))
        .with(Draft { completed: true, ..on("b", day(22)) })
        .with(on("c", day(23)))
        .with(Draft::new("d"))
        .with(done("e"))
}

#[test]
fn entries_get_ids_from_one_upwards_and_none_twice() {
    let mut list = TestList::of::<Todo>();
    for id in 1..=3 {
        let changes = add(&list, Draft::new("a")).expect("accepted");
        assert_eq!(changes, [Change::Put(Draft::new("a").into_entry(id))]);
        list.apply(changes).expect("good changes");
    }
    list.apply(Todo::delete_entry(&list, &context(), 3).expect("accepted")).expect("good changes");
    assert_eq!(add(&list, Draft::new("b")), Ok(vec![Change::Put(Draft::new("b").into_entry(4))]));
}

#[test]
fn a_title_must_not_be_empty_or_blank() {
    for title in ["", " ", "\t\n", "\u{3000}"] {
        assert_eq!(add(&TestList::of::<Todo>(), Draft::new(title)), Err("title-empty".into()), "{title:?}");
        let patch = Patch { title: Some(title.into()), ..Patch::default() };
        assert_eq!(update(&week(), 1, patch), Err("title-empty".into()), "{title:?}");
    }
}

#[test]
fn a_title_is_kept_as_it_was_given() {
    assert_eq!(add(&TestList::of::<Todo>(), Draft::new(" a ")), Ok(vec![Change::Put(Draft::new(" a ").into_entry(1))]));
}

#[test]
fn a_date_must_be_one_that_the_calendar_has() {
    assert_eq!(add(&TestList::of::<Todo>(), on("a", day(31))), Err("date-impossible".into()));
    let patch = Patch { date: DatePatch::Set(day(31)), ..Patch::default() };
    assert_eq!(update(&week(), 1, patch), Err("date-impossible".into()));
}

#[test]
fn an_update_changes_what_it_names_and_leaves_the_rest() {
    let mut list = week();
    let patch = Patch { completed: Some(true), ..Patch::default() };
    list.apply(update(&list, 1, patch).expect("accepted")).expect("good changes");
    assert_eq!(list.get(1), Some(Draft { completed: true, ..on("a", day(23)) }.into_entry(1)));
}

#[test]
fn clear_completed_removes_all_that_is_completed_and_nothing_else() {
    let clear = |list: &TestList| Todo::command(list, &context(), "clear-completed", vec![]);
    let mut list = week();
    list.apply(clear(&list).expect("accepted")).expect("good changes");
    assert_eq!(list.all(0).map(|entry| entry.id).collect::<Vec<_>>(), [1, 3, 4]);
    assert_eq!(clear(&list), Ok(vec![]));
}

#[test]
fn a_command_that_is_not_described_is_refused() {
    let rejection = Todo::command(&week(), &context(), "explode", vec![]).expect_err("refused");
    assert_eq!(rejection.message, "This list has no command \"explode\".");
}

#[test]
fn the_plain_list_has_ids_ascending_and_is_filtered() {
    let plain = query(None);
    assert_eq!(read(&week(), &plain), ": 1 2 3 4 5");
    assert_eq!(read(&week(), &Query { date: Some(day(23)), ..plain.clone() }), ": 1 3");
    assert_eq!(read(&week(), &Query { completed: Some(true), ..plain.clone() }), ": 2 5");
    assert_eq!(read(&week(), &Query { completed: Some(true), date: Some(day(23)), ..plain }), ": ");
}

#[test]
fn the_views_group_by_date_and_by_completion() {
    assert_eq!(read(&week(), &query(Some("by-date"))), "2026-11-22: 2; 2026-11-23: 1 3; undated: 4 5");
    assert_eq!(read(&week(), &query(Some("open"))), "open: 1 3 4");
    assert_eq!(read(&week(), &query(Some("done"))), "done: 2 5");
    assert_eq!(read(&week(), &query(Some("none"))), "view-unknown");
    assert_eq!(read(&week(), &Query { completed: Some(true), ..query(Some("open")) }), "open: ");
}

#[test]
fn a_page_says_whether_more_follows_and_the_next_one_begins_there() {
    for (view, pages) in [
        (None, [": 1 2 +", ": 3 4 +", ": 5"]),
        (Some("by-date"), ["2026-11-22: 2; 2026-11-23: 1 +", "2026-11-23: 3; undated: 4 +", "undated: 5"]),
    ] {
        let mut query = Query { limit: 2, ..query(view) };
        for expected in pages {
            let page = Todo::entries(&week(), &context(), &query).expect("a page");
            assert_eq!(show(&page), expected);
            query.after = page.groups.last().and_then(|group| group.rows.last()).map(|row| row.id);
        }
    }
}

#[test]
fn a_page_of_one_day_can_be_followed_too() {
    let first = Query { limit: 1, date: Some(day(23)), ..query(None) };
    assert_eq!(read(&week(), &first), ": 1 +");
    assert_eq!(read(&week(), &Query { after: Some(1), ..first }), ": 3");
}

#[test]
fn a_page_by_date_cannot_follow_an_entry_that_is_gone() {
    let query = Query { after: Some(9), ..query(Some("by-date")) };
    assert_eq!(read(&week(), &query), "after-gone");
}

#[test]
fn what_is_described_is_answered() {
    let description = Todo::describe();
    for view in &description.views {
        assert!(Todo::entries(&week(), &context(), &query(Some(&view.name))).is_ok(), "{}", view.name);
    }
    for command in &description.commands {
        assert!(Todo::command(&week(), &context(), &command.name, vec![]).is_ok(), "{}", command.name);
    }
}

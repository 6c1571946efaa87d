//! Tests of a household's chores on a list, day by day.

use hotlist_plugin::testing::{TestList, context};
use hotlist_plugin::{
    Change, Context, Date, DatePatch, Decision, Draft, EntryId, Field, FieldPatch, Fields, List, Logic, Patch, Query,
    Value,
};

use crate::Chores;

mod waking;

/// Milliseconds of an hour.
const HOUR: u64 = 3_600_000;

fn day(day: u8) -> Date {
    Date::new(2026, 11, day)
}

/// Noon of a day in November 2026, in UTC, which is the server's zone. The 23rd is a Monday, and today.
fn noon(of: u8) -> Context {
    Context { now: day(of).begins(0) + 12 * HOUR, today: day(of), ..context() }
}

/// A context in which the server's zone is some hours ahead of UTC.
fn at(now: u64, hours: i32) -> Context {
    Context { now, today: Date::at(now, hours * 60), utc_offset: hours * 60, ..context() }
}

fn chore(title: &str, rule: &str) -> Draft {
    Draft { fields: vec![Field::new("rule", rule)], ..Draft::new(title) }
}

fn due(date: Date, draft: Draft) -> Draft {
    Draft { date: Some(date), ..draft }
}

/// A chore that was done and is due on a later day.
fn waiting(date: Date, title: &str, rule: &str) -> Draft {
    Draft { completed: true, ..due(date, chore(title, rule)) }
}

fn people(names: &[&str]) -> Value {
    names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>().into()
}

/// Applies a decision. A rejection is returned as its code and message.
fn apply(list: &mut TestList, decision: Decision) -> Result<(), String> {
    let changes = decision.map_err(|rejection| format!("{}: {}", rejection.code, rejection.message))?;
    list.apply(changes).expect("good changes");
    Ok(())
}

fn add(list: &mut TestList, cx: &Context, new: Draft) -> Result<(), String> {
    apply(list, Chores::add_entry(list, cx, new))
}

fn run(list: &mut TestList, cx: &Context, command: &str, id: EntryId) -> Result<(), String> {
    apply(list, Chores::command(list, cx, command, vec![Field::new("entry", id)]))
}

fn update(list: &mut TestList, cx: &Context, id: EntryId, patch: Patch) -> Result<(), String> {
    apply(list, Chores::update_entry(list, cx, id, patch))
}

fn completed(completed: bool) -> Patch {
    Patch { completed: Some(completed), ..Patch::default() }
}

fn set(name: &str, value: impl Into<Value>) -> Patch {
    Patch { fields: vec![FieldPatch { name: name.into(), value: Some(value.into()) }], ..Patch::default() }
}

fn configure(list: &mut TestList, cx: &Context, name: &str, value: Option<Value>) -> Result<(), String> {
    apply(list, Chores::configure(list, cx, vec![FieldPatch { name: name.into(), value }]))
}

/// Wakes the list as the host does, at the time of its next wake-up.
fn wake(list: &mut TestList, cx: &Context) {
    let decision = Chores::wake(list, cx);
    apply(list, decision).expect("nothing to refuse");
}

/// An entry as text: `open, due 2026-11-23, Ann`.
fn show(list: &TestList, id: EntryId) -> String {
    let entry = list.get(id).expect("it is there");
    let state = if entry.completed { "done" } else { "open" };
    let due = entry.date.map_or_else(String::new, |date| format!(", due {date}"));
    let whose = entry.fields.text("assignee").map_or_else(String::new, |name| format!(", {name}"));
    format!("{state}{due}{whose}")
}

fn query(view: &str) -> Query {
    Query { view: Some(view.into()), date: None, completed: None, after: None, limit: 100 }
}

/// A view as text: `3 (2 late) 1`, with a `+` if more rows follow.
fn read(list: &TestList, cx: &Context, query: &Query) -> String {
    let page = match Chores::entries(list, cx, query) {
        Ok(page) => page,
        Err(rejection) => return rejection.code,
    };
    let rows = page.groups.iter().flat_map(|group| &group.rows).map(|row| {
        let late = row.computed.number("days-late").map_or_else(String::new, |days| format!(" ({days} late)"));
        format!("{}{late}", row.id)
    });
    rows.collect::<Vec<_>>().join(" ") + if page.more { " +" } else { "" }
}

#[test]
fn a_new_chore_is_due_on_the_first_day_that_its_rule_means() {
    let mut list = TestList::of::<Chores>();
    for (rule, due) in [("daily", day(23)), ("weekly on thu", day(26)), ("monthly on 30", day(30))] {
        add(&mut list, &noon(23), chore(rule, rule)).expect("accepted");
        assert_eq!(list.get(list.count()).expect("it is there").date, Some(due), "{rule}");
    }
    add(&mut list, &noon(23), due(day(28), chore("Windows", "monthly"))).expect("accepted");
    assert_eq!(show(&list, 4), "open, due 2026-11-28");
}

#[test]
fn an_entry_without_a_rule_is_done_once() {
    let mut list = TestList::of::<Chores>();
    add(&mut list, &noon(23), due(day(23), Draft::new("Milk"))).expect("accepted");
    run(&mut list, &noon(23), "complete", 1).expect("accepted");
    assert_eq!(show(&list, 1), "done, due 2026-11-23");
    update(&mut list, &noon(23), 1, completed(true)).expect("accepted");
    wake(&mut list, &noon(24));
    assert_eq!(show(&list, 1), "done, due 2026-11-23");
    let message = "no-rule: “Milk” has no rule, so there is no next time. Complete or delete it.";
    assert_eq!(run(&mut list, &noon(23), "skip", 1), Err(message.into()));
    assert!(add(&mut list, &noon(23), Draft::new(" ")).is_err());
}

#[test]
fn a_chore_that_is_done_comes_back_on_the_day_it_is_due_again() {
    let mut list = TestList::of::<Chores>().with(due(day(23), chore("Bins", "weekly on mon, thu")));
    run(&mut list, &noon(23), "complete", 1).expect("accepted");
    assert_eq!(show(&list, 1), "done, due 2026-11-26");
    assert_eq!(list.get(1).expect("it is there").fields.date("done-on"), Some(day(23)));
    let moment = Chores::next_wake_up(&list, &noon(23)).expect("it waits");
    assert_eq!(moment, day(26).begins(0));
    wake(&mut list, &at(moment, 0));
    assert_eq!(show(&list, 1), "open, due 2026-11-26");
    assert_eq!(Chores::next_wake_up(&list, &at(moment, 0)), None);
}

#[test]
fn completing_by_a_patch_does_the_same() {
    let list = TestList::of::<Chores>()
        .with_setting("rotation", people(&["Ann", "Bob"]))
        .with(due(day(20), chore("Plants", "every 3 days")));
    let (mut patched, mut commanded) = (list.clone(), list);
    update(&mut patched, &noon(23), 1, completed(true)).expect("accepted");
    run(&mut commanded, &noon(23), "complete", 1).expect("accepted");
    assert_eq!(patched, commanded);
    assert_eq!(show(&patched, 1), "done, due 2026-11-26, Ann");
}

#[test]
fn a_date_that_a_client_sends_along_does_not_count_when_it_completes() {
    for date in [20, 24] {
        let mut list = TestList::of::<Chores>().with(due(day(20), chore("Bins", "weekly")));
        let patch = Patch { date: DatePatch::Set(day(date)), ..completed(true) };
        update(&mut list, &noon(23), 1, patch).expect("accepted");
        assert_eq!(show(&list, 1), "done, due 2026-11-27");
    }
}

#[test]
fn a_chore_that_is_done_already_can_be_done_again_only_when_it_is_due() {
    let mut list = TestList::of::<Chores>().with(due(day(23), chore("Bins", "weekly on mon")));
    run(&mut list, &noon(23), "complete", 1).expect("accepted");
    let message = "too-early: “Bins” was done on 2026-11-23 already. It can be done again from 2026-11-30.";
    assert_eq!(run(&mut list, &noon(29), "complete", 1), Err(message.into()));
    assert_eq!(update(&mut list, &noon(29), 1, completed(true)), Err(message.into()));
    // The day has come, but the list has not been woken yet.
    run(&mut list, &noon(30), "complete", 1).expect("accepted");
    assert_eq!(show(&list, 1), "done, due 2026-12-07");
}

#[test]
fn a_missed_chore_stays_open_and_does_not_pile_up() {
    let mut list = TestList::of::<Chores>().with(due(day(10), chore("Dishes", "daily")));
    wake(&mut list, &noon(23));
    assert_eq!(show(&list, 1), "open, due 2026-11-10");
    assert_eq!(read(&list, &noon(23), &query("overdue")), "1 (13 late)");
    run(&mut list, &noon(23), "complete", 1).expect("accepted");
    assert_eq!(show(&list, 1), "done, due 2026-11-24");
}

#[test]
fn a_chore_that_is_done_before_it_is_due_is_done_for_that_day() {
    let mut list = TestList::of::<Chores>().with(due(day(27), chore("Bins", "weekly on fri")));
    run(&mut list, &noon(23), "complete", 1).expect("accepted");
    assert_eq!(show(&list, 1), "done, due 2026-12-04");
}

#[test]
fn a_chore_can_be_added_done() {
    let mut list = TestList::of::<Chores>();
    add(&mut list, &noon(23), Draft { completed: true, ..chore("Dishes", "daily") }).expect("accepted");
    assert_eq!(show(&list, 1), "done, due 2026-11-24");
}

#[test]
fn skipping_waits_for_the_next_time_and_stays_with_whose_turn_it_was() {
    let mut list = TestList::of::<Chores>().with_setting("rotation", people(&["Ann", "Bob"]));
    add(&mut list, &noon(23), chore("Bins", "weekly on mon")).expect("accepted");
    run(&mut list, &noon(23), "skip", 1).expect("accepted");
    assert_eq!(show(&list, 1), "open, due 2026-11-30, Ann");
    assert_eq!(list.get(1).expect("it is there").field("done-on"), None);
    run(&mut list, &noon(30), "complete", 1).expect("accepted");
    run(&mut list, &noon(30), "skip", 1).expect("accepted");
    assert_eq!(show(&list, 1), "done, due 2026-12-14, Bob");
}

#[test]
fn skipping_a_chore_that_is_due_again_though_the_list_did_not_wake_leaves_it_open() {
    let mut list = TestList::of::<Chores>().with(waiting(day(22), "Dishes", "daily"));
    run(&mut list, &noon(23), "skip", 1).expect("accepted");
    assert_eq!(show(&list, 1), "open, due 2026-11-24");
}

#[test]
fn each_completion_hands_the_chore_to_the_next_person() {
    let mut list = TestList::of::<Chores>().with_setting("rotation", people(&["Ann", "Bob", "Cid"]));
    add(&mut list, &noon(20), chore("Dishes", "daily")).expect("accepted");
    let mut turns = vec![show(&list, 1)];
    for today in 20..23 {
        run(&mut list, &noon(today), "complete", 1).expect("accepted");
        wake(&mut list, &noon(today + 1));
        turns.push(show(&list, 1));
    }
    let expected = ["20, Ann", "21, Bob", "22, Cid", "23, Ann"].map(|end| format!("open, due 2026-11-{end}"));
    assert_eq!(turns, expected);
}

#[test]
fn a_guest_who_takes_no_turns_hands_on_to_the_first_person() {
    let mut list = TestList::of::<Chores>().with_setting("rotation", people(&["Ann", "Bob"]));
    let mut dishes = chore("Dishes", "daily");
    dishes.fields.push(Field::new("assignee", "Guest"));
    add(&mut list, &noon(23), dishes).expect("accepted");
    assert_eq!(show(&list, 1), "open, due 2026-11-23, Guest");
    run(&mut list, &noon(23), "complete", 1).expect("accepted");
    assert_eq!(show(&list, 1), "done, due 2026-11-24, Ann");
}

#[test]
fn reopening_takes_the_completion_back() {
    let mut list = TestList::of::<Chores>().with_setting("rotation", people(&["Ann", "Bob", "Cid"]));
    add(&mut list, &noon(23), chore("Bins", "weekly")).expect("accepted");
    let before = list.clone();
    run(&mut list, &noon(23), "complete", 1).expect("accepted");
    update(&mut list, &noon(23), 1, completed(false)).expect("accepted");
    assert_eq!(list, before);
    run(&mut list, &noon(23), "complete", 1).expect("accepted");
    let patch = Patch { completed: Some(false), date: DatePatch::Set(day(25)), ..set("assignee", "Cid") };
    update(&mut list, &noon(23), 1, patch).expect("accepted");
    assert_eq!(show(&list, 1), "open, due 2026-11-25, Cid");
}

#[test]
fn a_new_rule_or_no_date_has_the_chore_due_anew() {
    let mut list =
        TestList::of::<Chores>().with(due(day(10), chore("Bins", "weekly"))).with(due(day(10), Draft::new("Floor")));
    update(&mut list, &noon(23), 1, set("rule", "weekly on fri")).expect("accepted");
    assert_eq!(show(&list, 1), "open, due 2026-11-27");
    update(&mut list, &noon(23), 1, Patch { date: DatePatch::Clear, ..Patch::default() }).expect("accepted");
    assert_eq!(show(&list, 1), "open, due 2026-11-27");
    update(&mut list, &noon(23), 1, Patch { date: DatePatch::Set(day(2)), ..set("rule", "daily") }).expect("accepted");
    assert_eq!(show(&list, 1), "open, due 2026-11-02");
    update(&mut list, &noon(23), 2, set("rule", "daily")).expect("accepted");
    assert_eq!(show(&list, 2), "open, due 2026-11-23");
    let title = Patch { title: Some("Paper bins".into()), ..Patch::default() };
    update(&mut list, &noon(23), 1, title).expect("accepted");
    assert_eq!(show(&list, 1), "open, due 2026-11-02");
    let error = update(&mut list, &noon(23), 1, set("rule", "sometimes")).expect_err("refused");
    assert!(error.starts_with("rule-unclear: “sometimes” is no rule."), "{error}");
}

#[test]
fn a_completed_entry_that_becomes_a_chore_waits_for_its_next_time() {
    let mut list = TestList::of::<Chores>().with(Draft { completed: true, ..due(day(10), Draft::new("Floor")) });
    update(&mut list, &noon(23), 1, set("rule", "daily")).expect("accepted");
    assert_eq!(show(&list, 1), "done, due 2026-11-24");
    update(&mut list, &noon(23), 1, Patch { date: DatePatch::Set(day(23)), ..Patch::default() }).expect("accepted");
    assert_eq!(show(&list, 1), "open, due 2026-11-23", "it is due today, so it is open");
}

#[test]
fn a_chore_whose_next_day_no_calendar_has_is_refused_and_not_a_fault() {
    let mut list = TestList::of::<Chores>().with(due(Date::new(9999, 12, 31), chore("Bins", "daily")));
    let error = run(&mut list, &noon(23), "complete", 1).expect_err("refused");
    assert_eq!(error, "date-impossible: The calendar has no 10000-01-01. Choose another date.");
}

#[test]
fn the_views_show_what_is_late_what_is_due_and_what_comes() {
    let list = TestList::of::<Chores>()
        .with(due(day(23), chore("a", "daily")))
        .with(due(day(22), chore("b", "daily")))
        .with(due(day(20), Draft::new("c")))
        .with(waiting(day(25), "d", "daily"))
        .with(due(day(24), Draft::new("e")))
        .with(Draft { completed: true, ..due(day(20), Draft::new("done once")) })
        .with(Draft::new("no date"))
        .with(waiting(day(23), "due again, though the list did not wake", "daily"));
    let read = |query: Query| read(&list, &noon(23), &query);
    assert_eq!(read(query("overdue")), "3 (3 late) 2 (1 late)");
    assert_eq!(read(query("today")), "1 8");
    assert_eq!(read(query("upcoming")), "5 4");
    assert_eq!(read(Query { completed: Some(true), ..query("upcoming") }), "4");
    assert_eq!(read(Query { limit: 1, ..query("overdue") }), "3 (3 late) +");
    assert_eq!(read(Query { limit: 1, after: Some(3), ..query("overdue") }), "2 (1 late)");
    assert_eq!(read(Query { after: Some(9), ..query("overdue") }), "after-gone");
    assert_eq!(read(Query { after: Some(6), ..query("overdue") }), "after-gone");
    assert_eq!(read(query("someday")), "view-unknown");
}

#[test]
fn the_day_is_the_one_of_the_time_zone() {
    let late = day(23).begins(0) + 23 * HOUR + 1;
    let mut list = TestList::of::<Chores>().with_setting("time-zone", "+01:00".into());
    add(&mut list, &at(late, 0), chore("Dishes", "daily")).expect("accepted");
    assert_eq!(show(&list, 1), "open, due 2026-11-24");
    run(&mut list, &at(late, 0), "complete", 1).expect("accepted");
    assert_eq!(Chores::next_wake_up(&list, &at(late, 0)), Some(day(24).begins(0) + 23 * HOUR));
    let mut list = TestList::of::<Chores>();
    add(&mut list, &at(late, 1), chore("Dishes", "daily")).expect("accepted");
    assert_eq!(show(&list, 1), "open, due 2026-11-24", "the server's zone, where there is no other");
}

#[test]
fn a_new_time_zone_opens_what_is_due_there() {
    let late = at(day(23).begins(0) + 20 * HOUR, 0);
    let mut list = TestList::of::<Chores>().with(waiting(day(24), "Dishes", "daily"));
    configure(&mut list, &late, "time-zone", Some("+03:00".into())).expect("accepted");
    assert_eq!(show(&list, 1), "done, due 2026-11-24");
    configure(&mut list, &late, "time-zone", Some("+04:00".into())).expect("accepted");
    assert_eq!(show(&list, 1), "open, due 2026-11-24");
    let error = configure(&mut list, &late, "time-zone", Some("Europe/Berlin".into())).expect_err("refused");
    assert!(error.starts_with("time-zone-unclear: “Europe/Berlin” is no offset. Write +01:00"), "{error}");
    configure(&mut list, &late, "time-zone", None).expect("accepted");
    add(&mut list, &late, chore("Bins", "daily")).expect("accepted");
    assert_eq!(show(&list, 2), "open, due 2026-11-23");
}

#[test]
fn the_people_of_the_rotation_have_names_of_their_own() {
    let mut list = TestList::of::<Chores>();
    configure(&mut list, &noon(23), "rotation", Some(people(&[" Ann ", "Bob"]))).expect("accepted");
    assert_eq!(list.setting("rotation"), Some(people(&["Ann", "Bob"])));
    for (names, code) in [(&["Ann", " "], "rotation-empty"), (&["Ann", "Ann"], "rotation-twice")] {
        let error = configure(&mut list, &noon(23), "rotation", Some(people(names))).expect_err("refused");
        assert!(error.starts_with(code), "{error}");
    }
    configure(&mut list, &noon(23), "rotation", Some(people(&[]))).expect("accepted");
    add(&mut list, &noon(23), chore("Dishes", "daily")).expect("accepted");
    assert_eq!(show(&list, 1), "open, due 2026-11-23");
}

#[test]
fn a_list_of_other_rules_keeps_its_entries() {
    let list = TestList::of::<Chores>()
        .with(Draft::new("Milk"))
        .with(Draft { completed: true, ..due(day(3), Draft::new("Tea")) });
    assert_eq!(Chores::migrate(&list, &noon(23), "todo@1.0.0"), Ok(vec![]));
}

#[test]
fn chores_that_come_back_from_other_rules_are_due_as_if_they_had_been_here() {
    let mut list = TestList::of::<Chores>()
        .with(waiting(day(3), "a", "daily"))
        .with(waiting(day(24), "b", "daily"))
        .with(chore("c", "weekly on fri"))
        .with(chore("d", "sometimes"));
    let decision = Chores::migrate(&list, &noon(23), "todo@1.0.0");
    assert_eq!(decision.as_ref().map(Vec::len), Ok(3), "the second is as it should be");
    apply(&mut list, decision).expect("accepted");
    assert_eq!(show(&list, 1), "open, due 2026-11-03");
    assert_eq!(show(&list, 2), "done, due 2026-11-24");
    assert_eq!(show(&list, 3), "open, due 2026-11-27");
    assert_eq!(show(&list, 4), "open");
    assert_eq!(list.get(4).expect("it is there").fields, []);
}

#[test]
fn a_command_that_is_not_described_is_refused() {
    let error = run(&mut TestList::of::<Chores>().with(Draft::new("a")), &noon(23), "explode", 1).expect_err("refused");
    assert_eq!(error, "command-unknown: This list has no command \"explode\".");
    let delete = Chores::delete_entry(&TestList::of::<Chores>().with(Draft::new("a")), &noon(23), 1);
    assert_eq!(delete, Ok(vec![Change::Remove(1)]));
}

//! Tests of the board on a list.

use hotlist_plugin::testing::{TestList, context};
use hotlist_plugin::{
    Change, Decision, Draft, EntryId, Field, FieldPatch, Fields, List, Logic, Patch, Query, Rejection, Value,
};

use crate::Kanban;
use crate::rank::{Rank, between};

/// A draft of an entry in a column.
fn card(title: &str, column: &str, rank: f64) -> Draft {
    let fields = vec![Field::new("column", column), Field::new("rank", rank)];
    Draft { completed: column == "Done", fields, ..Draft::new(title) }
}

/// Milk and Bread to do (1, 2), Paint in progress (3), and Tea done (4).
fn four() -> TestList {
    TestList::of::<Kanban>()
        .with(card("Milk", "To do", 1.0))
        .with(card("Bread", "To do", 2.0))
        .with(card("Paint", "Doing", 1.0))
        .with(card("Tea", "Done", 1.0))
}

fn limited(list: TestList, limits: &[&str]) -> TestList {
    list.with_setting("limits", texts(limits))
}

fn texts(texts: &[&str]) -> Value {
    texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>().into()
}

/// Applies a decision. A rejection is returned as its code and message.
fn apply(list: &mut TestList, decision: Decision) -> Result<(), String> {
    let changes = decision.map_err(|rejection| format!("{}: {}", rejection.code, rejection.message))?;
    list.apply(changes).expect("good changes");
    Ok(())
}

fn code(decision: Decision) -> String {
    decision.expect_err("refused").code
}

fn add(list: &mut TestList, new: Draft) -> Result<(), String> {
    apply(list, Kanban::add_entry(list, &context(), new))
}

fn shift(list: &mut TestList, id: EntryId, column: &str, before: Option<EntryId>) -> Result<(), String> {
    let mut arguments = vec![Field::new("entry", id), Field::new("column", column)];
    arguments.extend(before.map(|before| Field::new("before", before)));
    apply(list, Kanban::command(list, &context(), "move", arguments))
}

fn set(name: &str, value: impl Into<Value>) -> Patch {
    Patch { fields: vec![FieldPatch { name: name.into(), value: Some(value.into()) }], ..Patch::default() }
}

fn update(list: &mut TestList, id: EntryId, patch: Patch) -> Result<(), String> {
    apply(list, Kanban::update_entry(list, &context(), id, patch))
}

fn complete(completed: bool) -> Patch {
    Patch { completed: Some(completed), ..Patch::default() }
}

fn configure(list: &mut TestList, name: &str, value: Value) -> Result<(), String> {
    apply(list, Kanban::configure(list, &context(), vec![FieldPatch { name: name.into(), value: Some(value) }]))
}

fn query(limit: u32) -> Query {
    Query { view: Some("board".into()), date: None, completed: None, after: None, limit }
}

/// The board as text, such as `To do 2: 1 2; Doing 1/3: 3`: each column's name, count, limit and entries.
fn show(list: &TestList, query: &Query) -> String {
    let page = Kanban::entries(list, &context(), query).expect("a page");
    let groups = page.groups.iter().map(|group| {
        let computed = group.computed.as_slice();
        let limit = computed.number("limit").map_or_else(String::new, |limit| format!("/{limit}"));
        let ids: String = group.rows.iter().map(|row| format!(" {}", row.id)).collect();
        format!("{} {}{limit}:{ids}", group.name, computed.number("count").expect("a count"))
    });
    groups.collect::<Vec<_>>().join("; ") + if page.more { " +" } else { "" }
}

fn board(list: &TestList) -> String {
    show(list, &query(100))
}

#[test]
fn what_is_added_comes_last_in_the_first_column() {
    let mut list = four();
    add(&mut list, Draft::new("Soap")).expect("accepted");
    assert_eq!(board(&list), "To do 3: 1 2 5; Doing 1: 3; Done 1: 4");
    let fields = list.get(5).expect("it is there").fields;
    assert_eq!(fields, [Field::new("column", "To do"), Field::new("rank", 3.0)]);
}

#[test]
fn what_is_added_completed_or_with_a_column_goes_there() {
    let mut list = four();
    add(&mut list, Draft { completed: true, ..Draft::new("Soap") }).expect("accepted");
    add(&mut list, Draft { fields: vec![Field::new("column", "Doing")], ..Draft::new("Rice") }).expect("accepted");
    add(&mut list, card("Salt", "Doing", 0.5)).expect("accepted");
    add(&mut list, Draft { fields: vec![Field::new("column", "Done")], ..Draft::new("Oil") }).expect("accepted");
    assert_eq!(board(&list), "To do 2: 1 2; Doing 3: 7 3 6; Done 3: 4 5 8");
    assert!(list.get(8).expect("it is there").completed);
    let torn = Draft { completed: true, ..card("Ink", "Doing", 1.0) };
    assert_eq!(code(Kanban::add_entry(&list, &context(), torn)), "column-contradicts");
}

#[test]
fn an_entry_needs_a_title() {
    assert_eq!(code(Kanban::add_entry(&four(), &context(), Draft::new(" "))), "title-empty");
    let patch = Patch { title: Some(String::new()), ..Patch::default() };
    assert_eq!(code(Kanban::update_entry(&four(), &context(), 1, patch)), "title-empty");
}

#[test]
fn a_move_goes_to_the_end_of_a_column_or_before_an_entry() {
    let mut list = four();
    shift(&mut list, 3, "To do", None).expect("accepted");
    assert_eq!(board(&list), "To do 3: 1 2 3; Doing 0:; Done 1: 4");
    shift(&mut list, 3, "To do", Some(2)).expect("accepted");
    assert_eq!(board(&list), "To do 3: 1 3 2; Doing 0:; Done 1: 4");
    shift(&mut list, 2, "To do", Some(1)).expect("accepted");
    assert_eq!(board(&list), "To do 3: 2 1 3; Doing 0:; Done 1: 4");
    shift(&mut list, 2, "To do", None).expect("accepted");
    assert_eq!(board(&list), "To do 3: 1 3 2; Doing 0:; Done 1: 4");
}

#[test]
fn a_move_writes_the_entry_that_moves_and_no_other() {
    let arguments = vec![Field::new("entry", 2_u64), Field::new("column", "To do"), Field::new("before", 1_u64)];
    let changes = Kanban::command(&four(), &context(), "move", arguments).expect("accepted");
    assert_eq!(changes, [Change::Put(card("Bread", "To do", 0.0).into_entry(2))]);
}

#[test]
fn a_move_to_where_an_entry_stands_changes_nothing() {
    let mut list = four();
    shift(&mut list, 2, "To do", None).expect("accepted");
    assert_eq!(list, four());
}

#[test]
fn a_move_before_itself_changes_nothing() {
    let mut list = four();
    let before = list.clone();
    shift(&mut list, 2, "To do", Some(2)).expect("accepted");
    assert_eq!(list, before);
}

#[test]
fn a_move_into_the_last_column_completes_and_out_of_it_reopens() {
    let mut list = four();
    shift(&mut list, 1, "Done", Some(4)).expect("accepted");
    assert_eq!(board(&list), "To do 1: 2; Doing 1: 3; Done 2: 1 4");
    assert!(list.get(1).expect("it is there").completed);
    shift(&mut list, 1, "Doing", None).expect("accepted");
    assert!(!list.get(1).expect("it is there").completed);
}

#[test]
fn a_move_names_a_column_that_is_there_and_an_entry_in_it() {
    let message = "column-unknown: There is no column “Later”. Choose one of: To do, Doing, Done.";
    assert_eq!(shift(&mut four(), 1, "Later", None), Err(message.into()));
    let message = "before-elsewhere: “Paint” is in “Doing”. Choose an entry of “To do” to stand before.";
    assert_eq!(shift(&mut four(), 1, "To do", Some(3)), Err(message.into()));
    assert!(shift(&mut four(), 1, "Doing", Some(1)).is_err());
}

#[test]
fn completing_an_entry_moves_it_to_the_last_column_and_reopening_to_the_first() {
    let mut list = four();
    update(&mut list, 3, complete(true)).expect("accepted");
    assert_eq!(board(&list), "To do 2: 1 2; Doing 0:; Done 2: 4 3");
    update(&mut list, 4, complete(false)).expect("accepted");
    assert_eq!(board(&list), "To do 3: 1 2 4; Doing 0:; Done 1: 3");
    let before = list.clone();
    update(&mut list, 3, complete(true)).expect("accepted");
    assert_eq!(list, before, "it is completed already");
}

#[test]
fn a_patch_of_the_column_is_a_move() {
    let mut list = four();
    update(&mut list, 1, set("column", "Doing")).expect("accepted");
    assert_eq!(board(&list), "To do 1: 2; Doing 2: 3 1; Done 1: 4");
    update(&mut list, 1, set("column", "Done")).expect("accepted");
    assert!(list.get(1).expect("it is there").completed);
    update(&mut list, 1, set("column", "To do")).expect("accepted");
    assert_eq!(board(&list), "To do 2: 2 1; Doing 1: 3; Done 1: 4");
    assert!(!list.get(1).expect("it is there").completed);
    assert!(update(&mut list, 1, set("column", "Later")).is_err());
}

#[test]
fn a_patch_that_takes_the_column_away_puts_the_entry_into_the_first() {
    let mut list = four();
    let fields = vec![FieldPatch { name: "column".into(), value: None }];
    update(&mut list, 3, Patch { fields, ..Patch::default() }).expect("accepted");
    assert_eq!(board(&list), "To do 3: 1 2 3; Doing 0:; Done 1: 4");
}

#[test]
fn a_patch_of_the_rank_says_where() {
    let mut list = four();
    update(&mut list, 2, set("rank", 0.5)).expect("accepted");
    assert_eq!(board(&list), "To do 2: 2 1; Doing 1: 3; Done 1: 4");
    let both = Patch { fields: [set("column", "Doing").fields, set("rank", -1.0).fields].concat(), ..Patch::default() };
    update(&mut list, 2, both).expect("accepted");
    assert_eq!(board(&list), "To do 1: 1; Doing 2: 2 3; Done 1: 4");
}

#[test]
fn a_patch_may_not_say_two_things() {
    let open = Patch { completed: Some(false), ..set("column", "Done") };
    let message =
        "column-contradicts: What is in “Done” is completed. Leave `completed` out, or choose another column.";
    assert_eq!(update(&mut four(), 1, open), Err(message.into()));
    assert!(update(&mut four(), 1, Patch { completed: Some(true), ..set("column", "Doing") }).is_err());
    assert!(update(&mut four(), 1, Patch { completed: Some(true), ..set("column", "Done") }).is_ok());
}

#[test]
fn a_patch_of_something_else_moves_nothing() {
    let mut list = four();
    update(&mut list, 3, Patch { title: Some("Paint it".into()), ..Patch::default() }).expect("accepted");
    assert_eq!(list.get(3), Some(card("Paint it", "Doing", 1.0).into_entry(3)));
}

#[test]
fn a_full_column_takes_no_more_on_any_way() {
    let list = limited(four(), &["Doing: 1", "To do: 2", "Done: 1"]);
    let full = Err("column-full: Doing is full (1/1). Move an entry out of it first, or raise its limit.".to_owned());
    assert_eq!(shift(&mut list.clone(), 1, "Doing", None), full);
    assert_eq!(shift(&mut list.clone(), 1, "Doing", Some(3)), full);
    assert_eq!(update(&mut list.clone(), 1, set("column", "Doing")), full);
    assert_eq!(add(&mut list.clone(), card("Soap", "Doing", 7.0)), full);
    assert_eq!(code(Kanban::add_entry(&list, &context(), Draft::new("Soap"))), "column-full");
    assert_eq!(code(Kanban::update_entry(&list, &context(), 1, complete(true))), "column-full");
    assert_eq!(code(Kanban::update_entry(&list, &context(), 4, complete(false))), "column-full");
    let both = [set("column", "Doing").fields, set("rank", 1.0).fields].concat();
    assert_eq!(update(&mut list.clone(), 1, Patch { fields: both, ..Patch::default() }), full);
}

#[test]
fn a_full_column_may_be_worked_on() {
    let mut list = limited(four(), &["To do: 1"]);
    shift(&mut list, 2, "To do", Some(1)).expect("accepted");
    update(&mut list, 1, Patch { title: Some("Oat milk".into()), ..Patch::default() }).expect("accepted");
    update(&mut list, 1, set("column", "To do")).expect("accepted");
    assert_eq!(board(&list), "To do 2/1: 2 1; Doing 1: 3; Done 1: 4");
    shift(&mut list, 1, "Doing", None).expect("accepted");
    assert!(shift(&mut list, 1, "To do", None).is_err());
}

#[test]
fn the_board_counts_all_entries_also_when_the_page_is_cut() {
    let list = limited(four(), &["Doing: 3"]);
    assert_eq!(show(&list, &query(2)), "To do 2: 1 2; Doing 1/3:; Done 1: +");
    assert_eq!(show(&list, &Query { after: Some(2), ..query(1) }), "To do 2:; Doing 1/3: 3; Done 1: +");
    assert_eq!(show(&list, &Query { after: Some(3), ..query(1) }), "To do 2:; Doing 1/3:; Done 1: 4");
    assert_eq!(show(&list, &Query { completed: Some(true), ..query(9) }), "To do 2:; Doing 1/3:; Done 1: 4");
    let gone = Kanban::entries(&list, &context(), &Query { after: Some(9), ..query(1) });
    assert_eq!(gone.expect_err("refused").code, "after-gone");
}

#[test]
fn the_board_of_a_list_that_other_rules_kept_has_every_entry_once() {
    let list = TestList::of::<Kanban>()
        .with(Draft::new("a"))
        .with(Draft { completed: true, ..card("b", "Doing", 1.0) })
        .with(Draft { completed: false, ..card("c", "Done", 1.0) })
        .with(card("d", "Long ago", 0.5));
    assert_eq!(board(&list), "To do 3: 4 3 1; Doing 0:; Done 1: 2");
}

#[test]
fn a_thousand_moves_to_the_same_place_keep_their_order() {
    let mut list = four();
    for id in 5..1_005 {
        add(&mut list, Draft::new("a")).expect("accepted");
        shift(&mut list, id, "Doing", Some(3)).expect("accepted");
    }
    let expected: String = (5..1_005).map(|id: u32| format!(" {id}")).collect();
    assert_eq!(show(&list, &query(2_000)), format!("To do 2: 1 2; Doing 1001:{expected} 3; Done 1: 4"));
}

#[test]
fn a_place_between_two_is_found_until_there_is_no_number_left() {
    let at = |rank| Some((Rank(rank), 1));
    assert_eq!(between(None, None), Some(1.0));
    assert_eq!(between(at(4.0), None), Some(5.0));
    assert_eq!(between(None, at(4.0)), Some(3.0));
    assert_eq!(between(at(1.0), at(2.0)), Some(1.5));
    assert_eq!(between(at(-f64::MAX), at(f64::MAX)), Some(0.0));
    for (low, high) in [
        (at(1.0), at(1.0)),
        (at(1.0), at(1.0_f64.next_up())),
        (at(f64::MAX), None),
        (None, at(-1e300)),
        (at(1.0), at(f64::INFINITY)),
        (at(f64::INFINITY), None),
    ] {
        assert_eq!(between(low, high), None, "{low:?} {high:?}");
    }
}

#[test]
fn entries_with_the_same_rank_are_numbered_anew_when_one_moves_between_them() {
    let mut list = (0..3).fold(TestList::of::<Kanban>(), |list, _| list.with(card("a", "Doing", 1e300)));
    add(&mut list, card("b", "To do", 1.0)).expect("accepted");
    shift(&mut list, 4, "Doing", Some(3)).expect("accepted");
    assert_eq!(board(&list), "To do 0:; Doing 4: 1 2 4 3; Done 0:");
    let ranks: Vec<_> = list.all(0).map(|entry| entry.fields.number("rank")).collect();
    assert_eq!(ranks, [Some(1.0), Some(2.0), Some(4.0), Some(3.0)]);
}

#[test]
fn entries_that_have_their_new_rank_already_are_not_written() {
    let list = four().with(card("Soap", "To do", 2.0));
    let arguments = vec![Field::new("entry", 3_u64), Field::new("column", "To do"), Field::new("before", 5_u64)];
    let changes = Kanban::command(&list, &context(), "move", arguments).expect("accepted");
    let numbered = [(card("Paint", "To do", 3.0), 3), (card("Soap", "To do", 4.0), 5)];
    assert_eq!(changes, numbered.map(|(new, id)| Change::Put(new.into_entry(id))));
}

#[test]
fn the_columns_are_in_the_order_of_the_setting() {
    let mut list = TestList::of::<Kanban>();
    configure(&mut list, "columns", texts(&["Idea", " Draft ", "Out"])).expect("accepted");
    add(&mut list, Draft::new("a")).expect("accepted");
    update(&mut list, 1, set("column", "Draft")).expect("accepted");
    assert_eq!(board(&list), "Idea 0:; Draft 1: 1; Out 0:");
}

#[test]
fn a_setting_that_other_rules_left_behind_is_no_board() {
    assert_eq!(board(&four().with_setting("columns", texts(&["x"]))), board(&four()));
}

#[test]
fn columns_are_two_at_least_and_have_names_of_their_own() {
    let refused = |columns: &[&str]| {
        let settings = vec![FieldPatch { name: "columns".into(), value: Some(texts(columns)) }];
        let Rejection { code, field, .. } = Kanban::configure(&four(), &context(), settings).expect_err("refused");
        assert_eq!(field.as_deref(), Some("columns"));
        code
    };
    assert_eq!(refused(&[]), "columns-count");
    assert_eq!(refused(&["Done"]), "columns-count");
    assert_eq!(refused(&["a"; 51]), "columns-count");
    assert_eq!(refused(&["To do", " ", "Done"]), "column-empty");
    assert_eq!(refused(&["To do", "Done", "To do "]), "column-twice");
    assert_eq!(refused(&["To do", &"x".repeat(101)]), "column-long");
}

#[test]
fn a_limit_is_a_column_a_colon_and_a_number() {
    let mut list = four();
    configure(&mut list, "limits", texts(&["Doing:3", " To do :  12"])).expect("accepted");
    assert_eq!(list.setting("limits"), Some(texts(&["Doing: 3", "To do: 12"])));
    assert_eq!(board(&list), "To do 2/12: 1 2; Doing 1/3: 3; Done 1: 4");
    configure(&mut list, "limits", texts(&[])).expect("accepted");
    assert_eq!(board(&list), "To do 2: 1 2; Doing 1: 3; Done 1: 4");
    for (limits, code) in [
        (&["Doing"][..], "limit-unclear"),
        (&["Doing: many"], "limit-unclear"),
        (&["Doing: 0"], "limit-unclear"),
        (&["Later: 3"], "limit-unknown"),
        (&["Doing: 3", "Doing: 4"], "limit-twice"),
    ] {
        let error = configure(&mut list, "limits", texts(limits)).expect_err("refused");
        assert!(error.starts_with(code), "{error}");
    }
}

#[test]
fn a_column_whose_name_has_a_colon_can_be_limited() {
    let mut list = TestList::of::<Kanban>();
    configure(&mut list, "columns", texts(&["Phase: 1", "Phase: 2"])).expect("accepted");
    configure(&mut list, "limits", texts(&["Phase: 1: 5"])).expect("accepted");
    assert_eq!(board(&list), "Phase: 1 0/5:; Phase: 2 0:");
}

#[test]
fn a_column_with_open_entries_can_neither_go_nor_be_the_last() {
    let list = four().with_setting("columns", texts(&["To do", "Doing", "Done"]));
    let message = "column-in-use: “Doing” has an open entry. \
                   Move what is in it before you remove it or make it the last column.";
    assert_eq!(configure(&mut list.clone(), "columns", texts(&["To do", "Done"])), Err(message.into()));
    assert_eq!(configure(&mut list.clone(), "columns", texts(&["To do", "Done", "Doing"])), Err(message.into()));
    let error = configure(&mut list.clone(), "columns", texts(&["Doing", "Done"])).expect_err("refused");
    assert!(error.contains("“To do” has 2 open entries."), "{error}");
    let mut empty = list;
    shift(&mut empty, 3, "To do", None).expect("accepted");
    configure(&mut empty, "columns", texts(&["To do", "Done"])).expect("accepted");
    assert_eq!(board(&empty), "To do 3: 1 2 3; Done 1: 4");
}

#[test]
fn completed_entries_follow_the_last_column() {
    let mut list = four().with_setting("columns", texts(&["To do", "Doing", "Done"]));
    configure(&mut list, "columns", texts(&["Doing", "To do", "Done", "Shipped"])).expect("accepted");
    assert_eq!(board(&list), "Doing 1: 3; To do 2: 1 2; Done 0:; Shipped 1: 4");
    assert_eq!(list.get(4).expect("it is there").fields.text("column"), Some("Shipped"));
}

#[test]
fn entries_follow_the_first_columns_that_a_board_is_given() {
    let mut list = four();
    configure(&mut list, "columns", texts(&["Idea", "Out"])).expect("accepted");
    assert_eq!(board(&list), "Idea 3: 1 3 2; Out 1: 4");
    assert_eq!(list.get(3).expect("it is there").fields.text("column"), Some("Idea"));
}

#[test]
fn entries_of_another_logic_are_put_into_columns_whatever_the_limits() {
    let mut list = limited(TestList::of::<Kanban>(), &["To do: 1"])
        .with(Draft::new("Milk"))
        .with(Draft { completed: true, ..Draft::new("Tea") })
        .with(Draft::new("Bread"));
    let changes = Kanban::migrate(&list, &context(), "todo@1.0.0");
    apply(&mut list, changes).expect("accepted");
    assert_eq!(board(&list), "To do 2/1: 1 3; Doing 0:; Done 1: 2");
    assert_eq!(list.get(3), Some(card("Bread", "To do", 3.0).into_entry(3)));
    add(&mut list, Draft { completed: true, ..Draft::new("Soap") }).expect("accepted");
    assert_eq!(board(&list), "To do 2/1: 1 3; Doing 0:; Done 2: 2 4");
}

#[test]
fn a_board_that_comes_back_from_another_logic_is_as_it_was() {
    let list = four();
    assert_eq!(Kanban::migrate(&list, &context(), "todo"), Ok(vec![]));
    let mut list = list.with(Draft { completed: true, ..card("Soap", "Doing", 0.5) });
    let changes = Kanban::migrate(&list, &context(), "todo");
    apply(&mut list, changes).expect("accepted");
    assert_eq!(list.get(5), Some(card("Soap", "Done", 0.5).into_entry(5)));
}

#[test]
fn completed_entries_can_be_cleared_and_others_deleted() {
    let mut list = four();
    let clear = Kanban::command(&list, &context(), "clear-completed", vec![]);
    apply(&mut list, clear).expect("accepted");
    let delete = Kanban::delete_entry(&list, &context(), 1);
    apply(&mut list, delete).expect("accepted");
    assert_eq!(board(&list), "To do 1: 2; Doing 1: 3; Done 0:");
    assert_eq!(code(Kanban::command(&list, &context(), "explode", vec![])), "command-unknown");
}

//! Tests of dependencies on a list.

use hotlist_plugin::testing::{TestList, context};
use hotlist_plugin::{Decision, Draft, EntryId, Field, FieldPatch, Fields, List, Logic, Patch, Query, Value};

use crate::BlockedBy;
use crate::cycle;
use crate::links::{depends_on, position};

/// The host's default limit on entries of a list.
const MAX_ENTRIES: u64 = 10_000;

fn task(title: &str, on: &[EntryId]) -> Draft {
    let fields = if on.is_empty() { vec![] } else { vec![Field::new("depends-on", on.to_vec())] };
    Draft { fields, ..Draft::new(title) }
}

fn done(draft: Draft) -> Draft {
    Draft { completed: true, ..draft }
}

/// Plant a tree (3) depends on dig a hole (2), which depends on a spade (1). Sleep (4) depends on nothing.
fn garden() -> TestList {
    TestList::of::<BlockedBy>()
        .with(task("Buy a spade", &[]))
        .with(task("Dig the hole", &[1]))
        .with(task("Plant the tree", &[2]))
        .with(task("Sleep", &[]))
}

fn lax(list: TestList) -> TestList {
    list.with_setting("strict", false.into())
}

/// Applies a decision. A rejection is returned as its code and message.
fn apply(list: &mut TestList, decision: Decision) -> Result<(), String> {
    let changes = decision.map_err(|rejection| format!("{}: {}", rejection.code, rejection.message))?;
    list.apply(changes).expect("good changes");
    Ok(())
}

fn add(list: &mut TestList, new: Draft) -> Result<(), String> {
    apply(list, BlockedBy::add_entry(list, &context(), new))
}

fn link(list: &mut TestList, id: EntryId, on: &[EntryId]) -> Result<(), String> {
    let arguments = vec![Field::new("entry", id), Field::new("on", on.to_vec())];
    apply(list, BlockedBy::command(list, &context(), "link", arguments))
}

fn unlink(list: &mut TestList, id: EntryId, from: &[EntryId]) -> Result<(), String> {
    let arguments = vec![Field::new("entry", id), Field::new("from", from.to_vec())];
    apply(list, BlockedBy::command(list, &context(), "unlink", arguments))
}

fn update(list: &mut TestList, id: EntryId, patch: Patch) -> Result<(), String> {
    apply(list, BlockedBy::update_entry(list, &context(), id, patch))
}

fn delete(list: &mut TestList, id: EntryId) -> Result<(), String> {
    apply(list, BlockedBy::delete_entry(list, &context(), id))
}

fn completed(completed: bool) -> Patch {
    Patch { completed: Some(completed), ..Patch::default() }
}

fn needs(on: &[EntryId]) -> Patch {
    let field = FieldPatch { name: "depends-on".into(), value: Some(on.to_vec().into()) };
    Patch { fields: vec![field], ..Patch::default() }
}

fn on(list: &TestList, id: EntryId) -> Vec<EntryId> {
    depends_on(&list.get(id).expect("it is there")).to_vec()
}

fn query(view: &str) -> Query {
    Query { view: Some(view.into()), date: None, completed: None, after: None, limit: 100 }
}

/// A view as text: `2 (1) 3 (2 4)`, with a `+` if more rows follow.
fn read(list: &TestList, query: &Query) -> String {
    let page = BlockedBy::entries(list, &context(), query).expect("a page");
    let rows = page.groups.iter().flat_map(|group| &group.rows).map(|row| match row.computed.as_slice() {
        [] => row.id.to_string(),
        computed => format!("{} {:?}", row.id, computed.entries("blocked-by")),
    });
    rows.collect::<Vec<_>>().join(", ") + if page.more { " +" } else { "" }
}

#[test]
fn what_depends_on_something_open_cannot_be_completed() {
    let mut list = garden();
    let message = "blocked: “Plant the tree” is blocked by 2 “Dig the hole”. Complete what blocks it first.";
    assert_eq!(update(&mut list, 3, completed(true)), Err(message.into()));
    for id in 1..=3 {
        update(&mut list, id, completed(true)).expect("accepted");
    }
    assert_eq!(list.count_open(), 1);
}

#[test]
fn a_message_names_some_of_what_blocks_and_counts_the_rest() {
    let long = "x".repeat(41);
    let list = (0..5).fold(TestList::of::<BlockedBy>(), |list, _| list.with(task(&long, &[])));
    let error = add(&mut list.clone(), done(task("All", &[1, 2, 3, 4, 5]))).expect_err("refused");
    let shown = format!("{}…", "x".repeat(40));
    let message = format!(
        "blocked: “All” is blocked by 1 “{shown}”, 2 “{shown}”, 3 “{shown}” and 2 more. \
         Complete what blocks it first."
    );
    assert_eq!(error, message);
}

#[test]
fn a_list_that_is_not_strict_lets_anything_be_completed_and_only_shows_what_blocks() {
    let mut list = lax(garden());
    update(&mut list, 3, completed(true)).expect("accepted");
    assert_eq!(read(&list, &query("blocked")), "2 [1]");
    add(&mut list, done(task("Water it", &[1]))).expect("accepted");
}

#[test]
fn an_entry_may_be_reopened_though_completed_ones_depend_on_it() {
    let mut list = TestList::of::<BlockedBy>().with(done(task("a", &[]))).with(done(task("b", &[1])));
    update(&mut list, 1, completed(false)).expect("accepted");
    update(&mut list, 2, Patch { title: Some("c".into()), ..completed(true) }).expect("it is completed already");
    update(&mut list, 2, completed(false)).expect("accepted");
    assert!(update(&mut list, 2, completed(true)).is_err());
}

#[test]
fn a_patch_may_link_and_complete_only_if_nothing_blocks_then() {
    let mut list = garden();
    assert!(update(&mut list, 4, Patch { completed: Some(true), ..needs(&[1]) }).is_err());
    update(&mut list, 3, Patch { completed: Some(true), ..needs(&[]) }).expect("accepted");
}

#[test]
fn links_are_made_and_taken_away_by_commands() {
    let mut list = garden();
    link(&mut list, 3, &[4, 1, 4, 2]).expect("accepted");
    assert_eq!(on(&list, 3), [2, 4, 1]);
    unlink(&mut list, 3, &[2, 1, 9]).expect("accepted");
    assert_eq!(on(&list, 3), [4]);
    unlink(&mut list, 3, &[4]).expect("accepted");
    assert_eq!(list.get(3), Some(Draft::new("Plant the tree").into_entry(3)), "no empty field is left");
}

#[test]
fn links_are_made_and_taken_away_by_patches() {
    let mut list = garden();
    update(&mut list, 3, needs(&[4, 4])).expect("accepted");
    assert_eq!(on(&list, 3), [4]);
    update(&mut list, 3, needs(&[])).expect("accepted");
    assert_eq!(list.get(3).expect("it is there").fields, []);
}

#[test]
fn nothing_depends_on_itself() {
    let refused = Err("link-self: “Sleep” cannot depend on itself. Leave it out.".to_owned());
    assert_eq!(link(&mut garden(), 4, &[1, 4]), refused);
    assert_eq!(update(&mut garden(), 4, needs(&[4])), refused);
    assert!(add(&mut garden(), task("e", &[5])).is_err());
}

#[test]
fn nothing_depends_on_what_is_not_there() {
    let refused = Err("link-absent: There is no entry 9 in this list to depend on. Leave it out.".to_owned());
    assert_eq!(link(&mut garden(), 4, &[9]), refused);
    assert_eq!(update(&mut garden(), 4, needs(&[1, 9])), refused);
    assert_eq!(add(&mut garden(), task("e", &[9])), refused);
}

#[test]
fn what_is_gone_already_is_forgotten_and_blocks_nothing() {
    let mut list = garden().with(task("e", &[1, 4]));
    list.apply(vec![hotlist_plugin::Change::Remove(1)]).expect("other rules may");
    assert_eq!(read(&list, &query("ready")), "2, 4");
    link(&mut list, 5, &[3]).expect("accepted");
    assert_eq!(on(&list, 5), [4, 3]);
}

#[test]
fn a_circle_is_refused_and_shown() {
    let message = "cycle: These would wait for each other: “Buy a spade” → “Plant the tree” → “Dig the hole” → \
                   “Buy a spade”. Leave one of the links out.";
    assert_eq!(link(&mut garden(), 1, &[4, 3]), Err(message.into()));
    assert_eq!(update(&mut garden(), 1, needs(&[3])), Err(message.into()));
    let message = "cycle: These would wait for each other: “Buy a spade” → “Dig the hole” → “Buy a spade”. \
                   Leave one of the links out.";
    assert_eq!(link(&mut garden(), 1, &[2]), Err(message.into()));
    assert_eq!(link(&mut lax(garden()), 1, &[2]), Err(message.into()), "also where the list is not strict");
}

#[test]
fn two_ways_to_the_same_entry_are_no_circle() {
    let mut list = garden();
    link(&mut list, 3, &[1]).expect("accepted");
    link(&mut list, 4, &[1, 2, 3]).expect("accepted");
    assert!(link(&mut list, 1, &[4]).is_err());
}

#[test]
fn the_shortest_circle_is_the_one_that_is_shown() {
    let list = garden().with(task("e", &[3, 1]));
    assert_eq!(cycle::find(&list, 1, &[5]), Some(vec![5]));
    assert_eq!(cycle::find(&list, 2, &[5]), Some(vec![5, 3]));
    assert_eq!(cycle::find(&list, 4, &[5]), None);
}

#[test]
fn a_circle_that_other_rules_left_behind_ends_the_search_all_the_same() {
    let list = TestList::of::<BlockedBy>().with(task("a", &[2])).with(task("b", &[1])).with(task("c", &[]));
    assert_eq!(cycle::find(&list, 3, &[1]), None);
    assert_eq!(read(&list, &query("blocked")), "1 [2], 2 [1]");
}

#[test]
fn a_chain_as_long_as_a_list_can_be_is_no_trouble() {
    // Every entry depends on the one before it.
    let step = |id| task(&format!("step {id}"), if id == 1 { vec![] } else { vec![id - 1] }.as_slice());
    let mut list = (1..=MAX_ENTRIES).fold(TestList::of::<BlockedBy>(), |list, id| list.with(step(id)));
    let message = "cycle: These would wait for each other: “step 1” → “step 10000” → “step 9999” → “step 9998” → \
                   “step 9997” → “step 9996” → 9993 more → “step 2” → “step 1”. Leave one of the links out.";
    assert_eq!(link(&mut list, 1, &[MAX_ENTRIES]), Err(message.into()));
    link(&mut list, MAX_ENTRIES, &[1]).expect("accepted");
    assert_eq!(read(&list, &query("ready")), "1");
}

#[test]
fn an_id_is_found_among_others_wherever_it_stands() {
    for ids in [&[][..], &[7], &[1, 2, 3], &[1, 2, 3, 4, 6, 7, 8], &[2, 3, 5, 90, 91], &[1, 9, u64::MAX]] {
        for id in (0..100).chain([u64::MAX - 1, u64::MAX]) {
            assert_eq!(position(ids, id), ids.iter().position(|known| *known == id), "{id} {ids:?}");
        }
    }
}

#[test]
fn an_entry_depends_on_a_thousand_others_at_most() {
    let list = (0..1_002).fold(TestList::of::<BlockedBy>(), |list, _| list.with(task("a", &[])));
    let thousand: Vec<EntryId> = (2..=1_001).collect();
    let mut list = list;
    link(&mut list, 1, &thousand).expect("accepted");
    let message = "links-many: An entry can depend on 1000 others at most. Unlink some first.";
    assert_eq!(link(&mut list, 1, &[1_002]), Err(message.into()));
}

#[test]
fn a_strict_list_keeps_what_open_entries_wait_for() {
    let mut list = garden();
    let message = "needed: “Dig the hole” is needed by 3 “Plant the tree”. \
                   Complete it, or unlink what needs it, first.";
    assert_eq!(delete(&mut list, 2), Err(message.into()));
    delete(&mut list, 3).expect("nothing depends on it");
    delete(&mut list, 2).expect("nothing depends on it any more");
    assert_eq!(list.count(), 2);
}

#[test]
fn all_entries_are_deleted_together_though_open_ones_depend_on_each_other() {
    let mut list = garden();
    let decision = BlockedBy::command(&list, &context(), "delete-entries", vec![]);
    apply(&mut list, decision).expect("accepted");
    assert_eq!(list.count(), 0);
}

#[test]
fn what_is_deleted_is_depended_upon_no_more() {
    let mut list = lax(garden());
    delete(&mut list, 2).expect("accepted");
    assert_eq!(on(&list, 3), []);
    let mut list = garden();
    update(&mut list, 1, completed(true)).expect("accepted");
    delete(&mut list, 1).expect("it is completed, so it blocks nothing");
    assert_eq!(on(&list, 2), []);
    let mut list = TestList::of::<BlockedBy>().with(task("a", &[])).with(done(task("b", &[1])));
    delete(&mut list, 1).expect("what is completed waits for nothing");
    assert_eq!(on(&list, 2), []);
}

#[test]
fn the_views_show_what_can_be_begun_and_what_waits_for_what() {
    let mut list = garden().with(task("Water it", &[3, 4]));
    assert_eq!(read(&list, &query("ready")), "1, 4");
    assert_eq!(read(&list, &query("blocked")), "2 [1], 3 [2], 5 [3, 4]");
    update(&mut list, 4, completed(true)).expect("accepted");
    update(&mut list, 1, completed(true)).expect("accepted");
    assert_eq!(read(&list, &query("ready")), "2");
    assert_eq!(read(&list, &query("blocked")), "3 [2], 5 [3]");
    assert_eq!(read(&list, &Query { limit: 1, ..query("blocked") }), "3 [2] +");
    assert_eq!(read(&list, &Query { limit: 1, after: Some(3), ..query("blocked") }), "5 [3]");
    assert_eq!(read(&list, &Query { completed: Some(true), ..query("ready") }), "");
    let unknown = BlockedBy::entries(&list, &context(), &query("someday"));
    assert_eq!(unknown.expect_err("refused").code, "view-unknown");
}

#[test]
fn an_entry_needs_a_title_and_a_command_a_name() {
    assert!(add(&mut garden(), Draft::new(" ")).is_err());
    let unknown = BlockedBy::command(&garden(), &context(), "explode", vec![]);
    assert_eq!(unknown.expect_err("refused").code, "command-unknown");
}

#[test]
fn a_list_is_strict_unless_it_is_told_otherwise() {
    let mut list = garden();
    let setting = |strict: bool| vec![FieldPatch { name: "strict".into(), value: Some(Value::Boolean(strict)) }];
    let decision = BlockedBy::configure(&list, &context(), setting(false));
    apply(&mut list, decision).expect("accepted");
    update(&mut list, 3, completed(true)).expect("accepted");
    update(&mut list, 3, completed(false)).expect("accepted");
    let decision = BlockedBy::configure(&list, &context(), setting(true));
    apply(&mut list, decision).expect("accepted");
    assert!(update(&mut list, 3, completed(true)).is_err());
}

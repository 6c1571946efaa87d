//! Pages that SQLite finds damaged.

use std::os::unix::fs::FileExt;

use super::*;
use crate::store::fixtures::RECEIVED;

/// Overwrites the beginning of the pages of a table or index that hold a text, and returns how many. The store is closed.
pub(super) fn damage_pages(embedded: &Embedded, tree: &str, text: &str) -> usize {
    let sql = embedded.sql();
    let mut select = sql.prepare("SELECT pageno FROM dbstat WHERE name = ?1 AND pagetype = 'leaf'").expect("dbstat");
    let pages: Vec<u64> =
        select.query_map([tree], |row| row.get(0)).expect("pages").collect::<Result<_, _>>().expect("numbers");
    let size: u64 = sql.pragma_query_value(None, "page_size", |row| row.get(0)).expect("a size");
    let file = std::fs::File::options().read(true).write(true).open(embedded.dir.path().join("hotlist.db"));
    let file = file.expect("the database");
    let holds = |page: &&u64| {
        let mut bytes = vec![0; usize::try_from(size).expect("a small number")];
        file.read_exact_at(&mut bytes, (**page - 1) * size).expect("a page");
        text.is_empty() || bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    let damaged: Vec<_> = pages.iter().filter(holds).collect();
    damaged.iter().for_each(|page| file.write_all_at(&[0xee; 64], (*page - 1) * size).expect("it is written"));
    damaged.len()
}

/// Overwrites the beginning of the only page of a table. The store is closed.
pub(super) fn damage_root(embedded: &Embedded, table: &str) -> usize {
    damage_pages(embedded, table, "")
}

/// Three lists whose history rows fill a page each, compacted.
fn three_lists_with_pages(embedded: &Embedded) {
    for list in ["ann", "bob", "cid"] {
        let store = embedded.try_open().expect("it opens");
        let title = format!("the title of {list} {}", "x".repeat(600));
        block_on(store.commit(Sample::new(list).create().add(&title).add(&title).commit())).expect("it is new");
        end(store, Ending::Close);
    }
}

/// Adds an entry to a list.
fn add_to(store: &EmbeddedStore, list: &str) -> Result<(), StoreError> {
    let stored = block_on(store.load(&name(list)))?;
    block_on(store.commit(Sample::at(list, stored.list).add("Milk").commit()))
}

#[test]
fn a_damaged_page_of_one_lists_old_history_isolates_no_list() {
    // The next compaction deletes the first revisions, or measures the history.
    for history in [
        HistoryLimits { revisions: 1, ..HistoryLimits::default() },
        HistoryLimits { bytes: 100, ..HistoryLimits::default() },
    ] {
        let mut embedded = Embedded::default();
        three_lists_with_pages(&embedded);
        assert_eq!(damage_pages(&embedded, "history", "the title of bob"), 1);
        embedded.options.history = history;
        for _ in 0..2 {
            let store = embedded.try_open().expect("it opens");
            for list in ["ann", "bob", "cid"] {
                add_to(&store, list).unwrap_or_else(|error| panic!("{list}: {error}"));
            }
            end(store, Ending::Close);
        }
        let store = embedded.try_open().expect("it opens");
        assert_eq!((store.health(), store.unreadable_count(), embedded.count("quarantine")), (Health::Healthy, 0, 0));
        for list in ["ann", "cid"] {
            assert!(block_on(store.history(&name(list), 3, 9)).is_ok(), "{list}");
        }
        let bob = block_on(store.history(&name("bob"), 0, 9));
        assert!(matches!(bob, Err(StoreError::Unreadable { .. })) || history.revisions == 1, "{bob:?}");
        assert_eq!(block_on(store.load(&name("bob"))).map(|bob| bob.list.revision()), Ok(5));
    }
}

/// Flips a bit in the header of the last leaf of a tree. The store is closed.
fn flip_header(embedded: &Embedded, tree: &str, byte: u64) {
    let select = "SELECT pageno FROM dbstat WHERE name = ?1 AND pagetype = 'leaf' ORDER BY path DESC LIMIT 1";
    let page: u64 = embedded.sql().query_row(select, [tree], |row| row.get(0)).expect("a leaf");
    let file = std::fs::File::options().read(true).write(true).open(embedded.dir.path().join("hotlist.db"));
    let (file, at, mut bits) = (file.expect("the database"), (page - 1) * 4_096 + byte, [0]);
    file.read_exact_at(&mut bits, at).expect("a byte");
    file.write_all_at(&[bits[0] ^ 8], at).expect("it is written");
}

/// Adds an entry to each list, each with a receipt, and compacts the log.
fn commit_and_compact(embedded: &Embedded, lists: &[&str]) -> Result<(), StoreError> {
    let store = embedded.try_open().expect("it opens");
    for list in lists {
        let stored = block_on(store.load(&name(list))).expect("it is readable");
        let sample = Sample::at(list, stored.list).add("Milk").with_receipt("after the damage");
        block_on(store.commit(sample.commit())).expect("it continues");
    }
    let closed = block_on(store.close());
    assert_eq!(store.unreadable_count(), 0);
    closed
}

#[test]
fn damage_that_only_writes_meet_in_the_index_of_receipts_isolates_no_list() {
    for byte in [1, 2, 5, 6, 7] {
        let embedded = Embedded::default();
        three_lists(&embedded, Ending::Close);
        flip_header(&embedded, "receipts_by_time", byte);
        assert_eq!(commit_and_compact(&embedded, &["ann", "bob", "cid"]), Ok(()), "byte {byte}");
        let store = embedded.try_open().expect("it opens");
        for list in ["ann", "bob", "cid"] {
            let stored =
                block_on(store.load(&name(list))).unwrap_or_else(|error| panic!("byte {byte}, {list}: {error}"));
            assert_eq!((stored.list.revision(), stored.receipts.len()), (4, 2), "byte {byte}, {list}");
        }
    }
}

#[test]
fn a_damaged_page_that_several_lists_need_isolates_none_and_a_repair_loses_nothing() {
    let embedded = Embedded::default();
    three_lists(&embedded, Ending::Close);
    // The list of free bytes begins there.
    flip_header(&embedded, "history", 1);
    for lists in [&["ann", "bob", "cid"][..], &[]] {
        let closed = commit_and_compact(&embedded, lists);
        assert!(matches!(closed, Err(StoreError::Poisoned { .. })), "{closed:?}");
        assert_eq!(embedded.count("quarantine"), 0);
    }
    let done = repair(embedded.dir.path(), &mut |_, _| (), &mut |_| ()).expect("it is repaired").expect("damage");
    assert_eq!((done.removed_lists.len(), done.lost_receipts.len(), done.losses), (0, 0, Vec::<String>::new()));
    let store = embedded.try_open().expect("it opens");
    for list in ["ann", "bob", "cid"] {
        let stored = block_on(store.load(&name(list))).expect("it is readable");
        assert_eq!((stored.list.revision(), stored.receipts.len()), (4, 2), "{list}");
        assert_eq!(block_on(store.history(&name(list), 0, 9)).map(|all| all.len()), Ok(4), "{list}");
    }
}

#[test]
fn a_damaged_page_of_an_index_is_told_apart_from_a_damaged_row() {
    let mut embedded = Embedded::default();
    three_lists_with_pages(&embedded);
    assert_eq!(damage_pages(&embedded, "sqlite_autoindex_history_1", "bob"), 1);
    embedded.options.history.revisions = 1;
    let store = embedded.try_open().expect("it opens");
    let unreadable = block_on(store.history(&name("bob"), 0, 9)).expect_err("its history cannot be found");
    let StoreError::Unreadable { why, .. } = &unreadable else { panic!("{unreadable:?}") };
    assert!(why.starts_with("a page of the index of the table history is damaged"), "{why}");
    assert!(why.contains("costs no row") && why.contains("rebuild the index"), "{why}");
}

#[test]
fn damaged_timers_are_named_and_concern_no_list_without_a_timer() {
    let embedded = Embedded::default();
    let store = embedded.try_open().expect("it opens");
    for (list, at) in [("ann", None), ("bob", Some(7))] {
        block_on(store.commit(Sample::new(list).create().wake_at(at).commit())).expect("it is new");
    }
    end(store, Ending::Close);
    assert_eq!(damage_pages(&embedded, "timers", "bob"), 1);

    let store = embedded.try_open().expect("it opens");
    let bob = block_on(store.load(&name("bob"))).expect("the list is sound");
    let later = Sample::at("bob", bob.list.clone()).add("Milk").wake_at(Some(8)).commit();
    let failures = [
        block_on(store.commit(later)),
        block_on(store.next_due()).map(drop),
        block_on(store.due(9, None, 9)).map(drop),
    ];
    for failed in failures {
        let Err(StoreError::Failed { what, why }) = &failed else { panic!("{failed:?}") };
        assert!(what.contains("timer") && why.starts_with("the table timers is damaged"), "{what}: {why}");
    }
    assert_eq!(store.health(), Health::Healthy);
    add_to(&store, "ann").expect("it has no timer");
    let same = Sample::at("bob", bob.list).add("Milk").wake_at(Some(7)).commit();
    assert_eq!(block_on(store.commit(same)), Ok(()), "a refused commit leaves the list as it was");
}

/// The names in a page of lists, and the unreadable lists.
fn listed(store: &EmbeddedStore) -> (Vec<String>, Vec<UnreadableList>) {
    let page = block_on(store.page(None, 9)).expect("damage to a list is not the page's end");
    (page.iter().map(|list| list.name.as_str().to_owned()).collect(), store.unreadable(None, 9))
}

#[test]
fn a_list_with_a_damaged_summary_is_unreadable_and_the_page_holds_the_others() {
    let mut embedded = Embedded::default();
    three_lists(&embedded, Ending::Close);
    flip(&embedded, "lists", "brief", "name = 'bob'");
    embedded.options.now = || 42;
    let store = embedded.try_open().expect("it opens");
    let (page, unreadable) = listed(&store);
    assert_eq!(page, ["ann", "cid"]);
    assert_eq!(unreadable.iter().map(|list| (list.name.as_str(), list.since)).collect::<Vec<_>>(), [("bob", 42)]);
    assert!(unreadable[0].why.contains("checksum"), "{unreadable:?}");
    assert_eq!(store.unreadable_count(), 1);
    assert_eq!(store.unreadable(Some(&name("bob")), 9), []);
}

#[test]
fn a_list_that_was_isolated_stays_unreadable_and_is_counted_once() {
    let embedded = Embedded::default();
    three_lists(&embedded, Ending::Drop);
    flip(&embedded, "log", "commits", "seq = 5");
    let store = embedded.try_open().expect("it opens");
    assert!(block_on(store.load(&name("bob"))).is_err());
    let (page, unreadable) = listed(&store);
    assert_eq!((page.len(), unreadable.len(), store.unreadable_count()), (2, 1, 1), "{page:?} {unreadable:?}");
}

#[test]
fn a_list_that_is_readable_again_is_unreadable_no_more() {
    let embedded = Embedded::default();
    three_lists(&embedded, Ending::Close);
    flip(&embedded, "lists", "snapshot", "name = 'bob'");
    let store = embedded.try_open().expect("it opens");
    assert!(block_on(store.load(&name("bob"))).is_err());
    assert_eq!(store.unreadable_count(), 1);
    flip(&embedded, "lists", "snapshot", "name = 'bob'");
    block_on(store.load(&name("bob"))).expect("the bit is back");
    assert_eq!(store.unreadable_count(), 0);
}

#[test]
fn an_unreadable_list_can_be_deleted_and_made_anew_above_all_its_revisions() {
    for (table, column, which) in
        [("lists", "brief", "name = 'bob'"), ("lists", "snapshot", "name = 'bob'"), ("log", "commits", "seq = 6")]
    {
        let embedded = Embedded::default();
        three_lists(&embedded, if table == "log" { Ending::Drop } else { Ending::Close });
        flip(&embedded, table, column, which);
        let mut store = embedded.try_open().expect("it opens");
        assert!(block_on(store.load(&name("bob"))).is_err());
        assert_eq!(block_on(store.discard(&name("bob"))), Ok(()), "{column}");
        assert!(embedded.count("quarantine") >= 3, "its rows are evidence");
        for ending in [Ending::Drop, Ending::Close] {
            let bob = block_on(store.load(&name("bob"))).expect("it is absent");
            assert!(!bob.list.exists() && bob.list.revision() > 3, "{}", bob.list.revision());
            assert_eq!((bob.receipts, bob.wake_up), (Vec::new(), None));
            assert_eq!(block_on(store.history(&name("bob"), 0, 9)), Ok(Vec::new()));
            assert_eq!((listed(&store), store.unreadable_count()), ((vec!["ann".into(), "cid".into()], Vec::new()), 0));
            end(store, ending);
            store = embedded.try_open().expect("it opens");
        }
        let bob = block_on(store.load(&name("bob"))).expect("it is absent").list;
        let anew = Sample::at("bob", bob).create().commit();
        let revision = anew.after + 1;
        block_on(store.commit(anew)).expect("the name is free");
        for ending in [Ending::Drop, Ending::Close] {
            end(store, ending);
            store = embedded.try_open().expect("it opens");
            assert_eq!(block_on(store.load(&name("bob"))).map(|bob| bob.list.revision()), Ok(revision));
            assert_eq!(block_on(store.history(&name("bob"), 0, 9)).map(|all| all.len()), Ok(1));
        }
    }
}

#[test]
fn a_list_that_can_be_read_is_not_deleted_as_an_unreadable_one() {
    let embedded = Embedded::default();
    three_lists(&embedded, Ending::Close);
    let store = embedded.try_open().expect("it opens");
    let refused = block_on(store.discard(&name("bob")));
    assert!(matches!(refused, Err(StoreError::Failed { .. })), "{refused:?}");
    assert_eq!(block_on(store.load(&name("bob"))).map(|bob| bob.list.revision()), Ok(3));
}

#[test]
fn a_damaged_page_of_expired_receipts_does_not_end_the_writes_of_other_lists() {
    let embedded = Embedded::default();
    let store = embedded.try_open().expect("it opens");
    let mut bob = Sample::new("bob").create();
    for hour in 0..30 {
        bob = bob.with_receipt_at(&format!("key {hour}"), RECEIVED + hour * 3_600_000);
        block_on(store.commit(bob.take())).expect("it continues");
    }
    end(store, Ending::Close);
    assert!(damage_pages(&embedded, "receipts", "key 3") > 0);
    let store = embedded.try_open().expect("it opens");
    store.receipt_room().advance(RECEIVED + 60 * 3_600_000);
    for list in ["ann", "cid"] {
        assert_eq!(block_on(store.commit(Sample::new(list).create().commit())), Ok(()), "{list}");
    }
    assert_eq!(store.health(), Health::Healthy);
}

#[test]
fn the_deletion_of_an_unreadable_list_is_unavailable_while_another_program_holds_the_write_lock() {
    let mut embedded = Embedded::default();
    three_lists(&embedded, Ending::Close);
    flip(&embedded, "lists", "snapshot", "name = 'bob'");
    embedded.options.lock_wait = std::time::Duration::ZERO;
    let store = embedded.try_open().expect("it opens");
    assert!(block_on(store.load(&name("bob"))).is_err());
    let sql = embedded.sql();
    sql.execute_batch("BEGIN IMMEDIATE").expect("the store does not write");
    let refused = block_on(store.discard(&name("bob")));
    assert!(matches!(&refused, Err(StoreError::Unavailable { why }) if why.contains("write lock")), "{refused:?}");
    sql.execute_batch("COMMIT").expect("it is released");
    assert_eq!(store.health(), Health::Healthy);
    assert_eq!(block_on(store.discard(&name("bob"))), Ok(()));
}

#[test]
fn a_list_whose_expired_history_cannot_be_deleted_gets_no_gap_in_its_history() {
    let mut embedded = Embedded::default();
    embedded.options.history.revisions = 2;
    three_lists(&embedded, Ending::Close);
    let store = embedded.try_open().expect("it opens");
    for _ in 0..4 {
        add_to(&store, "bob").expect("it continues");
    }
    // As if a page beside the rows were damaged, which SQLite finds out when it joins pages.
    let fails = "CREATE TRIGGER fault BEFORE DELETE ON history BEGIN SELECT RAISE(ABORT, 'a test asks for it'); END";
    embedded.sql().execute_batch(fails).expect("it is created");
    end(store, Ending::Close);
    assert_eq!(verify(embedded.dir.path(), &mut |_, _| ()).expect("it is read").findings, []);
    let store = embedded.try_open().expect("it opens");
    let numbers = block_on(store.history(&name("bob"), 0, 9)).expect("it is readable");
    assert_eq!(numbers.iter().map(|revision| revision.number).collect::<Vec<_>>(), [6, 7]);
}

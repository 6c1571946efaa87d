//! What is read of damaged lists: the newest state that sound rows prove, and what is missing.

use super::damage::damage_pages;
use super::*;

/// Three lists with a timer, each at revision 3 with three entries' worth of history, and dan, who was deleted.
fn lists_of_each_kind(embedded: &Embedded, ending: Ending) {
    let store = embedded.try_open().expect("it opens");
    for list in ["ann", "bob", "cid"] {
        let mut writer = Sample::new(list).create().wake_at(Some(7));
        for title in ["Dentist", "Milk", "Bread"] {
            block_on(store.commit(writer.take())).expect("it continues");
            writer = writer.add(title);
        }
    }
    block_on(store.commit(Sample::new("dan").create().add("Tea").erase().commit())).expect("it is new");
    end(store, ending);
}

/// All lists, with the errors that concern none.
fn everything(embedded: &Embedded) -> (Vec<SalvagedList>, Vec<StoreError>) {
    let salvage = Salvage::open(embedded.dir.path()).expect("it opens");
    let (mut lists, mut errors) = (Vec::new(), Vec::new());
    for item in salvage.lists(|_| true) {
        match item {
            Ok(list) => lists.push(list),
            Err(error) => errors.push(error),
        }
    }
    (lists, errors)
}

fn salvaged(embedded: &Embedded, list: &str) -> SalvagedList {
    Salvage::open(embedded.dir.path()).expect("it opens").list(&name(list)).expect("the database can be read")
}

/// The revision of the state, the numbers of its history, and its wake-up time.
fn summary(salvaged: &SalvagedList) -> (u64, Vec<u64>, Option<u64>) {
    let numbers = salvaged.list.revisions.iter().map(|revision| revision.number).collect();
    (salvaged.list.list.revision(), numbers, salvaged.wake_up)
}

fn names(lists: &[SalvagedList]) -> Vec<&str> {
    lists.iter().map(|list| list.list.name.as_str()).collect()
}

#[test]
fn sound_lists_are_whole_and_deleted_ones_keep_their_revision() {
    for ending in [Ending::Drop, Ending::Close] {
        let embedded = Embedded::default();
        lists_of_each_kind(&embedded, ending);
        let (lists, errors) = everything(&embedded);
        assert_eq!((names(&lists), errors), (vec!["ann", "bob", "cid", "dan"], vec![]));
        assert!(lists.iter().all(|list| list.damage.is_none() && list.missing.is_none()), "{lists:?}");
        assert_eq!(summary(&lists[1]), (3, vec![1, 2, 3], Some(7)));
        assert_eq!((summary(&lists[3]), lists[3].list.list.exists()), ((3, vec![3], None), false));
    }
}

#[test]
fn a_list_whose_snapshot_is_damaged_is_proven_by_a_history_that_reaches_back_to_its_creation() {
    let embedded = Embedded::default();
    lists_of_each_kind(&embedded, Ending::Close);
    let before = salvaged(&embedded, "bob");
    flip(&embedded, "lists", "snapshot", "name = 'bob'");
    let after = salvaged(&embedded, "bob");
    assert!(after.damage.as_ref().is_some_and(|why| why.contains("checksum")), "{after:?}");
    assert_eq!(SalvagedList { damage: None, ..after }, before);

    flip(&embedded, "lists", "brief", "name = 'bob'");
    let after = salvaged(&embedded, "bob");
    assert_eq!(summary(&after), (3, vec![1, 2, 3], None));
    assert_eq!(after.missing.as_deref(), Some("its wake-up time"));
}

#[test]
fn no_state_is_made_up_where_the_oldest_revisions_are_gone() {
    let mut embedded = Embedded::default();
    embedded.options.history.revisions = 1;
    lists_of_each_kind(&embedded, Ending::Close);
    flip(&embedded, "lists", "snapshot", "name = 'bob'");
    let bob = salvaged(&embedded, "bob");
    assert_eq!(summary(&bob), (0, vec![], None));
    assert_eq!(bob.missing.as_deref(), Some("all of the list, which is at revision 3 at least"));
    let (lists, errors) = everything(&embedded);
    assert_eq!((names(&lists), errors), (vec!["ann", "bob", "cid", "dan"], vec![]));
}

#[test]
fn a_damaged_commit_ends_the_state_before_it_in_the_log_and_in_quarantine() {
    let embedded = Embedded::default();
    lists_of_each_kind(&embedded, Ending::Drop);
    flip(&embedded, "log", "commits", "seq = 5");
    for opens in 0..3 {
        let bob = salvaged(&embedded, "bob");
        assert_eq!(summary(&bob), (1, vec![1], Some(7)), "after {opens} starts");
        let missing = bob.missing.as_ref().expect("two revisions are");
        assert!(missing.starts_with("commit 5 of the log (the checksum"), "{missing}");
        assert!(missing.ends_with("the revisions after 1, to 3 at least"), "{missing}");
        assert_eq!(summary(&salvaged(&embedded, "ann")), (3, vec![1, 2, 3], Some(7)));
        end(embedded.try_open().expect("it opens"), Ending::Close);
    }
    assert_eq!(embedded.count("log"), 0);
}

#[test]
fn a_snapshot_and_the_commits_after_it_are_the_state_without_the_history_before_a_damaged_row() {
    let embedded = Embedded::default();
    lists_of_each_kind(&embedded, Ending::Close);
    let store = embedded.try_open().expect("it opens");
    let bob = block_on(store.load(&name("bob"))).expect("it is readable").list;
    block_on(store.commit(Sample::at("bob", bob).add("Eggs").wake_at(Some(9)).commit())).expect("it continues");
    end(store, Ending::Drop);
    flip(&embedded, "history", "record", "name = 'bob' AND last = 3");
    let bob = salvaged(&embedded, "bob");
    assert_eq!(summary(&bob), (4, vec![4], Some(9)));
    let missing = bob.missing.expect("the history before is");
    assert!(missing.starts_with("revisions of its history up to 3"), "{missing}");
}

#[test]
fn a_damaged_page_of_names_costs_no_list_whose_history_is_whole() {
    let embedded = Embedded::default();
    lists_of_each_kind(&embedded, Ending::Close);
    assert_eq!(damage_pages(&embedded, "lists", "bob"), 1);
    let (lists, errors) = everything(&embedded);
    let [StoreError::Failed { what, .. }] = &errors[..] else { panic!("{errors:?}") };
    assert_eq!(what, "read the names of all lists");
    assert_eq!(names(&lists), ["ann", "bob", "cid", "dan"]);
    for list in &lists[..3] {
        assert_eq!(summary(list), (3, vec![1, 2, 3], None), "{list:?}");
        assert_eq!(list.missing.as_deref(), Some("its wake-up time"));
    }
}

#[test]
fn a_log_that_no_server_starts_with_leaves_all_lists_with_what_is_certain() {
    let embedded = Embedded::default();
    lists_of_each_kind(&embedded, Ending::Close);
    let store = embedded.try_open().expect("it opens");
    for list in ["ann", "bob"] {
        let before = block_on(store.load(&name(list))).expect("it is readable").list;
        block_on(store.commit(Sample::at(list, before).add("Eggs").commit())).expect("it continues");
    }
    end(store, Ending::Drop);
    embedded.sql().execute("DELETE FROM log WHERE seq = (SELECT max(seq) FROM log)", []).expect("it is deleted");
    let last = "UPDATE log SET first = first + 5, seq = seq + 5";
    embedded.sql().execute(last, []).expect("it is moved");
    assert!(matches!(embedded.try_open(), Err(StoreError::Failed { .. } | StoreError::Incomplete { .. })));

    let (lists, _) = everything(&embedded);
    assert_eq!(names(&lists), ["ann", "bob", "cid", "dan"]);
    let revisions: Vec<_> = lists.iter().map(|list| list.list.list.revision()).collect();
    assert_eq!(revisions, [4, 3, 3, 3], "the commit of ann is sound, and that of bob is lost");
    assert!(lists.iter().all(|list| list.missing.is_some()), "any of them may be older: {lists:?}");
}

#[test]
fn acknowledged_commits_that_are_missing_are_an_error_before_the_lists() {
    let embedded = Embedded::default();
    lists_of_each_kind(&embedded, Ending::Close);
    last_commit::write(embedded.dir.path(), 1_000).expect("it is written");
    let (lists, errors) = everything(&embedded);
    assert_eq!(lists.len(), 4);
    assert!(errors[0].to_string().contains("acknowledged commits are missing"), "{errors:?}");
}

#[test]
fn lists_of_the_first_format_are_read_as_they_are() {
    let embedded = Embedded::default();
    lists_of_each_kind(&embedded, Ending::Close);
    embedded.sql().execute_batch("DROP TABLE receipts; PRAGMA user_version = 1").expect("the lists are the same");
    let (lists, errors) = everything(&embedded);
    assert_eq!((lists.len(), errors), (4, vec![]));
    assert!(lists.iter().all(|list| list.missing.is_none()), "{lists:?}");
}

#[test]
fn a_list_whose_compacted_row_vanished_is_named_before_a_scrub_finds_out() {
    let embedded = Embedded::default();
    lists_of_each_kind(&embedded, Ending::Close);
    embedded.sql().execute("DELETE FROM lists WHERE name = 'bob'", []).expect("it is deleted");
    let (lists, errors) = everything(&embedded);
    assert_eq!(names(&lists), ["ann", "bob", "cid", "dan"]);
    assert_eq!(summary(&lists[1]), (3, vec![1, 2, 3], None), "its history proves it");
    assert_eq!(lists[1].missing.as_deref(), Some("its wake-up time"));
    let lost = "the table lists lacks rows that its digest counts: 1, so lists may be missing or older";
    assert!(matches!(&errors[..], [one] if one.to_string().contains(lost)), "{errors:?}");
    // Nothing else names the list.
    embedded.sql().execute_batch("DELETE FROM history WHERE name = 'bob'; DELETE FROM timers").expect("deleted");
    let (lists, errors) = everything(&embedded);
    assert_eq!((names(&lists), errors.len()), (vec!["ann", "cid", "dan"], 1));
}

#[test]
fn commits_whose_numbers_were_given_twice_are_all_evidence() {
    let embedded = Embedded::default();
    lists_of_each_kind(&embedded, Ending::Drop);
    // The evidence of another list has the number of a commit of bob.
    embedded.sql().execute_batch("INSERT INTO quarantine VALUES (5, 'zoe', 1, x'00', 'earlier')").expect("it is added");
    crate::store::embedded::digest::recount::reset(&embedded.sql()).expect("the digest is made anew");
    let bob: u64 = embedded.sql().query_row("SELECT count(*) FROM log", [], |row| row.get(0)).expect("rows");
    assert!(bob > 5);
    flip(&embedded, "log", "commits", "seq = 5");
    for ending in [Ending::Drop, Ending::Drop, Ending::Close] {
        end(embedded.try_open().expect("bob is isolated"), ending);
    }
    let of_bob = "SELECT count(*) FROM quarantine WHERE name = 'bob'";
    assert_eq!(embedded.sql().query_row(of_bob, [], |row| row.get::<_, u64>(0)), Ok(3));
}

#[test]
fn revisions_before_a_gap_in_a_history_are_said_to_be_missing() {
    let embedded = Embedded::default();
    for title in ["Milk", "Bread", "Eggs"] {
        let store = embedded.try_open().expect("it opens");
        let bob = block_on(store.load(&name("bob"))).expect("it is readable").list;
        let sample = Sample::at("bob", bob);
        let sample = if sample.list.exists() { sample } else { sample.create() };
        block_on(store.commit(sample.add(title).commit())).expect("it continues");
        end(store, Ending::Close);
    }
    embedded.sql().execute("DELETE FROM history WHERE name = 'bob' AND last = 3", []).expect("it is deleted");
    let bob = salvaged(&embedded, "bob");
    assert_eq!(summary(&bob), (4, vec![4], None));
    assert_eq!(bob.missing.as_deref(), Some("the revisions of its history between 2 and 4"));
    assert!(bob.is_last_state());
}

#[test]
fn a_lost_digest_is_said_and_names_are_looked_for_in_all_tables() {
    for lose in ["DELETE FROM digest", "UPDATE digest SET record = x'04'", "DROP TABLE digest"] {
        let embedded = Embedded::default();
        lists_of_each_kind(&embedded, Ending::Close);
        embedded.sql().execute_batch(&format!("DELETE FROM lists WHERE name = 'bob'; {lose}")).expect("it is lost");
        let (lists, errors) = everything(&embedded);
        assert_eq!(names(&lists), ["ann", "bob", "cid", "dan"], "{lose}");
        let unknown = "so it is not known whether lists are missing";
        assert!(matches!(&errors[..], [one] if one.to_string().contains(unknown)), "{lose}: {errors:?}");
    }
}

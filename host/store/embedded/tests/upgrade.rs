//! Tests of directories that earlier programs wrote. Each has a list `bob` in the database and in the log, a compacted
//! list `chores`, a deleted list `gone`, and a list in the log only.

use super::record::RowKind;
use super::*;
use crate::list::List;
use crate::list::change::Change;
use crate::store::fixtures::RECEIVED;

const ENCODING_1: &str = include_str!("../schema/encoding_1.sql");
const ENCODING_2: &str = include_str!("../schema/encoding_2.sql");
const ENCODING_3: &str = include_str!("../schema/encoding_3.sql");

fn directory(sql: &str) -> Embedded {
    let mut embedded = Embedded::default();
    // The receipts are not expired.
    embedded.options.now = || RECEIVED + 1;
    embedded.sql().execute_batch(sql).expect("a database of an earlier program");
    embedded
}

/// Checks that all that the earlier program stored is there.
fn check(store: &EmbeddedStore) {
    let load = |list: &str| block_on(store.load(&name(list))).expect("it is readable");
    for (list, receipts, wake_up) in [("bob", 1, 1_800_000_000_000), ("chores", 2, 1_900_000_000_000)] {
        let stored = load(list);
        assert_eq!((stored.list.revision(), stored.list.count(), stored.list.count_open()), (7, 2, 1), "{list}");
        assert_eq!((stored.receipts.len(), stored.wake_up), (receipts, Some(wake_up)), "{list}");
        let history = block_on(store.history(&name(list), 0, 100)).expect("it is readable");
        assert_eq!(history.len(), 7, "{list}");
    }
    assert_eq!((load("gone").list.exists(), load("gone").list.revision()), (false, 3));
    assert_eq!((load("only in the log").list.count(), load("only in the log").receipts.len()), (1, 1));
    let lists = block_on(store.page(None, 100)).expect("they are readable");
    assert_eq!(lists.iter().map(|list| list.name.as_str()).collect::<Vec<_>>(), ["bob", "chores", "only in the log"]);
    let due = block_on(store.due(u64::MAX, None, 100)).expect("they are readable");
    assert_eq!(due.iter().map(|due| due.name.as_str()).collect::<Vec<_>>(), ["bob", "chores"]);
}

#[test]
fn directories_of_the_two_encodings_before_this_one_are_read_as_a_whole_and_stay_readable() {
    for (sql, ending) in
        [ENCODING_3, ENCODING_2].into_iter().flat_map(|sql| [(sql, Ending::Drop), (sql, Ending::Close)])
    {
        let embedded = directory(sql);
        let store = embedded.try_open().expect("it is upgraded");
        check(&store);
        end(store, ending);
        let store = embedded.try_open().expect("it opens");
        check(&store);
        let stored = block_on(store.load(&name("bob"))).expect("it is readable");
        let more = Sample::at("bob", stored.list).add("one more").wake_at(stored.wake_up);
        block_on(store.commit(more.commit())).expect("it continues");
        end(store, Ending::Close);
        assert!(verify(embedded.dir.path(), &mut |_, _| ()).expect("it is read").is_sound());
    }
}

#[test]
fn a_directory_of_an_encoding_that_is_not_read_is_refused_and_not_changed() {
    let embedded = directory(ENCODING_1);
    let refused = embedded.try_open().expect_err("no list could be read");
    let StoreError::Format { found, known, .. } = &refused else { panic!("{refused}") };
    assert_eq!(found, "1 with encoding 1");
    assert!(known.ends_with(" with encoding 2 or later"), "{known}");
    assert_eq!(embedded.sql().pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0)), Ok(1));
}

/// The revisions of a list, oldest first, each with the list before it.
fn steps(embedded: &Embedded, list: &str) -> Vec<(Arc<List>, Revision)> {
    let recording = Recording::open(embedded.dir.path()).expect("it opens");
    let recorded = recording.lists(|name| name.as_str() == list).next().expect("it exists").expect("it is readable");
    let steps = recorded.steps().expect("it leads back").map(|step| step.map(|(list, step)| (list, step.clone())));
    steps.collect::<Result<_, _>>().expect("it leads to the list")
}

#[test]
fn the_inverses_that_encoding_2_lacks_are_those_that_the_next_encoding_has() {
    let (second, third) = (directory(ENCODING_2), directory(ENCODING_3));
    for embedded in [&second, &third] {
        end(embedded.try_open().expect("it is upgraded"), Ending::Close);
    }
    // The one program bound a list to a version, the other one to a logic, whose version has an unknown schema.
    let is_binding = |change: &Change| matches!(change, Change::BindLogic(_));
    for list in ["bob", "chores", "only in the log"] {
        let (second, third) = (steps(&second, list), steps(&third, list));
        assert_eq!(second.len(), third.len(), "{list}");
        for ((_, mut old), (_, mut new)) in second.into_iter().zip(third) {
            for revision in [&mut old, &mut new] {
                revision.changes.retain(|change| !is_binding(change));
                revision.inverse.retain(|change| !is_binding(change));
            }
            assert_eq!(old, new, "{list}");
        }
    }
    let stored = block_on(second.try_open().expect("it opens").load(&name("bob"))).expect("it is readable");
    let binding = stored.list.binding().expect("it exists");
    assert_eq!((binding.id.to_string().as_str(), binding.schema_fingerprint), ("todo@1.2.3+sha256:07070707", 0));
}

#[test]
fn a_history_whose_inverses_cannot_be_known_is_kept_as_evidence_and_the_list_goes_on() {
    let embedded = directory(ENCODING_2);
    // The first revisions are no longer retained. Chores has nothing in the log.
    for (list, last) in [("bob", 3), ("chores", 7)] {
        let row = "SELECT record FROM history WHERE name = ?1";
        let row: Vec<u8> = embedded.sql().query_row(row, [list], |row| row.get(0)).expect("a row");
        let cut = encoding_2::tests::without_first_revision(list, last, &row);
        let update = "UPDATE history SET record = ?2 WHERE name = ?1";
        assert_eq!(embedded.sql().execute(update, rusqlite::params![list, cut]), Ok(1));
    }
    let store = embedded.try_open().expect("it is upgraded");
    let stored = block_on(store.load(&name("bob"))).expect("it is readable");
    assert_eq!((stored.list.revision(), stored.list.count(), stored.receipts.len()), (7, 2, 1));
    let binding = stored.list.binding().expect("it exists").id.to_string();
    assert_eq!(binding, "todo@1.2.3+sha256:07070707");
    let numbers = |list| {
        let history = block_on(store.history(&name(list), 0, 100)).expect("it is readable");
        history.iter().map(|revision| revision.number).collect::<Vec<_>>()
    };
    assert_eq!((numbers("bob"), numbers("chores")), (vec![4, 5, 6, 7], vec![]));
    let more = Sample::at("bob", stored.list).add("one more").wake_at(stored.wake_up);
    block_on(store.commit(more.commit())).expect("it continues");
    end(store, Ending::Close);
    let kept = "SELECT revision, why FROM quarantine WHERE name = 'bob' || char(10)";
    let kept = embedded.sql().query_row(kept, [], |row| Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?)));
    assert_eq!(kept, Ok((3, "its revisions have no inverses; history.record".into())));
    assert_eq!(verify(embedded.dir.path(), &mut |_, _| ()).expect("it is read").findings, []);
}

#[test]
fn a_damaged_list_of_encoding_2_is_unreadable_and_costs_no_other_list() {
    let embedded = directory(ENCODING_2);
    let flip =
        "UPDATE lists SET snapshot = substr(snapshot, 1, 20) || x'ff' || substr(snapshot, 22) WHERE name = 'bob'";
    assert_eq!(embedded.sql().execute(flip, []), Ok(1));
    let store = embedded.try_open().expect("it is upgraded");
    assert!(matches!(block_on(store.load(&name("bob"))), Err(StoreError::Unreadable { .. })));
    for (list, revision) in [("chores", 7), ("only in the log", 2)] {
        assert_eq!(block_on(store.load(&name(list))).map(|stored| stored.list.revision()), Ok(revision), "{list}");
    }
}

#[test]
fn a_damaged_page_of_receipts_of_the_first_format_makes_its_lists_unreadable_and_ends_no_upgrade() {
    let embedded = directory(ENCODING_3);
    let db = embedded.sql();
    let row: Vec<u8> =
        db.query_row("SELECT record FROM receipts WHERE place = 256", [], |row| row.get(0)).expect("one");
    let content = record::unseal_of(3, RowKind::Receipt, "chores", 256, &row).expect("it is sound").to_vec();
    // The receipts of bob fill pages before those of chores. The list between them does not exist.
    for list in ["bob", "bzz", "chores"] {
        for place in 300..360 {
            let row = record::sealed_as(3, RowKind::Receipt, &name(list), place, &content);
            let insert = "INSERT INTO receipts (name, place, record) VALUES (?1, ?2, ?3)";
            db.execute(insert, rusqlite::params![list, place, row]).expect("it is written");
        }
    }
    drop(db);
    assert!(damage::damage_pages(&embedded, "receipts", "chores") > 0);
    for _ in 0..2 {
        let store = embedded.try_open().expect("it is upgraded");
        let unreadable = block_on(store.load(&name("chores")));
        assert!(matches!(unreadable, Err(StoreError::Unreadable { .. })), "{unreadable:?}");
        let bob = block_on(store.load(&name("bob"))).expect("it is readable");
        assert_eq!((bob.list.revision(), bob.receipts.len()), (7, 61));
        end(store, Ending::Close);
    }
    assert_eq!(embedded.sql().pragma_query_value(None, "user_version", |row| row.get(0)), Ok(schema::FORMAT));
}

#[test]
fn a_directory_that_lacks_acknowledged_commits_is_refused_before_it_is_upgraded() {
    let mut embedded = directory(ENCODING_3);
    last_commit::write(embedded.dir.path(), 1_000_000).expect("it is written");
    let refused = embedded.try_open().expect_err("commits are missing");
    assert!(matches!(refused, StoreError::Incomplete { .. }), "{refused}");
    let format =
        |embedded: &Embedded| embedded.sql().pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0));
    assert_eq!(format(&embedded), Ok(1), "the earlier program still reads it");
    embedded.options.accept_loss = true;
    check(&embedded.try_open().expect("the loss is accepted"));
    assert_eq!(format(&embedded), Ok(schema::FORMAT));
}

#[test]
fn a_list_that_cannot_be_written_is_left_out_of_an_upgrade_and_costs_no_other_list() {
    let embedded = directory(ENCODING_2);
    // As if a page beside the row were damaged, which SQLite finds out when it moves rows to it.
    let fails = "CREATE TRIGGER fault BEFORE UPDATE ON lists WHEN old.name = 'bob'
        BEGIN SELECT RAISE(ABORT, 'a test asks for it'); END";
    embedded.sql().execute_batch(fails).expect("it is created");
    let store = embedded.try_open().expect("it is upgraded");
    let unreadable = block_on(store.load(&name("bob")));
    assert!(matches!(unreadable, Err(StoreError::Unreadable { .. })), "{unreadable:?}");
    for (list, revision) in [("chores", 7), ("gone", 3), ("only in the log", 2)] {
        assert_eq!(block_on(store.load(&name(list))).map(|stored| stored.list.revision()), Ok(revision), "{list}");
    }
    embedded.sql().execute_batch("DROP TRIGGER fault").expect("it is dropped");
}

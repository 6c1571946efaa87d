//! Tests of directories that earlier programs wrote. Each has a list `bob` in the database and in the log, a compacted
//! list `chores`, a deleted list `gone`, and a list in the log only.

use super::*;
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
fn a_directory_of_the_encoding_before_this_one_is_read_as_a_whole_and_stays_readable() {
    for ending in [Ending::Drop, Ending::Close] {
        let embedded = directory(ENCODING_3);
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
    for (sql, found) in [(ENCODING_1, "1 with encoding 1"), (ENCODING_2, "1 with encoding 2")] {
        let embedded = directory(sql);
        let refused = embedded.try_open().expect_err("no list could be read");
        let path = embedded.dir.path().display().to_string();
        let known = "1 to 3 with encoding 3 or later".into();
        assert_eq!(refused, StoreError::Format { path, found: found.into(), known });
        assert_eq!(embedded.sql().pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0)), Ok(1));
    }
}

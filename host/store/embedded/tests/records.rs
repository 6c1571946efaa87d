//! Damage, failures and restarts of records.

use super::damage::damage_pages;
use super::*;
use crate::store::records::{Record, RecordChange, RecordError, RecordKey, RecordKind, Records, Replaced};

impl Embedded {
    /// A store with the records `ann`, `bob` and `cid`, each of which was written twice.
    fn with_records(&self) -> EmbeddedStore {
        let store = self.try_open().expect("it opens");
        for user in ["ann", "bob", "cid"] {
            let first = put(&store, user, &format!("first of {user}"), None).expect("it is absent");
            put(&store, user, &format!("second of {user}"), Some(first)).expect("it is at the first");
        }
        store
    }

    fn sql_batch(&self, sql: &str) {
        self.sql().execute_batch(sql).expect("the statements are sound");
    }
}

fn kind() -> RecordKind {
    RecordKind::new("user").expect("a kind")
}

fn key(key: &str) -> RecordKey {
    RecordKey::new(key).expect("a key")
}

fn put(store: &EmbeddedStore, user: &str, value: &str, expected: Option<u64>) -> Result<u64, RecordError> {
    block_on(store.put(RecordChange::new(&kind(), &key(user), value.to_owned(), expected)))
}

fn text(record: Result<Option<Record>, RecordError>) -> String {
    match record {
        Ok(Some(record)) => String::from_utf8(record.value.to_vec()).expect("text"),
        Ok(None) => "absent".into(),
        Err(error) => error.to_string(),
    }
}

fn present(store: &EmbeddedStore, user: &str) -> String {
    text(block_on(store.get(&kind(), &key(user))))
}

fn previous(store: &EmbeddedStore, user: &str) -> String {
    text(block_on(store.previous(&kind(), &key(user))))
}

/// The revision with which an unreadable record can be replaced, and the damage.
fn damage_of(store: &EmbeddedStore, user: &str) -> (Option<u64>, String) {
    match block_on(store.get(&kind(), &key(user))) {
        Err(RecordError::Unreadable { revision, why, .. }) => (revision, why),
        other => panic!("{user} is not unreadable: {other:?}"),
    }
}

#[test]
fn a_damaged_record_is_unreadable_and_its_previous_value_and_all_other_records_are_readable() {
    for damage in [
        "UPDATE records SET record = x'0401020304' || substr(record, 6) WHERE key = 'bob'",
        "UPDATE records SET record = substr(record, 1, 9) WHERE key = 'bob'",
        "UPDATE records SET record = x'' WHERE key = 'bob'",
        "UPDATE records SET record = 'text' WHERE key = 'bob'",
        "UPDATE records SET revision = revision + 1 WHERE key = 'bob'",
        "UPDATE records SET revision = -1 WHERE key = 'bob'",
        "UPDATE records SET record = (SELECT record FROM records WHERE key = 'cid') WHERE key = 'bob'",
        "UPDATE records SET record = (SELECT record FROM previous_records WHERE key = 'bob') WHERE key = 'bob'",
        "DELETE FROM records WHERE key = 'bob'",
    ] {
        let embedded = Embedded::default();
        end(embedded.with_records(), Ending::Close);
        embedded.sql_batch(damage);
        let store = embedded.try_open().expect("it opens");
        let (revision, why) = damage_of(&store, "bob");
        assert_eq!(previous(&store, "bob"), "first of bob", "{damage}");
        for user in ["ann", "cid"] {
            assert_eq!(present(&store, user), format!("second of {user}"), "{damage}");
        }
        let page = block_on(store.list(&kind(), "", None, 9)).expect("the page has the others");
        let listed: Vec<_> = page.records.iter().map(|listed| (listed.key.as_str(), listed.record.is_ok())).collect();
        assert_eq!(listed, [("ann", true), ("bob", false), ("cid", true)], "{damage}");

        // Only who read the damage replaces it. The damaged value never is the previous one.
        let other = put(&store, "bob", "lost", Some(99));
        assert!(matches!(other, Err(RecordError::Conflict { .. })), "{damage}: {other:?}");
        let third = put(&store, "bob", "third of bob", revision).unwrap_or_else(|error| panic!("{damage}: {error}"));
        assert_eq!((present(&store, "bob"), previous(&store, "bob")), ("third of bob".into(), "first of bob".into()));
        put(&store, "bob", "fourth of bob", Some(third)).expect("it is at the third");
        assert_eq!(previous(&store, "bob"), "third of bob");
        let kept = embedded.count("damaged_records WHERE key = 'bob'");
        assert_eq!(kept, u64::from(!damage.starts_with("DELETE")), "{damage}: {why}");
        assert_eq!(store.health(), Health::Healthy);
        end(store, Ending::Drop);
        assert!(embedded.try_open().is_ok(), "it opens with the evidence");
    }
}

#[test]
fn a_damaged_page_of_records_costs_the_records_on_it_and_poisons_nothing() {
    let embedded = Embedded::default();
    let store = embedded.with_records();
    for user in ["dan", "eve"] {
        put(&store, user, &format!("{user} {}", "x".repeat(3_000)), None).expect("it is absent");
    }
    end(store, Ending::Close);
    assert!(damage_pages(&embedded, "records", "second of bob") > 0);
    let store = embedded.try_open().expect("it opens");
    let (revision, why) = damage_of(&store, "bob");
    assert!(why.starts_with("the table records is damaged"), "{why}");
    assert_eq!(previous(&store, "bob"), "first of bob");
    assert!(present(&store, "eve").starts_with("eve"));
    let page = block_on(store.list(&kind(), "", None, 9)).expect("the index is sound");
    assert_eq!(page.records.len(), 5);
    // The page takes no row, and the store goes on.
    let refused = put(&store, "bob", "third of bob", revision).expect_err("its page is damaged");
    assert!(matches!(refused, RecordError::Unreadable { .. }), "{refused:?}");
    // SQLite would not commit a transaction that has read the page.
    let refused = put(&store, "bob", "third of bob", Some(4)).expect_err("its page is damaged");
    assert!(matches!(refused, RecordError::Unreadable { .. }), "{refused:?}");
    assert_eq!(store.health(), Health::Healthy);
    block_on(store.commit(Sample::new("list").create().commit())).expect("lists are not concerned");
}

#[test]
fn a_change_that_meets_damage_is_the_only_one_of_its_transaction_that_is_refused() {
    let embedded = Embedded::default();
    let store = embedded.with_records();
    embedded.sql_batch(
        "CREATE TRIGGER bob BEFORE INSERT ON records WHEN NEW.key = 'bob' BEGIN SELECT RAISE(ABORT, 'no'); END",
    );
    let sql = embedded.sql();
    sql.execute_batch("BEGIN IMMEDIATE").expect("the writer waits for this");
    let change = |user: &str| store.put(RecordChange::new(&kind(), &key(user), "third", None));
    let changes: Vec<_> = ["dan", "bob", "eve"].map(|user| (user, change(user))).into();
    let bob = RecordChange::new(&kind(), &key("bob"), "third", Some(4));
    let bob = store.put(bob);
    sql.execute_batch("COMMIT").expect("the writer goes on");
    for (user, result) in changes {
        assert_eq!(block_on(result).is_ok(), user != "bob", "{user}");
    }
    assert!(matches!(block_on(bob), Err(RecordError::Unreadable { .. })));
    assert_eq!((present(&store, "dan"), present(&store, "bob")), ("third".into(), "second of bob".into()));
}

#[test]
fn a_change_whose_transaction_fails_to_commit_is_unknown_and_a_later_one_is_refused() {
    let embedded = Embedded::default();
    let store = embedded.with_records();
    // A deferred constraint is checked when the transaction commits.
    embedded.sql_batch(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY);
        CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
        CREATE TRIGGER violation AFTER INSERT ON records BEGIN INSERT INTO child VALUES (1); END;",
    );
    let mut watch = store.watch(&kind());
    let failed = put(&store, "dan", "first", None).expect_err("it violates the constraint");
    assert!(failed.is_unknown(), "{failed:?}");
    let refused = put(&store, "ann", "third", Some(2)).expect_err("the store is poisoned");
    assert!(matches!(&refused, RecordError::Store(StoreError::Poisoned { .. })), "{refused:?}");
    let refused = block_on(store.commit(Sample::new("list").create().commit()));
    assert!(matches!(refused, Err(StoreError::Poisoned { .. })), "{refused:?}");
    assert_eq!((present(&store, "dan"), present(&store, "ann")), ("absent".into(), "second of ann".into()));
    assert!(watch.changed().now_or_never().is_none(), "nothing was acknowledged");
}

#[test]
fn a_change_that_fails_before_its_commit_is_not_carried_out_and_poisons() {
    let embedded = Embedded::default();
    let store = embedded.with_records();
    embedded.sql_batch("ALTER TABLE last_record RENAME TO hidden");
    let failed = put(&store, "ann", "third", Some(2)).expect_err("a table is missing");
    assert!(matches!(&failed, RecordError::Store(StoreError::Poisoned { .. })), "{failed:?}");
    assert!(!failed.is_unknown());
    assert!(matches!(store.health(), Health::WriteFailed { .. }), "{}", store.health());
    embedded.sql_batch("ALTER TABLE hidden RENAME TO last_record");
    drop(store);
    let store = embedded.try_open().expect("it opens");
    assert_eq!(put(&store, "ann", "third", Some(2)), Ok(7));
}

#[test]
fn a_panic_of_the_writer_makes_a_change_in_flight_unknown() {
    let embedded = Embedded::default();
    let store = embedded.with_records();
    let sql = embedded.sql();
    sql.execute_batch("BEGIN IMMEDIATE").expect("the writer waits for this");
    let first = store.put(RecordChange::new(&kind(), &key("ann"), "third", Some(2)));
    let second = store.put(RecordChange::new(&kind(), &key("bob"), "third", Some(4)));
    store.writes.send(WriterRequest::Panic).expect("the writer lives");
    sql.execute_batch("COMMIT").expect("the writer goes on");
    // The first change is in a transaction of its own, or in flight with the second one.
    let (first, second) = (block_on(first), block_on(second).expect_err("it was not acknowledged"));
    assert!(first.as_ref().err().is_none_or(RecordError::is_unknown), "{first:?}");
    assert!(second.is_unknown(), "{second:?}");
}

#[test]
fn a_full_disk_refuses_changes_until_it_has_room() {
    let mut embedded = Embedded::default();
    drop(embedded.with_records());
    embedded.sql_batch("CREATE TABLE filler (bytes BLOB); INSERT INTO filler VALUES (zeroblob(2000000))");
    embedded.options.max_bytes = Some(2_400_000);
    embedded.options.retry = std::time::Duration::from_millis(1);
    let store = embedded.try_open().expect("it opens");
    let refused = put(&store, "ann", &"x".repeat(3_000_000), Some(2)).expect_err("it does not fit");
    assert!(matches!(&refused, RecordError::Store(StoreError::Unavailable { .. })), "{refused:?}");
    assert!(matches!(store.health(), Health::DiskFull { .. }), "{}", store.health());
    assert_eq!(present(&store, "ann"), "second of ann");
    embedded.sql_batch("DROP TABLE filler");
    faults::wait_until(|| store.health().is_healthy());
    assert_eq!(put(&store, "ann", "third of ann", Some(2)), Ok(7), "the refused change was not carried out");
    assert_eq!(block_on(store.close()), Ok(()));
}

#[test]
fn changes_that_wait_too_long_for_the_write_lock_are_refused_and_the_store_stays_healthy() {
    let mut embedded = Embedded::default();
    embedded.options.lock_wait = std::time::Duration::ZERO;
    let store = embedded.with_records();
    let sql = embedded.sql();
    sql.execute_batch("BEGIN IMMEDIATE").expect("the store does not write");
    let refused = put(&store, "ann", "third", Some(2)).expect_err("the lock is held");
    assert!(matches!(&refused, RecordError::Store(StoreError::Unavailable { .. })), "{refused:?}");
    assert_eq!(store.health(), Health::Healthy);
    sql.execute_batch("COMMIT").expect("it is released");
    assert_eq!(put(&store, "ann", "third", Some(2)), Ok(7));
}

#[test]
fn a_check_names_damaged_records() {
    let embedded = Embedded::default();
    end(embedded.with_records(), Ending::Close);
    let check = || {
        let found = verify(embedded.dir.path(), &mut |_, _| ()).expect("it is read");
        found.findings.into_iter().map(|finding| finding.what).collect::<Vec<_>>()
    };
    assert_eq!(check(), [""; 0]);
    embedded.sql_batch(
        "UPDATE records SET revision = 70 WHERE key = 'ann';
        DELETE FROM records WHERE key = 'bob';
        UPDATE previous_records SET record = x'04' WHERE key = 'cid';
        INSERT INTO records (kind, key, revision, record) VALUES ('no kind', 'dan', 1, x'');",
    );
    assert_eq!(
        check(),
        [
            "the table records has a row with the damaged name \"no kind\" \"dan\"",
            "record \"ann\" of kind user: the checksum of its record row 70 is wrong",
            "record \"bob\" of kind user: its row is missing, and its previous value is there",
            "the previous value of record \"cid\" of kind user: its record row is cut off",
        ]
    );
}

#[test]
fn a_dropped_value_is_found_neither_in_the_record_nor_in_its_previous_value() {
    let embedded = Embedded::default();
    let store = embedded.with_records();
    let change = RecordChange::new(&kind(), &key("ann"), "third of ann", Some(2));
    let third =
        block_on(store.put(RecordChange { replaced: Replaced::Dropped, ..change })).expect("it is at the second");
    assert_eq!((present(&store, "ann"), previous(&store, "ann")), ("third of ann".into(), "first of ann".into()));
    put(&store, "ann", "fourth of ann", Some(third)).expect("it is at the third");
    assert_eq!(previous(&store, "ann"), "third of ann");
}

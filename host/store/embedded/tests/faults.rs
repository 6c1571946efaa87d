//! Failed writes, dead threads and gaps in the log.

use super::*;

/// The store's health after a thread panicked. The panic is recorded a moment after the thread drops its calls.
fn fault_of(store: &EmbeddedStore) -> Health {
    let health = (0..1_000_000).map(|_| store.health()).find(|health| {
        std::thread::yield_now();
        !health.is_healthy()
    });
    health.expect("the panic of a thread is recorded soon")
}

#[test]
fn a_panic_of_the_writer_makes_commits_in_flight_unknown_and_later_ones_poisoned() {
    let embedded = Embedded::default();
    let store = embedded.try_open().expect("it opens");
    assert_eq!(store.health(), Health::Healthy);
    let sql = embedded.sql();
    sql.execute_batch("BEGIN IMMEDIATE").expect("the writer waits for this");
    let [first, second] = ["ann", "bob"].map(|list| store.commit(Sample::new(list).create().commit()));
    store.writes.send(WriterRequest::Panic).expect("the writer lives");
    sql.execute_batch("COMMIT").expect("the writer goes on");
    // The first commit is in a batch of its own, or in flight with the second one.
    let first = block_on(first);
    assert!(first.as_ref().err().is_none_or(StoreError::is_unknown), "{first:?}");
    let second = block_on(second).expect_err("it was not acknowledged");
    assert!(second.is_unknown(), "{second:?}");
    assert!(second.to_string().contains("list \"bob\""), "{second}");

    let fault = Health::ThreadFailed { thread: "store-writer", why: "a test asks for it".into() };
    assert_eq!(store.health(), fault);
    let refused = block_on(store.commit(Sample::new("cid").create().commit()));
    assert_eq!(refused, Err(StoreError::Poisoned { why: fault.to_string() }));
    assert_eq!(block_on(store.load(&name("cid"))).map(|stored| stored.list.revision()), Ok(0), "reads go on");
    assert_eq!(block_on(store.close()), Err(StoreError::Poisoned { why: fault.to_string() }));
    assert!(embedded.try_open().is_ok(), "a poisoned store gives the directory back");
}

#[test]
fn a_commit_that_is_too_large_is_refused_and_the_store_goes_on() {
    let embedded = Embedded::default();
    let mut store = embedded.try_open().expect("it opens");
    store.max_frame_bytes = 2_000;
    let large = Sample::new("ann").create().add(&"x".repeat(2_000)).commit();
    let refused = block_on(store.commit(large)).expect_err("it is over the limit");
    assert!(matches!(&refused, StoreError::Failed { why, .. } if why.ends_with("the limit is 2000")), "{refused:?}");
    assert_eq!(store.health(), Health::Healthy);
    assert_eq!(block_on(store.load(&name("ann"))), Ok(Stored::default()), "it was not carried out");
    assert_eq!(block_on(store.commit(Sample::new("ann").create().commit())), Ok(()));
}

#[test]
fn a_panic_of_a_reader_fails_its_call_and_poisons_the_store() {
    let embedded = Embedded::default();
    let store = embedded.try_open().expect("it opens");
    let read = block_on(store.read::<()>(|_| panic!("no such page")));
    assert!(matches!(read, Err(StoreError::Failed { .. })), "{read:?}");
    let fault = Health::ThreadFailed { thread: "store-reader", why: "no such page".into() };
    assert_eq!(fault_of(&store), fault);
    let refused = block_on(store.commit(Sample::new("ann").create().commit()));
    assert_eq!(refused, Err(StoreError::Poisoned { why: fault.to_string() }));
    for _ in 0..2 * Options::default().readers {
        let read = block_on(store.read::<()>(|_| panic!("no such page either")));
        assert!(matches!(read, Err(StoreError::Failed { .. })), "{read:?}");
    }
    assert_eq!(block_on(store.load(&name("ann"))), Ok(Stored::default()), "reads of other lists go on");
    assert_eq!(block_on(store.close()), Err(StoreError::Poisoned { why: fault.to_string() }));
}

#[test]
fn a_transaction_whose_commit_fails_has_an_unknown_outcome() {
    let embedded = Embedded::default();
    let store = embedded.try_open().expect("it opens");
    // A deferred constraint is checked when the transaction commits.
    let violated_on_commit = "CREATE TABLE parent (id INTEGER PRIMARY KEY);
        CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
        CREATE TRIGGER violation AFTER INSERT ON log BEGIN INSERT INTO child VALUES (1); END;";
    embedded.sql().execute_batch(violated_on_commit).expect("it is created");
    let failed = block_on(store.commit(Sample::new("bob").create().commit())).expect_err("it violates the constraint");
    assert!(failed.is_unknown(), "{failed:?}");
    assert!(failed.to_string().contains("FOREIGN KEY"), "{failed}");
    assert!(matches!(store.health(), Health::WriteFailed { .. }), "{}", store.health());
    let refused = block_on(store.commit(Sample::new("ann").create().commit())).expect_err("the store is poisoned");
    assert!(matches!(&refused, StoreError::Poisoned { why } if why.contains("FOREIGN KEY")), "{refused:?}");
    assert!(!refused.is_unknown());
}

#[test]
fn after_a_failed_write_nothing_is_written_until_the_store_is_opened_anew() {
    let embedded = Embedded::default();
    let store = embedded.try_open().expect("it opens");
    block_on(store.commit(Sample::new("bob").create().commit())).expect("it is new");
    let fails = "CREATE TRIGGER fault BEFORE INSERT ON log BEGIN SELECT RAISE(ABORT, 'a test asks for it'); END";
    embedded.sql().execute_batch(fails).expect("it is created");
    let ann = || Sample::new("ann").create().commit();
    let failed = block_on(store.commit(ann())).expect_err("the log takes no row");
    assert!(matches!(&failed, StoreError::Failed { why, .. } if why.contains("a test asks for it")), "{failed:?}");
    embedded.sql().execute_batch("DROP TRIGGER fault").expect("it is dropped");
    let refused = block_on(store.commit(ann()));
    assert!(matches!(refused, Err(StoreError::Poisoned { .. })), "{refused:?}");
    assert_eq!(block_on(store.load(&name("bob"))).map(|stored| stored.list.revision()), Ok(1), "reads go on");
    assert!(matches!(block_on(store.close()), Err(StoreError::Poisoned { .. })));
    drop(store);
    let log = std::fs::metadata(embedded.dir.path().join("hotlist.db-wal")).map(|log| log.len());
    assert!(log.is_ok_and(|bytes| bytes > 0), "the next start checks the log");
    let store = embedded.try_open().expect("it opens");
    assert_eq!(block_on(store.load(&name("bob"))).map(|stored| stored.list.revision()), Ok(1));
    assert_eq!(block_on(store.commit(ann())), Ok(()));
}

/// Waits until something holds, at most a minute. The store does it soon by itself.
pub(super) fn wait_until(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "it does not happen");
        std::thread::yield_now();
    }
}

#[test]
fn a_full_disk_refuses_writes_until_it_has_room_and_loses_nothing() {
    let mut embedded = Embedded::default();
    drop(embedded.try_open().expect("it opens"));
    let fill = "CREATE TABLE filler (bytes BLOB); INSERT INTO filler VALUES (zeroblob(2000000))";
    embedded.sql().execute_batch(fill).expect("it is filled");
    embedded.options.max_bytes = Some(2_200_000);
    embedded.options.retry = std::time::Duration::from_millis(1);
    // Every commit begins a compaction, which needs room too.
    embedded.options.log_commits = 0;
    let store = embedded.try_open().expect("it opens");
    let mut bob = Sample::new("bob").create().wake_at(Some(7));
    let refused = loop {
        let before = bob.clone();
        match block_on(store.commit(bob.take())) {
            Ok(()) => {
                let at = bob.wake_up.map(|at| at + 1);
                bob = bob.add(&"x".repeat(900)).wake_at(at);
            }
            Err(error) => {
                bob = before;
                break error;
            }
        }
    };
    assert!(matches!(&refused, StoreError::Unavailable { why } if why.contains("full")), "{refused:?}");
    assert!(!refused.is_unknown());
    assert!(matches!(store.health(), Health::DiskFull { .. }), "{}", store.health());
    let small = block_on(store.commit(Sample::new("ann").create().commit()));
    assert!(matches!(small, Err(StoreError::Unavailable { .. })), "{small:?}");
    let written = bob.list.revision() - 1;
    assert_eq!(block_on(store.load(&name("bob"))).map(|stored| stored.list.revision()), Ok(written), "reads go on");

    embedded.sql().execute_batch("DROP TABLE filler").expect("there is room");
    wait_until(|| store.health().is_healthy());
    assert_eq!(block_on(store.commit(bob.take())), Ok(()), "the refused commit was not carried out");
    assert_eq!(block_on(store.commit(Sample::new("ann").create().commit())), Ok(()));
    let stored = block_on(store.load(&name("bob"))).expect("it is readable");
    assert_eq!((stored.list.revision(), stored.wake_up), (written + 1, bob.wake_up));
    assert_eq!(block_on(store.next_due()), Ok(bob.wake_up));
    assert_eq!(block_on(store.close()), Ok(()));
}

#[test]
fn commits_wait_while_a_shell_holds_the_write_lock_and_go_on_once_it_is_released() {
    let mut embedded = Embedded::default();
    embedded.options.lock_wait = std::time::Duration::from_secs(3_600);
    let store = embedded.try_open().expect("it opens");
    let sql = embedded.sql();
    sql.execute_batch("BEGIN IMMEDIATE").expect("the store does not write");
    let commit = store.commit(Sample::new("ann").create().commit());
    // SQLite has given up waiting by now, and the store has not.
    wait_until(|| store.lifecycle.is_locked_out());
    assert_eq!(store.health(), Health::Healthy);
    sql.execute_batch("COMMIT").expect("it is released");
    assert_eq!(block_on(commit), Ok(()));
    assert!(!store.lifecycle.is_locked_out());
}

#[test]
fn commits_that_wait_too_long_for_the_write_lock_are_refused_and_the_store_stays_healthy() {
    let mut embedded = Embedded::default();
    embedded.options.lock_wait = std::time::Duration::ZERO;
    let store = embedded.try_open().expect("it opens");
    let sql = embedded.sql();
    sql.execute_batch("BEGIN IMMEDIATE").expect("the store does not write");
    let ann = || Sample::new("ann").create().commit();
    for _ in 0..2 {
        let refused = block_on(store.commit(ann())).expect_err("the lock is held");
        assert!(matches!(&refused, StoreError::Unavailable { why } if why.contains("write lock")), "{refused:?}");
        assert_eq!(store.health(), Health::Healthy);
    }
    sql.execute_batch("COMMIT").expect("it is released");
    assert_eq!(block_on(store.commit(ann())), Ok(()), "the refused commits were not carried out");
    sql.execute_batch("BEGIN IMMEDIATE").expect("the store does not write");
    block_on(store.commit(ann())).expect_err("the lock is held");
    sql.execute_batch("COMMIT").expect("it is released");
    assert_eq!(block_on(store.close()), Ok(()), "an earlier lock does not keep the store from closing");
    drop(store);
    let store = embedded.try_open().expect("it opens");
    block_on(store.commit(Sample::new("bob").create().commit())).expect("it is new");
    sql.execute_batch("BEGIN IMMEDIATE").expect("the store does not write");
    assert!(matches!(block_on(store.close()), Err(StoreError::Unavailable { .. })), "closing does not wait for ever");
}

#[test]
fn a_missing_row_that_no_list_accounts_for_keeps_the_store_closed() {
    let embedded = Embedded::default();
    three_lists(&embedded, Ending::Drop);
    // Bob's last commit: what remains of bob is a sound list that is older than what was acknowledged.
    embedded.sql().execute("DELETE FROM log WHERE seq = 6", []).expect("it is deleted");
    let refused = embedded.try_open().expect_err("a list is older than it was");
    let StoreError::Incomplete { path, why } = &refused else { panic!("{refused:?}") };
    assert_eq!(*path, embedded.dir.path().display().to_string());
    assert!(why.starts_with("1 acknowledged commits are missing"), "{why}");
    assert!(matches!(Recording::open(embedded.dir.path()), Err(StoreError::Incomplete { .. })));
}

#[test]
fn a_missing_row_with_commits_of_two_lists_needs_both_to_account_for_it() {
    for (later, opens) in [(2, true), (1, false)] {
        let embedded = Embedded::default();
        let store = embedded.try_open().expect("it opens");
        let mut writers = ["ann", "bob"].map(|list| Sample::new(list).create());
        writers.iter_mut().for_each(|writer| block_on(store.commit(writer.take())).expect("it is new"));
        let mut writers = writers.map(|writer| writer.add("Milk"));
        writers.iter_mut().for_each(|writer| block_on(store.commit(writer.take())).expect("it continues"));
        for writer in writers.into_iter().take(later) {
            block_on(store.commit(writer.add("Bread").commit())).expect("it continues");
        }
        block_on(store.commit(Sample::new("cid").create().commit())).expect("it is new");
        drop(store);
        embedded.sql().execute("DELETE FROM log WHERE seq IN (3, 4)", []).expect("they are deleted");
        let opened = embedded.try_open();
        assert_eq!(opened.is_ok(), opens, "{opened:?}");
        let Ok(store) = opened else { continue };
        for list in ["ann", "bob"] {
            let read = block_on(store.load(&name(list)));
            assert!(matches!(read, Err(StoreError::Unreadable { .. })), "{read:?}");
        }
        assert_eq!(block_on(store.load(&name("cid"))).map(|stored| stored.list.revision()), Ok(1));
    }
}

#[test]
fn a_start_that_accepts_the_loss_isolates_the_lists_that_are_known_and_later_starts_need_no_leave() {
    let mut embedded = Embedded::default();
    three_lists(&embedded, Ending::Drop);
    // Ann's second commit, which ann's third one shows to be missing, and bob's last one, which nothing shows.
    embedded.sql().execute("UPDATE log SET directory = x'07', commits = x'07' WHERE seq = 2", []).expect("it is set");
    let refused = embedded.try_open().expect_err("the list of the damaged commit is unknown");
    assert!(refused.to_string().contains("--accept-loss"), "{refused}");
    embedded.sql().execute("DELETE FROM log WHERE seq = 6", []).expect("it is deleted");
    embedded.options.accept_loss = true;
    let store = embedded.try_open().expect("the loss is accepted");
    let unreadable = block_on(store.load(&name("ann")));
    assert!(matches!(unreadable, Err(StoreError::Unreadable { .. })), "{unreadable:?}");
    assert_eq!(block_on(store.load(&name("bob"))).map(|stored| stored.list.revision()), Ok(2), "it is older");
    assert_eq!(block_on(store.load(&name("cid"))).map(|stored| stored.list.revision()), Ok(3));
    assert_eq!(block_on(store.commit(Sample::new("dan").create().commit())), Ok(()));
    assert_eq!(embedded.count("quarantine WHERE seq = 2 AND record = x'07'"), 1, "the damaged commit is evidence");
    wait_until(|| embedded.count("log WHERE seq < 10") == 0);
    drop(store);
    embedded.options.accept_loss = false;
    let store = embedded.try_open().expect("the gap is gone");
    assert!(matches!(block_on(store.load(&name("ann"))), Err(StoreError::Unreadable { .. })));
    assert_eq!(block_on(store.load(&name("dan"))).map(|stored| stored.list.revision()), Ok(1));
}

#[test]
fn a_loss_that_was_accepted_needs_no_leave_again_when_the_process_ended_before_the_compaction() {
    let embedded = Embedded::default();
    three_lists(&embedded, Ending::Drop);
    embedded.sql().execute("UPDATE log SET directory = x'07', commits = x'07' WHERE seq = 2", []).expect("it is set");
    embedded.sql().execute("DELETE FROM log WHERE seq = 6", []).expect("it is deleted");
    let recover = |accept_loss| {
        let db = schema::open_writer(embedded.dir.path(), 1 << 20, None).expect("it opens");
        let room = ReceiptRoom::new(embedded.options.receipts);
        let mut digest = digest_check::open(&db, embedded.dir.path(), accept_loss).expect("it fits").digest;
        let recovered = recover::recover(&db, accept_loss, &room, 0, &mut digest);
        recovered.map(|recovered| recovered.has_accepted_loss)
    };
    assert!(matches!(recover(false), Err(StoreError::Incomplete { .. })));
    for accept_loss in [true, false, false] {
        assert_eq!(recover(accept_loss), Ok(true));
    }
    // A commit that is lost later is another loss.
    let db = embedded.sql();
    let copy = "INSERT INTO log SELECT 20, 20, directory, commits FROM log WHERE seq = 9";
    db.execute(copy, []).expect("it is written");
    assert!(matches!(recover(false), Err(StoreError::Incomplete { .. })));
}

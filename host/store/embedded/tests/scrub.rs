//! The scrub: rows that are missing or older, while the store works.

use std::time::Duration;

use parking_lot::Mutex;

use super::*;
use crate::store::embedded::covered_rows::{CompactedColumns, CoveredRows, ReceiptColumns};
use crate::store::embedded::digest::{RowChanges, recount};
use crate::store::embedded::scrub::{Pass, SliceLimit, Source};
use crate::store::fixtures::RECEIVED;

/// Three compacted lists with history, receipts and timers, a deleted one, and an isolated one.
fn lists(embedded: &Embedded) {
    three_lists(embedded, Ending::Close);
    let store = embedded.try_open().expect("it opens");
    for (list, at) in [("dan", 7), ("eve", 8)] {
        block_on(store.commit(Sample::new(list).create().wake_at(Some(at)).commit())).expect("it is new");
    }
    block_on(store.commit(Sample::new("gone").create().add("Milk").erase().commit())).expect("it is new");
    block_on(store.commit(Sample::new("zoe").create().commit())).expect("it is new");
    end(store, Ending::Close);
    let store = embedded.try_open().expect("it opens");
    let zoe = block_on(store.load(&name("zoe"))).expect("it is readable").list;
    block_on(store.commit(Sample::at("zoe", zoe).add("Milk").commit())).expect("it continues");
    end(store, Ending::Drop);
    flip(embedded, "log", "commits", "1");
    end(embedded.try_open().expect("zoe is isolated"), Ending::Close);
}

/// Changes the database, then scrubs it. The kinds of damage, and the unreadable lists beside zoe.
fn scrubbed_after(embedded: &Embedded, sql: &str) -> (EmbeddedStore, usize, Vec<String>) {
    embedded.sql().execute_batch(sql).expect("it is damaged");
    let store = embedded.try_open().expect("it opens");
    scrub_all(&store);
    scrub_all(&store);
    let unreadable = store.unreadable(None, 9).into_iter().map(|list| list.name.as_str().to_owned());
    let unreadable = unreadable.filter(|list| list != "zoe").collect();
    let damage = store.damage_count();
    (store, damage, unreadable)
}

#[test]
fn a_sound_database_has_no_damage() {
    let embedded = Embedded::default();
    lists(&embedded);
    let (store, damage, unreadable) = scrubbed_after(&embedded, "");
    assert_eq!((damage, unreadable), (0, Vec::new()));
    block_on(store.commit(Sample::new("new").create().wake_at(Some(1)).commit())).expect("it is new");
    scrub_all(&store);
    assert_eq!((store.damage_count(), store.unreadable_count()), (0, 1));
}

#[test]
fn a_missing_row_of_a_list_is_not_taken_for_an_absent_list() {
    for sql in ["DELETE FROM lists WHERE name = 'bob'", "DELETE FROM gone WHERE name = 'gone'"] {
        let embedded = Embedded::default();
        lists(&embedded);
        let (mut store, damage, unreadable) = scrubbed_after(&embedded, sql);
        let lost = if sql.contains("bob") { "bob" } else { "gone" };
        assert_eq!((damage, unreadable), (1, vec![lost.to_owned()]), "the list is named, and the digest differs");
        for ending in [Ending::Drop, Ending::Close] {
            let load = block_on(store.load(&name(lost)));
            assert!(matches!(load, Err(StoreError::Unreadable { .. })), "{load:?}");
            let anew = block_on(store.commit(Sample::new(lost).create().commit()));
            assert!(matches!(anew, Err(StoreError::Unreadable { .. })), "{anew:?}");
            end(store, ending);
            store = embedded.try_open().expect("it opens");
        }
        assert_eq!(block_on(store.discard(&name(lost))), Ok(()));
        let removed = block_on(store.load(&name(lost))).expect("it is absent").list;
        assert!(removed.revision() > 3, "no revision is given twice");
    }
}

#[test]
fn an_older_row_of_a_list_is_noticed_by_its_history() {
    let embedded = Embedded::default();
    lists(&embedded);
    let sql = embedded.sql();
    sql.execute_batch("CREATE TABLE old AS SELECT * FROM lists WHERE name = 'bob'").expect("it is copied");
    drop(sql);
    let store = embedded.try_open().expect("it opens");
    let bob = block_on(store.load(&name("bob"))).expect("it is readable").list;
    block_on(store.commit(Sample::at("bob", bob).add("Eggs").commit())).expect("it continues");
    end(store, Ending::Close);
    let restore = "REPLACE INTO lists SELECT * FROM old; DROP TABLE old";
    let (mut store, damage, unreadable) = scrubbed_after(&embedded, restore);
    assert_eq!((damage, unreadable), (1, vec!["bob".to_owned()]), "the list is named, and the digest differs");
    for earlier in ["", " (the list was isolated before this start)", " (the list was isolated before this start)"] {
        let Err(StoreError::Unreadable { why, .. }) = block_on(store.load(&name("bob"))) else { panic!("it is older") };
        assert_eq!(why, format!("its compacted row is of revision 3, and its history goes on to 4{earlier}"));
        end(store, Ending::Close);
        store = embedded.try_open().expect("it opens");
    }
}

#[test]
fn a_deleted_list_whose_row_returns_is_unreadable() {
    let embedded = Embedded::default();
    lists(&embedded);
    let returns = "INSERT INTO lists SELECT 'gone', revision, seq, brief, snapshot FROM lists WHERE name = 'bob'";
    let (_store, damage, unreadable) = scrubbed_after(&embedded, returns);
    assert_eq!((damage, unreadable), (1, vec!["gone".to_owned()]));
}

#[test]
fn rows_that_no_list_misses_are_noticed_by_the_digest_and_the_lists_work() {
    for (sql, kinds) in [
        ("DELETE FROM receipts WHERE name = 'bob'", 1),
        // Its history may have been given up, so the list is not named.
        ("DELETE FROM history WHERE name = 'bob'", 1),
        ("DELETE FROM timers WHERE name = 'dan'; INSERT INTO timers VALUES (70, 'dan')", 2),
        ("INSERT INTO timers VALUES (7, 'bob')", 2),
    ] {
        let embedded = Embedded::default();
        lists(&embedded);
        let (store, damage, unreadable) = scrubbed_after(&embedded, sql);
        assert_eq!((damage, unreadable), (kinds + usize::from(sql.contains("70")), Vec::new()), "{sql}");
        for list in ["ann", "bob", "dan"] {
            let list = Sample::at(list, block_on(store.load(&name(list))).expect("it is readable").list);
            block_on(store.commit(list.add("Milk").commit())).expect("it continues");
        }
    }
}

#[test]
fn a_missing_timer_is_restored_and_said() {
    let embedded = Embedded::default();
    lists(&embedded);
    let (store, damage, unreadable) = scrubbed_after(&embedded, "DELETE FROM timers WHERE name = 'dan'");
    assert_eq!((damage, unreadable), (1, Vec::new()), "the digest fits again");
    let due = block_on(store.due(9, None, 9)).expect("they are readable");
    assert_eq!(due.iter().map(|due| (due.name.as_str(), due.at)).collect::<Vec<_>>(), [("dan", 7), ("eve", 8)]);
    end(store, Ending::Close);
    embedded.check_digest();
}

#[test]
fn a_damaged_page_of_timers_does_not_keep_the_timers_of_other_pages_from_being_restored() {
    let embedded = Embedded::default();
    let store = embedded.try_open().expect("it opens");
    for list in ["ann", "bob", "cid"] {
        block_on(store.commit(Sample::new(list).create().wake_at(Some(7)).commit())).expect("it is new");
    }
    end(store, Ending::Close);
    // As if the page of bob's timer were damaged.
    let fails = "DELETE FROM timers;
        CREATE TRIGGER fault BEFORE INSERT ON timers WHEN new.name = 'bob' BEGIN SELECT RAISE(ABORT, 'a test asks for it'); END";
    embedded.sql().execute_batch(fails).expect("it is created");
    let store = embedded.try_open().expect("it opens");
    scrub_all(&store);
    let due = block_on(store.due(9, None, 9)).expect("they are readable");
    assert_eq!(due.iter().map(|due| due.name.as_str()).collect::<Vec<_>>(), ["ann", "cid"]);
    assert!(store.lifecycle.damage().iter().any(|what| what.starts_with("the table timers is damaged")));
}

#[test]
fn a_timer_whose_loss_was_accepted_is_restored_without_an_alarm() {
    let mut embedded = Embedded::default();
    lists(&embedded);
    embedded.sql().execute("DELETE FROM timers WHERE name = 'dan'", []).expect("it is deleted");
    embedded.options.accept_loss = true;
    drop(embedded.try_open().expect("the loss is accepted"));
    embedded.options.accept_loss = false;
    for _ in 0..2 {
        let store = embedded.try_open().expect("it opens");
        scrub_all(&store);
        scrub_all(&store);
        assert_eq!(store.damage_count(), 0);
        let due = block_on(store.due(9, None, 9)).expect("they are readable");
        assert_eq!(due.iter().map(|due| due.name.as_str()).collect::<Vec<_>>(), ["dan", "eve"]);
        end(store, Ending::Close);
        embedded.check_digest();
    }
}

#[test]
fn a_damaged_index_of_receipts_makes_no_list_unreadable() {
    let embedded = Embedded::default();
    lists(&embedded);
    assert!(damage::damage_root(&embedded, "receipts_by_time") > 0);
    let store = embedded.try_open().expect("it opens");
    scrub_all(&store);
    let unreadable: Vec<_> = store.unreadable(None, 9).into_iter().map(|list| list.name.as_str().to_owned()).collect();
    assert_eq!(unreadable, ["zoe"]);
    let damage = store.lifecycle.damage();
    assert!(damage.iter().any(|what| what.starts_with("the index receipts_by_time")), "{damage:?}");
    drop(store);
    repair(embedded.dir.path(), &mut |_, _| (), &mut |_| ()).expect("it is repaired").expect("it was damaged");
    assert!(verify(embedded.dir.path(), &mut |_, _| ()).expect("it is read").is_sound());
    let store = embedded.try_open().expect("it opens");
    assert_eq!(block_on(store.load(&name("bob"))).map(|bob| bob.receipts.len()), Ok(1));
}

#[test]
fn a_damaged_index_of_receipts_is_made_anew_when_a_receipt_is_to_be_written_or_deleted() {
    for expires in [false, true] {
        let embedded = Embedded::default();
        lists(&embedded);
        assert!(damage::damage_root(&embedded, "receipts_by_time") > 0);
        let store = embedded.try_open().expect("it opens");
        if expires {
            store.receipt_room().advance(RECEIVED + 60 * 3_600_000);
            block_on(store.commit(Sample::new("new").create().commit())).expect("it is new");
        } else {
            for list in ["ann", "bob"] {
                let sample = Sample::at(list, block_on(store.load(&name(list))).expect("it is readable").list);
                block_on(store.commit(sample.add("Tea").with_receipt("another key").commit())).expect("it continues");
            }
        }
        end(store, Ending::Close);
        let store = embedded.try_open().expect("it opens");
        let receipts = block_on(store.load(&name("bob"))).map(|bob| bob.receipts.len());
        assert_eq!(receipts, Ok(if expires { 0 } else { 2 }));
        assert_eq!(store.unreadable_count(), 1, "only zoe");
        scrub_all(&store);
        let damage = store.lifecycle.damage();
        assert!(matches!(&damage[..], [one] if one.contains("never used")), "{damage:?}");
        drop(store);
        embedded.check_digest();
        let done = repair(embedded.dir.path(), &mut |_, _| (), &mut |_| ()).expect("it is repaired");
        assert!(done.is_some_and(|done| done.lost_receipts.is_empty()), "the unused pages are damage");
        assert!(verify(embedded.dir.path(), &mut |_, _| ()).expect("it is read").is_sound());
    }
}

#[test]
fn a_damaged_receipt_that_is_expired_makes_no_list_unreadable_and_is_deleted() {
    let embedded = Embedded::default();
    lists(&embedded);
    flip(&embedded, "receipts", "record", "name = 'bob'");
    let store = embedded.try_open().expect("it opens");
    store.receipt_room().advance(RECEIVED + 60 * 3_600_000);
    scrub_all(&store);
    let unreadable: Vec<_> = store.unreadable(None, 9).into_iter().map(|list| list.name.as_str().to_owned()).collect();
    assert_eq!(unreadable, ["zoe"]);
    let damage = store.lifecycle.damage();
    assert!(matches!(&damage[..], [one] if one.starts_with("list \"bob\": its expired receipt")), "{damage:?}");
    block_on(store.commit(Sample::new("new").create().commit())).expect("it is new");
    assert_eq!(embedded.count("receipts"), 0);
}

#[test]
fn rows_that_the_disk_does_not_return_are_named_and_the_scrub_goes_on() {
    let embedded = Embedded::default();
    lists(&embedded);
    embedded.sql().execute_batch("DELETE FROM lists WHERE name = 'cid'").expect("it is lost");
    let store = embedded.try_open().expect("it opens");
    // Each statement on the table fails, and not because of damage.
    embedded.sql().execute_batch("ALTER TABLE receipts RENAME TO hidden").expect("it is renamed");
    scrub_all(&store);
    let damage = store.lifecycle.damage();
    assert!(damage.iter().any(|what| what.starts_with("rows of the table receipts cannot be read")), "{damage:?}");
    assert!(damage.iter().any(|what| what.starts_with("the table lists lacks rows")), "{damage:?}");
    let unreadable: Vec<_> = store.unreadable(None, 9).into_iter().map(|list| list.name.as_str().to_owned()).collect();
    assert_eq!(unreadable, ["cid", "zoe"], "the other tables are read");
}

#[test]
fn a_damaged_column_of_a_receipt_is_noticed() {
    let embedded = Embedded::default();
    lists(&embedded);
    let (_store, damage, _) = scrubbed_after(&embedded, "UPDATE receipts SET time = time - 65536 WHERE name = 'bob'");
    assert_eq!(damage, 2, "the receipt and the digest");
}

#[test]
fn damage_is_found_without_a_request() {
    let mut embedded = Embedded::default();
    lists(&embedded);
    embedded.sql().execute_batch("DELETE FROM receipts WHERE name = 'bob'").expect("it is damaged");
    embedded.options.scrub = ScrubOptions { first: Duration::ZERO, pause: Duration::ZERO, ..ScrubOptions::default() };
    let store = embedded.try_open().expect("it opens");
    let begun = Instant::now();
    while store.damage_count() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is not found");
        std::thread::yield_now();
    }
}

#[test]
fn a_damaged_page_is_found_by_the_check_of_pages() {
    let embedded = Embedded::default();
    lists(&embedded);
    // An index that no reader uses has a row too few.
    assert!(damage::damage_root(&embedded, "receipts_by_time") > 0);
    let store = embedded.try_open().expect("it opens");
    scrub_all(&store);
    assert!(store.damage_count() > 0);
    assert_eq!(block_on(store.load(&name("bob"))).map(|bob| bob.list.revision()), Ok(3));
}

/// Rows of two lists in each table. The scrub reads them in this order of lists.
fn put_rows(rows: CoveredRows<'_>) -> rusqlite::Result<()> {
    for (seq, list) in [(1, "bob"), (2, "dan")] {
        rows.put_compacted(&name(list), true, &CompactedColumns { revision: 1, seq, meta: b"", snapshot: b"" })?;
        for number in [5, 9] {
            rows.put_history(&name(list), number, b"")?;
            let columns = ReceiptColumns { time: 1, holder: "", bytes: 1, record: b"" };
            rows.put_receipt(&name(list), number, &columns)?;
        }
        rows.put_timer(&name(list), 5)?;
        rows.put_evidence(seq, list, 1, b"", "")?;
    }
    Ok(())
}

/// Changes each table, also rows that [`put_rows`] wrote.
fn change_rows(rows: CoveredRows<'_>, number: u64) -> rusqlite::Result<()> {
    for list in ["ann", "bob", "cid", "dan", "eve"] {
        let columns = CompactedColumns { revision: 2, seq: number, meta: b"", snapshot: b"" };
        rows.put_compacted(&name(list), list != "dan", &columns)?;
        rows.put_history(&name(list), number, b"")?;
        rows.delete_history(&name(list), number.saturating_sub(3))?;
        rows.put_receipt(&name(list), number, &ReceiptColumns { time: 2, holder: "", bytes: 1, record: b"" })?;
        rows.put_timer(&name(list), number)?;
        rows.delete_timer(&name(list), 5)?;
        rows.put_evidence(100 + number, list, 1, b"", "")?;
        rows.mark_unreadable(&name(list), "")?;
    }
    rows.delete_expired_receipts(2, 1)?;
    rows.rename_evidence(&name("bob"), "bob\n")?;
    rows.move_to_evidence(&name("cid"), "cid\n")
}

#[test]
fn a_row_that_changes_during_a_pass_is_counted_once_wherever_the_pass_is() {
    for place in 0..40 {
        let dir = tempfile::tempdir().expect("a directory");
        let db = schema::open_writer(dir.path(), 1 << 20, None).expect("it opens");
        put_rows(CoveredRows { db: &db, changes: &RowChanges::new(None) }).expect("they are written");
        let log_index = Mutex::default();
        let source = Source { db: &db, log_index: &log_index, receipt_horizon: 0, leaves_out_failures: false };
        let mut pass = Pass::default();
        for _ in 0..place {
            pass.slice(&source, SliceLimit { rows: 1, bytes: usize::MAX }).expect("it is read");
        }
        for number in 3..8 {
            let changes = RowChanges::new(Some(pass.position()));
            change_rows(CoveredRows { db: &db, changes: &changes }, number).expect("they are written");
            let difference = changes.difference();
            pass.apply(&difference);
        }
        while !pass.is_done() {
            pass.slice(&source, SliceLimit { rows: 1, bytes: usize::MAX }).expect("it is read");
        }
        let digest = recount::recount(&db).expect("they are readable");
        assert_eq!(pass.compare(&digest), [], "after {place} slices");
    }
}

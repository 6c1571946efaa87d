//! Tests of receipts on disk: their expiry, damage, and those of the first format.

use super::*;
use crate::store::fixtures::{self, RECEIVED};

/// Commits `count` receipts to a list, one each hour from [`RECEIVED`] on.
fn receive(store: &EmbeddedStore, count: u64) {
    let mut bob = Sample::new("bob").create();
    for hour in 0..count {
        bob = bob.with_receipt_at(&format!("key {hour}"), RECEIVED + hour * 3_600_000);
        block_on(store.commit(bob.take())).expect("it continues");
    }
}

#[test]
fn expired_receipts_are_deleted_with_later_commits_and_others_are_not() {
    let embedded = Embedded::default();
    let store = embedded.try_open().expect("it opens");
    receive(&store, 30);
    end(store, Ending::Close);
    assert_eq!(embedded.count("receipts"), 30);
    let store = embedded.try_open().expect("it opens");
    store.receipt_room().advance(RECEIVED + 34 * 3_600_000);
    block_on(store.commit(Sample::new("ann").create().commit())).expect("it is new");
    assert_eq!(embedded.count("receipts"), 20);
    let stored = block_on(store.load(&name("bob"))).expect("it is readable");
    assert_eq!(stored.receipts.first().map(|receipt| receipt.request.key.as_str()), Some("key 10"));
}

#[test]
fn deleting_expired_receipts_scans_no_others() {
    let embedded = Embedded::default();
    let store = embedded.try_open().expect("it opens");
    receive(&store, 30);
    end(store, Ending::Close);
    let sql = embedded.sql();
    let mut delete = sql.prepare(covered_rows::DELETE_EXPIRED).expect("a statement");
    let mut rows = delete.query(rusqlite::params![RECEIVED + 20 * 3_600_000, 5]).expect("they are deleted");
    let mut deleted = 0;
    while rows.next().expect("they are deleted").is_some() {
        deleted += 1;
    }
    drop(rows);
    assert_eq!((deleted, embedded.count("receipts")), (5, 25));
    assert_eq!(delete.get_status(rusqlite::StatementStatus::FullscanStep), 0, "nothing is scanned");
    assert_eq!(delete.get_status(rusqlite::StatementStatus::Sort), 0, "nothing is sorted");
}

#[test]
fn a_flipped_bit_in_a_receipt_makes_its_list_unreadable_and_no_other() {
    let embedded = Embedded::default();
    three_lists(&embedded, Ending::Close);
    flip(&embedded, "receipts", "record", "name = 'bob'");
    only_bob_is_unreadable(&embedded, "checksum");
}

#[test]
fn the_receipts_of_the_first_format_are_read_after_the_upgrade_and_a_damaged_one_is_not_lost() {
    let embedded = Embedded::default();
    let sql = embedded.sql();
    sql.execute_batch(include_str!("../schema/format_1.sql")).expect("a database of format 1");
    let [done, rejected] = [include_str!("../golden/receipt-3.hex"), include_str!("../golden/receipt-rejected-3.hex")];
    let mut insert =
        sql.prepare("INSERT INTO receipts (name, place, record) VALUES (?1, ?2, ?3)").expect("a statement");
    insert.execute(rusqlite::params!["bob", 256, fixtures::unhex(done)]).expect("it is added");
    insert.execute(rusqlite::params!["bob", 257, fixtures::unhex(rejected)]).expect("it is added");
    insert.execute(rusqlite::params!["ann", 258, [3_u8, 0, 0, 0, 0, 7]]).expect("it is added");
    sql.execute("UPDATE cut SET seq = 1", []).expect("the commits of the receipts are compacted");
    let store = embedded.try_open().expect("it opens");
    for now in [RECEIVED, RECEIVED + 24 * 3_600_000] {
        store.receipt_room().advance(now);
        let stored = block_on(store.load(&name("bob"))).expect("it is readable");
        let of = stored.receipts.iter().map(|receipt| (receipt.request.key.as_str(), receipt.request.holder.as_str()));
        assert_eq!(of.collect::<Vec<_>>(), [("ann\nk", "ann"); 2]);
        let bytes = stored.receipts.iter().map(|receipt| receipt.bytes() as u64).sum::<u64>();
        assert_eq!(store.receipt_room().used_by("ann"), bytes);
    }
    store.receipt_room().advance(RECEIVED + 25 * 3_600_000);
    block_on(store.commit(Sample::new("cid").create().commit())).expect("it is new");
    assert_eq!(embedded.count("receipts"), 1);
    let ann = block_on(store.load(&name("ann")));
    assert!(matches!(ann, Err(StoreError::Unreadable { .. })), "{ann:?}");
}

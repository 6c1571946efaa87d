use std::collections::BTreeMap;

use super::*;
use crate::store::Store;
use crate::store::embedded::verify::Finding;
use crate::store::embedded::{EmbeddedStore, Options};
use crate::store::fixtures::{Writer, name};
use crate::store::records::{RecordChange, RecordKey, RecordKind, Records};

fn block_on<T>(pending: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(pending)
}

fn open(dir: &Path) -> EmbeddedStore {
    EmbeddedStore::open(dir, Options::default()).unwrap()
}

/// A directory with compacted lists that have a timer and a receipt each, and with a commit of `log` in the log.
fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for (list, at) in [("ann", 7), ("bob", 8), ("cid", 9), ("dan", 10), ("eve", 11)] {
        let commit = Writer::new(list).create().add(&"Milk".repeat(300)).with_receipt("key").wake_at(Some(at)).commit();
        block_on(store.commit(commit)).unwrap();
    }
    block_on(store.close()).unwrap();
    drop(store);
    let store = open(dir.path());
    block_on(store.commit(Writer::new("log").create().add("Tea").commit())).unwrap();
    dir
}

fn sql(dir: &Path, statement: &str) {
    Connection::open(dir.join(schema::FILE)).unwrap().execute_batch(statement).unwrap();
}

/// Bob has neither a snapshot nor a history, the timers of cid and zoe are wrong, dan has no history, and eve's receipt does not decode. A page
/// of the index of the history is damaged.
fn damage(dir: &Path) {
    sql(
        dir,
        "UPDATE lists SET snapshot = x'04' WHERE name = 'bob';
         UPDATE history SET record = x'04' WHERE name = 'bob';
         DELETE FROM timers WHERE name = 'cid';
         INSERT INTO timers VALUES (5, 'zoe');
         DELETE FROM history WHERE name = 'dan';
         UPDATE receipts SET record = x'0400' WHERE name = 'eve';
         PRAGMA wal_checkpoint(truncate);",
    );
    damage_page(dir, "sqlite_autoindex_history_1");
}

/// Damages the first page of a table or an index.
fn damage_page(dir: &Path, of: &str) {
    let db = Connection::open(dir.join(schema::FILE)).unwrap();
    let page: usize = db.query_row("SELECT pageno FROM dbstat WHERE name = ?1", [of], |row| row.get(0)).unwrap();
    drop(db);
    let mut bytes = fs::read(dir.join(schema::FILE)).unwrap();
    bytes[(page - 1) * 4_096..][..64].fill(0xee);
    fs::write(dir.join(schema::FILE), bytes).unwrap();
}

fn repaired(dir: &Path) -> Repaired {
    repair(dir, &mut |_, _| (), &mut |_| ()).unwrap().expect("it was damaged")
}

/// Checks that a repaired directory holds all that could be saved.
fn check(dir: &Path) {
    assert_eq!(verify(dir, &mut |_, _| ()).unwrap().findings, []);
    let store = open(dir);
    let load = |list| block_on(store.load(&name(list))).unwrap();
    for (list, receipts) in [("ann", 1), ("cid", 1), ("dan", 1), ("eve", 0), ("log", 0)] {
        let stored = load(list);
        assert_eq!((stored.list.revision(), stored.list.count(), stored.receipts.len()), (2, 1, receipts), "{list}");
    }
    let bob = load("bob").list;
    assert!(!bob.exists() && bob.revision() > 2, "{}", bob.revision());
    let due = block_on(store.due(100, None, 100)).unwrap();
    assert_eq!(due.iter().map(|due| due.name.as_str()).collect::<Vec<_>>(), ["ann", "cid", "dan", "eve"]);
    let history = |list| block_on(store.history(&name(list), 0, 9)).unwrap().len();
    assert_eq!((history("ann"), history("dan")), (2, 0));
    let dan = Writer::at("dan", load("dan").list).add("Rye").wake_at(Some(10));
    block_on(store.commit(dan.commit())).expect("it goes on");
    block_on(store.close()).unwrap();
    drop(store);
    assert_eq!(verify(dir, &mut |_, _| ()).unwrap().findings, []);
}

#[test]
fn several_kinds_of_damage_are_repaired_at_once_and_the_losses_are_named() {
    let dir = directory();
    damage(dir.path());
    let done = repaired(dir.path());
    let names = |lists: &[(String, String)]| lists.iter().map(|(list, _)| list.clone()).collect::<Vec<_>>();
    assert_eq!((names(&done.removed_lists), names(&done.lost_histories)), (vec!["bob".into()], vec!["dan".into()]));
    assert_eq!(done.lost_receipts.iter().collect::<Vec<_>>(), ["eve"]);
    // The timer of bob goes with the list.
    assert_eq!(done.timers, (1, 2));
    assert_eq!(done.kept_files, [dir.path().join("hotlist.db.damaged-1")]);
    let kept: u64 = Connection::open(dir.path().join(schema::FILE))
        .unwrap()
        .query_row("SELECT count(*) FROM quarantine WHERE name IN ('bob' || char(10), 'eve' || char(10))", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert!(kept >= 4, "the rows of bob and the receipt of eve: {kept}");
    check(dir.path());
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entry = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap_or_default())
    };
    fs::read_dir(dir).unwrap().map(entry).collect()
}

#[test]
fn a_sound_directory_is_left_as_it_is() {
    let dir = directory();
    // A check opens the database, which makes files of SQLite's beside it.
    assert!(verify(dir.path(), &mut |_, _| ()).unwrap().is_sound());
    let before = files(dir.path());
    assert_eq!(repair(dir.path(), &mut |_, _| (), &mut |_| panic!("nothing is to be done")), Ok(None));
    let after = files(dir.path());
    for (file, bytes) in &before {
        assert!(file.ends_with("-shm") || after.get(file) == Some(bytes), "{file} was changed");
    }
    assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
}

#[test]
fn a_directory_that_a_server_uses_is_not_repaired() {
    let dir = directory();
    damage(dir.path());
    let _server = DirectoryLock::acquire(dir.path()).unwrap();
    let refused = repair(dir.path(), &mut |_, _| (), &mut |_| ());
    assert!(matches!(refused, Err(StoreError::Locked { .. })), "{refused:?}");
}

#[test]
fn a_repair_that_ended_in_the_middle_can_be_repeated() {
    let killed: [fn(&Path); 3] = [
        |dir| {
            fs::create_dir(dir.join(UNFINISHED)).unwrap();
            fs::write(dir.join(UNFINISHED).join(schema::FILE), "the beginning of a database").unwrap();
        },
        |dir| drop(build(dir, &mut Repaired::default()).unwrap()),
        |dir| {
            build(dir, &mut Repaired::default()).unwrap();
            fs::hard_link(dir.join(schema::FILE), dir.join("hotlist.db.damaged-1")).unwrap();
        },
    ];
    for kill in killed {
        let dir = directory();
        damage(dir.path());
        kill(dir.path());
        repaired(dir.path());
        assert!(!dir.path().join(UNFINISHED).exists());
        check(dir.path());
    }
    // The last step before the end.
    let dir = directory();
    damage(dir.path());
    build(dir.path(), &mut Repaired::default()).unwrap();
    put_in_place(dir.path(), &mut Repaired::default()).unwrap();
    fs::create_dir(dir.path().join(UNFINISHED)).unwrap();
    check(dir.path());
}

#[test]
fn lost_commits_at_the_end_of_the_log_are_named_and_their_numbers_are_not_given_again() {
    let dir = directory();
    last_commit::write(dir.path(), 20).unwrap();
    let done = repaired(dir.path());
    assert_eq!(done.losses, ["at least the last 14 acknowledged commits, so any list may be older than it was"]);
    assert_eq!(verify(dir.path(), &mut |_, _| ()).unwrap().findings, []);
    let store = open(dir.path());
    assert_eq!(block_on(store.load(&name("log"))).unwrap().list.revision(), 2);
}

#[test]
fn a_list_whose_compacted_row_is_lost_is_absent_above_its_revisions() {
    let dir = directory();
    sql(dir.path(), "DELETE FROM lists WHERE name = 'cid'");
    let done = repaired(dir.path());
    assert_eq!(done.removed_lists.iter().map(|(list, _)| list.as_str()).collect::<Vec<_>>(), ["cid"]);
    let cid = block_on(open(dir.path()).load(&name("cid"))).unwrap().list;
    assert!(!cid.exists() && cid.revision() > 2, "{}", cid.revision());
}

/// A directory as a killed server leaves it, whose write-ahead log is damaged in the middle, and whose `last-commit` is older
/// than the damage.
fn directory_with_damaged_log() -> tempfile::TempDir {
    let (running, image) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(running.path());
    for list in ["ann", "bob", "cid", "dan", "eve"] {
        block_on(store.commit(Writer::new(list).create().add("Milk").commit())).unwrap();
    }
    for file in [schema::FILE, schema::WAL_FILE] {
        fs::copy(running.path().join(file), image.path().join(file)).unwrap();
    }
    let log = image.path().join(schema::WAL_FILE);
    let mut bytes = fs::read(&log).unwrap();
    bytes[32 + 4_120 + 100] ^= 1;
    fs::write(&log, &bytes).unwrap();
    last_commit::write(image.path(), 0).unwrap();
    image
}

#[test]
fn a_repair_of_a_damaged_log_that_ended_in_the_middle_leaves_a_directory_that_does_not_open() {
    let dir = directory_with_damaged_log();
    let log = fs::read(dir.path().join(schema::WAL_FILE)).unwrap();
    build(dir.path(), &mut Repaired::default()).unwrap();
    assert_eq!(fs::read(dir.path().join("hotlist.db-wal.damaged-1")).unwrap(), log);
    let refused = EmbeddedStore::open(dir.path(), Options::default()).map(drop);
    assert!(matches!(refused, Err(StoreError::Incomplete { .. })), "{refused:?}");
    assert!(!verify(dir.path(), &mut |_, _| ()).unwrap().is_sound());

    let done = repaired(dir.path());
    assert!(done.losses.iter().any(|loss| loss.contains("acknowledged commits")), "{:?}", done.losses);
    assert_eq!(verify(dir.path(), &mut |_, _| ()).unwrap().findings, []);
    let store = open(dir.path());
    let new = Writer::new("new").create().commit();
    block_on(store.commit(new)).expect("it goes on");
}

#[test]
fn a_list_whose_compacted_row_is_older_than_its_history_is_absent_above_its_revisions() {
    let dir = directory();
    block_on(open(dir.path()).close()).unwrap();
    let older = dir.path().join("older");
    fs::copy(dir.path().join(schema::FILE), &older).unwrap();
    let store = open(dir.path());
    let cid = block_on(store.load(&name("cid"))).unwrap().list;
    block_on(store.commit(Writer::at("cid", cid).add("Rye").commit())).unwrap();
    block_on(store.close()).unwrap();
    drop(store);
    let replace = "INSERT OR REPLACE INTO main.lists SELECT * FROM old.lists WHERE name = 'cid'";
    sql(dir.path(), &format!("ATTACH '{}' AS old; {replace}", older.display()));
    let done = repaired(dir.path());
    assert_eq!(done.removed_lists.iter().map(|(list, _)| list.as_str()).collect::<Vec<_>>(), ["cid"]);
    assert_eq!(verify(dir.path(), &mut |_, _| ()).unwrap().findings, []);
    let cid = block_on(open(dir.path()).load(&name("cid"))).unwrap().list;
    assert!(!cid.exists() && cid.revision() > 3, "{}", cid.revision());
}

#[test]
fn a_damaged_page_of_records_does_not_keep_lists_from_being_repaired() {
    let dir = directory();
    let store = open(dir.path());
    let put = |value: &str, expected| {
        let kind = RecordKind::new("user").unwrap();
        block_on(store.put(RecordChange::new(&kind, &RecordKey::new("ann").unwrap(), value.to_owned(), expected)))
    };
    let first = put("first", None).unwrap();
    put("second", Some(first)).unwrap();
    block_on(store.close()).unwrap();
    drop(store);
    sql(dir.path(), "UPDATE lists SET snapshot = x'04' WHERE name = 'bob'");
    damage_page(dir.path(), "records");
    repaired(dir.path());
    let left = verify(dir.path(), &mut |_, _| ()).unwrap().findings;
    let is_of_record = |finding: &Finding| finding.list.is_none() && finding.what.starts_with("record \"ann\"");
    assert!(left.iter().all(is_of_record), "{left:?}");
    let bob = block_on(open(dir.path()).load(&name("bob"))).unwrap().list;
    assert_eq!((bob.exists(), bob.revision()), (true, 2), "its history proves it");
}

#[test]
fn a_list_whose_last_state_is_proven_by_its_history_is_restored_with_its_receipts() {
    let dir = directory();
    sql(dir.path(), "UPDATE lists SET snapshot = x'04' WHERE name IN ('bob', 'dan')");
    // The history of dan proves nothing any more.
    sql(dir.path(), "UPDATE history SET record = x'04' WHERE name = 'dan'");
    let done = repaired(dir.path());
    let names = |lists: &[(String, String)]| lists.iter().map(|(list, _)| list.clone()).collect::<Vec<_>>();
    assert_eq!((names(&done.restored_lists), names(&done.removed_lists)), (vec!["bob".into()], vec!["dan".into()]));
    assert_eq!(verify(dir.path(), &mut |_, _| ()).unwrap().findings, []);
    let store = open(dir.path());
    let bob = block_on(store.load(&name("bob"))).unwrap();
    assert_eq!((bob.list.revision(), bob.list.count(), bob.receipts.len(), bob.wake_up), (2, 1, 1, Some(8)));
    assert_eq!(block_on(store.history(&name("bob"), 0, 9)).unwrap().len(), 2);
    let more = Writer::at("bob", bob.list).add("Rye").wake_at(Some(8));
    block_on(store.commit(more.commit())).expect("it goes on");
    block_on(store.close()).unwrap();
    drop(store);
    assert_eq!(verify(dir.path(), &mut |_, _| ()).unwrap().findings, []);
}

#[test]
fn a_list_of_which_only_its_timer_is_left_keeps_its_name_above_its_revisions() {
    let dir = directory();
    sql(dir.path(), "DELETE FROM history WHERE name = 'cid'; DELETE FROM receipts WHERE name = 'cid'");
    sql(dir.path(), "PRAGMA wal_checkpoint(truncate)");
    damage_page(dir.path(), "lists");
    let done = repaired(dir.path());
    let lost = ("cid".to_owned(), "its compacted row is lost".to_owned());
    assert!(done.removed_lists.contains(&lost), "{done:?}");
    let cid = block_on(open(dir.path()).load(&name("cid"))).unwrap().list;
    assert!(!cid.exists() && cid.revision() > 0, "{}", cid.revision());
}

#[test]
fn a_list_with_a_damaged_name_is_set_aside_and_costs_no_other_list() {
    let dir = directory();
    sql(
        dir.path(),
        "UPDATE lists SET name = char(1) || 'bob' WHERE name = 'bob';
         UPDATE history SET name = CAST(x'ff626f62' AS TEXT) WHERE name = 'bob';",
    );
    let done = repaired(dir.path());
    assert!(done.losses.iter().any(|loss| loss.contains("table lists whose name")), "{done:?}");
    assert!(done.losses.iter().any(|loss| loss.contains("table history whose name")), "{done:?}");
    assert_eq!(verify(dir.path(), &mut |_, _| ()).unwrap().findings, []);
    let store = open(dir.path());
    for list in ["ann", "cid", "dan", "eve", "log"] {
        assert_eq!(block_on(store.load(&name(list))).unwrap().list.revision(), 2, "{list}");
    }
}

/// Adds an entry to a list, with a receipt.
fn add_with_receipt(store: &EmbeddedStore, list: &str, key: &str) {
    let stored = block_on(store.load(&name(list))).unwrap();
    let more = Writer::at(list, stored.list).add("Rye").with_receipt(key).wake_at(stored.wake_up);
    block_on(store.commit(more.commit())).unwrap();
}

fn receipts(store: &EmbeddedStore, list: &str) -> Vec<String> {
    let stored = block_on(store.load(&name(list))).unwrap();
    stored.receipts.iter().map(|receipt| receipt.request.key.clone()).collect()
}

#[test]
fn a_restored_list_keeps_the_receipts_of_its_commits_in_the_log() {
    for twice in [false, true] {
        let dir = directory();
        add_with_receipt(&open(dir.path()), "bob", "in the log");
        sql(dir.path(), "UPDATE lists SET snapshot = x'04' WHERE name = 'bob'");
        if twice {
            // Evidence of another list has the number of the commit.
            let other = "INSERT INTO quarantine SELECT max(seq), 'zoe', 1, x'00', 'earlier' FROM log";
            sql(dir.path(), other);
        }
        let done = repaired(dir.path());
        assert_eq!(done.restored_lists.iter().map(|(list, _)| list.as_str()).collect::<Vec<_>>(), ["bob"]);
        let store = open(dir.path());
        match twice {
            false => {
                assert_eq!(
                    (receipts(&store, "bob"), done.lost_receipts.len()),
                    (vec!["key".into(), "in the log".into()], 0)
                );
            }
            true => assert!(done.lost_receipts.contains("bob"), "{done:?}"),
        }
        block_on(store.close()).unwrap();
        assert_eq!(verify(dir.path(), &mut |_, _| ()).unwrap().findings, []);
    }
}

#[test]
fn the_sound_revisions_before_a_gap_in_the_history_of_a_restored_list_are_evidence() {
    let dir = directory();
    for key in ["third", "fourth"] {
        let store = open(dir.path());
        add_with_receipt(&store, "cid", key);
        block_on(store.close()).unwrap();
    }
    sql(
        dir.path(),
        "DELETE FROM history WHERE name = 'cid' AND last = 3;
         INSERT INTO quarantine VALUES (-9, 'cid', 0, x'', 'a page of its history was damaged');",
    );
    let done = repaired(dir.path());
    assert_eq!(done.restored_lists.iter().map(|(list, _)| list.as_str()).collect::<Vec<_>>(), ["cid"]);
    let lost = ("cid".to_owned(), "the revisions of its history between 2 and 4".to_owned());
    assert_eq!(done.lost_histories, [lost]);
    let count = "SELECT count(*) FROM quarantine WHERE name = 'cid' || char(10) AND revision = 2 AND record <> x''";
    let db = Connection::open(dir.path().join(schema::FILE)).unwrap();
    assert_eq!(db.query_row(count, [], |row| row.get::<_, u64>(0)), Ok(1), "the first run is kept");
    drop(db);
    assert_eq!(verify(dir.path(), &mut |_, _| ()).unwrap().findings, []);
    let store = open(dir.path());
    let cid = block_on(store.load(&name("cid"))).unwrap();
    assert_eq!((cid.list.revision(), cid.list.count(), cid.receipts.len(), cid.wake_up), (4, 3, 3, Some(9)));
    let history = block_on(store.history(&name("cid"), 0, 9)).unwrap();
    assert_eq!(history.iter().map(|revision| revision.number).collect::<Vec<_>>(), [4]);
}

#[test]
fn a_restored_list_has_a_row_in_one_table_only() {
    let dir = directory();
    block_on(open(dir.path()).close()).unwrap();
    sql(dir.path(), "INSERT INTO gone SELECT * FROM lists WHERE name = 'cid'");
    let store = open(dir.path());
    add_with_receipt(&store, "cid", "third");
    block_on(store.close()).unwrap();
    drop(store);
    let done = repaired(dir.path());
    assert_eq!(done.restored_lists.iter().map(|(list, _)| list.as_str()).collect::<Vec<_>>(), ["cid"]);
    assert_eq!(verify(dir.path(), &mut |_, _| ()).unwrap().findings, []);
    let cid = block_on(open(dir.path()).load(&name("cid"))).unwrap().list;
    assert_eq!((cid.exists(), cid.revision()), (true, 3));
}

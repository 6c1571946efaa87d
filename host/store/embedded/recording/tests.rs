//! Tests of a recording against its store, at rest and under load.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::list::revision::Revision;
use crate::store::embedded::{EmbeddedStore, Options};
use crate::store::fixtures::{Writer, name};
use crate::store::{Commit, HistoryLimits, Store};

/// The store's own threads answer, so any executor will do.
fn block_on<T>(pending: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(pending)
}

fn commit(store: &EmbeddedStore, commit: Commit) {
    block_on(store.commit(commit)).unwrap();
}

/// Thresholds that are never reached, always reached, and sometimes reached.
fn all_options() -> [Options; 3] {
    [None, Some(0), Some(3)].map(|rows| Options { log_commits: rows.unwrap_or(500_000), ..Options::default() })
}

fn all(dir: &Path) -> Vec<ListHistory> {
    let recording = Recording::open(dir).unwrap();
    recording.lists(|_| true).collect::<Result<_, _>>().unwrap()
}

fn sql(dir: &Path) -> Connection {
    Connection::open(dir.join("hotlist.db")).unwrap()
}

#[test]
fn all_lists_come_in_order_with_what_the_store_says_of_them() {
    for options in all_options() {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(dir.path(), options).unwrap();
        let mut writers: Vec<_> = ["bob", "ann", "日曜日", "a/b", "gone"].map(Writer::new).into();
        for step in 0..6 {
            for writer in &mut writers {
                *writer = if step == 0 { writer.clone().create() } else { writer.clone().add("x") };
                commit(&store, writer.take());
            }
        }
        let mut gone = writers.pop().unwrap().erase();
        commit(&store, gone.take());
        let mut again = writers[0].clone().erase().create().add("anew");
        commit(&store, again.take());
        writers[0] = again;

        let recorded = all(dir.path());
        let names: Vec<_> = recorded.iter().map(|list| list.name.as_str()).collect();
        assert_eq!(names, ["a/b", "ann", "bob", "日曜日"]);
        for ListHistory { name, list, revisions } in recorded {
            assert_eq!(list, block_on(store.load(&name)).unwrap().list);
            assert_eq!(revisions, block_on(store.history(&name, 0, 1_000)).unwrap());
        }
        let wanted = Recording::open(dir.path()).unwrap();
        assert_eq!(wanted.lists(|name| name.as_str() == "ann").count(), 1);
    }
}

#[test]
fn many_lists_come_once_each_however_their_names_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let count = 2 * NAMES_PER_READ + 7;
    let compacted = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
    let create = |store: &EmbeddedStore, n: usize| store.commit(Writer::new(&format!("{n:05}")).create().commit());
    // Half of the lists are compacted, the others are in the log, and some are both.
    block_on(futures_util::future::try_join_all((0..count).step_by(2).map(|n| create(&compacted, n)))).unwrap();
    block_on(compacted.close()).unwrap();
    let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
    block_on(futures_util::future::try_join_all((1..count).step_by(2).map(|n| create(&store, n)))).unwrap();
    for n in (0..count).step_by(50) {
        let list = block_on(store.load(&name(&format!("{n:05}")))).unwrap().list;
        commit(&store, Writer::at(&format!("{n:05}"), list).add("more").commit());
    }
    let names: Vec<_> = all(dir.path()).into_iter().map(|list| list.name).collect();
    assert_eq!(names, (0..count).map(|n| name(&format!("{n:05}"))).collect::<Vec<_>>());
}

#[test]
fn a_recording_is_of_the_moment_it_was_opened_at() {
    for options in all_options() {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(dir.path(), options).unwrap();
        let mut bob = Writer::new("bob").create();
        commit(&store, bob.take());
        let recording = Recording::open(dir.path()).unwrap();
        for n in 0..20 {
            bob = bob.add(&format!("{n}"));
            commit(&store, bob.take());
            commit(&store, Writer::new(&format!("new {n}")).create().commit());
        }
        let then: Vec<_> = recording.lists(|_| true).map(|list| list.unwrap().list.revision()).collect();
        assert_eq!(then, [1]);
        assert_eq!(all(dir.path()).len(), 21);
    }
}

/// Sets a flag when it is dropped.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn while_the_store_is_written_to_every_recording_is_whole_and_of_one_moment() {
    const LISTS: usize = 12;
    const READINGS: usize = 40;
    let dir = tempfile::tempdir().unwrap();
    // Compacts all the time, so that lists move from the log to their compacted rows during the readings.
    let options = Options {
        log_commits: 5,
        history: HistoryLimits { revisions: 30, ..HistoryLimits::default() },
        ..Options::default()
    };
    let store = EmbeddedStore::open(dir.path(), options).unwrap();
    let mut writers: Vec<_> = (0..LISTS).map(|n| Writer::new(&format!("list {n:02}")).create()).collect();
    writers.iter_mut().for_each(|writer| commit(&store, writer.take()));
    let stopped = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Ends the writer also when an assertion below fails.
        let _stop = StopOnDrop(&stopped);
        scope.spawn(|| {
            // Commits go through the lists in order. At any moment the first lists are one revision ahead of the others.
            while !stopped.load(Ordering::Relaxed) {
                for writer in &mut writers {
                    *writer = writer.clone().add("more");
                    commit(&store, writer.take());
                }
            }
        });
        let mut last = 0;
        for _ in 0..READINGS {
            let lists = all(dir.path());
            assert_eq!(lists.len(), LISTS);
            let revisions: Vec<_> = lists.iter().map(|recorded| recorded.list.revision()).collect();
            assert!(revisions.is_sorted_by(|one, next| one >= next), "{revisions:?}");
            assert!(revisions[0] - revisions[LISTS - 1] <= 1 && revisions[0] >= last, "{revisions:?} after {last}");
            for recorded in &lists {
                let steps: Result<Vec<(_, &Revision)>, _> = recorded.steps().unwrap().collect();
                let steps = steps.unwrap().len() as u64;
                assert!(steps >= recorded.list.revision().min(30), "{steps} of {}", recorded.list.revision());
            }
            last = revisions[0];
        }
    });
}

#[test]
fn a_list_that_cannot_be_read_is_named_the_others_come_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
    for list in ["ann", "bob", "eve"] {
        commit(&store, Writer::new(list).create().add("x").commit());
    }
    block_on(store.close()).unwrap();
    let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
    commit(&store, Writer::new("late").create().commit());
    commit(&store, Writer::new("new").create().commit());
    drop(store);
    // A compacted list, its name, and a commit in the log.
    let db = sql(dir.path());
    db.execute("UPDATE lists SET snapshot = zeroblob(9) WHERE name = 'bob'", []).unwrap();
    db.execute("UPDATE lists SET name = 'e' || char(7) || 've' WHERE name = 'eve'", []).unwrap();
    let log: Vec<u8> = db.query_row("SELECT commits FROM log WHERE seq = 4", [], |row| row.get(0)).unwrap();
    let mut damaged = log.clone();
    *damaged.last_mut().unwrap() ^= 1;
    db.execute("UPDATE log SET commits = ?1 WHERE seq = 4", [damaged]).unwrap();
    db.pragma_update(None, "wal_checkpoint", "truncate").unwrap();
    drop(db);

    let before = std::fs::read(dir.path().join("hotlist.db")).unwrap();
    let recording = Recording::open(dir.path()).unwrap();
    let read: Vec<_> = recording.lists(|_| true).map(|list| list.map(|list| list.name.as_str().to_owned())).collect();
    let outcome = |read: &Result<String, StoreError>| match read {
        Ok(name) => name.clone(),
        Err(StoreError::Unreadable { name, why }) => format!("{}: {why}", name.as_str()),
        Err(other) => panic!("{other}"),
    };
    assert_eq!(
        read.iter().map(outcome).collect::<Vec<_>>(),
        [
            "ann",
            "bob: its snapshot row has encoding 0",
            "e\u{fffd}ve: its name is damaged",
            "late: the checksum of its log row 1 is wrong",
            "new"
        ]
    );
    drop(recording);
    assert!(std::fs::read(dir.path().join("hotlist.db")).unwrap() == before);
    let isolate: u64 = sql(dir.path()).query_row("SELECT count(*) FROM quarantine", [], |row| row.get(0)).unwrap();
    assert_eq!(isolate, 0);
}

#[test]
fn a_recording_locks_no_store_out_and_needs_one() {
    let dir = tempfile::tempdir().unwrap();
    let none = Recording::open(dir.path()).err().unwrap();
    assert!(none.to_string().contains("hotlist.db"), "{none}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "opening a recording creates nothing");
    drop(EmbeddedStore::open(dir.path(), Options::default()).unwrap());
    let recording = Recording::open(dir.path()).unwrap();
    let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
    commit(&store, Writer::new("bob").create().commit());
    assert_eq!((recording.lists(|_| true).count(), recording.count()), (0, Ok(0)));
    drop(store);
    sql(dir.path()).pragma_update(None, "user_version", 77).unwrap();
    assert!(matches!(Recording::open(dir.path()), Err(StoreError::Format { .. })));
}

//! Files that are removed, moved or replaced while the store runs, and other programs that read.

use std::fs::{self, File};
use std::time::SystemTime;

use super::*;

/// Waits for the check of the files, which is once a second.
fn fault_of(store: &EmbeddedStore) -> String {
    for _ in 0..100_000_000_u64 {
        if let Health::FilesReplaced { why } = store.health() {
            return why;
        }
        std::thread::yield_now();
    }
    panic!("the loss of a file was not noticed: {}", store.health());
}

/// Removes or replaces a file of a running store, or the directory if `file` is empty. Checks that the store notices.
fn lose_while_running(file: &str, is_replaced: bool) {
    let parent = tempfile::tempdir().expect("a directory");
    let dir = parent.path().join("data");
    let store = EmbeddedStore::open(&dir, Options::default()).expect("it opens");
    block_on(store.commit(Sample::new("bob").create().commit())).expect("it is new");
    let path = if file.is_empty() { dir.clone() } else { dir.join(file) };
    let moved = parent.path().join("moved");
    fs::rename(&path, &moved).expect("it is moved");
    match (file, is_replaced) {
        (_, false) => {}
        ("", true) => fs::create_dir(&dir).expect("it is made"),
        (_, true) => drop(fs::copy(&moved, &path).expect("it is copied")),
    }
    let why = fault_of(&store);
    let says = if is_replaced { "is another file" } else { "is missing" };
    assert!(why.starts_with(&format!("{} {says}", path.display())), "{file}: {why}");
    let refused = block_on(store.commit(Sample::new("ann").create().commit()));
    assert!(matches!(refused, Err(StoreError::Poisoned { .. })), "{refused:?}");
    assert_eq!(block_on(store.load(&name("bob"))).map(|stored| stored.list.revision()), Ok(1), "reads go on");
    let is_there = dir.join(schema::WAL_FILE).exists();
    assert!(matches!(block_on(store.close()), Err(StoreError::Poisoned { .. })));
    assert_eq!(dir.join(schema::WAL_FILE).exists(), is_there, "a file of others is not removed");
}

#[test]
fn a_file_that_is_moved_or_replaced_while_the_store_runs_poisons_it_and_fails_its_closing() {
    // Each waits for a check, so they wait together.
    std::thread::scope(|scope| {
        for file in ["", schema::FILE, schema::WAL_FILE, lock::LOCK_FILE] {
            for is_replaced in [false, true] {
                scope.spawn(move || lose_while_running(file, is_replaced));
            }
        }
    });
}

#[test]
fn a_log_that_is_removed_before_the_end_is_noticed_by_the_closing_and_loses_nothing() {
    let embedded = Embedded::default();
    let store = embedded.try_open().expect("it opens");
    fs::remove_file(embedded.dir.path().join(schema::WAL_FILE)).expect("it is removed");
    block_on(store.commit(Sample::new("bob").create().commit())).expect("it is not noticed yet");
    let closed = block_on(store.close());
    assert!(matches!(closed, Err(StoreError::Poisoned { .. })), "{closed:?}");
    let store = embedded.try_open().expect("the database has everything");
    assert_eq!(block_on(store.load(&name("bob"))).map(|stored| stored.list.revision()), Ok(1));
}

/// A directory as a killed server leaves it: bob is in the write-ahead log only.
fn killed() -> Embedded {
    let running = Embedded::default();
    let store = running.try_open().expect("it opens");
    block_on(store.commit(Sample::new("bob").create().commit())).expect("it is new");
    let image = Embedded::default();
    for file in [schema::FILE, schema::WAL_FILE] {
        fs::copy(running.dir.path().join(file), image.dir.path().join(file)).expect("it is copied");
    }
    image
}

#[test]
fn a_start_copies_the_log_into_the_database_and_begins_it_anew() {
    let image = killed();
    let log = image.dir.path().join(schema::WAL_FILE);
    assert!(fs::metadata(&log).expect("a log").len() > 0);
    let store = image.try_open().expect("it opens");
    assert_eq!(fs::metadata(&log).expect("a log").len(), 0);
    let database_only = Embedded::default();
    fs::copy(image.dir.path().join(schema::FILE), database_only.dir.path().join(schema::FILE)).expect("it is copied");
    let found = database_only.try_open().expect("it opens");
    assert_eq!(block_on(found.load(&name("bob"))).map(|stored| stored.list.revision()), Ok(1));
    drop(store);
}

#[test]
fn a_start_beside_a_reader_writes_the_log_once_more_and_a_stop_does_not_wait_for_the_reader() {
    let image = killed();
    let log = image.dir.path().join(schema::WAL_FILE);
    let shell = image.sql();
    shell.execute_batch("BEGIN; SELECT count(*) FROM log").expect("it reads");
    let bytes = fs::read(&log).expect("a log");
    File::options()
        .write(true)
        .open(&log)
        .and_then(|file| file.set_modified(SystemTime::UNIX_EPOCH))
        .expect("it is old");
    let store = image.try_open().expect("a reader does not prevent a start");
    assert_ne!(fs::metadata(&log).and_then(|found| found.modified()).expect("a time"), SystemTime::UNIX_EPOCH);
    assert_eq!(fs::read(&log).expect("a log"), bytes);
    block_on(store.commit(Sample::new("ann").create().commit())).expect("it is new");
    assert_eq!(block_on(store.close()), Ok(()));
    drop(store);
    drop(shell);
    let store = image.try_open().expect("it opens");
    for list in ["ann", "bob"] {
        assert_eq!(block_on(store.load(&name(list))).map(|stored| stored.list.revision()), Ok(1));
    }
}

#[cfg(feature = "failpoints")]
#[test]
fn a_start_writes_the_log_once_more_before_its_first_transaction() {
    use std::cell::RefCell;
    use std::rc::Rc;

    let mut image = killed();
    let log = image.dir.path().join(schema::WAL_FILE);
    let before = fs::metadata(&log).expect("a log").len();
    // Such a start makes the digest anew in a transaction of its own.
    image.options.accept_loss = true;
    let sizes = Rc::<RefCell<Vec<u64>>>::default();
    let observed = sizes.clone();
    let size = move |path: &Path| fs::metadata(path).map_or(0, |log| log.len());
    crate::simulation::observe_syncs(move |path| observed.borrow_mut().push(size(path)));
    drop(image.try_open().expect("it opens"));
    assert_eq!(sizes.borrow().first(), Some(&before), "nothing was appended before");
}

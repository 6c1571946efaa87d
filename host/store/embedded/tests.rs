//! Tests of what only this store does: compaction under load, damage on disk, the directory, the threads.

mod damage;
mod digest;
mod encoding;
mod faults;
mod files;
mod flips;
mod loss;
mod receipts;
mod records;
mod salvage;
mod scrub;
mod upgrade;

use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

use super::*;
use crate::list::revision::Revision;
use crate::store::HistoryLimits;
use crate::store::contract::{self, Ending, Subject};
use crate::store::fixtures::{Writer as Sample, name};

struct Embedded {
    dir: TempDir,
    options: Options,
}

impl Default for Embedded {
    fn default() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory"), options: Options::default() }
    }
}

impl Embedded {
    fn try_open(&self) -> Result<EmbeddedStore, StoreError> {
        EmbeddedStore::open(self.dir.path(), self.options.clone())
    }

    /// The database, for damaging it.
    fn sql(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.dir.path().join("hotlist.db")).expect("a database")
    }

    /// Deletes the isolated commits, and the memory that there were any.
    fn forget_isolation(&self) {
        let sql = self.sql();
        sql.execute("DELETE FROM quarantine", []).expect("they are deleted");
        super::digest::recount::reset(&sql).expect("the digest is made anew");
    }

    /// Checks that the digest is that of the rows.
    fn check_digest(&self) {
        let sql = self.sql();
        let format: i32 = sql.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a number");
        if format == 0 {
            return; // No store was opened on it.
        }
        let digest = super::digest::read(&sql).expect("it is readable");
        assert_eq!(digest, Ok(super::digest::recount::recount(&sql).expect("the rows are readable")));
    }

    fn count(&self, table: &str) -> u64 {
        let select = format!("SELECT count(*) FROM {table}");
        self.sql().query_row(&select, [], |row| row.get(0)).expect("a count")
    }
}

fn end(store: EmbeddedStore, ending: Ending) {
    match ending {
        Ending::Close => block_on(store.close()).expect("it closes"),
        Ending::Drop => drop(store),
    }
}

/// Reads all rows and pages, and acts on the damage.
fn scrub_all(store: &EmbeddedStore) {
    let (done, wait) = oneshot::channel();
    store.writes.send(WriterRequest::Scrub(done)).expect("the writer lives");
    block_on(wait).expect("the writer lives");
}

/// The store's own threads answer, so any executor will do.
fn block_on<T>(pending: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(pending)
}

/// Thresholds that are never reached: the log is compacted only on closing.
#[derive(Default)]
struct Plain(Embedded);

/// Thresholds that are always exceeded: every commit starts a compaction.
struct Compacting(Embedded);

impl Default for Compacting {
    fn default() -> Self {
        let mut embedded = Embedded::default();
        embedded.options.log_commits = 0;
        Self(embedded)
    }
}

/// A compaction after about every third commit, and batches of one.
struct CompactingSometimes(Embedded);

impl Default for CompactingSometimes {
    fn default() -> Self {
        let mut embedded = Embedded::default();
        embedded.options.log_commits = 3;
        embedded.options.batch = 1;
        Self(embedded)
    }
}

/// A scrub that never rests and reads one row at a time, beside compactions. It finds no damage.
struct Scrubbing(Embedded);

impl Default for Scrubbing {
    fn default() -> Self {
        let mut embedded = Embedded::default();
        embedded.options.log_commits = 3;
        embedded.options.batch = 1;
        let never = std::time::Duration::ZERO;
        embedded.options.scrub = ScrubOptions { first: never, interval: never, pause: never, rows: 1, bytes: 1 };
        Self(embedded)
    }
}

macro_rules! subject {
    ($subject:ident, $module:ident) => {
        impl Subject for $subject {
            type Store = EmbeddedStore;

            fn open(&self, history: HistoryLimits) -> EmbeddedStore {
                let options = Options { history, ..self.0.options.clone() };
                EmbeddedStore::open(self.0.dir.path(), options).expect("it opens")
            }

            fn reopen(&self, store: EmbeddedStore, ending: Ending) -> EmbeddedStore {
                assert_eq!((store.lifecycle.damage(), store.unreadable_count()), (Vec::new(), 0));
                let history = store.options.history;
                std::thread::scope(|scope| scope.spawn(|| end(store, ending)).join()).expect("it ends");
                self.open(history)
            }
        }

        impl Drop for $subject {
            fn drop(&mut self) {
                if !std::thread::panicking() {
                    self.0.check_digest();
                }
            }
        }

        mod $module {
            use super::*;
            contract::suite!($subject);
            contract::records::suite!($subject);
        }
    };
}
subject!(Plain, plain);
subject!(Compacting, compacting);
subject!(CompactingSometimes, compacting_sometimes);
subject!(Scrubbing, scrubbing);

#[test]
fn a_second_opening_is_refused_and_names_the_process_that_holds_the_directory() {
    let embedded = Embedded::default();
    let store = embedded.try_open().expect("it opens");
    let refused = embedded.try_open().expect_err("it is taken");
    let holder = format!("process {}", std::process::id());
    assert_eq!(refused, StoreError::Locked { path: embedded.dir.path().display().to_string(), holder });
    drop(store);
    assert!(embedded.try_open().is_ok(), "a dropped store gives the directory back");
}

#[test]
fn an_unknown_format_is_refused_and_not_changed() {
    let embedded = Embedded::default();
    drop(embedded.try_open().expect("it opens"));
    for (pragma, found) in [("user_version", "77"), ("application_id", "of another program")] {
        embedded.sql().pragma_update(None, pragma, 77).expect("it is written");
        let refused = embedded.try_open().expect_err("no program knows format 77");
        let path = embedded.dir.path().display().to_string();
        assert_eq!(refused, StoreError::Format { path, found: found.into(), known: "1 to 3".into() });
    }
    assert_eq!(embedded.sql().pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0)), Ok(77));
}

#[test]
fn a_file_that_is_no_database_is_an_error() {
    let embedded = Embedded::default();
    std::fs::write(embedded.dir.path().join("hotlist.db"), [7; 5000]).expect("it is written");
    let refused = embedded.try_open().expect_err("this is no database");
    assert!(matches!(refused, StoreError::Failed { .. }), "{refused:?}");
}

/// Three lists with three commits each, every commit in a row of its own, or compacted.
fn three_lists(embedded: &Embedded, ending: Ending) {
    let store = embedded.try_open().expect("it opens");
    for list in ["ann", "bob", "cid"] {
        let mut writer = Sample::new(list).create().with_receipt("key");
        for title in ["Dentist", "Milk", "Bread"] {
            block_on(store.commit(writer.take())).expect("it continues");
            writer = writer.add(title);
        }
    }
    end(store, ending);
}

/// Checks that bob stays unreadable however often the store is opened, and that the other lists are readable.
fn only_bob_is_unreadable(embedded: &Embedded, says: &str) {
    for ending in [Ending::Drop, Ending::Close, Ending::Close] {
        let store = embedded.try_open().expect("one bad list is not the store's end");
        let unreadable = block_on(store.load(&name("bob"))).expect_err("bob is damaged");
        let StoreError::Unreadable { name: named, why } = &unreadable else { panic!("{unreadable:?}") };
        assert_eq!(named, &name("bob"));
        assert!(why.contains(says) || why.contains("isolated"), "{why}");
        for list in ["ann", "cid"] {
            let loaded =
                block_on(store.load(&name(list))).map(|stored| (stored.list.revision(), stored.receipts.len()));
            assert_eq!(loaded, Ok((3, 1)));
            assert_eq!(block_on(store.history(&name(list), 0, 9)).map(|all| all.len()), Ok(3));
        }
        end(store, ending);
    }
}

#[test]
fn a_flipped_bit_in_the_log_makes_its_list_unreadable_and_no_other() {
    for seq in [4, 5, 6] {
        let embedded = Embedded::default();
        three_lists(&embedded, Ending::Drop);
        flip(&embedded, "log", "commits", &format!("seq = {seq}"));
        only_bob_is_unreadable(&embedded, "checksum");
        assert_eq!(embedded.count("quarantine"), 3, "its rows are copied as evidence");
        let store = embedded.try_open().expect("it opens");
        let refused = block_on(store.commit(Sample::new("bob").create().commit()));
        assert!(matches!(refused, Err(StoreError::Unreadable { .. })), "{refused:?}");
    }
}

#[test]
fn a_missing_row_in_the_log_makes_its_list_unreadable_and_no_other() {
    let embedded = Embedded::default();
    three_lists(&embedded, Ending::Drop);
    embedded.sql().execute("DELETE FROM log WHERE seq = 5", []).expect("it is deleted");
    only_bob_is_unreadable(&embedded, "goes from revision 1 to 3");
}

#[test]
fn a_missing_first_row_makes_its_list_unreadable_too() {
    let embedded = Embedded::default();
    three_lists(&embedded, Ending::Drop);
    embedded.sql().execute("DELETE FROM log WHERE seq = 4", []).expect("it is deleted");
    only_bob_is_unreadable(&embedded, "goes from revision 0 to 2");
}

#[test]
fn a_flipped_bit_in_a_compacted_row_makes_its_list_unreadable_and_no_other() {
    for column in ["brief", "snapshot"] {
        let embedded = Embedded::default();
        three_lists(&embedded, Ending::Close);
        assert_eq!(embedded.count("log"), 0);
        flip(&embedded, "lists", column, "name = 'bob'");
        only_bob_is_unreadable(&embedded, "checksum");
    }
}

#[test]
fn a_sound_row_in_the_wrong_place_is_unreadable() {
    let embedded = Embedded::default();
    three_lists(&embedded, Ending::Close);
    let swap = "UPDATE lists SET (revision, seq, brief, snapshot) =
        (SELECT revision, seq, brief, snapshot FROM lists WHERE name = 'ann') WHERE name = 'bob'";
    embedded.sql().execute(swap, []).expect("it is updated");
    only_bob_is_unreadable(&embedded, "checksum");
}

/// Ann, bob and cid with three commits each in one row of the log, or two. Returns the number of the longer row.
fn three_lists_in_a_row(embedded: &Embedded) -> u64 {
    let store = embedded.try_open().expect("it opens");
    let sql = embedded.sql();
    sql.execute_batch("BEGIN IMMEDIATE").expect("the writer waits for this");
    let mut pending = Vec::new();
    for list in ["ann", "bob", "cid"] {
        let mut writer = Sample::new(list).create();
        for title in ["Dentist", "Milk", "Bread"] {
            pending.push(store.commit(writer.take()));
            writer = writer.add(title);
        }
    }
    sql.execute_batch("COMMIT").expect("the writer goes on");
    for made in pending {
        block_on(made).expect("it continues");
    }
    drop(store);
    embedded.sql().query_row("SELECT seq FROM log ORDER BY seq - first DESC", [], |row| row.get(0)).expect("a row")
}

#[test]
fn a_flipped_bit_anywhere_in_a_row_of_many_commits_never_makes_a_list_older() {
    let embedded = Embedded::default();
    let seq = three_lists_in_a_row(&embedded);
    let column = |column: &str| -> Vec<u8> {
        let select = format!("SELECT {column} FROM log WHERE seq = ?1");
        embedded.sql().query_row(&select, [seq], |row| row.get(0)).expect("a row")
    };
    let set = |column: &str, bytes: &[u8]| {
        let update = format!("UPDATE log SET {column} = ?1 WHERE seq = ?2");
        embedded.sql().execute(&update, rusqlite::params![bytes, seq]).expect("it is updated");
        embedded.forget_isolation();
    };
    let (commits, directory) = (column("commits"), column("directory"));
    for at in (0..commits.len()).step_by(17) {
        let mut damaged = commits.clone();
        damaged[at] ^= 1;
        set("commits", &damaged);
        let store = embedded.try_open().expect("damage to lists is not the store's end");
        let lists = ["ann", "bob", "cid"].map(|list| block_on(store.load(&name(list))));
        let sound = lists.iter().filter(|list| list.as_ref().is_ok_and(|stored| stored.list.revision() == 3)).count();
        let unreadable = lists.iter().filter(|list| matches!(list, Err(StoreError::Unreadable { .. }))).count();
        assert_eq!(sound + unreadable, 3, "byte {at}: {lists:?}");
        assert!(unreadable > 0, "byte {at}");
    }
    set("directory", &[7; 9]);
    let refused = embedded.try_open().expect_err("the list of the damaged commit is unknown");
    assert!(matches!(refused, StoreError::Incomplete { .. }), "{refused:?}");
    set("commits", &commits);
    let store = embedded.try_open().expect("the directory only serves damaged commits");
    assert_eq!(block_on(store.load(&name("cid"))).map(|stored| stored.list.revision()), Ok(3));
    drop(store);
    set("directory", &directory);
}

#[test]
fn a_list_with_very_many_commits_in_the_log_is_compacted_at_once() {
    let embedded = Embedded::default();
    let store = embedded.try_open().expect("it opens");
    let mut bob = Sample::new("bob").create();
    let commits = (0..1_100).map(|_| {
        let commit = bob.take();
        bob = bob.clone().with_receipt("key");
        store.commit(commit)
    });
    let pending: Vec<_> = commits.collect();
    pending.into_iter().for_each(|made| block_on(made).expect("it continues"));
    block_on(store.commit(Sample::new("ann").create().commit())).expect("it is new");
    drop(store);
    assert_eq!(embedded.count("lists"), 1, "bob only");
}

/// Flips one bit in the middle of a column.
fn flip(embedded: &Embedded, table: &str, column: &str, which: &str) {
    let sql = embedded.sql();
    let select = format!("SELECT {column} FROM {table} WHERE {which}");
    let mut bytes: Vec<u8> = sql.query_row(&select, [], |row| row.get(0)).expect("a row");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    sql.execute(&format!("UPDATE {table} SET {column} = ?1 WHERE {which}"), [bytes]).expect("it is updated");
}

#[test]
fn more_commits_than_the_queue_holds_are_refused_and_the_others_are_made() {
    let mut embedded = Embedded::default();
    embedded.options.queue = 1;
    embedded.options.batch = 1;
    let store = embedded.try_open().expect("it opens");
    let sql = embedded.sql();
    sql.execute_batch("BEGIN IMMEDIATE").expect("the writer waits for this");
    let commits = ["ann", "bob", "cid"].map(|list| store.commit(Sample::new(list).create().commit()));
    sql.execute_batch("COMMIT").expect("the writer goes on");
    let [first, second, third] = commits.map(block_on);
    assert_eq!(first, Ok(()));
    assert!([second, third].contains(&Err(StoreError::Overloaded { limit: 1 })));
}

#[test]
fn a_list_read_while_it_is_compacted_is_never_older_than_what_was_acknowledged() {
    let mut embedded = Embedded::default();
    embedded.options.log_commits = 5;
    embedded.options.batch = 2;
    let store = embedded.try_open().expect("it opens");
    let acknowledged = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut bob = Sample::new("bob").create();
            while bob.list.revision() < 400 {
                block_on(store.commit(bob.take())).expect("it continues");
                acknowledged.store(bob.list.revision(), Ordering::SeqCst);
                bob = bob.add("Dentist");
            }
        });
        // Ends with the writer, also when that panics.
        while !writer.is_finished() {
            let before = acknowledged.load(Ordering::SeqCst);
            let list = block_on(store.load(&name("bob"))).expect("it is readable").list;
            assert!(list.revision() >= before, "{} after {before}", list.revision());
            let history = block_on(store.history(&name("bob"), before, 10)).expect("it is readable");
            assert!(history.first().is_none_or(|first| first.number == before + 1));
            let page = block_on(store.page(None, 10)).expect("it is readable");
            assert!(page.first().map_or(0, |line| line.revision) >= before);
        }
    });
    drop(store);
    assert!(embedded.count("log") < 40, "compaction bounds the log");
}

#[test]
fn numbers_of_log_commits_go_on_after_the_log_was_emptied() {
    let embedded = Embedded::default();
    three_lists(&embedded, Ending::Close);
    let store = embedded.try_open().expect("it opens");
    let bob = block_on(store.load(&name("bob"))).expect("it is readable").list;
    block_on(store.commit(Sample::at("bob", bob).add("Eggs").commit())).expect("it continues");
    drop(store);
    let store = embedded.try_open().expect("it opens");
    assert_eq!(block_on(store.load(&name("bob"))).map(|stored| stored.list.revision()), Ok(4));
}

/// The number of steps that SQLite's virtual machine takes to read timers. The timers are due at 1, 2, 3 and so on.
fn steps(embedded: &Embedded, until: u64, from: u64, limit: u64) -> i32 {
    let db = schema::open_reader(embedded.dir.path(), 1 << 20).expect("it opens");
    let mut due = db.prepare(reader::DUE).expect("a statement");
    let found = due.query_map(rusqlite::params![until, from, "", limit], |_| Ok(())).expect("rows").count();
    assert_eq!(found as u64, limit.min((until + 1).saturating_sub(from)));
    let mut next = db.prepare(reader::NEXT_DUE).expect("a statement");
    next.query_row([], |_| Ok(())).expect("a row");
    for statement in [&due, &next] {
        assert_eq!(statement.get_status(rusqlite::StatementStatus::FullscanStep), 0, "nothing is scanned");
        assert_eq!(statement.get_status(rusqlite::StatementStatus::Sort), 0, "nothing is sorted");
    }
    due.get_status(rusqlite::StatementStatus::VmStep) + next.get_status(rusqlite::StatementStatus::VmStep)
}

#[test]
fn reading_due_timers_reads_no_other_timer() {
    let embedded = Embedded::default();
    drop(embedded.try_open().expect("it opens"));
    let add = |count: u32| {
        let insert = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
            INSERT OR IGNORE INTO timers (at, name) SELECT i, 'list ' || i FROM n";
        embedded.sql().execute(insert, [count]).expect("they are added");
    };
    add(10);
    let (none, five) = (steps(&embedded, 0, 1, 1_000), steps(&embedded, 10, 1, 5));
    add(100_000);
    assert_eq!(steps(&embedded, 0, 1, 1_000), none, "100,000 that are not due");
    assert_eq!(steps(&embedded, 90_000, 1, 5), five, "90,000 that are due, of which five are wanted");
    assert_eq!(steps(&embedded, 90_000, 80_000, 5), five, "80,000 before those five");
    let each = steps(&embedded, 1_000, 1, 1_000) / 1_000;
    assert!(each <= 20, "{each} steps for each that is due");
}

#[test]
fn a_timer_with_a_damaged_name_does_not_keep_other_lists_from_being_woken() {
    let embedded = Embedded::default();
    let store = embedded.try_open().expect("it opens");
    block_on(store.commit(Sample::new("bob").create().wake_at(Some(10)).commit())).expect("it is new");
    embedded.sql().execute("INSERT INTO timers (at, name) VALUES (5, '')", []).expect("it is added");
    let due = block_on(store.due(10, None, 10)).expect("the timers are readable");
    assert_eq!(due, [WakeUp { at: 10, name: name("bob") }]);
}

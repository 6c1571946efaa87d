//! The tables, and the settings of each connection.
//!
//! Commits append to `log`, and write `timers`, so that finding due lists is one look into one index. Compaction writes
//! everything else, and truncates the head of `log`. The names of tables and columns are part of the format:
//! `gone` holds the tombstones, `brief` the metadata, and `cut` the last commit that was truncated.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::conversion::{self, Conversion, ConversionError, LeftOut};
use super::digest::recount;
use super::encoding_2;
use crate::files;
use crate::store::error::StoreError;

/// Marks a file as ours: "hotl" in ASCII.
const APPLICATION_ID: i32 = 0x686f_746c;

/// The format this program writes. It reads every format from [`OLDEST_FORMAT`] on.
pub(super) const FORMAT: i32 = 3;

/// The oldest format this program reads. [`UPGRADES`] leads from it to [`FORMAT`].
const OLDEST_FORMAT: i32 = 1;

/// The first format whose receipts have accounts.
const WITH_RECEIPT_ACCOUNTS: i32 = 2;

/// The first format with a digest.
const WITH_DIGEST: i32 = 3;

/// Before 3.51.3, a checkpoint on a second connection could corrupt the file.
const OLDEST_SQLITE: i32 = 3_051_003;

/// The most lists that an upgrade leaves out because of damaged pages. Each one has the conversion done again.
const MAX_LEFT_OUT: usize = 100;

/// The database's file in the data directory.
pub(super) const FILE: &str = "hotlist.db";

/// SQLite's write-ahead log in the data directory.
pub(super) const WAL_FILE: &str = "hotlist.db-wal";

/// How long a statement waits for a lock that another program holds.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads the number of the last commit.
pub(super) const LAST_COMMIT: &str = "SELECT max((SELECT seq FROM cut), ifnull((SELECT max(seq) FROM log), 0))";

/// The definitions of the tables and indexes.
pub(super) const TABLES: &str = "
    -- The uncompacted commits, in the order in which they were acknowledged: first to seq, both included.
    -- directory: the lists of the commits.
    CREATE TABLE log (seq INTEGER PRIMARY KEY, first INTEGER NOT NULL, directory BLOB NOT NULL, commits BLOB NOT NULL);
    -- The compacted lists that exist. seq: the last commit that the row contains.
    CREATE TABLE lists (
        name TEXT PRIMARY KEY, revision INTEGER NOT NULL, seq INTEGER NOT NULL,
        brief BLOB NOT NULL, snapshot BLOB NOT NULL
    ) WITHOUT ROWID;
    -- The same of lists that were deleted: paging through lists does not step over them.
    CREATE TABLE gone (
        name TEXT PRIMARY KEY, revision INTEGER NOT NULL, seq INTEGER NOT NULL,
        brief BLOB NOT NULL, snapshot BLOB NOT NULL
    ) WITHOUT ROWID;
    -- Runs of compacted revisions. last: the number of the last revision. The table has row numbers, so that a
    -- compaction appends to it and touches old pages of the index only.
    CREATE TABLE history (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, last INTEGER NOT NULL, record BLOB NOT NULL, UNIQUE (name, last)
    );
    -- The compacted receipts. holder and bytes: the account of the receipt, which the index holds too.
    CREATE TABLE receipts (
        name TEXT NOT NULL, place INTEGER NOT NULL, time INTEGER NOT NULL, holder TEXT NOT NULL, bytes INTEGER NOT NULL,
        record BLOB NOT NULL, PRIMARY KEY (name, place)
    ) WITHOUT ROWID;
    CREATE INDEX receipts_by_time ON receipts (time, holder, bytes);
    CREATE TABLE timers (at INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (at, name)) WITHOUT ROWID;
    -- One row: the last commit that was cut off the log. Numbers of commits are never given twice.
    CREATE TABLE cut (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL);
    INSERT INTO cut (id, seq) VALUES (1, 0);
    -- Commits of lists that cannot be read, copied as evidence before the log is truncated.
    CREATE TABLE quarantine (
        seq INTEGER PRIMARY KEY, name TEXT NOT NULL, revision INTEGER NOT NULL, record BLOB NOT NULL, why TEXT NOT NULL
    );
    -- One row: the number of rows of the tables above but log, and a sum over them.
    CREATE TABLE digest (id INTEGER PRIMARY KEY CHECK (id = 1), record BLOB NOT NULL);
    -- The small records, which the digest does not cover. They have row numbers, so that the index finds the keys although a page with rows is damaged.
    CREATE TABLE records (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, record BLOB NOT NULL,
        UNIQUE (kind, key)
    );
    -- The values that they had before their last changes.
    CREATE TABLE previous_records (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, record BLOB NOT NULL,
        UNIQUE (kind, key)
    );
    -- The last damaged row of each record that was replaced.
    CREATE TABLE damaged_records (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, record BLOB NOT NULL,
        why TEXT NOT NULL, UNIQUE (kind, key)
    );
    -- One row: the revision of the last change of a record. Revisions are never given twice.
    CREATE TABLE last_record (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL);
    INSERT INTO last_record (id, revision) VALUES (1, 0);
";

/// The statements that lead from each format to the next, the first one from [`OLDEST_FORMAT`]. They run in one
/// transaction at the start, and a directory that was upgraded has the tables of a new one.
const UPGRADES: [&str; (FORMAT - OLDEST_FORMAT) as usize] = [
    // From 1 to 2. `conversion` moves the receipts, which SQL cannot decode.
    "ALTER TABLE receipts RENAME TO receipts_1;
    CREATE TABLE receipts (
        name TEXT NOT NULL, place INTEGER NOT NULL, time INTEGER NOT NULL, holder TEXT NOT NULL, bytes INTEGER NOT NULL,
        record BLOB NOT NULL, PRIMARY KEY (name, place)
    ) WITHOUT ROWID;
    CREATE INDEX receipts_by_time ON receipts (time, holder, bytes);
    ",
    // From 2 to 3: the tables of small records, and the digest. `recount::reset` makes the digest of what is there.
    "CREATE TABLE digest (id INTEGER PRIMARY KEY CHECK (id = 1), record BLOB NOT NULL);
    CREATE TABLE records (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, record BLOB NOT NULL,
        UNIQUE (kind, key)
    );
    CREATE TABLE previous_records (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, record BLOB NOT NULL,
        UNIQUE (kind, key)
    );
    CREATE TABLE damaged_records (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, record BLOB NOT NULL,
        why TEXT NOT NULL, UNIQUE (kind, key)
    );
    CREATE TABLE last_record (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL);
    INSERT INTO last_record (id, revision) VALUES (1, 0);
    ",
];

/// Turns an error of SQLite into the store's.
pub(super) fn failed(what: &str) -> impl Fn(rusqlite::Error) -> StoreError + '_ {
    move |why| StoreError::Failed { what: what.to_owned(), why: why.to_string() }
}

/// Opens the writer's connection, and creates the tables or checks the format, which may be one that [`upgrade`] changes.
/// Until [`checkpoint_on_close`], closing the connection leaves the write-ahead log as it is, so that a start that fails
/// destroys no evidence.
pub(super) fn open_writer(dir: &Path, cache_bytes: u64, max_bytes: Option<u64>) -> Result<Connection, StoreError> {
    let what = format!("open {}", dir.join(FILE).display());
    if rusqlite::version_number() < OLDEST_SQLITE {
        let why = format!("this program was built with SQLite {}, which has a known fault", rusqlite::version());
        return Err(StoreError::Failed { what, why });
    }
    // SQLite gives its other files the permissions of the database.
    files::create_private_file(&dir.join(FILE))
        .map_err(|error| StoreError::Failed { what: what.clone(), why: error.to_string() })?;
    let db = Connection::open(dir.join(FILE)).map_err(failed(&what))?;
    checkpoint_on_close(&db, false).map_err(failed(&what))?;
    check_format(dir, &db, OLDEST_FORMAT, &what)?;
    check_encoding(dir, &db, &what)?;
    set_up(&db, cache_bytes).map_err(failed(&what))?;
    let write = || -> rusqlite::Result<()> {
        db.pragma_update(None, "journal_mode", "wal")?;
        db.pragma_update(None, "synchronous", "full")?;
        if let Some(bytes) = max_bytes {
            let page: u64 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
            db.pragma_update(None, "max_page_count", bytes / page)?;
        }
        match format(&db)? {
            0 => create(&db),
            _ => Ok(()),
        }
    };
    write().map_err(failed(&what))?;
    Ok(db)
}

/// Reads the number of the last commit.
pub(super) fn last_commit(db: &Connection) -> Result<u64, StoreError> {
    db.query_row(LAST_COMMIT, [], |row| row.get(0)).map_err(failed("read the last commit"))
}

/// Brings a directory of an older format up to date.
pub(super) fn upgrade(dir: &Path, db: &Connection, cache_bytes: u64) -> Result<(), StoreError> {
    let what = format!("upgrade {}", dir.join(FILE).display());
    let from = format(db).map_err(failed(&what))?;
    if from == FORMAT {
        return Ok(());
    }
    tracing::info!(from, to = FORMAT, "upgrading the format of the data directory");
    let source = open_reader(dir, cache_bytes / 8)?;
    let mut left_out = BTreeMap::new();
    let done = loop {
        match upgrade_tables(&source, db, from, &left_out) {
            // SQLite commits no transaction that met a damaged page, so all is converted again without the list.
            Err(ConversionError::List(name, why)) if left_out.len() < MAX_LEFT_OUT => left_out.insert(name, why),
            Err(ConversionError::List(_, error) | ConversionError::Database(error)) => {
                return Err(failed(&what)(error));
            }
            Ok(done) => break done,
        };
    };
    done.report();
    Ok(())
}

/// Sets whether closing the connection copies the write-ahead log into the database and removes the file, if no other
/// connection is open.
pub(super) fn checkpoint_on_close(db: &Connection, does: bool) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !does).map(drop)
}

fn create(db: &Connection) -> rusqlite::Result<()> {
    let create = db.unchecked_transaction()?;
    create.execute_batch(TABLES)?;
    recount::reset(&create)?;
    create.pragma_update(None, "application_id", APPLICATION_ID)?;
    create.pragma_update(None, "user_version", FORMAT)?;
    create.commit()
}

/// Brings the tables of an older format up to date, all steps or none. `source` is another connection, which reads the rows
/// to convert. The rows of the lists in `left_out` stay as they are.
fn upgrade_tables(
    source: &Connection,
    db: &Connection,
    format: i32,
    left_out: &LeftOut,
) -> Result<Conversion, ConversionError> {
    let mut done = Conversion::default();
    let upgrade = db.unchecked_transaction()?;
    let steps = usize::try_from(format - OLDEST_FORMAT).expect("check_format refuses older formats");
    for step in UPGRADES.iter().skip(steps) {
        upgrade.execute_batch(step)?;
    }
    convert(source, Some(&upgrade), format, left_out, &mut done)?;
    if format < WITH_DIGEST {
        // Without a digest the store goes on, and says so.
        match conversion::is_whole(source, format >= WITH_RECEIPT_ACCOUNTS)? {
            true => drop(recount::reset(&upgrade)?),
            false => done.lacks_digest = true,
        }
    }
    upgrade.pragma_update(None, "user_version", FORMAT)?;
    upgrade.commit()?;
    Ok(done)
}

/// Converts what SQL cannot convert, or finds out what would be converted if there is no target.
fn convert(
    source: &Connection,
    target: Option<&Connection>,
    format: i32,
    left_out: &LeftOut,
    done: &mut Conversion,
) -> Result<(), ConversionError> {
    if format < WITH_RECEIPT_ACCOUNTS {
        conversion::convert_lists(source, target, left_out, done)?;
        conversion::convert_receipts(source, target, done)?;
    }
    Ok(())
}

/// Opens a connection that only reads.
pub(super) fn open_reader(dir: &Path, cache_bytes: u64) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let what = format!("open {} for reading", dir.join(FILE).display());
    let db = Connection::open_with_flags(dir.join(FILE), flags).map_err(failed(&what))?;
    set_up(&db, cache_bytes).map_err(failed(&what))?;
    Ok(db)
}

/// Opens a connection to the data of a server that may be running. It only reads. It does not copy the write-ahead log
/// when it is the last connection to close, because only the server may do that.
pub(super) fn open_observer(dir: &Path, cache_bytes: u64) -> Result<Connection, StoreError> {
    // Tables of an older format may be missing, and only the server may add them.
    observe(dir, cache_bytes, FORMAT)
}

/// Opens a connection like [`open_observer`] to data of any format that the program reads. The tables `log`, `cut`, `lists`,
/// `gone`, `history` and `quarantine` are the same in all of them.
pub(super) fn open_observer_of_any_format(dir: &Path, cache_bytes: u64) -> Result<Connection, StoreError> {
    observe(dir, cache_bytes, OLDEST_FORMAT)
}

fn observe(dir: &Path, cache_bytes: u64, oldest: i32) -> Result<Connection, StoreError> {
    let db = open_reader(dir, cache_bytes)?;
    let what = format!("open {} for reading", dir.join(FILE).display());
    checkpoint_on_close(&db, false).map_err(failed(&what))?;
    check_format(dir, &db, oldest, &what)?;
    Ok(db)
}

/// Opens a connection to data of any format that this program reads or upgrades. It only reads, like an observer.
pub(super) fn open_any_format(dir: &Path) -> Result<Connection, StoreError> {
    let db = open_observer_of_any_format(dir, 1 << 20)?;
    check_encoding(dir, &db, &format!("open {} for reading", dir.join(FILE).display()))?;
    Ok(db)
}

/// Reads the format of a database.
pub(super) fn format(db: &Connection) -> rusqlite::Result<i32> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Whether a database has a digest, by its format.
pub(super) fn has_digest(db: &Connection) -> bool {
    !format(db).is_ok_and(|format| format < WITH_DIGEST)
}

/// Finds out what an upgrade would convert.
pub(super) fn check_conversion(db: &Connection) -> rusqlite::Result<Conversion> {
    let mut done = Conversion::default();
    match convert(db, None, format(db)?, &LeftOut::new(), &mut done) {
        Ok(()) => Ok(done),
        Err(ConversionError::List(_, error) | ConversionError::Database(error)) => Err(error),
    }
}

/// Opens a connection that only copies the write-ahead log into the database.
pub(super) fn open_checkpointer(dir: &Path) -> Result<Connection, StoreError> {
    let what = format!("open {} for checkpoints", dir.join(FILE).display());
    let db = Connection::open(dir.join(FILE)).map_err(failed(&what))?;
    set_up(&db, 0).and_then(|()| db.pragma_update(None, "synchronous", "full")).map_err(failed(&what))?;
    Ok(db)
}

/// Refuses a file of another program, and a format before `oldest` or after [`FORMAT`]. A new file is accepted.
fn check_format(dir: &Path, db: &Connection, oldest: i32, what: &str) -> Result<(), StoreError> {
    let number = |name| db.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).map_err(failed(what));
    let (application, format, changes) =
        (number("application_id")?, number("user_version")?, number("schema_version")?);
    match (application, format) {
        (APPLICATION_ID, format) if (oldest..=FORMAT).contains(&format) => Ok(()),
        (0, 0) if changes == 0 => Ok(()),
        _ => Err(StoreError::Format {
            path: dir.display().to_string(),
            found: if application == APPLICATION_ID { format.to_string() } else { "of another program".into() },
            known: if oldest == FORMAT { FORMAT.to_string() } else { format!("{oldest} to {FORMAT}") },
        }),
    }
}

/// Refuses a directory of format 1 whose lists all have an encoding that this program does not convert. Before the first
/// release the encoding changed twice within that format. In a directory with newer lists too, the older ones are
/// unreadable, and the others are not.
fn check_encoding(dir: &Path, db: &Connection, what: &str) -> Result<(), StoreError> {
    let format = db.pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0)).map_err(failed(what))?;
    if format != OLDEST_FORMAT {
        return Ok(());
    }
    let read = || -> rusqlite::Result<Vec<u8>> {
        let rows =
            "SELECT brief AS row FROM lists UNION ALL SELECT brief FROM gone UNION ALL SELECT directory FROM log";
        let mut select = db.prepare(&format!("SELECT max(substr(row, 1, 1)) FROM ({rows})"))?;
        let newest: Option<Vec<u8>> = select.query_row([], |row| row.get(0))?;
        Ok(newest.unwrap_or_default())
    };
    match read().map_err(failed(what))?.first() {
        Some(&newest) if newest < encoding_2::ENCODING => Err(StoreError::Format {
            path: dir.display().to_string(),
            found: format!("{format} with encoding {newest}"),
            known: format!("{OLDEST_FORMAT} to {FORMAT} with encoding {} or later", encoding_2::ENCODING),
        }),
        _ => Ok(()),
    }
}

fn set_up(db: &Connection, cache_bytes: u64) -> rusqlite::Result<()> {
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_prepared_statement_cache_capacity(64);
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    // Negative means kibibytes.
    db.pragma_update(None, "cache_size", -i64::try_from(cache_bytes / 1024).unwrap_or(i64::MAX))?;
    db.pragma_update(None, "temp_store", "memory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::embedded::digest::{self, CoveredTable};

    /// The tables and indexes of format 1, as the first release created them.
    const FORMAT_1: &str = include_str!("schema/format_1.sql");

    /// The tables and indexes of format 2.
    const FORMAT_2: &str = include_str!("schema/format_2.sql");

    fn shape(db: &Connection) -> Vec<(String, Vec<String>)> {
        let tables = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'index') ORDER BY name";
        let mut select = db.prepare(tables).unwrap();
        let names: Vec<String> = select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        let columns = |table: &String| {
            let sql = "SELECT name || ' ' || type || ' ' || \"notnull\" || ' ' || pk FROM pragma_table_info(?1)";
            let mut select = db.prepare(sql).unwrap();
            select.query_map([table], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
        };
        names.iter().map(|name| (name.clone(), columns(name))).collect()
    }

    #[test]
    fn a_directory_of_an_earlier_format_gets_the_tables_of_a_new_one() {
        for earlier in [FORMAT_1, FORMAT_2] {
            let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let db = Connection::open(old.path().join(FILE)).unwrap();
            db.execute_batch(earlier).unwrap();
            db.close().unwrap();
            let upgraded = open_writer(old.path(), 1 << 20, None).unwrap();
            upgrade(old.path(), &upgraded, 1 << 20).unwrap();
            let created = open_writer(new.path(), 1 << 20, None).unwrap();
            assert_eq!(shape(&upgraded), shape(&created));
            let format: i32 = upgraded.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
            assert_eq!(format, FORMAT);
        }
    }

    #[test]
    fn a_directory_of_an_earlier_format_gets_the_digest_of_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let db = Connection::open(dir.path().join(FILE)).unwrap();
        db.execute_batch(FORMAT_2).unwrap();
        db.execute_batch("INSERT INTO timers VALUES (7, 'bob'); UPDATE cut SET seq = 3").unwrap();
        db.close().unwrap();
        let upgraded = open_writer(dir.path(), 1 << 20, None).unwrap();
        upgrade(dir.path(), &upgraded, 1 << 20).unwrap();
        let digest = digest::read(&upgraded).unwrap().unwrap();
        assert_eq!((digest.truncated_to, digest.sums.of(CoveredTable::Timers).rows), (3, 1));
        assert_eq!(digest, recount::recount(&upgraded).unwrap());
    }

    #[test]
    fn a_format_of_a_later_program_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let db = open_writer(dir.path(), 1 << 20, None).unwrap();
        db.pragma_update(None, "user_version", FORMAT + 1).unwrap();
        drop(db);
        let refused = open_writer(dir.path(), 1 << 20, None).unwrap_err();
        assert!(matches!(refused, StoreError::Format { .. }), "{refused}");
    }
}

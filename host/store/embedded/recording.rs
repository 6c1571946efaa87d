//! The recording of a data directory: all lists with their history at one moment, while a server goes on writing.
//!
//! A recording is one read transaction on a connection that only reads. The server does not wait for it. As long as it
//! lasts, SQLite cannot reuse its write-ahead log from the beginning, so the file grows by what is written meanwhile.

use std::collections::{BTreeSet, VecDeque, btree_set};
use std::iter::Peekable;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::log_index::LogIndex;
use super::reader::Reader;
use super::scrub::{self, ScrubFinding};
use super::{evidence, observer, recover, schema};
use crate::list::history::ListHistory;
use crate::list::name::{ListName, MAX_LIST_NAME_BYTES};
use crate::store::Stored;
use crate::store::error::StoreError;
use crate::store::receipt_room::{ReceiptLimits, ReceiptRoom};

/// The page cache, in bytes. Lists are read in their order, and each only once, so a small one suffices.
pub(super) const CACHE_BYTES: u64 = 8 << 20;

/// How many names of compacted lists are read at once.
const NAMES_PER_READ: usize = 1_000;

/// The lists of a data directory at the moment it was opened.
pub struct Recording {
    reader: Reader,
    /// Lists that may exist only in the log, and lists that cannot be read.
    besides_compacted: BTreeSet<ListName>,
}

/// The name in a row, or its readable part.
type RowName = Result<ListName, DamagedName>;

/// The name of a row that is not a valid list name.
struct DamagedName {
    /// The name with invalid characters replaced.
    shown: ListName,
}

impl Recording {
    /// Begins a recording of what is durable now. Reads the log, as a server does when it starts, and holds it in
    /// memory. [`super::Options::log_bytes`] of the server bounds that memory.
    ///
    /// # Errors
    ///
    /// [`StoreError::Incomplete`] when acknowledged changes are missing, [`StoreError::Format`] when another version of the
    /// program wrote the data, and [`StoreError::Failed`].
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::begin(observer::open(dir, CACHE_BYTES)?)
    }

    /// Begins a recording on a connection that only reads.
    pub(super) fn begin(db: Connection) -> Result<Self, StoreError> {
        begin(&db)?;
        let log_index = recover::scan_read_only(&db)?;
        Ok(Self::new(db, log_index))
    }

    /// A recording of the moment of the connection's transaction, whose log was scanned.
    pub(super) fn new(db: Connection, log_index: LogIndex) -> Self {
        let besides_compacted = log_index.besides_compacted();
        let reader = Reader {
            db,
            log_index: Arc::new(Mutex::new(log_index)),
            history_limit: u64::MAX,
            now: || 0,
            receipt_room: ReceiptRoom::new(ReceiptLimits::default()),
        };
        Self { reader, besides_compacted }
    }

    /// The approximate number of lists. Lists that were written lately may count twice.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`].
    pub fn count(&self) -> Result<usize, StoreError> {
        let count = self.reader.db.query_row("SELECT count(*) FROM lists", [], |row| row.get::<_, usize>(0));
        Ok(count.map_err(schema::failed("count the lists"))? + self.besides_compacted.len())
    }

    /// The existing lists for which `is_wanted` holds, in the order of their names' bytes, each with its whole history.
    /// Holds one of them in memory at a time. After [`StoreError::Unreadable`], which concerns one list, the next list
    /// follows. Any other error ends the iteration.
    pub fn lists<'a>(
        &'a self,
        is_wanted: impl Fn(&ListName) -> bool + 'a,
    ) -> impl Iterator<Item = Result<ListHistory, StoreError>> + 'a {
        let read = move |named: Result<RowName, StoreError>| match named {
            Ok(Ok(name)) if is_wanted(&name) => self.list(&name).transpose(),
            Ok(Ok(_)) => None,
            Ok(Err(DamagedName { shown })) => {
                Some(Err(StoreError::Unreadable { name: shown, why: "its name is damaged".into() }))
            }
            Err(error) => Some(Err(error)),
        };
        let besides = self.besides_compacted.iter().peekable();
        let names =
            Names { recording: self, compacted: VecDeque::new(), after: String::new(), is_exhausted: false, besides };
        names.filter_map(read)
    }

    /// The list of that name, as a server would load it.
    pub(super) fn load(&self, name: &ListName) -> Result<Stored, StoreError> {
        self.reader.load(name)
    }

    /// Whether rows of a list that exists were given up, such as a history without inverses.
    pub(super) fn has_given_up(&self, name: &ListName) -> Result<bool, StoreError> {
        let select = "SELECT EXISTS (SELECT 1 FROM quarantine WHERE name = ?1)";
        let found = self.reader.db.query_row(select, [evidence::given_up(name.as_str())], |row| row.get(0));
        found.map_err(schema::failed("read the table quarantine"))
    }

    /// Checks all rows against each other and against the digest.
    pub(super) fn check_rows(&self, found: &mut dyn FnMut(ScrubFinding)) -> Result<(), StoreError> {
        let checked = scrub::read_all(&self.reader.db, &self.reader.log_index, 0, found);
        checked.map_err(schema::failed("read all rows"))
    }

    /// All timers: the time and the list of each.
    pub(super) fn timers(&self) -> Result<BTreeSet<(u64, String)>, StoreError> {
        let read = || -> rusqlite::Result<BTreeSet<(u64, String)>> {
            let mut select = self.reader.db.prepare("SELECT at, name FROM timers")?;
            select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        read().map_err(schema::failed("read the timers"))
    }

    /// The list of that name with its whole history and its wake-up time, deleted or not.
    pub(super) fn recorded(&self, name: &ListName) -> Result<(ListHistory, Option<u64>), StoreError> {
        self.reader.recorded(name)
    }

    /// The connection, in its transaction.
    pub(super) fn db(&self) -> &Connection {
        &self.reader.db
    }

    /// The lists that may be in no compacted row, deleted or not.
    pub(super) fn all_besides_compacted(&self) -> BTreeSet<ListName> {
        self.reader.log_index.lock().all_besides_compacted()
    }

    /// The list of that name, unless its last commit in the log deleted it.
    fn list(&self, name: &ListName) -> Result<Option<ListHistory>, StoreError> {
        let (recorded, _) = self.reader.recorded(name)?;
        Ok(recorded.list.exists().then_some(recorded))
    }

    /// The next names of compacted lists after one, as they are in the database.
    fn compacted_names(&self, after: &str) -> rusqlite::Result<Vec<String>> {
        let select = "SELECT name FROM lists WHERE name > ?1 ORDER BY name LIMIT ?2";
        let mut select = self.reader.db.prepare_cached(select)?;
        let mut rows = select.query(rusqlite::params![after, NAMES_PER_READ])?;
        let mut names = Vec::new();
        while let Some(row) = rows.next()? {
            names.push(String::from_utf8_lossy(row.get_ref(0)?.as_bytes()?).into_owned());
        }
        Ok(names)
    }
}

/// Begins a transaction. It is deferred: its moment is that of the first read, which is the scan of the log.
pub(super) fn begin(db: &Connection) -> Result<(), StoreError> {
    db.execute_batch("BEGIN").map_err(schema::failed("begin to read"))
}

/// Iterator over the names of all lists, compacted or not, in order.
struct Names<'a> {
    recording: &'a Recording,
    /// Names of compacted lists that were read and not yet returned.
    compacted: VecDeque<RowName>,
    /// The last compacted name that was read.
    after: String,
    /// Whether the database has no more names.
    is_exhausted: bool,
    besides: Peekable<btree_set::Iter<'a, ListName>>,
}

impl Names<'_> {
    fn refill(&mut self) -> Result<(), StoreError> {
        let texts = self.recording.compacted_names(&self.after).map_err(schema::failed("read the lists' names"))?;
        let last_sound = texts.iter().rev().find(|text| ListName::new(text).is_ok());
        // Without a sound name the next read would return the same names again.
        self.is_exhausted = texts.len() < NAMES_PER_READ || last_sound.is_none();
        last_sound.cloned().into_iter().for_each(|last| self.after = last);
        self.compacted
            .extend(texts.iter().map(|text| ListName::new(text).map_err(|_| DamagedName { shown: as_name(text) })));
        Ok(())
    }
}

impl Iterator for Names<'_> {
    type Item = Result<RowName, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.compacted.is_empty()
            && !self.is_exhausted
            && let Err(error) = self.refill()
        {
            self.is_exhausted = true;
            return Some(Err(error));
        }
        let (Some(Ok(compacted)), Some(besides)) = (self.compacted.front(), self.besides.peek()) else {
            let next = self.compacted.pop_front();
            return next.or_else(|| self.besides.next().cloned().map(Ok)).map(Ok);
        };
        if *besides > compacted {
            return self.compacted.pop_front().map(Ok);
        }
        if *besides == compacted {
            self.compacted.pop_front();
        }
        self.besides.next().cloned().map(|name| Ok(Ok(name)))
    }
}

/// Replaces the invalid characters of a damaged name, so that an error can show it.
pub(super) fn as_name(text: &str) -> ListName {
    let shown: String = text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    let end = shown.floor_char_boundary(MAX_LIST_NAME_BYTES);
    let or_nothing = ListName::new(&shown[..end]).or_else(|_| ListName::new("(no name)"));
    or_nothing.expect("what remains has no control character and is short, and the other is a name")
}

#[cfg(test)]
mod tests;

//! All that a data directory has recorded, as it is at one moment, for whoever wants to look at it while
//! a server goes on writing.
//!
//! It is one read transaction on a connection that only reads. The server neither waits for it nor
//! notices it, but for one thing: as long as it lasts, SQLite cannot begin anew at the head of its
//! write-ahead log, which grows by what is written meanwhile.

use std::collections::{BTreeSet, VecDeque, btree_set};
use std::iter::Peekable;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::reader::Reader;
use super::{recover, schema};
use crate::list::history::ListHistory;
use crate::list::name::{ListName, MAX_LIST_NAME_BYTES};
use crate::store::StoreError;

/// The cache of pages, in bytes: lists are read in their order, and each only once.
const CACHE_BYTES: u64 = 8 << 20;

/// How many folded lists are named at once.
const NAMES: usize = 1_000;

/// The lists of a data directory at the moment it was opened.
pub struct Recording {
    reader: Reader,
    /// Lists that may be in the log only, and lists that cannot be read.
    besides_folded: BTreeSet<ListName>,
}

/// The name in a row, or what there is of it.
type Named = Result<ListName, Damaged>;

/// A row whose name is none.
struct Damaged {
    /// What of it can be shown, as a name.
    shown: ListName,
}

impl Recording {
    /// Takes hold of what is durable now. Reads the log, as a server does when it starts, and keeps it in
    /// memory, as that server would have it if it had written it: [`super::Options::log_bytes`] bounds both.
    ///
    /// # Errors
    ///
    /// [`StoreError::Format`] when another version of the program wrote the data, and
    /// [`StoreError::Failed`].
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let db = schema::open_observer(dir, CACHE_BYTES)?;
        // Deferred: the moment is that of the first look, which is into the log.
        db.execute_batch("BEGIN").map_err(schema::failed("begin to read"))?;
        let log_index = recover::look(&db)?;
        let besides_folded = log_index.besides_folded();
        let reader = Reader { db, log_index: Arc::new(Mutex::new(log_index)), keep: u64::MAX };
        Ok(Self { reader, besides_folded })
    }

    /// About how many lists there are: those that were written to lately may count twice.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`].
    pub fn count(&self) -> Result<usize, StoreError> {
        let count = self.reader.db.query_row("SELECT count(*) FROM lists", [], |row| row.get::<_, usize>(0));
        Ok(count.map_err(schema::failed("count the lists"))? + self.besides_folded.len())
    }

    /// The wanted ones of the lists that exist, in the order of their names' bytes, each with all of its
    /// history. Holds one of them at a time. [`StoreError::Unreadable`] is about one list, and the next
    /// one follows; any other error ends it.
    pub fn lists<'a>(
        &'a self,
        wanted: impl Fn(&ListName) -> bool + 'a,
    ) -> impl Iterator<Item = Result<ListHistory, StoreError>> + 'a {
        let read = move |named: Result<Named, StoreError>| match named {
            Ok(Ok(name)) if wanted(&name) => self.list(&name).transpose(),
            Ok(Ok(_)) => None,
            Ok(Err(Damaged { shown })) => {
                Some(Err(StoreError::Unreadable { name: shown, why: "its name is damaged".into() }))
            }
            Err(error) => Some(Err(error)),
        };
        let besides = self.besides_folded.iter().peekable();
        let names = Names { recording: self, folded: VecDeque::new(), after: String::new(), over: false, besides };
        names.filter_map(read)
    }

    /// The list of that name, unless its last commit in the log deleted it.
    fn list(&self, name: &ListName) -> Result<Option<ListHistory>, StoreError> {
        let recorded = self.reader.recorded(name)?;
        Ok(recorded.list.exists().then_some(recorded))
    }

    /// The next folded names behind one, as they are in the database.
    fn folded(&self, after: &str) -> rusqlite::Result<Vec<String>> {
        let select = "SELECT name FROM lists WHERE name > ?1 ORDER BY name LIMIT ?2";
        let mut select = self.reader.db.prepare_cached(select)?;
        let mut rows = select.query(rusqlite::params![after, NAMES])?;
        let mut names = Vec::new();
        while let Some(row) = rows.next()? {
            names.push(String::from_utf8_lossy(row.get_ref(0)?.as_bytes()?).into_owned());
        }
        Ok(names)
    }
}

/// The names of all lists, folded or not, in order.
struct Names<'a> {
    recording: &'a Recording,
    /// Folded names that were read and have not had their turn.
    folded: VecDeque<Named>,
    /// The last folded name that was read.
    after: String,
    /// Whether it is the last there is.
    over: bool,
    besides: Peekable<btree_set::Iter<'a, ListName>>,
}

impl Names<'_> {
    fn refill(&mut self) -> Result<(), StoreError> {
        let texts = self.recording.folded(&self.after).map_err(schema::failed("read the lists' names"))?;
        let last_sound = texts.iter().rev().find(|text| ListName::new(text).is_ok());
        // Where there is none, the next look would be the same one.
        self.over = texts.len() < NAMES || last_sound.is_none();
        last_sound.cloned().into_iter().for_each(|last| self.after = last);
        self.folded.extend(texts.iter().map(|text| ListName::new(text).map_err(|_| Damaged { shown: as_name(text) })));
        Ok(())
    }
}

impl Iterator for Names<'_> {
    type Item = Result<Named, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.folded.is_empty()
            && !self.over
            && let Err(error) = self.refill()
        {
            self.over = true;
            return Some(Err(error));
        }
        let (Some(Ok(folded)), Some(besides)) = (self.folded.front(), self.besides.peek()) else {
            let next = self.folded.pop_front();
            return next.or_else(|| self.besides.next().cloned().map(Ok)).map(Ok);
        };
        if *besides > folded {
            return self.folded.pop_front().map(Ok);
        }
        if *besides == folded {
            self.folded.pop_front();
        }
        self.besides.next().cloned().map(|name| Ok(Ok(name)))
    }
}

/// A name that is none, with its foreign characters replaced, so that it can be shown.
fn as_name(text: &str) -> ListName {
    let shown: String = text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    let end = shown.floor_char_boundary(MAX_LIST_NAME_BYTES);
    let or_nothing = ListName::new(&shown[..end]).or_else(|_| ListName::new("(no name)"));
    or_nothing.expect("what remains has no control character and is short, and the other is a name")
}

#[cfg(test)]
mod tests;

//! Import of lists into a data directory that no server uses, all or none: one transaction holds all of them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use super::completeness::Completeness;
use super::covered_rows::{CompactedColumns, CoveredRows};
use super::digest::{OpenDigest, RowChanges};
use super::digest_check::{self, CheckedDigest};
use super::lock::DirectoryLock;
use super::record::{self, ListMeta, RowKind};
use super::{schema, wal};
use crate::list::List;
use crate::list::command::Command;
use crate::list::history::ListHistory;
use crate::list::name::ListName;
use crate::list::revision::Revision;
use crate::store::error::StoreError;

/// The size at which a history row is closed, as in a compaction.
const MAX_RUN_BYTES: usize = 16 * 1024;

/// The page cache, in bytes. SQLite writes further changed pages into its write-ahead log before the transaction ends.
const CACHE_BYTES: u64 = 32 << 20;

/// The highest revision that a list can be imported at. A list gets fewer revisions in any time.
pub const MAX_IMPORTED_REVISION: u64 = 1 << 48;

/// An import under way. Dropping it without [`Import::commit`] leaves the directory as it was.
pub struct Import {
    db: Connection,
    digest: OpenDigest,
    changes: RowChanges<'static>,
    /// The last commit of the directory, which the rows of the lists name.
    seq: u64,
    /// The lists that are unreadable because of commits.
    isolated: BTreeSet<String>,
    _lock: DirectoryLock,
}

/// What became of an imported list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ImportedList {
    /// It is in the directory, with the number of its last revision.
    Added {
        /// The revision it is at.
        revision: u64,
    },
    /// The directory has a list of the name, which may be unreadable, or has a deleted list at the revision or a later one.
    /// Nothing was changed.
    Exists,
}

/// What a directory has of a name.
enum Present {
    /// Nothing.
    Nothing,
    /// A deleted list, whose last revision had this number.
    Deleted(u64),
    /// A list, readable or not.
    List,
}

impl Import {
    /// Begins an import, and locks the directory. Its log has to be empty: closing an [`EmbeddedStore`](super::EmbeddedStore)
    /// creates the directory, brings its format up to date, and empties the log.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] when another process uses the directory, and the errors of opening a store.
    pub fn begin(dir: &Path) -> Result<Self, StoreError> {
        let lock = DirectoryLock::acquire(dir)?;
        let completeness = Completeness { dir, accept_loss: false };
        completeness.check_files()?;
        let db = schema::open_writer(dir, CACHE_BYTES, None)?;
        let (seq, log) = (schema::last_commit(&db)?, dir.join(schema::WAL_FILE));
        completeness.check_last_commit(seq)?;
        wal::write_again(&db, &log)?;
        schema::upgrade(dir, &db, CACHE_BYTES)?;
        let CheckedDigest { digest, damage } = digest_check::open(&db, dir, false)?;
        if let Some(why) = damage {
            return Err(StoreError::Incomplete { path: dir.display().to_string(), why });
        }
        let commits = db.query_row("SELECT count(*) FROM log", [], |row| row.get::<_, u64>(0));
        if commits.map_err(schema::failed("read the log"))? > 0 {
            let what = format!("import into {}", dir.display());
            let why = "its log holds commits, which a server compacts when it stops in order".to_owned();
            return Err(StoreError::Failed { what, why });
        }
        wal::begin_anew(&db, &log)?;
        let isolated = isolated(&db).map_err(schema::failed("read the names of unreadable lists"))?;
        db.execute_batch("BEGIN IMMEDIATE").map_err(schema::failed("begin an import"))?;
        Ok(Self { db, digest, changes: RowChanges::new(None), seq, isolated, _lock: lock })
    }

    /// Adds a list, or a deleted one. Its revisions keep their numbers, unless the name had these numbers before: then all of
    /// them are raised by the same amount.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`]. The import cannot be committed afterwards.
    pub fn add(&mut self, list: ListHistory, wake_up: Option<u64>) -> Result<ImportedList, StoreError> {
        let what = format!("import list {:?}", list.name.as_str());
        let present = self.present(&list.name).map_err(schema::failed(&what))?;
        let list = match present {
            Present::List => return Ok(ImportedList::Exists),
            Present::Deleted(last) if !list.list.exists() && list.list.revision() <= last => {
                return Ok(ImportedList::Exists);
            }
            Present::Deleted(last) => above(list, last),
            Present::Nothing => list,
        };
        let rows = CoveredRows { db: &self.db, changes: &self.changes };
        write_list(rows, self.seq, &list, wake_up).map_err(schema::failed(&what))?;
        Ok(ImportedList::Added { revision: list.list.revision() })
    }

    /// Makes the import durable.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`] when nothing was imported, and [`StoreError::Unknown`] when that is not known.
    pub fn commit(self) -> Result<(), StoreError> {
        let written = self.digest.write(&self.db, &self.changes.difference());
        written.map_err(schema::failed("write the digest of an import"))?;
        let unknown =
            |error: rusqlite::Error| StoreError::Unknown { what: "end an import".into(), why: error.to_string() };
        self.db.execute_batch("COMMIT").map_err(unknown)?;
        wal::empty(&self.db);
        Ok(())
    }

    fn present(&self, name: &ListName) -> rusqlite::Result<Present> {
        let mut list = self.db.prepare_cached("SELECT EXISTS (SELECT 1 FROM lists WHERE name = ?1)")?;
        if self.isolated.contains(name.as_str()) || list.query_row([name.as_str()], |row| row.get(0))? {
            return Ok(Present::List);
        }
        let mut gone = self.db.prepare_cached("SELECT revision FROM gone WHERE name = ?1")?;
        let gone = gone.query_row([name.as_str()], |row| row.get(0)).optional()?;
        Ok(gone.map_or(Present::Nothing, Present::Deleted))
    }
}

/// Writes the rows of a list, as a compaction of all its revisions would have. The compacted row names the commit `seq`.
pub(super) fn write_list(
    rows: CoveredRows<'_>,
    seq: u64,
    list: &ListHistory,
    wake_up: Option<u64>,
) -> rusqlite::Result<()> {
    let (name, revision) = (&list.name, list.list.revision());
    let meta = ListMeta::of(&list.list, wake_up);
    let meta = record::encode(RowKind::ListMeta, name, revision, &(seq, &meta));
    let snapshot = record::encode(RowKind::Snapshot, name, revision, &list.list.snapshot());
    let columns = CompactedColumns { revision, seq, meta: &meta, snapshot: &snapshot };
    rows.put_compacted(name, list.list.exists(), &columns)?;
    // A damaged list may have a row in both tables.
    rows.delete_compacted(name, !list.list.exists())?;
    // The new history does not continue the rows that are there, such as the deletion of a list of the name.
    rows.delete_history(name, u64::MAX >> 1)?;
    write_history(rows, name, &list.revisions)?;
    wake_up.map_or(Ok(()), |at| rows.put_timer(name, at))
}

fn write_history(rows: CoveredRows<'_>, name: &ListName, revisions: &[Arc<Revision>]) -> rusqlite::Result<()> {
    let mut runs = Vec::new();
    for (at, revision) in revisions.iter().enumerate() {
        runs.extend(record::run(std::slice::from_ref(revision)));
        if runs.len() >= MAX_RUN_BYTES || at + 1 == revisions.len() {
            rows.put_history(name, revision.number, &record::history(name, revision.number, &runs))?;
            runs.clear();
        }
    }
    Ok(())
}

/// The names of the lists with commits in quarantine.
fn isolated(db: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    db.prepare("SELECT DISTINCT name FROM quarantine")?.query_map([], |row| row.get(0))?.collect()
}

/// Raises the numbers of a list's revisions above `last`, unless they are.
fn above(list: ListHistory, last: u64) -> ListHistory {
    let first = list.revisions.first().map_or(list.list.revision(), |revision| revision.number);
    if first > last {
        return list;
    }
    let by = last + 1 - first;
    let raised = |revision: Arc<Revision>| {
        let mut revision = Arc::unwrap_or_clone(revision);
        revision.number += by;
        if let Command::Undo { revision: undone, .. } = &mut revision.command {
            *undone += by;
        }
        Arc::new(revision)
    };
    let mut snapshot = list.list.snapshot();
    snapshot.revision += by;
    let revisions = list.revisions.into_iter().map(raised).collect();
    ListHistory { list: List::from(snapshot), revisions, ..list }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::embedded::{EmbeddedStore, Options, Salvage, verify};
    use crate::store::fixtures::{Writer, name};
    use crate::store::{Store, Stored};

    fn history(writer: Writer) -> ListHistory {
        let commit = writer.commit();
        ListHistory { name: commit.name, list: List::clone(&commit.state), revisions: commit.revisions }
    }

    /// A directory with ann, and bob who was deleted at revision 3.
    async fn directory() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
        store.commit(Writer::new("ann").create().commit()).await.unwrap();
        store.commit(Writer::new("bob").create().add("Milk").erase().commit()).await.unwrap();
        store.close().await.unwrap();
        dir
    }

    async fn load(dir: &Path, list: &str) -> (Stored, Vec<u64>) {
        let store = EmbeddedStore::open(dir, Options::default()).unwrap();
        let stored = store.load(&name(list)).await.unwrap();
        let numbers = store.history(&name(list), 0, 99).await.unwrap().iter().map(|revision| revision.number).collect();
        store.close().await.unwrap();
        (stored, numbers)
    }

    #[tokio::test]
    async fn an_imported_list_is_like_one_that_was_written_here() {
        let dir = directory().await;
        let list = history(Writer::new("cid").create().add("Tea").add("Rye"));
        let mut import = Import::begin(dir.path()).unwrap();
        assert_eq!(import.add(list.clone(), Some(7)), Ok(ImportedList::Added { revision: 3 }));
        assert_eq!(import.add(list.clone(), Some(7)), Ok(ImportedList::Exists));
        assert_eq!(import.add(history(Writer::new("ann").create()), None), Ok(ImportedList::Exists));
        import.commit().unwrap();
        let (stored, numbers) = load(dir.path(), "cid").await;
        assert_eq!((&stored.list, stored.wake_up, numbers), (&list.list, Some(7), vec![1, 2, 3]));
        assert!(verify(dir.path(), &mut |_, _| ()).unwrap().is_sound());
        let salvaged = Salvage::open(dir.path()).unwrap().list(&name("cid")).unwrap();
        assert_eq!(salvaged.list, list);
    }

    #[tokio::test]
    async fn the_numbers_of_a_deleted_list_are_not_given_again() {
        let dir = directory().await;
        let mut import = Import::begin(dir.path()).unwrap();
        let mut list = history(Writer::new("bob").create().add("Tea"));
        let revision = Arc::make_mut(&mut list.revisions[1]);
        revision.command = Command::Undo { revision: 1, changes: Vec::new(), inverse: Vec::new() };
        assert_eq!(import.add(list, None), Ok(ImportedList::Added { revision: 5 }));
        import.commit().unwrap();
        let (stored, numbers) = load(dir.path(), "bob").await;
        assert_eq!((stored.list.revision(), stored.list.count(), numbers), (5, 1, vec![4, 5]));
        assert!(verify(dir.path(), &mut |_, _| ()).unwrap().is_sound());
        let bob = Salvage::open(dir.path()).unwrap().list(&name("bob")).unwrap();
        assert!(matches!(bob.list.revisions[1].command, Command::Undo { revision: 4, .. }), "{bob:?}");
    }

    #[tokio::test]
    async fn numbers_above_those_of_a_deleted_list_are_kept_and_a_deleted_list_keeps_its_own() {
        let dir = directory().await;
        let mut import = Import::begin(dir.path()).unwrap();
        let mut list = history(Writer::new("bob").create().add("Tea").add("Rye").add("Corn").add("Salt"));
        list.revisions.drain(..4);
        assert_eq!(import.add(list, None), Ok(ImportedList::Added { revision: 5 }));
        let deleted = |revision| ListHistory { name: name("dan"), list: List::absent(revision), revisions: Vec::new() };
        assert_eq!(import.add(deleted(9), None), Ok(ImportedList::Added { revision: 9 }));
        assert_eq!(import.add(deleted(9), None), Ok(ImportedList::Exists));
        import.commit().unwrap();
        assert_eq!(load(dir.path(), "bob").await.1, [5]);
        let (dan, _) = load(dir.path(), "dan").await;
        assert_eq!((dan.list.exists(), dan.list.revision()), (false, 9));
    }

    #[tokio::test]
    async fn an_import_that_is_not_committed_changes_nothing() {
        let dir = directory().await;
        let mut import = Import::begin(dir.path()).unwrap();
        import.add(history(Writer::new("cid").create()), Some(7)).unwrap();
        drop(import);
        assert!(!load(dir.path(), "cid").await.0.list.exists());
        assert!(verify(dir.path(), &mut |_, _| ()).unwrap().is_sound());
    }

    #[tokio::test]
    async fn a_directory_in_use_or_with_commits_in_its_log_is_refused() {
        let dir = directory().await;
        let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
        assert!(matches!(Import::begin(dir.path()), Err(StoreError::Locked { .. })));
        store.commit(Writer::new("cid").create().commit()).await.unwrap();
        drop(store);
        let Err(StoreError::Failed { why, .. }) = Import::begin(dir.path()) else { panic!("it began") };
        assert!(why.starts_with("its log holds commits"), "{why}");
    }
}

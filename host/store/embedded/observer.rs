//! How commands that only read open a data directory, which a server may be using.
//!
//! SQLite opens a directory whose log is damaged or missing, and shows older lists. So a command checks what a start
//! checks. The write-ahead log of a running server is not scanned, because it changes meanwhile, and its server has
//! checked it.

use std::path::Path;

use rusqlite::Connection;

use super::lock::DirectoryLock;
use super::{completeness, last_commit, schema};
use crate::store::error::StoreError;

/// Opens a connection to data that holds everything that was acknowledged, as far as that is known.
///
/// # Errors
///
/// [`StoreError::Incomplete`] when acknowledged changes are missing, [`StoreError::Format`] when another version of the
/// program wrote the data, and [`StoreError::Failed`].
pub(super) fn open(dir: &Path, cache_bytes: u64) -> Result<Connection, StoreError> {
    let incomplete = |why| StoreError::Incomplete { path: dir.display().to_string(), why };
    if let Some(why) = log_damage(dir)? {
        return Err(incomplete(why));
    }
    // Read first, because a server that uses the directory raises the number.
    let acknowledged = last_commit::read(dir);
    let db = schema::open_observer(dir, cache_bytes)?;
    let last =
        db.query_row(schema::LAST_COMMIT, [], |row| row.get(0)).map_err(schema::failed("read the last commit"))?;
    match last_commit::lacks(acknowledged, last) {
        None => Ok(db),
        Some(why) => Err(incomplete(why)),
    }
}

/// The damage of the write-ahead log of a directory that no server uses.
pub(super) fn log_damage(dir: &Path) -> Result<Option<String>, StoreError> {
    if DirectoryLock::is_held(dir) {
        return Ok(None);
    }
    let found = completeness::log_damage(dir)?;
    // A server that began meanwhile has changed the file.
    Ok(found.filter(|_| !DirectoryLock::is_held(dir)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::Store;
    use crate::store::embedded::{EmbeddedStore, Options, Recording, copy_database, verify};
    use crate::store::fixtures::Writer;
    use crate::store::records::RecordKind;

    /// A directory as a killed server leaves it, whose write-ahead log is damaged in the second of many frames.
    async fn damaged() -> (tempfile::TempDir, EmbeddedStore, tempfile::TempDir) {
        let (running, image) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = EmbeddedStore::open(running.path(), Options::default()).unwrap();
        for list in ["ann", "bob", "cid", "dan"] {
            store.commit(Writer::new(list).create().add("Milk").commit()).await.unwrap();
        }
        for file in [schema::FILE, schema::WAL_FILE] {
            fs::copy(running.path().join(file), image.path().join(file)).unwrap();
        }
        let log = image.path().join(schema::WAL_FILE);
        let mut bytes = fs::read(&log).unwrap();
        bytes[32 + 4_120 + 100] ^= 1;
        fs::write(&log, &bytes).unwrap();
        (running, store, image)
    }

    #[tokio::test]
    async fn reading_commands_refuse_a_damaged_log_of_a_stopped_directory_and_name_the_file_and_the_place() {
        let (_running, _store, image) = damaged().await;
        let dir = image.path();
        let copy = dir.join("copy");
        let kind = RecordKind::new("test").unwrap();
        let copied = copy_database(dir, &copy, &kind, &mut |_, _| ());
        for refused in [Recording::open(dir).map(drop), copied.map(drop)] {
            let Err(StoreError::Incomplete { path, why }) = refused else { panic!("{refused:?}") };
            assert_eq!(path, dir.display().to_string());
            assert!(why.contains("hotlist.db-wal is damaged at byte 4152"), "{why}");
        }
        let found = verify(dir, &mut |_, _| ()).unwrap().findings;
        assert!(
            found.iter().any(|finding| finding.what.contains("hotlist.db-wal is damaged at byte 4152")),
            "{found:?}"
        );
    }

    #[tokio::test]
    async fn a_log_is_not_judged_while_its_server_writes_it() {
        let (running, _store, image) = damaged().await;
        assert!(log_damage(image.path()).unwrap().is_some());
        let _lock = DirectoryLock::acquire(image.path()).unwrap();
        assert_eq!(log_damage(image.path()), Ok(None));
        Recording::open(running.path()).expect("it is sound");
    }

    #[tokio::test]
    async fn a_recording_of_a_directory_that_lacks_acknowledged_commits_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
        store.commit(Writer::new("ann").create().commit()).await.unwrap();
        store.close().await.unwrap();
        drop(store);
        assert!(Recording::open(dir.path()).is_ok());
        last_commit::write(dir.path(), 3).unwrap();
        assert!(matches!(Recording::open(dir.path()), Err(StoreError::Incomplete { .. })));
    }
}

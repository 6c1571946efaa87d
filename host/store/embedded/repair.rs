//! Repair of a data directory that no server uses.
//!
//! SQLite commits no transaction that met a damaged page. So a repair writes a new database beside the old one, with
//! everything that can be read, and puts it into the place of the old one in one step. The old one is kept under another
//! name, because it is the evidence of what no table can hold. A repair that ends in the middle leaves the old database, and
//! can be repeated. A start refuses that database as before, also after its damaged log is copied into it.
//!
//! The new database is made in these steps:
//!
//! 1. Copy every row that can be read. Receipts that cannot be decoded go into the table `quarantine`.
//! 2. Mark the lists as unreadable whose rows are incomplete, or whose compacted row is older than others.
//! 3. Open it as a store, which compacts the log. Write each list anew that cannot be read and whose last state is proven by
//!    sound rows. Remove the other ones that cannot be read, as `DELETE` does.
//! 4. Give up each history that does not lead to its list, and write all timers anew.

mod comparison;
mod copy;
mod repaired;
mod restore;
mod settle;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::lock::{self, DirectoryLock};
use super::verify::{Verification, verify};
use super::{completeness, last_commit, schema, wal};
use crate::files;
use crate::store::error::StoreError;
use comparison::Damage;
pub use repaired::Repaired;

/// The directory in which the new database is made.
const UNFINISHED: &str = "repairing";

/// Repairs a data directory if a check finds damage in its database, and returns what it did. `announce` is called before
/// anything is changed. A sound directory is not changed.
///
/// # Errors
///
/// [`StoreError::Locked`] when a server uses the directory, [`StoreError::Format`] when another version of the program
/// wrote the data, and [`StoreError::Failed`], after which the database is as it was.
pub fn repair(
    dir: &Path,
    progress: &mut dyn FnMut(u64, u64),
    announce: &mut dyn FnMut(&Verification),
) -> Result<Option<Repaired>, StoreError> {
    if DirectoryLock::is_held(dir) {
        // Names the process.
        DirectoryLock::acquire(dir)?;
    }
    let found = verify(dir, progress)?;
    if found.is_sound() {
        return Ok(None);
    }
    let _lock = DirectoryLock::acquire(dir)?;
    announce(&found);
    let mut done = Repaired::default();
    let before = Damage::of(dir, &found)?;
    let left = build(dir, &mut done)?;
    let left = Damage::of(&dir.join(UNFINISHED), &left)?;
    if let Some(finding) = left.new_since(&before) {
        return Err(StoreError::Failed {
            what: format!("repair {}", dir.display()),
            why: format!("the new database is damaged, too ({}), so the old one is left as it was", finding.what),
        });
    }
    if left.count() == before.count() {
        remove_directory(&dir.join(UNFINISHED))?;
        return Ok(None);
    }
    put_in_place(dir, &mut done)?;
    Ok(Some(done))
}

/// Makes the new database, and returns the damage that it still has.
fn build(dir: &Path, done: &mut Repaired) -> Result<Verification, StoreError> {
    let unfinished = dir.join(UNFINISHED);
    remove_directory(&unfinished)?;
    files::create_private_directory(&unfinished).map_err(failed("make", &unfinished))?;
    let remembered = match last_commit::read(dir).map_err(failed("read", &dir.join(last_commit::FILE)))? {
        Ok(remembered) => remembered.unwrap_or(0),
        Err(damage) => {
            done.losses.push(format!("{damage}, so it is not known which commit was acknowledged last"));
            0
        }
    };
    let at_least = copy_log_into_database(dir, remembered, done)?;
    let last = copy::copy_rows(dir, &unfinished, done)?;
    if let Some(missing) = remembered.checked_sub(last).filter(|missing| *missing > 0) {
        done.losses
            .push(format!("at least the last {missing} acknowledged commits, so any list may be older than it was"));
    }
    settle::settle(dir, &unfinished, at_least, done)?;
    verify(&unfinished, &mut |_, _| ())
}

/// Copies the write-ahead log into the old database, as a start does, so that the log belongs to no other database. Returns
/// the number of a commit that was acknowledged, as far as that is known.
///
/// SQLite forgets the rest of a log that is damaged in the middle. So the log is kept under another name first, and
/// `last-commit` then says that commits are missing. A start refuses the old database if the repair ends here, and the next
/// repair knows of the loss.
fn copy_log_into_database(dir: &Path, remembered: u64, done: &mut Repaired) -> Result<u64, StoreError> {
    let mut at_least = remembered;
    if let Some((damage, transactions)) = completeness::log_damage_and_loss(dir)? {
        done.kept_files.push(keep_log(dir)?);
        done.losses.push(damage);
        // A start cannot open a database either whose last commit cannot be read.
        let db = schema::open_observer(dir, 0)?;
        if let Ok(last) = db.query_row(schema::LAST_COMMIT, [], |row| row.get::<_, u64>(0)) {
            at_least = at_least.max(last.saturating_add(transactions));
            last_commit::write(dir, at_least).map_err(failed("write", &dir.join(last_commit::FILE)))?;
        }
    }
    let what = format!("copy the write-ahead log into {}", dir.join(schema::FILE).display());
    let db = schema::open_checkpointer(dir)?;
    // The kernel may count pages as written that are not on the disk.
    wal::write_again(&db, &dir.join(schema::WAL_FILE))?;
    let busy: bool =
        db.query_row("PRAGMA wal_checkpoint(truncate)", [], |row| row.get(0)).map_err(schema::failed(&what))?;
    match busy {
        false => Ok(at_least),
        true => Err(StoreError::Failed { what, why: "another program reads the database; end that program".into() }),
    }
}

/// Copies the write-ahead log to a free name, durably.
fn keep_log(dir: &Path) -> Result<PathBuf, StoreError> {
    let log = dir.join(schema::WAL_FILE);
    let kept = completeness::free_name(&log)?;
    fs::copy(&log, &kept).map_err(failed("copy", &log))?;
    files::sync(&kept).map_err(failed("synchronize", &kept))?;
    lock::sync_directory(dir)?;
    Ok(kept)
}

/// Puts the new database into the place of the old one.
fn put_in_place(dir: &Path, done: &mut Repaired) -> Result<(), StoreError> {
    let (database, log) = (dir.join(schema::FILE), dir.join(schema::WAL_FILE));
    let unfinished = dir.join(UNFINISHED);
    let new = unfinished.join(schema::FILE);
    files::sync(&new).map_err(failed("synchronize", &new))?;
    let kept = completeness::free_name(&database)?;
    // Both names are of one file, so there is a database at each moment.
    fs::hard_link(&database, &kept)
        .or_else(|_| fs::copy(&database, &kept).map(drop))
        .map_err(failed("keep", &database))?;
    done.kept_files.push(kept);
    let left = fs::metadata(&log).map_or(0, |log| log.len());
    if left > 0 {
        let what = format!("repair {}", dir.display());
        return Err(StoreError::Failed {
            what,
            why: format!("another program wrote {left} bytes into {}", log.display()),
        });
    }
    // The write-ahead log is empty. Left there, it would be taken for that of the new database.
    for file in [&log, &dir.join(format!("{}-shm", schema::FILE))] {
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove", file)(error)),
            _ => {}
        }
    }
    fs::rename(&new, &database).map_err(failed("rename", &new))?;
    lock::sync_directory(dir)?;
    if last_commit::read(dir).is_ok_and(|read| read.is_err()) {
        let last = last_of(&database)?;
        last_commit::write(dir, last).map_err(failed("write", &dir.join(last_commit::FILE)))?;
    }
    remove_directory(&unfinished)
}

fn last_of(database: &Path) -> Result<u64, StoreError> {
    let read = || Connection::open(database)?.query_row(schema::LAST_COMMIT, [], |row| row.get(0));
    read().map_err(schema::failed("read the last commit"))
}

fn remove_directory(dir: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", dir)(error)),
        _ => Ok(()),
    }
}

fn failed(action: &str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let what = format!("{action} {}", path.display());
    move |error| StoreError::Failed { what, why: error.to_string() }
}

#[cfg(test)]
mod tests;

//! Checks at the start that a data directory holds everything that was acknowledged.
//!
//! SQLite opens a directory whose log is damaged, cut or missing, and it takes an empty file for a new database. Each
//! would make lists silently older, and give their next revisions a second time. So the store stays closed, unless the
//! operator accepts the loss. Files that SQLite would overwrite then are kept under another name.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::last_commit;
use super::schema;
use super::wal_scan::{self, WalDamage};
use crate::store::error::StoreError;

/// The directory of uploaded components, which a directory that was in use before may have.
const LOGIC: &str = "logic";

/// The most copies of a damaged file in a data directory.
const MAX_COPIES: u32 = 100;

/// The checks of one start.
pub(super) struct Completeness<'a> {
    pub(super) dir: &'a Path,
    /// Whether the operator accepts the loss of acknowledged changes.
    pub(super) accept_loss: bool,
}

impl Completeness<'_> {
    /// Checks the files before SQLite opens them, because SQLite may overwrite them.
    pub(super) fn check_files(&self) -> Result<(), StoreError> {
        let database = self.dir.join(schema::FILE);
        if self.size(&database)? == 0 {
            return self.check_new(&database);
        }
        let Some(why) = log_damage(self.dir)? else { return Ok(()) };
        let log = self.dir.join(schema::WAL_FILE);
        self.lose(why, "the lists are older than what was acknowledged")?;
        let copy = free_name(&log)?;
        fs::copy(&log, &copy).map_err(|error| self.failed("copy", &log, &error))?;
        tracing::warn!("the damaged write-ahead log is kept as {}", copy.display());
        Ok(())
    }

    /// Checks that the directory of a database that is missing or empty was not in use before.
    fn check_new(&self, database: &Path) -> Result<(), StoreError> {
        let log = self.dir.join(schema::WAL_FILE);
        let has_log = self.size(&log)? > 0;
        let mut found = Vec::new();
        found.extend(has_log.then(|| format!("{} has content", schema::WAL_FILE)));
        found.extend(self.has_entries(&self.dir.join(LOGIC))?.then(|| format!("{LOGIC} has components")));
        found.extend(
            (self.size(&self.dir.join(last_commit::FILE))? > 0).then(|| format!("{} is there", last_commit::FILE)),
        );
        if found.is_empty() {
            return Ok(());
        }
        let why = format!(
            "{} is missing or empty, but the directory was in use before ({}); put the file back, or choose an empty \
             directory with --data for a new server",
            database.display(),
            found.join(", "),
        );
        self.lose(why, "the server starts without lists")?;
        if has_log {
            let kept = free_name(&log)?;
            fs::rename(&log, &kept).map_err(|error| self.failed("rename", &log, &error))?;
            tracing::warn!("the write-ahead log of the missing database is kept as {}", kept.display());
        }
        Ok(())
    }

    /// Compares the last commit in the log with the last acknowledged one, whose number `last-commit` holds.
    pub(super) fn check_last_commit(&self, last: u64) -> Result<(), StoreError> {
        let path = self.dir.join(last_commit::FILE);
        let remembered = last_commit::read(self.dir).map_err(|error| self.failed("read", &path, &error))?;
        match remembered {
            Ok(Some(remembered)) if remembered == last => return Ok(()),
            Ok(Some(remembered)) if remembered > last => {
                let log = self.dir.join(schema::WAL_FILE);
                let missing = remembered - last;
                let why = format!(
                    "the log ends at commit {last}, and commit {remembered} was acknowledged, so at least {missing} \
                     acknowledged commits are missing; {} was cut, removed or is another one",
                    log.display(),
                );
                self.lose(why, "the lists are older than what was acknowledged")?;
            }
            Ok(_) => {}
            Err(damage) => {
                let why = format!("{damage}, so it is not known which commit was acknowledged last");
                self.lose(why, "the store opens with what its log has")?;
            }
        }
        Ok(())
    }

    /// Writes the number of the last commit in the log. The log must be durable up to it.
    pub(super) fn set_last_commit(&self, last: u64) {
        // The store works without the number, on a full disk for example. Later checks of the files write it.
        if let Err(error) = last_commit::write(self.dir, last) {
            tracing::warn!(%error, "{} cannot be written", self.dir.join(last_commit::FILE).display());
        }
    }

    /// Refuses the start, or logs what was given up.
    fn lose(&self, why: String, consequence: &str) -> Result<(), StoreError> {
        if !self.accept_loss {
            return Err(StoreError::Incomplete { path: self.dir.display().to_string(), why });
        }
        tracing::error!(why, "--accept-loss: {consequence}; remove --accept-loss before the next start");
        Ok(())
    }

    /// The size of a file in bytes, and 0 if it is absent.
    fn size(&self, path: &Path) -> Result<u64, StoreError> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(self.failed("read", path, &error)),
        }
    }

    fn has_entries(&self, folder: &Path) -> Result<bool, StoreError> {
        match fs::read_dir(folder) {
            Ok(mut entries) => Ok(entries.next().is_some()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.failed("read", folder, &error)),
        }
    }

    fn failed(&self, action: &str, path: &Path, error: &io::Error) -> StoreError {
        StoreError::Failed { what: format!("{action} {}", path.display()), why: error.to_string() }
    }
}

/// A name that no file has, for a damaged file that must not be overwritten.
pub(super) fn free_name(file: &Path) -> Result<PathBuf, StoreError> {
    let mut names = (1..=MAX_COPIES).map(|number| file.with_added_extension(format!("damaged-{number}")));
    names.find(|name| !name.exists()).ok_or_else(|| StoreError::Failed {
        what: format!("keep {}", file.display()),
        why: format!("there are {MAX_COPIES} copies of it, so move some to another place"),
    })
}

/// Scans the write-ahead log, which no server uses, and describes its damage.
pub(super) fn log_damage(dir: &Path) -> Result<Option<String>, StoreError> {
    Ok(log_damage_and_loss(dir)?.map(|(why, _)| why))
}

/// The same with the least number of commits that SQLite would forget.
pub(super) fn log_damage_and_loss(dir: &Path) -> Result<Option<(String, u64)>, StoreError> {
    let log = dir.join(schema::WAL_FILE);
    let found = wal_scan::scan(&log)
        .map_err(|error| StoreError::Failed { what: format!("read {}", log.display()), why: error.to_string() })?;
    Ok(found.map(|damage| (damage_text(&log, &damage), damage.transactions.unwrap_or(1).max(1))))
}

fn damage_text(log: &Path, damage: &WalDamage) -> String {
    let WalDamage { offset, part, transactions } = damage;
    let lost = transactions.map_or_else(
        || "SQLite would forget all of it".into(),
        |count| format!("SQLite would forget the rest, which is {count} durable writes at least, of many commits each"),
    );
    format!("{part} of the write-ahead log {} is damaged at byte {offset}, and {lost}", log.display())
}

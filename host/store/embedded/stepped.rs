//! The threads of the store as steps of a test, so that the order of all writes to the disk is the test's choice.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::lifecycle::Lifecycle;
use super::schema;
use super::staging::EncodedCommit;
use super::wal;
use super::writer::Writer;
use crate::store::error::StoreError;

/// The writer of a store without its thread, and the checks of the files without their interval.
pub struct Stepper {
    dir: PathBuf,
    /// `None` once the store is closed or dropped.
    writer: Option<Writer>,
    batch: Vec<EncodedCommit>,
}

/// The work of the checkpoint thread.
pub struct LogCopier {
    db: Connection,
    lifecycle: Arc<Lifecycle>,
}

impl Stepper {
    pub(super) fn new(dir: &Path, writer: Writer) -> Self {
        Self { dir: dir.to_owned(), writer: Some(writer), batch: Vec::new() }
    }

    /// Writes the commits that wait in the queue as one batch, and a slice of the compaction. Ends the store if it was
    /// closed or dropped. Returns whether the store goes on.
    pub fn step(&mut self) -> bool {
        let Some(mut writer) = self.writer.take() else { return false };
        match writer.pass(&mut self.batch, Duration::ZERO) {
            None => self.writer = Some(writer),
            Some(end) => writer.finish(end),
        }
        self.writer.is_some()
    }

    /// Checks the files as once a second, and remembers the last commit.
    pub fn check_files(&self) {
        self.writer.iter().for_each(|writer| writer.guard.round());
    }

    /// The work of the checkpoint thread. `None` once the store is closed or dropped.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`].
    pub fn log_copier(&self) -> Result<Option<LogCopier>, StoreError> {
        let Some(writer) = &self.writer else { return Ok(None) };
        Ok(Some(LogCopier { db: schema::open_checkpointer(&self.dir)?, lifecycle: writer.lifecycle.clone() }))
    }
}

impl LogCopier {
    /// Copies what the write-ahead log has into the database.
    pub fn copy(&self) {
        wal::copy(&self.db, &self.lifecycle);
    }
}

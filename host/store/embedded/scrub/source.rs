//! What a slice of a scrub reads, and how much.

use parking_lot::Mutex;
use rusqlite::{Connection, Error, ErrorCode};

use crate::store::embedded::log_index::LogIndex;

/// The rows to read, and the index of the log of the same moment.
pub(in crate::store::embedded) struct Source<'a> {
    pub(in crate::store::embedded) db: &'a Connection,
    pub(in crate::store::embedded) log_index: &'a Mutex<LogIndex>,
    /// Receipts before this time are expired. No request reads them.
    pub(in crate::store::embedded) receipt_horizon: u64,
    /// Whether rows that the disk does not return are reported and left out, like damaged ones.
    pub(in crate::store::embedded) leaves_out_failures: bool,
}

/// The limit of a slice.
#[derive(Clone, Copy)]
pub(in crate::store::embedded) struct SliceLimit {
    pub(in crate::store::embedded) rows: usize,
    pub(in crate::store::embedded) bytes: usize,
}

impl SliceLimit {
    pub(super) fn is_reached(self) -> bool {
        self.rows == 0 || self.bytes == 0
    }

    pub(super) fn spend(&mut self, bytes: usize) {
        self.rows = self.rows.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// Whether an error says that another program locks the database.
pub(in crate::store::embedded) fn is_locked(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

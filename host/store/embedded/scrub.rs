//! The scrub: a pass over all rows that the digest covers, a few at a time, while the store works.
//!
//! The pass reads the rows of each list as a reader does, checks them against each other, and sums what it reads. At the
//! end it compares the sums with the digest. The writer's thread reads a slice between two batches, so that no row changes
//! while a slice is read. When a later transaction changes a row that the pass has read, the sums follow. A pass on a
//! thread of its own would need one read transaction of hours, which keeps SQLite from reusing its write-ahead log, or a
//! lock that commits wait for.
//!
//! The connection is the scrub's own, because the pages in the writer's cache are not those on the disk.

mod finding;
mod list;
mod pass;
mod source;

use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::digest_check;
use super::log_index::LogIndex;
pub(super) use finding::ScrubFinding;
pub(super) use pass::Pass;
pub(super) use source::{SliceLimit, Source, is_locked};

/// The most rows of a slice. A slice takes a millisecond or two, which is what a commit may wait for it.
const SLICE_ROWS: usize = 64;

/// The size at which a slice ends, in bytes of its rows. One row more may be read.
const SLICE_BYTES: usize = 256 << 10;

/// When the store reads all its rows.
#[derive(Clone, Copy, Debug)]
pub struct ScrubOptions {
    /// The time from the opening of the store to the first pass.
    pub first: Duration,
    /// The time from the end of a pass to the next one.
    pub interval: Duration,
    /// The time between two slices of a pass. A million lists are about 50,000 slices.
    pub pause: Duration,
    /// The most rows of a slice.
    pub rows: usize,
    /// The size at which a slice ends, in bytes of its rows.
    pub bytes: usize,
}

impl Default for ScrubOptions {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(60),
            interval: Duration::from_secs(86_400),
            pause: Duration::from_millis(100),
            rows: SLICE_ROWS,
            bytes: SLICE_BYTES,
        }
    }
}

impl ScrubOptions {
    /// The default with another time between two passes.
    pub fn every(interval: Duration) -> Self {
        let first = interval.min(Self::default().first);
        Self { first, interval, ..Self::default() }
    }
}

/// Reads all rows at once, within the transaction of the caller. Another process may be the one that writes.
pub(super) fn read_all(
    db: &Connection,
    log_index: &Mutex<LogIndex>,
    receipt_horizon: u64,
    found: &mut dyn FnMut(ScrubFinding),
) -> rusqlite::Result<()> {
    let source = Source { db, log_index, receipt_horizon, leaves_out_failures: false };
    let mut pass = Pass::default();
    while !pass.is_done() {
        pass.slice(&source, SliceLimit { rows: SLICE_ROWS, bytes: SLICE_BYTES })?.into_iter().for_each(&mut *found);
    }
    match digest_check::read(db)? {
        Ok(digest) => pass.compare(&digest).into_iter().for_each(found),
        Err(why) => found(ScrubFinding::of_table(format!("the digest cannot be read: {why}"))),
    }
    Ok(())
}

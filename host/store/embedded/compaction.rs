//! Compaction: turns the commits in the log into snapshots, history and receipts, then truncates the log's head.
//!
//! Compacting a list costs as much as many commits. A compaction therefore begins late, when most lists have several
//! commits to compact at once. It goes through the lists in the order of their rows on disk, a slice at a time. A slice
//! goes into the same durable write as the commits that arrive meanwhile, so it costs no fsync of its own under load.
//! Slices are large enough that the compaction ends before the log grows by another quarter of its limit.
//!
//! A slice that meets damaged rows of a list fails, and names the list. The writer rolls the transaction back, isolates
//! the list, and writes again. A savepoint for each list would not do: SQLite commits no transaction in which it has met a
//! damaged page.

mod list;

use std::collections::HashSet;

use parking_lot::Mutex;

use super::covered_rows::CoveredRows;
use super::error::{WriteError, WriteFailure};
use super::log_index::LogIndex;
use super::options::Options;
use crate::list::name::ListName;
use list::{ListCompactor, Trim};

/// How many lists an idle writer compacts before it looks into its queue again.
const IDLE_LISTS: usize = 1_024;

/// How many lists a batch of commits compacts at least, while a compaction is under way.
const MIN_LISTS: usize = 8;

/// How many lists a batch compacts at most, because its callers wait: a tenth of a second or two.
const MAX_LISTS: usize = 8_192;

/// How many commits a slice truncates from the log, which is more than a row of the log has.
const TRUNCATED_COMMITS: u64 = 16_384;

/// The log's two ends, and the progress of the compaction that is under way.
pub(super) struct Compaction {
    /// The last commit that was truncated from the log.
    truncated_to: u64,
    /// The last commit.
    last: u64,
    /// The size of the log's commits, in bytes.
    bytes: u64,
    /// The lists still to compact, the next one last.
    names: Vec<ListName>,
    /// The number of lists when the compaction began.
    count: usize,
    /// The log's last commit when the compaction began. The log is truncated to here once no names are left.
    target: u64,
    /// The log's size when the compaction began, and 0 while none is under way.
    target_bytes: u64,
    /// The lists whose expired rows are not deleted, because a page beside their rows is damaged.
    untrimmed: HashSet<ListName>,
    /// The first list that was not compacted because of a damaged page without rows of the list.
    suspect: Option<ListName>,
}

/// What follows from a damaged page that a compaction met, and that holds no row of the list.
pub(super) enum PageBeside {
    /// The list is compacted again, without the deletion of what it no longer retains.
    KeepExpired,
    /// The list is compacted after the other ones. If these are compacted, only this list needs the page.
    Postpone,
    /// The list cannot be compacted, and others can be, as far as there are any.
    OneList,
    /// Several lists need the page.
    SeveralLists,
}

/// The work of one slice. It counts once its transaction is durable.
#[derive(Default)]
pub(super) struct Slice {
    /// How many names are left to compact.
    names_left: usize,
    compacted: Vec<(ListName, u64)>,
    truncated_to: u64,
}

impl Compaction {
    /// A log of that size with these ends, and no compaction.
    pub(super) fn new(truncated_to: u64, last: u64, bytes: u64) -> Self {
        Self {
            truncated_to,
            last,
            bytes,
            names: Vec::new(),
            count: 0,
            target: truncated_to,
            target_bytes: 0,
            untrimmed: HashSet::new(),
            suspect: None,
        }
    }

    /// The number of commits in the log.
    pub(super) fn commits(&self) -> u64 {
        self.last - self.truncated_to
    }

    /// The last commit's number.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// The last commit that was truncated from the log.
    pub(super) fn truncated_to(&self) -> u64 {
        self.truncated_to
    }

    /// Whether a compaction is under way.
    pub(super) fn is_under_way(&self) -> bool {
        !self.names.is_empty() || self.truncated_to < self.target
    }

    /// Records that commits up to `last` were appended to the log.
    pub(super) fn appended(&mut self, last: u64, bytes: usize) {
        self.last = last;
        self.bytes += bytes as u64;
    }

    /// Lets a list with a long log join the next slice.
    pub(super) fn hasten(&mut self, name: &ListName) {
        self.names.push(name.clone());
    }

    /// Begins a compaction if the log is over a limit and none is under way.
    pub(super) fn begin_if_due(&mut self, log_index: &Mutex<LogIndex>, options: &Options) {
        let over = self.commits() > options.log_commits || self.bytes > options.log_bytes as u64;
        if over && !self.is_under_way() {
            self.begin(log_index);
        }
    }

    /// Begins a compaction of all that is in the log now.
    pub(super) fn begin(&mut self, log_index: &Mutex<LogIndex>) {
        let names = log_index.lock().begin_compaction();
        tracing::debug!(commits = self.commits(), lists = names.len(), "compacting the log");
        self.count = names.len();
        self.names = sorted(names);
        (self.target, self.target_bytes) = (self.last, self.bytes);
    }

    /// How many lists the slice that goes with this many commits must compact.
    fn slice_size(&self, commits: usize, options: &Options) -> usize {
        if commits == 0 {
            return IDLE_LISTS;
        }
        let quarters = |grown: u64, limit: u64| grown as f64 / (limit / 4).max(1) as f64;
        let by_commits = quarters(self.last - self.target, options.log_commits);
        let by_bytes = quarters(self.bytes - self.target_bytes, options.log_bytes as u64);
        let due = (by_commits.max(by_bytes) * self.count as f64) as usize;
        let done = self.count.saturating_sub(self.names.len());
        due.saturating_sub(done).clamp(MIN_LISTS, MAX_LISTS)
    }

    /// Compacts some lists, or truncates a part of the log when all are compacted. The caller has begun the
    /// transaction, which also writes `commits` commits. Receipts before `receipt_horizon` are expired, and left out.
    pub(super) fn slice(
        &self,
        rows: CoveredRows<'_>,
        log_index: &Mutex<LogIndex>,
        commits: usize,
        options: &Options,
        receipt_horizon: u64,
    ) -> Result<Slice, WriteError> {
        let names_left = self.names.len().saturating_sub(self.slice_size(commits, options));
        let mut slice = Slice { names_left, truncated_to: self.truncated_to, ..Slice::default() };
        if !self.is_under_way() {
            return Ok(slice);
        }
        let mut compactor =
            ListCompactor::prepare(rows, options.history, receipt_horizon).map_err(WriteFailure::of_compaction)?;
        for name in self.names[names_left..].iter().rev() {
            let Some(list) = log_index.lock().get(name).cloned() else { continue };
            let Some(last) = list.commits.last() else { continue };
            let trim = if self.untrimmed.contains(name) { Trim::Nothing } else { Trim::Expired };
            compactor.compact(name, &list, trim).map_err(|error| error.into_write_error(name))?;
            slice.compacted.push((name.clone(), last.seq));
        }
        if slice.compacted.is_empty() && names_left == 0 {
            slice.truncated_to = self.target.min(self.truncated_to + TRUNCATED_COMMITS);
            truncate(rows, slice.truncated_to).map_err(|error| WriteFailure::RolledBack("truncate the log", error))?;
        }
        Ok(slice)
    }

    /// Deletes no expired rows of a list from now on. Returns whether it did before.
    pub(super) fn stop_trimming(&mut self, name: &ListName) -> bool {
        self.untrimmed.insert(name.clone())
    }

    /// Notes that a list was not compacted because of a damaged page without rows of the list.
    pub(super) fn met_page_beside(&mut self, name: &ListName) -> PageBeside {
        if self.stop_trimming(name) {
            return PageBeside::KeepExpired;
        }
        match &self.suspect {
            None => {
                self.suspect = Some(name.clone());
                // The next list is the last one.
                self.names.retain(|other| other != name);
                self.names.insert(0, name.clone());
                PageBeside::Postpone
            }
            Some(suspect) if suspect == name => PageBeside::OneList,
            Some(_) => PageBeside::SeveralLists,
        }
    }

    /// Records a slice that is durable.
    pub(super) fn record(&mut self, slice: Slice, log_index: &Mutex<LogIndex>) {
        if slice.truncated_to > self.truncated_to && slice.truncated_to == self.target {
            // Without the reset a slice for a long log would subtract the size of commits that are gone.
            self.bytes -= std::mem::take(&mut self.target_bytes);
        }
        self.truncated_to = slice.truncated_to;
        self.names.truncate(slice.names_left);
        let mut log_index = log_index.lock();
        for (name, seq) in slice.compacted {
            log_index.compacted(&name, seq);
        }
    }
}

fn truncate(rows: CoveredRows<'_>, seq: u64) -> rusqlite::Result<()> {
    rows.db.prepare_cached("DELETE FROM log WHERE seq <= ?1")?.execute([seq])?;
    rows.set_truncated_to(seq)
}

/// Sorts names, the first one last. Commits wait meanwhile, so a prefix settles most comparisons without a look at the
/// name itself.
fn sorted(names: Vec<ListName>) -> Vec<ListName> {
    let prefix = |name: &ListName| {
        let mut bytes = [0; 16];
        let name = name.as_str().as_bytes();
        let count = name.len().min(bytes.len());
        bytes[..count].copy_from_slice(&name[..count]);
        u128::from_be_bytes(bytes)
    };
    let mut keyed: Vec<_> = names.into_iter().map(|name| (prefix(&name), name)).collect();
    keyed.sort_unstable_by(|a, b| b.cmp(a));
    keyed.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::embedded::digest::RowChanges;
    use crate::store::embedded::schema;
    use crate::store::fixtures::name;

    #[test]
    fn a_long_log_is_compacted_after_a_compaction_that_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let db = schema::open_writer(dir.path(), 1 << 20, None).unwrap();
        let (log_index, options) = (Mutex::new(LogIndex::default()), Options::default());
        let changes = RowChanges::new(None);
        let rows = CoveredRows { db: &db, changes: &changes };
        let mut compaction = Compaction::new(0, 0, 0);
        compaction.appended(10, 5_000);
        compaction.begin(&log_index);
        let slice = compaction.slice(rows, &log_index, 1, &options, 0).unwrap();
        compaction.record(slice, &log_index);
        assert!(!compaction.is_under_way());
        assert_eq!((compaction.commits(), compaction.bytes), (0, 0));

        compaction.appended(11, 100);
        compaction.hasten(&name("bob"));
        assert!(compaction.is_under_way());
        assert_eq!(compaction.slice_size(1, &options), MIN_LISTS);
        let slice = compaction.slice(rows, &log_index, 1, &options, 0).unwrap();
        compaction.record(slice, &log_index);
        assert!(!compaction.is_under_way());
        assert_eq!((compaction.commits(), compaction.bytes), (1, 100));
    }
}

//! Sweeps: folding all lists that are in the log, in the order of their rows on disk, a slice at a
//! time, and then cutting the log's head off.
//!
//! A fold costs as much as many commits, so a sweep begins late, when most lists have several
//! commits to fold at once. Its slices go into the same durable writes as the commits that come
//! meanwhile, so that it costs no fsync of its own while there is work; they are so large that it
//! ends before the log has grown by another quarter of its limit.

use parking_lot::Mutex;
use rusqlite::{Connection, params};

use super::Options;
use super::block::Blocks;
use super::fold::{Fault, Fold};
use super::log_index::{LogIndex, Row};
use crate::list::name::ListName;

/// How many lists an idle writer folds before it looks into its queue again.
const IDLE_LISTS: usize = 1_024;

/// How many lists a batch of commits folds at least, while a sweep is under way.
const LEAST_LISTS: usize = 8;

/// How many lists a batch folds at most, for its callers wait: a tenth of a second or two.
const MOST_LISTS: usize = 8_192;

/// How many commits are cut off the log at once: more than a row of it has.
const CUT_COMMITS: u64 = 16_384;

/// A list with so many commits in the log is folded now, so that reading it stays cheap.
const LONG_TAIL: usize = 1_000;

/// The state of the log's two ends, and of the sweep that is under way.
pub(super) struct Sweep {
    /// The last commit that was cut off.
    cut: u64,
    /// The last commit.
    last: u64,
    /// How many bytes the log has.
    bytes: u64,
    /// The lists still to fold, the next one last.
    names: Vec<ListName>,
    /// How many there were.
    count: usize,
    /// The log's end and size when the sweep began. Once there are no more names, it goes up to here.
    upto: u64,
    upto_bytes: u64,
}

/// What a slice did; counts once its transaction is durable.
#[derive(Default)]
pub(super) struct Slice {
    folded: Vec<(ListName, u64)>,
    faults: Vec<(ListName, String)>,
    cut: u64,
}

impl Sweep {
    /// A log of that size with these ends, and no sweep.
    pub(super) fn new(cut: u64, last: u64, bytes: u64) -> Self {
        Self { cut, last, bytes, names: Vec::new(), count: 0, upto: cut, upto_bytes: 0 }
    }

    /// How many commits the log has.
    pub(super) fn rows(&self) -> u64 {
        self.last - self.cut
    }

    /// The last commit's number.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Whether a sweep is under way.
    pub(super) fn is_under_way(&self) -> bool {
        !self.names.is_empty() || self.cut < self.upto
    }

    /// Takes note of what was appended to the log.
    pub(super) fn appended(&mut self, last: u64, bytes: usize) {
        self.last = last;
        self.bytes += bytes as u64;
    }

    /// Takes note that a list has so many commits in the log.
    pub(super) fn has_tail(&mut self, name: &ListName, commits: usize) {
        if commits.is_multiple_of(LONG_TAIL) {
            self.names.push(name.clone());
        }
    }

    /// Begins a sweep if the log is over a limit and none is under way.
    pub(super) fn begin_if_due(&mut self, log_index: &Mutex<LogIndex>, options: &Options) {
        let over = self.rows() > options.log_rows || self.bytes > options.log_bytes as u64;
        if over && !self.is_under_way() {
            self.begin(log_index);
        }
    }

    /// Begins a sweep over all that is in the log now.
    pub(super) fn begin(&mut self, log_index: &Mutex<LogIndex>) {
        let names = log_index.lock().begin_sweep();
        tracing::debug!(rows = self.rows(), lists = names.len(), "folding the log");
        self.count = names.len();
        self.names = sorted(names);
        (self.upto, self.upto_bytes) = (self.last, self.bytes);
    }

    /// How many lists the slice that goes with so many commits must fold.
    fn pace(&self, commits: usize, options: &Options) -> usize {
        if commits == 0 {
            return IDLE_LISTS;
        }
        let quarters = |grown: u64, limit: u64| grown as f64 / (limit / 4).max(1) as f64;
        let rows = quarters(self.last - self.upto, options.log_rows);
        let bytes = quarters(self.bytes - self.upto_bytes, options.log_bytes as u64);
        let due = (rows.max(bytes) * self.count as f64) as usize;
        let done = self.count.saturating_sub(self.names.len());
        due.saturating_sub(done).clamp(LEAST_LISTS, MOST_LISTS)
    }

    /// Folds some lists, or, when all are, cuts off some of the log. Part of the transaction that
    /// writes so many commits.
    pub(super) fn slice(
        &mut self,
        db: &Connection,
        log_index: &Mutex<LogIndex>,
        commits: usize,
        options: &Options,
    ) -> rusqlite::Result<Slice> {
        let mut slice = Slice { cut: self.cut, ..Slice::default() };
        if !self.is_under_way() {
            return Ok(slice);
        }
        let mut fold = Fold::prepare(db, options.history)?;
        for _ in 0..self.pace(commits, options) {
            let Some(name) = self.names.pop() else { break };
            let Some(tail) = log_index.lock().get(&name).cloned() else { continue };
            let Some(last) = tail.rows.last() else { continue };
            match fold.list(&name, &tail) {
                Ok(()) => slice.folded.push((name, last.seq)),
                Err(Fault::Database(error)) => return Err(error),
                Err(Fault::List(why)) => {
                    quarantine(db, &name, &tail.rows, &why)?;
                    slice.faults.push((name, why));
                }
            }
        }
        if slice.folded.is_empty() && slice.faults.is_empty() && self.names.is_empty() {
            slice.cut = self.upto.min(self.cut + CUT_COMMITS);
            db.prepare_cached("DELETE FROM log WHERE seq <= ?1")?.execute([slice.cut])?;
            db.prepare_cached("UPDATE cut SET seq = ?1")?.execute([slice.cut])?;
        }
        Ok(slice)
    }

    /// Takes note of what a slice did, now that it is durable.
    pub(super) fn done(&mut self, slice: Slice, log_index: &Mutex<LogIndex>) {
        if slice.cut > self.cut && slice.cut == self.upto {
            self.bytes -= self.upto_bytes;
        }
        self.cut = slice.cut;
        let mut log_index = log_index.lock();
        for (name, seq) in slice.folded {
            log_index.folded(&name, seq);
        }
        for (name, why) in slice.faults {
            tracing::error!(list = name.as_str(), why, "a list cannot be read; its commits in the log were set aside");
            log_index.isolate(name, why);
        }
    }
}

/// Sorts names, the first one last. Commits wait meanwhile, so most are told apart by a prefix
/// that needs no look at the name itself.
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

/// Copies a list's commits to where they are kept as evidence when the log is cut.
pub(super) fn quarantine(db: &Connection, name: &ListName, rows: &[Row], why: &str) -> rusqlite::Result<()> {
    let mut blocks = Blocks::prepare(db)?;
    for row in rows {
        let block = match &row.block {
            Some(block) => Ok(block.clone()),
            None => blocks.holding(row.seq),
        };
        match block {
            Ok(block) => match block.frame(row.seq) {
                Some(frame) => quarantine_row(db, row.seq, name.as_str(), frame.revision, frame.record, why)?,
                None => quarantine_row(db, row.seq, name.as_str(), 0, block.bytes(), why)?,
            },
            Err(Fault::List(_)) => {}
            Err(Fault::Database(error)) => return Err(error),
        }
    }
    Ok(())
}

/// Copies one commit to where it is kept as evidence.
pub(super) fn quarantine_row(
    db: &Connection,
    seq: u64,
    name: &str,
    revision: u64,
    record: &[u8],
    why: &str,
) -> rusqlite::Result<()> {
    let insert = "INSERT OR IGNORE INTO quarantine (seq, name, revision, record, why) VALUES (?1, ?2, ?3, ?4, ?5)";
    db.prepare_cached(insert)?.execute(params![seq, name, revision, record, why])?;
    Ok(())
}

//! Sweeps: folding all lists that are in the log, in the order of their rows on disk, a slice at a
//! time, and then cutting the log's head off.
//!
//! A slice goes into the same durable write as a batch of commits, so folding costs no fsync of its
//! own while there is work, and it is as large as the batch, so the log stops growing at about
//! twice the size that starts a sweep.

use parking_lot::Mutex;
use rusqlite::{Connection, params};

use super::fold::{Fault, Fold};
use super::tails::{Tail, Tails};
use crate::list::name::ListName;

/// The state of the log's two ends, and of the sweep that is under way.
pub(super) struct Sweep {
    /// The last row that was cut off.
    pub(super) cut: u64,
    /// The last row.
    pub(super) last: u64,
    /// The lists still to fold, the next one last.
    names: Vec<ListName>,
    /// Once there are none, the rows up to here may go.
    upto: u64,
}

/// What a slice did; counts once its transaction is durable.
#[derive(Default)]
pub(super) struct Slice {
    folded: Vec<(ListName, u64)>,
    faults: Vec<(ListName, String)>,
    cut: u64,
}

impl Sweep {
    /// A log with these ends, and no sweep.
    pub(super) fn new(cut: u64, last: u64) -> Self {
        Self { cut, last, names: Vec::new(), upto: cut }
    }

    /// How many rows the log has.
    pub(super) fn rows(&self) -> u64 {
        self.last - self.cut
    }

    /// Whether a sweep is under way.
    pub(super) fn is_under_way(&self) -> bool {
        !self.names.is_empty() || self.cut < self.upto
    }

    /// Begins a sweep over all that is in the log now.
    pub(super) fn begin(&mut self, tails: &Mutex<Tails>) {
        let names = tails.lock().begin_sweep();
        tracing::debug!(rows = self.rows(), lists = names.len(), "folding the log");
        self.names = sorted(names);
        self.upto = self.last;
    }

    /// Folds up to `lists` lists, or, when all are, cuts off up to `4 * lists` rows. Part of the
    /// caller's transaction.
    pub(super) fn slice(
        &mut self,
        db: &Connection,
        tails: &Mutex<Tails>,
        lists: usize,
        keep: u64,
    ) -> rusqlite::Result<Slice> {
        let mut slice = Slice { cut: self.cut, ..Slice::default() };
        if !self.is_under_way() {
            return Ok(slice);
        }
        let mut fold = Fold::prepare(db, keep)?;
        for _ in 0..lists {
            let Some(name) = self.names.pop() else { break };
            let Some(tail) = tails.lock().get(&name).cloned() else { continue };
            let Some(last) = tail.rows.last() else { continue };
            match fold.list(&name, &tail) {
                Ok(()) => slice.folded.push((name, last.seq)),
                Err(Fault::Database(error)) => return Err(error),
                Err(Fault::List(why)) => {
                    quarantine(db, &tail, &why)?;
                    slice.faults.push((name, why));
                }
            }
        }
        if slice.folded.is_empty() && slice.faults.is_empty() && self.names.is_empty() {
            slice.cut = self.upto.min(self.cut + 4 * lists as u64);
            db.prepare_cached("DELETE FROM log WHERE seq <= ?1")?.execute([slice.cut])?;
            db.prepare_cached("UPDATE cut SET seq = ?1")?.execute([slice.cut])?;
        }
        Ok(slice)
    }

    /// Takes note of what a slice did, now that it is durable.
    pub(super) fn done(&mut self, slice: Slice, tails: &Mutex<Tails>) {
        self.cut = self.cut.max(slice.cut);
        let mut tails = tails.lock();
        for (name, seq) in slice.folded {
            tails.folded(&name, seq);
        }
        for (name, why) in slice.faults {
            tracing::error!(list = name.as_str(), why, "a list cannot be read; its log rows were set aside");
            tails.set_aside(name, why);
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

/// Moves a list's rows of the log to where they are kept as evidence.
pub(super) fn quarantine(db: &Connection, tail: &Tail, why: &str) -> rusqlite::Result<()> {
    for row in &tail.rows {
        quarantine_row(db, row.seq, why)?;
    }
    Ok(())
}

/// Moves one row of the log to where it is kept as evidence.
pub(super) fn quarantine_row(db: &Connection, seq: u64, why: &str) -> rusqlite::Result<()> {
    db.execute(
        "INSERT OR IGNORE INTO quarantine (seq, name, revision, record, why)
         SELECT seq, name, revision, record, ?2 FROM log WHERE seq = ?1",
        params![seq, why],
    )?;
    db.execute("DELETE FROM log WHERE seq = ?1", [seq])?;
    Ok(())
}

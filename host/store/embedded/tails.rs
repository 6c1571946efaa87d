//! What memory knows of the log: for every list with rows in it, which ones, and where they lead.
//!
//! The map holds only what is durable: the writer adds rows after their transaction, and takes
//! them out after the one that folded them. A reader asks here *before* it begins its transaction,
//! so whatever it is told of is in the log or in the folded list it then sees.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Weak};

use super::record::Brief;
use crate::list::List;
use crate::list::name::ListName;

/// The lists of the log.
#[derive(Default)]
pub(super) struct Tails {
    lists: HashMap<ListName, Tail>,
    /// Lists that may have no folded row yet, in order, for paging.
    unfolded: BTreeSet<ListName>,
    /// Lists that cannot be read, and why.
    quarantine: BTreeMap<ListName, String>,
    /// How many bytes of records are held for folding.
    bytes: usize,
    /// Counts the sweeps; each forgets lists that are folded.
    sweeps: u64,
}

/// The end of one list that is in the log and not, or not only, in its folded row.
#[derive(Clone)]
pub(super) struct Tail {
    /// The list as the last row left it.
    pub(super) brief: Brief,
    /// The same in full, for as long as its actor has it too: memory holds no list because of the
    /// log. When it is gone, folding reads.
    pub(super) state: Weak<List>,
    /// The rows, ascending. None means that all is folded, which is worth knowing until the next
    /// sweep: it saves the next commit a look into the database.
    pub(super) rows: Vec<Row>,
}

/// One row of the log.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) seq: u64,
    pub(super) revision: u64,
    /// The row's content, if it was written since the store was opened.
    pub(super) record: Option<Arc<[u8]>>,
}

impl Row {
    fn bytes(&self) -> usize {
        self.record.as_ref().map_or(0, |record| record.len())
    }
}

impl Tails {
    pub(super) fn get(&self, name: &ListName) -> Option<&Tail> {
        self.lists.get(name)
    }

    /// Why a list cannot be read, if it cannot.
    pub(super) fn quarantined(&self, name: &ListName) -> Option<&String> {
        self.quarantine.get(name)
    }

    /// How many lists cannot be read.
    pub(super) fn quarantined_count(&self) -> usize {
        self.quarantine.len()
    }

    /// How many bytes of records are held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many lists are known.
    pub(super) fn count(&self) -> usize {
        self.lists.len()
    }

    /// How many sweeps have begun.
    pub(super) fn sweeps(&self) -> u64 {
        self.sweeps
    }

    /// Takes note of a row. `first` says that the list may have no folded row.
    pub(super) fn push(&mut self, name: ListName, brief: Brief, state: Weak<List>, row: Row, first: bool) {
        self.bytes += row.bytes();
        if first {
            self.unfolded.insert(name.clone());
        }
        match self.lists.get_mut(&name) {
            Some(tail) => {
                tail.brief = brief;
                tail.state = state;
                tail.rows.push(row);
            }
            None => {
                self.lists.insert(name, Tail { brief, state, rows: vec![row] });
            }
        }
    }

    /// Takes note that a list's rows up to `seq` are folded.
    pub(super) fn folded(&mut self, name: &ListName, seq: u64) {
        self.unfolded.remove(name);
        if let Some(tail) = self.lists.get_mut(name) {
            let done = tail.rows.partition_point(|row| row.seq <= seq);
            self.bytes -= tail.rows.drain(..done).map(|row| row.bytes()).sum::<usize>();
        }
    }

    /// Takes note that a list cannot be read.
    pub(super) fn set_aside(&mut self, name: ListName, why: String) {
        self.folded(&name, u64::MAX);
        self.lists.remove(&name);
        // The first fault is the cause; what follows it are consequences.
        self.quarantine.entry(name).or_insert(why);
    }

    /// The lists that have rows to fold. Those that have none are forgotten.
    pub(super) fn begin_sweep(&mut self) -> Vec<ListName> {
        self.sweeps += 1;
        self.lists.retain(|_, tail| !tail.rows.is_empty());
        self.lists.keys().cloned().collect()
    }

    /// The first lists behind `after` that exist and may have no folded row.
    pub(super) fn unfolded(&self, after: Option<&ListName>, limit: usize) -> Vec<(ListName, Brief)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.unfolded
            .range::<ListName, _>((from, Bound::Unbounded))
            .filter_map(|name| self.lists.get(name).map(|tail| (name, &tail.brief)))
            .filter(|(_, brief)| brief.logic.is_some())
            .take(limit)
            .map(|(name, brief)| (name.clone(), brief.clone()))
            .collect()
    }
}

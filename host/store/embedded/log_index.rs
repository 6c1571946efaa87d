//! What memory knows of the log: for every list with commits in it, which ones, and where they lead.
//!
//! Readers see only what is durable: the writer adds commits after their transaction, and takes
//! them out after the one that folded them. A reader asks here *before* it begins its transaction,
//! so whatever it is told of is in the log or in the folded list it then sees.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Weak};

use super::block::Block;
use super::record::ListMeta;
use crate::list::List;
use crate::list::name::ListName;

/// The lists of the log.
#[derive(Default)]
pub(super) struct LogIndex {
    /// Boxed, because a table has up to twice as many places as lists, and doubles at once.
    lists: HashMap<ListName, Box<Tail>>,
    /// Lists that exist and may have no row among the folded ones that do, in order, for paging.
    unfolded: BTreeSet<ListName>,
    /// Lists that cannot be read, and why.
    quarantine: BTreeMap<ListName, String>,
    /// Counts the sweeps; each forgets lists that are folded.
    sweeps: u64,
}

/// The end of one list that is in the log and not, or not only, in its folded row.
#[derive(Clone)]
pub(super) struct Tail {
    /// The list as the last commit left it.
    pub(super) meta: ListMeta,
    /// The same in full, for as long as its actor has it too: memory holds no list because of the
    /// log. When it is gone, folding reads.
    pub(super) state: Weak<List>,
    /// The commits, ascending. None means that all is folded, which is worth knowing until the next
    /// sweep: it saves the next commit a look into the database.
    pub(super) rows: Vec<Row>,
    /// Where the batch at hand leaves the list. For the writer only, since it is not durable yet.
    pub(super) ahead: Ahead,
}

/// Where a batch leaves a list.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    pub(super) revision: u64,
    pub(super) wake_up: Option<u64>,
}

/// One commit in the log.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) seq: u64,
    /// What it is part of, if that is in memory: it was written since the store was opened, or it is to be
    /// read soon.
    pub(super) block: Option<Arc<Block>>,
}

impl Tail {
    /// A list of which there is nothing in the log.
    fn folded(meta: ListMeta) -> Self {
        let ahead = Ahead { revision: meta.revision, wake_up: meta.wake_up };
        // Most lists get few commits before they are folded, and there are many lists.
        Self { meta, state: Weak::new(), rows: Vec::with_capacity(1), ahead }
    }
}

impl LogIndex {
    pub(super) fn get(&self, name: &ListName) -> Option<&Tail> {
        self.lists.get(name).map(Box::as_ref)
    }

    /// Why a list cannot be read, if it cannot.
    pub(super) fn quarantined(&self, name: &ListName) -> Option<&String> {
        self.quarantine.get(name)
    }

    /// How many lists cannot be read.
    pub(super) fn quarantined_count(&self) -> usize {
        self.quarantine.len()
    }

    /// How many lists are known.
    pub(super) fn count(&self) -> usize {
        self.lists.len()
    }

    /// How many sweeps have begun.
    pub(super) fn sweeps(&self) -> u64 {
        self.sweeps
    }

    /// What the writer needs of a list.
    pub(super) fn ahead(&mut self, name: &ListName) -> Option<&mut Ahead> {
        self.lists.get_mut(name).map(|tail| &mut tail.ahead)
    }

    /// Takes note of a list that has nothing in the log: as its folded row is, or absent.
    pub(super) fn learn(&mut self, name: ListName, meta: ListMeta) -> &mut Tail {
        self.lists.entry(name).or_insert_with(|| Box::new(Tail::folded(meta)))
    }

    /// Takes note of a commit to a list that is known, and puts the state before it in the place of
    /// `state`. Answers how many commits the list has now.
    pub(super) fn push(&mut self, name: &ListName, meta: ListMeta, state: &mut Weak<List>, row: Row) -> usize {
        let Some(tail) = self.lists.get_mut(name) else { return 0 };
        // A batch is taken note of in full and in order, so its last commit to the list has the last word.
        tail.ahead = Ahead { revision: meta.revision, wake_up: meta.wake_up };
        if tail.meta.logic.is_none() && meta.logic.is_some() {
            self.unfolded.insert(name.clone());
        }
        tail.meta = meta;
        std::mem::swap(&mut tail.state, state);
        tail.rows.push(row);
        tail.rows.len()
    }

    /// Takes note that a list's commits up to `seq` are folded.
    pub(super) fn folded(&mut self, name: &ListName, seq: u64) {
        self.unfolded.remove(name);
        if let Some(tail) = self.lists.get_mut(name) {
            let done = tail.rows.partition_point(|row| row.seq <= seq);
            tail.rows.drain(..done);
        }
    }

    /// Takes note that a list cannot be read.
    pub(super) fn isolate(&mut self, name: ListName, why: String) {
        self.unfolded.remove(&name);
        self.lists.remove(&name);
        // The first fault is the cause; what follows it are consequences.
        self.quarantine.entry(name).or_insert(why);
    }

    /// The lists that have commits to fold. Those that have none are forgotten.
    pub(super) fn begin_sweep(&mut self) -> Vec<ListName> {
        self.sweeps += 1;
        self.lists.retain(|_, tail| !tail.rows.is_empty());
        self.lists.keys().cloned().collect()
    }

    /// The lists that may exist without a row among the folded ones that do, in order: those of the log,
    /// and those that cannot be read.
    pub(super) fn besides_folded(&self) -> BTreeSet<ListName> {
        self.unfolded.iter().chain(self.quarantine.keys()).cloned().collect()
    }

    /// The first lists behind `after` that exist and may have no folded row.
    pub(super) fn unfolded(&self, after: Option<&ListName>, limit: usize) -> Vec<(ListName, ListMeta)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.unfolded
            .range::<ListName, _>((from, Bound::Unbounded))
            .filter_map(|name| self.lists.get(name).map(|tail| (name, &tail.meta)))
            .filter(|(_, meta)| meta.logic.is_some())
            .take(limit)
            .map(|(name, meta)| (name.clone(), meta.clone()))
            .collect()
    }
}

//! In-memory index of uncompacted commits, by list.
//!
//! Readers see only what is durable. The writer adds commits after their transaction, and removes them after the
//! transaction that compacted them. A reader looks into the index *before* it begins its transaction, so each commit it
//! finds here is in the log or in the compacted row that it then sees.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Weak};

use super::block::Block;
use super::record::ListMeta;
use crate::list::List;
use crate::list::name::ListName;
use crate::store::UnreadableList;

/// The index.
#[derive(Default)]
pub(super) struct LogIndex {
    /// Boxed, because a hash table has up to twice as many places as lists, and doubles at once.
    lists: HashMap<ListName, Box<LoggedList>>,
    /// Lists that exist and may have no compacted row, in order, for paging.
    uncompacted: BTreeSet<ListName>,
    /// Lists that cannot be read, and whose commits are refused.
    isolated: BTreeMap<ListName, Damage>,
    /// Lists whose compacted rows a reader found damaged. They are readable again once a compaction replaces the rows.
    found: BTreeMap<ListName, Damage>,
    /// The number of compactions that have begun. Each one forgets lists without commits in the log.
    compactions: u64,
    /// The number of deletions of unreadable lists.
    discards: u64,
}

/// The most lists that are remembered because a reader found them damaged.
const MAX_FOUND: usize = 10_000;

/// A list with this many commits in the log has a long one.
const LONG_LOG: usize = 1_000;

/// A list with this many bytes of commits in the log has a long one.
const LONG_LOG_BYTES: usize = 16 << 20;

/// Why a list cannot be read.
#[derive(Clone)]
struct Damage {
    why: String,
    /// When the damage was found, in milliseconds since the epoch.
    since: u64,
}

/// The commits of one list in the log.
#[derive(Clone)]
pub(super) struct LoggedList {
    /// The metadata after the last commit.
    pub(super) meta: ListMeta,
    /// The list after the last commit, as long as its actor holds it too. Memory retains no list because of the log:
    /// once the actor has dropped it, compaction reads the list from disk.
    pub(super) state: Weak<List>,
    /// The commits, ascending. An empty list of commits saves the next commit a look into the database, so it stays
    /// until the next compaction.
    pub(super) commits: Vec<CommitRef>,
    /// The bytes of the commits since the list was last found to have a long log.
    bytes: usize,
    /// The list after the batch at hand. Only the writer may use it, because it is not durable yet.
    pub(super) staged: StagedHead,
}

/// A list after a batch that is not durable yet.
#[derive(Clone, Copy)]
pub(super) struct StagedHead {
    pub(super) revision: u64,
    pub(super) wake_up: Option<u64>,
}

/// One commit in the log.
#[derive(Clone)]
pub(super) struct CommitRef {
    pub(super) seq: u64,
    /// The block that holds the commit, if the block is in memory: it was written since the store was opened, or it is
    /// about to be read.
    pub(super) block: Option<Arc<Block>>,
}

impl fmt::Debug for LogIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogIndex").field("lists", &self.lists.len()).finish_non_exhaustive()
    }
}

impl LoggedList {
    /// A list that has no commit in the log.
    fn without_commits(meta: ListMeta) -> Self {
        let staged = StagedHead { revision: meta.revision, wake_up: meta.wake_up };
        // Most lists get few commits before they are compacted, and there are many lists.
        Self { meta, state: Weak::new(), commits: Vec::with_capacity(1), bytes: 0, staged }
    }
}

impl LogIndex {
    pub(super) fn get(&self, name: &ListName) -> Option<&LoggedList> {
        self.lists.get(name).map(Box::as_ref)
    }

    /// The reason why a list cannot be read, if it is isolated.
    pub(super) fn isolated(&self, name: &ListName) -> Option<&String> {
        self.isolated.get(name).map(|damage| &damage.why)
    }

    /// The number of lists that cannot be read.
    pub(super) fn isolated_count(&self) -> usize {
        self.isolated.len()
    }

    /// The number of tracked lists.
    pub(super) fn count(&self) -> usize {
        self.lists.len()
    }

    /// The number of compactions that have begun.
    pub(super) fn compactions(&self) -> u64 {
        self.compactions
    }

    /// The staged head of a tracked list, for the writer.
    pub(super) fn staged(&mut self, name: &ListName) -> Option<&mut StagedHead> {
        self.lists.get_mut(name).map(|list| &mut list.staged)
    }

    /// Takes a list back to what is durable, after a batch with a commit to it was not written.
    pub(super) fn unstage(&mut self, name: &ListName) {
        if let Some(list) = self.lists.get_mut(name) {
            list.staged = StagedHead { revision: list.meta.revision, wake_up: list.meta.wake_up };
        }
    }

    /// Tracks a list that has no commit in the log. `meta` is that of its compacted row, or the default.
    pub(super) fn track(&mut self, name: ListName, meta: ListMeta) -> &mut LoggedList {
        self.lists.entry(name).or_insert_with(|| Box::new(LoggedList::without_commits(meta)))
    }

    /// Adds a commit of so many bytes to a tracked list, and swaps the state before the commit into `state`. Returns
    /// whether the list has a long log, so that it is compacted at once and reading it stays cheap.
    pub(super) fn push(
        &mut self,
        name: &ListName,
        meta: ListMeta,
        state: &mut Weak<List>,
        commit: CommitRef,
        bytes: usize,
    ) -> bool {
        let Some(list) = self.lists.get_mut(name) else { return false };
        // A batch is added in full and in order, so its last commit to the list decides.
        list.staged = StagedHead { revision: meta.revision, wake_up: meta.wake_up };
        if list.meta.logic.is_none() && meta.logic.is_some() {
            self.uncompacted.insert(name.clone());
        }
        list.meta = meta;
        std::mem::swap(&mut list.state, state);
        list.commits.push(commit);
        list.bytes += bytes;
        let is_long = list.commits.len().is_multiple_of(LONG_LOG) || list.bytes >= LONG_LOG_BYTES;
        if is_long {
            list.bytes = 0;
        }
        is_long
    }

    /// Removes a list's commits up to `seq`, which are compacted.
    pub(super) fn compacted(&mut self, name: &ListName, seq: u64) {
        self.uncompacted.remove(name);
        self.note_readable(name);
        if let Some(list) = self.lists.get_mut(name) {
            let done = list.commits.partition_point(|commit| commit.seq <= seq);
            list.commits.drain(..done);
            list.bytes = 0;
        }
    }

    /// Marks a list as unreadable, since `now` or since a reader found it.
    pub(super) fn isolate(&mut self, name: ListName, why: String, now: u64) {
        self.uncompacted.remove(&name);
        self.lists.remove(&name);
        let since = self.found.remove(&name).map_or(now, |damage| damage.since);
        // The first fault is the cause, later ones are consequences.
        self.isolated.entry(name).or_insert(Damage { why, since });
    }

    /// The number of deletions of unreadable lists. A reader takes it before it begins to read.
    pub(super) fn discards(&self) -> u64 {
        self.discards
    }

    /// Remembers that a reader found a list damaged. `discards` is the number of deletions before the reader began: what it
    /// read before a deletion says nothing about a list that has the name since.
    pub(super) fn note_unreadable(&mut self, name: &ListName, why: &str, now: u64, discards: u64) {
        if self.discards == discards && self.found.len() < MAX_FOUND && !self.isolated.contains_key(name) {
            self.found.entry(name.clone()).or_insert_with(|| Damage { why: why.to_owned(), since: now });
        }
    }

    /// Why a list cannot be read, as far as it is known.
    pub(super) fn damage(&self, name: &ListName) -> Option<String> {
        self.isolated.get(name).or_else(|| self.found.get(name)).map(|damage| damage.why.clone())
    }

    /// Forgets a list whose rows were removed.
    pub(super) fn discard(&mut self, name: &ListName) {
        self.discards += 1;
        self.isolated.remove(name);
        self.found.remove(name);
        self.lists.remove(name);
        self.uncompacted.remove(name);
    }

    /// Forgets that a reader found a list damaged.
    pub(super) fn note_readable(&mut self, name: &ListName) {
        if !self.found.is_empty() {
            self.found.remove(name);
        }
    }

    /// The first unreadable lists after `after`.
    pub(super) fn unreadable(&self, after: Option<&ListName>, limit: usize) -> Vec<UnreadableList> {
        let from = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let first = |lists: &BTreeMap<ListName, Damage>| {
            let lists = lists.range::<ListName, _>(from).take(limit);
            lists.map(|(name, damage)| (name.clone(), damage.clone())).collect::<BTreeMap<_, _>>()
        };
        let mut lists = first(&self.found);
        lists.append(&mut first(&self.isolated));
        let lists = lists.into_iter().take(limit);
        lists.map(|(name, Damage { why, since })| UnreadableList { name, why, since }).collect()
    }

    /// The number of lists that are known to be unreadable.
    pub(super) fn unreadable_count(&self) -> usize {
        self.isolated.len() + self.found.len()
    }

    /// Returns the lists that have commits to compact, and forgets the other ones.
    pub(super) fn begin_compaction(&mut self) -> Vec<ListName> {
        self.compactions += 1;
        self.lists.retain(|_, list| !list.commits.is_empty());
        self.lists.keys().cloned().collect()
    }

    /// The lists to add to the compacted ones, in order: those that may exist only in the log, and those that cannot be
    /// read.
    pub(super) fn besides_compacted(&self) -> BTreeSet<ListName> {
        self.uncompacted.iter().chain(self.isolated.keys()).cloned().collect()
    }

    /// The lists that may be in no compacted row, in order: those with commits in the log, deleted or not, and those that
    /// cannot be read.
    pub(super) fn all_besides_compacted(&self) -> BTreeSet<ListName> {
        self.lists.keys().chain(self.isolated.keys()).cloned().collect()
    }

    /// The first lists after `after` that exist and may have no compacted row.
    pub(super) fn uncompacted(&self, after: Option<&ListName>, limit: usize) -> Vec<(ListName, ListMeta)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.uncompacted
            .range::<ListName, _>((from, Bound::Unbounded))
            .filter_map(|name| self.lists.get(name).map(|list| (name, &list.meta)))
            .filter(|(_, meta)| meta.logic.is_some())
            .take(limit)
            .map(|(name, meta)| (name.clone(), meta.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixtures::name;

    #[test]
    fn a_read_that_began_before_a_deletion_does_not_make_the_new_list_unreadable() {
        let (mut log_index, bob) = (LogIndex::default(), name("bob"));
        let before = log_index.discards();
        log_index.note_unreadable(&bob, "damaged", 7, before);
        assert_eq!(log_index.damage(&bob).as_deref(), Some("damaged"));
        log_index.discard(&bob);
        log_index.note_unreadable(&bob, "damaged", 8, before);
        assert_eq!((log_index.damage(&bob), log_index.unreadable_count()), (None, 0));
        let after = log_index.discards();
        log_index.note_unreadable(&bob, "damaged again", 9, after);
        assert_eq!(log_index.damage(&bob).as_deref(), Some("damaged again"));
    }
}

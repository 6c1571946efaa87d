//! Recent changes of all lists, for readers that show many lists: the newest state of each list that changed.
//!
//! Readers of one list subscribe to its actor. This is for readers that need a line about every list, and no revision.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::list::List;
use crate::list::name::ListName;
use crate::store::Summary;

/// The most lists whose last change is kept. A reader that is further behind reads the lists anew.
pub const MAX_RECENT_LISTS: usize = 256;

/// The recent changes of the lists of a server.
#[derive(Default)]
pub struct ListChanges {
    recent: Mutex<RecentChanges>,
    /// The number of the last change.
    last: watch::Sender<u64>,
}

/// The state of a list after a change.
#[derive(Clone, PartialEq, Debug)]
pub enum ListChange {
    /// The list exists.
    Present(Summary),
    /// The list was deleted.
    Deleted(ListName),
}

/// The last change of each list, by a number that grows.
#[derive(Default)]
struct RecentChanges {
    changes: BTreeMap<u64, ListChange>,
    numbers: BTreeMap<ListName, u64>,
    last: u64,
    /// The number of the last change that is not kept, although its list has not changed since.
    forgotten: u64,
}

/// A reader of the changes of all lists.
pub struct ListWatch {
    changes: Arc<ListChanges>,
    last: watch::Receiver<u64>,
    seen: u64,
}

impl ListChange {
    /// The list.
    pub fn name(&self) -> &ListName {
        match self {
            Self::Present(summary) => &summary.name,
            Self::Deleted(name) => name,
        }
    }
}

impl ListChanges {
    /// A reader of the changes from now on.
    pub fn watch(self: &Arc<Self>) -> ListWatch {
        let last = self.last.subscribe();
        let seen = self.recent.lock().last;
        ListWatch { changes: self.clone(), last, seen }
    }

    /// Notes the durable state of a list after a change. Costs next to nothing without a reader.
    pub(super) fn note(&self, name: &ListName, list: &List) {
        match list.logic().filter(|_| list.exists()) {
            Some(logic) => self.add(|| {
                ListChange::Present(Summary {
                    name: name.clone(),
                    logic: logic.clone(),
                    revision: list.revision(),
                    entries: list.count(),
                    open: list.count_open(),
                })
            }),
            None => self.note_deleted(name),
        }
    }

    /// Notes that a list was deleted.
    pub(crate) fn note_deleted(&self, name: &ListName) {
        self.add(|| ListChange::Deleted(name.clone()));
    }

    fn add(&self, change: impl FnOnce() -> ListChange) {
        if self.last.receiver_count() == 0 {
            return;
        }
        let mut recent = self.recent.lock();
        let number = recent.add(change());
        // Before the lock is released, so that the numbers that readers see do not decrease.
        self.last.send_replace(number);
    }
}

impl RecentChanges {
    fn add(&mut self, change: ListChange) -> u64 {
        self.last += 1;
        if let Some(earlier) = self.numbers.insert(change.name().clone(), self.last) {
            self.changes.remove(&earlier);
        }
        self.changes.insert(self.last, change);
        if self.changes.len() > MAX_RECENT_LISTS
            && let Some((number, change)) = self.changes.pop_first()
        {
            self.numbers.remove(change.name());
            self.forgotten = number;
        }
        self.last
    }
}

impl ListWatch {
    /// Waits until a list changed that was not taken yet.
    pub async fn changed(&mut self) {
        let seen = self.seen;
        // The sender lives as long as `changes`.
        drop(self.last.wait_for(|last| *last > seen).await);
    }

    /// Takes the next changes, the earliest first and at most `limit`. `None`: more lists changed than are kept.
    pub fn take(&mut self, limit: usize) -> Option<Vec<ListChange>> {
        let recent = self.changes.recent.lock();
        if self.seen < recent.forgotten {
            self.seen = recent.last;
            return None;
        }
        let next: Vec<_> = recent.changes.range(self.seen + 1..).take(limit).collect();
        if let Some((number, _)) = next.last() {
            self.seen = **number;
        }
        Some(next.into_iter().map(|(_, change)| change.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deleted(number: usize) -> ListChange {
        ListChange::Deleted(ListName::new(&format!("list {number}")).expect("a name"))
    }

    fn add(changes: &ListChanges, number: usize) {
        changes.add(|| deleted(number));
    }

    #[tokio::test]
    async fn a_reader_gets_the_last_change_of_each_list_once() {
        let changes = Arc::<ListChanges>::default();
        add(&changes, 9);
        let mut watch = changes.watch();
        assert!(futures_util::poll!(std::pin::pin!(watch.changed())).is_pending());
        for number in [1, 2, 1] {
            add(&changes, number);
        }
        watch.changed().await;
        assert_eq!(watch.take(1), Some(vec![deleted(2)]));
        watch.changed().await;
        assert_eq!(watch.take(9), Some(vec![deleted(1)]));
        assert!(futures_util::poll!(std::pin::pin!(watch.changed())).is_pending());
    }

    #[test]
    fn a_reader_that_is_too_far_behind_is_told_once_and_goes_on() {
        let changes = Arc::<ListChanges>::default();
        let mut watch = changes.watch();
        (0..=MAX_RECENT_LISTS).for_each(|number| add(&changes, number));
        assert_eq!(changes.recent.lock().changes.len(), MAX_RECENT_LISTS);
        assert_eq!(changes.recent.lock().numbers.len(), MAX_RECENT_LISTS);
        assert_eq!(watch.take(9), None);
        assert_eq!(watch.take(9), Some(Vec::new()));
        add(&changes, 3);
        assert_eq!(watch.take(9), Some(vec![deleted(3)]));
    }

    #[test]
    fn one_list_that_changes_often_hides_no_other() {
        let changes = Arc::<ListChanges>::default();
        let mut watch = changes.watch();
        add(&changes, 1);
        (0..2 * MAX_RECENT_LISTS).for_each(|_| add(&changes, 2));
        assert_eq!(watch.take(9), Some(vec![deleted(1), deleted(2)]));
    }
}

//! Pages of a history, which end by their number of items and by their bytes.

use std::convert::Infallible;
use std::sync::Arc;

use crate::list::change::Change;
use crate::list::command::Context;
use crate::list::outline::RevisionOutline;
use crate::list::revision::Revision;

/// How much of its history a list retains: the newest revisions that are within both limits. The newest one is retained
/// whatever its size.
///
/// A store may retain more until it compacts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HistoryLimits {
    /// The most revisions.
    pub revisions: u64,
    /// The most bytes of revisions, with their commands and their inverses.
    pub bytes: u64,
}

impl HistoryLimits {
    /// No limits.
    pub const UNLIMITED: Self = Self { revisions: u64::MAX, bytes: u64::MAX };
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self { revisions: 1_000, bytes: 16 << 20 }
    }
}

/// Where a page ends. It has at least one item if there is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageLimit {
    /// The most items.
    pub items: usize,
    /// The most bytes of items, as they are in memory.
    pub bytes: usize,
}

impl PageLimit {
    /// A page that ends by its number of items only.
    pub fn items(items: usize) -> Self {
        Self { items, bytes: usize::MAX }
    }
}

/// Consecutive revisions of a list.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct HistoryPage {
    /// The revisions, ascending.
    pub revisions: Vec<RetainedRevision>,
    /// Whether more revisions follow.
    pub more: bool,
}

/// A revision on a page.
#[derive(Clone, PartialEq, Debug)]
pub enum RetainedRevision {
    /// The revision.
    Whole(Arc<Revision>),
    /// The outline of a revision that is larger than a page. It has the changes if they alone are not.
    Large(Box<RevisionOutline>),
}

/// Consecutive changes of a revision.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ChangesPage {
    /// The changes in their order.
    pub changes: Vec<Change>,
    /// Whether more changes follow.
    pub more: bool,
}

/// The bytes that an outline counts for.
const OUTLINE_BYTES: usize = 1_024;

/// A page that is filled until it is full.
pub(super) struct PageBuilder<T> {
    limit: PageLimit,
    bytes: usize,
    items: Vec<T>,
    /// Whether an item had no room.
    pub(super) is_full: bool,
}

impl RetainedRevision {
    /// The number of the revision.
    pub fn number(&self) -> u64 {
        match self {
            Self::Whole(revision) => revision.number,
            Self::Large(outline) => outline.number,
        }
    }

    /// The context of the revision.
    pub fn context(&self) -> &Context {
        match self {
            Self::Whole(revision) => &revision.context,
            Self::Large(outline) => &outline.context,
        }
    }

    /// The changes of the revision, if the page holds them.
    pub fn changes(&self) -> Option<&[Change]> {
        match self {
            Self::Whole(revision) => Some(&revision.changes),
            Self::Large(outline) => outline.changes.as_deref(),
        }
    }

    /// The revision, if the page holds all of it.
    pub fn whole(&self) -> Option<&Arc<Revision>> {
        match self {
            Self::Whole(revision) => Some(revision),
            Self::Large(_) => None,
        }
    }
}

impl<T> PageBuilder<T> {
    pub(super) fn new(limit: PageLimit) -> Self {
        Self { limit, bytes: 0, items: Vec::new(), is_full: limit.items == 0 }
    }

    /// The bytes that one more item may have.
    fn room(&self) -> usize {
        if self.is_full || self.items.len() >= self.limit.items {
            0
        } else {
            self.limit.bytes.saturating_sub(self.bytes)
        }
    }

    /// Whether the page has room for one more item of so many bytes. If not, the page is full from now on.
    pub(super) fn has_room(&mut self, bytes: usize) -> bool {
        let fits = self.items.is_empty() || bytes <= self.room();
        self.is_full |= self.items.len() >= self.limit.items || !fits;
        !self.is_full
    }

    /// Adds an item of so many bytes, for which the page has room.
    pub(super) fn add(&mut self, bytes: usize, item: T) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.items.push(item);
    }

    /// Adds an item of so many bytes, unless the page is full. Returns whether it was added.
    pub(super) fn push(&mut self, bytes: usize, item: impl FnOnce() -> T) -> bool {
        let has_room = self.has_room(bytes);
        if has_room {
            self.add(bytes, item());
        }
        has_room
    }
}

impl PageBuilder<RetainedRevision> {
    /// Whether a revision of so many bytes is shown by its outline.
    pub(super) fn is_large(&self, bytes: usize) -> bool {
        bytes > self.limit.bytes
    }

    /// Adds an outline, with changes of so many bytes if they are not larger than a page.
    pub(super) fn push_outline<E>(
        &mut self,
        mut outline: RevisionOutline,
        bytes: usize,
        changes: impl FnOnce() -> Result<Vec<Change>, E>,
    ) -> Result<bool, E> {
        let shows_changes = bytes <= self.limit.bytes;
        let bytes = if shows_changes { OUTLINE_BYTES + bytes } else { OUTLINE_BYTES };
        if !self.has_room(bytes) {
            return Ok(false);
        }
        outline.changes = if shows_changes { Some(changes()?) } else { None };
        self.add(bytes, RetainedRevision::Large(Box::new(outline)));
        Ok(true)
    }

    /// Adds a revision that is in memory.
    pub(super) fn push_revision(&mut self, revision: &Arc<Revision>) -> bool {
        let bytes = revision.bytes();
        match self.is_large(bytes) {
            true => {
                let outline = RevisionOutline::of(revision);
                let bytes = revision.changes.iter().map(Change::bytes).sum();
                let Ok(is_added) = self.push_outline(outline, bytes, || Ok::<_, Infallible>(revision.changes.clone()));
                is_added
            }
            false => self.push(bytes, || RetainedRevision::Whole(revision.clone())),
        }
    }

    pub(super) fn into_page(self) -> HistoryPage {
        HistoryPage { revisions: self.items, more: self.is_full && self.limit.items > 0 }
    }
}

impl PageBuilder<Change> {
    pub(super) fn into_page(self) -> ChangesPage {
        ChangesPage { changes: self.items, more: self.is_full && self.limit.items > 0 }
    }
}

/// Pages a history that is in memory.
pub fn page<'a>(revisions: impl Iterator<Item = &'a Arc<Revision>>, limit: PageLimit) -> HistoryPage {
    let mut page = PageBuilder::new(limit);
    for revision in revisions {
        if !page.push_revision(revision) {
            break;
        }
    }
    page.into_page()
}

/// Pages the changes of a revision that is in memory, after the first `after`.
pub fn changes_page(revision: &Revision, after: usize, limit: PageLimit) -> ChangesPage {
    let mut page = PageBuilder::new(limit);
    for change in revision.changes.iter().skip(after) {
        if !page.push(change.bytes(), || change.clone()) {
            break;
        }
    }
    page.into_page()
}

//! The store: the trait that makes lists outlive the process, and its promises.

#[cfg(test)]
mod contract;
pub mod embedded;
pub mod error;
pub mod faulty;
#[cfg(test)]
mod fixtures;
pub mod health;
pub mod history;
pub mod memory;
pub mod receipt_room;
pub mod recording;
pub mod records;

use std::sync::Arc;

pub use error::StoreError;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
pub use health::Health;
pub use history::{ChangesPage, HistoryLimits, HistoryPage, PageLimit, RetainedRevision};

use crate::list::List;
use crate::list::name::{ListName, LogicName};
use crate::list::receipt::Receipt;
use crate::list::revision::Revision;
use receipt_room::ReceiptRoom;

/// The most revisions in one commit, which bounds the share of one list in a durable write.
pub const MAX_COMMIT_REVISIONS: usize = 256;

/// The most receipts in one commit.
pub const MAX_COMMIT_RECEIPTS: usize = 256;

/// The most items that a reading call returns. A larger `limit` counts as this one.
pub const MAX_PAGE: usize = 1_000;

/// A future answer of the store. Dropping it does not take a commit back.
pub type Pending<T> = BoxFuture<'static, Result<T, StoreError>>;

/// An append-only log of revisions with compacted lists. It promises:
///
/// 1. A commit that was acknowledged survives kill -9 and power loss. The name of a store for tests
///    says that it does not promise this.
/// 2. A commit is all or nothing.
/// 3. A commit names the revision it continues. If that is not the list's last one, it fails with
///    [`StoreError::Conflict`] and changes nothing.
/// 4. What cannot be read is [`StoreError::Unreadable`], which names the list. It is never an
///    absent list, and other lists are not touched by it.
/// 5. After a durable write failed, every later write fails with [`StoreError::Poisoned`] until the
///    store is opened anew, because what the failed write left behind is not known. The same holds
///    after a thread of the store panicked. [`Store::health`] has the reason.
/// 6. Reading one list costs that list, not the store.
/// 7. What a reading call returns was committed, and everything acknowledged before it was called
///    is in it.
///
/// It does not promise an order between commits of different lists. A commit that was never
/// acknowledged may be durable: [`StoreError::is_unknown`] tells such a commit from a refused one.
///
/// A method starts its work when it is called, not when its answer is first awaited.
pub trait Store: Send + Sync + 'static {
    /// The list of that name with its receipts that are not expired. An absent list does not [exist](List::exists). Its
    /// revision is 0, or the last one of the deleted list of that name.
    fn load(&self, name: &ListName) -> Pending<Stored>;

    /// Makes a list's next revisions and receipts durable.
    fn commit(&self, commit: Commit) -> Pending<()>;

    /// The existing lists with names after `after`, in the order of the names' bytes. Lists that cannot be read are left
    /// out, and [`Store::unreadable`] has them once this is answered.
    fn page(&self, after: Option<&ListName>, limit: usize) -> Pending<Vec<Summary>>;

    /// The lists with names after `after` that were found to be unreadable, in the order of the names' bytes. Costs no disk
    /// access.
    fn unreadable(&self, _after: Option<&ListName>, _limit: usize) -> Vec<UnreadableList> {
        Vec::new()
    }

    /// The number of lists that were found to be unreadable. Costs no disk access.
    fn unreadable_count(&self) -> usize {
        0
    }

    /// The number of kinds of damage to the data that no unreadable list accounts for, found since the store was opened.
    /// Costs no disk access.
    fn damage_count(&self) -> usize {
        0
    }

    /// Deletes a list that cannot be read, and keeps its rows as evidence. The name is then absent, at a revision above all
    /// that the list had. Fails with [`StoreError::Failed`] if the list can be read.
    fn discard(&self, name: &ListName) -> Pending<()> {
        let what = format!("delete list {:?} as an unreadable one", name.as_str());
        std::future::ready(Err(StoreError::Failed { what, why: "it can be read".into() })).boxed()
    }

    /// A page of the revisions of a list with numbers greater than `after`, ascending. A list retains its newest revisions,
    /// within [`HistoryLimits`], so the oldest may be missing. Deleting a list deletes its history except the revision that
    /// deleted it.
    ///
    /// The call takes about as much memory as the page may have, also where a revision is larger: the page then has the
    /// outline of the revision.
    fn history_page(&self, name: &ListName, after: u64, limit: PageLimit) -> Pending<HistoryPage>;

    /// A page of the changes of one revision, without the first `after` of them. `None` if the history does not hold the
    /// revision.
    fn changes(&self, name: &ListName, revision: u64, after: usize, limit: PageLimit) -> Pending<Option<ChangesPage>>;

    /// Like [`Store::history_page`], with revisions of any size. It takes as much memory as they have.
    fn history(&self, name: &ListName, after: u64, limit: usize) -> Pending<Vec<Arc<Revision>>> {
        let page = self.history_page(name, after, PageLimit::items(limit));
        async move { Ok(page.await?.revisions.iter().filter_map(|revision| revision.whole().cloned()).collect()) }
            .boxed()
    }

    /// The lists whose wake-up time is at or before `until`, in the order of [`WakeUp`], starting
    /// after `after`. The cost depends on the number of lists returned, not on the number of timers.
    fn due(&self, until: u64, after: Option<&WakeUp>, limit: usize) -> Pending<Vec<WakeUp>>;

    /// The earliest wake-up time of all lists.
    fn next_due(&self) -> Pending<Option<u64>>;

    /// The room for receipts. It accounts for every receipt that the store holds and that is not expired, also after the
    /// store was opened again. A receipt that is not expired is never dropped, also when its list is deleted.
    fn receipt_room(&self) -> &Arc<ReceiptRoom>;

    /// Whether the store takes writes. Costs no disk access, so a readiness probe may call it.
    fn health(&self) -> Health;

    /// The size of the file that commits are appended to, in bytes, as of the last second. `None` for a store without such
    /// a file.
    fn log_bytes(&self) -> Option<u64> {
        None
    }

    /// Writes what is only in memory, and releases the data. From now on new calls fail with
    /// [`StoreError::Closed`]. Once this is answered, the store may be opened again.
    fn close(&self) -> Pending<()>;
}

/// A store of lists and of records.
pub trait Storage: Store + records::Records {}

impl<T: Store + records::Records> Storage for T {}

/// A list as a store returns it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Stored {
    /// The list.
    pub list: List,
    /// Its receipts that are not expired, the oldest first.
    pub receipts: Vec<Arc<Receipt>>,
    /// Its wake-up time in milliseconds since the epoch.
    pub wake_up: Option<u64>,
}

/// The next revisions of one list.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The list.
    pub name: ListName,
    /// The revision that this commit continues.
    pub after: u64,
    /// The revisions, numbered from `after + 1` on. May be empty when there are receipts.
    pub revisions: Vec<Arc<Revision>>,
    /// Receipts of the list, whose times do not decrease. At most [`MAX_COMMIT_RECEIPTS`]. The caller has reserved room
    /// for them in [`Store::receipt_room`].
    pub receipts: Vec<Arc<Receipt>>,
    /// The list after the last of the revisions, so that a store can compact without replaying.
    pub state: Arc<List>,
    /// The wake-up time of the list from now on, or `None` for never.
    pub wake_up: Option<u64>,
}

impl Commit {
    /// Checks that the revisions follow each other, that there are not too many of them, and that
    /// the state is the one they lead to.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`], because it is the caller's mistake.
    pub fn check(&self) -> Result<(), StoreError> {
        let numbered = self
            .revisions
            .iter()
            .zip(self.after.saturating_add(1)..)
            .all(|(revision, number)| revision.number == number);
        let end = self.after.saturating_add(self.revisions.len() as u64);
        let why = match self.revisions.len() {
            count if count > MAX_COMMIT_REVISIONS => {
                format!("it has {count} revisions, the limit is {MAX_COMMIT_REVISIONS}")
            }
            _ if self.receipts.len() > MAX_COMMIT_RECEIPTS => {
                format!("it has {} receipts, the limit is {MAX_COMMIT_RECEIPTS}", self.receipts.len())
            }
            _ if !numbered => format!("its revisions do not continue revision {}", self.after),
            _ if self.state.revision() != end => {
                format!("its revisions lead to {end}, its state is at {}", self.state.revision())
            }
            _ => return Ok(()),
        };
        Err(StoreError::Failed { what: format!("take a commit for list {:?}", self.name.as_str()), why })
    }
}

/// A summary of a list, for pages of lists.
#[derive(Clone, PartialEq, Debug)]
pub struct Summary {
    /// Its name.
    pub name: ListName,
    /// The logic that decides about it.
    pub logic: LogicName,
    /// Its last revision.
    pub revision: u64,
    /// The number of its entries.
    pub entries: usize,
    /// The number of its entries that are not completed.
    pub open: usize,
}

/// A list that exists and cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnreadableList {
    /// Its name.
    pub name: ListName,
    /// The damage.
    pub why: String,
    /// When the store found the damage, or when it was opened after that, in milliseconds since the epoch.
    pub since: u64,
}

/// A timer of a list. Timers are ordered by time, then by name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WakeUp {
    /// The wake-up time in milliseconds since the epoch.
    pub at: u64,
    /// The list.
    pub name: ListName,
}

//! Where lists outlive the process: the promises, and nothing of how they are kept.

#[cfg(test)]
mod contract;
pub mod embedded;
pub mod error;
pub mod faulty;
#[cfg(test)]
mod fixtures;
pub mod health;
pub mod memory;
pub mod recording;

use std::sync::Arc;

pub use error::StoreError;
use futures_util::future::BoxFuture;
pub use health::Health;

use crate::list::List;
use crate::list::name::{ListName, LogicName};
use crate::list::revision::{Receipt, Revision};

/// The most revisions one commit may carry, which bounds what one list can put into one durable
/// write.
pub const MAX_COMMIT_REVISIONS: usize = 256;

/// The most receipts kept for one list; the oldest go first.
pub const MAX_RECEIPTS: usize = 128;

/// The most items any of the reading calls returns at once; a larger `limit` counts as this.
pub const MAX_PAGE: usize = 1_000;

/// An answer that comes when the store has it. Dropping it does not take a commit back.
pub type Pending<T> = BoxFuture<'static, Result<T, StoreError>>;

/// An append-only log of revisions with folded lists. What it promises:
///
/// 1. A commit that was acknowledged survives kill -9 and power loss. (A store that is for tests
///    says so in its name.)
/// 2. A commit is all or nothing.
/// 3. A commit names the revision it continues. If that is not the list's last one, it fails with
///    [`StoreError::Conflict`] and changes nothing.
/// 4. What cannot be read is [`StoreError::Unreadable`], which names the list. It is never an
///    absent list, and other lists are not touched by it.
/// 5. After a durable write failed, every later write fails with [`StoreError::Poisoned`] until the
///    store is opened anew, because nobody knows what the failed one left behind.
/// 6. Reading one list costs that list, not the store.
/// 7. What a reading call returns was committed, and everything acknowledged before it was called
///    is in it.
///
/// What it does not promise: an order between commits of different lists; that a commit that was
/// never acknowledged is absent after a crash.
///
/// The methods start their work when they are called, not when the answer is first awaited.
pub trait Store: Send + Sync + 'static {
    /// The list of that name with its receipts. An absent one is a list that does not
    /// [exist](List::exists), at revision 0 or at the revision its last holder ended with.
    fn load(&self, name: &ListName) -> Pending<Stored>;

    /// Makes a list's next revisions, and receipts, durable.
    fn commit(&self, commit: Commit) -> Pending<()>;

    /// The lists that exist with names behind `after`, in the order of the names' bytes.
    fn page(&self, after: Option<&ListName>, limit: usize) -> Pending<Vec<Summary>>;

    /// The revisions of a list with numbers over `after`, ascending. The oldest may be gone: how
    /// many are kept is the store's configuration. Deleting a list deletes its history but for the
    /// revision that deleted it.
    fn history(&self, name: &ListName, after: u64, limit: usize) -> Pending<Vec<Arc<Revision>>>;

    /// The lists whose wake-up time is at or before `until`, in the order of [`WakeUp`], from behind
    /// `after` on. Costs what it returns, however many timers there are.
    fn due(&self, until: u64, after: Option<&WakeUp>, limit: usize) -> Pending<Vec<WakeUp>>;

    /// The earliest wake-up time of all lists.
    fn next_due(&self) -> Pending<Option<u64>>;

    /// Whether the store takes writes. Costs no disk access, so a readiness probe may call it.
    fn health(&self) -> Health;

    /// Writes what is only in memory, refuses new calls with [`StoreError::Closed`], and gives the
    /// data back to the operating system: once this is answered, the store may be opened again.
    fn close(&self) -> Pending<()>;
}

/// A list as a store gives it out.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Stored {
    /// The list.
    pub list: List,
    /// Its receipts, the oldest first; at most [`MAX_RECEIPTS`].
    pub receipts: Vec<Receipt>,
    /// When it wants to be woken.
    pub wake_up: Option<u64>,
}

/// The next revisions of one list.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The list.
    pub name: ListName,
    /// The revision that this commit continues.
    pub after: u64,
    /// The revisions, numbered `after + 1` and on. May be empty when there are receipts.
    pub revisions: Vec<Arc<Revision>>,
    /// Receipts to keep with the list; at most [`MAX_RECEIPTS`].
    pub receipts: Vec<Receipt>,
    /// The list after the last of the revisions, so that a store can fold without replaying.
    pub state: Arc<List>,
    /// When the list wants to be woken from now on; `None` for never.
    pub wake_up: Option<u64>,
}

impl Commit {
    /// Says what makes this no commit: revisions that do not follow each other, or too many of
    /// them, or a state that is not the one they lead to.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`], for it is the caller's mistake and nothing a caller can react to.
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
            _ if self.receipts.len() > MAX_RECEIPTS => {
                format!("it has {} receipts, the limit is {MAX_RECEIPTS}", self.receipts.len())
            }
            _ if !numbered => format!("its revisions do not go on from {}", self.after),
            _ if self.state.revision() != end => {
                format!("its revisions lead to {end}, its state is at {}", self.state.revision())
            }
            _ => return Ok(()),
        };
        Err(StoreError::Failed { what: format!("take a commit for list {:?}", self.name.as_str()), why })
    }
}

/// A line about a list.
#[derive(Clone, PartialEq, Debug)]
pub struct Summary {
    /// Its name.
    pub name: ListName,
    /// The logic that keeps it.
    pub logic: LogicName,
    /// Its last revision.
    pub revision: u64,
    /// How many entries it has.
    pub entries: usize,
    /// How many of them are not completed.
    pub open: usize,
}

/// A list that wants to be woken. The earliest comes first, and of one moment, the first by name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WakeUp {
    /// When: milliseconds since the epoch.
    pub at: u64,
    /// Which one.
    pub name: ListName,
}

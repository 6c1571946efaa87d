//! What a simulation changes inside the host: the places where threads may meet, and defects for it to find.
//!
//! A simulation runs all tasks on one thread, which another task can interrupt only where a task waits. [`interleave`]
//! marks places where two threads of a server may meet although no task waits. A [`Defect`] is a fault that the
//! host does not have. A test switches it on to show that the simulation would find it. A simulated disk sees what SQLite
//! writes, and [`synced`] shows it the files that the store writes and synchronizes without SQLite. All of this exists
//! under the feature `failpoints` only: in the shipped program there are no defects, and the places are empty.

#[cfg(feature = "failpoints")]
use std::cell::{Cell, RefCell};
use std::path::Path;

/// A fault that a test puts into the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defect {
    /// A batch is visible to readers before the store has it.
    PublishBeforeCommit,
    /// Subscribers get the events of a batch before the store has it.
    EventsBeforeDurability,
    /// A stopped actor takes messages.
    PostToStopped,
    /// The cache drops the actor of a name where it should drop one certain actor.
    ForgetAnyActor,
    /// An actor is passivated while its task runs.
    PassivateWhileBusy,
    /// A list is loaded without its receipts.
    ReceiptsNotLoaded,
    /// A store that is too busy for a commit ends the actor, as a failed commit does.
    OverloadIsFailure,
    /// The changes of a wake-up are committed without the next wake-up time.
    WakeUpNotRescheduled,
}

impl Defect {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::PublishBeforeCommit,
        Self::EventsBeforeDurability,
        Self::PostToStopped,
        Self::ForgetAnyActor,
        Self::PassivateWhileBusy,
        Self::ReceiptsNotLoaded,
        Self::OverloadIsFailure,
        Self::WakeUpNotRescheduled,
    ];
}

#[cfg(feature = "failpoints")]
type Chooser = Box<dyn FnMut() -> bool>;

#[cfg(feature = "failpoints")]
type SyncObserver = Box<dyn FnMut(&Path)>;

#[cfg(feature = "failpoints")]
thread_local! {
    static DEFECT: Cell<Option<Defect>> = const { Cell::new(None) };
    static CHOOSER: RefCell<Option<Chooser>> = const { RefCell::new(None) };
    static SYNC_OBSERVER: RefCell<Option<SyncObserver>> = const { RefCell::new(None) };
}

/// A simulation on this thread, until it is dropped.
#[cfg(feature = "failpoints")]
#[derive(Debug)]
pub struct Simulated(());

/// Simulates on this thread: `yields` says at each place whether another task goes first. At most one defect is on.
#[cfg(feature = "failpoints")]
pub fn begin(defect: Option<Defect>, yields: impl FnMut() -> bool + 'static) -> Simulated {
    DEFECT.set(defect);
    CHOOSER.set(Some(Box::new(yields)));
    Simulated(())
}

#[cfg(feature = "failpoints")]
impl Drop for Simulated {
    fn drop(&mut self) {
        DEFECT.set(None);
        CHOOSER.set(None);
    }
}

/// Whether a defect is switched on.
#[cfg(feature = "failpoints")]
pub(crate) fn has(defect: Defect) -> bool {
    DEFECT.get() == Some(defect)
}

/// This program has no defects that a test switches on.
#[cfg(not(feature = "failpoints"))]
pub(crate) const fn has(_defect: Defect) -> bool {
    false
}

/// Lets a simulation run other tasks here, as other threads of a server may.
#[cfg(feature = "failpoints")]
pub(crate) async fn interleave() {
    while CHOOSER.with_borrow_mut(|chooser| chooser.as_mut().is_some_and(|yields| yields())) {
        tokio::task::yield_now().await;
    }
}

/// Does nothing: this program is not simulated.
#[cfg(not(feature = "failpoints"))]
pub(crate) async fn interleave() {}

/// Observes on this thread which files the store writes and synchronizes without SQLite, from now on.
#[cfg(feature = "failpoints")]
pub fn observe_syncs(observer: impl FnMut(&Path) + 'static) {
    SYNC_OBSERVER.set(Some(Box::new(observer)));
}

/// Tells a simulated disk that a file was written, and synchronized with the disk, without SQLite.
#[cfg(feature = "failpoints")]
pub(crate) fn synced(path: &Path) {
    SYNC_OBSERVER.with_borrow_mut(|observer| observer.iter_mut().for_each(|observer| observer(path)));
}

/// Does nothing: this program is not simulated.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn synced(_path: &Path) {}

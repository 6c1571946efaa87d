//! The actor of one list: the handle that callers hold, and the loop that drains its mailbox.
//!
//! An actor is the `Todo.Server` of *Elixir in Action*, with one difference: an idle actor is not a parked process.
//! It is a mailbox and a flag. The first message into an empty mailbox starts a task, which ends when the
//! mailbox is empty again.
//!
//! | Part | Contents |
//! | --- | --- |
//! | `request`, `message`, `error` | what callers send and receive |
//! | `mailbox` | messages that wait, and whether a task drains them |
//! | `batch` | the commands that are decided together, with all that they lead to |
//! | `receipts` | the receipts of the list, and the room for those of a batch |
//! | `precheck`, `resolve`, `decide`, `ask`, `slow` | how a command gets its decision |
//! | `commit`, `durable`, `live`, `list_memory` | how a batch becomes durable and visible, and what that takes in memory |

mod ask;
mod batch;
mod commit;
mod decide;
pub mod decision_log;
mod durable;
mod environment;
mod error;
mod list_changes;
mod list_memory;
mod live;
mod mailbox;
mod message;
mod precheck;
mod receipts;
mod request;
mod resolve;
mod slow;

pub use batch::WAKE_UP_RETRY;
pub use durable::MAX_EVENTS_BEHIND;
pub use environment::Environment;
pub use error::CallError;
pub use list_changes::{ListChange, ListChanges, ListWatch, MAX_RECENT_LISTS};
pub use list_memory::ListMemory;
pub use live::{LiveRevision, LiveRoom};
pub use request::{CommandSource, Effect, Expect, InvalidInput, Prepare, Reply, Request, RequestRoom};

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::{broadcast, oneshot};

use crate::list::List;
use crate::list::id::LogicId;
use crate::list::name::ListName;
use crate::logic::KeptInstance;
use crate::store::{MAX_COMMIT_REVISIONS, PageLimit, StoreError};
use batch::{Batch, PendingCommand};
use commit::{Committed, commit};
use decide::BatchDecider;
use durable::DurableState;
use mailbox::{Mailbox, Phase, Posted};
use message::{Message, ReplySender};

/// How many times the commands of a batch are decided again because the list in the store was another one. There
/// is one writer of a list, so more than one conflict is a fault of the server.
const MAX_CONFLICTS: usize = 2;

/// The last revision without its changes.
const ONE_OUTLINE: PageLimit = PageLimit { items: 1, bytes: 0 };

/// The actor of one list. The cache ensures that at most one actor of a name is not stopped.
pub struct Actor {
    name: ListName,
    environment: Arc<Environment>,
    mailbox: Mailbox<Message>,
    durable: DurableState,
    /// The instance of an isolated version that the next batch goes on with. No other list uses it.
    kept: Mutex<Option<KeptInstance>>,
    /// When a caller last used the actor: milliseconds on the monotonic clock.
    last_used: AtomicU64,
}

/// The actor was stopped. The cache has another one, or makes it.
pub(crate) struct Stopped<T>(pub(crate) T);

impl Actor {
    pub(crate) fn new(name: ListName, environment: Arc<Environment>) -> Arc<Self> {
        Arc::new(Self {
            name,
            environment,
            mailbox: Mailbox::new(),
            durable: DurableState::new(),
            kept: Mutex::new(None),
            last_used: AtomicU64::new(0),
        })
    }

    /// Sends a command, and waits until it is carried out and durable, or refused. The actor carries the command
    /// out also when the caller stops waiting.
    pub(crate) async fn call(
        self: &Arc<Self>,
        request: Box<Request>,
    ) -> Result<Result<Reply, CallError>, Stopped<Box<Request>>> {
        let (sender, receiver) = ReplySender::channel();
        match self.post(Message::Command(request, sender)) {
            Posted::Waits | Posted::WaitsForTask => {
                Ok(receiver.await.unwrap_or_else(|_| Err(CallError::actor_ended())))
            }
            Posted::Full => Ok(Err(CallError::Overloaded { limit: self.environment.mailbox })),
            Posted::Stopped(Message::Command(request, _)) => Err(Stopped(request)),
            Posted::Stopped(Message::Read(_)) => unreachable!("a mailbox returns the message that it was given"),
        }
    }

    /// The last durable state. Waits only when the list is not in memory.
    pub(crate) async fn read(self: &Arc<Self>) -> Result<Result<Arc<List>, CallError>, Stopped<()>> {
        if let Some(list) = self.durable.list() {
            return Ok(Ok(list));
        }
        let (sender, receiver) = oneshot::channel();
        match self.post(Message::Read(sender)) {
            Posted::Waits | Posted::WaitsForTask => Ok(match receiver.await {
                Ok(loaded) => loaded,
                Err(_) => Err(CallError::Crashed),
            }),
            Posted::Full => Ok(Err(CallError::Overloaded { limit: self.environment.mailbox })),
            Posted::Stopped(_) => Err(Stopped(())),
        }
    }

    /// Live revisions from now on. An actor with a subscriber is not passivated.
    pub(crate) fn subscribe(&self) -> Result<broadcast::Receiver<LiveRevision>, Stopped<()>> {
        self.mailbox.unless_stopped(|| self.durable.subscribe()).ok_or(Stopped(()))
    }

    /// Notes that a caller uses the actor. `now` is a reading of the monotonic clock in milliseconds.
    pub(crate) fn touch(&self, now: u64) {
        self.last_used.store(now, Ordering::Relaxed);
    }

    /// When a caller last used the actor, on the monotonic clock in milliseconds.
    pub(crate) fn last_used(&self) -> u64 {
        self.last_used.load(Ordering::Relaxed)
    }

    /// Whether the actor has ended.
    pub(crate) fn is_stopped(&self) -> bool {
        self.mailbox.phase() == Phase::Stopped
    }

    /// Ends the actor if it has nothing to do and no subscriber. All it knows is durable, so nothing has to be
    /// written. A message that arrives later goes to the next actor. Returns whether the actor is stopped.
    pub(crate) fn passivate(&self) -> bool {
        self.stop_if_idle(|| !self.durable.has_subscribers())
    }

    /// Ends the actor if it has nothing to do, also if it has subscribers: they learn that the actor ended. Returns whether
    /// the actor is stopped.
    pub(crate) fn free(&self) -> bool {
        self.stop_if_idle(|| true)
    }

    fn stop_if_idle(&self, may_stop: impl FnOnce() -> bool) -> bool {
        let is_stopped = self.mailbox.stop_if_idle(may_stop);
        if is_stopped {
            self.kept.lock().take();
        }
        is_stopped
    }

    /// Whether [`Actor::passivate`] would end the actor now.
    pub(crate) fn is_passivatable(&self) -> bool {
        self.is_idle() && !self.durable.has_subscribers()
    }

    /// Whether the actor has nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.mailbox.phase() != Phase::Scheduled
    }

    /// Whether the actor has a subscriber.
    pub(crate) fn has_subscribers(&self) -> bool {
        self.durable.has_subscribers()
    }

    /// About the bytes that the list takes in memory, or 0 if it is not in memory.
    pub(crate) fn memory(&self) -> usize {
        self.durable.list().map_or(0, |list| list.memory())
    }

    /// The version that the list is bound to. `None` if the list is not in memory, or no version decided about it yet.
    pub(crate) fn version(&self) -> Option<Arc<LogicId>> {
        self.durable.list()?.binding().map(|binding| binding.id.clone())
    }

    fn post(self: &Arc<Self>, message: Message) -> Posted<Message> {
        let posted = self.mailbox.post(message, self.environment.mailbox);
        if let Posted::WaitsForTask = posted {
            self.environment.executor.spawn(Box::pin(self.clone().drain()));
        }
        posted
    }

    /// Takes messages and deals with them until none waits.
    async fn drain(self: Arc<Self>) {
        let mut guard = StopOnPanic { actor: &self, is_armed: true };
        let mut taken = self.mailbox.take(MAX_COMMIT_REVISIONS);
        while let Some(messages) = taken {
            if let Err(error) = self.deal_with(messages).await {
                // The memory of the actor may differ from the store, so the next actor loads the list.
                self.log_failed_commit(&error);
                self.stop();
                break;
            }
            taken = self.mailbox.take(MAX_COMMIT_REVISIONS);
            if taken.is_some() {
                // A list with an endless stream of commands lets other lists have their turn.
                tokio::task::yield_now().await;
            }
        }
        guard.is_armed = false;
    }

    /// Deals with some messages. An error means that the actor cannot go on.
    async fn deal_with(&self, messages: Vec<Message>) -> Result<(), StoreError> {
        let list = match self.load().await {
            Ok(list) => list,
            Err(error) => {
                // The list was not touched, and the next batch tries again.
                messages.into_iter().for_each(|message| message.fail(&error));
                return Ok(());
            }
        };
        let mut pending = VecDeque::with_capacity(messages.len());
        for message in messages {
            match message {
                Message::Command(request, reply) => pending.push_back(PendingCommand::new(request, reply)),
                // A reader gets what is durable now, not what this batch is about to decide.
                Message::Read(reply) => drop(reply.send(Ok(list.clone()))),
            }
        }
        if pending.is_empty() { Ok(()) } else { self.carry_out(list, pending).await }
    }

    /// Decides commands and commits them. An error means that the actor cannot go on.
    async fn carry_out(&self, mut list: Arc<List>, mut pending: VecDeque<PendingCommand>) -> Result<(), StoreError> {
        let Self { name, environment, durable, kept, .. } = self;
        let mut conflicts = 0;
        loop {
            let last_time = match self.last_time(&list).await {
                Ok(time) => time,
                Err(error) => {
                    pending.into_iter().for_each(|command| command.fail(CallError::Store(error.clone())));
                    return Ok(());
                }
            };
            let room = environment.store.receipt_room();
            if pending.iter().any(PendingCommand::has_key) {
                room.advance(environment.clock.now());
            }
            let retained = durable.retained(room.horizon());
            let mut batch = Batch::new(pending, list, retained, last_time, room, &*environment.clock);
            BatchDecider { name, environment, kept, has_turn: false }.run(&mut batch).await;
            self.mailbox.put_back(batch.take_undecided());
            match commit(environment, name, durable, batch).await {
                Committed::Published | Committed::Refused => return Ok(()),
                Committed::Failed(error) => return Err(error),
                Committed::Conflict(replies, error) if conflicts == MAX_CONFLICTS => {
                    replies.fail(&CallError::Store(error.clone()));
                    return Err(error);
                }
                Committed::Conflict(replies, error) => {
                    conflicts += 1;
                    tracing::warn!(list = %name, %error, "list was changed by another writer; its commands are decided again");
                    durable.clear(&environment.list_memory);
                    pending = replies.into_pending();
                }
            }
            list = match self.load().await {
                Ok(list) => list,
                Err(error) => {
                    pending.into_iter().for_each(|command| command.fail(error.clone()));
                    return Ok(());
                }
            };
        }
    }

    /// The time of the list's last revision, from memory or from the history. Only commands need it, so a list that is
    /// only read costs no look into its history. A history that cannot be read is an error, because the next revision could
    /// get a time before that of the last one.
    async fn last_time(&self, list: &List) -> Result<u64, StoreError> {
        if let Some(time) = self.durable.last_time() {
            return Ok(time);
        }
        let time = match list.revision() {
            0 => 0,
            last => {
                let page = self.environment.store.history_page(&self.name, last - 1, ONE_OUTLINE).await?;
                // A history that was given up has no revision.
                page.revisions.last().map_or(0, |revision| revision.context().now)
            }
        };
        Ok(self.durable.set_last_time(time))
    }

    /// The durable list, from memory or from the store.
    async fn load(&self) -> Result<Arc<List>, CallError> {
        if let Some(list) = self.durable.list() {
            return Ok(list);
        }
        let Environment { store, clock, list_memory, .. } = &*self.environment;
        list_memory.check()?;
        // Expired receipts are not read.
        store.receipt_room().advance(clock.now());
        let stored = store.load(&self.name).await?;
        // Again, because the lists that were read meanwhile are counted only now.
        list_memory.check()?;
        Ok(self.durable.set_loaded(stored, list_memory))
    }

    /// A store that takes no more writes has logged why. Its lists add nothing to that but lines.
    fn log_failed_commit(&self, error: &StoreError) {
        const STOPS: &str = "actor stops after a failed commit; the next request loads the list again";
        match self.environment.store.health().is_healthy() {
            true => tracing::warn!(list = %self.name, %error, "{STOPS}"),
            false => tracing::debug!(list = %self.name, %error, "{STOPS}"),
        }
    }

    /// Ends the actor in whatever state it is.
    fn stop(&self) {
        self.mailbox.stop();
        self.durable.clear(&self.environment.list_memory);
        self.kept.lock().take();
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.durable.clear(&self.environment.list_memory);
    }
}

/// Stops the actor when its task ends in any other way than by an empty mailbox.
struct StopOnPanic<'a> {
    actor: &'a Actor,
    is_armed: bool,
}

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if self.is_armed {
            tracing::error!(list = %self.actor.name, "actor crashed; the next request loads the list again");
            self.actor.stop();
        }
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actor").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_actor_is_small_enough_for_millions() {
        let reference_counts = 2 * size_of::<usize>();
        let place_in_the_map = size_of::<(ListName, Arc<Actor>)>();
        let idle = size_of::<Actor>() + reference_counts + place_in_the_map;
        assert!(idle <= 200, "{idle} bytes");
    }
}

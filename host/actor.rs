//! One list's actor: the handle that callers hold, above; the loop that drains its mailbox, below.
//!
//! The book's `Todo.Server`, with one difference: an idle actor is not a parked process. It is a
//! mailbox and a flag. The first letter into an empty mailbox schedules a task, which ends when
//! the mailbox is empty again.

mod batch;
mod choose;
pub mod decision_log;
mod error;
mod request;

pub use batch::WAKE_UP_RETRY;
pub use error::CallError;
pub use request::{CommandSource, Effect, Expect, InvalidInput, Prepare, Reply, Request};

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use tokio::sync::{broadcast, oneshot};
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::list::name::{ListName, LogicName};
use crate::list::revision::{Receipt, Revision};
use crate::list::{Limits, List};
use crate::rollout::{Digest, Registry};
use crate::store::{MAX_COMMIT_REVISIONS, Store, StoreError};

/// How many live events a slow subscriber may be behind before it has to catch up from the history.
pub const MAX_EVENTS_BEHIND: usize = 256;

/// What every actor of a server shares.
pub struct Environment {
    /// Where lists are kept.
    pub store: Arc<dyn Store>,
    /// Who decides.
    pub registry: Arc<Registry>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The tasks that drain mailboxes; waited for when the server stops.
    pub tasks: TaskTracker,
    /// How large a list may become.
    pub limits: Limits,
    /// How many letters a mailbox holds.
    pub mailbox: usize,
    /// The logic of lists that were not given another one.
    pub default_logic: LogicName,
}

/// Where an answer goes.
type Answer<T, E> = oneshot::Sender<Result<T, E>>;

/// What lies in a mailbox.
enum Message {
    Command(Box<Request>, Answer<Reply, CallError>),
    /// A reader who found no snapshot and wants the list loaded.
    Read(Answer<Arc<List>, StoreError>),
}

/// The actor of one list. There is at most one that is not stopped for any name: the cache sees
/// to that.
pub struct Actor {
    name: ListName,
    environment: Arc<Environment>,
    mailbox: Mutex<Mailbox>,
    /// The last durable state, for readers. Empty until the list was loaded.
    published: ArcSwapOption<List>,
    /// What only the draining task touches; locked so that the type system sees that.
    memory: Mutex<Option<Box<RetainedState>>>,
    /// There from the first subscription on.
    events: OnceLock<broadcast::Sender<Arc<Revision>>>,
    /// When somebody last asked for the actor: milliseconds since the epoch.
    last_used: AtomicU64,
}

struct Mailbox {
    phase: Phase,
    messages: Vec<Message>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing to do, and no task.
    Idle,
    /// A task is draining the mailbox, or about to.
    Scheduled,
    /// Ended: takes no letters, publishes nothing.
    Stopped,
}

/// What an actor remembers between two rounds besides the list; most remember nothing.
#[derive(Clone, Default)]
struct RetainedState {
    receipts: Vec<Receipt>,
    wake_up: Option<u64>,
    /// The version that could not take the list over; asked again when the list is loaded anew.
    migration_failed: Option<Digest>,
}

/// The actor was stopped; the cache has, or makes, another one.
pub(crate) struct Stopped<T>(pub(crate) T);

impl Actor {
    pub(crate) fn new(name: ListName, environment: Arc<Environment>) -> Arc<Self> {
        Arc::new(Self {
            name,
            environment,
            mailbox: Mutex::new(Mailbox { phase: Phase::Idle, messages: Vec::new() }),
            published: ArcSwapOption::empty(),
            memory: Mutex::new(None),
            events: OnceLock::new(),
            last_used: AtomicU64::new(0),
        })
    }

    /// Sends a command and waits until it is carried out and durable, or refused. The command is
    /// carried out also when the caller stops waiting.
    pub(crate) async fn call(
        self: &Arc<Self>,
        request: Box<Request>,
    ) -> Result<Result<Reply, CallError>, Stopped<Box<Request>>> {
        let (answer, answered) = oneshot::channel();
        match self.post(Message::Command(request, answer)) {
            Ok(true) => Ok(answered.await.unwrap_or(Err(CallError::Crashed))),
            Ok(false) => Ok(Err(CallError::Overloaded { limit: self.environment.mailbox })),
            Err(Message::Command(request, _)) => Err(Stopped(request)),
            Err(Message::Read(_)) => unreachable!("a mailbox gives back the letter it was given"),
        }
    }

    /// The last durable state. Waits only when the list is not in memory.
    pub(crate) async fn read(self: &Arc<Self>) -> Result<Result<Arc<List>, CallError>, Stopped<()>> {
        if let Some(list) = self.published.load_full() {
            return Ok(Ok(list));
        }
        let (answer, answered) = oneshot::channel();
        match self.post(Message::Read(answer)) {
            Ok(true) => Ok(match answered.await {
                Ok(answer) => answer.map_err(CallError::Store),
                Err(_) => Err(CallError::Crashed),
            }),
            Ok(false) => Ok(Err(CallError::Overloaded { limit: self.environment.mailbox })),
            Err(_) => Err(Stopped(())),
        }
    }

    /// Live revisions from now on. As long as somebody listens, the actor is not passivated.
    pub(crate) fn subscribe(&self) -> Result<broadcast::Receiver<Arc<Revision>>, Stopped<()>> {
        let mailbox = self.mailbox.lock();
        if mailbox.phase == Phase::Stopped {
            return Err(Stopped(()));
        }
        Ok(self.events.get_or_init(|| broadcast::channel(MAX_EVENTS_BEHIND).0).subscribe())
    }

    /// Notes that somebody asked for the actor.
    pub(crate) fn touch(&self, now: u64) {
        self.last_used.store(now, Ordering::Relaxed);
    }

    /// When somebody last asked for the actor.
    pub(crate) fn last_used(&self) -> u64 {
        self.last_used.load(Ordering::Relaxed)
    }

    /// Whether the actor has ended.
    pub(crate) fn is_stopped(&self) -> bool {
        self.mailbox.lock().phase == Phase::Stopped
    }

    /// Ends the actor if it has nothing to do and nobody listens. All it knows is durable, so
    /// nothing has to be written; a letter that arrives later goes to the next actor.
    pub(crate) fn passivate(&self) -> bool {
        let mut mailbox = self.mailbox.lock();
        if mailbox.phase == Phase::Idle && !self.is_listened_to() {
            mailbox.phase = Phase::Stopped;
        }
        mailbox.phase == Phase::Stopped
    }

    /// Whether [`Actor::passivate`] would end the actor now.
    pub(crate) fn may_go(&self) -> bool {
        self.mailbox.lock().phase != Phase::Scheduled && !self.is_listened_to()
    }

    fn is_listened_to(&self) -> bool {
        self.events.get().is_some_and(|events| events.receiver_count() > 0)
    }

    /// Puts a letter into the mailbox. `Ok(false)`: the mailbox is full. `Err`: the actor stopped,
    /// here is the letter back.
    fn post(self: &Arc<Self>, message: Message) -> Result<bool, Message> {
        let mut mailbox = self.mailbox.lock();
        if mailbox.phase == Phase::Stopped {
            return Err(message);
        }
        if mailbox.messages.len() >= self.environment.mailbox {
            return Ok(false);
        }
        mailbox.messages.push(message);
        if mailbox.phase == Phase::Idle {
            mailbox.phase = Phase::Scheduled;
            drop(mailbox);
            self.environment.tasks.spawn(self.clone().drain());
        }
        Ok(true)
    }

    /// The loop: takes what waits, deals with it, until nothing waits.
    async fn drain(self: Arc<Self>) {
        let mut guard = StopOnPanic { actor: &self, armed: true };
        let mut pending = self.take();
        while let Some(messages) = pending {
            if let Err(error) = self.batch(messages).await {
                // Let it crash: nobody knows what the store has now, so the next actor asks it.
                tracing::warn!(list = %self.name, %error, "actor stops; the list is loaded anew at the next request");
                self.stop();
                break;
            }
            pending = self.take();
            if pending.is_some() {
                // A list with a never-ending stream of commands lets the others have their turn.
                tokio::task::yield_now().await;
            }
        }
        guard.armed = false;
    }

    /// The letters to deal with next, at most one commit's worth; when there are none, the actor is
    /// idle from that moment on.
    fn take(&self) -> Option<Vec<Message>> {
        let mut mailbox = self.mailbox.lock();
        if mailbox.phase == Phase::Stopped {
            return None;
        }
        if mailbox.messages.is_empty() {
            mailbox.phase = Phase::Idle;
            return None;
        }
        if mailbox.messages.len() <= MAX_COMMIT_REVISIONS {
            return Some(std::mem::take(&mut mailbox.messages));
        }
        let rest = mailbox.messages.split_off(MAX_COMMIT_REVISIONS);
        Some(std::mem::replace(&mut mailbox.messages, rest))
    }

    /// Puts letters that did not fit into a round back, before those that came since.
    fn put_back(&self, mut messages: Vec<Message>) {
        if messages.is_empty() {
            return;
        }
        let mut mailbox = self.mailbox.lock();
        messages.append(&mut mailbox.messages);
        mailbox.messages = messages;
    }

    /// Ends the actor, whatever waits: the senders of those letters learn it by the dropped answer.
    fn stop(&self) {
        let abandoned = {
            let mut mailbox = self.mailbox.lock();
            mailbox.phase = Phase::Stopped;
            std::mem::take(&mut mailbox.messages)
        };
        self.published.store(None);
        drop(abandoned);
    }
}

/// Stops the actor when its task ends in any other way than by an empty mailbox.
struct StopOnPanic<'a> {
    actor: &'a Actor,
    armed: bool,
}

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if self.armed {
            tracing::error!(list = %self.actor.name, "actor crashed; the list is loaded anew at the next request");
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

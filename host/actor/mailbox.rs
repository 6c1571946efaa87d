//! The mailbox of an actor: the messages that wait, and whether a task drains them.

use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::oneshot;

use super::error::CallError;
use super::request::{Reply, Request};
use crate::list::List;
use crate::store::{MAX_COMMIT_REVISIONS, StoreError};

/// A message to an actor.
pub(super) enum Message {
    /// Carry out a command.
    Command(Box<Request>, ReplySender),
    /// Load the list. Sent by a reader that found no published snapshot.
    Read(oneshot::Sender<Result<Arc<List>, StoreError>>),
}

/// Sends the reply to a command, exactly once. A command that is dropped without a reply is answered with an
/// error, which depends on whether its batch was handed to the store.
pub(super) struct ReplySender {
    sender: Option<oneshot::Sender<Result<Reply, CallError>>>,
    handed_to_store: bool,
}

/// The messages of an actor that wait, and what the actor does about them.
pub(super) struct Mailbox(Mutex<Contents>);

struct Contents {
    phase: Phase,
    messages: Vec<Message>,
}

/// What an actor does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// The mailbox is empty, and no task exists.
    Idle,
    /// A task drains the mailbox, or is about to start.
    Scheduled,
    /// The actor ended. It takes no messages and publishes nothing.
    Stopped,
}

/// What became of a message that was sent to a mailbox.
pub(super) enum Posted {
    /// A task that drains the mailbox will take the message.
    Waits,
    /// As [`Posted::Waits`], but the sender has to start that task.
    WaitsForTask,
    /// The mailbox holds as many messages as it may.
    Full,
    /// The actor is stopped. The message goes to its successor.
    Stopped(Message),
}

impl Mailbox {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Contents { phase: Phase::Idle, messages: Vec::new() }))
    }

    /// Adds a message behind at most `limit - 1` others.
    pub(super) fn post(&self, message: Message, limit: usize) -> Posted {
        let mut contents = self.0.lock();
        match contents.phase {
            Phase::Stopped => return Posted::Stopped(message),
            _ if contents.messages.len() >= limit => return Posted::Full,
            _ => contents.messages.push(message),
        }
        match std::mem::replace(&mut contents.phase, Phase::Scheduled) {
            Phase::Idle => Posted::WaitsForTask,
            _ => Posted::Waits,
        }
    }

    /// Takes the messages of the next batch: at most as many as one commit carries. When no message waits, the
    /// actor is idle from this moment on.
    pub(super) fn take(&self) -> Option<Vec<Message>> {
        let mut contents = self.0.lock();
        if contents.phase == Phase::Stopped {
            return None;
        }
        if contents.messages.is_empty() {
            contents.phase = Phase::Idle;
            return None;
        }
        if contents.messages.len() <= MAX_COMMIT_REVISIONS {
            return Some(std::mem::take(&mut contents.messages));
        }
        let later = contents.messages.split_off(MAX_COMMIT_REVISIONS);
        Some(std::mem::replace(&mut contents.messages, later))
    }

    /// Puts messages that a batch did not decide back, before those that arrived since.
    pub(super) fn put_back(&self, mut messages: Vec<Message>) {
        if messages.is_empty() {
            return;
        }
        let mut contents = self.0.lock();
        if contents.phase == Phase::Stopped {
            return;
        }
        messages.append(&mut contents.messages);
        contents.messages = messages;
    }

    /// Ends the actor. The messages that wait are dropped, which answers them with [`CallError::Crashed`].
    pub(super) fn stop(&self) {
        let abandoned = {
            let mut contents = self.0.lock();
            contents.phase = Phase::Stopped;
            std::mem::take(&mut contents.messages)
        };
        // A dropped message wakes its sender, which needs no lock to be held.
        drop(abandoned);
    }

    /// Ends the actor if it is idle and `may_stop` agrees. Answers whether the actor is stopped.
    pub(super) fn stop_if_idle(&self, may_stop: impl FnOnce() -> bool) -> bool {
        let mut contents = self.0.lock();
        if contents.phase == Phase::Idle && may_stop() {
            contents.phase = Phase::Stopped;
        }
        contents.phase == Phase::Stopped
    }

    /// Runs `action` unless the actor is stopped. The actor is not stopped meanwhile.
    pub(super) fn unless_stopped<T>(&self, action: impl FnOnce() -> T) -> Option<T> {
        let contents = self.0.lock();
        (contents.phase != Phase::Stopped).then(action)
    }

    pub(super) fn phase(&self) -> Phase {
        self.0.lock().phase
    }
}

impl Message {
    /// Answers a message whose list could not be loaded.
    pub(super) fn fail(self, error: &StoreError) {
        match self {
            Self::Command(_, reply) => reply.send(Err(CallError::Store(error.clone()))),
            Self::Read(reply) => drop(reply.send(Err(error.clone()))),
        }
    }
}

impl ReplySender {
    /// A sender, and the receiver of its reply.
    pub(super) fn channel() -> (Self, oneshot::Receiver<Result<Reply, CallError>>) {
        let (sender, receiver) = oneshot::channel();
        (Self { sender: Some(sender), handed_to_store: false }, receiver)
    }

    /// Sends the reply. A caller that stopped waiting does not get it.
    pub(super) fn send(mut self, reply: Result<Reply, CallError>) {
        if let Some(sender) = self.sender.take() {
            let _ = sender.send(reply);
        }
    }

    /// Notes that the command's batch is with the store, so that without an answer its outcome is unknown.
    pub(super) fn hand_to_store(&mut self) {
        self.handed_to_store = true;
    }

    /// Notes that the store certainly did not carry out the command's batch.
    pub(super) fn take_back(&mut self) {
        self.handed_to_store = false;
    }
}

impl Drop for ReplySender {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            let error = if self.handed_to_store { CallError::actor_ended() } else { CallError::Crashed };
            let _ = sender.send(Err(error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::request::Expect;
    use crate::list::command::Command;

    fn command() -> (Message, oneshot::Receiver<Result<Reply, CallError>>) {
        let (reply, receiver) = ReplySender::channel();
        let request = Request {
            command: Command::Clear.into(),
            caller: "alice".into(),
            expect: Expect::Anything,
            idempotency: None,
        };
        (Message::Command(Box::new(request), reply), receiver)
    }

    #[test]
    fn a_command_in_the_mailbox_of_a_stopped_actor_was_certainly_not_carried_out() {
        let mailbox = Mailbox::new();
        let (message, mut reply) = command();
        assert!(matches!(mailbox.post(message, 8), Posted::WaitsForTask));
        mailbox.stop();
        assert_eq!(reply.try_recv().unwrap().unwrap_err(), CallError::Crashed);
    }

    #[test]
    fn a_command_that_is_dropped_while_the_store_has_it_has_an_unknown_outcome() {
        let (Message::Command(_, mut sender), mut reply) = command() else { unreachable!("it is a command") };
        sender.hand_to_store();
        drop(sender);
        assert!(matches!(reply.try_recv().unwrap().unwrap_err(), CallError::Unknown { .. }));
        let (Message::Command(_, mut sender), mut reply) = command() else { unreachable!("it is a command") };
        sender.hand_to_store();
        sender.take_back();
        drop(sender);
        assert_eq!(reply.try_recv().unwrap().unwrap_err(), CallError::Crashed);
    }

    #[test]
    fn messages_that_are_put_back_come_before_those_that_arrived_since() {
        let mailbox = Mailbox::new();
        let (first, _first) = command();
        mailbox.post(first, 8);
        let taken = mailbox.take().unwrap();
        let (read, _read) = oneshot::channel();
        mailbox.post(Message::Read(read), 8);
        mailbox.put_back(taken);
        let kinds: Vec<_> = mailbox.take().unwrap().iter().map(|m| matches!(m, Message::Command(..))).collect();
        assert_eq!(kinds, [true, false]);
    }
}

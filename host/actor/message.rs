//! The messages of an actor, and the replies to them.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::error::CallError;
use super::request::{Reply, Request};
use crate::list::List;

/// A message to an actor.
pub(super) enum Message {
    /// Carry out a command.
    Command(Box<Request>, ReplySender),
    /// Load the list. Sent by a reader that found no published snapshot.
    Read(oneshot::Sender<Result<Arc<List>, CallError>>),
}

/// Sends the reply to a command, exactly once. A command that is dropped gets an error as its
/// reply, which depends on whether its batch was handed to the store.
pub(super) struct ReplySender {
    sender: Option<oneshot::Sender<Result<Reply, CallError>>>,
    handed_to_store: bool,
}

impl Message {
    /// Replies to a message whose list could not be loaded.
    pub(super) fn fail(self, error: &CallError) {
        match self {
            Self::Command(_, reply) => reply.send(Err(error.clone())),
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

    /// Notes that the command's batch is with the store, so that without a reply its outcome is unknown.
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
    use crate::actor::mailbox::{Mailbox, Posted};
    use crate::list::command::Command;

    fn command() -> (Message, oneshot::Receiver<Result<Reply, CallError>>) {
        let (reply, receiver) = ReplySender::channel();
        let request = Request::new(Command::Clear, "alice");
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
}

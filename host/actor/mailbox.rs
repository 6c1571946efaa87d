//! The mailbox of an actor: the messages that wait, and whether a task drains them.
//!
//! This file knows no message, no task and no channel, so that a test runs it under every order of its threads.

use parking_lot::Mutex;

use crate::simulation::{Defect, has};

/// The messages of an actor that wait, and what the actor does about them.
pub(super) struct Mailbox<M>(Mutex<Contents<M>>);

struct Contents<M> {
    phase: Phase,
    messages: Vec<M>,
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
pub(super) enum Posted<M> {
    /// A task that drains the mailbox will take the message.
    Waits,
    /// As [`Posted::Waits`], but the sender has to start that task.
    WaitsForTask,
    /// The mailbox holds as many messages as it may.
    Full,
    /// The actor is stopped. The message goes to its successor.
    Stopped(M),
}

impl<M> Mailbox<M> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Contents { phase: Phase::Idle, messages: Vec::new() }))
    }

    /// Adds a message behind at most `limit - 1` others.
    pub(super) fn post(&self, message: M, limit: usize) -> Posted<M> {
        let mut contents = self.0.lock();
        match contents.phase {
            Phase::Stopped if !has(Defect::PostToStopped) => return Posted::Stopped(message),
            _ if contents.messages.len() >= limit => return Posted::Full,
            _ => contents.messages.push(message),
        }
        match std::mem::replace(&mut contents.phase, Phase::Scheduled) {
            Phase::Idle => Posted::WaitsForTask,
            _ => Posted::Waits,
        }
    }

    /// Takes the messages of the next batch, at most `limit`. When no message waits, the actor is idle from this moment
    /// on.
    pub(super) fn take(&self, limit: usize) -> Option<Vec<M>> {
        let mut contents = self.0.lock();
        if contents.phase == Phase::Stopped {
            return None;
        }
        if contents.messages.is_empty() {
            contents.phase = Phase::Idle;
            return None;
        }
        if contents.messages.len() <= limit {
            return Some(std::mem::take(&mut contents.messages));
        }
        let later = contents.messages.split_off(limit);
        Some(std::mem::replace(&mut contents.messages, later))
    }

    /// Puts messages that a batch did not decide back, before those that arrived since.
    pub(super) fn put_back(&self, mut messages: Vec<M>) {
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

    /// Ends the actor. The messages that wait are dropped, and each gets an error as its reply.
    pub(super) fn stop(&self) {
        let abandoned = {
            let mut contents = self.0.lock();
            contents.phase = Phase::Stopped;
            std::mem::take(&mut contents.messages)
        };
        // A dropped message wakes its sender, which needs no lock to be held.
        drop(abandoned);
    }

    /// Ends the actor if it is idle and `may_stop` agrees. Returns whether the actor is stopped.
    pub(super) fn stop_if_idle(&self, may_stop: impl FnOnce() -> bool) -> bool {
        let mut contents = self.0.lock();
        if (contents.phase == Phase::Idle || has(Defect::PassivateWhileBusy)) && may_stop() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_are_put_back_come_before_those_that_arrived_since() {
        let mailbox = Mailbox::new();
        mailbox.post("first", 8);
        let taken = mailbox.take(8).unwrap();
        mailbox.post("second", 8);
        mailbox.put_back(taken);
        assert_eq!(mailbox.take(8).unwrap(), ["first", "second"]);
    }

    #[test]
    fn a_batch_has_a_limit_and_leaves_the_others_in_their_order() {
        let mailbox = Mailbox::new();
        for message in 1..=3 {
            mailbox.post(message, 8);
        }
        assert_eq!(mailbox.take(2).unwrap(), [1, 2]);
        assert_eq!(mailbox.take(2).unwrap(), [3]);
        assert!(mailbox.take(2).is_none());
    }
}

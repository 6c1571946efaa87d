//! The hand-off of an actor's mailbox under every order of its threads.
//!
//! Each method of the mailbox holds its lock from beginning to end, so threads can differ only in the order of whole
//! calls. This test makes the calls in every order that there is. A model checker for locks and atomics would find the
//! same orders, and the mailbox has no atomics.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::BTreeSet;

#[path = "../host/actor/mailbox.rs"]
#[allow(dead_code, reason = "a subscription is no hand-off")]
mod mailbox;

/// What the mailbox names of the host.
mod simulation {
    use std::cell::Cell;

    pub(crate) use hotlist::simulation::Defect;

    thread_local! {
        pub(crate) static DEFECT: Cell<Option<Defect>> = const { Cell::new(None) };
    }

    pub(crate) fn has(defect: Defect) -> bool {
        DEFECT.get() == Some(defect)
    }
}

use mailbox::{Mailbox, Phase, Posted};
use simulation::{DEFECT, Defect};

/// How many messages the mailbox holds. One more is sent.
const ROOM: usize = 2;

/// How many messages a task takes at a time.
const TAKEN: usize = 2;

/// What a thread does next.
enum Thread {
    /// Sends these messages, one after the other.
    Sender(Vec<u32>),
    /// Takes messages. `true` for the first time, when it puts all but one back.
    Task(bool),
    /// Deals with messages that it took, and takes others.
    Busy(Vec<u32>),
    /// Deals with messages, and ends the actor as after a failed commit.
    Failing,
    /// Passivates the actor if it is idle.
    Sweeper,
}

/// One run. `choices` says which thread goes next, and grows where it ends. Returns how many threads there were to
/// choose from at each step, and the broken promise if there is one.
fn run(choices: &mut Vec<usize>, fails: bool) -> (Vec<usize>, Option<String>) {
    let mailbox = Mailbox::new();
    let mut threads = vec![Thread::Sender(vec![1, 2]), Thread::Sender(vec![3]), Thread::Sweeper, Thread::Sweeper];
    if fails {
        threads.push(Thread::Failing);
    }
    let (mut accepted, mut done, mut refused) = (BTreeSet::new(), Vec::new(), 0);
    let (mut widths, mut was_stopped) = (Vec::new(), false);
    while !threads.is_empty() {
        let step = widths.len();
        if step == choices.len() {
            choices.push(0);
        }
        widths.push(threads.len());
        match threads.remove(choices[step]) {
            Thread::Sender(mut messages) => {
                let message = messages.remove(0);
                match mailbox.post(message, ROOM) {
                    Posted::Waits => drop(accepted.insert(message)),
                    Posted::WaitsForTask => {
                        accepted.insert(message);
                        threads.push(Thread::Task(true));
                    }
                    Posted::Full | Posted::Stopped(_) => refused += 1,
                }
                if !messages.is_empty() {
                    threads.push(Thread::Sender(messages));
                }
            }
            Thread::Task(is_first) => {
                if let Some(mut messages) = mailbox.take(TAKEN) {
                    if is_first && messages.len() > 1 {
                        mailbox.put_back(messages.split_off(1));
                    }
                    threads.push(Thread::Busy(messages));
                }
            }
            Thread::Busy(messages) => {
                done.extend(messages);
                threads.push(Thread::Task(false));
            }
            Thread::Failing => {
                mailbox.stop();
                was_stopped = true;
            }
            Thread::Sweeper => {
                let is_busy = threads.iter().any(|thread| matches!(thread, Thread::Task(_) | Thread::Busy(_)));
                if mailbox.stop_if_idle(|| true) && is_busy && !was_stopped {
                    return (widths, Some("a busy actor was passivated".into()));
                }
            }
        }
        let tasks = threads.iter().filter(|thread| matches!(thread, Thread::Task(_) | Thread::Busy(_))).count();
        if tasks > 1 {
            return (widths, Some(format!("{tasks} tasks drain one mailbox")));
        }
    }
    (widths, broken(&mailbox, &accepted, &done, refused, was_stopped))
}

/// Which promise is broken when all threads are at their end.
fn broken(
    mailbox: &Mailbox<u32>,
    accepted: &BTreeSet<u32>,
    done: &[u32],
    refused: usize,
    was_stopped: bool,
) -> Option<String> {
    let unique: BTreeSet<_> = done.iter().copied().collect();
    if unique.len() != done.len() {
        return Some(format!("a message was taken twice: {done:?}"));
    }
    // A failed commit answers the messages that wait with an error. Otherwise each one is taken.
    if !was_stopped && unique != *accepted {
        return Some(format!("{accepted:?} were accepted, and {done:?} were taken"));
    }
    if accepted.len() + refused != 3 {
        return Some("a message is neither accepted nor refused".into());
    }
    let place = |message| done.iter().position(|done| *done == message);
    if place(2).is_some_and(|second| place(1).is_some_and(|first| first > second)) {
        return Some(format!("the messages of one sender changed places: {done:?}"));
    }
    (mailbox.phase() == Phase::Scheduled).then(|| "the mailbox waits for a task that does not exist".into())
}

/// Runs every order. Returns how many there are, or the first broken promise with its order.
fn all_orders(fails: bool) -> Result<u64, String> {
    let (mut choices, mut orders) = (Vec::new(), 0);
    loop {
        let (widths, broken) = run(&mut choices, fails);
        if let Some(broken) = broken {
            return Err(format!("{broken}, in order {choices:?}"));
        }
        orders += 1;
        choices.truncate(widths.len());
        // The next order differs in the last step that has another choice.
        while let Some(last) = choices.pop() {
            if last + 1 < widths[choices.len()] {
                choices.push(last + 1);
                break;
            }
        }
        if choices.is_empty() {
            return Ok(orders);
        }
    }
}

#[test]
fn no_order_of_threads_loses_a_message_or_runs_two_tasks() {
    for fails in [false, true] {
        let orders = all_orders(fails).unwrap();
        assert!(orders > 1_000, "only {orders} orders");
    }
}

#[test]
fn some_order_of_threads_shows_a_stopped_actor_that_takes_messages() {
    DEFECT.set(Some(Defect::PostToStopped));
    let found = all_orders(true).unwrap_err();
    DEFECT.set(None);
    assert!(found.starts_with("the mailbox waits for a task that does not exist"), "{found}");
}

#[test]
fn some_order_of_threads_shows_a_busy_actor_that_is_passivated() {
    DEFECT.set(Some(Defect::PassivateWhileBusy));
    let found = all_orders(false).unwrap_err();
    DEFECT.set(None);
    assert!(found.starts_with("a busy actor was passivated"), "{found}");
}

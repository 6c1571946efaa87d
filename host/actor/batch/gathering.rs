//! What a round has decided so far: the list as it would be, and the answers that wait until it is so.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::{Answer, CallError, Effect, Reply, RetainedState};
use super::PendingCommand;
use crate::list::List;
use crate::list::command::{Command, Context};
use crate::list::date::Date;
use crate::list::name::LogicName;
use crate::list::revision::{CommandOutcome, Receipt, Revision};
use crate::logic::decide::Decided;
use crate::logic::{Fault, Refusal, Session};
use crate::rollout::{Digest, Version};
use crate::store::{MAX_COMMIT_REVISIONS, MAX_RECEIPTS};

/// How long a round decides before the other lists have their turn. What is left waits for the next.
const ROUND_TIME: Duration = Duration::from_millis(5);

/// How many changes a round gathers before it commits them. With the limits of an entry this bounds
/// what one list can put into one durable write.
const ROUND_CHANGES: usize = 10_000;

/// How many revisions a round makes at most before it commits them. A list that moves to another version
/// makes one more than it has commands, and a commit takes no more than this.
const ROUND_REVISIONS: usize = MAX_COMMIT_REVISIONS - 1;

/// The least time between two wake-ups of a list, in milliseconds: a logic that asks for a time
/// that is over gets the next possible one.
const WAKE_UP_PAUSE: u64 = 1_000;

/// After how many milliseconds a list is woken again whose waking failed, or changed nothing and left
/// the list asking for a time that is over: the next wake at once would do no better.
pub const WAKE_UP_RETRY: u64 = 60_000;

/// The circumstances that all commands of a round have in common.
#[derive(Clone, Copy)]
pub(in crate::actor) struct BatchClock {
    pub(in crate::actor) now: u64,
    pub(in crate::actor) today: Date,
    pub(in crate::actor) utc_offset: i32,
}

/// What a round has decided so far. Nobody outside the round sees any of it until it is durable.
pub(in crate::actor) struct Batch {
    pub(in crate::actor) list: Arc<List>,
    pub(in crate::actor) batch_clock: BatchClock,
    pub(in crate::actor) receipts: Vec<Receipt>,
    pub(super) wake_up: Option<u64>,
    /// The version that could not take the list over: the one that keeps it decides instead.
    pub(in crate::actor) migration_failed: Option<Digest>,
    /// A version that the next command needs, and that is not in memory.
    pub(super) missing: Option<(LogicName, Digest)>,
    pub(super) revisions: Vec<Arc<Revision>>,
    pub(super) answers: Vec<(Answer<Reply, CallError>, Result<Reply, CallError>)>,
    /// How many of `receipts` are new in this round: the last ones.
    pub(super) new_receipts: usize,
    /// Whether `wake_up` has to be made durable even if nothing else does.
    pub(super) rescheduled: bool,
    /// How many changes the revisions make.
    changes: usize,
    /// Whether the session failed, and cannot be asked again.
    pub(in crate::actor) session_over: bool,
    /// How a version failed when it was asked for the next wake-up.
    pub(in crate::actor) wake_up_fault: Option<Fault>,
    begun: Instant,
}

/// Whether a command itself says which logic or version is to keep the list.
pub(in crate::actor) fn is_a_move(command: &Command) -> bool {
    matches!(command, Command::Configure { logic: Some(_), .. } | Command::Configure { pin: Some(_), .. })
}

impl Batch {
    pub(super) fn new(list: Arc<List>, memory: RetainedState, batch_clock: BatchClock) -> Self {
        let RetainedState { receipts, wake_up, migration_failed } = memory;
        Self {
            list,
            receipts,
            wake_up,
            migration_failed,
            batch_clock,
            missing: None,
            revisions: Vec::new(),
            answers: Vec::new(),
            new_receipts: 0,
            rescheduled: false,
            changes: 0,
            session_over: false,
            wake_up_fault: None,
            begun: Instant::now(),
        }
    }

    /// Whether another command fits in. The first one always does.
    pub(super) fn has_room(&self) -> bool {
        let fits = self.changes < ROUND_CHANGES && self.revisions.len() < ROUND_REVISIONS;
        self.answers.is_empty() || (fits && self.begun.elapsed() < ROUND_TIME)
    }

    /// Puts an answer down, to be given when the round is durable.
    pub(in crate::actor) fn queue_reply(&mut self, answer: Answer<Reply, CallError>, reply: Result<Reply, CallError>) {
        self.answers.push((answer, reply));
    }

    /// Answers the next command with an error.
    pub(super) fn refuse_next(&mut self, pending: &mut VecDeque<PendingCommand>, why: CallError) {
        if let Some(next) = pending.pop_front() {
            if *next.request.command.outline() == Command::Wake {
                // Nobody can wake it now; it is tried again later, and not for ever.
                self.is_to_be_woken();
            }
            self.answers.push((next.answer, Err(why)));
        }
    }

    /// Whether a version has to take the list over before it decides a command.
    pub(super) fn has_to_move(&self, version: &Version, command: &Command) -> bool {
        self.list.binding().is_some_and(|now| now.needs_migration(version.logic.binding()))
            && self.migration_failed != Some(*version.digest())
            && !is_a_move(command)
            && !matches!(command, Command::DeleteList | Command::Undo { .. })
    }

    /// Whether the list's time has come: it may have been put off, or the list deleted, since the
    /// wake-up was sent. If it has, the next try is noted before anything can go wrong, so that a
    /// list which cannot be woken is not woken for ever.
    pub(super) fn is_to_be_woken(&mut self) -> bool {
        if !self.list.exists() {
            self.reschedule(None);
            return false;
        }
        let now = self.batch_clock.now;
        let due = self.wake_up.is_some_and(|at| at <= now);
        if due {
            self.reschedule(Some(now + WAKE_UP_RETRY));
        }
        due
    }

    /// Takes what was decided into the round.
    pub(in crate::actor) fn carry_out(
        &mut self,
        version: &Version,
        session: &mut dyn Session,
        command: Command,
        context: Context,
        decided: Decided,
    ) -> Reply {
        let logic = version.logic.id().clone();
        let created = decided.list.exists() && !self.list.exists();
        let next_id_before = self.list.next_id();
        let unchanged = decided.changes.is_empty();
        if decided.list.binding() != self.list.binding() {
            self.migration_failed = None;
        }
        self.list = decided.list.clone();
        if !unchanged || command == Command::Wake {
            let pause = if unchanged { WAKE_UP_RETRY } else { WAKE_UP_PAUSE };
            self.schedule(version, session, &context, pause);
        }
        let number = self.list.revision();
        if unchanged {
            return Reply { logic, revision: number, created, next_id_before, effect: Effect::Nothing };
        }
        let Decided { changes, inverse, .. } = decided;
        self.changes += changes.len();
        let logic_id = logic.clone();
        let revision = Revision { number, context, logic: logic_id, command, changes, inverse, next_id_before };
        let revision = Arc::new(revision);
        self.revisions.push(revision.clone());
        Reply { logic, revision: number, created, next_id_before, effect: Effect::Revised(revision) }
    }

    /// What a receipt says of a decision. Failures get none: they may go differently the next time.
    pub(in crate::actor) fn outcome(&self, decided: &Result<Decided, Refusal>) -> Option<CommandOutcome> {
        match decided {
            Ok(decided) => Some(CommandOutcome::Done {
                revision: decided.list.revision(),
                changes: decided.changes.clone(),
                created: decided.list.exists() && !self.list.exists(),
                next_id_before: self.list.next_id(),
            }),
            Err(Refusal::Rejected(rejection)) => Some(CommandOutcome::Rejected(rejection.clone())),
            Err(_) => None,
        }
    }

    /// Asks the logic when the list, as it is now, wants to be woken. A time that is over is put off by
    /// so many milliseconds.
    fn schedule(&mut self, version: &Version, session: &mut dyn Session, context: &Context, pause: u64) {
        if !version.logic.description().wakes || !self.list.exists() {
            return self.reschedule(None);
        }
        match session.next_wake_up(&self.list, context) {
            Ok(at) => {
                let now = context.now;
                self.reschedule(at.map(|at| if at <= now { now + pause } else { at.max(now + WAKE_UP_PAUSE) }));
            }
            // A logic that cannot say when is asked again.
            Err(fault) => {
                self.wake_up_fault = Some(fault);
                self.session_over = true;
                self.reschedule(Some(self.wake_up.unwrap_or(context.now + WAKE_UP_RETRY)));
            }
        }
    }

    fn reschedule(&mut self, wake_up: Option<u64>) {
        self.rescheduled |= self.wake_up != wake_up;
        self.wake_up = wake_up;
    }

    pub(in crate::actor) fn save(&mut self, receipt: Receipt) {
        if self.receipts.len() == MAX_RECEIPTS {
            self.receipts.remove(0);
        }
        self.receipts.push(receipt);
        self.new_receipts = (self.new_receipts + 1).min(MAX_RECEIPTS);
    }
}

//! A batch: commands that are decided one after the other, and committed as one.
//!
//! A batch owns all that its commands lead to: the working list, the revisions, the receipts, the wake-up time
//! and the replies. Nothing of it is visible outside before it is durable. It keeps its commands until the
//! outcome of the commit is known, so that they can be decided again on another state of the list.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::error::CallError;
use super::message::{Message, ReplySender};
use super::receipts::{HandedOver, ListReceipts, NewReceipts};
use super::request::{Effect, Reply, Request};
use crate::clock::Clock;
use crate::list::List;
use crate::list::command::{Command, Context};
use crate::list::date::Date;
use crate::list::id::LogicId;
use crate::list::name::ListName;
use crate::list::receipt::{CommandOutcome, Idempotency, Receipt, RetainedEffect};
use crate::list::revision::Revision;
use crate::logic::Refusal;
use crate::logic::decide::Decided;
use crate::rollout::Digest;
use crate::simulation::{Defect, has};
use crate::store::receipt_room::{NoReceiptRoom, ReceiptRoom};
use crate::store::{Commit, MAX_COMMIT_RECEIPTS, MAX_COMMIT_REVISIONS};

/// How long a batch decides before other lists have their turn. The remaining commands go to the next batch.
const BATCH_TIME: Duration = Duration::from_millis(5);

/// How many changes a batch collects before it is committed. With the limits of an entry this bounds the size of
/// one durable write, but for the last command: one command is one revision, however large.
const BATCH_CHANGES: usize = 10_000;

/// How many bytes of revisions a batch collects before it is committed. The last command may add a revision of any size.
const BATCH_BYTES: usize = 4 << 20;

/// The most migrations before one command. The command itself makes one revision more.
pub(super) const MAX_MIGRATIONS: usize = 3;

/// How many revisions a batch makes before it is committed. The last command may add [`MAX_MIGRATIONS`] and its
/// own, and a commit carries no more than [`MAX_COMMIT_REVISIONS`].
const BATCH_REVISIONS: usize = MAX_COMMIT_REVISIONS - MAX_MIGRATIONS;

/// The delay of a wake-up after a failed attempt, or after one that changed nothing while the logic still asks
/// for a time in the past. In milliseconds. An immediate attempt would end the same way.
pub const WAKE_UP_RETRY: u64 = 60_000;

/// What an actor remembers between two batches besides the list. Most actors remember nothing.
#[derive(Clone, Default)]
pub(super) struct RetainedState {
    /// The durable receipts of the list.
    pub(super) receipts: ListReceipts,
    /// When the list wants to be woken.
    pub(super) wake_up: Option<u64>,
    /// The version that could not migrate the list. It is asked again when the list is loaded again.
    pub(super) migration_failed: Option<MigrationFailed>,
}

/// A version that could not migrate a list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct MigrationFailed {
    version: Digest,
    /// Whether the version failed. Otherwise it rejected the migration.
    pub(super) is_fault: bool,
}

/// A command without a reply.
pub(super) struct PendingCommand {
    pub(super) request: Box<Request>,
    reply: ReplySender,
    /// How many times the list was migrated, or was to be migrated, before this command.
    pub(super) migrations: usize,
    /// Whether a version was quarantined because it failed at this command.
    pub(super) quarantined_a_version: bool,
}

/// The time of a batch. All its commands share it.
#[derive(Clone, Copy)]
struct BatchClock {
    /// The time of the wall clock. Timers count by it.
    now: u64,
    /// The time that revisions and receipts get: `now`, or that of the list's last revision if that is later.
    time: u64,
    today: Date,
    utc_offset: i32,
    /// When the batch began, on the monotonic clock.
    begun: Duration,
}

/// Commands with what they led to so far.
pub(super) struct Batch {
    clock: BatchClock,
    pending: VecDeque<PendingCommand>,
    /// The list as the commands decided so far leave it.
    list: Arc<List>,
    /// The retained state as the commands decided so far leave it.
    retained: RetainedState,
    /// The revision of the durable list.
    durable_revision: u64,
    /// The durable wake-up time.
    durable_wake_up: Option<u64>,
    revisions: Vec<Arc<Revision>>,
    replies: Vec<QueuedReply>,
    new_receipts: NewReceipts,
    /// How many changes the revisions make.
    changes: usize,
    /// The bytes of the revisions.
    bytes: usize,
}

/// What remains of a batch that is durable.
pub(super) struct Durable {
    pub(super) list: Arc<List>,
    pub(super) retained: RetainedState,
    /// The receipts that are not among the retained ones yet.
    pub(super) new_receipts: Vec<Arc<Receipt>>,
    pub(super) revisions: Vec<Arc<Revision>>,
    pub(super) replies: Replies,
}

/// The commands of a batch with the replies that wait for its commit.
pub(super) struct Replies(Vec<QueuedReply>);

/// A command with the reply that waits for the commit of its batch.
struct QueuedReply {
    pending: PendingCommand,
    reply: Result<Reply, CallError>,
    /// Whether the command met the durable list, and not one that commands of the same batch had changed.
    is_on_durable: bool,
}

impl PendingCommand {
    pub(super) fn new(request: Box<Request>, reply: ReplySender) -> Self {
        Self { request, reply, migrations: 0, quarantined_a_version: false }
    }

    /// Replies with an error.
    pub(super) fn fail(self, error: CallError) {
        self.reply.send(Err(error));
    }

    /// Moves the command to its revision. [`Replies::into_pending`] moves it back where the revision is not made.
    pub(super) fn take_command(&mut self) -> Command {
        self.request.command.take()
    }

    /// Whether the request has an idempotency key.
    pub(super) fn has_key(&self) -> bool {
        self.request.idempotency.is_some()
    }

    /// The client that sent the command. `None` for a wake-up, which the host sends.
    pub(super) fn client(&self) -> Option<&Arc<str>> {
        (!self.is_wake()).then_some(&self.request.client)
    }

    /// Whether the command is the host's own: the time that the list asked for has come.
    pub(super) fn is_wake(&self) -> bool {
        *self.request.command.outline() == Command::Wake
    }
}

impl BatchClock {
    /// Reads the clock. Times within one list's history do not decrease, also where the wall clock was set back.
    fn read(clock: &dyn Clock, not_before: u64) -> Self {
        let now = clock.now();
        let (today, utc_offset) = clock.local_at(now);
        Self { now, time: now.max(not_before), today, utc_offset, begun: clock.monotonic() }
    }
}

impl Batch {
    /// A batch that has decided nothing yet. `last_time` is the time of the list's last revision.
    pub(super) fn new(
        pending: VecDeque<PendingCommand>,
        list: Arc<List>,
        retained: RetainedState,
        last_time: u64,
        room: &Arc<ReceiptRoom>,
        clock: &dyn Clock,
    ) -> Self {
        Self {
            clock: BatchClock::read(clock, last_time),
            pending,
            durable_revision: list.revision(),
            durable_wake_up: retained.wake_up,
            list,
            retained,
            revisions: Vec::new(),
            replies: Vec::new(),
            new_receipts: NewReceipts::new(room),
            changes: 0,
            bytes: 0,
        }
    }

    pub(super) fn list(&self) -> &Arc<List> {
        &self.list
    }

    /// The receipt of an earlier request with this key.
    pub(super) fn receipt(&self, key: &str) -> Option<&Receipt> {
        self.new_receipts.find(&self.retained.receipts, key)
    }

    /// Checks whether there is room for the smallest receipt of a request.
    ///
    /// # Errors
    ///
    /// There is no room.
    pub(super) fn check_receipt_room(&self, request: &Idempotency) -> Result<(), NoReceiptRoom> {
        self.new_receipts.check(&self.retained.receipts, request, self.clock.now)
    }

    pub(super) fn wake_up(&self) -> Option<u64> {
        self.retained.wake_up
    }

    /// The time of the wall clock, in milliseconds since the epoch. It may be earlier than the last revision.
    pub(super) fn now(&self) -> u64 {
        self.clock.now
    }

    /// When the batch began, on the monotonic clock in milliseconds.
    pub(super) fn uptime(&self) -> u64 {
        u64::try_from(self.clock.begun.as_millis()).unwrap_or(u64::MAX)
    }

    /// Reads the clock again after a wait. The budget of time begins anew.
    pub(super) fn restart_clock(&mut self, clock: &dyn Clock) {
        self.clock = BatchClock::read(clock, self.clock.time);
    }

    /// The circumstances of one command.
    pub(super) fn context(&self, clock: &dyn Clock, caller: &Arc<str>) -> Context {
        let BatchClock { time, today, utc_offset, .. } = self.clock;
        Context { now: time, today, utc_offset, caller: caller.clone(), seed: clock.seed() }
    }

    /// Whether the batch is to be committed before another command. The first command always fits.
    pub(super) fn is_full(&self, clock: &dyn Clock) -> bool {
        let spent = || clock.monotonic().saturating_sub(self.clock.begun) >= BATCH_TIME;
        !self.replies.is_empty()
            && (self.changes >= BATCH_CHANGES
                || self.bytes >= BATCH_BYTES
                || self.revisions.len() >= BATCH_REVISIONS
                || self.new_receipts.receipts().len() >= MAX_COMMIT_RECEIPTS
                || spent())
    }

    /// Whether a command has a reply that waits for the commit.
    pub(super) fn has_replies(&self) -> bool {
        !self.replies.is_empty()
    }

    /// Takes the next command.
    pub(super) fn pop(&mut self) -> Option<PendingCommand> {
        self.pending.pop_front()
    }

    /// Puts a command back before the others. The next batch decides it.
    pub(super) fn push_front(&mut self, pending: PendingCommand) {
        self.pending.push_front(pending);
    }

    /// Keeps a reply until the batch is durable.
    pub(super) fn queue_reply(&mut self, pending: PendingCommand, reply: Result<Reply, CallError>) {
        let is_on_durable = self.revisions.is_empty();
        self.replies.push(QueuedReply { pending, reply, is_on_durable });
    }

    /// Saves the receipt of a decision before the decision is applied, and reserves room for it.
    ///
    /// # Errors
    ///
    /// There is no room, so the decision must not be applied.
    pub(super) fn save_receipt(
        &mut self,
        request: Idempotency,
        logic: &Arc<LogicId>,
        decided: &Result<Decided, Refusal>,
    ) -> Result<(), NoReceiptRoom> {
        let outcome = match decided {
            Ok(Decided { changes, list, .. }) => CommandOutcome::Done {
                revision: list.revision(),
                created: list.exists() && !self.list.exists(),
                next_id_before: self.list.next_id(),
                effect: RetainedEffect::of(changes),
            },
            Err(Refusal::Rejected(rejection)) => CommandOutcome::Rejected(rejection.clone()),
            // A failure gets no receipt, because a repetition may end differently.
            Err(_) => return Ok(()),
        };
        let BatchClock { now, time, .. } = self.clock;
        let receipt = Receipt { request, time, logic: logic.clone(), outcome };
        self.new_receipts.add(&self.retained.receipts, receipt, now)
    }

    /// Sets when the list is to be woken.
    pub(super) fn set_wake_up(&mut self, wake_up: Option<u64>) {
        self.retained.wake_up = wake_up;
    }

    /// Notes that a version could not migrate the list. The version that the list is bound to decides instead.
    /// `is_fault` tells whether the version failed, or else rejected the migration.
    pub(super) fn set_migration_failed(&mut self, version: Digest, is_fault: bool) {
        self.retained.migration_failed = Some(MigrationFailed { version, is_fault });
    }

    /// The version that could not migrate the list.
    pub(super) fn migration_failed(&self) -> Option<MigrationFailed> {
        self.retained.migration_failed
    }

    /// Has the version that could not migrate the list asked again.
    pub(super) fn forget_migration_failed(&mut self) {
        self.retained.migration_failed = None;
    }

    /// Whether this version could not migrate the list.
    pub(super) fn has_failed_to_migrate(&self, version: &Digest) -> bool {
        self.retained.migration_failed.is_some_and(|failed| failed.version == *version)
    }

    /// Applies a decision to the working list. Changes make a revision, which takes the command.
    pub(super) fn apply(
        &mut self,
        logic: &Arc<LogicId>,
        command: impl FnOnce() -> Command,
        context: Context,
        decided: Decided,
    ) -> Reply {
        let Decided { changes, inverse, list } = decided;
        let created = list.exists() && !self.list.exists();
        let next_id_before = self.list.next_id();
        if list.binding() != self.list.binding() {
            self.retained.migration_failed = None;
        }
        self.list = list;
        let number = self.list.revision();
        let effect = if changes.is_empty() {
            Effect::Nothing
        } else {
            self.changes += changes.len();
            let (logic, command) = (logic.clone(), command());
            // Changes and inverse move into the revision: they may be as large as the list.
            let revision = Arc::new(Revision { number, context, logic, command, changes, inverse, next_id_before });
            self.bytes += revision.bytes();
            self.revisions.push(revision.clone());
            Effect::Revised(revision)
        };
        let bound = self.list.binding().map(|binding| binding.id.clone());
        let pin = self.list.pin().cloned();
        Reply { logic: logic.clone(), revision: number, created, next_id_before, bound, pin, effect }
    }

    /// Takes out the commands that the batch did not decide.
    pub(super) fn take_undecided(&mut self) -> Vec<Message> {
        self.pending.drain(..).map(|pending| Message::Command(pending.request, pending.reply)).collect()
    }

    /// What has to be made durable, if anything.
    pub(super) fn to_commit(&self, name: &ListName) -> Option<Commit> {
        let receipts = self.new_receipts.receipts();
        let is_empty = self.revisions.is_empty() && receipts.is_empty();
        if is_empty && self.retained.wake_up == self.durable_wake_up {
            return None;
        }
        Some(Commit {
            name: name.clone(),
            after: self.durable_revision,
            revisions: self.revisions.clone(),
            receipts: receipts.to_vec(),
            state: self.list.clone(),
            wake_up: if has(Defect::WakeUpNotRescheduled) { self.durable_wake_up } else { self.retained.wake_up },
        })
    }

    /// Ends the batch after its commit.
    pub(super) fn into_durable(self) -> Durable {
        let Self { list, retained, new_receipts, revisions, replies, .. } = self;
        let new_receipts = new_receipts.into_receipts();
        Durable { list, retained, new_receipts, revisions, replies: Replies(replies) }
    }

    /// Ends the batch without its decisions, and keeps its commands.
    pub(super) fn into_replies(self) -> Replies {
        Replies(self.replies)
    }

    /// Marks the commands as handed to the store, and returns the room of their receipts.
    pub(super) fn hand_to_store(&mut self) -> HandedOver {
        self.replies.iter_mut().for_each(|queued| queued.pending.reply.hand_to_store());
        self.new_receipts.hand_to_store()
    }
}

impl Replies {
    /// Sends the replies.
    pub(super) fn send(self) {
        self.0.into_iter().for_each(|queued| queued.pending.reply.send(queued.reply));
    }

    /// Sends an error instead of each success. A command that the durable list refused stays refused. A refusal by a list
    /// that did not become durable may be wrong, so its command was not decided.
    pub(super) fn fail(self, error: &CallError) {
        for QueuedReply { pending, reply, is_on_durable } in self.0 {
            let error = || match error {
                // The command was certainly not carried out, whatever became of the others.
                CallError::Unknown { .. } if reply.is_err() => CallError::Crashed,
                error => error.clone(),
            };
            let reply = if is_on_durable && reply.is_err() { reply } else { Err(error()) };
            pending.reply.send(reply);
        }
    }

    /// Forgets the replies: the commands are to be decided again.
    pub(super) fn into_pending(self) -> VecDeque<PendingCommand> {
        let undo = |QueuedReply { mut pending, reply, .. }: QueuedReply| {
            pending.reply.take_back();
            if let Ok(Reply { effect: Effect::Revised(revision), .. }) = reply {
                pending.request.command.put_back(Arc::unwrap_or_clone(revision).command);
            }
            PendingCommand::new(pending.request, pending.reply)
        };
        self.0.into_iter().map(undo).collect()
    }
}

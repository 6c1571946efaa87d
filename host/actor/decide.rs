//! Decides the commands of a batch: a state machine with one [`Step`] at a time.
//!
//! Each command goes the same way: a reply without a decision if there is one, else its version is resolved,
//! loaded if necessary, given a turn if it is slow, asked to migrate the list if necessary, and asked to decide. A version
//! that fails is replaced by its fallback for this command, or by the version that is resolved after its quarantine.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use super::ask::{Decision, OpenSession, Shown};
use super::batch::{Batch, MAX_MIGRATIONS, PendingCommand, WAKE_UP_RETRY};
use super::decision_log::log_failure;
use super::environment::Environment;
use super::error::CallError;
use super::precheck::reply_without_decision;
use super::request::Reply;
use super::resolve::{depends_on_version, needs_migration, resolve};
use super::slow::needs_turn;
use crate::executor::turns::Turn;
use crate::list::change::Change;
use crate::list::command::{Command, Context};
use crate::list::name::{ListName, LogicName};
use crate::logic::decide::Decided;
use crate::logic::{Fault, KeptInstance, Refusal};
use crate::render::case::Question;
use crate::rollout::{Asked, Digest, Failure, ResolveError, Selection, Version};

/// How many versions a batch has loaded at most. A list may be pinned to one version, be bound to another and be
/// given a third one, and each may be unloaded again before it decides.
const MAX_LOADS: usize = 8;

/// The least time between two wake-ups of a list, in milliseconds. A logic that asks for a time in the past is
/// woken after this pause.
const WAKE_UP_PAUSE: u64 = 1_000;

/// The caller of commands that the host makes itself.
const HOST: &str = "hotlist";

/// What comes next in a batch.
enum Step {
    /// The last command has its reply: take the next one.
    Done,
    /// The command is to be decided, and its version is not resolved, or has to be resolved again.
    Resolve(PendingCommand),
    /// The command's version is stored and not in memory.
    LoadFirst(PendingCommand, LogicName, Digest),
    /// The command's version is in memory.
    Decide(ResolvedCommand),
    /// The command's version failed, and the one that decides instead is slow.
    TakeTurn(PendingCommand),
    /// The batch takes no more commands, or no more commands wait.
    Full,
}

/// A command and the version that decides it.
struct ResolvedCommand {
    pending: PendingCommand,
    selection: Selection,
}

/// What a batch waits for before its next command.
enum Wait {
    /// For a version to be loaded.
    Load(PendingCommand, LogicName, Digest),
    /// For a turn to decide a command that may take long.
    Turn(PendingCommand),
}

/// Decides batches of one list.
pub(super) struct BatchDecider<'a> {
    pub(super) name: &'a ListName,
    pub(super) environment: &'a Environment,
    /// The instance that the list keeps between two sessions.
    pub(super) kept: &'a Mutex<Option<KeptInstance>>,
    /// Whether the commands have a turn, so that slow logic may decide them.
    pub(super) has_turn: bool,
}

impl BatchDecider<'_> {
    /// Decides commands until the batch is full or no more wait. Loads the versions that they need, and waits for a turn
    /// where they are slow.
    pub(super) async fn run(&self, batch: &mut Batch) {
        let mut loads = 0;
        let mut turn = None;
        let mut step = Step::Done;
        while let Some(wait) = self.run_until_wait(batch, step, turn.take()) {
            let (Wait::Load(pending, ..) | Wait::Turn(pending)) = &wait;
            if batch.has_replies() && pending.migrations == 0 {
                // Commands that are decided wait for nothing. The next batch begins with this command.
                let (Wait::Load(pending, ..) | Wait::Turn(pending)) = wait;
                batch.push_front(pending);
                return;
            }
            let (pending, waited) = match wait {
                Wait::Load(pending, logic, digest) => {
                    loads += 1;
                    (pending, self.load(logic, digest, loads).await)
                }
                Wait::Turn(pending) => {
                    let waited = self.environment.turn(&pending.request.client).await;
                    (pending, waited.map(|given| turn = Some(given)))
                }
            };
            batch.restart_clock(&*self.environment.clock);
            step = match waited {
                // The rollout may have changed meanwhile.
                Ok(()) => Step::Resolve(pending),
                Err(error @ CallError::NotLoaded { .. }) => self.refuse(batch, pending, error),
                Err(no_turn) => {
                    // A wake-up stays due, and is tried again as soon as there is room.
                    batch.queue_reply(pending, Err(no_turn));
                    Step::Done
                }
            };
        }
    }

    /// Loads a version, as the batch's load of this number.
    async fn load(&self, logic: LogicName, digest: Digest, number: usize) -> Result<(), CallError> {
        let loaded = match number > MAX_LOADS {
            true => Err("it was loaded and is gone again; try again in a moment".into()),
            false => self.environment.registry.fetch(&logic, digest).await,
        };
        loaded.map_err(|why| CallError::NotLoaded { logic, why })
    }

    /// Takes steps until something has to be waited for, or the batch ends. The turn ends with the steps.
    fn run_until_wait(&self, batch: &mut Batch, step: Step, turn: Option<Turn>) -> Option<Wait> {
        match turn {
            None => self.take_steps(batch, step),
            Some(_turn) => {
                let with_turn = Self { has_turn: true, ..*self };
                self.environment.block(|| with_turn.take_steps(batch, step))
            }
        }
    }

    fn take_steps(&self, batch: &mut Batch, mut step: Step) -> Option<Wait> {
        loop {
            step = match step {
                Step::Done => self.take_next(batch),
                Step::Resolve(pending) => self.resolve(batch, pending),
                Step::Decide(ResolvedCommand { pending, selection })
                    if !self.has_turn && needs_turn(&selection.version, batch, &pending) =>
                {
                    return Some(Wait::Turn(pending));
                }
                Step::Decide(resolved) => self.decide_in_session(batch, resolved),
                Step::TakeTurn(pending) => return Some(Wait::Turn(pending)),
                Step::LoadFirst(pending, logic, digest) => return Some(Wait::Load(pending, logic, digest)),
                Step::Full => return None,
            };
        }
    }

    /// Takes the next command, and replies to it if that needs no decision.
    fn take_next(&self, batch: &mut Batch) -> Step {
        if batch.is_full(&*self.environment.clock) {
            return Step::Full;
        }
        let Some(pending) = batch.pop() else { return Step::Full };
        match reply_without_decision(&*self.environment.store, batch, &pending.request) {
            None => Step::Resolve(pending),
            Some(reply) => {
                if pending.is_wake() && !batch.list().exists() {
                    // A deleted list is not woken again.
                    batch.set_wake_up(None);
                }
                batch.queue_reply(pending, reply);
                Step::Done
            }
        }
    }

    /// Resolves the version that decides a command.
    fn resolve(&self, batch: &mut Batch, pending: PendingCommand) -> Step {
        match resolve(self.environment, self.name, batch, pending.request.command.outline()) {
            Ok(selection) => {
                // A version that only some lists need stays in memory while they use it.
                selection.version.touch(batch.uptime());
                Step::Decide(ResolvedCommand { pending, selection })
            }
            Err(ResolveError::NotLoaded(logic, digest)) => Step::LoadFirst(pending, logic, digest),
            Err(ResolveError::NoLogic(logic)) => self.refuse(batch, pending, self.environment.no_logic(logic)),
            Err(ResolveError::NoVersion(logic, pin)) => {
                self.refuse(batch, pending, CallError::NoVersion { logic, pin })
            }
            Err(ResolveError::Quarantined(logic, why)) => {
                self.refuse(batch, pending, CallError::Quarantined { logic, why })
            }
        }
    }

    /// Replies with an error to a command that no version decided.
    fn refuse(&self, batch: &mut Batch, pending: PendingCommand, error: CallError) -> Step {
        postpone_wake_up(batch, &pending);
        batch.queue_reply(pending, Err(error));
        Step::Done
    }

    /// Opens a session of a version, with the instance of the last one if the list kept it, and decides in it.
    fn decide_in_session(&self, batch: &mut Batch, resolved: ResolvedCommand) -> Step {
        let version = resolved.selection.version.clone();
        let kept = self.kept.lock().take();
        let mut session = match OpenSession::open(self.environment, &version, batch, kept) {
            Ok(session) => session,
            Err(fault) => return self.decide_without_session(batch, &version, resolved.pending, fault),
        };
        let step = self.decide_in(batch, &mut session, resolved);
        *self.kept.lock() = session.keep();
        step
    }

    /// Decides as many consecutive commands in a session as resolve to its version.
    fn decide_in(&self, batch: &mut Batch, session: &mut OpenSession<'_>, mut resolved: ResolvedCommand) -> Step {
        let version = session.version;
        loop {
            let mut step = self.decide(batch, session, resolved);
            // The session serves the next command as well, unless that resolves to another version.
            if let Step::Done = step {
                step = self.take_next(batch);
            }
            if let Step::Resolve(pending) = step {
                step = self.resolve(batch, pending);
            }
            match step {
                Step::Decide(next)
                    if session.is_usable()
                        && Arc::ptr_eq(&next.selection.version, version)
                        && (self.has_turn || !needs_turn(version, batch, &next.pending)) =>
                {
                    resolved = next;
                }
                other => return other,
            }
        }
    }

    /// Replies to a command whose version could not open a session.
    fn decide_without_session(
        &self,
        batch: &mut Batch,
        version: &Arc<Version>,
        pending: PendingCommand,
        fault: Fault,
    ) -> Step {
        postpone_wake_up(batch, &pending);
        if matches!(fault, Fault::Instance(_)) {
            // The machine has no room, which another version would not find either.
            version.counters.fault(&fault);
            let logic = version.logic.id().clone();
            return self.refuse(batch, pending, CallError::Refused { refusal: Refusal::Fault(fault), logic });
        }
        let context = batch.context(&*self.environment.clock, &pending.request.caller);
        self.fall_back(batch, version, pending, context, fault)
    }

    /// Decides one command.
    fn decide(&self, batch: &mut Batch, session: &mut OpenSession<'_>, resolved: ResolvedCommand) -> Step {
        let ResolvedCommand { pending, selection } = resolved;
        let Selection { version, shadow } = &selection;
        let command = match pending.request.command.prepare(version.logic.description()) {
            Ok(command) => command,
            Err(input) => {
                let logic = version.logic.id().clone();
                return self.refuse(batch, pending, CallError::Invalid { input, logic });
            }
        };
        if needs_migration(batch, version, &command) {
            drop(command);
            return self.migrate_list(batch, session, ResolvedCommand { pending, selection });
        }
        postpone_wake_up(batch, &pending);
        let Self { name, environment, .. } = *self;
        let context = batch.context(&*environment.clock, &pending.request.caller);
        let depends_on_version = depends_on_version(&command);
        let shadow = shadow.as_deref().filter(|shadow| depends_on_version && shadow.has_room(batch.list()));
        let (decided, spent) = session.decide(environment, name, batch, &context, &command, shadow.is_some());
        if let Err(Refusal::Fault(fault)) = decided {
            drop(command);
            return self.fall_back(batch, version, pending, context, fault);
        }
        if depends_on_version && matches!(decided, Ok(_) | Err(Refusal::Rejected(_))) {
            version.did_well(name);
        }
        if let Some(shadow) = shadow {
            let shown = Shown { name, environment, batch, live: version, context: &context, command: &command };
            shown.send_to(shadow, &decided, spent);
        }
        let made = into_made(command);
        self.finish(batch, session, pending, made, context, decided)
    }

    /// Has a version migrate the list, as a revision of its own. A list that is not migrated stays with the version
    /// that it is bound to. Another version may migrate it later.
    fn migrate_list(
        &self,
        batch: &mut Batch,
        session: &mut OpenSession<'_>,
        ResolvedCommand { mut pending, selection }: ResolvedCommand,
    ) -> Step {
        let version = &selection.version;
        pending.migrations += 1;
        if pending.migrations > MAX_MIGRATIONS {
            // Versions are published faster than the list can follow.
            batch.set_migration_failed(*version.digest(), false);
            return Step::Resolve(pending);
        }
        let Self { name, environment, .. } = *self;
        let context = batch.context(&*environment.clock, &HOST.into());
        let (decided, _) = session.decide(environment, name, batch, &context, &Command::Migrate, false);
        match decided {
            Ok(decided) => {
                version.counters.migrated.fetch_add(1, Ordering::Relaxed);
                let client = pending.client().cloned();
                self.apply(batch, session, || Command::Migrate, context, decided, client.as_ref());
            }
            Err(refusal) => {
                version.counters.not_migrated.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(list = %name, to = %version.logic.id(), why = %refusal, "cannot migrate list; it stays with the version that it is bound to");
                if let Refusal::Fault(fault) = &refusal {
                    let asked =
                        Asked { revision: batch.list().revision(), question: Question::Command(&Command::Migrate) };
                    let failure = Failure { list: name, client: pending.client(), shared: None, asked: Some(asked) };
                    environment.registry.failed(version, failure, fault, &*environment.clock);
                    if environment.registry.refuses_on_fault(&version.id().name) {
                        // The version that the list is bound to may be laxer.
                        let logic = version.logic.id().clone();
                        return self.refuse(batch, pending, CallError::Refused { refusal, logic });
                    }
                }
                if let Some(binding) = batch.list().binding() {
                    environment.registry.hold(binding.logic(), &binding.id.digest);
                }
                batch.set_migration_failed(*version.digest(), matches!(refusal, Refusal::Fault(_)));
            }
        }
        Step::Resolve(pending)
    }

    /// Finds another decision for a command at which a version failed. Nothing was applied, so the fallback of the
    /// version may decide. Where it cannot, the command is resolved again if the version was quarantined.
    fn fall_back(
        &self,
        batch: &mut Batch,
        failed: &Arc<Version>,
        mut pending: PendingCommand,
        context: Context,
        fault: Fault,
    ) -> Step {
        let Self { name, environment, .. } = *self;
        let registry = &environment.registry;
        let fallback = registry.resolve_fallback(failed, batch.list());
        if !self.has_turn && fallback.as_ref().is_some_and(|version| version.is_slow(batch.list())) {
            // The failed version is asked once more when the command has its turn, and its failure counts then.
            return Step::TakeTurn(pending);
        }
        let ask_fallback = |version| {
            let mut session = OpenSession::open(environment, version, batch, None).ok()?;
            let command = pending.request.command.prepare(version.logic.description()).ok()?;
            let (decided, _) = session.decide(environment, name, batch, &context, &command, false);
            Some((session, into_made(command), decided))
        };
        let decided = fallback.as_ref().and_then(ask_fallback);
        let has_failed_too = decided.as_ref().and_then(|(.., decided)| match decided {
            Ok(_) | Err(Refusal::Rejected(_)) => Some(false),
            Err(Refusal::Fault(_)) => Some(true),
            // A command that the fallback does not know was not decided by it.
            Err(_) => None,
        });
        let command = pending.request.command.prepare(failed.logic.description());
        let command = command.as_deref().unwrap_or(pending.request.command.outline());
        let asked = Asked { revision: batch.list().revision(), question: Question::Command(command) };
        let failure = Failure { list: name, client: pending.client(), shared: has_failed_too, asked: Some(asked) };
        let is_quarantined = registry.failed(failed, failure, &fault, &*environment.clock);
        let decided_by = decided.as_ref().filter(|_| has_failed_too == Some(false));
        let decided_by = decided_by.map(|(session, ..)| &**session.version.logic.id());
        log_failure(name, asked, &fault, failed.logic.id(), decided_by);
        match decided {
            Some((mut session, made, decided)) if has_failed_too == Some(false) => {
                failed.counters.fell_back.fetch_add(1, Ordering::Relaxed);
                self.finish(batch, &mut session, pending, made, context, decided)
            }
            _ if is_quarantined && !pending.quarantined_a_version => {
                pending.quarantined_a_version = true;
                Step::Resolve(pending)
            }
            _ => {
                let logic = failed.logic.id().clone();
                self.refuse(batch, pending, CallError::Refused { refusal: Refusal::Fault(fault), logic })
            }
        }
    }

    /// Takes a decision into the batch. `made` is the command where the request holds only a body.
    fn finish(
        &self,
        batch: &mut Batch,
        session: &mut OpenSession<'_>,
        mut pending: PendingCommand,
        made: Option<Command>,
        context: Context,
        decided: Decision,
    ) -> Step {
        let logic = session.version.logic.id();
        let client = pending.client().cloned();
        if let Some(request) = pending.request.idempotency.clone()
            && let Err(no_room) = batch.save_receipt(request, logic, &decided)
        {
            // Without a receipt a repetition would be carried out again, so nothing of the decision is applied.
            return self.refuse(batch, pending, CallError::NoReceiptRoom(no_room));
        }
        let reply = match decided {
            Ok(decided) => {
                if decided.changes.iter().any(|change| matches!(change, Change::Pin(Some(_)))) {
                    self.environment.registry.hold(&logic.name, &logic.digest);
                }
                let command = || made.unwrap_or_else(|| pending.take_command());
                Ok(self.apply(batch, session, command, context, decided, client.as_ref()))
            }
            Err(refusal) => Err(CallError::Refused { refusal, logic: logic.clone() }),
        };
        batch.queue_reply(pending, reply);
        Step::Done
    }

    /// Applies a decision to the working list. Where that may change when the list wants to be woken, asks the version.
    /// `client` sent the command. It is `None` for a wake-up.
    fn apply(
        &self,
        batch: &mut Batch,
        session: &mut OpenSession<'_>,
        command: impl FnOnce() -> Command,
        context: Context,
        decided: Decided,
        client: Option<&Arc<str>>,
    ) -> Reply {
        let logic = &session.version.logic;
        let is_unchanged = decided.changes.is_empty();
        let may_reschedule = client.is_none() || !is_unchanged;
        // The revision may have a later time than the clock, which counts for timers.
        let at_clock = || Context { now: batch.now(), ..context.clone() };
        let asks = may_reschedule && logic.description().wakes && decided.list.exists();
        let wake_context = asks.then(at_clock);
        let reply = batch.apply(logic.id(), command, context, decided);
        match wake_context {
            Some(context) => self.schedule_wake_up(batch, session, &context, is_unchanged, client),
            None if may_reschedule => batch.set_wake_up(None),
            None => {}
        }
        reply
    }

    /// Asks the version when the working list wants to be woken.
    fn schedule_wake_up(
        &self,
        batch: &mut Batch,
        session: &mut OpenSession<'_>,
        context: &Context,
        is_unchanged: bool,
        client: Option<&Arc<str>>,
    ) {
        let now = context.now;
        let pause = if is_unchanged { WAKE_UP_RETRY } else { WAKE_UP_PAUSE };
        let asked = Asked { revision: batch.list().revision(), question: Question::NextWakeUp };
        match session.next_wake_up(self.environment, self.name, batch, context) {
            Ok(at) => {
                batch.set_wake_up(at.map(|at| if at <= now { now + pause } else { at.max(now + WAKE_UP_PAUSE) }));
            }
            Err(fault) => {
                // The time that was known still counts, and a logic that could not name one is asked again.
                batch.set_wake_up(Some(batch.wake_up().unwrap_or(now + WAKE_UP_RETRY)));
                let failure = Failure { list: self.name, client, shared: None, asked: Some(asked) };
                self.environment.registry.failed(session.version, failure, &fault, &*self.environment.clock);
                log_failure(self.name, asked, &fault, session.version.logic.id(), None);
            }
        }
    }
}

/// The command that was made from a body. `None` for a command that is still in its request: an undo may be as large
/// as the list, and is not copied.
fn into_made(command: Cow<'_, Command>) -> Option<Command> {
    match command {
        Cow::Owned(command) => Some(command),
        Cow::Borrowed(_) => None,
    }
}

/// Notes the next attempt before a wake-up is decided or refused. Whatever goes wrong, a list that cannot be woken
/// is not woken without pause.
fn postpone_wake_up(batch: &mut Batch, pending: &PendingCommand) {
    if pending.is_wake() {
        batch.set_wake_up(Some(batch.now() + WAKE_UP_RETRY));
    }
}

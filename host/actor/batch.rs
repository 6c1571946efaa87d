//! One round of an actor: decide what waits, commit it as one, publish it, and only then answer.

mod gathering;

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Actor, Answer, CallError, Effect, Expect, Message, Reply, Request, RetainedState};
use crate::failpoint;
use crate::list::List;
use crate::list::command::{Command, Context};
use crate::list::revision::{CommandOutcome, Receipt};
use crate::logic::{Fault, Refusal, Session};
use crate::rollout::{Digest, ResolveError, Selection, Version};
use crate::store::{Commit, StoreError};
pub use gathering::WAKE_UP_RETRY;
pub(super) use gathering::{Batch, BatchClock, is_a_move};

/// How many versions a round may have loaded before it goes on without the next one. A list insists on
/// one, keeps one, and may be handed to another.
const MAX_FETCHES: usize = 8;

/// A command that waits to be answered.
pub(super) struct PendingCommand {
    pub(super) request: Box<Request>,
    pub(super) answer: Answer<Reply, CallError>,
    /// Whether it was found that it is to be decided, and only who decides it is open.
    pub(super) admitted: bool,
    /// Whether a version that fell failed at it already.
    pub(super) retried: bool,
}

impl Actor {
    /// Deals with some letters. An error means that the actor can not go on.
    pub(super) async fn batch(&self, messages: Vec<Message>) -> Result<(), StoreError> {
        let list = match self.resident().await {
            Ok(list) => list,
            Err(error) => {
                // Not a reason to stop: the list was not touched, and the next round tries again.
                messages.into_iter().for_each(|message| message.fail(&error));
                return Ok(());
            }
        };
        let mut pending = VecDeque::with_capacity(messages.len());
        for message in messages {
            match message {
                Message::Command(request, answer) => {
                    pending.push_back(PendingCommand { request, answer, admitted: false, retried: false })
                }
                // Whoever reads gets what is durable now, not what this round is about to decide.
                Message::Read(answer) => drop(answer.send(Ok(list.clone()))),
            }
        }
        if pending.is_empty() {
            return Ok(());
        }
        let before = list.revision();
        let batch = self.decide_and_fetch(list, &mut pending).await;
        self.put_back(pending.into_iter().map(|left| Message::Command(left.request, left.answer)).collect());
        if batch.revisions.is_empty() && batch.new_receipts == 0 && !batch.rescheduled {
            self.remember_stuck(batch.migration_failed);
            batch.answers.into_iter().for_each(|(answer, reply)| drop(answer.send(reply)));
            return Ok(());
        }
        self.commit(before, batch).await
    }

    /// Decides what waits; where that needs a version which is not in memory, has it loaded first.
    async fn decide_and_fetch(&self, list: Arc<List>, pending: &mut VecDeque<PendingCommand>) -> Batch {
        let mut unfetched = None;
        let mut fetches = 0;
        loop {
            let batch = self.decide_all(list.clone(), pending, unfetched.take());
            let Some((logic, digest)) = batch.missing.as_ref().filter(|_| batch.answers.is_empty()) else {
                return batch;
            };
            // Nothing else of this round is kept; but that a version did not take the list over is not to be
            // found out twice.
            self.remember_stuck(batch.migration_failed);
            fetches += 1;
            let fetched = match fetches > MAX_FETCHES {
                true => Err("it was loaded and is gone again; try again in a moment".into()),
                false => self.environment.registry.fetch(logic, *digest).await,
            };
            unfetched = fetched.err().map(|why| (*digest, why));
        }
    }

    /// The list as it is durable, from memory or from the store.
    async fn resident(&self) -> Result<Arc<List>, StoreError> {
        if let Some(list) = self.published.load_full() {
            return Ok(list);
        }
        let stored = self.environment.store.load(&self.name).await?;
        let list = Arc::new(stored.list);
        self.save(stored.receipts, stored.wake_up, None);
        self.published.store(Some(list.clone()));
        Ok(list)
    }

    /// Makes a round durable; then, and only then, shows it to readers, callers and listeners.
    async fn commit(&self, after: u64, batch: Batch) -> Result<(), StoreError> {
        let commit = Commit {
            name: self.name.clone(),
            after,
            revisions: batch.revisions.clone(),
            receipts: batch.receipts[batch.receipts.len() - batch.new_receipts..].to_vec(),
            state: batch.list.clone(),
            wake_up: batch.wake_up,
        };
        failpoint::point("commit");
        if let Err(error) = self.environment.store.commit(commit).await {
            for (answer, reply) in batch.answers {
                // What was refused without a change is refused all the same.
                drop(answer.send(reply.and(Err(CallError::Store(error.clone())))));
            }
            // A store with too much to do did nothing: what is published is still what is durable.
            return if matches!(error, StoreError::Overloaded { .. }) { Ok(()) } else { Err(error) };
        }
        failpoint::point("committed");
        let Batch { list, receipts, wake_up, migration_failed, answers, revisions, .. } = batch;
        self.published.store(Some(list));
        self.save(receipts, wake_up, migration_failed);
        answers.into_iter().for_each(|(answer, reply)| drop(answer.send(reply)));
        if let Some(events) = self.events.get() {
            revisions.into_iter().for_each(|revision| drop(events.send(revision)));
        }
        Ok(())
    }

    /// Keeps what the next round has to know besides the list.
    fn save(&self, receipts: Vec<Receipt>, wake_up: Option<u64>, migration_failed: Option<Digest>) {
        let worth_it = !receipts.is_empty() || wake_up.is_some() || migration_failed.is_some();
        *self.memory.lock() = worth_it.then(|| Box::new(RetainedState { receipts, wake_up, migration_failed }));
    }

    /// Keeps which version could not take the list over, where nothing else of a round is kept.
    fn remember_stuck(&self, migration_failed: Option<Digest>) {
        let mut memory = self.memory.lock();
        if memory.as_deref().and_then(|memory| memory.migration_failed) != migration_failed {
            memory.get_or_insert_default().migration_failed = migration_failed;
        }
    }

    /// Decides commands one after the other, each on what the one before it left; as many as fit
    /// into a round. `unfetched` is a version that could not be loaded, and why.
    fn decide_all(
        &self,
        list: Arc<List>,
        pending: &mut VecDeque<PendingCommand>,
        mut unfetched: Option<(Digest, String)>,
    ) -> Batch {
        let mut batch =
            Batch::new(list, self.memory.lock().as_deref().cloned().unwrap_or_default(), self.batch_clock());
        while let Some(next) = pending.front().filter(|next| next.admitted || batch.has_room()) {
            match self.choose(&batch, next.request.command.outline()) {
                Ok(selection) => self.decide_with(&mut batch, &selection, pending),
                Err(ResolveError::NotLoaded(logic, digest)) => match unfetched.take_if(|(known, _)| *known == digest) {
                    Some((_, why)) => batch.refuse_next(pending, CallError::NotLoaded { logic, why }),
                    None => {
                        batch.missing = Some((logic, digest));
                        break;
                    }
                },
                Err(ResolveError::NoLogic(logic)) => batch.refuse_next(pending, CallError::NoLogic(logic)),
                Err(ResolveError::NoVersion(logic, pin)) => {
                    batch.refuse_next(pending, CallError::NoVersion { logic, pin })
                }
            }
        }
        batch
    }

    /// Has one version decide as many commands in a row as it is chosen for, in one session.
    fn decide_with(&self, batch: &mut Batch, selection: &Selection, pending: &mut VecDeque<PendingCommand>) {
        let version = &selection.version;
        let mut session = match version.logic.session() {
            Ok(session) => session,
            Err(fault) => return self.without_session(batch, version, pending, fault),
        };
        // What was admitted is finished, for the next round would look at it anew.
        while pending.front().is_some_and(|next| next.admitted || batch.has_room())
            && let Some(next) = pending.pop_front()
        {
            let Some(selection) = self
                .choose(batch, next.request.command.outline())
                .ok()
                .filter(|again| Arc::ptr_eq(&again.version, version))
            else {
                pending.push_front(next);
                return;
            };
            // What is not answered is to be chosen for anew.
            if let Some(again) = self.answer(batch, &selection, session.as_mut(), next) {
                pending.push_front(again);
            }
            if std::mem::take(&mut batch.session_over) {
                return;
            }
        }
    }

    /// Answers the next command when a version did not even come up for it.
    fn without_session(
        &self,
        batch: &mut Batch,
        version: &Arc<Version>,
        pending: &mut VecDeque<PendingCommand>,
        fault: Fault,
    ) {
        if matches!(fault, Fault::Instance(_)) {
            version.counters.fault(&fault);
            let logic = version.logic.id().clone();
            return batch.refuse_next(pending, CallError::Refused { refusal: Refusal::Fault(fault), logic });
        }
        let Some(next) = pending.pop_front() else { return };
        if let Some(reply) = self.without_deciding(batch, &next.request).filter(|_| !next.admitted) {
            return batch.queue_reply(next.answer, reply);
        }
        let context = self.context(batch, &next.request.caller);
        let next = PendingCommand { admitted: true, ..next };
        if let Some(again) = self.fall_back(batch, version, next, context, fault) {
            pending.push_front(again);
        }
        batch.session_over = false;
    }

    /// Answers one command: as it was answered before, or by deciding it. Gives it back when another
    /// version is to decide it.
    fn answer(
        &self,
        batch: &mut Batch,
        selection: &Selection,
        session: &mut dyn Session,
        pending: PendingCommand,
    ) -> Option<PendingCommand> {
        if !pending.admitted
            && let Some(reply) = self.without_deciding(batch, &pending.request)
        {
            batch.queue_reply(pending.answer, reply);
            return None;
        }
        let pending = PendingCommand { admitted: true, ..pending };
        if batch.has_to_move(&selection.version, pending.request.command.outline())
            && !self.migrate_list(batch, &selection.version, session)
        {
            return Some(pending);
        }
        self.decide(batch, selection, session, pending)
    }

    /// The answer to a command that is not to be decided. Comes before the list may move to another version:
    /// a caller knows nothing of that.
    fn without_deciding(&self, batch: &mut Batch, request: &Request) -> Option<Result<Reply, CallError>> {
        if *request.command.outline() == Command::Wake && !batch.is_to_be_woken() {
            return Some(Err(CallError::Stale { revision: batch.list.revision() }));
        }
        if let Some(idempotency) = &request.idempotency
            && let Some(first) = batch.receipts.iter().find(|receipt| receipt.request.key == idempotency.key)
        {
            return Some(repeat(first, idempotency.fingerprint == first.request.fingerprint));
        }
        check(&request.expect, &batch.list).err().map(Err)
    }

    /// The circumstances of a round's commands, but for who asks and with which seed.
    fn batch_clock(&self) -> BatchClock {
        let now = self.environment.clock.now();
        let (today, utc_offset) = self.environment.clock.local_at(now);
        BatchClock { now, today, utc_offset }
    }

    /// The circumstances of one command.
    pub(super) fn context(&self, batch: &Batch, caller: &Arc<str>) -> Context {
        let BatchClock { now, today, utc_offset } = batch.batch_clock;
        Context { now, today, utc_offset, caller: caller.clone(), seed: self.environment.clock.seed() }
    }
}

impl Message {
    fn fail(self, error: &StoreError) {
        match self {
            Self::Command(_, answer) => drop(answer.send(Err(CallError::Store(error.clone())))),
            Self::Read(answer) => drop(answer.send(Err(error.clone()))),
        }
    }
}

/// The first answer to a request, given again.
fn repeat(first: &Receipt, same: bool) -> Result<Reply, CallError> {
    if !same {
        return Err(CallError::KeyReused);
    }
    let logic = first.logic.clone();
    match first.outcome.clone() {
        CommandOutcome::Done { revision, changes, created, next_id_before } => {
            Ok(Reply { logic, revision, created, next_id_before, effect: Effect::Repeated(changes) })
        }
        CommandOutcome::Rejected(rejection) => Err(CallError::Refused { refusal: Refusal::Rejected(rejection), logic }),
    }
}

fn check(expect: &Expect, list: &List) -> Result<(), CallError> {
    let revision = list.revision();
    let met = match expect {
        Expect::Anything => true,
        Expect::Exists => list.exists(),
        Expect::Revision(revisions) => list.exists() && revisions.contains(&revision),
    };
    if met { Ok(()) } else { Err(CallError::Stale { revision }) }
}

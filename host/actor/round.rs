//! One round of an actor: decide what waits, commit it as one, publish it, and only then answer.

mod gathering;

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Actor, Answer, CallError, Effect, Expect, Letter, Memory, Reply, Request};
use crate::crash;
use crate::list::List;
use crate::list::command::{Command, Context};
use crate::list::revision::{Outcome, Receipt};
use crate::logic::catalog::{Chosen, Digest, Unready, Version};
use crate::logic::decide::Refusal;
use crate::logic::{Fault, Session};
use crate::store::{Commit, StoreError};
pub use gathering::WAKE_UP_RETRY;
pub(super) use gathering::{Moment, Round, is_a_move};

/// How many versions a round may have loaded before it goes on without the next one. A list insists on
/// one, keeps one, and may be handed to another.
const MAX_FETCHES: usize = 8;

/// A command that waits to be answered.
pub(super) struct Waiting {
    pub(super) request: Box<Request>,
    pub(super) answer: Answer<Reply, CallError>,
    /// Whether it was found that it is to be decided, and only who decides it is open.
    pub(super) admitted: bool,
    /// Whether a version that fell failed at it already.
    pub(super) retried: bool,
}

impl Actor {
    /// Deals with some letters. An error means that the actor can not go on.
    pub(super) async fn round(&self, letters: Vec<Letter>) -> Result<(), StoreError> {
        let list = match self.resident().await {
            Ok(list) => list,
            Err(error) => {
                // Not a reason to stop: the list was not touched, and the next round tries again.
                letters.into_iter().for_each(|letter| letter.fail(&error));
                return Ok(());
            }
        };
        let mut waiting = VecDeque::with_capacity(letters.len());
        for letter in letters {
            match letter {
                Letter::Command(request, answer) => {
                    waiting.push_back(Waiting { request, answer, admitted: false, retried: false })
                }
                // Whoever reads gets what is durable now, not what this round is about to decide.
                Letter::Read(answer) => drop(answer.send(Ok(list.clone()))),
            }
        }
        if waiting.is_empty() {
            return Ok(());
        }
        let before = list.revision();
        let round = self.decide_and_fetch(list, &mut waiting).await;
        self.put_back(waiting.into_iter().map(|left| Letter::Command(left.request, left.answer)).collect());
        if round.revisions.is_empty() && round.new_receipts == 0 && !round.rescheduled {
            self.remember_stuck(round.stuck);
            round.answers.into_iter().for_each(|(answer, reply)| drop(answer.send(reply)));
            return Ok(());
        }
        self.commit(before, round).await
    }

    /// Decides what waits; where that needs a version which is not in memory, has it loaded first.
    async fn decide_and_fetch(&self, list: Arc<List>, waiting: &mut VecDeque<Waiting>) -> Round {
        let mut unfetched = None;
        let mut fetches = 0;
        loop {
            let round = self.decide_all(list.clone(), waiting, unfetched.take());
            let Some((logic, digest)) = round.missing.as_ref().filter(|_| round.answers.is_empty()) else {
                return round;
            };
            // Nothing else of this round is kept; but that a version did not take the list over is not to be
            // found out twice.
            self.remember_stuck(round.stuck);
            fetches += 1;
            let fetched = match fetches > MAX_FETCHES {
                true => Err("it was loaded and is gone again; try again in a moment".into()),
                false => self.environment.catalog.fetch(logic, *digest).await,
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
        self.remember(stored.receipts, stored.wake_up, None);
        self.published.store(Some(list.clone()));
        Ok(list)
    }

    /// Makes a round durable; then, and only then, shows it to readers, callers and listeners.
    async fn commit(&self, after: u64, round: Round) -> Result<(), StoreError> {
        let commit = Commit {
            name: self.name.clone(),
            after,
            revisions: round.revisions.clone(),
            receipts: round.receipts[round.receipts.len() - round.new_receipts..].to_vec(),
            state: round.list.clone(),
            wake_up: round.wake_up,
        };
        crash::point("commit");
        if let Err(error) = self.environment.store.commit(commit).await {
            for (answer, reply) in round.answers {
                // What was refused without a change is refused all the same.
                drop(answer.send(reply.and(Err(CallError::Store(error.clone())))));
            }
            // A store with too much to do did nothing: what is published is still what is durable.
            return if matches!(error, StoreError::Overloaded { .. }) { Ok(()) } else { Err(error) };
        }
        crash::point("committed");
        let Round { list, receipts, wake_up, stuck, answers, revisions, .. } = round;
        self.published.store(Some(list));
        self.remember(receipts, wake_up, stuck);
        answers.into_iter().for_each(|(answer, reply)| drop(answer.send(reply)));
        if let Some(events) = self.events.get() {
            revisions.into_iter().for_each(|revision| drop(events.send(revision)));
        }
        Ok(())
    }

    /// Keeps what the next round has to know besides the list.
    fn remember(&self, receipts: Vec<Receipt>, wake_up: Option<u64>, stuck: Option<Digest>) {
        let worth_it = !receipts.is_empty() || wake_up.is_some() || stuck.is_some();
        *self.memory.lock() = worth_it.then(|| Box::new(Memory { receipts, wake_up, stuck }));
    }

    /// Keeps which version could not take the list over, where nothing else of a round is kept.
    fn remember_stuck(&self, stuck: Option<Digest>) {
        let mut memory = self.memory.lock();
        if memory.as_deref().and_then(|memory| memory.stuck) != stuck {
            memory.get_or_insert_default().stuck = stuck;
        }
    }

    /// Decides commands one after the other, each on what the one before it left; as many as fit
    /// into a round. `unfetched` is a version that could not be loaded, and why.
    fn decide_all(
        &self,
        list: Arc<List>,
        waiting: &mut VecDeque<Waiting>,
        mut unfetched: Option<(Digest, String)>,
    ) -> Round {
        let mut round = Round::new(list, self.memory.lock().as_deref().cloned().unwrap_or_default(), self.moment());
        while let Some(next) = waiting.front().filter(|next| next.admitted || round.has_room()) {
            match self.choose(&round, &next.request.command) {
                Ok(chosen) => self.decide_with(&mut round, &chosen, waiting),
                Err(Unready::NotLoaded(logic, digest)) => match unfetched.take_if(|(known, _)| *known == digest) {
                    Some((_, why)) => round.refuse_next(waiting, CallError::NotLoaded { logic, why }),
                    None => {
                        round.missing = Some((logic, digest));
                        break;
                    }
                },
                Err(Unready::NoLogic(logic)) => round.refuse_next(waiting, CallError::NoLogic(logic)),
                Err(Unready::NoVersion(logic, pin)) => round.refuse_next(waiting, CallError::NoVersion { logic, pin }),
            }
        }
        round
    }

    /// Has one version decide as many commands in a row as it is chosen for, in one session.
    fn decide_with(&self, round: &mut Round, chosen: &Chosen, waiting: &mut VecDeque<Waiting>) {
        let version = &chosen.version;
        let mut session = match version.logic.session() {
            Ok(session) => session,
            Err(fault) => return self.without_session(round, version, waiting, fault),
        };
        // What was admitted is finished, for the next round would look at it anew.
        while waiting.front().is_some_and(|next| next.admitted || round.has_room())
            && let Some(next) = waiting.pop_front()
        {
            let Some(chosen) =
                self.choose(round, &next.request.command).ok().filter(|again| Arc::ptr_eq(&again.version, version))
            else {
                waiting.push_front(next);
                return;
            };
            // What is not answered is to be chosen for anew.
            if let Some(again) = self.answer(round, &chosen, session.as_mut(), next) {
                waiting.push_front(again);
            }
            if std::mem::take(&mut round.session_over) {
                return;
            }
        }
    }

    /// Answers the next command when a version did not even come up for it.
    fn without_session(
        &self,
        round: &mut Round,
        version: &Arc<Version>,
        waiting: &mut VecDeque<Waiting>,
        fault: Fault,
    ) {
        if matches!(fault, Fault::Instance(_)) {
            version.counters.fault(&fault);
            let logic = version.logic.id().clone();
            return round.refuse_next(waiting, CallError::Refused { refusal: Refusal::Fault(fault), logic });
        }
        let Some(next) = waiting.pop_front() else { return };
        if let Some(reply) = self.without_deciding(round, &next.request).filter(|_| !next.admitted) {
            return round.put_down(next.answer, reply);
        }
        let context = self.context(round, &next.request.caller);
        let next = Waiting { admitted: true, ..next };
        if let Some(again) = self.rescue(round, version, next, context, fault) {
            waiting.push_front(again);
        }
        round.session_over = false;
    }

    /// Answers one command: as it was answered before, or by deciding it. Gives it back when another
    /// version is to decide it.
    fn answer(
        &self,
        round: &mut Round,
        chosen: &Chosen,
        session: &mut dyn Session,
        waiting: Waiting,
    ) -> Option<Waiting> {
        if !waiting.admitted
            && let Some(reply) = self.without_deciding(round, &waiting.request)
        {
            round.put_down(waiting.answer, reply);
            return None;
        }
        let waiting = Waiting { admitted: true, ..waiting };
        if round.has_to_move(&chosen.version, &waiting.request.command)
            && !self.move_list(round, &chosen.version, session)
        {
            return Some(waiting);
        }
        self.decide(round, chosen, session, waiting)
    }

    /// The answer to a command that is not to be decided. Comes before the list may move to another version:
    /// a caller knows nothing of that.
    fn without_deciding(&self, round: &mut Round, request: &Request) -> Option<Result<Reply, CallError>> {
        if request.command == Command::Wake && !round.is_to_be_woken() {
            return Some(Err(CallError::Stale { revision: round.list.revision() }));
        }
        if let Some(idempotency) = &request.idempotency
            && let Some(first) = round.receipts.iter().find(|receipt| receipt.request.key == idempotency.key)
        {
            return Some(repeat(first, idempotency.fingerprint == first.request.fingerprint));
        }
        check(&request.expect, &round.list).err().map(Err)
    }

    /// The circumstances of a round's commands, but for who asks and with which seed.
    fn moment(&self) -> Moment {
        let now = self.environment.clock.now();
        let (today, utc_offset) = self.environment.clock.local_at(now);
        Moment { now, today, utc_offset }
    }

    /// The circumstances of one command.
    pub(super) fn context(&self, round: &Round, caller: &Arc<str>) -> Context {
        let Moment { now, today, utc_offset } = round.moment;
        Context { now, today, utc_offset, caller: caller.clone(), seed: self.environment.clock.seed() }
    }
}

impl Letter {
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
        Outcome::Done { revision, changes, created, first_new } => {
            Ok(Reply { logic, revision, created, first_new, effect: Effect::Repeated(changes) })
        }
        Outcome::Rejected(rejection) => Err(CallError::Refused { refusal: Refusal::Rejected(rejection), logic }),
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

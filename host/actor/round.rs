//! One round of an actor: decide what waits, commit it as one, publish it, and only then answer.

use std::iter::Peekable;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use std::vec::IntoIter;

use super::{Actor, Answer, CallError, Effect, Expect, Letter, Memory, Reply, Request, told};
use crate::list::List;
use crate::list::command::{Command, Context};
use crate::list::name::LogicName;
use crate::list::revision::{Outcome, Receipt, Revision};
use crate::logic::Session;
use crate::logic::catalog::Version;
use crate::logic::decide::{Decided, Decider, Refusal};
use crate::store::{Commit, MAX_RECEIPTS, StoreError};

/// How long a round decides before the other lists have their turn. What is left waits for the next.
const ROUND_TIME: Duration = Duration::from_millis(5);

/// How many changes a round gathers before it commits them. With the limits of an entry this bounds
/// what one list can put into one durable write.
const ROUND_CHANGES: usize = 10_000;

/// The least time between two wake-ups of a list, in milliseconds: a logic that asks for a time
/// that is over gets the next possible one.
const WAKE_UP_PAUSE: u64 = 1_000;

/// After how many milliseconds a list is woken again whose waking failed, or changed nothing and left
/// the list asking for a time that is over: the next wake at once would do no better.
pub const WAKE_UP_RETRY: u64 = 60_000;

/// What a round has decided so far. Nobody outside the round sees any of it until it is durable.
struct Round {
    list: Arc<List>,
    receipts: Vec<Receipt>,
    wake_up: Option<u64>,
    revisions: Vec<Arc<Revision>>,
    answers: Vec<(Answer<Reply, CallError>, Result<Reply, CallError>)>,
    /// How many of `receipts` are new in this round: the last ones.
    new_receipts: usize,
    /// Whether `wake_up` has to be made durable even if nothing else does.
    rescheduled: bool,
    /// How many changes the revisions make.
    changes: usize,
    /// Whether the session failed, and cannot be asked again.
    session_over: bool,
    begun: Instant,
}

type Waiting = (Box<Request>, Answer<Reply, CallError>);

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
        let mut commands = Vec::with_capacity(letters.len());
        for letter in letters {
            match letter {
                Letter::Command(request, answer) => commands.push((request, answer)),
                // Whoever reads gets what is durable now, not what this round is about to decide.
                Letter::Read(answer) => drop(answer.send(Ok(list.clone()))),
            }
        }
        if commands.is_empty() {
            return Ok(());
        }
        let before = list.revision();
        let mut commands = commands.into_iter().peekable();
        let round = self.decide_all(list, &mut commands);
        self.put_back(commands.map(|(request, answer)| Letter::Command(request, answer)).collect());
        if round.revisions.is_empty() && round.new_receipts == 0 && !round.rescheduled {
            round.answers.into_iter().for_each(|(answer, reply)| drop(answer.send(reply)));
            return Ok(());
        }
        self.commit(before, round).await
    }

    /// The list as it is durable, from memory or from the store.
    async fn resident(&self) -> Result<Arc<List>, StoreError> {
        if let Some(list) = self.published.load_full() {
            return Ok(list);
        }
        let stored = self.environment.store.load(&self.name).await?;
        let list = Arc::new(stored.list);
        if !stored.receipts.is_empty() || stored.wake_up.is_some() {
            *self.memory.lock() = Some(Box::new(Memory { receipts: stored.receipts, wake_up: stored.wake_up }));
        }
        self.published.store(Some(list.clone()));
        Ok(list)
    }

    /// Makes a round durable; then, and only then, shows it to readers, callers and listeners.
    async fn commit(&self, after: u64, round: Round) -> Result<(), StoreError> {
        let Round { list, receipts, wake_up, revisions, answers, new_receipts, .. } = round;
        let commit = Commit {
            name: self.name.clone(),
            after,
            revisions: revisions.clone(),
            receipts: receipts[receipts.len() - new_receipts..].to_vec(),
            state: list.clone(),
            wake_up,
        };
        if let Err(error) = self.environment.store.commit(commit).await {
            for (answer, reply) in answers {
                // What was refused without a change is refused all the same.
                drop(answer.send(reply.and(Err(CallError::Store(error.clone())))));
            }
            // A store with too much to do did nothing: what is published is still what is durable.
            return if matches!(error, StoreError::Overloaded { .. }) { Ok(()) } else { Err(error) };
        }
        self.published.store(Some(list));
        if !receipts.is_empty() || wake_up.is_some() {
            *self.memory.lock() = Some(Box::new(Memory { receipts, wake_up }));
        } else {
            *self.memory.lock() = None;
        }
        answers.into_iter().for_each(|(answer, reply)| drop(answer.send(reply)));
        if let Some(events) = self.events.get() {
            revisions.into_iter().for_each(|revision| drop(events.send(revision)));
        }
        Ok(())
    }

    /// Decides commands one after the other, each on what the one before it left; as many as fit
    /// into a round.
    fn decide_all(&self, list: Arc<List>, commands: &mut Peekable<IntoIter<Waiting>>) -> Round {
        let memory = self.memory.lock().as_deref().map(|m| (m.receipts.clone(), m.wake_up)).unwrap_or_default();
        let mut round = Round::new(list, memory);
        let now = self.environment.clock.now();
        let (today, utc_offset) = self.environment.clock.local_at(now);
        while round.has_room()
            && let Some((request, _)) = commands.peek()
        {
            if request.command == Command::Wake && !round.is_to_be_woken(now) {
                let (_, answer) = commands.next().expect("a command was peeked at");
                round.answers.push((answer, Err(CallError::Stale { revision: round.list.revision() })));
                continue;
            }
            let name = self.keeper(&round.list, &request.command);
            let Some(version) = self.environment.catalog.live(&name) else {
                let (_, answer) = commands.next().expect("a command was peeked at");
                round.answers.push((answer, Err(CallError::NoLogic(name))));
                continue;
            };
            // One session serves as many commands in a row as the same version is to decide.
            let mut session = version.logic.session();
            while round.has_room()
                && let Some((request, answer)) = commands.next_if(|(request, _)| {
                    self.keeper(&round.list, &request.command) == name && self.is_live(&name, &version)
                })
            {
                let seed = self.environment.clock.seed();
                let context = Context { now, today, utc_offset, caller: request.caller.clone(), seed };
                let reply = match &mut session {
                    Ok(session) => self.answer(&mut round, &version, session.as_mut(), *request, context),
                    Err(fault) => {
                        version.counters.fault(fault);
                        let logic = version.logic.id().clone();
                        Err(CallError::Refused { refusal: Refusal::Fault(fault.clone()), logic })
                    }
                };
                round.answers.push((answer, reply));
                if std::mem::take(&mut round.session_over) || session.is_err() {
                    break;
                }
            }
        }
        round
    }

    /// Whether a version still is the one that decides: checked between any two commands.
    fn is_live(&self, name: &LogicName, version: &Arc<Version>) -> bool {
        self.environment.catalog.live(name).is_some_and(|live| Arc::ptr_eq(&live, version))
    }

    /// The logic that decides a command: the one the command hands the list to, or its own.
    fn keeper(&self, list: &List, command: &Command) -> LogicName {
        match command {
            Command::Configure { logic: Some(logic), .. } => logic.clone(),
            _ => list.logic().unwrap_or(&self.environment.default_logic).clone(),
        }
    }

    /// Answers one command: as it was answered before, or by deciding it.
    fn answer(
        &self,
        round: &mut Round,
        version: &Version,
        session: &mut dyn Session,
        request: Request,
        context: Context,
    ) -> Result<Reply, CallError> {
        let Request { command, expect, idempotency, .. } = request;
        let earlier = |key: &str| round.receipts.iter().find(|receipt| receipt.request.key == key);
        if let Some(request) = &idempotency
            && let Some(first) = earlier(&request.key)
        {
            return repeat(first, request.fingerprint == first.request.fingerprint);
        }
        check(&expect, &round.list)?;
        let limits = self.environment.limits;
        let mut decider = Decider { logic: &*version.logic, session: &mut *session, limits };
        let begun = told::wanted().then(Instant::now);
        let decided = decider.decide(&round.list, &context, &command);
        count(version, &decided);
        if let Some(begun) = begun {
            told::decision(&self.name, &context.caller, &command, &decided, version.logic.id(), begun.elapsed());
        }
        if let Some(request) = idempotency
            && let Some(outcome) = round.outcome(&decided)
        {
            round.remember(Receipt { request, time: context.now, logic: version.logic.id().clone(), outcome });
        }
        match decided {
            Ok(decided) => Ok(round.carry_out(version, session, command, context, decided)),
            Err(refusal) => {
                round.session_over = matches!(refusal, Refusal::Fault(_));
                Err(CallError::Refused { refusal, logic: version.logic.id().clone() })
            }
        }
    }
}

impl Round {
    fn new(list: Arc<List>, (receipts, wake_up): (Vec<Receipt>, Option<u64>)) -> Self {
        Self {
            list,
            receipts,
            wake_up,
            revisions: Vec::new(),
            answers: Vec::new(),
            new_receipts: 0,
            rescheduled: false,
            changes: 0,
            session_over: false,
            begun: Instant::now(),
        }
    }

    /// Whether another command fits in. The first one always does.
    fn has_room(&self) -> bool {
        self.answers.is_empty() || (self.changes < ROUND_CHANGES && self.begun.elapsed() < ROUND_TIME)
    }

    /// Whether the list's time has come: it may have been put off, or the list deleted, since the
    /// wake-up was sent. If it has, the next try is noted before anything can go wrong, so that a
    /// list which cannot be woken is not woken for ever.
    fn is_to_be_woken(&mut self, now: u64) -> bool {
        if !self.list.exists() {
            self.reschedule(None);
            return false;
        }
        let due = self.wake_up.is_some_and(|at| at <= now);
        if due {
            self.reschedule(Some(now + WAKE_UP_RETRY));
        }
        due
    }

    /// Takes what was decided into the round.
    fn carry_out(
        &mut self,
        version: &Version,
        session: &mut dyn Session,
        command: Command,
        context: Context,
        decided: Decided,
    ) -> Reply {
        let logic = version.logic.id().clone();
        let created = decided.list.exists() && !self.list.exists();
        let first_new = self.list.next_id();
        let unchanged = decided.changes.is_empty();
        self.list = decided.list.clone();
        if !unchanged || command == Command::Wake {
            let pause = if unchanged { WAKE_UP_RETRY } else { WAKE_UP_PAUSE };
            self.schedule(version, session, &context, pause);
        }
        let number = self.list.revision();
        if unchanged {
            return Reply { logic, revision: number, created, first_new, effect: Effect::Nothing };
        }
        let Decided { changes, inverse, .. } = decided;
        self.changes += changes.len();
        let logic_id = logic.clone();
        let revision = Revision { number, context, logic: logic_id, command, changes, inverse, first_new };
        let revision = Arc::new(revision);
        self.revisions.push(revision.clone());
        Reply { logic, revision: number, created, first_new, effect: Effect::Revised(revision) }
    }

    /// What a receipt says of a decision. Failures get none: they may go differently the next time.
    fn outcome(&self, decided: &Result<Decided, Refusal>) -> Option<Outcome> {
        match decided {
            Ok(decided) => Some(Outcome::Done {
                revision: decided.list.revision(),
                changes: decided.changes.clone(),
                created: decided.list.exists() && !self.list.exists(),
                first_new: self.list.next_id(),
            }),
            Err(Refusal::Rejected(rejection)) => Some(Outcome::Rejected(rejection.clone())),
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
                version.counters.fault(&fault);
                self.session_over = true;
                self.reschedule(Some(self.wake_up.unwrap_or(context.now + WAKE_UP_RETRY)));
            }
        }
    }

    fn reschedule(&mut self, wake_up: Option<u64>) {
        self.rescheduled |= self.wake_up != wake_up;
        self.wake_up = wake_up;
    }

    fn remember(&mut self, receipt: Receipt) {
        if self.receipts.len() == MAX_RECEIPTS {
            self.receipts.remove(0);
        }
        self.receipts.push(receipt);
        self.new_receipts = (self.new_receipts + 1).min(MAX_RECEIPTS);
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

fn count(version: &Version, decided: &Result<Decided, Refusal>) {
    let counters = &version.counters;
    match decided {
        Ok(_) => drop(counters.accepted.fetch_add(1, Ordering::Relaxed)),
        Err(Refusal::Rejected(_)) => drop(counters.rejected.fetch_add(1, Ordering::Relaxed)),
        Err(Refusal::Fault(fault)) => counters.fault(fault),
        Err(_) => {}
    }
}

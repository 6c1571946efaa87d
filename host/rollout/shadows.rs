//! A candidate in the shadow of the live version: every command that the live one decided is decided by
//! the candidate, too, off the reply path, on the same snapshot and in the same context; and what differs
//! is counted and kept.
//!
//! Nobody waits for a shadow. It works on one thread of the lowest priority; when that cannot keep up,
//! commands are skipped, and the skips counted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::digest::Digest;
use super::version::Version;
use crate::list::change::{Change, Rejection};
use crate::list::command::{Command, Context, Page, Query};
use crate::list::name::ListName;
use crate::list::schema::Reading;
use crate::list::{Limits, List};
use crate::logic::decide::{Decided, Decider};
use crate::logic::read::read;
use crate::logic::{Cost, Fault, Logic, Refusal, Session};
use crate::render;

/// How many differences are kept; the oldest go first.
pub const MAX_DIFFERENCES: usize = 100;

/// How many commands may wait for a shadow.
const MAX_WAITING: usize = 1_024;

/// How many bytes of text the lists may have that wait for a shadow: they are snapshots, which would be gone
/// otherwise.
const MAX_WAITING_BYTES: usize = 64 << 20;

/// How often a command is decided again that the machine was too busy for, before it is skipped.
const MAX_TRIES: usize = 3;

/// For how many times as long as a command took a shadow rests that cannot keep up, and for how long at most.
const REST: u32 = 9;
const MAX_REST: Duration = Duration::from_millis(100);

/// How many commands are compared in one session at most, so that its memory does not grow for ever.
const MAX_SITTING: usize = 1_000;

/// How many rows of each view are compared.
const COMPARED_ROWS: usize = 100;

/// A candidate at work in the shadow of the live version.
pub struct Shadow {
    /// The digests of the candidate and the live version.
    compares: [Digest; 2],
    cases: SyncSender<Case>,
    tally: Arc<Tally>,
}

/// A command that the live version decided.
pub struct Case {
    /// Of which list.
    pub name: ListName,
    /// The list as it was.
    pub list: Arc<List>,
    /// The circumstances.
    pub context: Context,
    /// What was asked.
    pub command: Command,
    /// How large a list may become.
    pub limits: Limits,
    /// Who decided.
    pub live: Arc<Version>,
    /// What came of it: the changes and the list after them, or why there are none.
    pub answer: Result<(Vec<Change>, Arc<List>), Refusal>,
    /// What that cost.
    pub cost: Cost,
    /// How long that took.
    pub took: Duration,
}

/// What a shadow found so far. All numbers only grow.
#[derive(Default)]
pub struct Tally {
    sent: AtomicU64,
    /// The text, in bytes, of the lists that wait.
    waiting_bytes: AtomicUsize,
    /// Whether the shadow is wanted no more.
    over: AtomicBool,
    /// Commands that both decided.
    pub compared: AtomicU64,
    /// Commands that the shadow had no time or no room for.
    pub skipped: AtomicU64,
    /// Commands that came to other changes.
    pub changes: AtomicU64,
    /// Commands that one carries out and the other does not, or not for the same reason.
    pub rejection: AtomicU64,
    /// Commands after which a view shows something else.
    pub view: AtomicU64,
    /// Commands at which the candidate failed.
    pub fault: AtomicU64,
    last: Mutex<VecDeque<Difference>>,
}

/// How an answer differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Other changes.
    Changes,
    /// One says no, or not for the same reason.
    Rejection,
    /// The same changes, and a view that shows something else.
    View,
    /// The candidate failed.
    Fault,
}

/// A command at which the two differ.
#[derive(Clone, Debug)]
pub struct Difference {
    /// When it was decided: milliseconds since the epoch.
    pub time: u64,
    /// Of which list.
    pub list: ListName,
    /// The revision that the list was at.
    pub revision: u64,
    /// Who asked.
    pub caller: Arc<str>,
    /// What was asked, as a file of cases would write it.
    pub command: String,
    /// How they differ.
    pub kind: Kind,
    /// What the live version answered.
    pub live: MeasuredAnswer,
    /// What the candidate answered.
    pub candidate: MeasuredAnswer,
}

/// An answer for people, with its price.
#[derive(Clone, Debug)]
pub struct MeasuredAnswer {
    /// The answer.
    pub answer: String,
    /// Fuel for deciding.
    pub fuel: u64,
    /// Time for deciding.
    pub took: Duration,
}

impl Kind {
    /// A word for programs, stable.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Rejection => "rejection",
            Self::View => "view",
            Self::Fault => "fault",
        }
    }
}

impl Shadow {
    /// Returns the running shadow if it compares these two versions, or else starts a new one. What one live version
    /// shows about a candidate says nothing about another.
    pub(super) fn follow(running: Option<&Arc<Self>>, candidate: &Arc<Version>, live: &Digest) -> Arc<Self> {
        let compares = [*candidate.digest(), *live];
        let same = running.filter(|running| running.compares == compares);
        same.cloned().unwrap_or_else(|| Self::start(candidate.clone(), live))
    }

    /// Starts the thread of a shadow. The thread ends when the shadow is dropped.
    pub fn start(candidate: Arc<Version>, live: &Digest) -> Arc<Self> {
        let compares = [*candidate.digest(), *live];
        let (cases, waiting) = sync_channel(MAX_WAITING);
        let tally = Arc::new(Tally::default());
        let thread_tally = tally.clone();
        let run = move || work(&candidate, &waiting, &thread_tally);
        if let Err(error) = std::thread::Builder::new().name("shadow".into()).spawn(run) {
            // Then nobody takes what is sent, and all of it counts as skipped.
            tracing::error!(%error, "the thread of a shadow could not be started");
        }
        Arc::new(Self { compares, cases, tally })
    }

    /// Whether there is time for another command of a list, to be handed over by [`Shadow::send`]. If not, it
    /// counts as skipped.
    pub fn has_room(&self, list: &List) -> bool {
        let (tally, bytes) = (&self.tally, list.bytes());
        let has_room = tally.waiting() < MAX_WAITING as u64
            && tally.waiting_bytes.load(Ordering::Relaxed) + bytes <= MAX_WAITING_BYTES;
        if !has_room {
            tally.sent.fetch_add(1, Ordering::Relaxed);
            tally.skipped.fetch_add(1, Ordering::Relaxed);
        }
        has_room
    }

    /// Hands a decided command over, unless too many wait.
    pub fn send(&self, case: Case) {
        let (tally, bytes) = (&self.tally, case.list.bytes());
        tally.sent.fetch_add(1, Ordering::Relaxed);
        tally.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.cases.try_send(case).is_err() {
            tally.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            tally.skipped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was found.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        self.tally.over.store(true, Ordering::Relaxed);
    }
}

impl Tally {
    /// The last differences, the newest last; at most [`MAX_DIFFERENCES`].
    pub fn last(&self) -> Vec<Difference> {
        self.last.lock().iter().cloned().collect()
    }

    /// Commands that still wait.
    pub fn waiting(&self) -> u64 {
        let done = self.compared.load(Ordering::Relaxed) + self.skipped.load(Ordering::Relaxed);
        self.sent.load(Ordering::Relaxed).saturating_sub(done)
    }

    fn note(&self, difference: Difference) {
        let count = match difference.kind {
            Kind::Changes => &self.changes,
            Kind::Rejection => &self.rejection,
            Kind::View => &self.view,
            Kind::Fault => &self.fault,
        };
        count.fetch_add(1, Ordering::Relaxed);
        let mut last = self.last.lock();
        if last.len() == MAX_DIFFERENCES {
            last.pop_front();
        }
        last.push_back(difference);
    }
}

fn work(candidate: &Version, cases: &Receiver<Case>, tally: &Tally) {
    if let Err(error) = yield_to_all() {
        tracing::debug!(?error, "a shadow works at the priority of all others");
    }
    let mut next = cases.recv().ok();
    while let Some(first) = next.take() {
        let live = first.live.clone();
        let mut seats =
            SessionSlots { candidate: SessionSlot::of(&*candidate.logic), live: SessionSlot::of(&*live.logic) };
        let mut case = Some(first);
        for _ in 0..MAX_SITTING {
            let Some(this) = case.take_if(|case| Arc::ptr_eq(&case.live, &live)) else { break };
            if tally.over.load(Ordering::Relaxed) {
                return;
            }
            let begun = Instant::now();
            settle(&mut seats, &this, tally);
            rest(tally, begun.elapsed());
            case = cases.try_recv().ok();
        }
        drop(seats);
        next = case.or_else(|| cases.recv().ok());
    }
}

/// A shadow that cannot keep up skips most commands anyway: then it leaves the processor, and its caches, to
/// those who wait for answers. The busier the machine, the longer a command took, and the longer it rests.
fn rest(tally: &Tally, worked: Duration) {
    if tally.waiting() > MAX_WAITING as u64 / 2 {
        std::thread::park_timeout((worked * REST).min(MAX_REST));
    }
}

/// Compares one command, and counts what came of it.
fn settle(seats: &mut SessionSlots<'_>, case: &Case, tally: &Tally) {
    tally.waiting_bytes.fetch_sub(case.list.bytes(), Ordering::Relaxed);
    // A candidate that makes the host panic must not end its trial unseen.
    let compared = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| retry_if_busy(seats, case)));
    let difference = compared.unwrap_or_else(|_| {
        seats.leave();
        let told = MeasuredAnswer { answer: "a panic of the host".into(), fuel: 0, took: Duration::ZERO };
        Ok(Some(case.difference(Kind::Fault, case.live_told(), told)))
    });
    let count = if difference.is_ok() { &tally.compared } else { &tally.skipped };
    difference.into_iter().flatten().for_each(|difference| tally.note(difference));
    count.fetch_add(1, Ordering::Release);
}

/// Sessions that are kept from one command to the next: what only this thread uses cannot be locked by it when
/// it has to give way in the middle.
struct SessionSlots<'a> {
    candidate: SessionSlot<'a>,
    live: SessionSlot<'a>,
}

struct SessionSlot<'a> {
    logic: &'a dyn Logic,
    session: Option<Box<dyn Session + 'a>>,
}

impl SessionSlots<'_> {
    fn leave(&mut self) {
        (self.candidate.session, self.live.session) = (None, None);
    }
}

impl<'a> SessionSlot<'a> {
    fn of(logic: &'a dyn Logic) -> Self {
        Self { logic, session: None }
    }

    /// Asks in the session, or in a new one if there is none; a session in which something failed is over.
    fn ask<T>(&mut self, ask: impl FnOnce(&dyn Logic, &mut dyn Session) -> Result<T, Fault>) -> Result<T, Fault> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.logic.session()?,
        };
        let answer = ask(self.logic, session.as_mut());
        self.session = Some(session).filter(|_| answer.is_ok());
        answer
    }
}

/// Has this thread run only while no other wants to, and has every other one preempt it at once (SCHED_IDLE, see
/// sched(7)). The lowest niceness does not: who wakes up may wait for as long as a time slice.
fn yield_to_all() -> Result<(), thread_priority::Error> {
    #[cfg(target_os = "linux")]
    thread_priority::set_thread_priority_and_policy(
        thread_priority::thread_native_id(),
        thread_priority::ThreadPriority::Min,
        thread_priority::ThreadSchedulePolicy::Normal(thread_priority::NormalThreadSchedulePolicy::Idle),
    )?;
    Ok(())
}

/// There was no room for another instance, or the processor was busy with what comes first for as long as an
/// answer may take. Neither says anything about a candidate; one that computes without end runs out of fuel.
struct Busy;

/// Tries a few times to find the machine less busy.
fn retry_if_busy(seats: &mut SessionSlots<'_>, case: &Case) -> Result<Option<Difference>, Busy> {
    let tries = (1..MAX_TRIES).map(|_| compare(seats, case)).find(Result::is_ok);
    tries.unwrap_or_else(|| compare(seats, case))
}

/// Decides a case again. Answers how the candidate differs, if it does.
fn compare(seats: &mut SessionSlots<'_>, case: &Case) -> Result<Option<Difference>, Busy> {
    let begun = Instant::now();
    let answered = seats.candidate.ask(|logic, session| match decide(logic, session, case) {
        Err(Refusal::Fault(fault)) => Err(fault),
        decided => Ok((decided, session.cost())),
    });
    let took = begun.elapsed();
    let (decided, cost) = answered.unwrap_or_else(|fault| (Err(Refusal::Fault(fault)), Cost::default()));
    let told = |answer: String| MeasuredAnswer { answer, fuel: cost.fuel, took };
    let kind = match (&case.answer, &decided) {
        (_, Err(Refusal::Fault(fault))) if fault.is_busy() => return Err(Busy),
        (_, Err(Refusal::Fault(_))) => Some(Kind::Fault),
        (Ok((live, _)), Ok(decided)) => (!same_changes(live, &decided.changes)).then_some(Kind::Changes),
        (Err(live), Err(refusal)) => (live != refusal).then_some(Kind::Rejection),
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => Some(Kind::Rejection),
    };
    if let Some(kind) = kind {
        let answer = match &decided {
            Ok(decided) => render::changes(&Change::made_by_logic(decided.changes.clone())),
            Err(refusal) => refusal.shown(),
        };
        return Ok(Some(case.difference(kind, case.live_told(), told(answer))));
    }
    let (Ok((_, live)), Ok(decided)) = (&case.answer, &decided) else { return Ok(None) };
    let differs = first_view_that_differs(seats, live, &decided.list, &case.context)?;
    Ok(differs.map(|(view, live, other)| {
        let of = |answer: String| format!("{view} {answer}");
        let live = MeasuredAnswer { answer: of(live), ..case.live_told() };
        case.difference(Kind::View, live, told(of(other)))
    }))
}

/// A list that means something else to the candidate is taken over first, as it would be.
fn decide(logic: &dyn Logic, session: &mut dyn Session, case: &Case) -> Result<Decided, Refusal> {
    let Case { list, context, command, limits, .. } = case;
    let moved = list.binding().is_some_and(|binding| binding.needs_migration(logic.binding()));
    let mut decider = Decider { logic, session, limits: *limits };
    let list = if moved { decider.decide(list, context, &Command::Migrate)?.list } else { list.clone() };
    decider.decide(&list, context, command)
}

/// The first view after a command that is not the same, with what either shows.
fn first_view_that_differs(
    seats: &mut SessionSlots<'_>,
    live_list: &Arc<List>,
    candidate_list: &Arc<List>,
    context: &Context,
) -> Result<Option<(String, String, String)>, Busy> {
    let (ours, theirs) = (seats.live.logic.description(), seats.candidate.logic.description());
    let asks = |description: &crate::list::schema::Description| description.reading == Reading::Logic;
    let plain = (asks(ours) && asks(theirs)).then_some(None);
    let views = ours.views.iter().filter(|view| theirs.view(&view.name).is_some());
    for view in plain.into_iter().chain(views.map(|view| Some(view.name.clone()))) {
        let name = view.as_deref().map_or_else(|| "view".to_owned(), |view| format!("view {view}"));
        let query = Query { view, limit: COMPARED_ROWS, ..Query::default() };
        let one = page(&mut seats.live, live_list, context, &query)?;
        let other = page(&mut seats.candidate, candidate_list, context, &query)?;
        if one != other {
            return Ok(Some((name, show_page(&one), show_page(&other))));
        }
    }
    Ok(None)
}

fn page(
    seat: &mut SessionSlot<'_>,
    list: &Arc<List>,
    context: &Context,
    query: &Query,
) -> Result<Result<Result<Page, Rejection>, Fault>, Busy> {
    let read = seat.ask(|_, session| read(session, list, context, query));
    if read.as_ref().is_err_and(Fault::is_busy) { Err(Busy) } else { Ok(read) }
}

fn same_changes(one: &[Change], other: &[Change]) -> bool {
    let ours = |change: &&Change| change.is_made_by_logic();
    one.iter().filter(ours).eq(other.iter().filter(ours))
}

fn show_page(page: &Result<Result<Page, Rejection>, Fault>) -> String {
    match page {
        Ok(Ok(page)) => render::page(page),
        Ok(Err(rejection)) => render::rejection(rejection),
        Err(fault) => format!("failed: {fault}"),
    }
}

impl Case {
    fn live_told(&self) -> MeasuredAnswer {
        let answer = match &self.answer {
            Ok((changes, _)) => render::changes(&Change::made_by_logic(changes.clone())),
            Err(refusal) => refusal.shown(),
        };
        MeasuredAnswer { answer, fuel: self.cost.fuel, took: self.took }
    }

    fn difference(&self, kind: Kind, live: MeasuredAnswer, candidate: MeasuredAnswer) -> Difference {
        Difference {
            time: self.context.now,
            list: self.name.clone(),
            revision: self.list.revision(),
            caller: self.context.caller.clone(),
            command: render::command(&self.command),
            kind,
            live,
            candidate,
        }
    }
}

//! A candidate in the shadow of the live version.
//!
//! The candidate decides every command again that the live version decided, on the same snapshot and in the same
//! context. The shadow counts the differences and retains the last ones. It works off the reply path, so no request
//! waits for it. It has one thread of the lowest priority. When that thread cannot keep up, the shadow skips commands
//! and counts the skips.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::digest::Digest;
use super::retry::retry_if_busy;
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

/// The number of retained differences. The oldest are dropped first.
pub const MAX_DIFFERENCES: usize = 100;

/// The number of commands that may wait for a shadow.
const MAX_WAITING: usize = 1_024;

/// The size in bytes that the waiting lists may have together. They are snapshots, whose memory would otherwise be free.
const MAX_WAITING_BYTES: usize = 64 << 20;

/// The pause of a shadow that cannot keep up, as a multiple of the time that the last command took.
const BACK_OFF: u32 = 9;
/// The longest pause of a shadow that cannot keep up.
const MAX_BACK_OFF: Duration = Duration::from_millis(100);

/// The number of commands that are compared in one session, so that its memory does not grow without end.
const MAX_SESSION_COMMANDS: usize = 1_000;

/// The number of rows of each view that are compared.
const COMPARED_ROWS: usize = 100;

/// A running comparison of a candidate with the live version.
pub struct Shadow {
    /// The digests of the candidate and the live version.
    compares: [Digest; 2],
    cases: SyncSender<Case>,
    tally: Arc<Tally>,
}

/// A command that the live version decided.
pub struct Case {
    /// The name of the list.
    pub name: ListName,
    /// The list before the command.
    pub list: Arc<List>,
    /// The context of the command.
    pub context: Context,
    /// The command.
    pub command: Command,
    /// The limits of the list.
    pub limits: Limits,
    /// The version that decided.
    pub live: Arc<Version>,
    /// The changes and the list after them, or the refusal.
    pub answer: Result<(Vec<Change>, Arc<List>), Refusal>,
    /// The cost of the decision.
    pub cost: Cost,
    /// The time that the decision took.
    pub took: Duration,
}

/// Counters of a shadow, which only grow, and its last differences.
#[derive(Default)]
pub struct Tally {
    sent: AtomicU64,
    /// The size of the waiting lists in bytes.
    waiting_bytes: AtomicUsize,
    /// Whether the shadow was dropped, which ends its thread.
    stopped: AtomicBool,
    /// Commands that both versions decided.
    pub compared: AtomicU64,
    /// Commands that the shadow skipped, because too much was waiting or the machine was busy.
    pub skipped: AtomicU64,
    /// Commands for which the versions decided on different changes.
    pub changes: AtomicU64,
    /// Commands that only one version rejected, or that both rejected for different reasons.
    pub rejection: AtomicU64,
    /// Commands after which a view differs.
    pub view: AtomicU64,
    /// Commands for which the candidate failed.
    pub fault: AtomicU64,
    last: Mutex<VecDeque<Difference>>,
}

/// How the answers to a command differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DifferenceKind {
    /// The changes differ.
    Changes,
    /// Only one version rejected the command, or the reasons differ.
    Rejection,
    /// The changes are the same, and a view differs.
    View,
    /// The candidate failed.
    Fault,
}

/// A command for which the versions differ.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The time of the decision, in milliseconds since the epoch.
    pub time: u64,
    /// The name of the list.
    pub list: ListName,
    /// The revision of the list before the command.
    pub revision: u64,
    /// The user that sent the command.
    pub caller: Arc<str>,
    /// The command in the notation of a case file.
    pub command: String,
    /// How the answers differ.
    pub kind: DifferenceKind,
    /// The answer of the live version.
    pub live: MeasuredAnswer,
    /// The answer of the candidate.
    pub candidate: MeasuredAnswer,
}

/// An answer as text, with its cost.
#[derive(Clone, Debug)]
pub struct MeasuredAnswer {
    /// The answer.
    pub answer: String,
    /// Fuel for deciding.
    pub fuel: u64,
    /// Time for deciding.
    pub took: Duration,
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
            // Without the thread the channel has no receiver, so every command counts as skipped.
            tracing::error!(%error, "the thread of a shadow could not be started");
        }
        Arc::new(Self { compares, cases, tally })
    }

    /// Whether a command of a list may be passed to [`Shadow::send`]. If not, the command counts as skipped.
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

    /// Sends a decided command to the shadow. Skips the command if too many wait.
    pub fn send(&self, case: Case) {
        let (tally, bytes) = (&self.tally, case.list.bytes());
        tally.sent.fetch_add(1, Ordering::Relaxed);
        tally.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.cases.try_send(case).is_err() {
            tally.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            tally.skipped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The counters and the last differences.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        self.tally.stopped.store(true, Ordering::Relaxed);
    }
}

impl Tally {
    /// The last [`MAX_DIFFERENCES`] differences. The newest is last.
    pub fn last(&self) -> Vec<Difference> {
        self.last.lock().iter().cloned().collect()
    }

    /// Commands that still wait.
    pub fn waiting(&self) -> u64 {
        let done = self.compared.load(Ordering::Relaxed) + self.skipped.load(Ordering::Relaxed);
        self.sent.load(Ordering::Relaxed).saturating_sub(done)
    }

    fn record(&self, difference: Difference) {
        let count = match difference.kind {
            DifferenceKind::Changes => &self.changes,
            DifferenceKind::Rejection => &self.rejection,
            DifferenceKind::View => &self.view,
            DifferenceKind::Fault => &self.fault,
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
        let mut sessions =
            SessionSlots { candidate: SessionSlot::of(&*candidate.logic), live: SessionSlot::of(&*live.logic) };
        let mut case = Some(first);
        let mut list: Option<ListName> = None;
        for _ in 0..MAX_SESSION_COMMANDS {
            let Some(this) = case.take_if(|case| Arc::ptr_eq(&case.live, &live)) else { break };
            if tally.stopped.load(Ordering::Relaxed) {
                return;
            }
            // A list that does not exist yet may have the name of a deleted one.
            if list.as_ref() != Some(&this.name) || !this.list.exists() {
                sessions.end_isolated();
                list = Some(this.name.clone());
            }
            let start = Instant::now();
            compare(&mut sessions, &this, tally);
            back_off(tally, start.elapsed());
            case = cases.try_recv().ok();
        }
        drop(sessions);
        next = case.or_else(|| cases.recv().ok());
    }
}

/// Pauses a shadow that cannot keep up. It skips most commands anyway, so it leaves the processor and its caches to
/// the requests. The busier the machine, the longer a command takes, and the longer the pause.
fn back_off(tally: &Tally, worked: Duration) {
    if tally.waiting() > MAX_WAITING as u64 / 2 {
        std::thread::park_timeout((worked * BACK_OFF).min(MAX_BACK_OFF));
    }
}

/// Compares one command and records the outcome.
fn compare(sessions: &mut SessionSlots<'_>, case: &Case, tally: &Tally) {
    tally.waiting_bytes.fetch_sub(case.list.bytes(), Ordering::Relaxed);
    // A candidate that makes the host panic must not end its shadow unnoticed.
    let compared = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        retry_if_busy(|| difference(sessions, case), |Busy| true)
    }));
    let difference = compared.unwrap_or_else(|_| {
        sessions.end();
        let candidate = MeasuredAnswer { answer: "a panic of the host".into(), fuel: 0, took: Duration::ZERO };
        Ok(Some(case.difference_of_kind(DifferenceKind::Fault, case.live_answer(), candidate)))
    });
    let count = if difference.is_ok() { &tally.compared } else { &tally.skipped };
    difference.into_iter().flatten().for_each(|difference| tally.record(difference));
    count.fetch_add(1, Ordering::Release);
}

/// Sessions that serve several commands: of one list, unless lists share the instances of the version. Only this thread
/// uses them, so it holds no lock of other threads when the scheduler preempts it.
struct SessionSlots<'a> {
    candidate: SessionSlot<'a>,
    live: SessionSlot<'a>,
}

struct SessionSlot<'a> {
    logic: &'a dyn Logic,
    session: Option<Box<dyn Session + 'a>>,
}

impl SessionSlots<'_> {
    fn end(&mut self) {
        (self.candidate.session, self.live.session) = (None, None);
    }

    /// Ends the sessions whose instances serve one list only.
    fn end_isolated(&mut self) {
        for slot in [&mut self.candidate, &mut self.live] {
            slot.session.take_if(|_| !slot.logic.is_shared());
        }
    }
}

impl<'a> SessionSlot<'a> {
    fn of(logic: &'a dyn Logic) -> Self {
        Self { logic, session: None }
    }

    /// Calls the logic in the session, or in a new one if there is none. A session ends with a failed call.
    fn call<T>(&mut self, call: impl FnOnce(&dyn Logic, &mut dyn Session) -> Result<T, Fault>) -> Result<T, Fault> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.logic.session()?,
        };
        let answer = call(self.logic, session.as_mut());
        self.session = Some(session).filter(|_| answer.is_ok());
        answer
    }
}

/// Lets this thread run only while no other thread wants to, and lets every other thread preempt it at once
/// (SCHED_IDLE, see sched(7)). The lowest niceness is not enough: a thread that wakes up may wait for a time slice.
fn yield_to_all() -> Result<(), thread_priority::Error> {
    #[cfg(target_os = "linux")]
    thread_priority::set_thread_priority_and_policy(
        thread_priority::thread_native_id(),
        thread_priority::ThreadPriority::Min,
        thread_priority::ThreadSchedulePolicy::Normal(thread_priority::NormalThreadSchedulePolicy::Idle),
    )?;
    Ok(())
}

/// The machine had no memory for another instance, or its processor was busy with requests for longer than a call may
/// take. Neither says anything about a candidate. A candidate that computes without end runs out of fuel.
struct Busy;

/// Decides a command again. Returns the difference between the versions, if there is one.
fn difference(sessions: &mut SessionSlots<'_>, case: &Case) -> Result<Option<Difference>, Busy> {
    let start = Instant::now();
    let answered = sessions.candidate.call(|logic, session| match decide(logic, session, case) {
        Err(Refusal::Fault(fault)) => Err(fault),
        decided => Ok((decided, session.cost())),
    });
    let took = start.elapsed();
    let (decided, cost) = answered.unwrap_or_else(|fault| (Err(Refusal::Fault(fault)), Cost::default()));
    let measured = |answer: String| MeasuredAnswer { answer, fuel: cost.fuel, took };
    let kind = match (&case.answer, &decided) {
        (_, Err(Refusal::Fault(fault))) if fault.is_busy() => return Err(Busy),
        (_, Err(Refusal::Fault(_))) => Some(DifferenceKind::Fault),
        (Ok((live, _)), Ok(decided)) => (!same_changes(live, &decided.changes)).then_some(DifferenceKind::Changes),
        (Err(live), Err(refusal)) => (live != refusal).then_some(DifferenceKind::Rejection),
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => Some(DifferenceKind::Rejection),
    };
    if let Some(kind) = kind {
        let answer = match &decided {
            Ok(decided) => render::changes(&Change::made_by_logic(decided.changes.clone())),
            Err(refusal) => refusal.shown(),
        };
        return Ok(Some(case.difference_of_kind(kind, case.live_answer(), measured(answer))));
    }
    let (Ok((_, live)), Ok(decided)) = (&case.answer, &decided) else { return Ok(None) };
    let differs = first_view_that_differs(sessions, live, &decided.list, &case.context)?;
    Ok(differs.map(|(view, live, other)| {
        let in_view = |answer: String| format!("{view} {answer}");
        let live = MeasuredAnswer { answer: in_view(live), ..case.live_answer() };
        case.difference_of_kind(DifferenceKind::View, live, measured(in_view(other)))
    }))
}

/// Decides a command. A list that the candidate cannot read as it is migrates first, as it would after a publication.
fn decide(logic: &dyn Logic, session: &mut dyn Session, case: &Case) -> Result<Decided, Refusal> {
    let Case { list, context, command, limits, .. } = case;
    let migrates = list.binding().is_some_and(|binding| binding.needs_migration(logic.binding()));
    let mut decider = Decider { logic, session, limits: *limits };
    let list = if migrates { decider.decide(list, context, &Command::Migrate)?.list } else { list.clone() };
    decider.decide(&list, context, command)
}

/// Finds the first view that differs after a command. Returns its name, and its contents for both versions.
fn first_view_that_differs(
    sessions: &mut SessionSlots<'_>,
    live_list: &Arc<List>,
    candidate_list: &Arc<List>,
    context: &Context,
) -> Result<Option<(String, String, String)>, Busy> {
    let (live, candidate) = (sessions.live.logic.description(), sessions.candidate.logic.description());
    let reads_itself = |description: &crate::list::schema::Description| description.reading == Reading::Logic;
    let plain = (reads_itself(live) && reads_itself(candidate)).then_some(None);
    let views = live.views.iter().filter(|view| candidate.view(&view.name).is_some());
    for view in plain.into_iter().chain(views.map(|view| Some(view.name.clone()))) {
        let name = view.as_deref().map_or_else(|| "view".to_owned(), |view| format!("view {view}"));
        let query = Query { view, limit: COMPARED_ROWS, ..Query::default() };
        let one = page(&mut sessions.live, live_list, context, &query)?;
        let other = page(&mut sessions.candidate, candidate_list, context, &query)?;
        if one != other {
            return Ok(Some((name, show_page(&one), show_page(&other))));
        }
    }
    Ok(None)
}

fn page(
    slot: &mut SessionSlot<'_>,
    list: &Arc<List>,
    context: &Context,
    query: &Query,
) -> Result<Result<Result<Page, Rejection>, Fault>, Busy> {
    let read = slot.call(|_, session| read(session, list, context, query));
    if read.as_ref().is_err_and(Fault::is_busy) { Err(Busy) } else { Ok(read) }
}

fn same_changes(one: &[Change], other: &[Change]) -> bool {
    let by_logic = |change: &&Change| change.is_made_by_logic();
    one.iter().filter(by_logic).eq(other.iter().filter(by_logic))
}

fn show_page(page: &Result<Result<Page, Rejection>, Fault>) -> String {
    match page {
        Ok(Ok(page)) => render::page(page),
        Ok(Err(rejection)) => render::rejection(rejection),
        Err(fault) => format!("failed: {fault}"),
    }
}

impl Case {
    fn live_answer(&self) -> MeasuredAnswer {
        let answer = match &self.answer {
            Ok((changes, _)) => render::changes(&Change::made_by_logic(changes.clone())),
            Err(refusal) => refusal.shown(),
        };
        MeasuredAnswer { answer, fuel: self.cost.fuel, took: self.took }
    }

    fn difference_of_kind(&self, kind: DifferenceKind, live: MeasuredAnswer, candidate: MeasuredAnswer) -> Difference {
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

#[cfg(test)]
mod tests;

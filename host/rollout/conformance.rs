//! A battery of questions that every logic has to stand: generated from its description, asked on
//! several instances, and measured.
//!
//! It needs nothing of the logic's author, so it can be a gate for any component: what fails at a
//! list and a command that fit its own description, or answers differently when asked again, is
//! not fit to keep lists. Pure but for the sessions it asks and the clock it is handed.

mod costs;
mod generate;
mod takeover;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use costs::Kind;
pub use costs::{Costs, Sample, Spread};
pub use takeover::migrate_lists;

use crate::list::change::{Change, Rejection};
use crate::list::command::{Command, Context, Page, Query};
use crate::list::excerpt::quoted;
use crate::list::{Limits, List};
use crate::logic::decide::Decider;
use crate::logic::read::read;
use crate::logic::{Fault, Logic, Refusal, Session};
use crate::render;

/// After so many failures nothing more is asked: the first ones say enough, and each may have taken
/// all the time that a call may take.
pub const MAX_FAILURES: usize = 10;

/// When the questions took so long together, no more are asked. A component whose every answer takes
/// nearly all the time it may would hold its asker up for an hour otherwise.
pub const MAX_TIME: Duration = Duration::from_secs(20);

/// How often a question is asked whose failure may be the machine's: it was busy, or had no room.
const MAX_TRIES: usize = 3;

/// What became of a battery.
#[derive(Debug, Default)]
pub struct Report {
    /// How many questions were asked.
    pub asked: usize,
    /// Whether there were more, and no time left for them, see [`MAX_TIME`].
    pub out_of_time: bool,
    /// What questions of each kind cost, in the order in which they were first asked.
    pub costs: Vec<Costs>,
    /// What went wrong: one failure of each kind of question, and at most [`MAX_FAILURES`].
    pub failures: Vec<Failure>,
}

/// A question that went wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The kind of question, as [`Costs::name`] has it.
    pub name: String,
    /// What was asked, as a file of cases would write it.
    pub question: String,
    /// What it was asked about.
    pub list: String,
    /// The kind of fault, as [`Fault::kind`] has it.
    pub kind: &'static str,
    /// What happened.
    pub why: String,
}

/// One question about one list.
#[derive(Clone, PartialEq, Debug)]
struct Case {
    list: Arc<List>,
    context: Context,
    question: Probe,
}

#[derive(Clone, PartialEq, Debug)]
enum Probe {
    Command(Command),
    /// The list is another logic's, and is to become this one's.
    Migrate,
    View(Query),
    NextWakeUp,
}

/// What came of a question.
#[derive(PartialEq, Debug)]
enum Answer {
    Changes(Vec<Change>),
    Refused(Refusal),
    Page(Result<Page, Rejection>),
    WakeUp(Option<u64>),
}

/// Asks a logic everything. The clock tells how much time passed since any moment.
pub fn run(logic: &dyn Logic, clock: &dyn Fn() -> Duration) -> Report {
    let mut battery = Battery { logic, clock, warm: None, kinds: Vec::new() };
    let mut report = Report::default();
    let begun = clock();
    for case in generate::cases(logic.binding(), logic.description()) {
        if report.failures.len() >= MAX_FAILURES {
            break;
        }
        if clock().saturating_sub(begun) > MAX_TIME {
            report.out_of_time = true;
            break;
        }
        // One failure of a kind is enough; the first is about the smallest list.
        if report.failures.iter().any(|failure| failure.name == case.name()) {
            continue;
        }
        report.asked += 1;
        if let Err(wrong) = battery.ask(&case) {
            report.failures.push(case.failure(wrong));
        }
    }
    report.costs = battery.kinds.iter().map(Kind::costs).collect();
    report
}

/// What is wrong with an answer.
struct Wrong {
    kind: &'static str,
    why: String,
}

impl From<Fault> for Wrong {
    fn from(fault: Fault) -> Self {
        Self { kind: fault.kind(), why: fault.to_string() }
    }
}

/// Two instances that were asked the same have to answer the same.
fn same(one: &Answer, other: &Answer) -> Result<(), Wrong> {
    if one == other {
        return Ok(());
    }
    let why = format!("asked the same on two instances, it answered {} and {}", one.show(), other.show());
    Err(Wrong { kind: Fault::Impure.kind(), why })
}

struct Battery<'a> {
    logic: &'a dyn Logic,
    clock: &'a dyn Fn() -> Duration,
    /// A session whose instance has answered before.
    warm: Option<Box<dyn Session + 'a>>,
    kinds: Vec<Kind>,
}

impl Battery<'_> {
    /// Asks on two fresh instances and on one that has answered other questions, which shows what it
    /// kept of them. All three have to agree.
    fn ask(&mut self, case: &Case) -> Result<(), Wrong> {
        let (first, first_cost) = retry_if_busy(|| self.ask_fresh(case))?;
        let (second, second_cost) = retry_if_busy(|| self.ask_fresh(case))?;
        same(&first, &second)?;
        let (warm, warm_cost) = retry_if_busy(|| self.ask_warm(case))?;
        same(&first, &warm)?;
        let kind = self.kind(case.name());
        kind.fresh.extend([first_cost, second_cost]);
        kind.warm.push(warm_cost);
        kind.rejected += usize::from(first.is_rejection());
        Ok(())
    }

    fn ask_fresh(&self, case: &Case) -> Result<(Answer, Sample), Fault> {
        let start = (self.clock)();
        let mut session = self.logic.fresh_session()?;
        let answer = case.ask(self.logic, session.as_mut())?;
        Ok((answer, self.sample(session.as_ref(), start)))
    }

    fn ask_warm(&mut self, case: &Case) -> Result<(Answer, Sample), Fault> {
        let mut session = match self.warm.take() {
            Some(session) => session,
            None => {
                let mut session = self.logic.session()?;
                case.ask(self.logic, session.as_mut())?; // what warms it is not measured
                session
            }
        };
        let start = (self.clock)();
        let answer = case.ask(self.logic, session.as_mut())?;
        let sample = self.sample(session.as_ref(), start);
        // Kept only after an answer, because a session in which a call failed is over.
        self.warm = Some(session);
        Ok((answer, sample))
    }

    fn sample(&self, session: &dyn Session, start: Duration) -> Sample {
        let time = (self.clock)().saturating_sub(start);
        let cost = session.cost();
        Sample { fuel: cost.fuel, time, memory: cost.memory }
    }

    fn kind(&mut self, name: String) -> &mut Kind {
        let at = self.kinds.iter().position(|kind| kind.name == name).unwrap_or_else(|| {
            self.kinds.push(Kind::new(name));
            self.kinds.len() - 1
        });
        &mut self.kinds[at]
    }
}

/// Asks again when the failure may be the machine's. What is the logic's own comes again.
fn retry_if_busy<T>(mut ask: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
    let mut answer = ask();
    for _ in 1..MAX_TRIES {
        if !answer.as_ref().is_err_and(Fault::is_busy) {
            break;
        }
        answer = ask();
    }
    answer
}

impl Case {
    fn ask(&self, logic: &dyn Logic, session: &mut dyn Session) -> Result<Answer, Fault> {
        let (list, context) = (&self.list, &self.context);
        let mut decide = |command: &Command| {
            let limits = Limits::default();
            match (Decider { logic, session: &mut *session, limits }).decide(list, context, command) {
                Ok(decided) => Ok(Answer::Changes(decided.changes)),
                Err(Refusal::Fault(fault)) => Err(fault),
                Err(refusal) => Ok(Answer::Refused(refusal)),
            }
        };
        match &self.question {
            Probe::Command(command) => decide(command),
            Probe::Migrate => decide(&Command::Migrate),
            Probe::View(query) => read(session, list, context, query).map(Answer::Page),
            Probe::NextWakeUp => {
                session.begin();
                session.next_wake_up(list, context).map(Answer::WakeUp)
            }
        }
    }

    /// The kind of question.
    fn name(&self) -> String {
        match &self.question {
            Probe::Command(command) => command.name().to_owned(),
            Probe::Migrate => "migrate".into(),
            Probe::View(Query { view: Some(view), .. }) => format!("view {view}"),
            Probe::View(_) => "view".into(),
            Probe::NextWakeUp => "next-wake-up".into(),
        }
    }

    fn failure(&self, wrong: Wrong) -> Failure {
        let question = match &self.question {
            Probe::Command(command) => render::command(command),
            Probe::Migrate => format!("migrate = {}", quoted(&self.from())),
            Probe::View(query) => render::query(query),
            Probe::NextWakeUp => "next-wake-up = true".into(),
        };
        let Wrong { kind, why } = wrong;
        Failure { name: self.name(), question, list: render::list(&self.list), kind, why }
    }
}

impl Case {
    /// Who kept the list until now, as a logic is told.
    fn from(&self) -> String {
        self.list.binding().map_or(String::new(), |binding| format!("{}@{}", binding.id.name, binding.id.version))
    }
}

impl Report {
    /// The worst of all answers, each measure on its own.
    pub fn worst(&self) -> Sample {
        let samples = self.costs.iter().flat_map(|costs| [costs.warm.worst, costs.fresh.worst]);
        samples.fold(Sample::default(), |worst, sample| Sample {
            fuel: worst.fuel.max(sample.fuel),
            time: worst.time.max(sample.time),
            memory: worst.memory.max(sample.memory),
        })
    }
}

impl Failure {
    /// In one line, for whoever is told that a component is not taken.
    pub fn line(&self) -> String {
        format!("asked {} about {}: {}", self.question, self.list, self.why)
    }
}

impl Answer {
    fn is_rejection(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Page(Err(_)))
    }

    fn show(&self) -> String {
        match self {
            Self::Changes(changes) => render::changes(changes),
            Self::Refused(Refusal::Rejected(rejection)) | Self::Page(Err(rejection)) => render::rejection(rejection),
            Self::Refused(refusal) => format!("what made the host refuse it: {refusal}"),
            Self::Page(Ok(page)) => render::page(page),
            Self::WakeUp(None) => "that it never wakes".into(),
            Self::WakeUp(Some(moment)) => format!("that it wakes at {moment}"),
        }
    }
}

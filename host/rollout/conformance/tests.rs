//! The battery, asked of logics in plain Rust.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::*;
use crate::list::binding::LogicBinding;
use crate::list::id::LogicId;
use crate::list::schema::{CommandSchema, Description, Schema, ViewSchema};
use crate::list::value::ValueKind;
use crate::logic::testing::Native;
use crate::logic::{Call, Cost, Decision};

/// Answers as [`Native`] does, after `deed` was told how many calls its instance had before.
struct MeasuredAnswer {
    native: Box<dyn Logic>,
    binding: Arc<LogicBinding>,
    description: Description,
    deed: fn(u64, &Call<'_>) -> Result<Option<Decision>, Fault>,
}

impl MeasuredAnswer {
    fn new(deed: fn(u64, &Call<'_>) -> Result<Option<Decision>, Fault>) -> Self {
        let native = Native::version(1);
        let schema = |name: &str, kind| Schema {
            name: name.into(),
            title: String::new(),
            kind,
            required: name == "text",
            choices: Vec::new(),
        };
        let selection = Schema { choices: vec!["l".into(), "kg".into()], ..schema("texts", ValueKind::Texts) };
        let schemas = vec![
            schema("text", ValueKind::Text),
            schema("number", ValueKind::Number),
            schema("date", ValueKind::Date),
            schema("boolean", ValueKind::Boolean),
            selection,
        ];
        let description = Description {
            fields: schemas.clone(),
            settings: schemas.clone(),
            commands: vec![CommandSchema { name: "move".into(), title: String::new(), arguments: schemas }],
            views: vec![ViewSchema { name: "board".into(), title: String::new() }],
            ..native.description().clone()
        };
        let binding = LogicBinding::new(LogicId::clone(native.id()), &description);
        Self { native, binding, description, deed }
    }
}

impl Logic for MeasuredAnswer {
    fn binding(&self) -> &Arc<LogicBinding> {
        &self.binding
    }

    fn description(&self) -> &Description {
        &self.description
    }

    fn session(&self) -> Result<Box<dyn Session + '_>, Fault> {
        Ok(Box::new(ToldSession { native: self.native.session()?, deed: self.deed, calls: 0 }))
    }
}

struct ToldSession<'a> {
    native: Box<dyn Session + 'a>,
    deed: fn(u64, &Call<'_>) -> Result<Option<Decision>, Fault>,
    calls: u64,
}

impl Session for ToldSession<'_> {
    fn begin(&mut self) {}

    fn cost(&self) -> Cost {
        Cost { fuel: 10 * self.calls, memory: 4096 }
    }

    fn decide(&mut self, list: &Arc<List>, context: &Context, ask: Call<'_>) -> Result<Decision, Fault> {
        let told = (self.deed)(self.calls, &ask)?;
        self.calls += 1;
        told.map_or_else(|| self.native.decide(list, context, ask), Ok)
    }

    fn view(&mut self, list: &Arc<List>, context: &Context, query: &Query) -> Result<Result<Page, Rejection>, Fault> {
        self.native.view(list, context, &Query { after: None, ..query.clone() }).map(|page| {
            page.map(|mut page| {
                page.groups[0].rows.truncate(query.limit);
                page
            })
        })
    }

    fn next_wake_up(&mut self, list: &Arc<List>, context: &Context) -> Result<Option<u64>, Fault> {
        self.native.next_wake_up(list, context)
    }
}

/// Rejects everything, so that nothing can be wrong with what it answers.
fn reject(_: u64, _: &Call<'_>) -> Result<Option<Decision>, Fault> {
    Ok(Some(Err(Rejection { code: "no".into(), message: "No.".into(), field: None })))
}

fn run(logic: &dyn Logic) -> Report {
    super::run(logic, &|| Duration::ZERO)
}

#[test]
fn everything_that_is_described_is_asked_and_fits() {
    let logic = MeasuredAnswer::new(reject);
    let report = run(&logic);
    assert_eq!(report.failures, []);
    let names: BTreeSet<_> = report.costs.iter().map(|costs| costs.name.as_str()).collect();
    let all = ["add-entry", "configure", "delete-entries", "delete-entry", "migrate", "move", "next-wake-up"];
    assert_eq!(names, all.into_iter().chain(["update-entry", "view", "view board", "wake"]).collect());
    for case in generate::cases(&logic.binding, &logic.description) {
        let mut session = logic.session().unwrap();
        if let Answer::Refused(refusal) = case.ask(&logic, session.as_mut()).unwrap() {
            assert!(matches!(refusal, Refusal::Rejected(_)), "{case:?}: {refusal}");
        }
    }
}

#[test]
fn the_same_description_gets_the_same_questions() {
    let logic = MeasuredAnswer::new(reject);
    let cases = || generate::cases(&logic.binding, &logic.description);
    assert_eq!(cases(), cases());
}

#[test]
fn a_logic_that_keeps_count_of_its_calls_is_found_out_at_the_command_that_does() {
    let counts = MeasuredAnswer::new(|calls, ask| match ask {
        Call::Custom(..) => {
            let message = format!("Call {calls}.");
            Ok(Some(Err(Rejection { code: "no".into(), message, field: None })))
        }
        _ => reject(calls, ask),
    });
    let failures = run(&counts).failures;
    assert!(failures.iter().all(|failure| failure.name == "move" && failure.kind == "impure"), "{failures:#?}");
    assert!(failures[0].why.contains("\"Call 0.\"") && failures[0].why.contains("asked the same"), "{failures:#?}");
    assert!(failures[0].question.starts_with("command = { name = \"move\", arguments = {"), "{failures:#?}");
}

#[test]
fn a_fault_is_shown_with_what_was_asked_about_which_list() {
    let failing = MeasuredAnswer::new(|calls, ask| match ask {
        Call::Delete(2) => Err(Fault::Trap("out of bounds".into())),
        _ => reject(calls, ask),
    });
    let report = run(&failing);
    let failure = report.failures.iter().find(|failure| failure.name == "delete-entry").unwrap();
    assert_eq!((failure.question.as_str(), failure.kind), ("delete = 2", "trap"));
    assert_eq!(failure.why, "it trapped: out of bounds");
    assert!(failure.list.starts_with("[{ id = 1, title = "), "{failure:#?}");
    assert!(report.costs.iter().all(|costs| costs.rejected <= costs.asked));
}

#[test]
fn an_answer_that_the_host_would_not_take_is_a_failure() {
    let foreign = MeasuredAnswer::new(|calls, ask| match ask {
        Call::Wake => Ok(Some(Ok(vec![Change::Remove(1_000)]))),
        _ => reject(calls, ask),
    });
    let failures = run(&foreign).failures;
    assert!(failures.iter().all(|failure| failure.name == "wake" && failure.kind == "violation"));
    assert!(failures[0].why.contains("removed entry 1000"), "{failures:#?}");
}

#[test]
fn a_logic_that_fails_at_everything_is_asked_no_more_than_needed() {
    let mut fails = MeasuredAnswer::new(|_, _| Err(Fault::Stack));
    let command = |at: usize| CommandSchema { name: format!("c{at}"), title: String::new(), arguments: Vec::new() };
    fails.description.commands = (0..2 * MAX_FAILURES).map(command).collect();
    let report = run(&fails);
    let names: BTreeSet<_> = report.failures.iter().map(|failure| &failure.name).collect();
    assert_eq!((report.failures.len(), names.len()), (MAX_FAILURES, MAX_FAILURES));
    assert!(report.asked < 2 * MAX_FAILURES, "{}", report.asked);
}

#[test]
fn what_may_be_the_machines_fault_is_asked_again() {
    thread_local!(static BUSY: Cell<bool> = const { Cell::new(false) });
    let slow = MeasuredAnswer::new(|calls, ask| match BUSY.replace(false) {
        true => Err(Fault::Deadline { milliseconds: 50 }),
        false => reject(calls, ask),
    });
    BUSY.set(true);
    assert_eq!(run(&slow).failures, []);
    let always = run(&MeasuredAnswer::new(|_, _| Err(Fault::Deadline { milliseconds: 50 })));
    assert_eq!(always.failures[0].kind, "deadline");
}

#[test]
fn costs_are_the_middle_and_the_worst_of_all_that_were_asked() {
    let now = Cell::new(0_u64);
    let clock = || {
        now.set(now.get() + 3);
        Duration::from_micros(now.get())
    };
    let report = super::run(&MeasuredAnswer::new(reject), &clock);
    let add = report.costs.iter().find(|costs| costs.name == "add-entry").unwrap();
    assert_eq!((add.asked, add.rejected), (12, 12));
    let fresh = Sample { fuel: 10, time: Duration::from_micros(3), memory: 4096 };
    assert_eq!(add.fresh, Spread { median: fresh, worst: fresh });
    assert!(add.warm.worst.fuel > add.warm.median.fuel && add.warm.median.fuel > 10, "{add:?}");
}

#[test]
fn a_logic_that_takes_all_the_time_it_may_is_not_asked_for_ever() {
    let now = Cell::new(Duration::ZERO);
    let clock = || {
        now.set(now.get() + Duration::from_millis(500));
        now.get()
    };
    let report = super::run(&MeasuredAnswer::new(reject), &clock);
    assert!(report.out_of_time && report.asked > 1 && report.failures.is_empty(), "{report:?}");
    assert!(now.get() < MAX_TIME + Duration::from_secs(10), "{report:?}");
}

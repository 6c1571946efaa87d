//! The conformance probes of logics in plain Rust.

use std::cell::Cell;
use std::collections::BTreeSet;

use std::sync::Arc;

use super::case::ProbeAnswer;
use super::*;
use crate::list::List;
use crate::list::binding::LogicBinding;
use crate::list::change::{Change, Rejection};
use crate::list::command::{Context, Page, Query};
use crate::list::id::LogicId;
use crate::list::schema::{CommandSchema, Description, Schema, ViewSchema};
use crate::list::value::ValueKind;
use crate::logic::testing::Native;
use crate::logic::{Call, Cost, Decision, Fault, Refusal, Session};

/// Answers like [`Native`], unless `behaviour` has an answer of its own. `behaviour` gets the number of earlier calls
/// of its instance.
struct ScriptedLogic {
    native: Box<dyn Logic>,
    binding: Arc<LogicBinding>,
    description: Description,
    behaviour: fn(u64, &Call<'_>) -> Result<Option<Decision>, Fault>,
}

impl ScriptedLogic {
    fn new(behaviour: fn(u64, &Call<'_>) -> Result<Option<Decision>, Fault>) -> Self {
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
        Self { native, binding, description, behaviour }
    }
}

impl Logic for ScriptedLogic {
    fn binding(&self) -> &Arc<LogicBinding> {
        &self.binding
    }

    fn description(&self) -> &Description {
        &self.description
    }

    fn session(&self) -> Result<Box<dyn Session + '_>, Fault> {
        Ok(Box::new(ScriptedSession { native: self.native.session()?, behaviour: self.behaviour, calls: 0 }))
    }
}

struct ScriptedSession<'a> {
    native: Box<dyn Session + 'a>,
    behaviour: fn(u64, &Call<'_>) -> Result<Option<Decision>, Fault>,
    calls: u64,
}

impl Session for ScriptedSession<'_> {
    fn begin(&mut self) {}

    fn cost(&self) -> Cost {
        Cost { fuel: 10 * self.calls, memory: 4096 }
    }

    fn decide(&mut self, list: &Arc<List>, context: &Context, ask: Call<'_>) -> Result<Decision, Fault> {
        let scripted = (self.behaviour)(self.calls, &ask)?;
        self.calls += 1;
        scripted.map_or_else(|| self.native.decide(list, context, ask), Ok)
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

/// Rejects every command, which is always a valid answer.
fn reject(_: u64, _: &Call<'_>) -> Result<Option<Decision>, Fault> {
    Ok(Some(Err(Rejection { code: "no".into(), message: "No.".into(), field: None })))
}

fn run(logic: &dyn Logic) -> Report {
    super::run(logic, Limits::default(), &|| Duration::ZERO)
}

#[test]
fn every_part_of_a_description_is_probed_with_arguments_that_fit() {
    let logic = ScriptedLogic::new(reject);
    let report = run(&logic);
    assert_eq!(report.failures, []);
    let names: BTreeSet<_> = report.costs.iter().map(|costs| costs.name.as_str()).collect();
    let all = ["add-entry", "configure", "delete-entries", "delete-entry", "migrate", "move", "next-wake-up"];
    assert_eq!(names, all.into_iter().chain(["update-entry", "view", "view board", "wake"]).collect());
    for case in generate::cases(&logic.binding, &logic.description) {
        let mut session = logic.session().unwrap();
        if let ProbeAnswer::Refused(refusal) = case.ask(&logic, session.as_mut()).unwrap() {
            assert!(matches!(refusal, Refusal::Rejected(_)), "{case:?}: {refusal}");
        }
    }
}

#[test]
fn the_same_description_gets_the_same_probes() {
    let logic = ScriptedLogic::new(reject);
    let cases = || generate::cases(&logic.binding, &logic.description);
    assert_eq!(cases(), cases());
}

#[test]
fn a_logic_that_counts_its_calls_fails_at_the_command_that_shows_it() {
    let counts = ScriptedLogic::new(|calls, ask| match ask {
        Call::Custom(..) => {
            let message = format!("Call {calls}.");
            Ok(Some(Err(Rejection { code: "no".into(), message, field: None })))
        }
        _ => reject(calls, ask),
    });
    let failures = run(&counts).failures;
    assert!(failures.iter().all(|failure| failure.name == "move" && failure.kind == "impure"), "{failures:#?}");
    assert!(failures[0].why.contains("\"Call 0.\"") && failures[0].why.contains("asked the same"), "{failures:#?}");
    assert!(failures[0].probe.starts_with("command = { name = \"move\", arguments = {"), "{failures:#?}");
}

#[test]
fn a_fault_is_shown_with_its_probe_and_its_list() {
    let failing = ScriptedLogic::new(|calls, ask| match ask {
        Call::Delete(2) => Err(Fault::Trap("out of bounds".into())),
        _ => reject(calls, ask),
    });
    let report = run(&failing);
    let failure = report.failures.iter().find(|failure| failure.name == "delete-entry").unwrap();
    assert_eq!((failure.probe.as_str(), failure.kind), ("delete = 2", "trap"));
    assert_eq!(failure.why, "it trapped: out of bounds");
    assert!(failure.list.starts_with("[{ id = 1, title = "), "{failure:#?}");
    assert!(report.costs.iter().all(|costs| costs.rejected <= costs.probes));
}

#[test]
fn an_answer_that_the_host_refuses_is_a_failure() {
    let foreign = ScriptedLogic::new(|calls, ask| match ask {
        Call::Wake => Ok(Some(Ok(vec![Change::Remove(1_000)]))),
        _ => reject(calls, ask),
    });
    let failures = run(&foreign).failures;
    assert!(failures.iter().all(|failure| failure.name == "wake" && failure.kind == "violation"));
    assert!(failures[0].why.contains("removed entry 1000"), "{failures:#?}");
}

#[test]
fn a_logic_that_always_fails_is_probed_once_for_each_kind() {
    let mut fails = ScriptedLogic::new(|_, _| Err(Fault::Stack));
    let command = |at: usize| CommandSchema { name: format!("c{at}"), title: String::new(), arguments: Vec::new() };
    fails.description.commands = (0..2 * MAX_FAILURES).map(command).collect();
    let report = run(&fails);
    let names: BTreeSet<_> = report.failures.iter().map(|failure| &failure.name).collect();
    assert_eq!((report.failures.len(), names.len()), (MAX_FAILURES, MAX_FAILURES));
    assert!(report.probes < 2 * MAX_FAILURES, "{}", report.probes);
}

#[test]
fn a_failure_of_a_busy_machine_is_probed_again() {
    thread_local!(static BUSY: Cell<bool> = const { Cell::new(false) });
    let slow = ScriptedLogic::new(|calls, ask| match BUSY.replace(false) {
        true => Err(Fault::Deadline { milliseconds: 50 }),
        false => reject(calls, ask),
    });
    BUSY.set(true);
    assert_eq!(run(&slow).failures, []);
    let always = run(&ScriptedLogic::new(|_, _| Err(Fault::Deadline { milliseconds: 50 })));
    assert_eq!(always.failures[0].kind, "deadline");
}

#[test]
fn costs_are_the_median_and_the_maximum_of_all_probes() {
    let now = Cell::new(0_u64);
    let clock = || {
        now.set(now.get() + 3);
        Duration::from_micros(now.get())
    };
    let report = super::run(&ScriptedLogic::new(reject), Limits::default(), &clock);
    let add = report.costs.iter().find(|costs| costs.name == "add-entry").unwrap();
    assert_eq!((add.probes, add.rejected), (12, 12));
    let fresh = Sample { fuel: 10, time: Duration::from_micros(3), memory: 4096 };
    assert_eq!(add.fresh, Spread { median: fresh, worst: fresh });
    assert!(add.warm.worst.fuel > add.warm.median.fuel && add.warm.median.fuel > 10, "{add:?}");
}

#[test]
fn the_probes_of_a_slow_logic_end_when_the_time_is_up() {
    let now = Cell::new(Duration::ZERO);
    let clock = || {
        now.set(now.get() + Duration::from_millis(500));
        now.get()
    };
    let report = super::run(&ScriptedLogic::new(reject), Limits::default(), &clock);
    assert!(report.out_of_time && report.probes > 1 && report.failures.is_empty(), "{report:?}");
    assert!(now.get() < MAX_TIME + Duration::from_secs(10), "{report:?}");
}

/// Runs out of fuel where a list is longer than any of the usual probes.
struct ShortSighted(ScriptedLogic);

impl Logic for ShortSighted {
    fn binding(&self) -> &Arc<LogicBinding> {
        self.0.binding()
    }

    fn description(&self) -> &Description {
        self.0.description()
    }

    fn session(&self) -> Result<Box<dyn Session + '_>, Fault> {
        Ok(Box::new(ShortSightedSession(self.0.session()?)))
    }
}

struct ShortSightedSession<'a>(Box<dyn Session + 'a>);

impl Session for ShortSightedSession<'_> {
    fn begin(&mut self) {}

    fn decide(&mut self, list: &Arc<List>, context: &Context, ask: Call<'_>) -> Result<Decision, Fault> {
        match ask {
            Call::Custom(..) if list.count() > 5_000 => Err(Fault::Fuel { budget: 1 }),
            // What a busy machine does is no failure.
            Call::Add(_) if list.count() > 5_000 => Err(Fault::Deadline { milliseconds: 1 }),
            Call::Configure(_) if list.bytes() > 3_000_000 => Err(Fault::Memory { limit: 1 }),
            ask => self.0.decide(list, context, ask),
        }
    }

    fn view(&mut self, list: &Arc<List>, context: &Context, query: &Query) -> Result<Result<Page, Rejection>, Fault> {
        self.0.view(list, context, query)
    }

    fn next_wake_up(&mut self, list: &Arc<List>, context: &Context) -> Result<Option<u64>, Fault> {
        self.0.next_wake_up(list, context)
    }
}

#[test]
fn rules_that_cannot_live_with_a_full_list_or_with_much_text_fail() {
    let failures = run(&ShortSighted(ScriptedLogic::new(reject))).failures;
    let found: Vec<_> = failures.iter().map(|failure| (failure.name.as_str(), failure.kind)).collect();
    assert_eq!(found, [("move", "fuel"), ("configure", "memory")]);
    assert!(failures[0].list.starts_with("10000 entries") && failures[1].list.starts_with("1000 entries"));
    // A server with shorter lists takes these rules.
    let limits = Limits { entries: 900, ..Limits::default() };
    let shorter = super::run(&ShortSighted(ScriptedLogic::new(reject)), limits, &|| Duration::ZERO).failures;
    assert_eq!(shorter.iter().map(|failure| failure.kind).collect::<Vec<_>>(), ["memory"]);
    assert!(shorter[0].list.starts_with("900 entries"), "{shorter:?}");
}

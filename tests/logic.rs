//! Tests of well-behaved and hostile components under the host's limits.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use hotlist::list::binding::LogicBinding;
use hotlist::list::change::{Change, Rejection, Violation};
use hotlist::list::command::{Command, Context, Query};
use hotlist::list::date::Date;
use hotlist::list::entry::{Draft, Entry, Patch};
use hotlist::list::id::LogicId;
use hotlist::list::name::LogicName;
use hotlist::list::{Limits, List};
use hotlist::logic::decide::Decider;
use hotlist::logic::{Fault, KeptInstance, Logic, Refusal, Session};
use hotlist::rollout::conformance;
use hotlist::wasm::{self, Engine, Isolation, LoadError, Settings};
use support::component;

fn load_with(settings: Settings, name: &str, isolation: Isolation) -> Box<dyn Logic> {
    let engine = Engine::new(settings).unwrap();
    wasm::load(&engine, LogicName::new(name).unwrap(), &component(name), isolation).unwrap()
}

fn load(name: &str) -> Box<dyn Logic> {
    load_with(Settings::default(), name, Isolation::Shared)
}

fn context() -> Context {
    let today = Date::new(2026, 11, 23).unwrap();
    Context { now: 1_795_392_000_000, today, utc_offset: 0, caller: "alice".into(), seed: 4 }
}

/// The names of a view's groups, each with the ids in it.
type Groups = Vec<(String, Vec<u64>)>;

/// A list that decides each command in a session of its own, as an idle actor does.
struct DecidedList {
    logic: Box<dyn Logic>,
    state: Arc<List>,
}

impl DecidedList {
    fn new(logic: Box<dyn Logic>) -> Self {
        Self { logic, state: Arc::default() }
    }

    fn decide(&mut self, command: &Command) -> Result<(), Refusal> {
        let mut session = self.logic.session()?;
        let (logic, limits) = (&*self.logic, Limits::default());
        let mut decider = Decider { logic, session: session.as_mut(), limits };
        let decided = decider.decide(&self.state, &context(), command)?;
        self.state = decided.list;
        Ok(())
    }

    fn add(&mut self, title: &str) -> Result<(), Refusal> {
        self.decide(&add(title, None))
    }

    fn titles(&self) -> Vec<&str> {
        self.state.scan(0).map(|entry| entry.title.as_str()).collect()
    }

    fn view(&self, view: &str) -> Result<Result<Groups, Rejection>, Fault> {
        let query = Query { view: Some(view.into()), limit: 100, ..Query::default() };
        let mut session = self.logic.session()?;
        session.begin();
        let answer = session.view(&self.state, &context(), &query)?;
        Ok(answer.map(|page| {
            let ids = |rows: &[hotlist::list::command::Row]| rows.iter().map(|row| row.id).collect();
            page.groups.iter().map(|group| (group.name.clone(), ids(&group.rows))).collect()
        }))
    }
}

fn add(title: &str, date: Option<&str>) -> Command {
    let date = date.map(|date| date.parse().unwrap());
    Command::Add(Draft { title: title.into(), date, ..Draft::default() })
}

fn complete(id: u64) -> Command {
    Command::Update { id, patch: Patch { completed: Some(true), ..Patch::default() } }
}

fn code(refusal: Result<(), Refusal>) -> String {
    match refusal.unwrap_err() {
        Refusal::Rejected(rejection) => rejection.code,
        other => panic!("not a rejection: {other:?}"),
    }
}

#[test]
fn the_default_logic_decides_every_command_of_a_list() {
    let mut list = DecidedList::new(load("todo"));
    list.add("milk").unwrap();
    list.decide(&add("dentist", Some("2026-11-24"))).unwrap();
    assert_eq!(code(list.add("  ")), "title-empty");
    list.decide(&complete(1)).unwrap();
    assert_eq!(list.view("open").unwrap().unwrap(), [("open".to_owned(), vec![2])]);
    let by_date = list.view("by-date").unwrap().unwrap();
    assert_eq!(by_date, [("2026-11-24".to_owned(), vec![2]), ("undated".to_owned(), vec![1])]);
    list.decide(&Command::Custom { name: "clear-completed".into(), arguments: Vec::new() }).unwrap();
    assert_eq!(list.titles(), ["dentist"]);
    list.decide(&Command::Delete { id: 2 }).unwrap();
    assert_eq!(list.titles(), [""; 0]);
}

#[test]
fn strict_logic_rejects_a_repeated_title_and_a_sixth_open_entry() {
    let mut list = DecidedList::new(load("strict"));
    for title in ["a", "b", "c", "d"] {
        list.add(title).unwrap();
    }
    let refused = list.add(" A ").unwrap_err();
    assert!(
        matches!(&refused, Refusal::Rejected(rejection) if rejection.field.as_deref() == Some("title")),
        "{refused:?}"
    );
    list.add("e").unwrap();
    let full = list.add("f").unwrap_err().to_string();
    assert!(full.contains('5'), "{full}");
    list.decide(&complete(1)).unwrap();
    list.add("f").unwrap();
}

#[test]
fn a_fault_of_a_hostile_component_affects_only_its_own_command() {
    // This test is about fuel. A busy machine does not reach this deadline before the fuel is used up.
    let settings = Settings { deadline: Duration::from_secs(60), ..Settings::default() };
    let mut list = DecidedList::new(load_with(settings, "hostile", Isolation::Shared));
    list.add("milk").unwrap();
    let attacks: [(&str, &[&str]); 12] = [
        ("trap", &["trap"]),
        ("unreachable", &["trap"]),
        ("loop", &["fuel"]),
        ("allocate", &["memory"]),
        ("recurse", &["stack", "fuel"]),
        ("foreign-id", &["violation"]),
        ("flood", &["fuel"]),
        ("invalid-utf8", &["violation"]),
        ("long-title", &["violation"]),
        ("undeclared-field", &["violation"]),
        ("impossible-date", &["violation"]),
        ("not-a-number", &["violation"]),
    ];
    for (attack, kinds) in attacks {
        let refusal = list.add(attack).unwrap_err();
        let Refusal::Fault(fault) = &refusal else { panic!("{attack}: {refusal:?}") };
        assert!(kinds.contains(&fault.kind()), "{attack}: {fault:?}");
        let next = format!("after {attack}");
        list.add(&next).unwrap_or_else(|error| panic!("{next}: {error}"));
        assert_eq!(list.titles().last(), Some(&next.as_str()));
    }
    assert_eq!(list.state.count(), 13);
    let fault = list.view("trap").unwrap_err();
    assert_eq!(fault.kind(), "trap");
}

#[test]
fn a_flood_of_changes_is_a_violation_even_within_the_fuel_and_the_memory() {
    let settings = Settings { fuel: 1_000_000_000, memory: 256 << 20, answer_bytes: 256 << 20, ..Settings::default() };
    let settings = Settings { deadline: Duration::from_secs(60), instances: 8, ..settings };
    let mut list = DecidedList::new(load_with(settings, "hostile", Isolation::Shared));
    let refusal = list.add("flood").unwrap_err();
    let flood = Violation::TooManyChanges { count: 100_000, limit: 20_000 };
    assert_eq!(refusal, Refusal::Fault(Fault::Violation(flood)));
    assert_eq!(list.state.count(), 0);
}

#[test]
fn the_deadline_stops_a_loop_that_the_fuel_does_not_stop() {
    let settings = Settings { fuel: u64::MAX / 2, ..Settings::default() };
    let mut list = DecidedList::new(load_with(settings, "hostile", Isolation::Shared));
    let refusal = list.add("loop").unwrap_err();
    assert_eq!(refusal, Refusal::Fault(Fault::Deadline { milliseconds: 50 }));
    list.add("milk").unwrap();
}

#[test]
fn fuel_gives_the_same_result_at_every_attempt() {
    let enough = |fuel| {
        let mut list = DecidedList::new(load_with(Settings { fuel, ..Settings::default() }, "todo", Isolation::List));
        list.add("milk").is_ok()
    };
    // Loading a component runs it once and needs fuel too, so the search is for fuel that suffices for both.
    let (mut too_little, mut plenty) = (2_000_u64, 20_000_000_u64);
    let loads = |fuel| {
        let engine = Engine::new(Settings { fuel, ..Settings::default() }).unwrap();
        wasm::load(&engine, LogicName::new("todo").unwrap(), &component("todo"), Isolation::List).is_ok()
    };
    while plenty - too_little > 1 {
        let middle = (too_little + plenty) / 2;
        if loads(middle) && enough(middle) { plenty = middle } else { too_little = middle }
    }
    for _ in 0..3 {
        assert!(loads(plenty) && enough(plenty));
        assert!(!loads(too_little));
    }
}

/// A list with the most entries that the default limits allow.
fn full_list() -> Arc<List> {
    let entry = |id| {
        let (title, fields) = (format!("entry {id}"), Vec::new());
        Change::put(Entry { id, title, date: None, completed: false, order: None, fields })
    };
    let changes: Vec<_> = (1..=Limits::default().entries as u64).map(entry).collect();
    Arc::new(List::default().apply(&changes).unwrap())
}

#[test]
fn a_list_that_can_be_filled_can_be_emptied_in_one_revision() {
    // The fuel suffices for one part of the command and not for all parts together. A busy machine does not reach the
    // deadline first.
    let settings = Settings { fuel: 4_000_000, deadline: Duration::from_secs(60), ..Settings::default() };
    let logic = load_with(settings, "todo", Isolation::Shared);
    let (list, limits) = (full_list(), Limits::default());
    let mut session = logic.session().unwrap();
    let mut decider = Decider { logic: &*logic, session: session.as_mut(), limits };
    let decided = decider.decide(&list, &context(), &Command::Clear).unwrap();
    assert_eq!((decided.list.count(), decided.list.revision()), (0, list.revision() + 1));
    assert_eq!(
        (decided.changes.len(), decided.inverse.len()),
        (10_001, 10_001),
        "the first change also binds the logic"
    );
    let fuel = session.cost().fuel;
    assert!(fuel > 4_000_000, "the cost counts every part, and each part has the whole fuel: {fuel}");
}

#[test]
fn a_full_list_whose_logic_scans_it_at_each_deletion_can_be_cleared() {
    // A busy machine does not reach the deadline first: by fuel, the deletions one by one do not end either.
    let settings = Settings { deadline: Duration::from_secs(60), ..Settings::default() };
    let logic = load_with(settings, "blocked-by", Isolation::Shared);
    let mut session = logic.session().unwrap();
    let mut decider = Decider { logic: &*logic, session: session.as_mut(), limits: Limits::default() };
    let decided = decider.decide(&full_list(), &context(), &Command::Clear).unwrap();
    assert_eq!((decided.list.count(), decided.changes.len()), (0, 10_001), "the first change also binds the logic");
    let fuel = session.cost().fuel;
    assert!(fuel < Settings::default().fuel, "the list was read more than once: {fuel}");
}

#[test]
fn logic_that_keeps_state_between_calls_is_detected() {
    let settings = Settings { check_every: 4, ..Settings::default() };
    let mut list = DecidedList::new(load_with(settings, "hostile", Isolation::Shared));
    let impure =
        (0..8).filter_map(|_| list.add("remember").err()).any(|refusal| refusal == Refusal::Fault(Fault::Impure));
    assert!(impure);
    let settings = Settings { check_every: 1, ..Settings::default() };
    let mut list = DecidedList::new(load_with(settings, "hostile", Isolation::Shared));
    for _ in 0..8 {
        list.add("random-seed").unwrap();
    }
}

#[test]
fn an_isolated_instance_never_serves_two_sessions() {
    let settings = || Settings { check_every: u64::MAX, ..Settings::default() };
    let mut isolated = DecidedList::new(load_with(settings(), "hostile", Isolation::List));
    (0..3).for_each(|_| isolated.add("remember").unwrap());
    let first = isolated.titles()[0].to_owned();
    assert!(isolated.titles().iter().all(|title| *title == first), "{:?}", isolated.titles());
    let mut shared = DecidedList::new(load_with(settings(), "hostile", Isolation::Shared));
    (0..3).for_each(|_| shared.add("remember").unwrap());
    assert_ne!(shared.titles()[0], shared.titles()[2]);
}

/// Adds an entry that shows how many calls the instance has answered, in a session that goes on with a kept instance.
/// Returns the number, and the instance if it is kept again.
fn calls(logic: &dyn Logic, kept: Option<KeptInstance>) -> (String, Option<KeptInstance>) {
    let mut session = logic.session_with(kept).unwrap();
    let mut decider = Decider { logic, session: session.as_mut(), limits: Limits::default() };
    let decided = decider.decide(&Arc::default(), &context(), &add("remember", None)).unwrap();
    let title = decided.list.get(1).unwrap().title.clone();
    (title, session.keep())
}

#[test]
fn a_list_goes_on_with_the_instance_that_it_kept_and_no_other_list_does() {
    let logic = load_with(Settings { check_every: u64::MAX, ..Settings::default() }, "hostile", Isolation::List);
    let (one, mut bobs) = calls(&*logic, None);
    let (other, mut anns) = calls(&*logic, None);
    assert_eq!((one.as_str(), other.as_str()), ("remember 1", "remember 1"));
    for n in 2..5 {
        for kept in [&mut bobs, &mut anns] {
            let (title, again) = calls(&*logic, kept.take());
            assert_eq!(title, format!("remember {n}"));
            *kept = again;
        }
    }
    let same = load_with(Settings { check_every: u64::MAX, ..Settings::default() }, "hostile", Isolation::List);
    assert_eq!(calls(&*same, bobs).0, "remember 1", "the instance is of another version");
    assert_eq!(calls(&*logic, None).0, "remember 1");
}

#[test]
fn where_instances_are_short_the_list_whose_commands_are_longest_ago_loses_its_instance() {
    let settings = Settings { check_every: u64::MAX, instances: 4, ..Settings::default() };
    let logic = load_with(settings, "hostile", Isolation::List);
    let mut kept: Vec<_> = (0..3).map(|_| calls(&*logic, None).1).collect();
    let mut next = |list: usize| {
        let (title, again) = calls(&*logic, kept[list].take());
        kept[list] = again;
        title
    };
    // Half of the four instances may be kept.
    assert_eq!([2, 1].map(&mut next), ["remember 2"; 2]);
    assert_eq!(next(0), "remember 1");
    assert_eq!([1, 2].map(&mut next), ["remember 3", "remember 1"]);
    // Others take the places of all kept instances.
    let sessions: Vec<_> = (0..4).map(|_| logic.session().unwrap()).collect();
    assert!(matches!(logic.session().err(), Some(Fault::Instance(_))), "four are in use");
    drop(sessions);
    assert_eq!([1, 2].map(&mut next), ["remember 1"; 2]);
}

#[test]
fn a_logic_that_lists_share_for_a_while_forgets_the_instances_that_they_shared() {
    let logic = load_with(Settings { check_every: u64::MAX, ..Settings::default() }, "hostile", Isolation::List);
    logic.share(true);
    let (_, kept) = calls(&*logic, None);
    assert!(kept.is_none(), "it goes to the shared instances");
    assert_eq!(calls(&*logic, None).0, "remember 2");
    logic.share(false);
    assert_eq!(calls(&*logic, None).0, "remember 1");
    // A view opens a session without a kept instance.
    let mut session = logic.session().unwrap();
    let mut decider = Decider { logic: &*logic, session: session.as_mut(), limits: Limits::default() };
    let decided = decider.decide(&Arc::default(), &context(), &add("remember", None)).unwrap();
    assert_eq!(decided.list.get(1).unwrap().title, "remember 1");
}

#[test]
fn a_warm_instance_serves_20_000_commands() {
    // A command that waits for the processor of a busy machine is no failure.
    let settings = Settings { deadline: Duration::from_secs(20), ..Settings::default() };
    let mut list = DecidedList::new(load_with(settings, "todo", Isolation::Shared));
    list.add("milk").unwrap();
    for command in 0..20_000_u32 {
        let patch = Patch { title: Some(format!("milk {command}")), ..Patch::default() };
        list.decide(&Command::Update { id: 1, patch }).unwrap();
    }
}

fn refused(name: &str, bytes: &[u8]) -> LoadError {
    let engine = Engine::new(Settings::default()).unwrap();
    match wasm::load(&engine, LogicName::new(name).unwrap(), bytes, Isolation::Shared) {
        Ok(_) => panic!("it was accepted"),
        Err(error) => error,
    }
}

#[test]
fn bytes_that_are_not_a_component_are_refused_with_a_reason() {
    let core = wat::parse_str("(module)").unwrap();
    assert!(refused("core", &core).to_string().contains("it is a core module"), "{}", refused("core", &core));
    assert_eq!(
        refused("text", b"hello").to_string(),
        "it is not a WebAssembly component: its first bytes are not those of WebAssembly"
    );
    assert!(matches!(refused("empty", b""), LoadError::NotAComponent(_)));
    let whole = component("todo");
    assert!(matches!(refused("half", &whole[..whole.len() / 2]), LoadError::NotAComponent(_)));
}

#[test]
fn a_foreign_import_is_named_with_both_contract_versions() {
    let wat = r#"(component
        (import "wasi:http/types@0.2.0" (instance (export "now" (func (result u64)))))
        (import "hotlist:logic/current-list@0.1.0" (instance)))"#;
    let error = refused("clock", &wat::parse_str(wat).unwrap());
    let text = error.to_string();
    assert!(text.contains("wasi:http/types@0.2.0") && text.contains("contract 0.1.0"), "{text}");
}

#[test]
fn only_the_virtual_parts_and_version_of_wasi_may_be_imported() {
    for import in
        ["wasi:clocks/wall-clock@0.3.0", "wasi:clocks/wall-clock", "wasi:nn/tensor@0.2.0", "other:io/poll@0.2.0"]
    {
        let wat = format!(r#"(component (import "{import}" (instance)))"#);
        let error = refused("clock", &wat::parse_str(wat).unwrap());
        assert!(matches!(&error, LoadError::ForeignImport { import: named, .. } if named == import), "{error}");
    }
    let long = format!(r#"(component (import "other:io/poll@0.2.0-{}" (instance)))"#, "a".repeat(10_000));
    assert!(refused("clock", &wat::parse_str(long).unwrap()).to_string().len() < 1_000, "it is cut");
    let virtual_import = r#"(component (import "wasi:clocks/wall-clock@0.2.9" (instance)))"#;
    assert!(matches!(refused("clock", &wat::parse_str(virtual_import).unwrap()), LoadError::OtherWorld { .. }));
}

#[test]
fn another_world_or_contract_is_named_with_both_versions() {
    let later = r#"(component
        (import "hotlist:logic/current-list@9.1.0" (instance)))"#;
    let text = refused("later", &wat::parse_str(later).unwrap()).to_string();
    assert!(text.contains("contract 9.1.0") && text.contains("this host speaks 0.1.0"), "{text}");
    let other = refused("other", &wat::parse_str("(component)").unwrap()).to_string();
    assert!(other.contains("does not export hotlist:logic/todo-list-logic@0.1.0"), "{other}");
}

#[test]
fn an_export_of_other_types_is_refused() {
    let wat = r#"(component
        (instance $nothing)
        (export "hotlist:logic/todo-list-logic@0.1.0" (instance $nothing)))"#;
    assert!(matches!(refused("hollow", &wat::parse_str(wat).unwrap()), LoadError::Invalid(_)));
}

#[test]
fn a_call_costs_the_same_fuel_every_time() {
    let logic = load("todo");
    let cost = |title: &str| {
        let mut session = logic.fresh_session().unwrap();
        let (limits, list) = (Limits::default(), Arc::default());
        let mut decider = Decider { logic: &*logic, session: session.as_mut(), limits };
        decider.decide(&list, &context(), &add(title, None)).unwrap();
        session.cost()
    };
    let (short, long) = (cost("a"), cost(&"a".repeat(900)));
    assert_eq!(cost("a"), short);
    assert!(0 < short.fuel && short.fuel < long.fuel && long.fuel < Settings::default().fuel, "{short:?}, {long:?}");
    assert!((64 << 10..=Settings::default().memory).contains(&short.memory), "{short:?}");
}

#[test]
fn a_fresh_session_has_no_state_of_an_earlier_one() {
    let logic = load_with(Settings { check_every: u64::MAX, ..Settings::default() }, "hostile", Isolation::Shared);
    let title = |mut session: Box<dyn Session + '_>| {
        let (limits, list) = (Limits::default(), Arc::default());
        let mut decider = Decider { logic: &*logic, session: session.as_mut(), limits };
        let decided = decider.decide(&list, &context(), &add("remember", None)).unwrap();
        decided.list.get(1).unwrap().title.clone()
    };
    assert_eq!(title(logic.fresh_session().unwrap()), "remember 1");
    assert_eq!(title(logic.session().unwrap()), "remember 2");
    assert_eq!(title(logic.fresh_session().unwrap()), "remember 1");
}

#[test]
fn the_committed_components_pass_the_conformance_gates() {
    // This test is not about deadlines.
    let patient = || Settings { deadline: Duration::from_secs(20), ..Settings::default() };
    for name in ["kanban", "chores", "blocked-by"] {
        let logic = load_with(patient(), name, Isolation::List);
        let start = std::time::Instant::now();
        assert_eq!(conformance::run(&*logic, Limits::default(), &|| start.elapsed()).failures, [], "{name}");
    }
    for name in ["todo", "strict"] {
        let logic = load_with(patient(), name, Isolation::List);
        let start = std::time::Instant::now();
        let report = conformance::run(&*logic, Limits::default(), &|| start.elapsed());
        assert_eq!(report.failures, [], "{name}");
        let costs = |name: &str| report.costs.iter().find(|costs| costs.name == name).unwrap();
        for name in ["add-entry", "update-entry", "clear-completed", "view by-date", "migrate"] {
            let (warm, fresh) = (costs(name).warm.median, costs(name).fresh.median);
            assert!(warm.fuel > 0 && warm.memory > 0 && fresh.time > Duration::ZERO, "{name}: {warm:?}, {fresh:?}");
        }
        assert!(costs("add-entry").rejected > 0, "the probes of {name} include commands that it rejects");
    }
}

#[test]
fn the_committed_components_migrate_a_list_with_as_many_entries_as_a_list_may_have() {
    for name in ["todo", "strict", "kanban", "chores", "blocked-by"] {
        // This test is not about deadlines.
        let patient = Settings { deadline: Duration::from_secs(20), ..Settings::default() };
        let logic = load_with(patient, name, Isolation::List);
        let before = LogicName::new("before").unwrap();
        let id = LogicId { name: before, version: semver::Version::new(1, 0, 0), digest: [1; 32] };
        let mut changes = vec![Change::BindLogic(Arc::new(LogicBinding { id: Arc::new(id), schema_fingerprint: 1 }))];
        changes.extend((1..=10_000).map(|id| {
            let (title, date) = (format!("entry {id}"), "2026-11-24".parse().ok());
            Change::put(Entry { id, title, date, completed: id % 2 == 0, order: None, fields: Vec::new() })
        }));
        let list = Arc::new(List::default().apply(&changes).unwrap());
        let mut session = logic.session().unwrap();
        let mut decider = Decider { logic: &*logic, session: session.as_mut(), limits: Limits::default() };
        let migrated = decider.decide(&list, &context(), &Command::Migrate);
        let fault = migrated.as_ref().err().filter(|refusal| matches!(refusal, Refusal::Fault(_)));
        assert_eq!(fault, None, "{name}");
    }
}

#[test]
fn logic_that_traps_fails_the_conformance_gates_at_the_view_that_traps() {
    let logic = load("hostile");
    let failures = conformance::run(&*logic, Limits::default(), &|| Duration::ZERO).failures;
    assert!(!failures.is_empty());
    for failure in failures {
        assert_eq!((failure.name.as_str(), failure.kind), ("view trap", "trap"), "{failure:?}");
        assert!(failure.probe.starts_with("view = { name = \"trap\""), "{failure:?}");
    }
}

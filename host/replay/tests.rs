//! Two versions on recorded lists: exactly what differs is found, and nothing else.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::collection::vec;
use proptest::prelude::{Strategy, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::list::binding::LogicBinding;
use crate::list::change::{Change, Rejection};
use crate::list::command::{Context, Page, Query};
use crate::list::entry::Entry;
use crate::list::id::LogicId;
use crate::list::schema::{Description, Schema};
use crate::list::value;
use crate::logic::testing::{Native, Recorder, add};
use crate::logic::{Call, Cost, Decision, Fault, Session};

/// Another version of the native logic. It decides differently if an added title contains `[changes]`, `[rejects]` or
/// `[fails]`.
struct Other {
    native: Box<dyn Logic>,
    binding: Arc<LogicBinding>,
    description: Description,
}

impl Other {
    fn version(major: u64) -> Self {
        let native = Native::version(major);
        Self { binding: native.binding().clone(), description: native.description().clone(), native }
    }

    /// Returns a version with an incompatible schema.
    fn with_another_schema(major: u64) -> Self {
        let mut other = Self::version(major);
        let (name, title) = ("colour".to_owned(), "Colour".to_owned());
        let field = Schema { name, title, kind: value::ValueKind::Text, required: false, choices: Vec::new() };
        other.description.fields.push(field);
        other.binding = LogicBinding::new(LogicId::clone(other.native.id()), &other.description);
        other
    }
}

impl Logic for Other {
    fn binding(&self) -> &Arc<LogicBinding> {
        &self.binding
    }

    fn description(&self) -> &Description {
        &self.description
    }

    fn session(&self) -> Result<Box<dyn Session + '_>, Fault> {
        Ok(Box::new(OtherSession { native: self.native.session()?, failed: false }))
    }
}

struct OtherSession<'a> {
    native: Box<dyn Session + 'a>,
    failed: bool,
}

impl Session for OtherSession<'_> {
    fn begin(&mut self) {}

    fn cost(&self) -> Cost {
        Cost { fuel: 7, memory: 0 }
    }

    fn decide(&mut self, list: &Arc<List>, context: &Context, call: Call<'_>) -> Result<Decision, Fault> {
        assert!(!self.failed, "a session is called again after a failed call");
        match call {
            Call::Add(draft) if draft.title.contains("[changes]") => {
                let title = format!("{} otherwise", draft.title);
                let (id, fields) = (list.next_id(), Vec::new());
                Ok(Ok(vec![Change::put(Entry { id, title, date: None, completed: false, order: None, fields })]))
            }
            Call::Add(draft) if draft.title.contains("[rejects]") => {
                Ok(Err(Rejection { code: "other".into(), message: "Not any more.".into(), field: None }))
            }
            Call::Add(draft) if draft.title.contains("[fails]") => {
                self.failed = true;
                Err(Fault::Fuel { budget: 9 })
            }
            // An entry of this title prevents the migration.
            Call::Migrate(_) if list.scan(0).any(|entry| entry.title == "stay") => {
                Ok(Err(Rejection { code: "stays".into(), message: "It stays.".into(), field: None }))
            }
            Call::Migrate(_) => Ok(Ok(Vec::new())),
            call => self.native.decide(list, context, call),
        }
    }

    fn view(&mut self, list: &Arc<List>, context: &Context, query: &Query) -> Result<Result<Page, Rejection>, Fault> {
        self.native.view(list, context, query)
    }

    fn next_wake_up(&mut self, list: &Arc<List>, context: &Context) -> Result<Option<u64>, Fault> {
        self.native.next_wake_up(list, context)
    }
}

fn run_on(old: &dyn Logic, new: &dyn Logic, lists: Vec<ListHistory>) -> Report {
    let (threads, done) = (NonZeroUsize::new(3).unwrap(), AtomicUsize::new(0));
    let count = lists.len();
    let items = lists.into_iter().map(|list| Ok::<_, ()>(ReplayItem::List(Box::new(list))));
    let finished = || {
        done.fetch_add(1, Ordering::Relaxed);
    };
    let replay = Replay { old, new, threads, clock: &|| Duration::ZERO, done: &finished };
    let report = replay.run(items).unwrap();
    assert_eq!(done.into_inner(), count);
    report
}

fn run(lists: Vec<ListHistory>) -> Report {
    run_on(&*Native::version(1), &Other::version(2), lists)
}

fn recorded(list: &str, titles: &[&str]) -> ListHistory {
    Recorder::new(list).decide(&*Native::version(1), titles.iter().map(|title| add(title))).history()
}

fn kinds(report: &Report) -> Vec<(&'static str, u64)> {
    report.differing.iter().map(|(kind, count)| (kind.as_str(), *count)).collect()
}

#[test]
fn exactly_the_commands_that_differ_are_found_and_the_first_of_each_list_is_shown() {
    let bob = recorded("bob", &["milk", "[changes]", "tea", "[changes] too", "[rejects]"]);
    let ann = recorded("ann", &["rye"]);
    let report = run(vec![bob, ann, recorded("eve", &["[fails]", "corn"])]);
    assert_eq!((report.lists, report.commands, report.skipped, report.differing_lists), (3, 8, 0, 2));
    assert_eq!(kinds(&report), [("changes", 2), ("rejection", 1), ("fault", 1)]);
    let [bob, eve] = &report.differences[..] else { panic!("{:?}", report.differences) };
    assert_eq!((bob.list.as_str(), bob.revision, bob.kind), ("bob", 2, DifferenceKind::Changes));
    assert_eq!(bob.command, r#"add = { title = "[changes]" }"#);
    assert!(bob.before.contains("milk") && !bob.before.contains("[changes]"), "{}", bob.before);
    assert!(!bob.old.contains("otherwise") && bob.new.contains("[changes] otherwise"), "{bob:?}");
    assert_eq!((eve.list.as_str(), eve.revision, eve.kind), ("eve", 1, DifferenceKind::Fault));
    assert_eq!(eve.new, "failed: it used up its budget of 9 units of fuel");
    assert_eq!(report.new.faults.iter().collect::<Vec<_>>(), [(&"fuel", &1)]);
    assert!(report.old.faults.is_empty());
    assert_eq!((report.new.fuel.count(), report.new.fuel.quantile(0.5)), (7, 7));
}

#[test]
fn costs_of_several_threads_are_merged_and_percentiles_are_at_most_one_per_cent_too_large() {
    let (mut one, mut other) = (VersionCosts::default(), VersionCosts::default());
    for fuel in 1..=10_000_u64 {
        let costs = if fuel % 2 == 0 { &mut one } else { &mut other };
        costs.add(Duration::from_nanos(fuel), 100 * fuel);
    }
    other.add(Duration::from_secs(1 << 40), u64::MAX);
    one.merge(&other);
    assert_eq!((one.time.count(), one.fuel.count()), (10_001, 10_001));
    for (quantile, exact) in [(0.5, 5_000), (0.99, 9_900)] {
        let found = one.time.quantile(quantile);
        assert!((exact..=exact + exact / 100).contains(&found), "{found} for {exact}");
        let found = one.fuel.quantile(quantile);
        assert!((100 * exact..=101 * exact).contains(&found), "{found} for {exact}");
    }
    let none = VersionCosts::default();
    assert_eq!((none.time.count(), none.time.max(), none.time.quantile(0.5)), (0, 0, 0));
}

#[test]
fn the_same_rules_in_other_bytes_differ_in_nothing() {
    let report = run_on(&*Native::version(1), &*Native::version(2), vec![recorded("bob", &["milk", "[changes]"])]);
    assert_eq!((report.commands, report.differing_lists, report.differing_commands()), (2, 0, 0));
}

#[test]
fn what_no_version_of_the_logic_decided_is_skipped() {
    let (todo, kanban) = (Native::version(1), Native::named("kanban", 1));
    let hand_over = |logic: &dyn Logic| Command::Configure {
        logic: Some(logic.id().name.clone()),
        pin: None,
        settings: Vec::new(),
    };
    let undone = Recorder::new("undone").decide(&*todo, [add("[changes]")]).decide(&*todo, [add("milk")]).undo(&*todo);
    let deleted = Recorder::new("deleted").decide(&*todo, [add("[changes]"), Command::DeleteList, add("[rejects]")]);
    let lent = Recorder::new("lent")
        .decide(&*todo, [add("milk")])
        .decide(&*kanban, [hand_over(&*kanban), add("[changes]")])
        .decide(&*todo, [hand_over(&*todo), add("[changes]")]);
    let report = run(vec![undone.history(), deleted.history(), lent.history()]);
    // Of `deleted`, nothing is known before its end. `lent` came back by a command of this logic's,
    // which the two migrate differently.
    let found: Vec<_> = report.differences.iter().map(|d| (d.list.as_str(), d.revision, d.kind.as_str())).collect();
    assert_eq!(found, [("deleted", 3, "rejection"), ("lent", 4, "changes"), ("undone", 1, "changes")]);
    assert_eq!((report.commands, report.skipped), (2 + 1 + 3, 1 + 2));
    assert_eq!(kinds(&report), [("changes", 3), ("rejection", 1)]);
}

#[test]
fn a_version_with_another_schema_decides_after_it_migrated_the_list() {
    let new = Other::with_another_schema(2);
    let old = Native::version(1);
    let moved = run_on(&*old, &new, vec![recorded("bob", &["milk", "[changes]", "tea"])]);
    assert_eq!((moved.commands, kinds(&moved)), (3, vec![("changes", 1)]));

    let refusing = recorded("bob", &["milk", "stay", "[changes]", "[rejects]"]);
    let refused = run_on(&*old, &new, vec![refusing, recorded("eve", &["milk"])]);
    assert_eq!((refused.commands, refused.skipped, kinds(&refused)), (4, 1, vec![("migration", 1)]));
    let [bob] = &refused.differences[..] else { panic!("{:?}", refused.differences) };
    assert_eq!((bob.revision, bob.kind), (3, DifferenceKind::Migration));
    assert!(bob.old.starts_with("changes") && bob.new.contains("does not migrate the list: rejected"), "{bob:?}");
}

#[test]
fn a_list_bound_to_a_version_with_another_schema_is_migrated_for_the_old_version_too() {
    let (later, old) = (Other::with_another_schema(2), Native::version(1));
    let list =
        Recorder::new("bob").decide(&*old, [add("milk")]).decide(&later, [Command::Migrate, add("tea")]).history();
    let report = run_on(&*old, &later, vec![list]);
    // The native logic adds an entry when it migrates a list, so that the next entry gets another id.
    assert_eq!((report.commands, report.skipped, kinds(&report)), (2, 1, vec![("changes", 1)]));
}

#[test]
fn unreadable_lists_are_named_and_the_others_are_compared() {
    let mut torn = recorded("torn", &["milk", "tea", "rye"]);
    torn.revisions.remove(1);
    let lists = [
        Ok(ReplayItem::Unreadable(Unreadable { name: "lost".into(), why: "its row is damaged".into() })),
        Ok(ReplayItem::List(Box::new(torn))),
        Ok::<_, ()>(ReplayItem::List(Box::new(recorded("bob", &["[changes]"])))),
    ];
    let (old, new, threads) = (Native::version(1), Other::version(2), NonZeroUsize::MIN);
    let replay = Replay { old: &*old, new: &new, threads, clock: &|| Duration::ZERO, done: &|| () };
    let report = replay.run(lists).unwrap();
    assert_eq!((report.unreadable_lists, report.differing_lists), (2, 1));
    let names: Vec<_> = report.unreadable.iter().map(|list| list.name.as_str()).collect();
    assert_eq!(names, ["lost", "torn"]);
    assert_eq!(replay.run([Err("the disk is gone")]).unwrap_err(), "the disk is gone");
}

#[test]
fn of_many_lists_the_first_are_shown_and_all_are_counted() {
    let lists: Vec<_> = (0..MAX_LISTED + 50).map(|n| recorded(&format!("{n:05}"), &["[changes]"])).collect();
    let report = run(lists);
    assert_eq!(report.differing_lists, MAX_LISTED as u64 + 50);
    assert_eq!(report.differences.len(), MAX_LISTED);
    assert!(report.differences.iter().enumerate().all(|(n, shown)| shown.list.as_str() == format!("{n:05}")));
}

#[test]
fn a_thread_that_panics_ends_the_comparison_with_its_panic() {
    let lists: Vec<_> = (0..50).map(|n| recorded(&format!("{n:05}"), &["milk"])).collect();
    let panicking = std::panic::AssertUnwindSafe(|| {
        let (old, new) = (Native::version(1), Native::version(2));
        let clock = || panic!("the clock is broken");
        let replay = Replay { old: &*old, new: &*new, threads: NonZeroUsize::MIN, clock: &clock, done: &|| () };
        replay.run(lists.into_iter().map(|list| Ok::<_, ()>(ReplayItem::List(Box::new(list)))))
    });
    assert!(std::panic::catch_unwind(panicking).is_err());
}

/// Returns commands that the two versions decide alike, and commands that they decide differently.
fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        4 => "[a-m]{1,3}".prop_map(|title| add(&title)),
        1 => prop_oneof!["a \\[changes\\]", "\\[rejects\\]", "\\[fails\\]"].prop_map(|title: String| add(&title)),
        1 => proptest::strategy::Just(Command::Clear),
        1 => proptest::strategy::Just(Command::Wake),
    ]
}

proptest! {
    #[test]
    fn exactly_the_marked_commands_differ_on_any_history(commands in vec(command(), 1..20), retained in 0..20_usize) {
        let (native, mut recorder) = (Native::version(1), Recorder::new("bob"));
        for command in commands {
            // Clearing an empty list makes no revision, and is not recorded.
            if command == Command::Clear && recorder.states.last().unwrap().count() == 0 {
                continue;
            }
            recorder = recorder.decide(&*native, [command]);
        }
        let mut list = recorder.history();
        list.revisions.drain(..list.revisions.len().saturating_sub(retained));
        let marked = |revision: &&Arc<Revision>| {
            matches!(&revision.command, Command::Add(draft) if draft.title.contains('['))
        };
        let expected = list.revisions.iter().filter(marked).count() as u64;
        let commands = list.revisions.len() as u64;
        let report = run(vec![list]);
        prop_assert_eq!((report.commands, report.differing_commands()), (commands, expected));
    }
}

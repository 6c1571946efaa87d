//! What taking back promises: through random histories, and one by one for all that can stand in the way.

mod numbered;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use numbered::Numbered;

use super::*;
use crate::list::Limits;
use crate::list::command::{Command, Context};
use crate::list::date::Date;
use crate::list::entry::{Draft as NewEntry, Patch};
use crate::list::id::LogicId;
use crate::list::name::LogicName;
use crate::logic::Logic;
use crate::logic::decide::Decided;

/// A list with the decisions that made it.
struct Past {
    list: Arc<List>,
    revisions: Vec<(Arc<List>, Decided)>,
    limits: Limits,
}

impl Past {
    fn new() -> Self {
        Self { list: Arc::default(), revisions: Vec::new(), limits: Limits::default() }
    }

    /// Decides a command, and answers the number of the revision that the list is at then.
    fn decide(&mut self, logic: &Numbered, seed: u64, command: &Command) -> Result<u64, Refusal> {
        let today = Date::new(2026, 11, 23).unwrap();
        let context = Context { now: 0, today, utc_offset: 0, caller: "ann".into(), seed };
        let mut session = logic.session()?;
        let mut decider = Decider { logic, session: session.as_mut(), limits: self.limits };
        let decided = decider.decide(&self.list, &context, command)?;
        assert_eq!(decided.changes.is_empty(), decided.list == self.list);
        if !decided.changes.is_empty() {
            assert_eq!(self.list.apply(&decided.changes).as_ref(), Ok(&*decided.list));
            let before = std::mem::replace(&mut self.list, decided.list.clone());
            self.revisions.push((before, decided));
        }
        Ok(self.list.revision())
    }

    fn undo(&mut self, logic: &Numbered, revision: u64) -> Result<u64, Refusal> {
        let (_, done) = &self.revisions[usize::try_from(revision).unwrap() - 1];
        let (changes, inverse) = (done.changes.clone(), done.inverse.clone());
        self.decide(logic, 0, &Command::Undo { revision, changes, inverse })
    }

    /// The text of the conflict that an undo ends in, and what it is about.
    #[track_caller]
    fn conflict(&mut self, logic: &Numbered, revision: u64) -> (String, Option<Subject>) {
        let refusal = self.undo(logic, revision).unwrap_err();
        let text = refusal.to_string();
        let Refusal::Conflict { why, about, .. } = refusal else { panic!("no conflict: {refusal:?}") };
        assert_eq!(text, format!("revision {revision} cannot be taken back: {why}"));
        (why, about)
    }

    fn add(&mut self, logic: &Numbered, title: &str) -> u64 {
        self.decide(logic, 0, &Command::Add(NewEntry { title: title.into(), ..NewEntry::default() })).unwrap()
    }

    fn patch(&mut self, logic: &Numbered, id: EntryId, patch: Patch) -> u64 {
        self.decide(logic, 0, &Command::Update { id, patch }).unwrap()
    }
}

fn titled(title: &str) -> Patch {
    Patch { title: Some(title.into()), ..Patch::default() }
}

fn set(name: &str, value: Option<f64>) -> Command {
    Command::Configure { logic: None, pin: None, settings: vec![(name.into(), value.map(Value::Number))] }
}

/// What people see of a list.
fn contents(list: &List) -> (Vec<Entry>, Vec<Field>) {
    (list.scan(0).map(|entry| Entry::clone(entry)).collect(), list.settings().to_vec())
}

fn command() -> impl Strategy<Value = Command> {
    let id = 1..9_u64;
    prop_oneof![
        3 => "[a-c]".prop_map(|title| Command::Add(NewEntry { title, ..NewEntry::default() })),
        2 => (id.clone(), "[a-c]").prop_map(|(id, title)| Command::Update { id, patch: titled(&title) }),
        2 => id.prop_map(|id| Command::Delete { id }),
        1 => proptest::option::of(0..3_u8).prop_map(|value| set("number-1", value.map(f64::from))),
        1 => Just(Command::Clear),
        6 => Just(Command::Wake),
    ]
}

proptest! {
    #[test]
    fn an_undo_gives_what_was_before_and_its_undo_gives_it_back(
        history in vec((command(), any::<u64>()), 1..30),
    ) {
        let logic = Numbered::version("todo", 1);
        let mut past = Past::new();
        for (command, seed) in &history {
            let _ = past.decide(&logic, *seed, command);
        }
        let Some((before, done)) = past.revisions.last() else { return Ok(()) };
        let (before, after, last) = (contents(before), contents(&done.list), done.list.revision());
        match past.undo(&logic, last) {
            Ok(undone) => {
                prop_assert_eq!(undone, last + 1);
                prop_assert_eq!(contents(&past.list), before.clone());
                prop_assert_eq!(past.undo(&logic, undone), Ok(last + 2));
                prop_assert_eq!(contents(&past.list), after);
                prop_assert_eq!(past.undo(&logic, last + 2), Ok(last + 3));
                prop_assert_eq!(contents(&past.list), before);
            }
            Err(refusal) => {
                prop_assert_eq!(before, after, "{}", &refusal);
                prop_assert!(matches!(refusal, Refusal::Conflict { about: None, .. }), "{}", refusal);
            }
        }
    }

    #[test]
    fn an_undo_of_any_revision_concerns_what_it_touched_and_nothing_else(
        history in vec((command(), any::<u64>()), 1..30), which in any::<proptest::sample::Index>(),
    ) {
        let logic = Numbered::version("todo", 1);
        let mut past = Past::new();
        for (command, seed) in &history {
            let _ = past.decide(&logic, *seed, command);
        }
        if past.revisions.is_empty() {
            return Ok(());
        }
        let (last, at) = (past.list.clone(), which.index(past.revisions.len()));
        let (before, done) = &past.revisions[at];
        let (before, found) = (before.clone(), states(&done.inverse));
        let changed = |(subject, left): (Subject, SubjectState<'_>)| (found.get(&subject)? != &left).then_some(subject);
        let touched: Vec<_> = states(&done.changes).into_iter().filter_map(changed).collect();
        let conflict = past.undo(&logic, at as u64 + 1).is_err();
        for id in 1..last.next_id() {
            let as_before = touched.contains(&Subject::Entry(id)) && !conflict;
            let expected = if as_before { before.get(id) } else { last.get(id) };
            prop_assert_eq!(past.list.get(id), expected);
        }
        let as_before = touched.contains(&Subject::Setting("number-1".into())) && !conflict;
        prop_assert_eq!(past.list.settings(), if as_before { before.settings() } else { last.settings() });
    }
}

#[test]
fn what_was_changed_since_stands_in_the_way_and_is_named() {
    let logic = &Numbered::version("todo", 1);
    let mut past = Past::new();
    let added = past.add(logic, "milk");
    let entry = |why: &str| (why.to_owned(), Some(Subject::Entry(1)));
    let number = |number: f64| vec![("number-1".into(), Some(Value::Number(number)))];
    for (patch, back, why) in [
        (titled("tea"), titled("milk"), "entry 1 was renamed since"),
        (
            Patch { completed: Some(true), ..Patch::default() },
            Patch { completed: Some(false), ..Patch::default() },
            "entry 1 was completed since",
        ),
        (
            Patch { date: Some(Some(Date::new(2026, 12, 24).unwrap())), ..Patch::default() },
            Patch { date: Some(None), ..Patch::default() },
            "entry 1 got another date since",
        ),
        (
            Patch { order: Some(Some(2.0)), ..Patch::default() },
            Patch { order: Some(None), ..Patch::default() },
            "entry 1 was moved since",
        ),
        (
            Patch { fields: number(5.0), ..Patch::default() },
            Patch { fields: number(0.0), ..Patch::default() },
            "entry 1 got another number-1 since",
        ),
    ] {
        past.patch(logic, 1, patch);
        assert_eq!(past.conflict(logic, added), entry(why));
        past.patch(logic, 1, back);
    }
    let deleted = past.decide(logic, 0, &Command::Delete { id: 1 }).unwrap();
    assert_eq!(past.conflict(logic, added), entry("entry 1 was deleted since"));
    let restored = past.undo(logic, deleted).unwrap();
    assert_eq!(past.conflict(logic, deleted), entry("entry 1 was put back since"));
    assert_eq!(past.undo(logic, added), Ok(restored + 1), "it is again as the revision left it");
}

#[test]
fn a_setting_that_was_changed_since_stands_in_the_way() {
    let logic = &Numbered::version("todo", 1);
    let mut past = Past::new();
    let one = past.decide(logic, 0, &set("number-1", Some(1.0))).unwrap();
    let two = past.decide(logic, 0, &set("number-1", Some(2.0))).unwrap();
    let setting = |why: &str| (why.to_owned(), Some(Subject::Setting("number-1".into())));
    assert_eq!(past.conflict(logic, one), setting("setting number-1 was changed since"));
    let none = past.decide(logic, 0, &set("number-1", None)).unwrap();
    assert_eq!(past.conflict(logic, two), setting("setting number-1 was taken away since"));
    past.decide(logic, 0, &set("number-1", Some(3.0))).unwrap();
    assert_eq!(past.conflict(logic, none), setting("setting number-1 was changed since"));
}

#[test]
fn a_deleted_entry_comes_back_under_its_id_and_no_id_is_given_twice() {
    let logic = &Numbered::version("todo", 1);
    let mut past = Past::new();
    past.add(logic, "milk");
    let added = past.add(logic, "tea");
    let removed = past.undo(logic, added).unwrap();
    past.add(logic, "bread");
    past.undo(logic, removed).unwrap();
    let cleared = past.decide(logic, 0, &Command::Clear).unwrap();
    let restored = past.undo(logic, cleared).unwrap();
    let titles: Vec<_> = past.list.scan(0).map(|entry| (entry.id, entry.title.as_str())).collect();
    assert_eq!(titles, [(1, "milk"), (2, "tea"), (3, "bread")]);
    let (_, undone) = &past.revisions[usize::try_from(restored).unwrap() - 1];
    let ids = undone.changes.iter().map(Change::subject).collect::<Vec<_>>();
    assert_eq!(ids, [1, 2, 3].map(Subject::Entry), "in the order in which they went");
}

#[test]
fn the_beginning_and_the_end_of_a_list_are_not_taken_back() {
    let logic = &Numbered::version("todo", 1);
    let mut past = Past::new();
    let born = past.decide(logic, 0, &Command::Configure { logic: None, pin: None, settings: vec![] }).unwrap();
    let text = "it brought the list into being, and nothing else; delete the list instead";
    assert_eq!(past.conflict(logic, born), (text.into(), None));
    let erased = past.decide(logic, 0, &Command::DeleteList).unwrap();
    assert_eq!(past.undo(logic, erased), Err(Refusal::NoSuchList));
    let added = past.add(logic, "milk");
    assert_eq!(past.conflict(logic, erased), ("it ended the list".into(), None));
    past.undo(logic, added).unwrap();
    assert!(past.list.exists() && past.list.count() == 0, "what the first entry made is there without it");
}

#[test]
fn a_revision_that_left_all_as_it_was_has_nothing_to_take_back() {
    let logic = &Numbered::version("todo", 1);
    let mut past = Past::new();
    past.add(logic, "milk");
    let same = past.list.clone();
    let put = Change::Put(same.get(1).unwrap().clone());
    let undo = Command::Undo { revision: 2, changes: vec![put.clone()], inverse: vec![put] };
    let refusal = past.decide(logic, 0, &undo).unwrap_err();
    assert_eq!(refusal.to_string(), "revision 2 cannot be taken back: there is nothing in it to take back");
}

#[test]
fn what_comes_back_must_fit_the_limits_and_what_the_logic_declares() {
    let (one, other) = (&Numbered::version("todo", 1), &Numbered::version("todo", 2));
    let mut past = Past::new();
    past.add(one, "milk");
    let deleted = past.decide(one, 0, &Command::Delete { id: 1 }).unwrap();
    past.add(one, "tea");
    past.limits.entries = 1;
    assert_eq!(past.undo(one, deleted), Err(Refusal::Full { what: "entries", limit: 1 }));
    past.limits = Limits::default();
    past.decide(other, 0, &Command::Migrate).unwrap();
    let text = "the list's logic has no place for it any more: it would put entry 1: number-1: it is not declared; \
        these are: number-2";
    assert_eq!(past.conflict(other, deleted), (text.into(), None));
}

#[test]
fn an_entry_of_another_list_does_not_get_into_this_one() {
    let logic = &Numbered::version("todo", 1);
    let mut past = Past::new();
    for title in ["milk", "tea"] {
        past.add(logic, title);
    }
    let deleted = past.decide(logic, 0, &Command::Delete { id: 2 }).unwrap();
    past.decide(logic, 0, &Command::DeleteList).unwrap();
    past.add(logic, "of the next list");
    assert_eq!(past.conflict(logic, deleted), ("entry 2 is of an earlier list of this name".into(), None));
}

#[test]
fn undoing_a_migration_brings_fields_and_keeper_back_and_keeps_them() {
    let (one, two) = (&Numbered::version("todo", 1), &Numbered::version("todo", 2));
    let mut past = Past::new();
    past.add(one, "milk");
    past.decide(one, 0, &set("number-1", Some(7.0))).unwrap();
    let before = past.list.clone();
    let migrated = past.decide(two, 0, &Command::Migrate).unwrap();
    let after = past.list.clone();
    assert_ne!(contents(&before), contents(&after));
    let (_, done) = past.revisions.last().unwrap();
    assert_eq!(binding_after_undo(&past.list, &done.changes, &done.inverse), Some(one.binding()));
    let text = format!("the list goes back to {} with it, which is not loaded", one.id());
    assert_eq!(past.conflict(two, migrated), (text, None));
    let undone = past.undo(one, migrated).unwrap();
    assert_eq!((contents(&past.list), past.list.binding()), (contents(&before), Some(one.binding())));
    assert_eq!(past.list.pin(), Some(&Pin::Digest(one.id().digest)));
    let (_, done) = past.revisions.last().unwrap();
    assert_eq!(binding_after_undo(&past.list, &done.changes, &done.inverse), Some(two.binding()));
    past.undo(two, undone).unwrap();
    assert_eq!((contents(&past.list), past.list.binding()), (contents(&after), Some(two.binding())));
    assert_eq!(past.list.pin(), None, "redone, the list follows what is live again");
}

#[test]
fn undoing_the_choice_of_a_version_brings_the_choice_before_back() {
    let (one, two) = (&Numbered::version("todo", 1), &Numbered::version("todo", 2));
    let choose = |pin: Option<&str>| {
        let pin = Some(pin.map(|pin| pin.parse().unwrap()));
        Command::Configure { logic: Some(LogicName::new("todo").unwrap()), pin, settings: Vec::new() }
    };
    let mut past = Past::new();
    past.add(one, "milk");
    let pinned = past.decide(one, 0, &choose(Some("1"))).unwrap();
    let moved = past.decide(two, 0, &choose(Some("2"))).unwrap();
    let pin = |past: &Past| past.list.pin().map(ToString::to_string);
    past.undo(one, moved).unwrap();
    assert_eq!((past.list.binding(), pin(&past)), (Some(one.binding()), Some("1".into())));
    let free = past.undo(one, pinned).unwrap();
    assert_eq!(pin(&past), None);
    past.decide(one, 0, &choose(Some("1.0"))).unwrap();
    let about = Some(Subject::Pin);
    assert_eq!(past.conflict(one, free), ("another version was chosen for the list since".into(), about));
    let handed_over = past.decide(two, 0, &choose(None)).unwrap();
    past.decide(&Numbered::version("todo", 3), 0, &Command::Migrate).unwrap();
    let text = "todo@3.0.0+sha256:03030303 took the list over since";
    assert_eq!(past.conflict(two, handed_over), (text.into(), Some(Subject::LogicBinding)));
}

#[test]
fn a_list_that_goes_back_to_another_logic_is_not_pinned() {
    let (todo, other) = (&Numbered::version("todo", 1), &Numbered::version("other", 2));
    let mut past = Past::new();
    // Nothing but who keeps it changes with an empty list.
    past.decide(todo, 0, &Command::Configure { logic: None, pin: None, settings: vec![] }).unwrap();
    let logic = Some(LogicName::new("other").unwrap());
    let handed = past.decide(other, 0, &Command::Configure { logic, pin: Some(None), settings: vec![] }).unwrap();
    past.undo(todo, handed).unwrap();
    assert_eq!((past.list.binding(), past.list.pin()), (Some(todo.binding()), None));
}

#[test]
fn the_first_change_that_a_version_made_is_taken_back_without_going_back_to_the_one_before() {
    let one = &Numbered::version("todo", 1);
    let rebuilt = Numbered::version("todo", 1);
    let id = LogicId { digest: [9; 32], ..LogicId::clone(rebuilt.id()) };
    let rebuilt = &Numbered { binding: LogicBinding::new(id, &rebuilt.description), ..rebuilt };
    let mut past = Past::new();
    past.add(one, "milk");
    let renamed = past.patch(rebuilt, 1, titled("tea"));
    let other = &Numbered::version("todo", 2);
    let (_, done) = past.revisions.last().unwrap();
    assert!(done.changes.contains(&Change::BindLogic(rebuilt.binding().clone())));
    assert_eq!(binding_after_undo(&past.list, &done.changes, &done.inverse), None);
    past.undo(rebuilt, renamed).unwrap();
    assert_eq!((past.list.get(1).unwrap().title.as_str(), past.list.binding()), ("milk", Some(rebuilt.binding())));
    let added = past.add(rebuilt, "");
    past.decide(rebuilt, 0, &Command::Delete { id: 1 }).unwrap();
    past.decide(rebuilt, 0, &Command::Delete { id: 2 }).unwrap();
    past.decide(other, 0, &Command::Migrate).unwrap();
    assert_eq!(past.conflict(other, added), ("entry 2 was deleted since".into(), Some(Subject::Entry(2))));
}

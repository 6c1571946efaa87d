//! Deciding a command that makes one call for each entry.

use super::*;
use crate::list::binding::LogicBinding;
use crate::list::change::Rejection;
use crate::list::command::{Page, Query};
use crate::list::entry::Entry;
use crate::list::schema::{CommandSchema, Description};
use crate::logic::testing::Native;

/// A session that counts the budgets it is given, and changes each entry several times before it deletes it.
struct Budgeted {
    changes_per_entry: usize,
    /// The parts of each command that was begun.
    commands: Vec<usize>,
    /// The entries of each migration that was begun.
    migrations: Vec<usize>,
    parts: usize,
    poisoned: bool,
}

impl Budgeted {
    fn new(changes_per_entry: usize) -> Self {
        Self { changes_per_entry, commands: Vec::new(), migrations: Vec::new(), parts: 0, poisoned: false }
    }

    fn clear(&mut self, list: &Arc<List>, limits: Limits) -> Result<Decided, Refusal> {
        let context =
            Context { now: 0, today: "2026-11-23".parse().unwrap(), utc_offset: 0, caller: "ann".into(), seed: 1 };
        let logic = Native::version(1);
        Decider { logic: &*logic, session: self, limits }.decide(list, &context, &Command::Clear)
    }
}

impl Session for Budgeted {
    fn begin(&mut self) {
        self.commands.push(1);
    }

    fn begin_in_parts(&mut self, parts: usize) {
        self.commands.push(parts);
    }

    fn begin_about(&mut self, entries: usize) {
        self.migrations.push(entries);
    }

    fn begin_part(&mut self) {
        self.parts += 1;
    }

    fn poison(&mut self) {
        self.poisoned = true;
    }

    fn decide(&mut self, list: &Arc<List>, _: &Context, call: Call<'_>) -> Result<Decision, Fault> {
        let id = match call {
            Call::Delete(id) => id,
            Call::Migrate(_) | Call::Configure(_) => return Ok(Ok(Vec::new())),
            call => panic!("neither a deletion nor a migration: {call:?}"),
        };
        let mut changes = vec![Change::Put(list.get(id).unwrap().clone()); self.changes_per_entry - 1];
        changes.push(Change::Remove(id));
        Ok(Ok(changes))
    }

    fn view(&mut self, _: &Arc<List>, _: &Context, _: &Query) -> Result<Result<Page, Rejection>, Fault> {
        panic!("nothing is viewed")
    }

    fn next_wake_up(&mut self, _: &Arc<List>, _: &Context) -> Result<Option<u64>, Fault> {
        Ok(None)
    }
}

fn list_of(entries: u64) -> Arc<List> {
    let entry = |id| {
        let (title, fields) = (format!("entry {id}"), Vec::new());
        Change::put(Entry { id, title, date: None, completed: false, order: None, fields })
    };
    let bind = Change::BindLogic(Native::version(1).binding().clone());
    let changes: Vec<_> = [bind].into_iter().chain((1..=entries).map(entry)).collect();
    Arc::new(List::default().apply(&changes).unwrap())
}

#[test]
fn clearing_a_list_has_a_budget_for_each_entry_and_reverts_as_one_revision() {
    let (list, mut session) = (list_of(3), Budgeted::new(2));
    let decided = session.clear(&list, Limits::default()).unwrap();
    assert_eq!((&session.commands[..], session.parts, session.poisoned), (&[3][..], 3, false));
    assert_eq!((decided.list.count(), decided.list.revision()), (0, list.revision() + 1));
    let before = decided.list.preview(&decided.inverse).unwrap();
    assert!(before.scan(0).eq(list.scan(0)), "{before:?}");
}

#[test]
fn clearing_a_list_may_not_make_changes_without_bound() {
    let (list, limits) = (list_of(4), Limits { changes: 40, ..Limits::default() });
    assert!(Budgeted::new(16).clear(&list, limits).is_ok());
    let mut session = Budgeted::new(40);
    let limit = 40 + 4 * MAX_CHANGES_PER_CLEARED_ENTRY;
    // The host's limit: each answer was within the limit of one call, so that the logic is not at fault.
    let full = Refusal::Full { what: "changes in one revision", limit };
    assert_eq!(session.clear(&list, limits).unwrap_err(), full);
    assert!(session.poisoned);
}

#[test]
fn clearing_a_list_may_not_make_bytes_without_bound() {
    let list = list_of(4);
    let limits = Limits { bytes: list.bytes(), ..Limits::default() };
    // A deletion alone takes the bytes of its entry once, in the reverting change. Another put before it takes two more
    // sizes, for itself and for the reverting change.
    assert!(Budgeted::new(1).clear(&list, limits).is_ok());
    assert!(Budgeted::new(2).clear(&list, limits).is_ok());
    let mut session = Budgeted::new(3);
    let limit = MAX_FULL_LISTS_PER_REVISION * list.bytes();
    let full = Refusal::Full { what: "bytes of changes in one revision", limit };
    assert_eq!(session.clear(&list, limits).unwrap_err(), full);
    assert!(session.poisoned && session.parts == 4, "after {} entries", session.parts);
}

#[test]
fn a_list_above_a_lowered_limit_can_be_cleared() {
    let limits = Limits { bytes: 0, ..Limits::default() };
    assert!(Budgeted::new(1).clear(&list_of(4), limits).is_ok());
}

/// A logic that declares the command `delete-entries`.
struct Clearing {
    logic: Box<dyn Logic>,
    description: Description,
    /// The entries that it leaves in the list.
    leaves: usize,
}

impl Clearing {
    fn leaving(leaves: usize) -> Self {
        let logic = Native::version(1);
        let command = CommandSchema { name: "delete-entries".into(), title: String::new(), arguments: Vec::new() };
        let description = Description { commands: vec![command], ..logic.description().clone() };
        Self { logic, description, leaves }
    }

    fn clear(&self, list: &Arc<List>, limits: Limits) -> Result<Decided, Refusal> {
        let context =
            Context { now: 0, today: "2026-11-23".parse().unwrap(), utc_offset: 0, caller: "ann".into(), seed: 1 };
        let mut session = self.session()?;
        Decider { logic: self, session: &mut *session, limits }.decide(list, &context, &Command::Clear)
    }
}

impl Logic for Clearing {
    fn binding(&self) -> &Arc<LogicBinding> {
        self.logic.binding()
    }

    fn description(&self) -> &Description {
        &self.description
    }

    fn session(&self) -> Result<Box<dyn Session + '_>, Fault> {
        Ok(Box::new(ClearingSession { leaves: self.leaves }))
    }
}

struct ClearingSession {
    leaves: usize,
}

impl Session for ClearingSession {
    fn begin(&mut self) {}

    fn decide(&mut self, list: &Arc<List>, _: &Context, call: Call<'_>) -> Result<Decision, Fault> {
        let Call::Custom("delete-entries", []) = call else { panic!("only the command: {call:?}") };
        Ok(Ok(list.scan(0).skip(self.leaves).map(|entry| Change::Remove(entry.id)).collect()))
    }

    fn view(&mut self, _: &Arc<List>, _: &Context, _: &Query) -> Result<Result<Page, Rejection>, Fault> {
        panic!("nothing is viewed")
    }

    fn next_wake_up(&mut self, _: &Arc<List>, _: &Context) -> Result<Option<u64>, Fault> {
        Ok(None)
    }
}

#[test]
fn a_logic_that_declares_delete_entries_clears_a_list_with_one_answer() {
    let list = list_of(3);
    let decided = Clearing::leaving(0).clear(&list, Limits::default()).unwrap();
    assert_eq!(decided.changes, [1, 2, 3].map(Change::Remove));
    assert!(Clearing::leaving(0).clear(&list, Limits { changes: 2, ..Limits::default() }).is_ok(), "a lowered limit");
    let empty = list_of(0);
    assert_eq!(Clearing::leaving(0).clear(&empty, Limits::default()).unwrap().changes, []);
}

#[test]
fn delete_entries_is_a_fault_if_it_leaves_entries() {
    let refusal = Clearing::leaving(1).clear(&list_of(3), Limits::default()).unwrap_err();
    let what = "left 1 of the list's entries at the command delete-entries";
    assert_eq!(refusal, Refusal::Fault(Violation::Content(what.into()).into()));
}

#[test]
fn a_migration_has_a_budget_for_all_entries_also_as_a_part_of_another_command() {
    let (list, logic) = (list_of(4), Native::with_a_field(2));
    let context =
        Context { now: 0, today: "2026-11-23".parse().unwrap(), utc_offset: 0, caller: "ann".into(), seed: 1 };
    let configure = |logic: Option<&str>| Command::Configure {
        logic: logic.map(|name| crate::list::name::LogicName::new(name).unwrap()),
        pin: None,
        settings: Vec::new(),
    };
    let mut session = Budgeted::new(1);
    for command in [Command::Migrate, configure(Some("todo"))] {
        let mut decider = Decider { logic: &*logic, session: &mut session, limits: Limits::default() };
        decider.decide(&list, &context, &command).unwrap();
    }
    assert_eq!((session.migrations, session.commands), (vec![4, 4], Vec::new()));
    let (mut session, logic) = (Budgeted::new(1), Native::version(1));
    let mut decider = Decider { logic: &*logic, session: &mut session, limits: Limits::default() };
    decider.decide(&list, &context, &configure(None)).unwrap();
    assert_eq!((session.migrations, session.commands), (Vec::new(), vec![1]));
}

//! The load that the store is measured with, here and in `examples/store_figures.rs`.

use std::sync::Arc;

use hotlist::list::List;
use hotlist::list::binding::LogicBinding;
use hotlist::list::change::Change;
use hotlist::list::command::{Command, Context};
use hotlist::list::date::Date;
use hotlist::list::entry::{Draft, Entry};
use hotlist::list::id::LogicId;
use hotlist::list::name::{ListName, LogicName};
use hotlist::list::revision::Revision;
use hotlist::store::Commit;

/// Beyond so many entries the oldest is removed, so that lists keep a usual size.
const ENTRIES: u64 = 10;

/// A list with what its actor would do.
pub(crate) struct Actor {
    name: ListName,
    state: Arc<List>,
    logic: Arc<LogicId>,
}

/// The name of a list by its number.
pub(crate) fn list_name(list: usize) -> ListName {
    ListName::new(&format!("list {list:07}")).expect("a list's name")
}

impl Actor {
    /// The actors of that many lists, none of which exists yet.
    pub(crate) fn all(lists: std::ops::Range<usize>) -> Vec<Self> {
        let name = LogicName::new("todo").expect("a logic's name");
        let logic = Arc::new(LogicId { name, version: semver::Version::new(1, 0, 0), digest: [1; 32] });
        let actor = |list| Self { name: list_name(list), state: Arc::default(), logic: logic.clone() };
        lists.map(actor).collect()
    }

    /// Adds an entry, to a list that is created if need be.
    pub(crate) fn add(&mut self) -> Commit {
        let after = self.state.revision();
        let id = self.state.next_id();
        let title = format!("remember entry number {id}");
        let date = Date::new(2026, 11, 24).ok();
        let entry = Entry { id, title: title.clone(), date, completed: false, order: None, fields: Vec::new() };
        let mut changes = vec![Change::put(entry)];
        if !self.state.exists() {
            changes.push(Change::BindLogic(Arc::new(LogicBinding { id: self.logic.clone(), schema_fingerprint: 0 })));
        }
        if id > ENTRIES {
            changes.push(Change::Remove(id - ENTRIES));
        }
        let mut inverse = Vec::new();
        let state = self.state.apply_with_inverse(&changes, &mut inverse).expect("the changes apply");
        inverse.reverse();
        self.state = Arc::new(state.succeeding(after));
        let today = Date::new(2026, 11, 23).expect("a day");
        let context = Context { now: 1_795_000_000_000, today, utc_offset: 0, caller: "someone".into(), seed: 1 };
        let command = Command::Add(Draft { title, date, ..Draft::default() });
        let revision = Revision {
            number: after + 1,
            context,
            logic: self.logic.clone(),
            command,
            changes,
            inverse,
            next_id_before: id,
        };
        Commit {
            name: self.name.clone(),
            after,
            revisions: vec![Arc::new(revision)],
            receipts: Vec::new(),
            state: self.state.clone(),
            wake_up: None,
        }
    }
}

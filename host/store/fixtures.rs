//! Lists and commits for tests.

use std::sync::Arc;

use super::Commit;
use crate::list::List;
use crate::list::binding::LogicBinding;
use crate::list::change::Change;
use crate::list::command::{Command, Context};
use crate::list::date::Date;
use crate::list::entry::{Draft, Entry};
use crate::list::id::LogicId;
use crate::list::name::{ListName, LogicName};
use crate::list::receipt::{CommandOutcome, Idempotency, Receipt, RetainedEffect};
use crate::list::revision::Revision;

/// Builds the commits of one list, as its actor does. Revisions gather until [`Writer::commit`] takes them.
#[derive(Clone)]
pub(crate) struct Writer {
    pub(crate) name: ListName,
    pub(crate) list: List,
    pub(crate) wake_up: Option<u64>,
    gathered: Vec<Arc<Revision>>,
    receipts: Vec<Arc<Receipt>>,
}

pub(crate) fn name(name: &str) -> ListName {
    ListName::new(name).expect("a list's name")
}

/// The time of a receipt that is given no other.
pub(crate) const RECEIVED: u64 = 1_795_000_000_000;

/// The bytes that a golden file holds.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("a byte");
    text.trim().as_bytes().chunks(2).map(byte).collect()
}

fn binding() -> Arc<LogicBinding> {
    let name = LogicName::new("todo").expect("a logic's name");
    let id = LogicId { name, version: semver::Version::new(1, 2, 3), digest: [7; 32] };
    Arc::new(LogicBinding { id: Arc::new(id), schema_fingerprint: 7 })
}

impl Writer {
    pub(crate) fn new(list: &str) -> Self {
        Self::at(list, List::default())
    }

    pub(crate) fn at(list: &str, state: List) -> Self {
        Self { name: name(list), list: state, wake_up: None, gathered: Vec::new(), receipts: Vec::new() }
    }

    fn revise(mut self, command: Command, changes: Vec<Change>) -> Self {
        let today = Date::new(2026, 11, 23).expect("a day");
        let context = Context { now: 1_795_000_000_000, today, utc_offset: 60, caller: "ann".into(), seed: 42 };
        let (next_id_before, mut inverse) = (self.list.next_id(), Vec::new());
        let list = self.list.apply_with_inverse(&changes, &mut inverse).expect("the sample's changes apply");
        inverse.reverse();
        self.list = list.succeeding(self.list.revision());
        let number = self.list.revision();
        let revision =
            Revision { number, context, logic: binding().id.clone(), command, changes, inverse, next_id_before };
        self.gathered.push(Arc::new(revision));
        self
    }

    pub(crate) fn create(self) -> Self {
        let logic = Some(binding().logic().clone());
        let configure = Command::Configure { logic, pin: None, settings: Vec::new() };
        self.revise(configure, vec![Change::BindLogic(binding())])
    }

    pub(crate) fn add(self, title: &str) -> Self {
        let draft = Draft { title: title.into(), date: Date::new(2026, 11, 24).ok(), ..Draft::default() };
        let entry = Entry {
            id: self.list.next_id(),
            title: draft.title.clone(),
            date: draft.date,
            completed: false,
            order: None,
            fields: Vec::new(),
        };
        self.revise(Command::Add(draft), vec![Change::put(entry)])
    }

    pub(crate) fn clear(self) -> Self {
        let removals = self.list.scan(0).map(|entry| Change::Remove(entry.id)).collect();
        self.revise(Command::Clear, removals)
    }

    pub(crate) fn erase(self) -> Self {
        self.revise(Command::DeleteList, vec![Change::DeleteList])
    }

    pub(crate) fn with_receipt(self, key: &str) -> Self {
        self.with_receipt_at(key, RECEIVED)
    }

    /// A receipt of a time, on the account of what precedes the line break in the key.
    pub(crate) fn with_receipt_at(mut self, key: &str, time: u64) -> Self {
        let holder = key.split('\n').next().unwrap_or_default().to_owned();
        let request = Idempotency { key: key.into(), holder, fingerprint: [9; 32] };
        let outcome = CommandOutcome::Done {
            revision: self.list.revision(),
            created: false,
            next_id_before: 1,
            effect: RetainedEffect::Nothing,
        };
        self.receipts.push(Arc::new(Receipt { request, time, logic: binding().id.clone(), outcome }));
        self
    }

    pub(crate) fn wake_at(mut self, time: Option<u64>) -> Self {
        self.wake_up = time;
        self
    }

    /// Takes the gathered revisions as a commit.
    pub(crate) fn take(&mut self) -> Commit {
        Commit {
            name: self.name.clone(),
            after: self.list.revision() - self.gathered.len() as u64,
            revisions: std::mem::take(&mut self.gathered),
            receipts: std::mem::take(&mut self.receipts),
            state: Arc::new(self.list.clone()),
            wake_up: self.wake_up,
        }
    }

    /// Turns the writer into a commit of the gathered revisions.
    pub(crate) fn commit(mut self) -> Commit {
        self.take()
    }
}

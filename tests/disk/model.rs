//! The commits that a store was given, and what each list is after each of them.

use std::sync::Arc;

use fastrand::Rng;
use hotlist::list::List;
use hotlist::list::binding::LogicBinding;
use hotlist::list::change::Change;
use hotlist::list::command::{Command, Context};
use hotlist::list::date::Date;
use hotlist::list::entry::{Draft, Entry};
use hotlist::list::id::LogicId;
use hotlist::list::name::{ListName, LogicName};
use hotlist::list::receipt::{CommandOutcome, Idempotency, Receipt, RetainedEffect};
use hotlist::list::revision::Revision;
use hotlist::store::{Commit, Stored};

/// How many revisions the store retains for a list.
pub const HISTORY: usize = 6;

/// The number of lists.
pub const LISTS: u64 = 5;

/// The milliseconds in an hour.
const HOUR: u64 = 60 * 60 * 1_000;

/// The beginning of a run, at a full hour.
const BEGIN: u64 = 500_000 * HOUR;

/// How many hours a receipt is retained.
const RECEIPT_HOURS: u64 = 24;

/// Lists with more entries get no further ones.
const MAX_ENTRIES: usize = 12;

/// A list as a commit leaves it.
#[derive(Clone, Default)]
pub struct Version {
    pub list: Arc<List>,
    pub receipts: Vec<Arc<Receipt>>,
    pub history: Vec<Arc<Revision>>,
    pub wake_up: Option<u64>,
}

/// All commits in the order in which the store got them.
#[derive(Clone, Default)]
pub struct Model {
    commits: Vec<(u64, Arc<Version>)>,
    /// How many of the commits were acknowledged.
    pub acknowledged: usize,
    hours: u64,
    keys: u64,
}

impl Version {
    /// The version as the store returns it at a time.
    pub fn stored(&self, now: u64) -> Stored {
        let is_retained = |receipt: &&Arc<Receipt>| receipt.time + RECEIPT_HOURS * HOUR >= now;
        let receipts = self.receipts.iter().filter(is_retained).cloned().collect();
        Stored { list: List::clone(&self.list), receipts, wake_up: self.wake_up }
    }
}

impl Model {
    /// How many commits the store got.
    pub fn len(&self) -> usize {
        self.commits.len()
    }

    /// The wall clock's time.
    pub fn now(&self) -> u64 {
        BEGIN + self.hours * HOUR
    }

    /// Lets time pass.
    pub fn pass(&mut self, hours: u64) {
        self.hours += hours;
    }

    /// A list after the first `count` commits.
    pub fn at(&self, list: u64, count: usize) -> Arc<Version> {
        let last = self.commits[..count].iter().rev().find(|(of, _)| *of == list);
        last.map(|(_, version)| version.clone()).unwrap_or_default()
    }

    /// Forgets all commits behind the first `count`, which are acknowledged.
    pub fn settle(&mut self, count: usize) {
        self.commits.truncate(count);
        self.acknowledged = count;
    }

    /// Forgets the commits behind the acknowledged ones, except the first ones, whose outcome is not known.
    pub fn withdraw(&mut self, in_doubt: usize) {
        self.commits.truncate(self.acknowledged + in_doubt);
    }

    /// Makes up the next commit.
    pub fn next(&mut self, chance: &mut Rng) -> Commit {
        let list = chance.u64(..LISTS);
        let mut next = Next::new(&self.at(list, self.len()), self.now());
        let has_receipt_only = chance.u8(..16) == 0;
        if !has_receipt_only {
            next.change(chance);
        }
        if has_receipt_only || chance.bool() {
            self.keys += 1;
            next.add_receipt(&format!("ann\nkey {}", self.keys));
        }
        if chance.u8(..3) == 0 {
            next.version.wake_up = (chance.u8(..4) > 0).then(|| self.now() + chance.u64(..10));
        }
        if !next.list.exists() {
            next.version.wake_up = None;
        }
        let (commit, version) = next.into_commit(list);
        self.commits.push((list, Arc::new(version)));
        commit
    }

    /// A commit that does not continue its list.
    pub fn stale(&self, chance: &mut Rng) -> Commit {
        let list = chance.u64(..LISTS);
        let mut next = Next::new(&self.at(list, self.len()), self.now());
        next.add_receipt("stale");
        let (mut commit, _) = next.into_commit(list);
        commit.state = Arc::new(List::absent(commit.after + 7));
        commit.after += 7;
        commit
    }
}

/// The name of a list by its number.
pub fn name(list: u64) -> ListName {
    ListName::new(&format!("list {list}")).expect("a list's name")
}

fn binding() -> Arc<LogicBinding> {
    let name = LogicName::new("todo").expect("a logic's name");
    let id = LogicId { name, version: semver::Version::new(1, 2, 3), digest: [7; 32] };
    Arc::new(LogicBinding { id: Arc::new(id), schema_fingerprint: 7 })
}

/// A commit in the making.
struct Next {
    version: Version,
    list: List,
    after: u64,
    now: u64,
    revisions: Vec<Arc<Revision>>,
    receipts: Vec<Arc<Receipt>>,
}

impl Next {
    fn new(before: &Version, now: u64) -> Self {
        let list = List::clone(&before.list);
        let after = list.revision();
        Self { version: before.clone(), list, after, now, revisions: Vec::new(), receipts: Vec::new() }
    }

    /// Creates the list if it is absent, changes entries, and deletes the list now and then.
    fn change(&mut self, chance: &mut Rng) {
        if !self.list.exists() {
            let logic = Some(binding().logic().clone());
            let configure = Command::Configure { logic, pin: None, settings: Vec::new() };
            self.revise(configure, vec![Change::BindLogic(binding())]);
        }
        for _ in 0..chance.u8(1..4) {
            self.add(chance);
        }
        if chance.u8(..12) == 0 {
            self.revise(Command::DeleteList, vec![Change::DeleteList]);
        }
    }

    fn add(&mut self, chance: &mut Rng) {
        // Now and then an entry takes more than a page.
        let bytes = if chance.u8(..20) == 0 { 9_000 } else { 100 };
        let title = format!("{} ", self.list.next_id()).repeat(chance.usize(1..bytes) / 3 + 1);
        let draft = Draft { title, date: Date::new(2026, 11, 24).ok(), ..Draft::default() };
        let entry = Entry {
            id: self.list.next_id(),
            title: draft.title.clone(),
            date: draft.date,
            completed: chance.bool(),
            order: None,
            fields: Vec::new(),
        };
        let mut changes = vec![Change::put(entry)];
        if self.list.count() >= MAX_ENTRIES {
            changes.extend(self.list.scan(0).next().map(|oldest| Change::Remove(oldest.id)));
        }
        self.revise(Command::Add(draft), changes);
    }

    fn revise(&mut self, command: Command, changes: Vec<Change>) {
        let today = Date::new(2026, 11, 23).expect("a day");
        let context = Context { now: self.now, today, utc_offset: 60, caller: "ann".into(), seed: 42 };
        let (next_id_before, mut inverse) = (self.list.next_id(), Vec::new());
        let list = self.list.apply_with_inverse(&changes, &mut inverse).expect("the changes apply");
        inverse.reverse();
        self.list = list.succeeding(self.list.revision());
        let is_deletion = matches!(command, Command::DeleteList);
        let number = self.list.revision();
        let logic = binding().id.clone();
        let revision = Arc::new(Revision { number, context, logic, command, changes, inverse, next_id_before });
        if is_deletion {
            self.version.history.clear();
        }
        self.version.history.push(revision.clone());
        self.revisions.push(revision);
    }

    fn add_receipt(&mut self, key: &str) {
        let request = Idempotency { key: key.into(), holder: "ann".into(), fingerprint: [9; 32] };
        let revision = self.list.revision();
        let effect = RetainedEffect::Nothing;
        let outcome = CommandOutcome::Done { revision, created: false, next_id_before: 1, effect };
        let receipt = Receipt { request, time: self.now, logic: binding().id.clone(), outcome };
        self.receipts.push(Arc::new(receipt));
    }

    fn into_commit(mut self, list: u64) -> (Commit, Version) {
        let surplus = self.version.history.len().saturating_sub(HISTORY);
        self.version.history.drain(..surplus);
        self.version.receipts.extend(self.receipts.iter().cloned());
        self.version.list = Arc::new(self.list);
        let commit = Commit {
            name: name(list),
            after: self.after,
            revisions: self.revisions,
            receipts: self.receipts,
            state: self.version.list.clone(),
            wake_up: self.version.wake_up,
        };
        (commit, self.version)
    }
}

//! What outlives a crash, and the rules that every step is checked against.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hotlist::actor::WAKE_UP_RETRY;
use hotlist::clock::Clock;
use hotlist::list::List;
use hotlist::list::change::Change;
use hotlist::list::command::Command;
use hotlist::list::name::ListName;
use hotlist::list::receipt::Receipt;
use hotlist::list::revision::Revision;
use hotlist::rollout::{Digest, RolloutState};
use hotlist::store::Commit;
use hotlist::store::receipt_room::{ReceiptLimits, ReceiptRoom};

use super::client::Op;
use super::executor::{Chance, Simulator, VirtualClock};
use super::logic::{Defects, next_wake_up};

/// How many of a thousand chances go wrong, drawn anew for each seed.
#[derive(Debug)]
pub struct Rates {
    pub slow_store: u64,
    pub failed: u64,
    pub unknown: u64,
    pub overloaded: u64,
    pub disk_full: u64,
    pub failed_load: u64,
    pub panic: u64,
    pub crash_per_100_000: u64,
    pub abandoned: u64,
    pub mailbox: u64,
    pub resident: u64,
    /// How often another thread goes first where no task waits.
    pub interleave: u64,
    pub lists: u64,
}

/// A list as the store holds it, with everything that was ever durable.
#[derive(Default)]
pub struct Record {
    /// The list at each revision, from revision 0 on.
    pub states: Vec<Arc<List>>,
    pub revisions: Vec<Arc<Revision>>,
    pub receipts: Vec<Arc<Receipt>>,
    pub wake_up: Option<u64>,
    /// The highest revision that a client has seen. No client may be shown less from then on.
    pub seen: u64,
    pub is_committing: bool,
    /// When the store last failed at this list, was busy with it, or did not know what it did.
    pub failed_at: Option<Duration>,
    pub busy_at: Option<Duration>,
    pub unknown_at: Option<Duration>,
}

/// What is known of an operation of a client.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Whether it may become durable: no reply said that it certainly is not.
    pub may_happen: bool,
    pub durable: Option<(ListName, u64)>,
}

/// An open stream of events.
pub struct Stream {
    pub list: ListName,
    /// The last revision that the stream has shown, or the durable one when it began.
    pub last: u64,
    pub has_begun: bool,
}

#[derive(Default)]
pub struct State {
    pub records: BTreeMap<ListName, Record>,
    pub known: BTreeMap<Arc<str>, Known>,
    /// The operation that each client waits for, or repeats after a crash.
    pub pending: BTreeMap<usize, Op>,
    pub streams: BTreeMap<usize, Stream>,
    pub rollout: Option<RolloutState>,
    pub quarantined: BTreeSet<Digest>,
    /// How often a version was quarantined.
    pub quarantines: u64,
    pub major: u64,
    pub next_op: u64,
    pub poisoned: bool,
    /// Until when the disk is full.
    pub full_until: Duration,
    /// When the store last took no writes, whichever list they were of.
    pub unhealthy_at: Option<Duration>,
    /// Whether the simulation comes to its end: no new operations, and nothing goes wrong.
    pub is_ending: bool,
    pub clients: usize,
    pub violation: Option<String>,
    trace: String,
}

pub struct World {
    state: Mutex<State>,
    pub rates: Rates,
    pub clock: Arc<VirtualClock>,
    pub executor: Arc<Simulator>,
    pub chance: Chance,
    pub panics: Arc<AtomicU64>,
    pub defects: Arc<Defects>,
    /// Has room for all receipts of a run, and none expires.
    pub receipt_room: Arc<ReceiptRoom>,
}

impl World {
    pub fn new(seed: u64, start: u64) -> Arc<Self> {
        let chance = Chance::new(seed);
        let clock = Arc::new(VirtualClock::new(start, chance.clone()));
        let executor = Simulator::new(clock.clone(), chance.clone());
        let sometimes = |share| if chance.per_mille(500) { chance.below(share) } else { 0 };
        let rates = Rates {
            slow_store: 1_000 - sometimes(900),
            failed: sometimes(30),
            unknown: sometimes(30),
            overloaded: sometimes(150),
            disk_full: sometimes(20),
            failed_load: sometimes(50),
            panic: sometimes(20),
            crash_per_100_000: sometimes(100),
            abandoned: sometimes(100),
            mailbox: 1 + chance.below(8),
            resident: 4 + chance.below(8),
            interleave: chance.below(800),
            lists: 1 + chance.below(6),
        };
        let state = Mutex::new(State { major: 1, ..State::default() });
        let limits = ReceiptLimits { list_bytes: 1 << 40, total_bytes: 1 << 50, ..ReceiptLimits::default() };
        let receipt_room = ReceiptRoom::new(limits);
        Arc::new(Self {
            state,
            rates,
            clock,
            executor,
            chance,
            panics: Arc::default(),
            defects: Arc::default(),
            receipt_room,
        })
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Whether something goes wrong now.
    pub fn goes_wrong(&self, per_mille: u64) -> bool {
        per_mille > 0 && !self.state().is_ending && self.chance.per_mille(per_mille)
    }

    pub fn is_disk_full(&self) -> bool {
        let now = self.now();
        let state = self.state();
        !state.is_ending && now < state.full_until
    }

    pub fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    pub fn log(&self, line: impl std::fmt::Display) {
        let now = self.now().as_millis();
        let _ = writeln!(self.state().trace, "{now} {line}");
    }

    pub fn take_trace(&self) -> String {
        std::mem::take(&mut self.state().trace)
    }

    /// Reports a broken promise. The first one ends the simulation.
    pub fn check(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            let what = what();
            self.log(format_args!("VIOLATION {what}"));
            self.state().violation.get_or_insert(what);
        }
    }

    pub fn durable(&self, list: &ListName) -> u64 {
        self.state().records.get(list).map_or(0, |record| record.revisions.len() as u64)
    }

    pub fn seen(&self, list: &ListName) -> u64 {
        self.state().records.get(list).map_or(0, |record| record.seen)
    }

    /// Checks a list that a reader was shown. `floor` is what had been shown when the reader asked.
    pub fn check_read(&self, name: &ListName, floor: u64, list: &List) {
        let revision = list.revision();
        self.check_shown("a read", name, floor, revision);
        let is_same = {
            let mut state = self.state();
            let record = state.records.entry(name.clone()).or_default();
            record.states.get(revision as usize).map_or(revision == 0, |durable| **durable == *list)
        };
        self.check(is_same, || format!("a read of {name} is not what is durable at revision {revision}"));
    }

    /// Checks a revision that a client was shown.
    pub fn check_shown(&self, what: &str, name: &ListName, floor: u64, revision: u64) {
        let durable = self.durable(name);
        self.check(revision <= durable, || {
            format!("{what} of {name} shows revision {revision}, and {durable} is durable")
        });
        self.check(revision >= floor, || format!("{what} of {name} shows revision {revision} after {floor}"));
        let mut state = self.state();
        let record = state.records.entry(name.clone()).or_default();
        record.seen = record.seen.max(revision);
    }

    /// Checks a commit when the store gets it.
    pub fn check_commit(&self, commit: &Commit) {
        let name = &commit.name;
        let (is_committing, durable) = {
            let mut state = self.state();
            let record = state.records.entry(name.clone()).or_default();
            (std::mem::replace(&mut record.is_committing, true), record.revisions.len() as u64)
        };
        self.check(!is_committing, || format!("{name} has two writers"));
        self.check(durable == commit.after, || {
            format!("a commit of {name} continues {}, and {durable} is durable", commit.after)
        });
        let checked = commit.check();
        self.check(checked.is_ok(), || format!("a commit is malformed: {checked:?}"));
        self.check_wake_up(commit);
        // A migration may precede the load of the version that decides the command.
        for revision in commit.revisions.iter().filter(|revision| revision.command != Command::Migrate) {
            let is_quarantined = self.state().quarantined.contains(&revision.logic.digest);
            self.check(!is_quarantined, || {
                format!("a quarantined version decided revision {} of {name}", revision.number)
            });
        }
    }

    /// Checks that the changes of a commit and the next wake-up time are one.
    fn check_wake_up(&self, commit: &Commit) {
        let (name, now) = (&commit.name, self.clock.now());
        if commit.revisions.is_empty() {
            return;
        }
        let is_right = match (commit.wake_up, next_wake_up(&commit.state)) {
            (None, wanted) => wanted.is_none(),
            (Some(at), wanted) => at > now && at <= wanted.unwrap_or(0).max(now + WAKE_UP_RETRY),
        };
        self.check(is_right, || {
            let (at, wanted) = (commit.wake_up, next_wake_up(&commit.state));
            format!("{name} wants to be woken at {wanted:?}, and the commit at {now} says {at:?}")
        });
    }

    /// Makes a commit durable.
    pub fn apply(&self, commit: &Commit) {
        for revision in &commit.revisions {
            self.apply_revision(&commit.name, revision);
        }
        let is_same = {
            let mut state = self.state();
            let record = state.records.entry(commit.name.clone()).or_default();
            record.receipts.extend(commit.receipts.iter().cloned());
            record.wake_up = commit.wake_up;
            record.states.last().map_or(commit.after == 0, |last| **last == *commit.state)
        };
        self.check(is_same, || format!("the state in a commit of {} is not what its revisions lead to", commit.name));
    }

    fn apply_revision(&self, name: &ListName, revision: &Arc<Revision>) {
        let before = {
            let mut state = self.state();
            let record = state.records.entry(name.clone()).or_default();
            if record.states.is_empty() {
                record.states.push(Arc::default());
            }
            record.states.last().cloned().unwrap_or_default()
        };
        let number = revision.number;
        self.check(number == before.revision() + 1, || format!("revision {number} of {name} is not the next one"));
        let after = before.apply(&revision.changes);
        self.check(after.is_ok(), || format!("revision {number} of {name} does not apply: {after:?}"));
        let Ok(after) = after else { return };
        if !revision.changes.contains(&Change::DeleteList) {
            let back = after.revert(revision);
            let is_back = back.as_ref().is_ok_and(|back| *back == *before);
            self.check(is_back, || format!("the inverse of revision {number} of {name} does not lead back"));
        }
        self.check_version(name, &before, revision);
        if &*revision.context.caller != "hotlist" {
            self.check_operation(name, revision);
        }
        let mut state = self.state();
        let record = state.records.entry(name.clone()).or_default();
        record.states.push(Arc::new(after));
        record.revisions.push(revision.clone());
    }

    /// Checks that an operation is carried out at most once, and only if no reply denied it.
    fn check_operation(&self, name: &ListName, revision: &Revision) {
        let caller = &revision.context.caller;
        let known = self.state().known.get(caller).cloned().unwrap_or_default();
        self.check(known.durable.is_none(), || {
            format!("{caller} is carried out twice: {:?} and revision {} of {name}", known.durable, revision.number)
        });
        self.check(known.may_happen, || format!("{caller} is carried out after a reply that it was not"));
        let durable = Some((name.clone(), revision.number));
        self.state().known.insert(caller.clone(), Known { durable, ..known });
    }

    /// Checks that the deciding version reads the list as it is.
    fn check_version(&self, name: &ListName, before: &List, revision: &Revision) {
        let moves = matches!(
            revision.command,
            Command::Migrate | Command::Configure { .. } | Command::DeleteList | Command::Undo { .. }
        );
        if moves {
            return;
        }
        let has_rank = |major: u64| major % 5 == 4;
        // A list that cannot be migrated from a quarantined version has no other version to decide.
        let is_stuck = |digest| self.state().quarantined.contains(digest);
        let fits = before.binding().is_none_or(|bound| {
            has_rank(bound.id.version.major) == has_rank(revision.logic.version.major) || is_stuck(&bound.id.digest)
        });
        self.check(fits, || format!("revision {} of {name} was decided before a migration", revision.number));
    }
}

//! Which logics there are, and which version of each decides: published atomically, pulled by the
//! actors.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::{Fault, Logic};
use crate::list::name::LogicName;

/// How many past events of one logic are remembered; the oldest go first.
pub const MAX_EVENTS: usize = 20;

/// Every logic by name. Reading is wait-free; publishing replaces the whole map in one step, so a
/// reader sees a version as a whole or not at all.
#[derive(Default)]
pub struct Catalog {
    logics: ArcSwap<BTreeMap<LogicName, Arc<Standing>>>,
    /// Held while a new map is made from the old one, so that no publishing is lost.
    writing: Mutex<()>,
}

/// How one logic stands.
#[derive(Clone, Default)]
pub struct Standing {
    /// The version that decides, if one could ever be loaded.
    pub live: Option<Arc<Version>>,
    /// What happened to it, the newest last; at most [`MAX_EVENTS`].
    pub events: VecDeque<Event>,
}

/// Something that happened to a logic.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Milliseconds since the epoch.
    pub time: u64,
    /// Where the component came from, such as `built in`, `upload`, or a file's name.
    pub source: String,
    /// The SHA-256 of its bytes, if they could be read.
    pub digest: Option<[u8; 32]>,
    /// The component's own version if it was published, or why it was not.
    pub outcome: Result<semver::Version, String>,
}

/// A published version with what is counted about it.
pub struct Version {
    /// The logic itself.
    pub logic: Box<dyn Logic>,
    /// When it was published: milliseconds since the epoch.
    pub since: u64,
    /// Where it came from.
    pub source: String,
    /// What it did since.
    pub counters: Counters,
}

/// What is counted about a version. All counters only grow.
#[derive(Default, Debug)]
pub struct Counters {
    /// Commands it carried out.
    pub accepted: AtomicU64,
    /// Commands it said no to.
    pub rejected: AtomicU64,
    /// Calls in which it failed.
    pub faults: AtomicU64,
    /// The last failure, for people.
    last_fault: Mutex<Option<Fault>>,
}

impl Counters {
    /// Counts a failure and keeps it to be shown.
    pub fn fault(&self, fault: &Fault) {
        self.faults.fetch_add(1, Ordering::Relaxed);
        *self.last_fault.lock() = Some(fault.clone());
    }

    /// The last failure, if there was one.
    pub fn last_fault(&self) -> Option<Fault> {
        self.last_fault.lock().clone()
    }
}

impl Catalog {
    /// The version of a logic that decides now.
    pub fn live(&self, name: &LogicName) -> Option<Arc<Version>> {
        self.logics.load().get(name)?.live.clone()
    }

    /// How a logic stands.
    pub fn standing(&self, name: &LogicName) -> Option<Arc<Standing>> {
        self.logics.load().get(name).cloned()
    }

    /// All logics, by name.
    pub fn all(&self) -> Arc<BTreeMap<LogicName, Arc<Standing>>> {
        self.logics.load_full()
    }

    /// Makes a version the live one. Each list takes it up before its next command.
    pub fn publish(&self, logic: Box<dyn Logic>, source: &str, now: u64) {
        let id = logic.id().clone();
        let event =
            Event { time: now, source: source.into(), digest: Some(id.digest), outcome: Ok(id.version.clone()) };
        let version = Version { logic, since: now, source: source.into(), counters: Counters::default() };
        self.change(&id.name, |standing| {
            standing.live = Some(Arc::new(version));
            standing.note(event);
        });
    }

    /// Notes that a component was not taken, and why. What is live stays live.
    pub fn refuse(&self, name: &LogicName, source: &str, digest: Option<[u8; 32]>, why: String, now: u64) {
        let event = Event { time: now, source: source.into(), digest, outcome: Err(why) };
        self.change(name, |standing| standing.note(event));
    }

    /// Notes that what is live was offered again. No news, unless something else was refused since.
    pub fn restore(&self, name: &LogicName, source: &str, now: u64) {
        self.change(name, |standing| {
            if let (Some(live), true) = (&standing.live, standing.failure().is_some()) {
                let id = live.logic.id();
                let outcome = Ok(id.version.clone());
                standing.note(Event { time: now, source: source.into(), digest: Some(id.digest), outcome });
            }
        });
    }

    fn change(&self, name: &LogicName, change: impl FnOnce(&mut Standing)) {
        let _writing = self.writing.lock();
        let mut logics = BTreeMap::clone(&self.logics.load());
        let mut standing = logics.get(name).map(|standing| Standing::clone(standing)).unwrap_or_default();
        change(&mut standing);
        logics.insert(name.clone(), Arc::new(standing));
        self.logics.store(Arc::new(logics));
    }
}

impl Standing {
    fn note(&mut self, event: Event) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Why the newest component offered was not taken; `None` when it was.
    pub fn failure(&self) -> Option<&str> {
        self.events.back()?.outcome.as_ref().err().map(String::as_str)
    }
}

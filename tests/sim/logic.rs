//! Versions in plain Rust that reject, fail, panic and take their time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use hotlist::list::List;
use hotlist::list::binding::LogicBinding;
use hotlist::list::change::{Change, Rejection};
use hotlist::list::command::{Context, Group, Page, Query, Row};
use hotlist::list::entry::Entry;
use hotlist::list::id::LogicId;
use hotlist::list::name::{LogicName, stable_hash};
use hotlist::list::schema::{Description, Reading, Schema};
use hotlist::list::value::ValueKind;
use hotlist::logic::{Call, Decision, Fault, Logic, Session};
use hotlist::rollout::{Digest, MIN_CLIENTS, QuarantinePolicy};

use super::executor::VirtualClock;
use super::world::World;

/// The name of the only logic.
pub const LOGIC: &str = "todo";

/// One version. What it does depends on its number and on the titles only.
pub struct SimLogic {
    binding: Arc<LogicBinding>,
    description: Description,
    clock: Arc<VirtualClock>,
    /// The panics of all versions of a simulation.
    panics: Arc<AtomicU64>,
    defects: Arc<Defects>,
}

/// The digest of a version.
pub fn digest(major: u64) -> [u8; 32] {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&major.to_be_bytes());
    digest
}

/// What stands before the client in the name of an operation.
pub const OF: &str = " of ";

/// What stands before the list in the name of an operation.
pub const ON: &str = " on ";

/// The clients and lists of the operations at which each version failed by a fault that only its author can mend.
#[derive(Default)]
pub struct Defects(Mutex<BTreeMap<Digest, BTreeSet<String>>>);

impl Defects {
    fn note(&self, version: &Digest, caller: &str) {
        self.0.lock().unwrap().entry(*version).or_default().insert(caller.to_owned());
    }

    /// Whether a version failed on enough lists and for enough clients to be quarantined.
    pub fn suffice(&self, version: &Digest, policy: &QuarantinePolicy) -> bool {
        let defects = self.0.lock().unwrap();
        let Some(callers) = defects.get(version) else { return false };
        let operation = |caller: &String| {
            let (client, list) = caller.split_once(OF)?.1.split_once(ON)?;
            Some((client.to_owned(), list.to_owned()))
        };
        let Some(operations) = callers.iter().map(operation).collect::<Option<Vec<_>>>() else {
            return true; // The host's own commands do not say which list they are about.
        };
        let (clients, lists): (BTreeSet<_>, BTreeSet<_>) = operations.into_iter().unzip();
        lists.len() >= policy.lists && clients.len() >= MIN_CLIENTS
    }
}

/// Whether a version runs out of fuel at every third command.
fn is_hungry(major: u64) -> bool {
    major % 8 == 5
}

/// Whether a version fails at every third command.
pub fn is_bad(major: u64) -> bool {
    major % 4 == 3
}

impl SimLogic {
    pub fn version(major: u64, world: &World) -> Box<dyn Logic> {
        let name = if major % 5 == 4 { "rank" } else { "size" };
        let field = Schema {
            name: name.into(),
            title: String::new(),
            kind: ValueKind::Number,
            required: false,
            choices: vec![],
        };
        let version = semver::Version::new(major, 0, 0);
        let id = LogicId { name: LogicName::new(LOGIC).unwrap(), version: version.clone(), digest: digest(major) };
        let description = Description {
            title: "Simulated".into(),
            summary: String::new(),
            version,
            fields: vec![field],
            settings: Vec::new(),
            commands: Vec::new(),
            views: Vec::new(),
            reading: Reading::Logic,
            wakes: true,
        };
        let binding = LogicBinding::new(id, &description);
        let (clock, panics, defects) = (world.clock.clone(), world.panics.clone(), world.defects.clone());
        Box::new(Self { binding, description, clock, panics, defects })
    }
}

impl Logic for SimLogic {
    fn binding(&self) -> &Arc<LogicBinding> {
        &self.binding
    }

    fn description(&self) -> &Description {
        &self.description
    }

    fn session(&self) -> Result<Box<dyn Session + '_>, Fault> {
        Ok(Box::new(SimSession(self)))
    }
}

struct SimSession<'a>(&'a SimLogic);

impl SimSession<'_> {
    fn trap(&self, context: &Context, why: &str) -> Fault {
        self.0.defects.note(&self.0.binding.id.digest, &context.caller);
        Fault::Trap(why.into())
    }
}

impl Session for SimSession<'_> {
    fn begin(&mut self) {}

    fn decide(&mut self, list: &Arc<List>, context: &Context, call: Call<'_>) -> Result<Decision, Fault> {
        let major = self.0.binding.id.version.major;
        let is_third = stable_hash(context.caller.as_bytes()).is_multiple_of(3);
        if is_bad(major) && is_third {
            return Err(self.trap(context, "a bad version"));
        }
        if is_hungry(major) && is_third {
            return Err(Fault::Fuel { budget: 1 });
        }
        let entry = |id, title: &str, completed| {
            let (date, order, fields) = (None, None, Vec::new());
            Change::put(Entry { id, title: title.into(), date, completed, order, fields })
        };
        let reject = || Ok(Err(Rejection { code: "no".into(), message: "No.".into(), field: None }));
        Ok(Ok(match call {
            Call::Add(draft) => match draft.title.as_str() {
                "no" => return reject(),
                "trap" => return Err(self.trap(context, "as the title demands")),
                "fuel" => return Err(Fault::Fuel { budget: 1 }),
                "foreign" => {
                    self.0.defects.note(&self.0.binding.id.digest, &context.caller);
                    vec![entry(list.next_id() + 7, "foreign", false)]
                }
                "panic" => {
                    self.0.panics.fetch_add(1, Ordering::Relaxed);
                    // Unlike `panic!`, this prints nothing.
                    std::panic::resume_unwind(Box::new("as the title demands"))
                }
                title => {
                    if title == "slow" {
                        self.0.clock.advance(6);
                    }
                    vec![entry(list.next_id(), title, false)]
                }
            },
            Call::Update(id, patch) => vec![entry(id, patch.title.as_deref().unwrap_or("untitled"), false)],
            Call::Delete(id) => vec![Change::Remove(id)],
            Call::Wake => {
                let due = list.scan(0).filter(|entry| wake_time(entry).is_some_and(|at| at <= context.now));
                due.map(|due| entry(due.id, &due.title, true)).collect()
            }
            Call::Migrate(_) if list.scan(0).any(|entry| entry.title == "stay") => return reject(),
            Call::Migrate(_) | Call::Custom(..) | Call::Configure(_) => Vec::new(),
        }))
    }

    fn view(&mut self, list: &Arc<List>, _: &Context, _: &Query) -> Result<Result<Page, Rejection>, Fault> {
        let rows = list.scan(0).map(|entry| Row { id: entry.id, computed: Vec::new() }).collect();
        let group = Group { name: String::new(), title: String::new(), computed: Vec::new(), rows };
        Ok(Ok(Page { groups: vec![group], more: false }))
    }

    fn next_wake_up(&mut self, list: &Arc<List>, _: &Context) -> Result<Option<u64>, Fault> {
        Ok(next_wake_up(list))
    }
}

fn wake_time(entry: &Entry) -> Option<u64> {
    if entry.completed { None } else { entry.title.strip_prefix("wake at ")?.parse().ok() }
}

/// When a list wants to be woken: the earliest time of its open entries.
pub fn next_wake_up(list: &List) -> Option<u64> {
    list.scan(0).filter_map(|entry| wake_time(entry)).min()
}

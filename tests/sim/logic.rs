//! Versions in plain Rust that reject, fail, panic and take their time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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

use super::executor::VirtualClock;

/// The name of the only logic.
pub const LOGIC: &str = "todo";

/// One version. What it does depends on its number and on the titles only.
pub struct SimLogic {
    binding: Arc<LogicBinding>,
    description: Description,
    clock: Arc<VirtualClock>,
    /// The panics of all versions of a simulation.
    panics: Arc<AtomicU64>,
}

/// The digest of a version.
pub fn digest(major: u64) -> [u8; 32] {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&major.to_be_bytes());
    digest
}

/// Whether a version fails at every third command.
pub fn is_bad(major: u64) -> bool {
    major % 4 == 3
}

impl SimLogic {
    pub fn version(major: u64, clock: &Arc<VirtualClock>, panics: &Arc<AtomicU64>) -> Box<dyn Logic> {
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
        Box::new(Self { binding, description, clock: clock.clone(), panics: panics.clone() })
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

impl Session for SimSession<'_> {
    fn begin(&mut self) {}

    fn decide(&mut self, list: &Arc<List>, context: &Context, call: Call<'_>) -> Result<Decision, Fault> {
        let major = self.0.binding.id.version.major;
        if is_bad(major) && stable_hash(context.caller.as_bytes()).is_multiple_of(3) {
            return Err(Fault::Trap("a bad version".into()));
        }
        let entry = |id, title: &str, completed| {
            let (date, order, fields) = (None, None, Vec::new());
            Change::put(Entry { id, title: title.into(), date, completed, order, fields })
        };
        let reject = || Ok(Err(Rejection { code: "no".into(), message: "No.".into(), field: None }));
        Ok(Ok(match call {
            Call::Add(draft) => match draft.title.as_str() {
                "no" => return reject(),
                "trap" => return Err(Fault::Trap("as the title demands".into())),
                "foreign" => vec![entry(list.next_id() + 7, "foreign", false)],
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

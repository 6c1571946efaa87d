//! A logic in plain Rust for tests that need no component.

use std::sync::Arc;

use super::decide::Decider;
use super::{Call, Decision, Fault, Logic, Session};
use crate::list::binding::LogicBinding;
use crate::list::change::{Change, Rejection};
use crate::list::command::{Command, Context, Group, Page, Query, Row};
use crate::list::date::Date;
use crate::list::entry::{Draft, Entry};
use crate::list::history::ListHistory;
use crate::list::id::LogicId;
use crate::list::name::{ListName, LogicName};
use crate::list::revision::Revision;
use crate::list::schema::{Description, Reading, Schema};
use crate::list::value::ValueKind;
use crate::list::{Limits, List};

/// The major version that fails at every query.
pub(crate) const FAILS_AT_QUERIES: u64 = 13;

/// The major version that never has room for an instance.
pub(crate) const CROWDED: u64 = 114;

/// A logic that adds entries, replaces titles and deletes entries. [`NativeSession::decide`] lists the titles that do
/// something else.
pub(crate) struct Native {
    binding: Arc<LogicBinding>,
    description: Description,
}

impl Native {
    /// Returns a version of logic `todo`. Its digest depends on the version, so that two versions differ.
    pub(crate) fn version(major: u64) -> Box<dyn Logic> {
        Self::named("todo", major)
    }

    /// Returns a version of logic `todo` whose schema is incompatible with [`Native::version`].
    pub(crate) fn with_a_field(major: u64) -> Box<dyn Logic> {
        let rank = Schema {
            name: "rank".into(),
            title: String::new(),
            kind: ValueKind::Number,
            required: false,
            choices: Vec::new(),
        };
        Self::holding("todo", major, vec![rank])
    }

    pub(crate) fn named(name: &str, major: u64) -> Box<dyn Logic> {
        Self::holding(name, major, Vec::new())
    }

    /// Returns a version of logic `todo` that leaves the plain list to the host.
    pub(crate) fn read_by_host(major: u64) -> Box<dyn Logic> {
        let mut version = Self::with_fields("todo", major, Vec::new());
        version.description.reading = Reading::Host;
        Box::new(version)
    }

    fn holding(name: &str, major: u64, fields: Vec<Schema>) -> Box<dyn Logic> {
        Box::new(Self::with_fields(name, major, fields))
    }

    fn with_fields(name: &str, major: u64, fields: Vec<Schema>) -> Self {
        let version = semver::Version::new(major, 0, 0);
        let digest = [u8::try_from(major % 256).unwrap(); 32];
        let id = LogicId { name: LogicName::new(name).unwrap(), version: version.clone(), digest };
        let description = Description {
            title: "Native".into(),
            summary: String::new(),
            version,
            fields,
            settings: Vec::new(),
            commands: Vec::new(),
            views: Vec::new(),
            reading: Reading::Logic,
            wakes: true,
        };
        Self { binding: LogicBinding::new(id, &description), description }
    }
}

impl Logic for Native {
    fn binding(&self) -> &Arc<LogicBinding> {
        &self.binding
    }

    fn description(&self) -> &Description {
        &self.description
    }

    fn session(&self) -> Result<Box<dyn Session + '_>, Fault> {
        if self.binding.id.version.major == CROWDED {
            return Err(Fault::Instance("as always with this version".into()));
        }
        let major = self.binding.id.version.major;
        Ok(Box::new(NativeSession { fails_at_queries: major == FAILS_AT_QUERIES, is_strict: major > 1 }))
    }
}

struct NativeSession {
    /// Whether it fails at every query.
    fails_at_queries: bool,
    /// Whether it is not the first version.
    is_strict: bool,
}

impl Session for NativeSession {
    fn begin(&mut self) {}

    /// Title `no` is rejected, `fault` fails, `panic` panics although no component can, and `foreign` breaks the
    /// contract. Title `too much` is too much for every version but the first.
    fn decide(&mut self, list: &Arc<List>, _: &Context, call: Call<'_>) -> Result<Decision, Fault> {
        let put = |id, title: &str| {
            Change::put(Entry {
                id,
                title: title.into(),
                date: None,
                completed: false,
                order: None,
                fields: Vec::new(),
            })
        };
        Ok(Ok(match call {
            Call::Add(draft) => match draft.title.as_str() {
                "no" => {
                    let message = "No.".to_owned();
                    return Ok(Err(Rejection { code: "no".into(), message, field: None }));
                }
                "fault" => return Err(Fault::Trap("as the title demands".into())),
                "too much" if self.is_strict => return Err(Fault::Fuel { budget: 1 }),
                "panic" => panic!("as the title demands"),
                "foreign" => vec![put(list.next_id() + 7, "foreign")],
                title => vec![put(list.next_id(), title)],
            },
            Call::Update(id, patch) => vec![put(id, patch.title.as_deref().unwrap_or("untitled"))],
            Call::Delete(id) if list.get(id).is_some_and(|entry| entry.title == "stay") => {
                let message = "It stays.".to_owned();
                return Ok(Err(Rejection { code: "stays".into(), message, field: None }));
            }
            Call::Delete(id) => vec![Change::Remove(id)],
            Call::Wake if list.scan(0).any(|entry| entry.title == "panic when woken") => {
                panic!("as the title demands")
            }
            Call::Wake => vec![put(list.next_id(), "woken")],
            Call::Migrate(_) if list.scan(0).any(|entry| entry.title == "not me") => {
                return Ok(Err(Rejection { code: "stays".into(), message: "It stays.".into(), field: None }));
            }
            Call::Migrate(_) if list.scan(0).any(|entry| entry.title == "break") => {
                return Err(Fault::Trap("as the title demands".into()));
            }
            Call::Migrate(from) => vec![put(list.next_id(), from)],
            Call::Custom(..) | Call::Configure(_) => Vec::new(),
        }))
    }

    /// Shows all entries, and for an `after` of 99 an entry that does not exist.
    fn view(&mut self, list: &Arc<List>, _: &Context, query: &Query) -> Result<Result<Page, Rejection>, Fault> {
        if self.fails_at_queries {
            return Err(Fault::Trap("as every query of this version".into()));
        }
        let mut ids: Vec<_> = list.scan(0).map(|entry| entry.id).collect();
        ids.extend(query.after.filter(|after| *after == 99));
        let rows = ids.into_iter().map(|id| Row { id, computed: Vec::new() }).collect();
        Ok(Ok(Page {
            groups: vec![Group { name: String::new(), title: String::new(), computed: Vec::new(), rows }],
            more: false,
        }))
    }

    /// Returns the earliest `N` of the entries titled `wake me at N`.
    fn next_wake_up(&mut self, list: &Arc<List>, _: &Context) -> Result<Option<u64>, Fault> {
        Ok(list.scan(0).filter_map(|entry| entry.title.strip_prefix("wake me at ")?.parse().ok()).min())
    }
}

/// Returns a command that adds an entry.
pub(crate) fn add(title: &str) -> Command {
    Command::Add(Draft { title: title.into(), ..Draft::default() })
}

/// A list with its history, made by commands.
pub(crate) struct Recorder {
    name: ListName,
    /// The list before the first command, and after each command.
    pub(crate) states: Vec<Arc<List>>,
    pub(crate) revisions: Vec<Arc<Revision>>,
}

impl Recorder {
    pub(crate) fn new(list: &str) -> Self {
        Self { name: ListName::new(list).unwrap(), states: vec![Arc::default()], revisions: Vec::new() }
    }

    /// Decides commands that are carried out.
    pub(crate) fn decide(mut self, logic: &dyn Logic, commands: impl IntoIterator<Item = Command>) -> Self {
        let mut session = logic.session().unwrap();
        let today = Date::new(2026, 11, 23).unwrap();
        let context = Context { now: 1_795_435_200_000, today, utc_offset: 0, caller: "ann".into(), seed: 7 };
        for command in commands {
            let before = self.states.last().unwrap();
            let mut decider = Decider { logic, session: session.as_mut(), limits: Limits::default() };
            let decided = decider.decide(before, &context, &command).unwrap();
            self.revisions.push(Arc::new(Revision {
                number: decided.list.revision(),
                context: context.clone(),
                logic: logic.id().clone(),
                command,
                changes: decided.changes,
                inverse: decided.inverse,
                next_id_before: before.next_id(),
            }));
            self.states.push(decided.list);
        }
        self
    }

    /// Undoes the last command.
    pub(crate) fn undo(self, logic: &dyn Logic) -> Self {
        let last = self.revisions.last().unwrap();
        let (changes, inverse) = (last.changes.clone(), last.inverse.clone());
        let undo = Command::Undo { revision: last.number, changes, inverse };
        self.decide(logic, [undo])
    }

    pub(crate) fn history(&self) -> ListHistory {
        let list = List::clone(self.states.last().unwrap());
        ListHistory { name: self.name.clone(), list, revisions: self.revisions.clone() }
    }
}

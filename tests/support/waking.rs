//! A logic in plain Rust whose lists want to be woken. The title of an entry names the time and the task.

use std::sync::Arc;

use hotlist::list::List;
use hotlist::list::binding::LogicBinding;
use hotlist::list::change::{Change, Rejection};
use hotlist::list::command::{Context, Page, Query};
use hotlist::list::entry::{Draft, Entry};
use hotlist::list::id::LogicId;
use hotlist::list::name::LogicName;
use hotlist::list::schema::{Description, Reading};
use hotlist::logic::{Call, Decision, Fault, Logic, Session};

/// What happens at the time in an entry's title.
#[derive(Clone, Copy, PartialEq)]
enum WakeTask {
    /// `at 5000`: to be completed then.
    Complete,
    /// `idle at 5000`: a wake that changes nothing, and no other.
    Nothing,
    /// `stuck at 5000`: a wake that changes nothing, each time.
    Stuck,
    /// `fail at 5000`: a wake that fails.
    Fail,
}

/// A version whose lists want to be woken.
pub(crate) struct Waking {
    binding: Arc<LogicBinding>,
    description: Description,
}

impl Waking {
    pub(crate) fn new(name: &str) -> Self {
        let version = semver::Version::new(1, 0, 0);
        let name = LogicName::new(name).expect("a name");
        let description = Description {
            title: "Waking".into(),
            summary: "For tests.".into(),
            version: version.clone(),
            fields: Vec::new(),
            settings: Vec::new(),
            commands: Vec::new(),
            views: Vec::new(),
            reading: Reading::Host,
            wakes: true,
        };
        let id = LogicId { name, version, digest: [0xcd; 32] };
        Self { binding: LogicBinding::new(id, &description), description }
    }
}

impl Logic for Waking {
    fn binding(&self) -> &Arc<LogicBinding> {
        &self.binding
    }

    fn description(&self) -> &Description {
        &self.description
    }

    fn session(&self) -> Result<Box<dyn Session + '_>, Fault> {
        Ok(Box::new(WakingSession))
    }
}

struct WakingSession;

/// The tasks of the open entries.
fn open_tasks(list: &List) -> impl Iterator<Item = (&Entry, WakeTask, u64)> {
    list.scan(0).filter(|entry| !entry.completed).filter_map(|entry| {
        let (task, moment) = entry.title.rsplit_once("at ")?;
        let task = match task {
            "" => WakeTask::Complete,
            "idle " => WakeTask::Nothing,
            "stuck " => WakeTask::Stuck,
            "fail " => WakeTask::Fail,
            _ => return None,
        };
        Some((&**entry, task, moment.parse().ok()?))
    })
}

impl Session for WakingSession {
    fn begin(&mut self) {}

    fn decide(&mut self, list: &Arc<List>, context: &Context, ask: Call<'_>) -> Result<Decision, Fault> {
        let done = |entry: &Entry| Change::put(Entry { completed: true, ..entry.clone() });
        Ok(Ok(match ask {
            Call::Add(draft) => {
                let Draft { title, date, completed, order, fields } = draft.clone();
                vec![Change::put(Entry { id: list.next_id(), title, date, completed, order, fields })]
            }
            Call::Update(id, _) => list.get(id).map(|entry| done(entry)).into_iter().collect(),
            Call::Delete(id) => vec![Change::Remove(id)],
            Call::Wake => {
                let due: Vec<_> = open_tasks(list).filter(|(_, _, moment)| *moment <= context.now).collect();
                if due.iter().any(|(_, task, _)| *task == WakeTask::Fail) {
                    return Err(Fault::Trap("as it was told to".into()));
                }
                due.iter().filter(|(_, task, _)| *task == WakeTask::Complete).map(|(entry, _, _)| done(entry)).collect()
            }
            Call::Custom(..) | Call::Configure(_) | Call::Migrate(_) => Vec::new(),
        }))
    }

    fn view(&mut self, _: &Arc<List>, _: &Context, _: &Query) -> Result<Result<Page, Rejection>, Fault> {
        Err(Fault::Trap("it has no view".into()))
    }

    fn next_wake_up(&mut self, list: &Arc<List>, context: &Context) -> Result<Option<u64>, Fault> {
        let open = open_tasks(list).filter(|(_, task, moment)| *task != WakeTask::Nothing || *moment > context.now);
        Ok(open.map(|(_, _, moment)| moment).min())
    }
}

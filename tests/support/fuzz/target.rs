//! The part of a server that receives components, and what must hold after each component.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hotlist::clock::{Clock, ManualClock};
use hotlist::list::command::{Command, Context, Query};
use hotlist::list::digest::digest_of;
use hotlist::list::entry::{Draft, Patch};
use hotlist::list::name::LogicName;
use hotlist::list::{Limits, List};
use hotlist::logic::decide::Decider;
use hotlist::logic::read::read;
use hotlist::logic::{Logic, Refusal};
use hotlist::plugins::{Plugins, Sources, UploadOptions};
use hotlist::rollout::conformance;
use hotlist::rollout::{Accepted, MAX_EVENTS, PublishError, Registry, RolloutState};
use hotlist::store::memory::MemoryStore;
use hotlist::system::RolloutStates;
use hotlist::wasm::{ChildProcess, CompileIn, Engine, Settings};

/// The most bytes of the text of a refusal. People read it.
const MAX_REASON_BYTES: usize = 4 << 10;

/// The names under which components are uploaded: one that is built in, and one that is not.
const NAMES: [&str; 2] = ["todo", "fuzzed"];

/// 2026-11-23T12:00:00Z
const NOON: u64 = 1_795_435_200_000;

/// The processor time for compiling a component.
const COMPILE_TIME: Duration = Duration::from_secs(2);

/// The number of commands for the one list that a component decides.
const COMMANDS: u64 = 24;

/// A part of the text of a refusal, and the kind of that refusal.
const REASONS: [(&str, &str); 25] = [
    ("is the most that is compiled", "too many parts"),
    ("of memory, which is the limit", "compile memory"),
    ("of processor time, which is the limit", "compile time"),
    ("bytes, the limit is", "too large"),
    ("not a WebAssembly component: it is a core module", "a core module"),
    ("not a WebAssembly component: it does not begin", "no WebAssembly"),
    ("not a WebAssembly component", "malformed"),
    ("which is foreign", "foreign import"),
    ("it does not export", "other world"),
    ("not of semantic versioning", "version"),
    ("its description is malformed", "description"),
    ("failed its smoke test: it trapped", "smoke test: trap"),
    ("failed its smoke test: it used up its budget", "smoke test: fuel"),
    ("failed its smoke test: it ran for longer", "smoke test: deadline"),
    ("failed its smoke test: it wanted more", "smoke test: memory"),
    ("failed its smoke test: it used up its stack", "smoke test: stack"),
    ("failed its smoke test: it broke the contract: asked", "smoke test: impure"),
    ("failed its smoke test: it broke the contract: it gave an answer that cannot", "smoke test: unreadable answer"),
    ("failed its smoke test: it broke the contract", "smoke test: violation"),
    ("failed its smoke test: no instance", "smoke test: no instance"),
    ("failed its smoke test", "smoke test: other"),
    ("it fails its gates", "gates"),
    ("it does not fit the contract: exceeds", "pool"),
    ("it does not fit the contract", "does not compile or fit"),
    ("the server has", "too many logics"),
];

/// The outcome of an upload.
pub struct Outcome {
    /// The kind of the refusal, or `None` if the component was accepted.
    pub refused: Option<&'static str>,
    /// The text of the refusal.
    pub why: String,
    /// How long the upload took.
    pub upload: Duration,
    /// The time of the calls after it.
    pub calls: Duration,
}

/// The receiver of components.
pub(super) struct Target {
    runtime: tokio::runtime::Runtime,
    plugins: Plugins,
    registry: Arc<Registry>,
    /// The directory of uploads.
    _data: tempfile::TempDir,
}

impl Target {
    pub(super) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let data = tempfile::tempdir().expect("a directory");
        let engine = Engine::new(Settings { compile_in: compiler(), ..Settings::default() }).expect("an engine");
        let registry = Arc::new(Registry::default());
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOON));
        let sources = Sources { stored: data.path().join("logic"), ..Sources::default() };
        let states = Box::new(RolloutStates::new(Arc::new(MemoryStore::default())));
        let plugins = runtime.block_on(Plugins::start(engine, registry.clone(), clock, states, sources));
        let plugins = plugins.expect("plugins");
        Self { runtime, plugins, registry, _data: data }
    }

    /// Uploads a component and, if the server accepts it, runs the conformance probes on it. An `Err` describes a
    /// defect of the server.
    pub(super) fn upload(&self, seed: u64, bytes: &[u8]) -> Result<Outcome, String> {
        let name = NAMES[usize::from(seed % 2 == 1)];
        let name = LogicName::new(name).expect("the names are names");
        let before = self.state(&name);
        let begun = Instant::now();
        // Half of them with force, so that components that fail their gates become live as well.
        let options = UploadOptions { publish: true, force: seed % 4 >= 2, ..UploadOptions::default() };
        let bytes_sent = Bytes::copy_from_slice(bytes);
        let answer = self.runtime.block_on(self.plugins.upload(name.clone(), bytes_sent, options));
        let upload = begun.elapsed();
        let after = self.state(&name);
        check_events(&after)?;
        let begun = Instant::now();
        let (refused, why) = match answer {
            Ok(Accepted { id, .. }) => {
                let live = self.registry.live(&name).ok_or("the accepted component is not live")?;
                if *live.logic.id() != id || id.digest != digest_of(bytes) || after.live != Some(id.digest) {
                    return Err(format!("{id} was accepted, and {} is live", live.logic.id()));
                }
                call_everything(&*live.logic)?;
                (None, String::new())
            }
            Err(error) => {
                check_unchanged(&before, &after)?;
                let why = error.to_string();
                (Some(reason(&error, &why)?), why)
            }
        };
        Ok(Outcome { refused, why, upload, calls: begun.elapsed() })
    }

    fn state(&self, name: &LogicName) -> RolloutState {
        self.registry.rollout(name).map(|rollout| rollout.state.clone()).unwrap_or_default()
    }
}

/// The kind of a refusal, if its text is fit to be read.
fn reason(error: &PublishError, why: &str) -> Result<&'static str, String> {
    if why.is_empty() || why.len() > MAX_REASON_BYTES {
        return Err(format!("the reason of a refusal has {} bytes", why.len()));
    }
    let is_of_component = matches!(
        error,
        PublishError::Invalid(_)
            | PublishError::Gates(_)
            | PublishError::CompileLimit { .. }
            | PublishError::Quarantined { .. }
    );
    // A component may panic, and then says so itself.
    let is_host_panic = why.replace("it trapped: panicked", "").contains("panicked");
    if is_host_panic || !is_of_component {
        return Err(format!("not refused for what it is: {why}"));
    }
    Ok(REASONS.iter().find(|(text, _)| why.contains(text)).map_or("other", |(_, kind)| kind))
}

/// The real program in a child process, as for a server. The limits are those of a component that no server needs.
fn compiler() -> CompileIn {
    // An example has the program beside its directory. It is built by `cargo build --release`.
    let beside = || std::env::current_exe().ok()?.parent()?.parent().map(|directory| directory.join("hotlist"));
    let program = option_env!("CARGO_BIN_EXE_hotlist").map(Into::into).or_else(beside);
    let program = program.filter(|program| program.exists()).expect("the program is built");
    CompileIn::Child(ChildProcess { program, memory: 512 << 20, time: COMPILE_TIME })
}

fn check_events(state: &RolloutState) -> Result<(), String> {
    let long = |event: &&hotlist::rollout::Event| event.why.len() > MAX_REASON_BYTES;
    match state.events.iter().find(long) {
        Some(event) => Err(format!("an event of {} has a long text", event.source)),
        None if state.events.len() > MAX_EVENTS => Err(format!("there are {} events", state.events.len())),
        None => Ok(()),
    }
}

/// A refusal leaves the live version as it is.
fn check_unchanged(before: &RolloutState, after: &RolloutState) -> Result<(), String> {
    if before.live != after.live {
        return Err("a refusal changed the live version".into());
    }
    Ok(())
}

/// Calls what a server calls, through the same checks. The checks must hold for any answer.
fn call_everything(logic: &dyn Logic) -> Result<(), String> {
    let begun = Instant::now();
    let report = conformance::run(logic, Limits::default(), &|| begun.elapsed());
    if report.failures.len() > conformance::MAX_FAILURES {
        return Err(format!("the conformance run went on after {} failures", report.failures.len()));
    }
    decide_commands(logic)
}

/// Lets the logic decide some commands of one list.
fn decide_commands(logic: &dyn Logic) -> Result<(), String> {
    let limits = Limits { entries: 10, ..Limits::default() };
    let today = "2026-11-23".parse().expect("a date");
    let mut list = Arc::new(List::absent(0));
    for number in 0..COMMANDS {
        let context = Context { now: NOON + number, today, utc_offset: 60, caller: "ann".into(), seed: number };
        let Ok(mut session) = logic.session() else { return Ok(()) };
        let mut decider = Decider { logic, session: session.as_mut(), limits };
        match decider.decide(&list, &context, &command(number, &list)) {
            Ok(decided) => {
                let wanted = list.revision() + u64::from(!decided.changes.is_empty());
                if decided.list.count() > limits.entries.max(list.count()) || decided.list.revision() != wanted {
                    return Err(format!("a list was let through that breaks its limits: {}", decided.list.count()));
                }
                list = decided.list;
            }
            Err(Refusal::Fault(fault)) if fault.to_string().len() > MAX_REASON_BYTES => {
                return Err(format!("the text of a fault has {} bytes", fault.to_string().len()));
            }
            Err(_) => continue, // in a session that may be over
        }
        let query = Query { limit: 5, ..Query::default() };
        if let Ok(Ok(page)) = read(session.as_mut(), &list, &context, &query)
            && page.groups.iter().map(|group| group.rows.len()).sum::<usize>() > query.limit
        {
            return Err("a page was let through with more rows than were asked for".into());
        }
    }
    Ok(())
}

/// The next command for a list.
fn command(number: u64, list: &List) -> Command {
    let first = list.scan(0).next().map_or(1, |entry| entry.id);
    match number % 8 {
        5 => Command::Update { id: first, patch: Patch { completed: Some(true), ..Patch::default() } },
        6 => Command::Delete { id: first },
        7 if number > 20 => Command::DeleteList,
        7 => Command::Wake,
        _ => Command::Add(Draft { title: format!("entry {number}"), ..Draft::default() }),
    }
}

//! Measures `plugin diff` on a store of its own. `docs/figures/replay.md` has the figures.
//!
//! ```text
//! diff_figures fill DIR LISTS COMMANDS SOME   decides COMMANDS per list with todo, and commits
//!                                             SOME of them at a time
//! diff_figures diff DIR NEW.wasm [OLD.wasm]   decides all of them again with both; OLD is the built-in todo
//! ```
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use hotlist::list::command::{Command, Context};
use hotlist::list::date::Date;
use hotlist::list::entry::{Draft, Patch};
use hotlist::list::id::EntryId;
use hotlist::list::name::{ListName, LogicName};
use hotlist::list::revision::Revision;
use hotlist::list::{Limits, List};
use hotlist::logic::decide::Decider;
use hotlist::logic::{Logic, Session};
use hotlist::plugins::builtin::BUILTIN;
use hotlist::replay::{Measurements, Replay, ReplayItem, VersionCosts};
use hotlist::store::embedded::{EmbeddedStore, Options, Recording};
use hotlist::store::{Commit, Store};
use hotlist::wasm::{self, Engine, Isolation, Settings};

// The same allocator as the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The most commits that wait for the store at a time.
const COMMITS_AHEAD: usize = 1_000;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["fill", dir, lists, commands, some] => {
            let runtime = tokio::runtime::Builder::new_current_thread().build()?;
            runtime.block_on(fill(Path::new(dir), lists.parse()?, commands.parse()?, some.parse()?))
        }
        ["diff", dir, new] => diff(Path::new(dir), &std::fs::read(new)?, todo()),
        ["diff", dir, new, old] => diff(Path::new(dir), &std::fs::read(new)?, &std::fs::read(old)?),
        _ => anyhow::bail!("usage: diff_figures fill DIR LISTS COMMANDS SOME | diff DIR NEW.wasm [OLD.wasm]"),
    }
}

fn todo() -> &'static [u8] {
    BUILTIN[0].1
}

/// An engine without purity checks, and with deadlines that load from other programs does not exceed.
fn engine() -> anyhow::Result<Engine> {
    Ok(Engine::new(Settings { check_every: u64::MAX, deadline: Duration::from_secs(10), ..Settings::default() })?)
}

fn load(engine: &Engine, bytes: &[u8]) -> anyhow::Result<Box<dyn Logic>> {
    Ok(wasm::load(engine, LogicName::new("todo")?, bytes, Isolation::Shared)?)
}

/// A list that is being filled.
struct Writer {
    name: ListName,
    state: Arc<List>,
    /// The ids of its entries, oldest first.
    entries: VecDeque<EntryId>,
}

/// Decides commands, some of each list in turn, as real users would send them. Leaves the store as a killed server
/// leaves it.
async fn fill(dir: &Path, lists: usize, commands: usize, some: usize) -> anyhow::Result<()> {
    let logic = load(&engine()?, todo())?;
    let store = EmbeddedStore::open(dir, Options::default())?;
    let name = |list| ListName::new(&format!("list {list:07}"));
    let writer = |list| Ok(Writer { name: name(list)?, state: Arc::default(), entries: VecDeque::new() });
    let mut writers = (0..lists).map(writer).collect::<anyhow::Result<Vec<_>>>()?;
    let mut random = fastrand::Rng::with_seed(7);
    let mut pending = FuturesUnordered::new();
    let mut made = 0;
    while made < commands {
        let some = some.clamp(1, commands - made);
        for writer in &mut writers {
            let mut session = logic.session()?;
            pending.push(store.commit(writer.commit(&*logic, session.as_mut(), some, &mut random)?));
            while pending.len() > COMMITS_AHEAD {
                pending.next().await.expect("there are some")?;
            }
        }
        made += some;
    }
    while let Some(made) = pending.next().await {
        made?;
    }
    println!("{lists} lists, {commands} commands each");
    Ok(())
}

impl Writer {
    fn commit(
        &mut self,
        logic: &dyn Logic,
        session: &mut dyn Session,
        commands: usize,
        random: &mut fastrand::Rng,
    ) -> anyhow::Result<Commit> {
        let after = self.state.revision();
        let revision = |_| self.revision(logic, session, random).map(Arc::new);
        let revisions = (0..commands).map(revision).collect::<anyhow::Result<_>>()?;
        let (name, state) = (self.name.clone(), self.state.clone());
        Ok(Commit { name, after, revisions, receipts: Vec::new(), state, wake_up: None })
    }

    /// The next command. Half of them add an entry, the others change or delete one, so that about ten remain.
    fn revision(
        &mut self,
        logic: &dyn Logic,
        session: &mut dyn Session,
        random: &mut fastrand::Rng,
    ) -> anyhow::Result<Revision> {
        let next_id_before = self.state.next_id();
        let command = match (random.u8(..8), self.entries.len()) {
            (0..4, ..10) | (_, 0) => {
                self.entries.push_back(next_id_before);
                let date = Date::new(2026, 11, random.u8(1..=30)).ok();
                Command::Add(Draft {
                    title: format!("remember entry number {next_id_before}"),
                    date,
                    ..Draft::default()
                })
            }
            (0..4, _) | (7, _) => Command::Delete { id: self.entries.pop_front().expect("there are some") },
            (_, count) => {
                let id = self.entries[random.usize(..count)];
                let completed = !self.state.get(id).is_some_and(|entry| entry.completed);
                Command::Update { id, patch: Patch { completed: Some(completed), ..Patch::default() } }
            }
        };
        let today = Date::new(2026, 11, 23)?;
        let seed = random.u64(..);
        let context = Context { now: 1_795_435_200_000, today, utc_offset: 0, caller: "someone".into(), seed };
        let mut decider = Decider { logic, session, limits: Limits::default() };
        let decided = decider.decide(&self.state, &context, &command)?;
        self.state = decided.list;
        Ok(Revision {
            number: self.state.revision(),
            context,
            logic: logic.id().clone(),
            command,
            changes: decided.changes,
            inverse: decided.inverse,
            next_id_before,
        })
    }
}

fn diff(dir: &Path, new: &[u8], old: &[u8]) -> anyhow::Result<()> {
    let engine = engine()?;
    let (old, new) = (load(&engine, old)?, load(&engine, new)?);
    let (start, cpu) = (Instant::now(), cpu_time()?);
    let recording = Recording::open(dir)?;
    let opened = start.elapsed();
    let lists = recording.lists(|_| true).map(|list| Ok::<_, anyhow::Error>(ReplayItem::List(Box::new(list?))));
    let (threads, clock) = (available_parallelism()?, || start.elapsed());
    let report = Replay { old: &*old, new: &*new, threads, clock: &clock, done: &|| () }.run(lists)?;
    let took = start.elapsed();
    println!(
        "{} lists, {} commands on {threads} threads in {took:.2?} ({opened:.2?} of it reading the log): {:.0} a second",
        report.lists,
        report.commands,
        report.commands as f64 / took.as_secs_f64(),
    );
    println!("{:.2} us CPU a command", (cpu_time()? - cpu).as_secs_f64() * 1e6 / report.commands as f64);
    println!("{} commands of {} lists differ", report.differing_commands(), report.differing_lists);
    print_costs("old", &report.old);
    print_costs("new", &report.new);
    println!("peak RSS {} MB", peak_rss_mb());
    Ok(())
}

fn print_costs(name: &str, costs: &VersionCosts) {
    let percentiles = |measured: &Measurements| {
        let [p50, p99] = [0.5, 0.99].map(|quantile| measured.quantile(quantile));
        format!("p50 {p50}, p99 {p99}, max {}", measured.max())
    };
    println!(
        "{name}: {} ns; {} units of fuel; faults {:?}",
        percentiles(&costs.time),
        percentiles(&costs.fuel),
        costs.faults
    );
}

/// The CPU time of this process, including threads that have ended.
fn cpu_time() -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // After the name, which may contain any character, the 12th and 13th values are user and system time.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let hundredths: u64 = fields.skip(11).take(2).map(|ticks| ticks.parse().unwrap_or(0)).sum();
    Ok(Duration::from_millis(hundredths * 10))
}

fn peak_rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
}

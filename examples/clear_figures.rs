//! Measures how long a full list takes to be cleared. `docs/figures/server.md` has the figures.
//!
//! ```text
//! clear_figures ENTRIES FILE.wasm …   fills a list with ENTRIES entries and clears it, under each component
//! ```
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use hotlist::list::change::Change;
use hotlist::list::command::{Command, Context};
use hotlist::list::date::Date;
use hotlist::list::entry::{Draft, Entry};
use hotlist::list::name::LogicName;
use hotlist::list::{Limits, List};
use hotlist::logic::decide::Decider;
use hotlist::logic::{Logic, Refusal};
use hotlist::wasm::{self, Engine, Isolation, Settings};

// The program uses it, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often each list is cleared.
const REPETITIONS: usize = 5;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((entries, files)) = args.split_first().filter(|(_, files)| !files.is_empty()) else {
        anyhow::bail!("usage: clear_figures ENTRIES FILE.wasm …");
    };
    let engine = Engine::new(Settings::default())?;
    files.iter().try_for_each(|file| measure(&engine, Path::new(file), entries.parse()?))
}

fn measure(engine: &Engine, file: &Path, entries: u64) -> anyhow::Result<()> {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let logic = wasm::load(engine, LogicName::new(stem)?, &std::fs::read(file)?, Isolation::Shared)?;
    let list = fill(&*logic, entries)?;
    let mut times = Vec::new();
    let mut fuel = 0;
    for _ in 0..REPETITIONS {
        let mut session = logic.session()?;
        let mut decider = Decider { logic: &*logic, session: session.as_mut(), limits: Limits::default() };
        let start = Instant::now();
        let decided = decider.decide(&list, &context()?, &Command::Clear);
        times.push(start.elapsed());
        match decided {
            Ok(decided) => anyhow::ensure!(decided.list.count() == 0, "{stem} left entries behind"),
            Err(refusal) => println!("{stem}: {refusal}"),
        }
        fuel = session.cost().fuel;
    }
    times.sort_unstable();
    let (least, median, most) = (times[0], times[REPETITIONS / 2], times[REPETITIONS - 1]);
    println!("{stem}: {entries} entries in {least:.1?} to {most:.1?}, median {median:.1?}; {fuel} units of fuel");
    Ok(())
}

/// Returns a list in which the logic added the first entry, and all others are like it. Through the logic, each
/// addition to a long list may cost more than the last.
fn fill(logic: &dyn Logic, entries: u64) -> anyhow::Result<Arc<List>> {
    let mut session = logic.session()?;
    let mut decider = Decider { logic, session: session.as_mut(), limits: Limits::default() };
    let add = Command::Add(Draft { title: "thing".into(), ..Draft::default() });
    let one = decider.decide(&Arc::default(), &context()?, &add)?.list;
    let first = one.get(1).ok_or(Refusal::NoSuchEntry(1))?;
    let entry = |id| Change::put(Entry { id, title: format!("thing {id}"), ..Entry::clone(first) });
    Ok(Arc::new(one.apply(&(2..=entries).map(entry).collect::<Vec<_>>())?))
}

fn context() -> anyhow::Result<Context> {
    let today = Date::new(2026, 11, 23)?;
    Ok(Context { now: 1_795_435_200_000, today, utc_offset: 0, caller: "someone".into(), seed: 7 })
}

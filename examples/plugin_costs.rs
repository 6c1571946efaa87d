//! Compares the cost of components: for each file its size, the time to compile it, the times of a first and
//! a later command, and the memory of an instance.
//!
//! `cargo run --release --example plugin_costs -- FILE.wasm …`
#![allow(clippy::print_stdout, reason = "an example's voice")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hotlist::list::command::{Command, Context};
use hotlist::list::date::Date;
use hotlist::list::entry::Draft;
use hotlist::list::name::LogicName;
use hotlist::list::{Limits, List};
use hotlist::logic::decide::Decider;
use hotlist::logic::{Logic, Refusal, Session};
use hotlist::wasm::{self, Engine, Isolation, Settings};

/// The number of commands of each median.
const WARM_ROUNDS: usize = 20_000;
const KEPT_ROUNDS: usize = 2_000;
const FRESH_ROUNDS: usize = 500;

fn main() -> anyhow::Result<()> {
    println!(
        "{:<16}{:>10}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}",
        "component", "KiB", "compile ms", "fresh µs", "kept µs", "warm µs", "warm fuel", "memory KiB"
    );
    for file in std::env::args().skip(1) {
        let file = Path::new(&file);
        println!("{}", row(file).with_context(|| format!("cannot measure {}", file.display()))?);
    }
    Ok(())
}

fn row(file: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(file)?;
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    // Without the purity check, and without the cache of compiled code.
    let engine = Engine::new(Settings { check_every: u64::MAX, ..Settings::default() })?;
    let begun = Instant::now();
    let logic = wasm::load(&engine, LogicName::new(stem)?, &bytes, Isolation::Shared)?;
    let compile = begun.elapsed();

    let fresh = median(FRESH_ROUNDS, || {
        let begun = Instant::now();
        add(&*logic, &mut *logic.fresh_session()?)?;
        Ok(begun.elapsed())
    })?;
    logic.share(false);
    let mut instance = None;
    let kept = median(KEPT_ROUNDS, || {
        let begun = Instant::now();
        let mut session = logic.session_with(instance.take())?;
        add(&*logic, &mut *session)?;
        instance = session.keep();
        Ok(begun.elapsed())
    })?;
    let mut session = logic.session()?;
    let warm = median(WARM_ROUNDS, || {
        let begun = Instant::now();
        add(&*logic, &mut *session)?;
        Ok(begun.elapsed())
    })?;
    let cost = session.cost();
    Ok(format!(
        "{stem:<16}{:>10}{:>12.0}{:>12.1}{:>12.1}{:>12.1}{:>12}{:>12}",
        bytes.len() >> 10,
        compile.as_secs_f64() * 1e3,
        fresh.as_secs_f64() * 1e6,
        kept.as_secs_f64() * 1e6,
        warm.as_secs_f64() * 1e6,
        cost.fuel,
        cost.memory >> 10
    ))
}

/// Decides the addition of an entry. Both acceptance and rejection count.
fn add(logic: &dyn Logic, session: &mut dyn Session) -> anyhow::Result<()> {
    let today = Date::new(2026, 11, 23)?;
    let context = Context { now: 1_795_435_200_000, today, utc_offset: 0, caller: "ann".into(), seed: 7 };
    let entry = Draft { title: "milk".into(), ..Draft::default() };
    let mut decider = Decider { logic, session, limits: Limits::default() };
    match decider.decide(&Arc::new(List::default()), &context, &Command::Add(entry)) {
        Ok(_) | Err(Refusal::Rejected(_)) => Ok(()),
        Err(refusal) => Err(refusal.into()),
    }
}

fn median(rounds: usize, mut once: impl FnMut() -> anyhow::Result<Duration>) -> anyhow::Result<Duration> {
    let mut times = (0..rounds).map(|_| once()).collect::<anyhow::Result<Vec<_>>>()?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

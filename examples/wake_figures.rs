//! Measures the cost of timers and the speed of wake-ups. `docs/figures/server.md` has the figures.
//!
//! ```text
//! wake_figures due DIR TIMERS       cost of a query for due timers, with none and with 1,000 due
//! wake_figures midnight DIR LISTS   time to wake LISTS lists that are due at the same time
//! ```
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use hotlist::actor::{Environment, ListMemory, Request};
use hotlist::cache::wake_scheduler::WakeScheduler;
use hotlist::cache::{Bounds, Cache};
use hotlist::clock::ManualClock;
use hotlist::executor::turns::Turns;
use hotlist::list::Limits;
use hotlist::list::command::Command;
use hotlist::list::entry::Draft;
use hotlist::list::name::{ListName, LogicName};
use hotlist::rollout::Registry;
use hotlist::store::Store;
use hotlist::store::embedded::{EmbeddedStore, Options};
use tokio_util::task::TaskTracker;

#[path = "../benches/store/workload.rs"]
mod workload;

#[path = "../tests/support/waking.rs"]
mod waking;

/// The end of the simulated day.
const MIDNIGHT: u64 = 1_795_478_400_000;

/// The number of due lists among the others.
const DUE: usize = 1_000;

/// The most commands in flight while lists are created.
const WRITERS: usize = 4_000;

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["due", dir, timers] => due(Path::new(dir), timers.parse()?).await,
        ["midnight", dir, lists] => midnight(Path::new(dir), lists.parse()?).await,
        _ => anyhow::bail!("usage: wake_figures due|midnight DIR COUNT"),
    }
}

async fn due(dir: &Path, timers: usize) -> anyhow::Result<()> {
    let store = EmbeddedStore::open(dir, Options::default())?;
    println!("no timers: {:.1?}", asking(&store, 0).await?);
    let mut pending = FuturesUnordered::new();
    for (number, mut actor) in workload::Actor::all(0..timers + DUE).into_iter().enumerate() {
        let mut commit = actor.add();
        commit.wake_up = Some(if number < timers { MIDNIGHT + number as u64 } else { 1 });
        pending.push(store.commit(commit));
        while pending.len() > WRITERS {
            pending.next().await.expect("there are some")?;
        }
    }
    while let Some(made) = pending.next().await {
        made?;
    }
    println!("{timers} that are not due: {:.1?}", asking(&store, 0).await?);
    println!("{DUE} that are, besides: {:.1?}", asking(&store, 1).await?);
    drop(store);
    let store = EmbeddedStore::open(dir, Options::default())?;
    let begun = Instant::now();
    store.due(0, None, DUE).await?;
    println!("the first question after a restart, none due: {:.1?}", begun.elapsed());
    println!("the next ones: {:.1?}", asking(&store, 0).await?);
    Ok(store.close().await?)
}

/// The median time of a query for due timers.
async fn asking(store: &EmbeddedStore, until: u64) -> anyhow::Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..999 {
        let begun = Instant::now();
        store.due(until, None, DUE).await?;
        times.push(begun.elapsed());
    }
    times.sort();
    Ok(times[times.len() / 2])
}

async fn midnight(dir: &Path, lists: usize) -> anyhow::Result<()> {
    let store = Arc::new(EmbeddedStore::open(dir, Options::default())?);
    let clock = Arc::new(ManualClock::at(MIDNIGHT - 3_600_000));
    let cache = cache(store.clone(), clock.clone())?;
    let mut pending = FuturesUnordered::new();
    for number in 0..lists {
        pending.push(add(&cache, format!("list {number}")));
        while pending.len() > WRITERS {
            pending.next().await.expect("there are some")?;
        }
    }
    while let Some(added) = pending.next().await {
        added?;
    }
    clock.advance(3_600_000);
    while cache.resident() > 0 {
        cache.sweep();
        tokio::task::yield_now().await;
    }
    let waking = tokio::spawn({
        let (begun, mut scheduler) = (Instant::now(), WakeScheduler::new(cache.clone()));
        async move {
            scheduler.poll_due().await;
            scheduler.rest().await;
            begun.elapsed()
        }
    });
    // A client of an unrelated list, whose latency should not change.
    let mut times = Vec::new();
    while !waking.is_finished() {
        let begun = Instant::now();
        add(&cache, "bystander".into()).await?;
        times.push(begun.elapsed());
    }
    let took = waking.await?;
    anyhow::ensure!(store.next_due().await?.is_none(), "a due list was not woken");
    times.sort();
    let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("woke {lists} passivated lists in {took:.2?}, {:.0} a second", lists as f64 / took.as_secs_f64());
    println!("a bystander's commands meanwhile: median {median:.2?}, p99 {p99:.2?}");
    Ok(store.close().await?)
}

/// Adds an entry with a wake-up at midnight.
async fn add(cache: &Arc<Cache>, list: String) -> anyhow::Result<()> {
    let draft = Draft { title: format!("at {MIDNIGHT}"), ..Draft::default() };
    let draft = if list == "bystander" { Draft { title: "milk".into(), ..draft } } else { draft };
    let command = Command::Add(draft);
    let request = Request::new(command, "alice");
    cache.call(&ListName::new(&list)?, request).await?;
    Ok(())
}

fn cache(store: Arc<EmbeddedStore>, clock: Arc<ManualClock>) -> anyhow::Result<Arc<Cache>> {
    let registry = Arc::new(Registry::default());
    registry.publish(Box::new(waking::Waking::new("todo")), "example", MIDNIGHT);
    let environment = Environment {
        live_room: Arc::default(),
        list_changes: Arc::default(),
        list_memory: ListMemory::default(),
        store,
        registry,
        clock,
        executor: Arc::new(TaskTracker::new()),
        turns: Turns::new(2),
        limits: Limits { entries: 1_000_000, ..Limits::default() },
        mailbox: 1_024,
        default_logic: LogicName::new("todo")?,
    };
    Ok(Arc::new(Cache::new(Arc::new(environment), Bounds { idle: 60_000, resident: 1_000_000 })))
}

//! Measures the embedded store as a server would use it. `docs/figures/store.md` has the figures.
//!
//! ```text
//! store_figures commits DIR LISTS WRITERS SECONDS   durable commits a second; DIR `memory` is the memory store
//! store_figures fill DIR LISTS                      writes that many lists, then waits to be killed
//! store_figures open DIR                            opens what was filled, and reports
//! ```
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use hotlist::store::Store;
use hotlist::store::embedded::{EmbeddedStore, Options};
use hotlist::store::memory::MemoryStore;

#[path = "../benches/store/workload.rs"]
mod workload;

use workload::{Actor, list_name};

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    match args[..] {
        ["commits", dir, lists, writers, seconds] => {
            let seconds = Duration::from_secs(seconds.parse()?);
            runtime.block_on(commits(Path::new(dir), lists.parse()?, writers.parse()?, seconds))
        }
        ["fill", dir, lists] => runtime.block_on(fill(Path::new(dir), lists.parse()?)),
        ["open", dir] => open(Path::new(dir)),
        _ => anyhow::bail!("usage: store_figures commits|fill|open ..."),
    }
}

async fn commits(dir: &Path, lists: usize, writers: usize, time: Duration) -> anyhow::Result<()> {
    let store: Arc<dyn Store> = match dir.to_str() {
        Some("memory") => Arc::new(MemoryStore::default()),
        _ => Arc::new(EmbeddedStore::open(dir, Options::default())?),
    };
    let share = lists.div_ceil(writers);
    let made = Arc::new(AtomicU64::new(0));
    let ready = Arc::new(tokio::sync::Barrier::new(writers + 1));
    let stop = tokio_util::sync::CancellationToken::new();
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let (store, made, ready, stop) = (store.clone(), made.clone(), ready.clone(), stop.clone());
            tokio::spawn(async move {
                let mut mine = Actor::all(writer * share..(writer + 1) * share);
                for actor in &mut mine {
                    store.commit(actor.add()).await.expect("it is new");
                }
                ready.wait().await;
                while !stop.is_cancelled() {
                    let list = fastrand::usize(..mine.len());
                    store.commit(mine[list].add()).await.expect("it continues");
                    made.fetch_add(1, Ordering::Relaxed);
                    // The memory store is always ready: without this, a task would never let go of its thread.
                    tokio::task::consume_budget().await;
                }
            })
        })
        .collect();
    ready.wait().await;
    let (begun, cpu) = (Instant::now(), cpu_time());
    let before = made.load(Ordering::Relaxed);
    let mut longest_wal = 0;
    while begun.elapsed() < time {
        tokio::time::sleep(Duration::from_millis(100)).await;
        longest_wal = longest_wal.max(std::fs::metadata(dir.join("hotlist.db-wal")).map_or(0, |wal| wal.len()));
    }
    let count = made.load(Ordering::Relaxed) - before;
    let (took, cpu) = (begun.elapsed(), cpu_time() - cpu);
    println!("{writers} writers, {lists} lists: {:.0} commits/s", count as f64 / took.as_secs_f64());
    println!("{:.2} us CPU a commit, the load included", cpu.as_secs_f64() * 1e6 / count as f64);
    println!("{:.0} MB write-ahead log at most, peak RSS {} MB", longest_wal as f64 / 1e6, peak_rss_mb());
    for thread in std::fs::read_dir("/proc/self/task")? {
        let path = thread?.path();
        let (name, time) = (std::fs::read_to_string(path.join("comm"))?, cpu_time_of(&path.join("stat")));
        println!("  thread {}: {time:.2?} in all", name.trim());
    }
    stop.cancel();
    for task in tasks {
        task.await?;
    }
    let begun = Instant::now();
    store.close().await?;
    println!("closed in {:.2?}", begun.elapsed());
    Ok(())
}

async fn fill(dir: &Path, lists: usize) -> anyhow::Result<()> {
    let store = EmbeddedStore::open(dir, Options::default())?;
    let mut pending = FuturesUnordered::new();
    for actor in &mut Actor::all(0..lists) {
        pending.push(store.commit(actor.add()));
        while pending.len() > 4_000 {
            pending.next().await.expect("there are some")?;
        }
    }
    while let Some(made) = pending.next().await {
        made?;
    }
    println!("filled");
    std::future::pending().await
}

fn open(dir: &Path) -> anyhow::Result<()> {
    let begun = Instant::now();
    let store = EmbeddedStore::open(dir, Options::default())?;
    println!("opened in {:.2?}, peak RSS {} MB", begun.elapsed(), peak_rss_mb());
    let load =
        |list: usize| futures_util::FutureExt::map(store.load(&list_name(list)), |list| list.map(|l| l.list.count()));
    let counts = [load(0), load(1)];
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let counts: Vec<_> = counts.into_iter().map(|count| runtime.block_on(count)).collect();
    println!("read two lists after {:.2?}: {counts:?}", begun.elapsed());
    let begun = Instant::now();
    runtime.block_on(store.close())?;
    println!("folded and closed in {:.2?}, peak RSS {} MB", begun.elapsed(), peak_rss_mb());
    Ok(())
}

fn cpu_time() -> Duration {
    cpu_time_of(Path::new("/proc/self/stat"))
}

/// User and system time, in clock ticks of 10 ms: fields 14 and 15, counted behind the command.
fn cpu_time_of(stat: &Path) -> Duration {
    let stat = std::fs::read_to_string(stat).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn peak_rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
}

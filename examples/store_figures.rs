//! Measures the embedded store as a server would use it. `docs/figures/store.md` has the figures.
//!
//! ```text
//! store_figures commits DIR LISTS WRITERS SECONDS   durable commits a second; DIR `memory` is the memory store
//! store_figures fill DIR LISTS                      writes that many lists, then waits to be killed
//! store_figures open DIR                            opens what was filled, and reports
//! ```
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use hotlist::store::Store;
use hotlist::store::embedded::{EmbeddedStore, Options};
use hotlist::store::memory::MemoryStore;

#[path = "../benches/store/baseline.rs"]
mod baseline;
#[path = "../benches/store/workload.rs"]
mod workload;

use baseline::Baseline;
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
    let in_memory = dir == Path::new("memory");
    let baseline = if in_memory { Baseline::at_once() } else { Baseline::with_thread() };
    let baseline = load(Arc::new(baseline), None, lists, writers, time.min(Duration::from_secs(3))).await?;
    println!("{writers} writers, {lists} lists, an fsync of {:.2?}", fsync_time(dir)?);
    println!("  baseline: {baseline}");
    let store: Arc<dyn Store> = match in_memory {
        true => Arc::new(MemoryStore::default()),
        false => Arc::new(EmbeddedStore::open(dir, Options::default())?),
    };
    let figures = load(store.clone(), Some(dir), lists, writers, time).await?;
    println!("  store: {figures}, {:.2} us without the load's", figures.cpu_us - baseline.cpu_us);
    let begun = Instant::now();
    store.close().await?;
    println!("  closed in {:.2?}, peak RSS {} MB", begun.elapsed(), peak_rss_mb());
    Ok(())
}

/// What a load did.
struct Figures {
    rate: f64,
    cpu_us: f64,
    by_thread: BTreeMap<String, f64>,
    longest_wal: u64,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0} commits/s, {:.2} us CPU each (", self.rate, self.cpu_us)?;
        for (thread, us) in self.by_thread.iter().filter(|(_, us)| **us >= 0.01) {
            write!(f, "{thread} {us:.2}, ")?;
        }
        write!(f, "write-ahead log {} MB)", self.longest_wal / 1_000_000)
    }
}

/// Creates the lists, then lets every writer commit to random ones of its own for that time.
async fn load(
    store: Arc<dyn Store>,
    dir: Option<&Path>,
    lists: usize,
    writers: usize,
    time: Duration,
) -> anyhow::Result<Figures> {
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
    let (begun, cpu, before) = (Instant::now(), cpu_times()?, made.load(Ordering::Relaxed));
    let mut longest_wal = 0;
    while begun.elapsed() < time {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let wal = dir.and_then(|dir| std::fs::metadata(dir.join("hotlist.db-wal")).ok());
        longest_wal = longest_wal.max(wal.map_or(0, |wal| wal.len()));
    }
    let count = (made.load(Ordering::Relaxed) - before) as f64;
    let rate = count / begun.elapsed().as_secs_f64();
    let mut by_thread = cpu_times()?;
    for (thread, time) in &mut by_thread {
        *time = (*time - cpu.get(thread).copied().unwrap_or(0.0)) * 1e6 / count;
    }
    stop.cancel();
    for task in tasks {
        task.await?;
    }
    Ok(Figures { rate, cpu_us: by_thread.values().sum(), by_thread, longest_wal })
}

/// How long a small durable write takes here and now: the median of many.
fn fsync_time(dir: &Path) -> anyhow::Result<Duration> {
    let dir = if dir.is_dir() { dir } else { dir.parent().filter(|dir| dir.is_dir()).unwrap_or(Path::new(".")) };
    let path = dir.join(".fsync");
    let mut file = std::fs::File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..99 {
        file.write_all(&[7; 4096])?;
        let begun = Instant::now();
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    std::fs::remove_file(path)?;
    times.sort();
    Ok(times[times.len() / 2])
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
    println!("compacted and closed in {:.2?}, peak RSS {} MB", begun.elapsed(), peak_rss_mb());
    Ok(())
}

/// The CPU seconds of all threads, by name.
fn cpu_times() -> anyhow::Result<BTreeMap<String, f64>> {
    let mut times = BTreeMap::new();
    for thread in std::fs::read_dir("/proc/self/task")? {
        let path = thread?.path();
        let name = std::fs::read_to_string(path.join("comm"))?.trim().to_owned();
        // Nanoseconds on a processor come first.
        let stat = std::fs::read_to_string(path.join("schedstat"))?;
        let nanos: u64 = stat.split_whitespace().next().unwrap_or_default().parse()?;
        *times.entry(name).or_default() += nanos as f64 / 1e9;
    }
    Ok(times)
}

fn peak_rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
}

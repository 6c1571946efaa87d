//! What a commit costs: durable, with 1, 64 and 512 writers over 100,000 lists, and in memory.
//! `examples/store_figures.rs` measures what criterion cannot: CPU time, opening, memory.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use hotlist::store::Store;
use hotlist::store::embedded::{EmbeddedStore, Options};
use hotlist::store::memory::MemoryStore;
use tokio::runtime::Runtime;

#[path = "store/workload.rs"]
mod workload;

use workload::Actor;

const LISTS: usize = 100_000;

/// The time of `rounds` rounds in which each of `writers` makes one commit, all at once. Making up
/// the commits is not in it.
fn rounds(runtime: &Runtime, store: &dyn Store, actors: &mut [Actor], writers: usize, rounds: u64) -> Duration {
    let mut took = Duration::ZERO;
    for _ in 0..rounds {
        let first = fastrand::usize(..=LISTS - writers);
        let commits: Vec<_> = actors[first..first + writers].iter_mut().map(Actor::add).collect();
        let begun = Instant::now();
        let made = runtime.block_on(join_all(commits.into_iter().map(|commit| store.commit(commit))));
        took += begun.elapsed();
        assert!(black_box(made).iter().all(Result::is_ok), "every commit continues its list");
    }
    took
}

fn commits(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut group = criterion.benchmark_group("commit");
    group.sample_size(20).measurement_time(Duration::from_secs(4));
    let dir = tempfile::tempdir().expect("a directory");
    let embedded = EmbeddedStore::open(dir.path(), Options::default()).expect("it opens");
    let mut actors = Actor::all(0..LISTS);
    for writers in [1, 64, 512] {
        group.throughput(Throughput::Elements(writers as u64));
        group.bench_function(format!("durable, {writers} writers"), |bencher| {
            bencher.iter_custom(|count| rounds(&runtime, &embedded, &mut actors, writers, count));
        });
    }
    let memory = MemoryStore::default();
    let mut actors = Actor::all(0..LISTS);
    group.throughput(Throughput::Elements(1));
    group.bench_function("in memory, 1 writer", |bencher| {
        bencher.iter_custom(|count| rounds(&runtime, &memory, &mut actors, 1, count));
    });
    group.finish();
}

criterion_group!(benches, commits);
criterion_main!(benches);

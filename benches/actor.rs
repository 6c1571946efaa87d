//! The cost of a command in process: the cache look-up, the actor round trip, and both together.
//!
//! `cargo bench --bench actor`
#![allow(missing_docs)]

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hotlist::actor::{Environment, ListMemory, Request};
use hotlist::cache::{Bounds, Cache};
use hotlist::clock::SystemClock;
use hotlist::executor::turns::Turns;
use hotlist::list::Limits;
use hotlist::list::command::Command;
use hotlist::list::entry::Draft;
use hotlist::list::name::{ListName, LogicName};
use hotlist::plugins::builtin::BUILTIN;
use hotlist::rollout::Registry;
use hotlist::store::memory::MemoryStore;
use hotlist::wasm::{self, Engine, Isolation, Settings};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The number of lists that the additions are spread over.
const LISTS: usize = 100_000;

/// The number of callers that wait for a reply at a time.
const CALLERS: usize = 512;

/// The number of additions in one measurement.
const ADDITIONS: usize = 200_000;

fn cache(lists_grow: usize) -> Arc<Cache> {
    let registry = Arc::new(Registry::default());
    let engine = Engine::new(Settings::default()).expect("an engine");
    let (name, bytes) = BUILTIN[0];
    let name = LogicName::new(name).expect("a name");
    let logic = wasm::load(&engine, name.clone(), bytes, Isolation::Shared).expect("todo loads");
    registry.publish(logic, "bench", 0);
    let environment = Environment {
        live_room: Arc::default(),
        list_memory: ListMemory::default(),
        list_changes: Arc::default(),
        store: Arc::new(MemoryStore::with_history(10)),
        registry,
        clock: Arc::new(SystemClock::default()),
        executor: Arc::new(TaskTracker::new()),
        turns: Turns::new(2),
        limits: Limits { entries: lists_grow, ..Limits::default() },
        mailbox: 1_024,
        default_logic: name,
    };
    Arc::new(Cache::new(Arc::new(environment), Bounds { idle: 600_000, resident: 10_000_000 }))
}

fn names(count: usize) -> Arc<Vec<ListName>> {
    Arc::new((0..count).map(|number| ListName::new(&format!("list-{number}")).expect("a name")).collect())
}

fn add() -> Request {
    let command = Command::Add(Draft { title: "Buy some milk".into(), ..Draft::default() });
    Request::new(command, "anonymous")
}

/// A runtime with two worker threads, as on the machine that the targets are set for.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

fn in_process(criterion: &mut Criterion) {
    let runtime = runtime();
    let (cache, names) = (cache(100_000_000), names(LISTS));
    runtime.block_on(async {
        for name in names.iter() {
            cache.read(name).await.expect("it is read");
        }
    });
    criterion.bench_function("cache lookup and read of a snapshot, 100,000 lists", |bencher| {
        let mut at = 0;
        bencher.to_async(&runtime).iter(|| {
            at = (at + 7_919) % LISTS;
            let (cache, name) = (&cache, &names[at]);
            async move { cache.read(name).await }
        });
    });
    criterion.bench_function("one addition, from call to answer", |bencher| {
        let mut at = 0;
        bencher.to_async(&runtime).iter(|| {
            at = (at + 7_919) % LISTS;
            let (cache, name) = (&cache, &names[at]);
            async move { cache.call(name, add()).await.expect("it is added") }
        });
    });
    let mut group = criterion.benchmark_group("additions");
    group.throughput(Throughput::Elements(ADDITIONS as u64)).sample_size(10);
    group.bench_function("512 callers, 100,000 lists, two threads, memory store", |bencher| {
        bencher.to_async(&runtime).iter(|| additions(cache.clone(), names.clone()));
    });
    group.finish();
}

async fn additions(cache: Arc<Cache>, names: Arc<Vec<ListName>>) {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (cache, names) = (cache.clone(), names.clone());
        callers.spawn(async move {
            let mut at = caller * 197;
            for _ in 0..ADDITIONS / CALLERS {
                at = (at + 7_919) % LISTS;
                cache.call(&names[at], add()).await.expect("it is added");
            }
        });
    }
    callers.join_all().await;
}

criterion_group!(benches, in_process);
criterion_main!(benches);

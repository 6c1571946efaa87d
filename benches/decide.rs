//! Benchmark of a decision through a warm instance, through a fresh instance, and without wasm.
//!
//! `cargo bench --bench decide`
#![allow(missing_docs)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use hotlist::list::change::Change;
use hotlist::list::command::{Command, Context};
use hotlist::list::date::Date;
use hotlist::list::entry::{Draft, Entry};
use hotlist::list::name::LogicName;
use hotlist::list::{Limits, List};
use hotlist::logic::Logic;
use hotlist::logic::decide::Decider;
use hotlist::plugins::builtin::BUILTIN;
use hotlist::wasm::{self, Engine, Isolation, Settings};

/// The program's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn context() -> Context {
    let today = Date::new(2026, 11, 23).expect("a day");
    Context { now: 1_795_000_000_000, today, utc_offset: 0, caller: "anonymous".into(), seed: 7 }
}

/// Returns a list with this number of entries.
fn list(entries: u64) -> Arc<List> {
    let put = |id| {
        Change::put(Entry {
            id,
            title: format!("entry {id}"),
            date: None,
            completed: false,
            order: None,
            fields: vec![],
        })
    };
    let changes: Vec<_> = (1..=entries).map(put).collect();
    Arc::new(List::default().apply(&changes).expect("the changes fit"))
}

fn load(settings: Settings, isolation: Isolation) -> Box<dyn Logic> {
    let engine = Engine::new(settings).expect("an engine");
    let (name, bytes) = BUILTIN[0];
    wasm::load(&engine, LogicName::new(name).expect("a name"), bytes, isolation).expect("todo loads")
}

fn decide(criterion: &mut Criterion) {
    let command = Command::Add(Draft { title: "Buy some milk".into(), ..Draft::default() });
    let context = context();
    for entries in [1, 1_000, 10_000] {
        let list = list(entries);
        let limits = Limits { entries: 20_000, ..Limits::default() };
        let logic = load(Settings { check_every: u64::MAX, ..Settings::default() }, Isolation::Shared);
        criterion.bench_function(&format!("warm decide and apply, {entries} entries"), |bencher| {
            let mut session = logic.session().expect("a session");
            let mut decider = Decider { logic: &*logic, session: session.as_mut(), limits };
            bencher.iter(|| black_box(decider.decide(&list, &context, &command).expect("it is carried out")));
        });
    }
    let (one, limits) = (list(1), Limits::default());
    let shared = load(Settings::default(), Isolation::Shared);
    criterion.bench_function("warm session, decide and apply, purity checked", |bencher| {
        bencher.iter(|| {
            let mut session = shared.session().expect("a session");
            let mut decider = Decider { logic: &*shared, session: session.as_mut(), limits };
            black_box(decider.decide(&one, &context, &command).expect("it is carried out"))
        });
    });
    let isolated = load(Settings { check_every: u64::MAX, ..Settings::default() }, Isolation::List);
    criterion.bench_function("fresh instance and decide", |bencher| {
        bencher.iter(|| {
            let mut session = isolated.session().expect("a session");
            let mut decider = Decider { logic: &*isolated, session: session.as_mut(), limits };
            black_box(decider.decide(&one, &context, &command).expect("it is carried out"))
        });
    });
    let put = Change::put(Entry {
        id: 2,
        title: "Buy some milk".into(),
        date: None,
        completed: false,
        order: None,
        fields: vec![],
    });
    criterion.bench_function("apply alone, no wasm", |bencher| {
        bencher.iter_batched(|| (), |()| black_box(one.apply(std::slice::from_ref(&put))), BatchSize::SmallInput);
    });
}

criterion_group!(benches, decide);
criterion_main!(benches);

//! Deterministic simulation of the cache, the actors, the timers and the rollout.
//!
//! Everything runs on one thread, on a simulated store, clock and scheduler. A seed makes all choices, so the same seed
//! gives the same trace. `SEED=7 cargo test --test sim` repeats one seed, and `SIM_STEPS=1000000 cargo test --test sim`
//! runs more of them. A step is one poll of a task, or a wait of all tasks for the next moment.
#![allow(clippy::unwrap_used, clippy::print_stdout, unreachable_pub, reason = "a test may, and no other crate sees it")]

#[path = "sim/client.rs"]
mod client;
#[path = "sim/executor.rs"]
mod executor;
#[path = "sim/logic.rs"]
mod logic;
#[path = "sim/server.rs"]
mod server;
#[path = "sim/store.rs"]
mod store;
#[path = "sim/world.rs"]
mod world;

use std::sync::Arc;
use std::time::{Duration, Instant};

use hotlist::clock::Clock;
use hotlist::simulation::{Defect, begin};
use server::Server;
use world::World;

/// 2026-11-23T00:00:00Z
const MIDNIGHT: u64 = 1_795_392_000_000;

/// How many steps a seed runs before it comes to its end.
const STEPS: u64 = 5_000;

/// How many steps all seeds run together, unless `SIM_STEPS` says otherwise.
const ALL_STEPS: u64 = 100_000;

/// The time in which everything has to come to its end: longer than the pause before a failed wake-up is tried again.
const END: Duration = Duration::from_secs(90);

/// The most steps of an end.
const END_STEPS: u64 = 100_000;

/// How many seeds a defect may hide from.
const SEEDS_TO_FIND: u64 = 200;

/// How late a list may be woken at the end, in milliseconds.
const LATE: u64 = 2_000;

/// How many lines of a trace are shown.
const SHOWN_LINES: usize = 80;

struct Outcome {
    steps: u64,
    quarantines: u64,
    violation: Option<String>,
    trace: String,
}

fn simulate(seed: u64, defect: Option<Defect>) -> Outcome {
    let world = World::new(seed, MIDNIGHT);
    let (chance, share) = (world.chance.clone(), world.rates.interleave);
    let _simulated = begin(defect, move || chance.per_mille(share));
    world.log(format_args!("seed {seed}: {:?}", world.rates));
    let mut server = Server::start(&world);
    let mut steps = 0;
    while steps < STEPS && world.state().violation.is_none() {
        step(&world, &mut server);
        steps += 1;
        let is_poisoned = world.state().poisoned;
        if world.chance.below(100_000) < world.rates.crash_per_100_000 || is_poisoned && world.chance.per_mille(3) {
            restart(&world, &mut server);
        }
    }
    world.state().is_ending = true;
    let (end, last_step) = (world.now() + END, steps + END_STEPS);
    while world.now() < end && steps < last_step && world.state().violation.is_none() {
        let is_poisoned = world.state().poisoned;
        if is_poisoned {
            restart(&world, &mut server);
        }
        step(&world, &mut server);
        steps += 1;
    }
    check_end(&world, end);
    world.executor.crash();
    let quarantines = world.state().quarantines;
    let violation = world.state().violation.clone();
    Outcome { steps, quarantines, violation, trace: world.take_trace() }
}

fn step(world: &Arc<World>, server: &mut Server) {
    let goes_on = world.executor.step();
    world.check(goes_on, || "no task can run any more".into());
    server.note_quarantines(world);
    let (resident, limit) = (server.cache.resident() as u64, world.rates.resident);
    world.check(resident <= limit, || format!("{resident} actors are in memory, and the limit is {limit}"));
}

/// Ends the process of the server where it is, and starts another one on what is durable.
fn restart(world: &Arc<World>, server: &mut Server) {
    world.log("crash");
    world.executor.crash();
    client::lose_replies(world);
    {
        let mut state = world.state();
        state.poisoned = false;
        state.records.values_mut().for_each(|record| record.is_committing = false);
    }
    *server = Server::start(world);
}

/// Checks that everything that was begun came to its end.
fn check_end(world: &World, end: Duration) {
    if world.state().violation.is_some() {
        return;
    }
    world.check(world.now() >= end, || format!("the end takes more than {END_STEPS} steps"));
    let clients = world.state().clients;
    world.check(clients == 0, || format!("{clients} clients never got their reply"));
    let now = world.clock.now();
    let late = {
        let state = world.state();
        let is_late = |at: u64| at + LATE < now;
        state.records.iter().find(|(_, record)| record.wake_up.is_some_and(is_late)).map(|(name, _)| name.clone())
    };
    world.check(late.is_none(), || format!("{late:?} was not woken in time"));
    let behind = {
        let state = world.state();
        let durable = |name| state.records.get(name).map_or(0, |record| record.revisions.len() as u64);
        state.streams.values().find(|stream| stream.last < durable(&stream.list)).map(|stream| stream.list.clone())
    };
    world.check(behind.is_none(), || format!("the events of {behind:?} are missing"));
}

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

fn tail(trace: &str) -> String {
    let lines: Vec<_> = trace.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}

#[test]
fn a_simulation_breaks_no_promise() {
    let (first, limit) = (number_of("SEED"), number_of("SIM_STEPS").unwrap_or(ALL_STEPS));
    let begun = Instant::now();
    let (mut steps, mut seed, mut seeds, mut quarantines) = (0, first.unwrap_or(1), 0, 0);
    while steps < limit {
        let outcome = simulate(seed, None);
        if let Some(violation) = outcome.violation {
            panic!("{}\nseed {seed}: {violation}\nrepeat it with SEED={seed} cargo test sim", tail(&outcome.trace));
        }
        (steps, seed, seeds) = (steps + outcome.steps, seed + 1, seeds + 1);
        quarantines += outcome.quarantines;
        if first.is_some() && number_of("SIM_STEPS").is_none() {
            break;
        }
    }
    let per_second = steps as f64 / begun.elapsed().as_secs_f64();
    println!("{steps} steps of {seeds} seeds with {quarantines} quarantines, {per_second:.0} a second");
    assert!(
        quarantines > 0 || first.is_some(),
        "no version is quarantined, so the rules of a quarantine are not checked"
    );
}

#[test]
fn a_simulation_of_the_same_seed_has_the_same_trace() {
    let seed = number_of("SEED").unwrap_or(42);
    let (one, other) = (simulate(seed, None), simulate(seed, None));
    assert!(one.trace == other.trace, "seed {seed} has two traces");
    assert!(one.trace != simulate(seed + 1, None).trace, "two seeds have one trace");
}

#[test]
fn a_simulation_finds_each_defect() {
    for defect in Defect::ALL {
        let found = (1..=SEEDS_TO_FIND).find_map(|seed| Some((seed, simulate(seed, Some(defect)).violation?)));
        let (seed, violation) = found.unwrap_or_else(|| panic!("{SEEDS_TO_FIND} seeds do not find {defect:?}"));
        let without = simulate(seed, None).violation;
        assert!(without.is_none(), "seed {seed} fails without {defect:?}: {without:?}");
        println!("{defect:?}, seed {seed}: {violation}");
    }
}

//! The embedded store on a simulated disk, whose power fails at any write.
//!
//! All work of the store is done on one thread, in an order that a seed chooses. A power failure leaves what was
//! synchronized and any sectors of what was not. After each one a store is opened, as a start does, and must have every
//! acknowledged commit and nothing that was not submitted. `SEED=7 cargo test --test disk` repeats one seed, and
//! `DISK_IMAGES=20000 cargo test --test disk -- --nocapture` checks more power failures.
#![allow(clippy::unwrap_used, clippy::print_stdout, unreachable_pub, reason = "a test may, and no other crate sees it")]

#[path = "disk/model.rs"]
mod model;
#[path = "disk/run.rs"]
mod run;
#[path = "disk/world.rs"]
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use run::{Tally, run, run_after_a_lie, run_with_few_images, run_without_synchronizations};

/// How many power failures are checked, unless `DISK_IMAGES` says otherwise.
const IMAGES: u64 = 2_000;

/// How many seeds a defect may hide from.
const SEEDS_TO_FIND: u64 = 20;

/// How many seeds fail to synchronize a commit, besides those that do by chance.
const LIES: u64 = 4;

/// The number of threads, each of which runs whole seeds.
const THREADS: usize = 2;

/// Shows the disks of this thread what the store writes without SQLite.
fn simulate() {
    hotlist_simulated_disk::install();
    hotlist::simulation::observe_syncs(hotlist_simulated_disk::rewritten);
}

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

#[test]
fn no_power_failure_loses_an_acknowledged_change_or_shows_one_that_was_not_made() {
    let (first, limit) = (number_of("SEED"), number_of("DISK_IMAGES").unwrap_or(IMAGES));
    let begun = Instant::now();
    let (seeds, all) = (AtomicU64::new(first.unwrap_or(1)), Mutex::new(Tally::default()));
    let is_done = || first.is_some() && all.lock().unwrap().seeds > 0 || all.lock().unwrap().images >= limit;
    let work = || {
        simulate();
        while !is_done() {
            let seed = seeds.fetch_add(1, Ordering::Relaxed);
            let outcome = run(seed);
            if let Some(violation) = outcome.violation {
                panic!("seed {seed}: {violation}\nrepeat it with SEED={seed} cargo test --test disk");
            }
            all.lock().unwrap().add(&outcome.tally);
        }
    };
    let threads = if first.is_some() { 1 } else { THREADS };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let Tally { seeds, images, nested, acknowledged, ahead, kills, closings, poisoned, full, disk } =
        *all.lock().unwrap();
    let took = begun.elapsed().as_secs_f64();
    println!("{images} power failures of {seeds} seeds in {took:.1} s, {nested} of them after another one");
    println!("{acknowledged} acknowledged commits looked for; {ahead} images had commits that were not acknowledged");
    println!(
        "writes: {} lost, {} torn, {} left although an earlier one was lost",
        disk.fates.lost, disk.fates.torn, disk.fates.reordered
    );
    println!(
        "{} operations, {} synchronizations, of which {} failed; {} failed writes",
        disk.operations, disk.syncs, disk.failed_syncs, disk.failed_writes
    );
    println!("{kills} kills, {closings} closings, {poisoned} poisoned stores, {full} commits refused by a full disk");
}

#[test]
fn a_seed_has_the_same_operations_each_time() {
    simulate();
    let seed = number_of("SEED").unwrap_or(42);
    let (one, other) = (run_with_few_images(seed), run_with_few_images(seed));
    assert!(one.violation.is_none(), "{:?}", one.violation);
    assert_eq!((one.trace, one.tally.disk), (other.trace, other.tally.disk), "seed {seed} has two orders");
    assert_ne!(one.trace, run_with_few_images(seed + 1).trace, "two seeds have one order");
}

#[test]
fn a_disk_that_ignores_synchronizations_is_found() {
    simulate();
    let found = (1..=SEEDS_TO_FIND).find_map(|seed| Some((seed, run_without_synchronizations(seed).violation?)));
    let (seed, violation) = found.expect("no seed finds it");
    println!("seed {seed}: {violation}");
}

#[test]
fn after_a_failed_synchronization_and_a_restart_a_power_failure_loses_nothing() {
    simulate();
    for seed in 1..=LIES {
        let violation = run_after_a_lie(seed).violation;
        assert!(violation.is_none(), "seed {seed}: {}", violation.unwrap_or_default());
    }
}

#[test]
fn a_start_that_does_not_write_the_log_once_more_is_found() {
    simulate();
    // What the store writes without SQLite has no effect on the disks.
    hotlist::simulation::observe_syncs(|_| ());
    let found = (1..=SEEDS_TO_FIND).find_map(|seed| Some((seed, run_after_a_lie(seed).violation?)));
    let (seed, violation) = found.expect("no seed finds it");
    println!("seed {seed}: {violation}");
}

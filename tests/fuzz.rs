//! Hostile components, uploaded one after the other: no panic, no hang, memory within its limit, and
//! what was live stays live. The seeds are fixed, so a failure comes again. For more than a few
//! seconds of it there is `cargo run --release --example fuzz_uploads`.

#[path = "support/fuzz/mod.rs"]
mod fuzz;

use fuzz::watch::Watch;

/// The seeds that are tried. What is found by others may be added here by itself.
const SEEDS: std::ops::Range<u64> = 0..200;

#[test]
fn hostile_components_are_refused_or_contained() {
    let mut watch = Watch::start();
    for seed in SEEDS {
        if let Err(found) = watch.throw(seed) {
            panic!("{found}");
        }
    }
    // A fuzzer whose inputs all stop at the first gate finds nothing behind it.
    let counts = &watch.counts;
    assert!(counts.taken_at_all() > counts.thrown() / 8, "too few were taken:\n{counts}");
    for kind in [fuzz::Kind::Made, fuzz::Kind::Mutated] {
        assert!(counts.taken(kind) > 0, "no {kind} were taken:\n{counts}");
    }
}

//! Uploads of hostile components, one after the other: no panic, no hang, memory within its limit, and a live version
//! that stays live. The seeds are fixed, so a failure can be repeated. `cargo run --release --example fuzz_uploads` runs
//! for longer than a few seconds.

#[path = "support/fuzz/mod.rs"]
mod fuzz;

use fuzz::watch::Watch;

/// The seeds to run. Add the seed of a finding here.
const SEEDS: std::ops::Range<u64> = 0..200;

#[test]
fn hostile_components_are_refused_or_contained() {
    let mut watch = Watch::start();
    for seed in SEEDS {
        if let Err(found) = watch.upload(seed) {
            panic!("{found}");
        }
    }
    // A fuzzer whose inputs all fail the first gate finds no defect behind that gate.
    let counts = &watch.counts;
    assert!(counts.accepted_in_all() > counts.uploaded() / 8, "too few were accepted:\n{counts}");
    for kind in [fuzz::InputKind::Made, fuzz::InputKind::Mutated] {
        assert!(counts.accepted(kind) > 0, "no {kind} were accepted:\n{counts}");
    }
}

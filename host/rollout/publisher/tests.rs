use std::cell::Cell;

use super::super::state::MAX_VERSIONS;
use super::*;
use crate::clock::ManualClock;
use crate::logic::testing::Native;

const NOW: u64 = 1_000_000;

struct NoCompiler;

impl Compiler for NoCompiler {
    fn compile(&self, _: &LogicName, _: &[u8]) -> Result<Box<dyn Logic>, CompileError> {
        Err(CompileError { why: "not in this test".into(), is_transient: false })
    }
}

fn digest(major: usize) -> Digest {
    [u8::try_from(major).unwrap(); 32]
}

#[test]
fn a_component_that_lists_came_to_need_during_a_change_stays_stored() {
    let folder = tempfile::tempdir().unwrap();
    let todo = LogicName::new("todo").unwrap();
    let artifacts = ArtifactStore::open(folder.path().to_owned()).unwrap();
    let registry = Arc::new(Registry::default());
    let clock = Arc::new(ManualClock::at(NOW));
    let publisher = Publisher::new(Box::new(NoCompiler), registry.clone(), clock, artifacts, false);
    let version = |major: usize| Version::new(Native::version(u64::try_from(major).unwrap()), "test", NOW);
    registry.publish(Native::version(1), "test", NOW);
    for major in 2..=MAX_VERSIONS {
        publisher.artifacts.store(&todo, &digest(major), b"component", Durability::Crash).unwrap();
        publisher
            .change(&todo, |draft| {
                draft.store(&version(major), None, NOW);
                Ok(())
            })
            .unwrap();
    }
    let is_stored = |major| folder.path().join("todo").join(format!("{}.wasm", hex(&digest(major)))).exists();

    // The change has to be prepared three times. Each of the first two states on disk has no record of version 2.
    let tries = Cell::new(0);
    let newest = version(MAX_VERSIONS + 1);
    let change = |draft: &mut RolloutDraft| {
        tries.set(tries.get() + 1);
        draft.store(&newest, None, NOW);
        match tries.get() {
            1 => registry.hold(&todo, &digest(3)),
            2 => registry.hold(&todo, &digest(2)),
            _ => {}
        }
        Ok(())
    };
    publisher.change(&todo, change).unwrap();
    assert_eq!(tries.get(), 3);
    assert!(registry.rollout(&todo).unwrap().state.record(&digest(2)).is_some(), "the state in effect knows it");
    assert!(is_stored(2));

    publisher
        .change(&todo, |draft| {
            draft.store(&version(MAX_VERSIONS + 2), None, NOW);
            Ok(())
        })
        .unwrap();
    publisher
        .change(&todo, |draft| {
            draft.store(&version(MAX_VERSIONS + 3), None, NOW);
            Ok(())
        })
        .unwrap();
    assert!(!is_stored(4), "no list needs it, and no state knows it");
}

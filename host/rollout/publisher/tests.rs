use std::cell::Cell;

use super::super::error::CompileError;
use super::super::state::MAX_VERSIONS;
use super::super::testing::MemoryStates;
use super::*;
use crate::clock::ManualClock;
use crate::logic::Logic;
use crate::logic::testing::Native;

const NOW: u64 = 1_000_000;

struct NoCompiler;

impl Compiler for NoCompiler {
    fn compile(&self, _: &LogicName, _: &[u8], _: IsCancelled<'_>) -> Result<Box<dyn Logic>, CompileError> {
        Err(CompileError::Refused { why: "not in this test".into(), is_transient: false })
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
    let states = MemoryStates::default();
    let publisher = Publisher::new(
        Box::new(NoCompiler),
        registry.clone(),
        clock,
        artifacts,
        Box::new(states.clone()),
        false,
        Limits::default(),
    );
    let version = |major: usize| Version::new(Native::version(u64::try_from(major).unwrap()), "test", NOW);
    registry.publish(Native::version(1), "test", NOW);
    for major in 2..=MAX_VERSIONS {
        publisher.artifacts.store(&todo, &digest(major), b"component", Durability::Crash).unwrap();
        publisher
            .change(&todo, |draft| {
                draft.store(&version(major), None, Cause::new("test", NOW));
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
        draft.store(&newest, None, Cause::new("test", NOW));
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
    let (present, previous) = states.both(&todo);
    assert_eq!(present, registry.rollout(&todo).map(|rollout| rollout.state.clone()));
    // The first two proposals never were in effect. The state before the change was, with the lists' needs.
    let previous = previous.expect("there were changes before");
    assert!(previous.record(newest.digest()).is_none(), "a proposal that was not accepted");
    assert!([2, 3].iter().all(|major| previous.record(&digest(*major)).is_some_and(|record| record.held)));

    publisher
        .change(&todo, |draft| {
            draft.store(&version(MAX_VERSIONS + 2), None, Cause::new("test", NOW));
            Ok(())
        })
        .unwrap();
    publisher
        .change(&todo, |draft| {
            draft.store(&version(MAX_VERSIONS + 3), None, Cause::new("test", NOW));
            Ok(())
        })
        .unwrap();
    assert!(!is_stored(4), "no list needs it, and no state knows it");
}

/// A publisher whose compiler makes nothing, on states that survive it.
struct Fixture {
    folder: tempfile::TempDir,
    states: MemoryStates,
    todo: LogicName,
}

impl Fixture {
    /// Two versions were stored, one after the other.
    fn new() -> Self {
        let (folder, todo) = (tempfile::tempdir().unwrap(), LogicName::new("todo").unwrap());
        let fixture = Self { folder, states: MemoryStates::default(), todo };
        let publisher = fixture.publisher();
        for major in 1..=2 {
            fixture.store(&publisher, major).unwrap();
        }
        fixture
    }

    fn publisher(&self) -> Publisher {
        let artifacts = ArtifactStore::open(self.folder.path().to_owned()).unwrap();
        let (registry, clock) = (Arc::new(Registry::default()), Arc::new(ManualClock::at(NOW)));
        Publisher::new(
            Box::new(NoCompiler),
            registry,
            clock,
            artifacts,
            Box::new(self.states.clone()),
            false,
            Limits::default(),
        )
    }

    fn restored(&self) -> (Publisher, Result<(), String>) {
        let publisher = self.publisher();
        let stored = publisher.find_stored().unwrap();
        let restored = publisher.restore(&self.todo, stored[&self.todo].clone());
        (publisher, restored)
    }

    /// Stores a version and its component.
    fn store(&self, publisher: &Publisher, major: usize) -> Result<(), PublishError> {
        let version = Version::new(Native::version(u64::try_from(major).unwrap()), "test", NOW);
        publisher.artifacts.store(&self.todo, &digest(major), b"component", Durability::Crash).unwrap();
        publisher.change(&self.todo, |draft| {
            // The oldest is forgotten, as one beyond the limit is.
            if draft.state.versions.len() == 2 {
                draft.state.versions.remove(0);
            }
            draft.store(&version, None, Cause::new("test", NOW));
            Ok(())
        })
    }

    fn in_effect(&self, publisher: &Publisher) -> Vec<usize> {
        publisher.registry.rollout(&self.todo).map(|rollout| majors(&rollout.state)).unwrap_or_default()
    }

    fn stored(&self) -> (Vec<usize>, Vec<usize>) {
        let (present, previous) = self.states.both(&self.todo);
        (majors(&present.unwrap_or_default()), majors(&previous.unwrap_or_default()))
    }

    fn components(&self) -> Vec<usize> {
        let is_there =
            |major: &usize| self.folder.path().join("todo").join(super::super::file_name(&digest(*major))).exists();
        (1..9).filter(is_there).collect()
    }
}

fn majors(state: &RolloutState) -> Vec<usize> {
    state.versions.iter().map(|record| usize::try_from(record.version.major).unwrap()).collect()
}

#[test]
fn a_change_that_is_refused_leaves_the_state_in_effect_and_the_stored_one() {
    let unavailable = |recovers| StateError::Unavailable { why: "full".into(), recovers };
    for error in [StateError::Failed("no".into()), unavailable(true), unavailable(false)] {
        let fixture = Fixture::new();
        let (publisher, _) = fixture.restored();
        fixture.states.fail_next_write(error.clone(), false);
        let refused = fixture.store(&publisher, 3).expect_err("the write fails");
        match error {
            StateError::Unavailable { recovers, .. } => {
                let expected = PublishError::Unavailable { name: fixture.todo.clone(), why: "full".into(), recovers };
                assert_eq!(refused, expected);
            }
            _ => assert!(matches!(refused, PublishError::Failed(_)), "{refused:?}"),
        }
        assert_eq!((fixture.in_effect(&publisher), fixture.stored()), (vec![1, 2], (vec![1, 2], vec![1])));
        fixture.store(&publisher, 3).expect("the next write does not fail");
        assert_eq!((fixture.in_effect(&publisher), fixture.stored()), (vec![2, 3], (vec![2, 3], vec![1, 2])));
    }
}

#[test]
fn a_change_with_an_unknown_outcome_says_so_and_the_state_in_effect_is_written_again() {
    for is_carried_out in [false, true] {
        let fixture = Fixture::new();
        let (publisher, _) = fixture.restored();
        publisher.save_dirty();
        let before = fixture.in_effect(&publisher);
        fixture.states.fail_next_write(StateError::Unknown("the disk failed".into()), is_carried_out);
        let unknown = fixture.store(&publisher, 3).expect_err("the write fails");
        assert!(matches!(unknown, PublishError::Interrupted(_)), "{unknown:?}");
        assert_eq!(fixture.in_effect(&publisher), before, "it is not in effect");
        assert_eq!(fixture.stored().0 == [2, 3], is_carried_out);
        assert!(publisher.save_dirty());
        let (present, previous) = fixture.stored();
        assert_eq!((&present, previous == [2, 3]), (&before, false), "{previous:?}");
        fixture.store(&publisher, 3).expect("the next write does not fail");
        assert_eq!(fixture.stored(), (vec![2, 3], vec![1, 2]));
    }
}

#[test]
fn a_damaged_state_is_replaced_by_the_previous_one_and_no_component_is_removed_until_the_note_is() {
    let fixture = Fixture::new();
    fixture.states.damage(&fixture.todo);
    let (publisher, restored) = fixture.restored();
    assert_eq!((restored, fixture.in_effect(&publisher)), (Ok(()), vec![1]));
    let failure = publisher.registry.rollout(&fixture.todo).unwrap().state.failure().unwrap().to_owned();
    assert!(failure.contains("it is damaged") && failure.contains("the state before"), "{failure}");
    fixture.store(&publisher, 3).unwrap();
    assert_eq!(fixture.stored(), (vec![1, 3], vec![1]), "the damaged state never is the previous one");
    for major in 4..=6 {
        fixture.store(&publisher, major).unwrap();
    }
    assert_eq!(fixture.components(), [1, 2, 3, 4, 5, 6], "the damaged state may have named any");
    std::fs::remove_file(publisher.artifacts.damaged_file(&fixture.todo).expect("it is noted")).unwrap();
    fixture.store(&publisher, 7).unwrap();
    assert_eq!(fixture.components(), [5, 6, 7], "those of the state in effect and of the previous one");
}

#[test]
fn a_logic_whose_states_are_both_damaged_is_not_restored_until_a_component_is_stored() {
    let fixture = Fixture::new();
    fixture.states.damage(&fixture.todo);
    fixture.states.damage_previous(&fixture.todo);
    let (publisher, restored) = fixture.restored();
    let why = restored.expect_err("there is no other state");
    assert!(why.contains("it is damaged; the previous state: it is damaged, too"), "{why}");
    assert!(publisher.save_dirty());
    assert_eq!(fixture.stored().0, [1, 2], "nothing is written over it by itself");
    fixture.store(&publisher, 3).unwrap();
    assert_eq!(fixture.stored().0, [3]);
    assert_eq!(fixture.components(), [1, 2, 3], "any may be needed");
    let (publisher, restored) = fixture.restored();
    assert_eq!((restored, fixture.in_effect(&publisher)), (Ok(()), vec![3]));
}

#[test]
fn a_state_that_could_not_be_read_is_no_damaged_one_and_is_not_replaced() {
    let fixture = Fixture::new();
    fixture.states.fail_reads(true);
    let (publisher, restored) = fixture.restored();
    let why = restored.expect_err("the reading fails");
    assert!(why.contains("the disk does not answer"), "{why}");
    fixture.states.fail_reads(false);
    fixture.store(&publisher, 3).expect_err("the state may be sound");
    assert_eq!(fixture.stored(), (vec![1, 2], vec![1]));
    assert_eq!(publisher.artifacts.damaged_file(&fixture.todo), None);
}

#[test]
fn no_component_is_removed_while_the_previous_state_cannot_be_read() {
    let fixture = Fixture::new();
    let (publisher, _) = fixture.restored();
    publisher.save_dirty();
    fixture.store(&publisher, 3).unwrap();
    fixture.states.damage_previous(&fixture.todo);
    assert_eq!(fixture.components(), [1, 2, 3]);
    publisher.remove_unknown(&fixture.todo);
    assert_eq!(fixture.components(), [1, 2, 3]);
    fixture.store(&publisher, 4).unwrap();
    assert_eq!(fixture.components(), [2, 3, 4]);
}

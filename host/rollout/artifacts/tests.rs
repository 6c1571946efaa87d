use tempfile::TempDir;

use super::*;
use crate::list::id::LogicId;

struct Fixture {
    folder: TempDir,
    artifacts: ArtifactStore,
    name: LogicName,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = ArtifactStore::open(folder.path().to_owned()).unwrap();
        Self { folder, artifacts, name: LogicName::new("rules").unwrap() }
    }

    /// A directory in which three states were written, one after the other.
    fn with_states() -> Self {
        let fixture = Self::new();
        (1..=3).for_each(|number| fixture.write(number));
        fixture
    }

    /// Stores a component, and writes the state in which only it is known.
    fn write(&self, number: u8) {
        let bytes = [number];
        self.artifacts.store(&self.name, &digest_of(&bytes), &bytes, Durability::Crash).unwrap();
        self.artifacts.write(&self.name, &state(number)).unwrap();
        self.artifacts.remove_unknown(&self.name, &state(number));
    }

    fn file(&self, file: &str) -> PathBuf {
        self.folder.path().join("rules").join(file)
    }

    fn damage(&self, file: &str) {
        let mut bytes = fs::read(self.file(file)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(self.file(file), bytes).unwrap();
    }

    fn state(&self) -> StoredState {
        self.artifacts.state(&self.name).expect("it can be read").expect("it is there")
    }

    /// The components that are stored.
    fn components(&self) -> Vec<u8> {
        let is_stored = |number: &u8| self.artifacts.component(&self.name, &digest_of(&[*number])).is_ok();
        (1..=9).filter(is_stored).collect()
    }
}

fn state(number: u8) -> RolloutState {
    let mut state = RolloutState::default();
    let version = semver::Version::new(u64::from(number), 0, 0);
    let id = LogicId { name: LogicName::new("rules").unwrap(), version, digest: digest_of(&[number]) };
    state.learn(&id, "test", None, 1);
    state.publish(&id.digest, "test", 1).unwrap();
    state
}

#[test]
fn a_state_is_read_as_it_was_written_last() {
    let fixture = Fixture::with_states();
    assert_eq!(fixture.state(), StoredState { state: state(3), damage: None });
    assert_eq!(fixture.artifacts.names().unwrap(), std::slice::from_ref(&fixture.name));
    let other = LogicName::new("other").unwrap();
    assert_eq!(fixture.artifacts.state(&other), Ok(None));
}

#[test]
fn a_damaged_or_missing_state_is_replaced_by_the_one_before_it() {
    let fixture = Fixture::with_states();
    fixture.damage(STATE_FILE);
    let stored = fixture.state();
    assert_eq!(stored.state, state(2));
    assert!(stored.damage.as_ref().is_some_and(|why| why.contains("SHA-256")), "{stored:?}");
    fs::remove_file(fixture.file(STATE_FILE)).unwrap();
    assert_eq!(fixture.artifacts.names().unwrap(), std::slice::from_ref(&fixture.name));
    let stored = fixture.state();
    assert_eq!((stored.state, stored.damage), (state(2), Some("standing.json is gone".into())));
}

#[test]
fn a_logic_whose_states_are_all_damaged_is_unreadable_and_not_absent() {
    let fixture = Fixture::with_states();
    fixture.damage(STATE_FILE);
    fixture.damage(PREVIOUS_FILE);
    let why = fixture.artifacts.state(&fixture.name).expect_err("both are damaged");
    assert!(why.contains(STATE_FILE) && why.contains(PREVIOUS_FILE), "{why}");
    fs::remove_file(fixture.file(STATE_FILE)).unwrap();
    fixture.artifacts.state(&fixture.name).expect_err("one is gone and the other is damaged");

    let once = Fixture::new();
    once.write(1);
    once.damage(STATE_FILE);
    let why = once.artifacts.state(&once.name).expect_err("there is no other one");
    assert!(why.ends_with("there is no previous state"), "{why}");
}

#[test]
fn a_logic_of_which_only_a_damaged_state_is_left_is_unreadable_and_not_absent() {
    let fixture = Fixture::new();
    fixture.write(1);
    fs::rename(fixture.file(STATE_FILE), fixture.file(DAMAGED_FILE)).unwrap();
    assert_eq!(fixture.artifacts.names().unwrap(), std::slice::from_ref(&fixture.name));
    let why = fixture.artifacts.state(&fixture.name).expect_err("it is not absent");
    assert!(why.contains(DAMAGED_FILE), "{why}");
    fixture.write(2);
    assert_eq!(fixture.state(), StoredState { state: state(2), damage: None });
}

#[test]
fn writing_over_a_damaged_state_keeps_it_and_the_previous_one_and_every_component() {
    let fixture = Fixture::with_states();
    fixture.damage(STATE_FILE);
    let damaged = fs::read(fixture.file(STATE_FILE)).unwrap();
    fixture.write(4);
    assert_eq!(fixture.state(), StoredState { state: state(4), damage: None });
    assert_eq!(fs::read(fixture.file(DAMAGED_FILE)).unwrap(), damaged);
    fixture.damage(STATE_FILE);
    assert_eq!(fixture.state().state, state(2), "the damaged state never is the previous one");
    fixture.write(5);
    assert_eq!(fixture.components(), [2, 3, 4, 5], "any may be known by the damaged state only");

    assert_eq!(fixture.artifacts.damaged_file(&fixture.name), Some(fixture.file(DAMAGED_FILE)));
    fs::remove_file(fixture.file(DAMAGED_FILE)).unwrap();
    fixture.write(6);
    assert_eq!(fixture.components(), [5, 6]);
}

#[test]
fn a_state_that_is_written_again_leaves_the_previous_one() {
    let fixture = Fixture::with_states();
    fixture.write(3);
    fixture.damage(STATE_FILE);
    assert_eq!(fixture.state().state, state(2));
}

#[test]
fn the_components_of_the_previous_state_stay() {
    let fixture = Fixture::with_states();
    assert_eq!(fixture.components(), [2, 3]);
}

#[test]
fn a_state_that_is_a_directory_or_has_too_many_bytes_is_damaged() {
    let fixture = Fixture::with_states();
    let file = File::create(fixture.file(STATE_FILE)).unwrap();
    file.set_len(MAX_STATE_BYTES * 64).unwrap();
    assert_eq!(fixture.state().state, state(2));
    fs::remove_file(fixture.file(STATE_FILE)).unwrap();
    fs::create_dir(fixture.file(STATE_FILE)).unwrap();
    assert_eq!(fixture.state().state, state(2));
    fixture.write(4);
    assert_eq!(fixture.state(), StoredState { state: state(4), damage: None });
}

#[test]
fn a_state_that_could_not_be_read_again_is_not_written() {
    let fixture = Fixture::with_states();
    let mut large = state(4);
    large.versions[0].source = "x".repeat(usize::try_from(MAX_STATE_BYTES).unwrap());
    let refused = fixture.artifacts.write(&fixture.name, &large).expect_err("it is too large");
    assert_eq!(refused.kind(), ErrorKind::FileTooLarge);
    assert_eq!(fixture.state(), StoredState { state: state(3), damage: None });
}

use tempfile::TempDir;

use super::super::testing::MemoryStates;
use super::*;
use crate::list::digest::digest_of;
use crate::list::id::LogicId;
use crate::rollout::Cause;

/// A directory of an earlier version.
struct Fixture {
    folder: TempDir,
    artifacts: ArtifactStore,
    states: MemoryStates,
    name: LogicName,
}

impl Fixture {
    /// A directory with the second state, and the first one as the state before it.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = ArtifactStore::open(folder.path().to_owned()).unwrap();
        let fixture =
            Self { folder, artifacts, states: MemoryStates::default(), name: LogicName::new("rules").unwrap() };
        fs::create_dir(fixture.folder.path().join("rules")).unwrap();
        fixture.write(STATE_FILE, &sealed::encode(&state(2)).unwrap());
        fixture.write(PREVIOUS_FILE, &sealed::encode(&state(1)).unwrap());
        fixture
    }

    fn write(&self, file: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join("rules").join(file), bytes).unwrap();
    }

    fn import(&self) -> Result<Option<String>, String> {
        import(&self.artifacts, &self.states, &self.name)
    }

    fn both(&self) -> (Option<RolloutState>, Option<RolloutState>) {
        self.states.both(&self.name)
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("rules")).unwrap();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        files
    }
}

fn state(number: u8) -> RolloutState {
    let mut state = RolloutState::default();
    let version = semver::Version::new(u64::from(number), 0, 0);
    let id = LogicId { name: LogicName::new("rules").unwrap(), version, digest: digest_of(&[number]) };
    state.learn(&id, "test", None, 1);
    state.publish(&id.digest, Cause::new("test", 1)).unwrap();
    state
}

#[test]
fn a_state_and_the_one_before_it_become_records_and_their_files_are_removed() {
    let fixture = Fixture::new();
    assert_eq!(names(&fixture.artifacts).unwrap(), std::slice::from_ref(&fixture.name));
    assert_eq!(fixture.import(), Ok(None));
    assert_eq!(fixture.both(), (Some(state(2)), Some(state(1))));
    assert_eq!(fixture.files(), [""; 0]);
    assert_eq!(names(&fixture.artifacts).unwrap(), []);
}

#[test]
fn a_state_without_a_seal_is_imported_too() {
    let fixture = Fixture::new();
    fixture.write(STATE_FILE, &serde_json::to_vec(&state(3)).unwrap());
    fixture.write(PREVIOUS_FILE, b"{");
    assert_eq!(fixture.import(), Ok(None));
    assert_eq!(
        (fixture.both(), fixture.files()),
        ((Some(state(3)), None), vec![]),
        "a damaged previous one is no loss"
    );
}

#[test]
fn an_import_that_is_interrupted_anywhere_is_repeated() {
    // The first or the second write fails, and was carried out or not.
    for (skipped, is_carried_out) in [(0, false), (0, true), (1, false), (1, true)] {
        let fixture = Fixture::new();
        let fail = || fixture.states.fail_next_write(StateError::Failed("no room".into()), is_carried_out);
        if skipped == 0 {
            fail();
        } else {
            // The state before the last one was written, and the process ended.
            fixture.states.write(&fixture.name, encode_state(&state(1)).unwrap(), None, false).unwrap();
            fail();
        }
        let failed = fixture.import().expect_err("a write fails");
        assert!(failed.contains("no room") && failed.contains("rules"), "{failed}");
        assert_eq!(fixture.files(), [STATE_FILE, PREVIOUS_FILE]);
        assert_eq!(fixture.import(), Ok(None));
        assert_eq!((fixture.both(), fixture.files()), ((Some(state(2)), Some(state(1))), vec![]));
    }
    // Both are written, and not all files are removed.
    for files in [vec![STATE_FILE, PREVIOUS_FILE], vec![STATE_FILE]] {
        let fixture = Fixture::new();
        let kept: Vec<_> =
            files.iter().map(|file| fs::read(fixture.folder.path().join("rules").join(file)).unwrap()).collect();
        fixture.import().unwrap();
        files.iter().zip(kept).for_each(|(file, bytes)| fixture.write(file, &bytes));
        assert_eq!(fixture.import(), Ok(None));
        assert_eq!((fixture.both(), fixture.files()), ((Some(state(2)), Some(state(1))), vec![]));
    }
}

#[test]
fn of_a_damaged_state_the_one_before_it_is_imported_and_the_damage_is_kept() {
    let fixture = Fixture::new();
    fixture.write(STATE_FILE, b"damaged");
    let damage = fixture.import().expect("the previous one is sound").expect("it says why");
    assert!(damage.contains(STATE_FILE), "{damage}");
    assert_eq!(fixture.both(), (Some(state(1)), None));
    assert_eq!(fixture.files(), [DAMAGED_FILE]);
    assert_eq!(fs::read(fixture.artifacts.damaged_file(&fixture.name).unwrap()).unwrap(), b"damaged");
    fs::remove_file(fixture.artifacts.damaged_file(&fixture.name).unwrap()).unwrap();

    fixture.write(PREVIOUS_FILE, &sealed::encode(&state(1)).unwrap());
    assert_eq!(fixture.import(), Ok(Some("standing.json is gone".into())));
    // The state that is gone may have named components that no other state knows.
    assert_eq!((fixture.both(), fixture.files()), ((Some(state(1)), None), vec![DAMAGED_FILE.to_owned()]));
}

#[test]
fn where_both_states_are_damaged_nothing_is_imported_and_both_are_kept() {
    let fixture = Fixture::new();
    fixture.write(STATE_FILE, b"damaged");
    fixture.write(PREVIOUS_FILE, b"damaged, too");
    let damage = fixture.import().expect("the files are set aside").expect("it says why");
    assert!(damage.contains(STATE_FILE) && damage.contains(PREVIOUS_FILE), "{damage}");
    assert_eq!(
        (fixture.both(), fixture.files()),
        ((None, None), vec![DAMAGED_FILE.into(), DAMAGED_PREVIOUS_FILE.into()])
    );
    assert_eq!(fixture.artifacts.damaged_names().unwrap(), std::slice::from_ref(&fixture.name));

    // A state that was overwritten, of which nothing else is left, and a damaged previous one.
    for file in [OVERWRITTEN_FILE, PREVIOUS_FILE] {
        let fixture = Fixture::new();
        fs::remove_file(fixture.folder.path().join("rules").join(STATE_FILE)).unwrap();
        fs::remove_file(fixture.folder.path().join("rules").join(PREVIOUS_FILE)).unwrap();
        fixture.write(file, b"damaged");
        fixture.import().expect("the files are set aside");
        assert_eq!(fixture.both(), (None, None), "{file}");
        assert!(fixture.artifacts.damaged_file(&fixture.name).is_some(), "{file}");
    }
}

#[test]
fn a_state_that_is_a_directory_is_damaged() {
    let fixture = Fixture::new();
    let file = fixture.folder.path().join("rules").join(STATE_FILE);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(fixture.import().expect("the previous one is sound").is_some());
    assert_eq!(fixture.both().0, Some(state(1)));
}

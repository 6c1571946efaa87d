use super::*;

fn fixture() -> (tempfile::TempDir, ArtifactStore, LogicName) {
    let folder = tempfile::tempdir().unwrap();
    let artifacts = ArtifactStore::open(folder.path().to_owned()).unwrap();
    let name = LogicName::new("rules").unwrap();
    for number in 1..=3_u8 {
        artifacts.store(&name, &digest_of(&[number]), &[number], Durability::Crash).unwrap();
    }
    (folder, artifacts, name)
}

fn stored(artifacts: &ArtifactStore, name: &LogicName) -> Vec<u8> {
    (1..=9).filter(|number| artifacts.component(name, &digest_of(&[*number])).is_ok()).collect()
}

#[test]
fn only_components_that_are_known_stay_unless_a_damaged_state_may_know_them() {
    let (_folder, artifacts, name) = fixture();
    artifacts.note_damage(&name).unwrap();
    assert_eq!(artifacts.damaged_names().unwrap(), std::slice::from_ref(&name));
    artifacts.remove_all_but(&name, &[digest_of(&[2])]);
    assert_eq!(stored(&artifacts, &name), [1, 2, 3]);
    fs::remove_file(artifacts.damaged_file(&name).expect("it is noted")).unwrap();
    artifacts.remove_all_but(&name, &[digest_of(&[2])]);
    assert_eq!(stored(&artifacts, &name), [2]);
    artifacts.remove_all_but(&LogicName::new("other").unwrap(), &[]);
}

#[test]
fn a_note_of_damage_is_not_overwritten() {
    let (folder, artifacts, name) = fixture();
    fs::write(folder.path().join("rules").join(DAMAGED_FILE), b"evidence").unwrap();
    artifacts.note_damage(&name).unwrap();
    assert_eq!(fs::read(folder.path().join("rules").join(DAMAGED_FILE)).unwrap(), b"evidence");
}

#[test]
fn a_damaged_component_is_an_error_and_is_stored_again() {
    let (folder, artifacts, name) = fixture();
    let digest = digest_of(&[1]);
    fs::write(folder.path().join("rules").join(file_name(&digest)), b"damaged").unwrap();
    assert_eq!(artifacts.component(&name, &digest).expect_err("it is damaged").kind(), ErrorKind::InvalidData);
    artifacts.store(&name, &digest, &[1], Durability::Crash).unwrap();
    assert_eq!(artifacts.component(&name, &digest).unwrap(), [1]);
}

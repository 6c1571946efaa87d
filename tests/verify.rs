//! Tests of `hotlist verify`, on damage that the store itself finds late or never.

mod support;

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use support::process::{Process, program, send};

/// A data directory with three lists: one in the log only, one with a timer, one that was deleted.
struct Scene(tempfile::TempDir);

impl Scene {
    fn new() -> Self {
        let scene = Self(tempfile::tempdir().expect("a directory"));
        let server = Process::start(&scene.data(), &[]);
        for list in ["ann", "bob", "cid"] {
            for title in ["Milk", "Bread"] {
                let body = json!({ "title": title }).to_string();
                let (status, answer) = send(server.address, "POST", &format!("/lists/{list}/entries"), &body);
                assert_eq!(status, 201, "{answer}");
            }
        }
        let (status, _) = send(server.address, "DELETE", "/lists/cid", "");
        assert_eq!(status, 204);
        assert!(server.terminate().success());
        scene
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// Changes the database behind the program's back.
    fn damage(&self, sql: &str) -> &Self {
        let db = rusqlite::Connection::open(self.data().join("hotlist.db")).expect("it opens");
        db.execute_batch(sql).expect("it is changed");
        self
    }

    /// The exit code, and the damage: the list or logic and the text of each finding.
    fn verify(&self) -> (i32, Vec<(String, String)>) {
        let output = program().arg("verify").arg("--data").arg(self.data()).arg("--json").output().expect("it runs");
        let answer: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let of = |finding: &Value| text(finding.get("list").or(finding.get("logic")).expect("a place"));
        let damage = answer["damage"].as_array().expect("an array");
        let damage = damage.iter().map(|finding| (of(finding), text(&finding["what"]))).collect();
        (output.status.code().expect("it ends by itself"), damage)
    }

    fn only_finding(&self) -> (String, String) {
        let (code, damage) = self.verify();
        assert_eq!((code, damage.len()), (1, 1), "{damage:?}");
        damage.into_iter().next().expect("it is one")
    }
}

#[test]
fn a_sound_directory_is_sound_also_beside_its_server() {
    let scene = Scene::new();
    assert_eq!(scene.verify(), (0, vec![]));
    let server = Process::start(&scene.data(), &[]);
    let (status, _) = send(server.address, "POST", "/lists/new/entries", r#"{"title":"Tea"}"#);
    assert_eq!(status, 201);
    assert_eq!(scene.verify(), (0, vec![]));
    let output = program().arg("verify").arg("--data").arg(scene.data()).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("is sound; 3 lists are sound, with 5 revisions"), "{text}");
}

#[test]
fn a_damaged_snapshot_is_the_damage_of_its_list_alone() {
    let scene = Scene::new();
    scene.damage("UPDATE lists SET snapshot = zeroblob(length(snapshot)) WHERE name = 'bob'");
    let (list, what) = scene.only_finding();
    assert_eq!(list, "bob");
    assert!(what.contains("checksum") || what.contains("encoding"), "{what}");
}

#[test]
fn a_history_row_that_is_gone_is_found() {
    let scene = Scene::new();
    scene.damage("DELETE FROM history WHERE name = 'ann'");
    let of_list = ("ann".to_owned(), "its history is missing".to_owned());
    let of_table = (String::new(), "the table history lacks rows that its digest counts: 1".to_owned());
    assert_eq!(scene.verify(), (1, vec![of_list, of_table]));
}

#[test]
fn a_timer_that_no_list_waits_for_is_found() {
    let scene = Scene::new();
    scene.damage("INSERT INTO timers VALUES (7, 'ann')");
    let of_timer = "the timer of list \"ann\" at 7 has no list that waits for it".to_owned();
    let of_table = "the table timers has rows that its digest does not count: 1".to_owned();
    assert_eq!(scene.verify(), (1, vec![(String::new(), of_timer), (String::new(), of_table)]));
}

#[test]
fn a_page_of_zeros_is_found() {
    let scene = Scene::new();
    // The last pages hold rows. A page of zeros is no page of a table.
    let path = scene.data().join("hotlist.db");
    let mut bytes = fs::read(&path).expect("it is there");
    let page = bytes.len() - 4_096;
    bytes[page..].fill(0);
    fs::write(&path, bytes).expect("it is written");
    let (code, damage) = scene.verify();
    assert_eq!(code, 1);
    assert!(damage.iter().any(|(_, what)| what.starts_with("the database")), "{damage:?}");
}

#[test]
fn a_damaged_rollout_state_is_found() {
    let scene = Scene::new();
    scene.damage("UPDATE records SET record = x'04' WHERE key = 'todo'");
    let (place, what) = scene.only_finding();
    assert_eq!((place.as_str(), what.as_str()), ("", "record \"todo\" of kind rollout: its record row is cut off"));
}

#[test]
fn a_damaged_component_is_the_damage_of_its_logic() {
    let scene = Scene::new();
    let folder = scene.data().join("logic/todo");
    let component = fs::read_dir(&folder).expect("it is there").map(|entry| entry.expect("an entry").path());
    let component = component.into_iter().find(|path| path.extension().is_some_and(|end| end == "wasm"));
    let component = component.expect("the default logic is stored");
    let mut bytes = fs::read(&component).expect("it is there");
    bytes[100] ^= 1;
    fs::write(&component, bytes).expect("it is written");
    let (logic, what) = scene.only_finding();
    assert_eq!(logic, "todo");
    assert!(what.contains("is damaged"), "{what}");
}

#[test]
fn a_log_that_was_removed_is_found_and_not_backed_up_as_if_it_were_whole() {
    let scene = Scene::new();
    let server = Process::start(&scene.data(), &[]);
    let (status, _) = send(server.address, "POST", "/lists/new/entries", r#"{"title":"Tea"}"#);
    assert_eq!(status, 201);
    // The number of the last commit is written within a second.
    let last = || fs::read_to_string(scene.data().join("last-commit")).unwrap_or_default();
    let begun = std::time::Instant::now();
    while !last().starts_with("8 ") {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{}", last());
        std::thread::yield_now();
    }
    server.kill();
    for file in ["hotlist.db-wal", "hotlist.db-shm"] {
        fs::remove_file(scene.data().join(file)).expect("it is there");
    }
    let (place, what) = scene.only_finding();
    assert_eq!(place, "");
    assert!(what.contains("at least 1 acknowledged commits are missing"), "{what}");
    let backup = program().arg("backup").arg(scene.0.path().join("backup")).arg("--data").arg(scene.data()).output();
    let backup = backup.expect("it runs");
    assert_eq!(backup.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&backup.stderr).contains("acknowledged commits are missing"));
}

#[test]
fn a_folder_that_is_no_data_directory_is_an_error() {
    let folder = tempfile::tempdir().expect("a directory");
    let output = program().arg("verify").arg("--data").arg(folder.path().join("none")).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no data directory"));
}

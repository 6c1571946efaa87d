//! Tests of `hotlist backup` and `hotlist restore`, beside a running server.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use support::component;
use support::process::{Process, open_to_others, program, send};

/// A folder for a data directory and its backups.
struct Scene(tempfile::TempDir);

impl Scene {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn back_up(&self, name: &str) -> Output {
        run("backup", &self.path(name), &self.path("data"))
    }

    fn restore(&self, backup: &str, data: &str) -> Output {
        run("restore", &self.path(backup), &self.path(data))
    }
}

fn run(command: &str, backup: &Path, data: &Path) -> Output {
    program().arg(command).arg(backup).arg("--data").arg(data).output().expect("the program runs")
}

fn succeed(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn fail(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn add(server: &Process, list: &str, title: &str) {
    let body = json!({ "title": title }).to_string();
    let (status, answer) = send(server.address, "POST", &format!("/lists/{list}/entries"), &body);
    assert_eq!(status, 201, "{answer}");
}

fn titles(server: &Process, list: &str) -> Vec<String> {
    let (status, entries) = server.get(&format!("/lists/{list}/entries?limit=1000"));
    assert_eq!(status, 200, "{entries}");
    let entries = entries.as_array().expect("an array");
    entries.iter().map(|entry| entry["title"].as_str().expect("a title").to_owned()).collect()
}

#[test]
fn a_backup_beside_a_server_that_writes_is_of_one_moment_and_holds_all_that_was_acknowledged() {
    const WRITERS: usize = 4;
    let scene = Scene::new();
    let server = Process::start(&scene.path("data"), &[]);
    let (acknowledged, stop): ([AtomicUsize; WRITERS], _) = (Default::default(), AtomicBool::new(false));
    let before = std::thread::scope(|threads| {
        for (writer, acknowledged) in acknowledged.iter().enumerate() {
            let (server, stop) = (&server, &stop);
            threads.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let number = acknowledged.load(Ordering::Relaxed);
                    add(server, &format!("writer{writer}"), &number.to_string());
                    acknowledged.store(number + 1, Ordering::Relaxed);
                }
            });
        }
        while acknowledged.iter().any(|count| count.load(Ordering::Relaxed) < 20) {
            std::thread::yield_now();
        }
        let before: Vec<_> = acknowledged.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        succeed(&scene.back_up("backup"));
        stop.store(true, Ordering::Relaxed);
        before
    });
    let at_most: Vec<_> = acknowledged.iter().map(|count| count.load(Ordering::Relaxed)).collect();
    drop(server);

    succeed(&scene.restore("backup", "restored"));
    let restored = Process::start(&scene.path("restored"), &[]);
    for writer in 0..WRITERS {
        let titles = titles(&restored, &format!("writer{writer}"));
        let expected: Vec<_> = (0..titles.len()).map(|number| number.to_string()).collect();
        assert_eq!(titles, expected, "without a gap");
        assert!((before[writer]..=at_most[writer]).contains(&titles.len()), "{} of {before:?}", titles.len());
    }
    add(&restored, "writer0", "after the restoration");
}

#[test]
fn a_backup_holds_the_uploaded_components_and_their_state() {
    let scene = Scene::new();
    let server = Process::start(&scene.path("data"), &[]);
    let url = format!("http://{}/logic/rules", server.address);
    let uploaded =
        ureq::put(url).content_type("application/wasm").send(&component("strict")[..]).expect("it is accepted");
    assert_eq!(uploaded.status(), 201);
    let (status, _) = send(server.address, "PUT", "/lists/house", &json!({ "logic": "rules" }).to_string());
    assert_eq!(status, 201);
    add(&server, "house", "Roof");
    let live = |server: &Process| {
        ["digest", "source", "version"].map(|member| server.get("/logic/rules").1["live"][member].clone())
    };
    let before = live(&server);
    succeed(&scene.back_up("backup"));
    assert_eq!(open_to_others(&scene.path("data")), [], "a server keeps its data from other users");
    drop(server);

    succeed(&scene.restore("backup", "restored"));
    let restored = Process::start(&scene.path("restored"), &[]);
    for directory in ["backup", "restored"] {
        assert_eq!(open_to_others(&scene.path(directory)), [], "{directory}");
    }
    assert!(before.iter().all(Value::is_string), "{before:?}");
    assert_eq!(live(&restored), before);
    assert_eq!(titles(&restored, "house"), ["Roof"]);
    add(&restored, "house", "Door");
}

#[test]
fn a_backup_holds_the_components_that_the_state_before_the_last_change_names_and_no_others() {
    let scene = Scene::new();
    let server = Process::start(&scene.path("data"), &[]);
    for plugin in ["todo", "strict"] {
        let url = format!("http://{}/logic/rules", server.address);
        ureq::put(url).content_type("application/wasm").send(&component(plugin)[..]).expect("it is accepted");
    }
    assert!(server.terminate().success());
    // The last change is damaged, so the previous state, which knows only one of them, is in effect.
    let db = rusqlite::Connection::open(scene.path("data").join("hotlist.db")).expect("a database");
    db.execute("UPDATE records SET record = x'04' WHERE key = 'rules'", []).expect("it is damaged");
    db.close().expect("it closes");
    fs::write(scene.path("data").join("logic/todo").join(format!("{}.wasm", "ab".repeat(32))), "unknown")
        .expect("a file");
    succeed(&scene.back_up("backup"));
    let components =
        |logic: &str| fs::read_dir(scene.path("backup").join("logic").join(logic)).expect("a folder").count();
    assert_eq!(
        (components("rules"), components("todo")),
        (2, 1),
        "all of an unreadable state, and those of a readable one"
    );

    succeed(&scene.restore("backup", "restored"));
    let restored = Process::start(&scene.path("restored"), &[]);
    assert_eq!(restored.get("/logic/rules").1["live"]["title"], "Todo");
}

#[test]
fn a_backup_of_a_stopped_server_restores_too_and_json_names_every_file() {
    let scene = Scene::new();
    let server = Process::start(&scene.path("data"), &[]);
    add(&server, "bob", "Milk");
    assert!(server.terminate().success());
    let mut command = program();
    let output = command.arg("backup").arg(scene.path("backup")).arg("--data").arg(scene.path("data")).arg("--json");
    let manifest: Value = serde_json::from_str(&succeed(&output.output().expect("it runs"))).expect("JSON");
    assert!(manifest["files"]["hotlist.db"]["bytes"].as_u64().expect("a number") > 4_096, "{manifest}");
    assert_eq!(manifest["last_commit"], 1);

    succeed(&scene.restore("backup", "restored"));
    assert_eq!(titles(&Process::start(&scene.path("restored"), &[]), "bob"), ["Milk"]);
}

#[test]
fn nothing_is_overwritten() {
    let scene = Scene::new();
    let server = Process::start(&scene.path("data"), &[]);
    add(&server, "bob", "Milk");
    succeed(&scene.back_up("backup"));
    assert!(fail(&scene.back_up("backup")).contains("is not empty"));
    assert!(fail(&scene.restore("backup", "data")).contains("is in use by another process"));
    assert!(server.terminate().success());
    let refused = fail(&scene.restore("backup", "data"));
    assert!(refused.contains("it is not empty"), "{refused}");
    assert_eq!(titles(&Process::start(&scene.path("data"), &[]), "bob"), ["Milk"]);
}

#[test]
fn an_incomplete_or_damaged_backup_is_refused() {
    let scene = Scene::new();
    drop(Process::start(&scene.path("data"), &[]));
    succeed(&scene.back_up("backup"));
    let database = scene.path("backup").join("hotlist.db");
    let whole = fs::read(&database).expect("it is there");

    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for (number, bytes) in [&flipped[..], &whole[..whole.len() - 1]].into_iter().enumerate() {
        fs::write(&database, bytes).expect("it is written");
        let data = format!("restored{number}");
        let refused = fail(&scene.restore("backup", &data));
        assert!(refused.contains("hotlist.db is damaged"), "{refused}");
        assert!(!scene.path(&data).join("hotlist.db").exists(), "a directory without a database is no directory");
    }
    fs::remove_file(scene.path("backup").join("backup.json")).expect("it is there");
    let refused = fail(&scene.restore("backup", "restored2"));
    assert!(refused.contains("is no complete backup"), "{refused}");
    let refused = fail(&run("backup", &scene.path("other"), &scene.path("nowhere")));
    assert!(refused.contains("there is no data directory"), "{refused}");
}

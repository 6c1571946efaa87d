//! Tests of `hotlist export` and `hotlist import`, between data directories of real servers.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use support::component;
use support::process::{Process, program, send, upload};

struct Scene(tempfile::TempDir);

impl Scene {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Exports a data directory into a file.
    fn export(&self, data: &str, file: &str, patterns: &[&str]) -> Output {
        let mut command = program();
        command.arg("export").args(patterns).arg("--data").arg(self.path(data)).arg("--output").arg(self.path(file));
        command.arg("--json").output().expect("it runs")
    }

    fn import(&self, file: &str, data: &str, arguments: &[&str]) -> Output {
        let mut command = program();
        command.arg("import").arg(self.path(file)).arg("--data").arg(self.path(data)).args(arguments);
        command.output().expect("it runs")
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Makes a request that succeeds.
fn request(server: &Process, method: &str, path: &str, body: &Value) -> Value {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) = send(server.address, method, path, &text);
    assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
    answer
}

fn add(server: &Process, list: &str, entry: &Value) -> Value {
    request(server, "POST", &format!("/lists/{list}/entries"), entry)
}

/// Lists of several logics, with everything that a list can have.
fn fill(server: &Process) {
    for title in ["Milk", "Bread \u{1f35e} \"fresh\"", "Tea"] {
        add(server, "bob", &json!({ "title": title, "date": "2026-11-24", "order": 0.1 }));
    }
    request(server, "PATCH", "/lists/bob/entries/2", &json!({ "completed": true, "date": null }));
    request(server, "DELETE", "/lists/bob/entries/1", &Value::Null);
    request(server, "POST", "/lists/bob/undo", &json!({ "revision": 5 }));
    request(server, "DELETE", "/lists/bob/entries", &Value::Null);

    request(server, "PUT", "/lists/board", &json!({ "logic": "kanban", "settings": { "limits": ["Doing: 1"] } }));
    add(server, "board", &json!({ "title": "Paint" }));
    request(server, "POST", "/lists/board/commands/move", &json!({ "entry": 1, "column": "Doing" }));

    request(server, "PUT", "/lists/house", &json!({ "logic": "chores", "settings": { "rotation": ["Ann", "Bob"] } }));
    add(server, "house", &json!({ "title": "Bins", "fields": { "rule": "every 3 days" } }));
    request(server, "POST", "/lists/house/commands/complete", &json!({ "entry": 1 }));

    add(server, "moved", &json!({ "title": "Roof" }));
    request(server, "PUT", "/lists/moved", &json!({ "logic": "kanban" }));
    request(server, "PUT", "/lists/own", &json!({ "logic": "rules@1" }));
    add(server, "own", &json!({ "title": "Door" }));

    for _ in 0..2 {
        add(server, "again", &json!({ "title": "Soap" }));
        request(server, "DELETE", "/lists/again", &Value::Null);
    }
    add(server, "again", &json!({ "title": "Salt" }));
    add(server, "gone", &json!({ "title": "Corn" }));
    request(server, "DELETE", "/lists/gone", &Value::Null);
}

/// A resource of a server, without the address of the server.
fn get(server: &Process, path: &str) -> Value {
    let (status, answer) = server.get(path);
    assert_eq!(status, 200, "{path}: {answer}");
    let text = answer.to_string().replace(&server.address.to_string(), "server");
    serde_json::from_str(&text).expect("it is JSON")
}

/// Everything that a client can read of the lists.
fn everything(server: &Process) -> Vec<Value> {
    let lists = get(server, "/lists");
    let names =
        lists.as_array().expect("an array").iter().map(|list| list["name"].as_str().expect("a name").to_owned());
    let of_list = |name: String| {
        ["", "/entries?limit=1000", "/history?limit=1000"].map(|rest| get(server, &format!("/lists/{name}{rest}")))
    };
    names.flat_map(of_list).chain([lists.clone()]).collect()
}

/// Starts a server that has the component of the logic `rules`.
fn start(data: &Path) -> Process {
    let server = Process::start(data, &[]);
    let (status, answer) = upload(server.address, "rules", component("strict"));
    assert!((200..300).contains(&status), "{answer}");
    server
}

#[test]
fn lists_of_all_kinds_are_the_same_after_an_export_and_an_import_and_can_be_undone() {
    let scene = Scene::new();
    let server = start(&scene.path("data"));
    fill(&server);
    let before = everything(&server);
    let beside = scene.export("data", "beside.jsonl", &[]);
    assert_eq!(succeed(&beside), "");
    let summary: Value = serde_json::from_str(&stderr(&beside)).expect("JSON");
    assert_eq!((&summary["lists"], &summary["deleted_lists"]), (&json!(6), &json!(1)), "{summary}");
    assert!(server.terminate().success());
    succeed(&scene.export("data", "stopped.jsonl", &[]));
    let mode = fs::metadata(scene.path("stopped.jsonl")).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "an export is for its user alone");
    let lines = |file: &str| {
        let text = fs::read_to_string(scene.path(file)).expect("it is there");
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let (beside, stopped) = (lines("beside.jsonl"), lines("stopped.jsonl"));
    assert_eq!(beside[..beside.len() - 1], stopped[..stopped.len() - 1], "a running server and a stopped one");

    let imported = succeed(&scene.import("beside.jsonl", "new", &[]));
    assert!(imported.starts_with("imported 6 lists into"), "{imported}");
    let verified = program().arg("verify").arg("--data").arg(scene.path("new")).output().expect("it runs");
    succeed(&verified);
    let server = start(&scene.path("new"));
    for (after, before) in everything(&server).iter().zip(&before) {
        assert_eq!(after, before);
    }
    let undone = request(&server, "POST", "/lists/bob/undo", &json!({ "revision": 7 }));
    assert_eq!(undone["entries"].as_array().map(Vec::len), Some(3), "{undone}");
    assert_eq!(add(&server, "bob", &json!({ "title": "New" }))["id"], 4, "ids go on");
    request(&server, "POST", "/lists/board/commands/move", &json!({ "entry": 1, "column": "Done" }));
    add(&server, "own", &json!({ "title": "Window" }));
    add(&server, "gone", &json!({ "title": "Corn" }));
    assert_eq!(get(&server, "/lists/gone")["revision"], 3, "the numbers of a deleted list are not given again");
}

#[test]
fn a_wake_up_time_is_imported_with_its_list() {
    let scene = Scene::new();
    let server = start(&scene.path("data"));
    fill(&server);
    assert!(server.terminate().success());
    succeed(&scene.export("data", "lists.jsonl", &["house"]));
    succeed(&scene.import("lists.jsonl", "new", &[]));
    let timers = |data: &str| {
        let db = rusqlite::Connection::open(scene.path(data).join("hotlist.db")).expect("it opens");
        let mut select = db.prepare("SELECT at, name FROM timers").expect("a statement");
        let timers = select.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).expect("rows");
        timers.collect::<Result<Vec<_>, _>>().expect("timers")
    };
    assert_eq!((timers("new").len(), timers("new")), (1, timers("data")));
}

#[test]
fn a_list_with_a_damaged_page_is_exported_as_far_as_it_goes_and_comes_back_after_its_deletion() {
    let scene = Scene::new();
    let server = Process::start(&scene.path("data"), &["--history".as_ref(), "2".as_ref()]);
    for list in ["ann", "bob", "cid"] {
        for title in ["Milk", "Bread", "Tea"] {
            add(&server, list, &json!({ "title": format!("{title} of {list} {}", "x".repeat(900)) }));
        }
    }
    assert!(server.terminate().success());
    assert_eq!(zero_pages_of(&scene.path("data").join("hotlist.db"), "bob"), 1);

    let server = Process::start(&scene.path("data"), &[]);
    let (status, problem) = server.get("/lists/bob");
    assert_eq!(status, 500, "{problem}");
    let exported = scene.export("data", "bob.jsonl", &["bob"]);
    assert_eq!(exported.status.code(), Some(3), "{}", stderr(&exported));
    assert!(
        stderr(&exported).contains("list \"bob\" is incomplete; missing: all of the list"),
        "{}",
        stderr(&exported)
    );
    succeed(&scene.export("data", "others.jsonl", &["ann", "cid"]));
    let listed = get(&server, "/lists");
    let why = listed[1]["unreadable"]["why"].as_str().expect("a text");
    assert!(why.contains("hotlist export"), "{why}");
    request(&server, "DELETE", "/lists/bob", &Value::Null);
    assert!(server.terminate().success());

    let imported = succeed(&scene.import("bob.jsonl", "data", &[]));
    assert!(imported.contains("; 1 of which the export has nothing"), "{imported}");
    succeed(&scene.import("others.jsonl", "data", &["ann", "--rename", "ann=bob"]));
    let server = Process::start(&scene.path("data"), &[]);
    let entries = get(&server, "/lists/bob/entries");
    assert_eq!(entries.as_array().map(Vec::len), Some(3));
    assert!(get(&server, "/lists/bob")["revision"].as_u64() > Some(1 << 24), "above those of the deleted list");
    add(&server, "bob", &json!({ "title": "New" }));
}

/// Overwrites the pages with the snapshot of a list, whose titles name it. Returns how many there are.
fn zero_pages_of(database: &Path, list: &str) -> usize {
    let db = rusqlite::Connection::open(database).expect("it opens");
    let select = "SELECT pageno FROM dbstat WHERE name = 'lists' AND pagetype = 'overflow'";
    let mut select = db.prepare(select).expect("dbstat");
    let pages = select.query_map([], |row| row.get::<_, usize>(0)).expect("pages").collect::<Result<Vec<_>, _>>();
    let mut bytes = fs::read(database).expect("it is there");
    let title = format!("of {list}");
    let mut count = 0;
    for page in pages.expect("numbers") {
        let page = &mut bytes[(page - 1) * 4_096..page * 4_096];
        if page.windows(title.len()).any(|window| window == title.as_bytes()) {
            page.fill(0);
            count += 1;
        }
    }
    fs::write(database, bytes).expect("it is written");
    count
}

#[test]
fn an_export_goes_through_pipes_and_a_pattern_without_a_list_is_an_error() {
    let scene = Scene::new();
    let server = start(&scene.path("data"));
    fill(&server);
    let mut export = program();
    export.arg("export").args(["b*", "again", "--data"]).arg(scene.path("data")).stdout(Stdio::piped());
    let mut export = export.stderr(Stdio::null()).spawn().expect("it runs");
    let mut import: Command = program();
    import.args(["import", "-", "--prefix", "old/", "--rename", "again=once", "--json", "--data"]);
    let imported =
        import.arg(scene.path("new")).stdin(export.stdout.take().expect("a pipe")).output().expect("it runs");
    assert!(export.wait().expect("it ends").success());
    let summary: Value = serde_json::from_str(&succeed(&imported)).expect("JSON");
    assert_eq!(summary["lists"], 3, "{summary}");
    let names = get(&start(&scene.path("new")), "/lists");
    let names: Vec<_> = names.as_array().expect("an array").iter().map(|list| list["name"].clone()).collect();
    assert_eq!(names, ["old/board", "old/bob", "once"]);

    let none = scene.export("data", "none.jsonl", &["bop"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(stderr(&none).contains("no list has a name like \"bop\""), "{}", stderr(&none));
    assert!(!scene.path("none.jsonl").exists(), "it would be in the way of the next attempt");
    succeed(&scene.export("data", "all.jsonl", &[]));
    let again = scene.export("data", "all.jsonl", &[]);
    assert!(stderr(&again).contains("File exists"), "{}", stderr(&again));
}

#[test]
fn an_import_into_a_directory_in_use_or_of_a_file_that_is_cut_changes_nothing() {
    let scene = Scene::new();
    let server = start(&scene.path("data"));
    fill(&server);
    succeed(&scene.export("data", "lists.jsonl", &[]));
    let refused = scene.import("lists.jsonl", "data", &[]);
    assert!(stderr(&refused).contains("is in use by another process"), "{}", stderr(&refused));
    let text = fs::read(scene.path("lists.jsonl")).expect("it is there");
    fs::write(scene.path("cut.jsonl"), &text[..text.len() / 2]).expect("it is written");
    let refused = scene.import("cut.jsonl", "new", &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("the export is cut off"), "{}", stderr(&refused));
    assert!(!scene.path("new").exists());
}

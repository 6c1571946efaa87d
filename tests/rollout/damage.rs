//! The real program on a data directory in which files of its logics are damaged.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::component;
use crate::support::process::{Process, program, send, upload};

/// A data directory, and the log of the server that ran on it last.
struct Directory(tempfile::TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn start(&self) -> Process {
        self.start_with(&[])
    }

    fn start_with(&self, arguments: &[&OsStr]) -> Process {
        Process::logging_to(&self.0.path().join("log"), &self.data(), arguments)
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// Damages files of a logic, and starts a server.
    fn start_damaged(&self, logic: &str, files: &[&str]) -> Process {
        for file in files {
            let file = self.data().join("logic").join(logic).join(file);
            let bytes = fs::read(&file).expect("the file is there").len();
            flip(&file, bytes / 2);
        }
        self.start()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.0.path().join("log")).expect("the log is text")
    }
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).expect("the file is there");
    bytes[at] ^= 1;
    fs::write(file, bytes).expect("the file is written");
}

#[test]
fn a_server_with_damaged_compiled_code_compiles_it_again_and_says_so() {
    let directory = Directory::new();
    directory.start().terminate();
    assert_eq!(directory.log(), "");
    let code = directory.data().join("compiled/modules");
    let compilers = fs::read_dir(code).expect("a directory").map(|entry| entry.expect("an entry").path());
    let files = compilers.flat_map(|compiler| fs::read_dir(compiler).expect("a directory"));
    let files: Vec<_> = files.map(|entry| entry.expect("an entry").path()).collect();
    let code: Vec<_> = files.iter().filter(|file| file.extension().is_none()).collect();
    assert_eq!(code.len(), 5, "the code of each built-in logic: {files:?}");
    for (at, file) in code.iter().enumerate() {
        let bytes = fs::read(file).expect("the file is there").len();
        flip(file, (at + 1) * bytes / 7);
    }
    let server = directory.start();
    let (status, _) = send(server.address, "POST", "/lists/bob/entries", r#"{"title": "bread"}"#);
    assert_eq!(status, 201);
    server.terminate();
    assert_eq!(directory.log().matches("compiled code is damaged").count(), 5, "{}", directory.log());

    directory.start().terminate();
    assert_eq!(directory.log(), "", "the code was sealed anew");
}

/// The title of the live version of a logic.
fn live(server: &Process, logic: &str) -> Value {
    server.get(&format!("/logic/{logic}")).1["live"]["title"].clone()
}

fn add(server: &Process, list: &str) -> (u16, Value) {
    send(server.address, "POST", &format!("/lists/{list}/entries"), r#"{"title": "bread"}"#)
}

/// A data directory with a list of a logic that was published twice: first as `todo`, then as `kanban`.
fn published_twice() -> Directory {
    let directory = Directory::new();
    let server = directory.start();
    for plugin in ["todo", "kanban"] {
        assert_eq!(upload(server.address, "rules", component(plugin)).0, 201);
    }
    assert_eq!(send(server.address, "PUT", "/lists/bob", r#"{"logic": "rules"}"#).0, 201);
    server.terminate();
    directory
}

#[test]
fn a_logic_whose_rollout_state_is_damaged_goes_on_with_the_state_before_and_says_so() {
    let directory = published_twice();
    let server = directory.start_damaged("rules", &["standing.json"]);
    assert!(directory.log().contains("the state before its last change is in effect"), "{}", directory.log());
    let (_, logic) = server.get("/logic/rules");
    assert_eq!(logic["live"]["title"], "Todo");
    let failure = logic["failure"].as_str().expect("it says why");
    assert!(failure.contains("standing.json") && failure.contains("the state before"), "{failure}");
    assert_eq!(add(&server, "bob").0, 201);
    assert_eq!(upload(server.address, "rules", component("kanban")).0, 201);
    server.terminate();
    let server = directory.start();
    assert_eq!((live(&server, "rules"), live(&server, "todo")), (json!("Kanban"), json!("Todo")));
}

#[test]
fn a_logic_without_a_readable_rollout_state_is_the_only_one_that_is_not_loaded() {
    let directory = published_twice();
    let server = directory.start_damaged("rules", &["standing.json", "standing.json.previous"]);
    assert!(directory.log().contains("cannot read the rollout state"), "{}", directory.log());
    let (status, logic) = server.get("/logic/rules");
    assert_eq!((status, &logic["state"], &logic["live"]), (200, &json!("failed"), &Value::Null));
    assert!(logic["failure"].as_str().is_some_and(|why| why.contains("standing.json")), "{logic}");
    let (status, problem) = add(&server, "bob");
    assert_eq!((status, &problem["type"]), (503, &json!("urn:hotlist:problem:logic-not-loaded")), "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("GET /logic/rules")), "{problem}");
    assert_eq!(add(&server, "alice").0, 201, "the lists of other logics are served");

    assert_eq!(upload(server.address, "rules", component("kanban")).0, 201);
    assert_eq!(add(&server, "bob").0, 201);
    server.terminate();
    let server = directory.start();
    assert_eq!(live(&server, "rules"), "Kanban");
}

#[test]
fn a_file_in_the_watched_directory_is_published_where_the_rollout_state_cannot_be_read() {
    let directory = published_twice();
    let watched = directory.0.path().join("plugins");
    fs::create_dir(&watched).expect("a directory");
    fs::write(watched.join("rules.wasm"), component("kanban")).expect("it is written");
    for file in ["standing.json", "standing.json.previous"] {
        fs::write(directory.data().join("logic/rules").join(file), "{").expect("it is written");
    }
    let server = directory.start_with(&["--plugins".as_ref(), watched.as_ref()]);
    assert!(directory.log().contains("cannot read the rollout state"), "{}", directory.log());
    assert_eq!(live(&server, "rules"), "Kanban");
    assert_eq!(add(&server, "bob").0, 201);
}

#[test]
fn a_default_logic_without_a_readable_rollout_state_is_the_built_in_one_and_another_built_in_one_is_not_loaded() {
    let directory = Directory::new();
    directory.start().terminate();
    for logic in ["todo", "kanban"] {
        let state = directory.data().join("logic").join(logic).join("standing.json");
        fs::write(state, "{").expect("the state is written");
    }
    let server = directory.start();
    assert_eq!(directory.log().matches("cannot read the rollout state").count(), 2, "{}", directory.log());
    assert_eq!((live(&server, "todo"), live(&server, "kanban")), (json!("Todo"), Value::Null));
    assert_eq!(add(&server, "bob").0, 201);
    server.terminate();
    let kept = directory.data().join("logic/todo/standing.json.damaged");
    assert_eq!(fs::read(kept).expect("it is kept"), b"{");
}

#[test]
fn a_server_whose_default_logic_has_no_readable_rollout_state_and_is_not_built_in_says_so_and_does_not_start() {
    let directory = published_twice();
    let folder = directory.data().join("logic/rules");
    for file in ["standing.json", "standing.json.previous"] {
        fs::write(folder.join(file), "").expect("it is written");
    }
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "off", "--default-logic", "rules", "--data"]);
    let output = command.arg(directory.data()).output().expect("the program starts");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("--default-logic rules is not loaded: cannot read"), "{message}");
    assert!(message.contains("standing.json.previous"), "{message}");
}

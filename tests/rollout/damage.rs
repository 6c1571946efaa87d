//! The real program on a data directory in which compiled code or rollout states are damaged, or which an earlier version
//! wrote.

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

    /// The database of a server that does not run.
    fn sql(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.data().join("hotlist.db")).expect("a database")
    }

    /// Damages the rollout state of a logic in these tables.
    fn damage(&self, logic: &str, tables: &[&str]) {
        for table in tables {
            let damage = format!("UPDATE {table} SET record = substr(record, 1, length(record) - 1) WHERE key = ?1");
            assert_eq!(self.sql().execute(&damage, [logic]).expect("it is damaged"), 1);
        }
    }

    /// Damages the rollout state of a logic, and starts a server.
    fn start_damaged(&self, logic: &str, tables: &[&str]) -> Process {
        self.damage(logic, tables);
        self.start()
    }

    /// Moves the rollout states of a logic into files, as versions before this one kept them.
    fn make_files(&self, logic: &str) {
        let folder = self.data().join("logic").join(logic);
        for (table, file) in [("records", "standing.json"), ("previous_records", "standing.json.previous")] {
            let select = format!("SELECT substr(record, 6) FROM {table} WHERE kind = 'rollout' AND key = ?1");
            let state: Vec<u8> = self.sql().query_row(&select, [logic], |row| row.get(0)).expect("it is there");
            fs::write(folder.join(file), state).expect("it is written");
            self.sql().execute(&format!("DELETE FROM {table} WHERE key = ?1"), [logic]).expect("it is deleted");
        }
    }

    /// The state files of a logic.
    fn files(&self, logic: &str) -> Vec<String> {
        let entries = fs::read_dir(self.data().join("logic").join(logic)).expect("a directory");
        let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text"));
        let mut names: Vec<_> = names.filter(|name| !name.ends_with(".wasm")).collect();
        names.sort();
        names
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
    let server = directory.start_damaged("rules", &["records"]);
    assert!(directory.log().contains("the state before its last change is in effect"), "{}", directory.log());
    let (_, logic) = server.get("/logic/rules");
    assert_eq!(logic["live"]["title"], "Todo");
    let failure = logic["failure"].as_str().expect("it says why");
    assert!(failure.contains("the checksum") && failure.contains("the state before"), "{failure}");
    assert_eq!(add(&server, "bob").0, 201);
    assert_eq!(upload(server.address, "rules", component("kanban")).0, 201);
    server.terminate();
    let server = directory.start();
    assert_eq!((live(&server, "rules"), live(&server, "todo")), (json!("Kanban"), json!("Todo")));
}

#[test]
fn a_logic_without_a_readable_rollout_state_is_the_only_one_that_is_not_loaded() {
    let directory = published_twice();
    let server = directory.start_damaged("rules", &["records", "previous_records"]);
    assert!(directory.log().contains("cannot read the rollout state"), "{}", directory.log());
    let (status, logic) = server.get("/logic/rules");
    assert_eq!((status, &logic["state"], &logic["live"]), (200, &json!("failed"), &Value::Null));
    assert!(logic["failure"].as_str().is_some_and(|why| why.contains("the previous state: ")), "{logic}");
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
    directory.damage("rules", &["records", "previous_records"]);
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
        directory.damage(logic, &["records"]);
        directory.sql().execute("DELETE FROM previous_records WHERE key = ?1", [logic]).expect("it is deleted");
    }
    let server = directory.start();
    assert_eq!(directory.log().matches("cannot read the rollout state").count(), 2, "{}", directory.log());
    assert_eq!((live(&server, "todo"), live(&server, "kanban")), (json!("Todo"), Value::Null));
    assert_eq!(add(&server, "bob").0, 201);
    server.terminate();
    assert_eq!((directory.files("todo"), directory.files("kanban")), (vec!["state.damaged".to_owned()], vec![]));
    let kept = directory.sql().query_row("SELECT key FROM damaged_records", [], |row| row.get::<_, String>(0));
    assert_eq!(kept.expect("it is kept"), "todo");
}

#[test]
fn a_server_whose_default_logic_has_no_readable_rollout_state_and_is_not_built_in_says_so_and_does_not_start() {
    let directory = published_twice();
    directory.damage("rules", &["records", "previous_records"]);
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "off", "--default-logic", "rules", "--data"]);
    let output = command.arg(directory.data()).output().expect("the program starts");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("--default-logic rules is not loaded: cannot read"), "{message}");
    assert!(message.contains("the previous state: "), "{message}");
}

#[test]
fn the_states_that_an_earlier_version_kept_in_files_are_imported_once() {
    let directory = published_twice();
    directory.make_files("rules");
    assert_eq!(directory.files("rules"), ["standing.json", "standing.json.previous"]);
    for _ in 0..2 {
        let server = directory.start();
        assert_eq!(live(&server, "rules"), "Kanban");
        assert_eq!(server.get("/logic/rules").1["last_good"]["title"], "Todo");
        assert_eq!(add(&server, "bob").0, 201);
        server.terminate();
        assert_eq!(directory.files("rules"), [""; 0]);
    }
    let server = directory.start_damaged("rules", &["records"]);
    assert_eq!(live(&server, "rules"), "Todo", "the state before the last change was imported, too");
}

#[test]
fn damaged_files_of_an_earlier_version_are_imported_as_far_as_they_are_sound_and_kept() {
    let directory = published_twice();
    directory.make_files("rules");
    let folder = directory.data().join("logic/rules");
    fs::write(folder.join("standing.json"), "{").expect("it is damaged");
    let server = directory.start();
    assert!(directory.log().contains("the state before its last change is in effect"), "{}", directory.log());
    assert_eq!(live(&server, "rules"), "Todo");
    let failure = server.get("/logic/rules").1["failure"].clone();
    assert!(failure.as_str().is_some_and(|why| why.contains("standing.json")), "{failure}");
    server.terminate();
    assert_eq!(directory.files("rules"), ["state.damaged"]);

    let directory = published_twice();
    directory.make_files("rules");
    let folder = directory.data().join("logic/rules");
    for file in ["standing.json", "standing.json.previous"] {
        fs::write(folder.join(file), "{").expect("it is damaged");
    }
    for _ in 0..2 {
        let server = directory.start();
        assert!(directory.log().contains("cannot read the rollout state"), "{}", directory.log());
        assert_eq!((live(&server, "rules"), live(&server, "todo")), (Value::Null, json!("Todo")));
        server.terminate();
    }
    let server = directory.start();
    assert_eq!(upload(server.address, "rules", component("kanban")).0, 201);
    server.terminate();
    assert_eq!(live(&directory.start(), "rules"), "Kanban");
    assert_eq!(directory.files("rules"), ["state.damaged", "state.previous.damaged"]);
}

#[test]
fn an_import_that_was_killed_anywhere_is_repeated() {
    for point in ["state-partly-imported", "state-imported"] {
        let directory = published_twice();
        directory.make_files("rules");
        Process::killed_at_start(&directory.data(), point);
        assert!(directory.files("rules").contains(&"standing.json".into()), "{point}");
        let server = directory.start();
        assert_eq!(live(&server, "rules"), "Kanban", "{point}");
        server.terminate();
        let server = directory.start_damaged("rules", &["records"]);
        assert_eq!(live(&server, "rules"), "Todo", "{point}");
    }
}

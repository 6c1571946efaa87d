//! `hotlist logic`, against a running server.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::run;
use crate::support::component;
use crate::support::process::{Process, send};
use crate::support::rules::{marked, renumbered};

/// An operator's command line, with files to push.
struct Operator {
    server: Process,
    folder: tempfile::TempDir,
}

impl Operator {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let server = Process::start(&folder.path().join("data"), &[]);
        Self { server, folder }
    }

    /// A file with a component.
    fn file(&self, name: &str, component: Vec<u8>) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, component).expect("it is written");
        path.to_str().expect("text").to_owned()
    }

    /// Runs `hotlist logic …`. Returns the exit code, the output and the error output.
    fn logic(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let server = format!("--server=http://{}", self.server.address);
        let (output, stdout, stderr) = run(&[&["logic", &server], arguments].concat());
        (output.status.code(), stdout, stderr)
    }

    /// Runs a command that succeeds. Returns its output.
    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let (code, stdout, stderr) = self.logic(arguments);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}: {stdout}");
        stdout
    }

    /// Runs a command that the server refuses. Returns the error.
    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> String {
        let (code, stdout, stderr) = self.logic(arguments);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{arguments:?}: {stderr}");
        stderr
    }
}

#[test]
fn an_operator_pushes_a_version_tries_it_and_makes_it_live_or_not() {
    let operator = Operator::new();
    let first = operator.file("first.wasm", component("todo"));
    let second = operator.file("second.wasm", renumbered("todo", "1.1.0"));
    assert!(operator.done(&["push", "rules", &first, "--dry-run"]).contains("would be accepted; nothing was changed"));
    assert!(operator.refused(&["status", "rules"]).contains("404"), "nothing was changed");
    assert!(operator.done(&["push", "rules", &first, "--live"]).contains("is live\ngates"));
    assert!(operator.done(&["push", "rules", &first]).contains("is live already"));
    assert!(operator.done(&["push", "rules", &second]).contains("is stored, and decides nothing yet"));

    let shadow = operator.done(&["shadow", "rules", "1.1.0"]);
    assert!(shadow.contains("became the candidate by 127.0.0.1: in the shadow of the live version"), "{shadow}");
    let canary = operator.done(&["canary", "rules", "10"]);
    assert!(canary.contains("canary for 10 % of the lists and in the shadow of the live version"), "{canary}");
    let timed = operator.done(&["canary", "rules", "20", "--until", "24h", "--then", "live"]);
    assert!(timed.contains("it becomes live after that, unless it fails"), "{timed}");
    assert!(operator.done(&["status", "rules"]).contains("canary 20 % until 20"), "{timed}");
    operator.done(&["canary", "rules", "0"]);
    operator.done(&["canary", "rules", "10"]);
    assert!(operator.done(&["shadow", "rules", "--off"]).contains("canary for 10 % of the lists\n"));
    let status = operator.done(&["status"]);
    let row = status.lines().find(|line| line.starts_with("rules ")).expect("a row");
    assert!(row.contains(" live ") && row.contains(", canary 10 %"), "{status}");
    assert!(operator.done(&["promote", "rules"]).contains("1.1.0 (sha256:"));
    let details = operator.done(&["status", "rules"]);
    assert!(details.contains("live       1.1.0 sha256:") && details.contains("last good  1.0.0 sha256:"), "{details}");
    assert!(operator.done(&["rollback", "rules"]).contains("1.0.0 (sha256:"));
    assert!(operator.refused(&["rollback", "rules"]).contains("there is no last-good version of rules"));
    assert_eq!(operator.done(&["withdraw", "rules"]), "rules: nothing was changed\n");
    let json: Value = serde_json::from_str(&operator.done(&["--json", "promote", "rules", "1.1"])).expect("JSON");
    assert_eq!(json["live"]["version"], "1.1.0");

    // A version that several names mean is named, before anything changes.
    let twin = operator.file("twin.wasm", marked("todo", 1));
    let pushed: Value = serde_json::from_str(&operator.done(&["push", "rules", &twin, "--json"])).expect("JSON");
    let ambiguous = operator.refused(&["promote", "rules", "1.0.0"]);
    assert!(ambiguous.contains("1.0.0 names 2 versions of rules") && ambiguous.contains("last-good"), "{ambiguous}");
    let twin = &pushed["digest"].as_str().expect("a digest")[..15];
    assert!(operator.done(&["delete", "rules", twin]).contains("was deleted by 127.0.0.1"));
    assert!(operator.refused(&["promote", "rules", "9"]).contains("there is no version 9 of rules"));
    assert!(operator.refused(&["delete", "rules", "1.1.0"]).contains("it is live"));
    let broken = operator.file("broken.wasm", b"no component".to_vec());
    assert!(operator.refused(&["push", "rules", &broken]).contains("not a WebAssembly component"));
    assert!(operator.done(&["why", "rules"]).contains("the last component of rules was refused: it is not"));
}

#[test]
fn a_list_that_exists_is_pinned_to_a_version_and_follows_the_live_one_again() {
    let operator = Operator::new();
    let address = operator.server.address;
    assert_eq!(send(address, "POST", "/lists/house%20two/entries", r#"{"title": "a"}"#).0, 201);
    let pinned = || send(address, "GET", "/lists/house%20two", "").1["pin"].clone();
    assert!(operator.done(&["pin", "todo", "1.0", "house two"]).contains("house two is pinned to todo@1.0\n"));
    assert_eq!(pinned(), "1.0", "of this number always the newest");
    for n in 0..120 {
        // More than a page.
        let path = format!("/lists/list%20{n}/entries");
        assert_eq!(send(address, "POST", &path, r#"{"title": "a"}"#).0, 201);
    }
    let lists = operator.done(&["lists", "todo"]);
    assert!(lists.starts_with("NAME") && lists.lines().count() == 122, "{lists}");
    let lists = operator.done(&["lists", "todo", "--state", "pinned"]);
    let rows: Vec<_> = lists.lines().skip(1).collect();
    assert!(matches!(&rows[..], [row] if row.starts_with("house two ") && row.ends_with(" pinned")), "{lists}");
    let lines = operator.done(&["lists", "todo", "--state", "pinned", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&lines).expect("JSON")["states"], serde_json::json!(["pinned"]));
    let digest = send(address, "GET", "/logic/todo", "").1["live"]["digest"].as_str().expect("a digest").to_owned();
    operator.done(&["pin", "todo", &digest[..12], "house two"]);
    assert_eq!(pinned(), digest.as_str());
    let of_another = operator.refused(&["unpin", "kanban", "house two"]);
    assert!(of_another.contains("its logic is todo"), "{of_another}");
    assert_eq!(pinned(), digest.as_str(), "no list is moved to another logic");
    assert!(operator.done(&["unpin", "todo", "house two"]).contains("follows the live version of todo"));
    assert_eq!(pinned(), Value::Null);
    assert!(operator.refused(&["pin", "todo", "1", "hoose"]).contains("404"), "a misspelled name makes no list");
    assert_eq!(send(address, "GET", "/lists/hoose", "").0, 404);
}

#[test]
fn usage_that_is_wrong_and_a_server_that_is_not_there_have_exit_codes_of_their_own() {
    let wrong: [&[&str]; 4] =
        [&["canary", "rules", "101"], &["promote", "rules", "latest"], &["push", "rules"], &["frob"]];
    for arguments in wrong {
        let (output, _, stderr) = run(&[&["logic"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    }
    for (server, code) in [("unix:/nonexistent/socket", 3), ("ftp://127.0.0.1", 2)] {
        let (output, _, stderr) = run(&["logic", "status", "--server", server]);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(server), "{stderr}");
    }
    let (output, _, stderr) = run(&["logic", "push", "rules", "/nonexistent.wasm"]);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(!Path::new("/nonexistent").exists());
    let (output, stdout, _) = run(&["logic", "--help"]);
    assert!(output.status.success());
    for word in ["hotlist logic canary kanban 10", "HOTLIST_SERVER", "Exit codes:", "last-good"] {
        assert!(stdout.contains(word), "{word} is not in {stdout}");
    }
}

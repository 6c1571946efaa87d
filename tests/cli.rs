//! The command line, as a person and as a script meet it.

mod support;

use std::fs;
use std::net::TcpListener;
use std::process::Output;

use serde_json::Value;
use support::component;
use support::process::{Process, program};

fn run(arguments: &[&str]) -> (Output, String, String) {
    let output = program().args(arguments).output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    (output, said, complained)
}

#[test]
fn help_teaches_and_usage_errors_are_2() {
    let (output, said, _) = run(&["--help"]);
    assert!(output.status.success());
    for word in ["Examples:", "HOTLIST_LISTEN", "127.0.0.1:8080", "plugin"] {
        assert!(said.contains(word), "{word} is not in {said}");
    }
    let (output, _, complained) = run(&["--lisen", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(complained.contains("--listen"), "{complained}");
    let (output, _, complained) = run(&["--idle", "soon"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(complained.contains("write it as 60s"), "{complained}");
}

#[test]
fn listening_to_the_world_without_access_control_is_refused() {
    let data = tempfile::tempdir().expect("a directory");
    let data = data.path().to_str().expect("text");
    let (output, _, complained) = run(&["--listen", "0.0.0.0:0", "--data", data]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complained.contains("--allow-anonymous") && complained.contains("--caller-header"), "{complained}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let data = tempfile::tempdir().expect("a directory");
    let (output, _, complained) = run(&["--listen", &address, "--data", data.path().to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complained.contains(&format!("cannot listen on {address}")), "{complained}");
}

#[test]
fn a_second_server_on_the_same_data_is_refused_and_the_first_goes_on() {
    let data = tempfile::tempdir().expect("a directory");
    let first = Process::start(data.path(), &[]);
    let (output, _, complained) = run(&["--listen", "127.0.0.1:0", "--data", data.path().to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complained.contains("in use by another process"), "{complained}");
    assert_eq!(first.get("/readyz").0, 200);
    assert!(first.terminate().success());
}

#[test]
fn a_flag_can_be_said_in_the_environment() {
    let data = tempfile::tempdir().expect("a directory");
    let mut command = program();
    command.env("HOTLIST_LISTEN", "0.0.0.0:0").env("HOTLIST_DATA", data.path());
    let output = command.output().expect("the program starts");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--listen 0.0.0.0:0 is reachable"));
}

#[test]
fn plugin_check_says_what_a_component_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("mine.wasm");
    fs::write(&file, component("todo")).expect("it is written");
    let file = file.to_str().expect("text");
    let (output, said, _) = run(&["plugin", "check", file]);
    assert!(output.status.success());
    for line in ["mine@1.0.0+sha256:", "clear-completed()", "hotlist:logic/current-list@0.1.0", "by-date"] {
        assert!(said.contains(line), "{line} is not in {said}");
    }
    let (output, said, _) = run(&["plugin", "check", "--json", file]);
    assert!(output.status.success());
    let report: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((&report["taken"], &report["description"]["version"]), (&true.into(), &"1.0.0".into()));
}

#[test]
fn plugin_check_measures_every_command_warm_and_fresh() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("mine.wasm");
    fs::write(&file, component("strict")).expect("it is written");
    let file = file.to_str().expect("text");
    let (_, said, _) = run(&["plugin", "check", file]);
    let table: Vec<_> = said.lines().skip_while(|line| !line.starts_with("command  ")).collect();
    let row = |name: &str, instance: &str| {
        let row = |line: &&&str| line.split_whitespace().collect::<Vec<_>>().starts_with(&[name, instance]);
        table.iter().find(row).unwrap_or_else(|| panic!("{name} {instance} is not in {said}"))
    };
    assert!(row("clear-completed", "warm").len() == row("add-entry", "fresh").len(), "{said}");
    let (_, said, _) = run(&["plugin", "check", "--json", file]);
    let gates = &serde_json::from_str::<Value>(&said).expect("JSON")["gates"];
    assert_eq!((&gates["passed"], &gates["failures"]), (&true.into(), &Value::Array(Vec::new())));
    let costs = &gates["costs"][0];
    assert!(costs["command"] == "add-entry" && costs["fresh"]["worst"]["fuel"].as_u64() > Some(0), "{costs}");
}

#[test]
fn plugin_check_fails_at_a_gate_and_says_what_was_asked() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("mine.wasm");
    fs::write(&file, component("hostile")).expect("it is written");
    let (output, said, complained) = run(&["plugin", "check", file.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complained.contains("fails its gates"), "{complained}");
    for part in ["FAILED view trap: it trapped", "asked  view = { name = \"trap\"", "about  no entries"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[test]
fn plugin_check_fails_for_what_no_server_would_take() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("core.wasm");
    fs::write(&file, wat::parse_str("(module)").expect("it parses")).expect("it is written");
    let (output, _, complained) = run(&["plugin", "check", file.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complained.contains("core module"), "{complained}");
    let (output, _, complained) = run(&["plugin", "check", "/nowhere/none.wasm"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complained.contains("cannot read /nowhere/none.wasm"), "{complained}");
}

#[test]
fn plugin_build_outside_of_a_crate_says_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let (output, _, complained) = run(&["plugin", "build", directory.path().to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complained.contains("Cargo.toml"), "{complained}");
}

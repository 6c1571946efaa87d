//! Tests of `hotlist plugin diff`, on the data directory of a running server and over HTTP.

mod support;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use support::component;
use support::process::{Process, program, send};

/// A server on a data directory, and components to compare.
struct Scene {
    folder: tempfile::TempDir,
    server: Process,
}

/// The outcome of one run of the program.
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Scene {
    fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let arguments: Vec<_> = arguments.iter().map(OsStr::new).collect();
        let server = Process::start(&folder.path().join("data"), &arguments);
        for name in ["todo", "strict", "hostile", "kanban"] {
            fs::write(folder.path().join(format!("{name}.wasm")), component(name)).expect("it is written");
        }
        Self { folder, server }
    }

    /// A server with three lists of the default logic. The strict logic would refuse three of their commands: it allows
    /// a title once a day and at most five open entries.
    fn with_lists(arguments: &[&str]) -> Self {
        let scene = Self::start(arguments);
        for (list, titles) in
            [("eve", &["Tea", "Milk", "Tea"][..]), ("team/a", &["1", "2", "3", "4", "5", "6", "6"]), ("calm", &["Rye"])]
        {
            titles.iter().for_each(|title| scene.add(list, title));
        }
        scene
    }

    fn add(&self, list: &str, title: &str) {
        let path = format!("/lists/{}/entries", list.replace('/', "%2F"));
        let (status, response) = send(self.server.address, "POST", &path, &format!(r#"{{"title":"{title}"}}"#));
        assert_eq!(status, 201, "{response}");
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Compares on the data directory.
    fn diff(&self, new: &str, arguments: &[&str]) -> Ran {
        let data = self.file("data");
        let all = [&["--data", data.to_str().expect("text")], arguments].concat();
        run(&self.file(new), &all)
    }

    /// Compares over HTTP.
    fn remotely(&self, new: &str, arguments: &[&str]) -> Ran {
        let url = format!("http://{}/", self.server.address);
        run(&self.file(new), &[&["--server", &url], arguments].concat())
    }
}

fn run(new: &Path, arguments: &[&str]) -> Ran {
    let mut command = program();
    command.args(["plugin", "diff"]).arg(new).args(arguments);
    // A proxy cannot reach this machine's loopback address.
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name);
    }
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

impl Ran {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {} {}", self.stdout, self.stderr))
    }
}

#[test]
fn a_diff_finds_commands_that_stricter_logic_refuses_beside_a_running_server() {
    let scene = Scene::with_lists(&[]);
    let ran = scene.diff("strict.wasm", &["--logic", "todo"]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stderr, "", "no bar where there is no terminal");
    for part in [
        "3 lists, 11 commands",
        "differ    3 commands in 2 lists: rejection 3",
        "rejection at revision 3 of \"eve\"",
        "  command  add = { title = \"Tea\" }",
        "  before   [{ id = 1, title = \"Tea\", completed = false }, { id = 2, title = \"Milk\"",
        "  old      changes [put = { id = 3, title = \"Tea\", completed = false }]",
        "  new      rejected { code = \"title-twice\"",
        "rejection at revision 6 of \"team/a\"",
        "old       todo@1.0.0+sha256:",
        "fuel p50",
    ] {
        assert!(ran.stdout.contains(part), "{part} is not in {}", ran.stdout);
    }
    // The comparison does not disturb the server.
    scene.add("eve", "Bread");
    assert_eq!(scene.diff("strict.wasm", &["--logic", "todo", "--json"]).json()["commands"], 12);
    assert!(scene.server.terminate().success());
}

#[test]
fn json_reports_the_same_from_the_directory_and_from_the_server() {
    let scene = Scene::with_lists(&[]);
    let arguments = ["--logic", "todo", "--json"];
    let (near, far) = (scene.diff("strict.wasm", &arguments), scene.remotely("strict.wasm", &arguments));
    assert_eq!((near.code, far.code), (Some(1), Some(1)), "{}", far.stderr);
    let (mut near, mut far) = (near.json(), far.json());
    for side in ["old", "new"] {
        let (near, far) = (near[side].as_object_mut().expect("a side"), far[side].as_object_mut().expect("a side"));
        let times = near.remove("nanoseconds").expect("times");
        far.remove("nanoseconds").expect("times");
        assert!(times["p50"].as_u64() > Some(0) && times["p50"].as_u64() <= times["max"].as_u64(), "{times}");
        // An instance's first command costs more fuel, and the threads share the lists differently in each run.
        let fuel = near.remove("fuel").expect("fuel");
        far.remove("fuel").expect("fuel");
        assert!(fuel["p99"].as_u64() > Some(0), "{fuel}");
        assert_eq!((&near["measured"], &near["faults"]), (&11.into(), &serde_json::json!({})));
    }
    assert_eq!(near, far);
    assert_eq!((&near["logic"], &near["lists"], &near["commands"]), (&"todo".into(), &3.into(), &11.into()));
    let kinds = serde_json::json!({"changes": 0, "rejection": 3, "fault": 0, "migration": 0});
    assert_eq!(near["differing"], serde_json::json!({"lists": 2, "commands": 3, "kinds": kinds}));
    let first = &near["differences"][0];
    assert_eq!((&first["list"], &first["revision"], &first["kind"]), (&"eve".into(), &3.into(), &"rejection".into()));
    for member in ["command", "before", "old", "new"] {
        assert!(first[member].is_string(), "{member}");
    }
    assert_eq!(near["refusal"], Value::Null, "a server would take it");
    assert_eq!(near["unreadable"], serde_json::json!({"lists": 0, "first": []}));
}

#[test]
fn the_exit_code_is_0_without_differences_in_the_selected_lists() {
    let scene = Scene::with_lists(&[]);
    let same = scene.diff("todo.wasm", &[]);
    assert_eq!((same.code, same.stdout.contains("differ    nothing")), (Some(0), true), "{}", same.stderr);
    assert_eq!(scene.diff("strict.wasm", &["--logic", "todo", "--lists", "ca?m"]).code, Some(0));
    let some = scene.remotely("strict.wasm", &["--logic", "todo", "--lists", "team*", "--json"]);
    assert_eq!((some.code, &some.json()["lists"]), (Some(1), &1.into()));
    let against = scene.file("strict.wasm");
    let against = ["--logic", "todo", "--against", against.to_str().expect("text")];
    assert_eq!(scene.diff("strict.wasm", &against).code, Some(0));
    // No list is bound to a logic of that name.
    let other = scene.diff("strict.wasm", &["--json"]);
    assert_eq!((other.code, &other.json()["commands"]), (Some(0), &0.into()));
}

#[test]
fn faults_are_counted_by_kind_and_the_logs_of_a_guest_are_not_printed() {
    let scene = Scene::start(&[]);
    ["milk", "trap", "foreign-id", "note"].iter().for_each(|title| scene.add("bob", title));
    let ran = scene.diff("hostile.wasm", &["--logic", "todo", "--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""));
    let report = ran.json();
    assert_eq!(report["new"]["faults"], serde_json::json!({"trap": 1, "violation": 1}));
    assert_eq!(report["differing"]["kinds"]["fault"], 2);
    assert!(report["differences"][0]["new"].as_str().is_some_and(|new| new.starts_with("failed: it trapped")));
    let refusal = report["refusal"].as_str().expect("a refusal");
    assert!(refusal.starts_with("no server would take it: it fails its gates: "), "{refusal}");
    let text = scene.diff("hostile.wasm", &["--logic", "todo"]).stdout;
    assert!(text.starts_with(&format!("refused   {refusal}\nold ")) && text.contains("trap 1, violation 1"), "{text}");
    // One that no list would show, too.
    let unused = scene.diff("hostile.wasm", &["--logic", "todo", "--lists", "none"]);
    assert_eq!((unused.code, unused.stdout.contains("differ    nothing")), (Some(1), true), "{}", unused.stdout);
}

#[test]
fn logic_with_another_schema_migrates_a_list_before_it_decides() {
    let scene = Scene::with_lists(&[]);
    let ran = scene.diff("kanban.wasm", &["--logic", "todo", "--json", "--lists", "eve"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""));
    let report = ran.json();
    assert_eq!((&report["commands"], &report["differing"]["kinds"]["migration"]), (&3.into(), &0.into()));
    let first = &report["differences"][0];
    assert!(first["new"].as_str().is_some_and(|new| new.contains("column")), "{first}");
}

#[test]
fn a_header_names_the_caller_to_a_server_that_requires_one() {
    let scene = Scene::start(&["--caller-header", "x-user"]);
    let refused = scene.remotely("todo.wasm", &[]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("403") && refused.stdout.is_empty(), "{}", refused.stderr);
    let accepted = scene.remotely("todo.wasm", &["--header", "X-User: ann"]);
    assert_eq!(accepted.code, Some(0), "{}", accepted.stderr);
}

#[test]
fn the_exit_code_is_2_and_the_message_says_what_to_do_if_nothing_can_be_compared() {
    let scene = Scene::start(&[]);
    let nowhere = run(&scene.file("todo.wasm"), &["--data", "/nowhere"]);
    assert_eq!(nowhere.code, Some(2));
    assert!(nowhere.stderr.contains("cannot read the rollout states in /nowhere"), "{}", nowhere.stderr);
    let missing = scene.diff("none.wasm", &[]);
    assert_eq!((missing.code, missing.stderr.contains("none.wasm")), (Some(2), true), "{}", missing.stderr);
    let unknown = scene.diff("todo.wasm", &["--logic", "mine"]);
    assert_eq!((unknown.code, unknown.stderr.contains("--against")), (Some(2), true), "{}", unknown.stderr);
    fs::write(scene.file("broken.wasm"), "broken").expect("it is written");
    let broken = scene.diff("broken.wasm", &["--logic", "todo"]);
    assert_eq!((broken.code, broken.stderr.contains("no server accepts")), (Some(2), true));
    for usage in [&["--server", "http://127.0.0.1:1", "--data", "x"][..], &["--header", "a: b"], &["--lists"]] {
        assert_eq!(run(&scene.file("todo.wasm"), usage).code, Some(2), "{usage:?}");
    }
    let (listener, closed) = (std::net::TcpListener::bind("127.0.0.1:0").expect("a port"), scene.file("todo.wasm"));
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let closed = run(&closed, &["--server", &address]);
    assert_eq!((closed.code, closed.stderr.contains("cannot get")), (Some(2), true), "{}", closed.stderr);
}

#[test]
fn an_unreadable_list_is_named_and_makes_a_diff_without_differences_exit_with_2() {
    let scene = Scene::with_lists(&[]);
    let data = scene.file("data");
    let Scene { folder, server } = scene;
    assert!(server.terminate().success());
    let db = rusqlite::Connection::open(data.join("hotlist.db")).expect("a database");
    db.execute("UPDATE lists SET snapshot = zeroblob(9) WHERE name = 'calm'", []).expect("it is damaged");
    drop(db);
    let data = data.to_str().expect("text");
    let diff = |name: &str| run(&folder.path().join(name), &["--data", data, "--logic", "todo"]);
    let open = diff("todo.wasm");
    assert_eq!(open.code, Some(2), "{}", open.stdout);
    assert!(open.stdout.contains("not read  \"calm\": its snapshot row"), "{}", open.stdout);
    assert!(open.stderr.contains("cannot read 1 list"), "{}", open.stderr);
    // A difference in another list decides, whatever the unreadable list holds.
    assert_eq!(diff("strict.wasm").code, Some(1));
}

#[test]
fn a_component_is_compared_with_the_live_version_of_the_data_directory() {
    let scene = Scene::with_lists(&[]);
    let strict = component("strict");
    let digest: String = hotlist::list::digest::hex(&hotlist::list::digest::digest_of(&strict));
    let folder = scene.file("data/logic/todo");
    fs::create_dir_all(&folder).expect("a directory");
    fs::write(folder.join(format!("{digest}.wasm")), strict).expect("it is written");
    fs::write(folder.join("standing.json"), format!(r#"{{"live":"{digest}","since":1,"versions":[],"events":[]}}"#))
        .expect("it is written");
    let ran = scene.diff("todo.wasm", &["--json"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert_eq!(ran.json()["old"]["digest"], format!("sha256:{digest}"));
}

//! Compilations in the child process of a real server: their limits, and that nothing waits for them.

#[path = "compile/hostile.rs"]
mod hostile;
mod support;

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::process::{Process, program, send, upload};
use support::{WAIT_TIMEOUT, component};

/// The longest that a request may take that does not wait for a compiler. A compilation here takes longer.
const PROMPT: Duration = Duration::from_secs(5);

fn start(data: &Path, arguments: &[&str]) -> Process {
    let arguments: Vec<_> = arguments.iter().map(OsStr::new).collect();
    Process::start(data, &arguments)
}

/// The processes whose parent is this one and that have not ended.
fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("a directory").filter_map(Result::ok);
    let numbers = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    numbers
        .filter(|number| state(*number).is_some_and(|(state, its_parent)| its_parent == parent && state != "Z"))
        .collect()
}

/// The state of a process and its parent. `None` if there is no such process.
fn state(process: u32) -> Option<(String, u32)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// Waits for something.
#[track_caller]
fn wait<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(begun.elapsed() < WAIT_TIMEOUT, "{what}");
        std::thread::yield_now();
    }
}

/// Waits until a server compiles, and returns the process that does.
#[track_caller]
fn wait_for_compiler(server: &Process) -> u32 {
    wait("no compilation begins", || children(server.id()).pop())
}

/// Uploads a component from another thread.
fn upload_beside(address: SocketAddr, logic: &'static str, bytes: Vec<u8>) -> JoinHandle<(u16, Value)> {
    std::thread::spawn(move || upload(address, logic, bytes))
}

/// Checks that a component is refused because of a limit, and that nothing else changes.
#[track_caller]
fn check_refused(server: &Process, bytes: Vec<u8>, limit: &Value) {
    let before = server.get("/logic/strict").1["live"]["digest"].clone();
    let (status, problem) = upload(server.address, "strict", bytes);
    assert_eq!(
        (status, &problem["type"], &problem["limit"]),
        (422, &json!("urn:hotlist:problem:component"), limit),
        "{problem}"
    );
    assert_eq!(problem["carried_out"], "no");
    let (_, logic) = server.get("/logic/strict");
    assert_eq!(logic["live"]["digest"], before);
    assert_eq!(logic["failure"], problem["detail"]);
    assert!(children(server.id()).is_empty(), "the compiler is gone");
}

#[test]
fn a_component_that_takes_too_much_memory_or_time_to_compile_is_refused_by_the_name_of_the_limit() {
    let data = tempfile::tempdir().expect("a directory");
    let server = start(data.path(), &["--max-compile-time", "300ms"]);
    let time = json!({"name": "compile time", "value": 300});
    check_refused(&server, hostile::memory_grows(83_000), &time);
    check_refused(&server, hostile::memory_fills(60_000), &time);
    check_refused(&server, hostile::adapters(3_000), &time);
    assert!(server.terminate().success());

    let server = start(data.path(), &["--max-compile-memory", "268435456"]);
    let memory = json!({"name": "compile memory", "value": 268_435_456});
    check_refused(&server, hostile::memory_grows(83_000), &memory);
    assert_eq!(upload(server.address, "mine", component("strict")).0, 201);
    // One that another program built differently from the built-in one is compiled by the child and runs.
    let (status, uploaded) = upload(server.address, "other", hostile::memory_grows(1));
    assert_eq!(status, 201, "{uploaded}");
    let (status, added) = send(server.address, "POST", "/lists/bob/entries", r#"{"title":"milk"}"#);
    assert_eq!(status, 201, "{added}");
}

#[test]
#[ignore = "takes two minutes of the processor: cargo test --test compile -- --ignored"]
#[expect(clippy::print_stdout, reason = "the figures of a long run")]
fn what_took_gigabytes_and_half_a_minute_is_refused_or_compiled_within_the_default_limits() {
    let data = tempfile::tempdir().expect("a directory");
    let server = start(data.path(), &[]);
    for bytes in [hostile::memory_grows(83_000), hostile::memory_fills(60_000), hostile::adapters(3_000)] {
        let size = bytes.len();
        let begun = Instant::now();
        let (status, problem) = upload(server.address, "strict", bytes);
        println!("{size} bytes, {:.1} s: {status} {problem}", begun.elapsed().as_secs_f64());
        assert!(status == 201 || problem["limit"]["name"].as_str().is_some_and(|name| name.starts_with("compile ")));
        assert_eq!(server.get("/readyz").0, 200);
    }
}

#[test]
fn versions_in_memory_change_their_roles_and_uploads_of_others_go_on_beside_a_compilation() {
    let data = tempfile::tempdir().expect("a directory");
    let server = start(data.path(), &[]);
    let address = server.address;
    assert_eq!(upload(address, "mine", component("todo")).0, 201);
    assert_eq!(upload(address, "mine", component("strict")).0, 201);
    let (_, mine) = server.get("/logic/mine");
    let (first, second) = (&mine["last_good"]["digest"], &mine["live"]["digest"]);
    let compiling = upload_beside(address, "mine", hostile::memory_grows(83_000));
    let compiler = wait_for_compiler(&server);

    let begun = Instant::now();
    let (status, logic) = send(address, "PATCH", "/logic/mine", &json!({"live": first, "force": true}).to_string());
    assert_eq!((status, &logic["live"]["digest"]), (200, first), "{logic}");
    for change in [
        json!({"candidate": second, "percent": 50, "force": true}),
        json!({"shadow": true}),
        json!({"candidate": null}),
    ] {
        let (status, logic) = send(address, "PATCH", "/logic/mine", &change.to_string());
        assert_eq!(status, 200, "{logic}");
    }
    let pin = json!({"logic": format!("mine@{}", second.as_str().expect("a digest"))}).to_string();
    let (status, list) = send(address, "PUT", "/lists/bob", &pin);
    assert_eq!(status, 201, "{list}");
    assert!(begun.elapsed() < PROMPT, "it took {:?}", begun.elapsed());
    let (status, uploaded) = upload(address, "other", hostile::memory_grows(1));
    assert_eq!(status, 201, "{uploaded}");
    assert_eq!(children(server.id()), [compiler], "all the while");

    let begun = Instant::now();
    assert!(server.terminate().success());
    assert!(begun.elapsed() < PROMPT, "the stop took {:?}", begun.elapsed());
    let (status, problem) = compiling.join().expect("it gets a reply");
    assert_eq!((status, &problem["type"]), (503, &json!("urn:hotlist:problem:not-ready")), "{problem}");
    assert_eq!(problem["carried_out"], "no");
    assert!(state(compiler).is_none(), "it is gone");
}

#[test]
fn the_compiler_ends_with_its_caller_and_with_its_server_however_that_ends() {
    let data = tempfile::tempdir().expect("a directory");
    let server = start(data.path(), &[]);
    let bytes = hostile::memory_grows(83_000);
    let mut connection = TcpStream::connect(server.address).expect("a connection");
    let head = format!(
        "PUT /logic/mine HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/wasm\r\ncontent-length: {}\r\n\r\n",
        bytes.len()
    );
    connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(&bytes)).expect("it is sent");
    let compiler = wait_for_compiler(&server);
    let begun = Instant::now();
    drop(connection);
    wait("the compiler does not end with its caller", || state(compiler).is_none().then_some(()));
    assert!(begun.elapsed() < PROMPT, "it took {:?}", begun.elapsed());
    assert_eq!(server.get("/readyz").0, 200);

    let _caller = upload_beside(server.address, "mine", bytes);
    let compiler = wait_for_compiler(&server);
    server.kill();
    // Its new parent may be one that waits for no children.
    let has_ended = || state(compiler).is_none_or(|(state, _)| state == "Z");
    wait("the compiler does not end with its server", || has_ended().then_some(()));
    let progress = data.path().join("compiled.in-progress");
    assert_eq!(fs::read_dir(&progress).expect("a directory").count(), 1, "as it was");
    let server = start(data.path(), &[]);
    assert_eq!(fs::read_dir(&progress).map_or(0, Iterator::count), 0, "it is removed at the next start");
    assert!(server.terminate().success());
}

#[test]
fn a_file_that_takes_long_to_compile_gives_way_to_its_newer_bytes() {
    let (data, rules) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let server = start(data.path(), &["--plugins", rules.path().to_str().expect("text")]);
    let save = |bytes: &[u8]| {
        let unfinished = rules.path().join("unfinished");
        fs::write(&unfinished, bytes)
            .and_then(|()| fs::rename(&unfinished, rules.path().join("mine.wasm")))
            .expect("it is saved");
    };
    save(&hostile::memory_grows(83_000));
    let compiler = wait_for_compiler(&server);
    save(&component("strict"));
    let is_live = || server.get("/logic/mine").1["live"]["source"] == "file mine.wasm";
    wait("the newer bytes are not live", || is_live().then_some(()));
    assert!(state(compiler).is_none(), "the older ones are not compiled any more");
    assert_eq!(server.get("/logic/mine").1["failure"], Value::Null);
}

#[test]
fn a_pipe_in_the_plugins_directory_delays_neither_other_files_nor_the_end() {
    let (data, rules) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let pipe = rules.path().join("mine.wasm");
    let file = rules.path().join("file");
    let make_pipe = || {
        let made = std::process::Command::new("mkfifo").arg(rules.path().join("pipe")).status().expect("mkfifo runs");
        assert!(made.success());
    };
    make_pipe();
    fs::rename(rules.path().join("pipe"), &pipe).expect("it is renamed");
    let server = start(data.path(), &["--plugins", rules.path().to_str().expect("text")]);
    // A file and a pipe take turns, so that some are replaced between the look at the name and the opening of the file.
    for turn in 0..100 {
        fs::write(&file, component(if turn % 2 == 0 { "todo" } else { "strict" })).expect("it is written");
        fs::rename(&file, &pipe).expect("it is renamed");
        make_pipe();
        fs::rename(rules.path().join("pipe"), &pipe).expect("it is renamed");
    }
    fs::write(rules.path().join("zebra.wasm"), component("todo")).expect("it is written");
    wait("the other file is not live", || server.get("/logic/zebra").1["live"].is_object().then_some(()));
    let begun = Instant::now();
    assert!(server.terminate().success());
    assert!(begun.elapsed() < PROMPT, "the stop took {:?}", begun.elapsed());
}

#[test]
fn a_plugins_directory_in_which_others_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (data, rules) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    fs::set_permissions(rules.path(), fs::Permissions::from_mode(0o777)).expect("it is set");
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data.path()).arg("--plugins").arg(rules.path());
    let output = command.output().expect("the program starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("its group may write in it (mode 0777); chmod go-w"), "{error}");
}

#[test]
fn the_compiler_ends_when_its_input_is_closed_and_says_what_it_cannot_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let run = |component: Option<&[u8]>, closes_input: bool| {
        if let Some(component) = component {
            fs::write(directory.path().join("component.wasm"), component).expect("it is written");
        }
        let mut command = program();
        command.args(["compile", "4294967296", "60000"]).current_dir(directory.path());
        let mut child = command.stdin(std::process::Stdio::piped()).spawn().expect("the program starts");
        let input = child.stdin.take().filter(|_| !closes_input);
        let code = child.wait().expect("it ends").code();
        drop(input);
        let mut reason = String::new();
        let read = fs::File::open(directory.path().join("reason"));
        let _ = read.and_then(|mut file| file.read_to_string(&mut reason));
        (code, reason)
    };
    let (code, reason) = run(None, false);
    assert_eq!(code, Some(13));
    assert!(reason.contains("cannot read the component"), "{reason}");
    assert_eq!(run(Some(&hostile::memory_grows(83_000)), true).0, Some(14));
}

//! Tests of the command line: output, messages and exit codes.

#[path = "cli/first_hour.rs"]
mod first_hour;
#[path = "cli/logic.rs"]
mod logic;
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use support::component;
use support::process::{Process, program};

fn run(arguments: &[&str]) -> (Output, String, String) {
    let output = program().args(arguments).output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    (output, stdout, stderr)
}

#[test]
fn help_shows_examples_and_a_usage_error_exits_with_2() {
    let (output, stdout, _) = run(&["--help"]);
    assert!(output.status.success());
    for word in ["Examples:", "HOTLIST_LISTEN", "127.0.0.1:8080", "plugin"] {
        assert!(stdout.contains(word), "{word} is not in {stdout}");
    }
    let (output, _, stderr) = run(&["--lisen", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr.contains("--listen"), "{stderr}");
    let (output, _, stderr) = run(&["--idle", "soon"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr.contains("write it as 60s"), "{stderr}");
}

#[expect(clippy::print_stderr, reason = "a test that is not run says so")]
fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// The standard error of a server that refuses one environment variable.
fn refused(variable: &str, value: &str, arguments: &[&str]) -> String {
    let output = program().args(arguments).env(variable, value).output().expect("the program starts");
    assert_eq!(output.status.code(), Some(2), "{variable}={value}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_error_about_an_environment_variable_names_it_and_what_to_write() {
    for (variable, value, advice) in [
        ("HOTLIST_LISTEN", "localhost:8080", "write 127.0.0.1:8080"),
        ("HOTLIST_ACCEPT_LOSS", "maybe", "HOTLIST_ACCEPT_LOSS"),
        ("HOTLIST_IDLE", "soon", "write it as 60s"),
        ("HOTLIST_LOG_FORMAT", "xml", "json"),
    ] {
        let stderr = refused(variable, value, &[]);
        let tip = format!("the value is that of the environment variable {variable}");
        assert!(stderr.contains(&tip) && stderr.contains(advice), "{stderr}");
    }
    let stderr = refused("HOTLIST_IDLE", "60s", &["--idle", "soon"]);
    assert!(!stderr.contains("environment variable"), "{stderr}");
    for (variable, arguments) in [("HOTLIST_JSON", &["verify"][..]), ("HOTLIST_DEV_LISTEN", &["plugin", "dev"])] {
        let mut command = program();
        // Another command has a flag of the same name.
        command.env("HOTLIST_LISTEN", "127.0.0.1:0");
        let output = command.args(arguments).env(variable, "perhaps").output().expect("the program starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(&format!("environment variable {variable}\n")), "{stderr}");
    }
}

#[test]
fn an_empty_environment_variable_is_not_set_and_switches_take_common_words() {
    let data = tempfile::tempdir().expect("a directory");
    let data = data.path().to_str().expect("text");
    // A server that got as far as its address has taken all variables.
    let in_use = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = in_use.local_addr().expect("an address").to_string();
    for (variable, values) in [
        ("HOTLIST_PLUGINS", &[""][..]),
        ("HOTLIST_PUBLIC_URL", &[""]),
        ("HOTLIST_CORS_ORIGIN", &[""]),
        ("HOTLIST_LOG", &["", "warn"]),
        ("HOTLIST_IDLE", &[""]),
        ("HOTLIST_FORCE", &["", "1", "0", "true", "no", "Yes", "off"]),
    ] {
        for value in values {
            let arguments = ["--listen", &address, "--data", data];
            let output = program().args(arguments).env(variable, value).output().expect("the program starts");
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(stderr.contains("cannot listen on"), "{variable}={value}: {stderr}");
        }
    }
}

#[test]
fn a_log_filter_with_a_word_that_is_no_level_is_refused() {
    let (output, _, stderr) = run(&["--log", "verbose"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("there is no level \"verbose\"; write off, error, warn"), "{stderr}");
}

#[test]
fn a_tool_that_cannot_write_its_output_fails() {
    let full = || fs::File::options().write(true).open("/dev/full").expect("Linux has a full device");
    let todo = "plugins/built/todo.wasm";
    for arguments in [&["--help"][..], &["--version"], &["plugin", "check", todo], &["plugin", "check", todo, "--json"]]
    {
        let output = program().args(arguments).stdout(full()).output().expect("the program starts");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// What ends the start of a server that has loaded its components.
const LOADED: &str = "--default-logic none is not loaded";

/// The standard error of a server without its default logic, started by a command that is given the program.
fn started_by(command: &mut Command, data: &Path) -> String {
    command
        .arg(env!("CARGO_BIN_EXE_hotlist"))
        .args(["--listen", "127.0.0.1:0", "--default-logic", "none", "--data"])
        .arg(data);
    let output = command.output().expect("the command starts");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_server_with_few_addresses_has_fewer_instances_and_one_with_too_few_says_what_to_raise() {
    let data = tempfile::tempdir().expect("a directory");
    let limited = |kilobytes: u32| {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -v {kilobytes}; exec \"$@\""), "sh"]);
        started_by(&mut shell, data.path())
    };
    let stderr = limited(400_000_000);
    assert!(stderr.contains("allows fewer instances") && stderr.contains(LOADED), "{stderr}");
    let stderr = limited(8_000_000);
    assert!(stderr.contains("raise the limit of the address space (ulimit -v"), "{stderr}");
}

#[test]
fn a_server_that_may_run_no_compiled_code_says_so_and_holds_it_against_no_component() {
    let data = tempfile::tempdir().expect("a directory");
    // PR_SET_MDWE, which MemoryDenyWriteExecute=yes of systemd uses, too. Linux has it since 6.3.
    let hardened = "import ctypes, os, sys\n\
        if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0): sys.exit('unsupported')\n\
        os.execv(sys.argv[1], sys.argv[1:])";
    let mut python = Command::new("python3");
    let stderr = started_by(python.args(["-c", hardened]), data.path());
    if stderr.contains("unsupported") {
        return skip("this kernel cannot forbid executable memory");
    }
    assert!(stderr.contains("MemoryDenyWriteExecute=yes") && !stderr.contains("refused"), "{stderr}");
    // The next start finds nothing of it.
    let mut plain = Command::new("env");
    let stderr = started_by(&mut plain, data.path());
    assert!(stderr.contains(LOADED) && !stderr.contains("refused"), "{stderr}");
}

#[test]
fn systemd_understands_the_unit_in_the_guide_for_operators() {
    let guide = fs::read_to_string("docs/operations.md").expect("the guide");
    let unit = guide.split("```ini\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a unit");
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("hotlist.service");
    // systemd checks that the program is there. No user of that name has to be.
    let unit = unit.replace("/usr/local/bin/hotlist", env!("CARGO_BIN_EXE_hotlist"));
    fs::write(&file, unit).expect("it is written");
    let checked = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&file).output();
    let Ok(checked) = checked else { return skip("there is no systemd-analyze") };
    let text = String::from_utf8_lossy(&checked.stderr).into_owned();
    let about_it: Vec<_> = text.lines().filter(|line| line.contains("hotlist.service")).collect();
    assert!(checked.status.success() && about_it.is_empty(), "{text}");
}

#[test]
fn listening_to_other_machines_without_access_control_is_refused() {
    let data = tempfile::tempdir().expect("a directory");
    let data = data.path().to_str().expect("text");
    let (output, _, stderr) = run(&["--listen", "0.0.0.0:0", "--data", data]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("--allow-anonymous") && stderr.contains("--caller-header"), "{stderr}");
}

#[test]
fn a_port_that_is_in_use_is_named() {
    let in_use = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = in_use.local_addr().expect("an address").to_string();
    let data = tempfile::tempdir().expect("a directory");
    let (output, _, stderr) = run(&["--listen", &address, "--data", data.path().to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains(&format!("cannot listen on {address}")), "{stderr}");
}

#[test]
fn a_second_server_on_the_same_data_is_refused_and_the_first_continues() {
    let data = tempfile::tempdir().expect("a directory");
    let first = Process::start(data.path(), &[]);
    let (output, _, stderr) = run(&["--listen", "127.0.0.1:0", "--data", data.path().to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("in use by another process"), "{stderr}");
    assert_eq!(first.get("/readyz").0, 200);
    assert!(first.terminate().success());
}

#[test]
fn a_flag_can_be_set_in_the_environment() {
    let data = tempfile::tempdir().expect("a directory");
    let mut command = program();
    command.env("HOTLIST_LISTEN", "0.0.0.0:0").env("HOTLIST_DATA", data.path());
    let output = command.output().expect("the program starts");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--listen 0.0.0.0:0 is reachable"));
}

#[test]
fn plugin_check_describes_a_component() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("mine.wasm");
    fs::write(&file, component("todo")).expect("it is written");
    let file = file.to_str().expect("text");
    let (output, stdout, _) = run(&["plugin", "check", file]);
    assert!(output.status.success());
    for line in ["mine@1.0.0+sha256:", "clear-completed()", "hotlist:logic/current-list@0.1.0", "by-date"] {
        assert!(stdout.contains(line), "{line} is not in {stdout}");
    }
    let (output, stdout, _) = run(&["plugin", "check", "--json", file]);
    assert!(output.status.success());
    let report: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((&report["accepted"], &report["description"]["version"]), (&true.into(), &"1.0.0".into()));
}

#[test]
fn plugin_check_measures_every_command_warm_and_fresh() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("mine.wasm");
    fs::write(&file, component("strict")).expect("it is written");
    let file = file.to_str().expect("text");
    let (_, stdout, _) = run(&["plugin", "check", file]);
    let table: Vec<_> = stdout.lines().skip_while(|line| !line.starts_with("command  ")).collect();
    let row = |name: &str, instance: &str| {
        let row = |line: &&&str| line.split_whitespace().collect::<Vec<_>>().starts_with(&[name, instance]);
        table.iter().find(row).unwrap_or_else(|| panic!("{name} {instance} is not in {stdout}"))
    };
    assert!(row("clear-completed", "warm").len() == row("add-entry", "fresh").len(), "{stdout}");
    let (_, stdout, _) = run(&["plugin", "check", "--json", file]);
    let gates = &serde_json::from_str::<Value>(&stdout).expect("JSON")["gates"];
    assert_eq!((&gates["passed"], &gates["failures"]), (&true.into(), &Value::Array(Vec::new())));
    let costs = &gates["costs"][0];
    assert!(costs["command"] == "add-entry" && costs["fresh"]["worst"]["fuel"].as_u64() > Some(0), "{costs}");
}

#[test]
fn plugin_check_fails_at_a_gate_and_shows_the_probe() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("mine.wasm");
    fs::write(&file, component("hostile")).expect("it is written");
    let (output, stdout, stderr) = run(&["plugin", "check", file.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("fails its gates"), "{stderr}");
    for part in ["FAILED view trap: it trapped", "probe  view = { name = \"trap\"", "list   no entries"] {
        assert!(stdout.contains(part), "{part} is not in {stdout}");
    }
}

#[test]
fn plugin_check_fails_for_a_file_that_no_server_accepts() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("core.wasm");
    fs::write(&file, wat::parse_str("(module)").expect("it parses")).expect("it is written");
    let (output, _, stderr) = run(&["plugin", "check", file.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("core module"), "{stderr}");
    let (output, _, stderr) = run(&["plugin", "check", "/nowhere/none.wasm"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("cannot read /nowhere/none.wasm"), "{stderr}");
}

#[test]
fn plugin_build_outside_of_a_project_names_the_missing_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let (output, _, stderr) = run(&["plugin", "build", directory.path().to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("Cargo.toml"), "{stderr}");
}

/// A server that listens on a socket file, in a directory. Dropping it kills the process.
struct SocketServer(Child);

impl SocketServer {
    /// Starts a server and waits until it is ready.
    fn start(directory: &Path, data: &str) -> Self {
        let child = Self::command(directory, data).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut server = Self(child.expect("the program starts"));
        let mut line = String::new();
        let mut output = BufReader::new(server.0.stdout.take().expect("it is piped"));
        output.read_line(&mut line).expect("it prints a line");
        assert_eq!(line, format!("hotlist listens on unix:{}\n", directory.join("socket").display()));
        line.clear();
        output.read_line(&mut line).expect("it prints another line");
        let admin = directory.join("admin");
        assert_eq!(line, format!("hotlist listens for probes and scrapers on unix:{}\n", admin.display()));
        server
    }

    fn command(directory: &Path, data: &str) -> Command {
        let mut command = program();
        command.arg("--listen").arg(format!("unix:{}", directory.join("socket").display()));
        command.arg("--admin-listen").arg(format!("unix:{}", directory.join("admin").display()));
        command.args(["--log", "warn", "--data"]).arg(directory.join(data));
        command
    }

    /// Gets a resource through a socket. Returns the whole response.
    fn get(socket: &Path, path: &str) -> String {
        let mut stream = UnixStream::connect(socket).expect("a connection");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("it is sent");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("a response");
        response
    }

    /// Kills the process. Returns its log.
    fn kill(mut self) -> String {
        self.0.kill().expect("it runs");
        let mut log = String::new();
        self.0.stderr.take().expect("it is piped").read_to_string(&mut log).expect("text");
        self.0.wait().expect("it ends");
        log
    }
}

impl Drop for SocketServer {
    fn drop(&mut self) {
        // An error means that the process has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_socket_file_and_the_data_are_for_the_servers_user_and_only_a_dead_servers_file_is_replaced() {
    let folder = tempfile::tempdir().expect("a directory");
    let (directory, socket, data) = (folder.path(), folder.path().join("socket"), folder.path().join("data"));
    let admin = directory.join("admin");
    let mode = |path: &Path| fs::symlink_metadata(path).expect("it is there").permissions().mode() & 0o777;
    let first = SocketServer::start(directory, "data");
    assert!(SocketServer::get(&socket, "/lists").starts_with("HTTP/1.1 200 "));
    assert!(SocketServer::get(&socket, "/livez").starts_with("HTTP/1.1 404 "));
    assert!(SocketServer::get(&admin, "/livez").starts_with("HTTP/1.1 200 "));
    assert_eq!((mode(&socket), mode(&admin), mode(&data)), (0o600, 0o600, 0o700));
    let second = SocketServer::command(directory, "other").output().expect("the program starts");
    let stderr = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(second.status.code() == Some(1) && stderr.contains("another server listens there"), "{stderr}");
    assert!(!first.kill().contains("other users"));

    // The file of a killed server stays. A directory that others could open is narrowed.
    assert!(socket.exists());
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).expect("it is widened");
    let third = SocketServer::start(directory, "data");
    assert!(SocketServer::get(&admin, "/readyz").starts_with("HTTP/1.1 200 "));
    assert_eq!(mode(&data), 0o700);
    let (status, stdout, stderr) = run(&["logic", "status", "--server", &format!("unix:{}", socket.display())]);
    assert!(status.status.success() && stdout.contains("kanban "), "tools find the server there: {stdout} {stderr}");
    let log = third.kill();
    assert!(log.contains("other users could open the data directory"), "{log}");
}

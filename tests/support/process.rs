//! The built program as a process: start, requests, and end.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::WAIT_TIMEOUT;

/// The longest time in which a process ends, whose stop has limits of its own.
const END_TIMEOUT: Duration = Duration::from_secs(60);

/// A running server. Dropping it kills the process.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
}

impl Process {
    /// Starts a server on a data directory and waits until it is ready.
    pub fn start(data: &Path, arguments: &[&OsStr]) -> Self {
        Self::with_failpoint(data, arguments, "")
    }

    /// Starts a server that dies at a failpoint, which is given as `name=return`.
    pub fn with_failpoint(data: &Path, arguments: &[&OsStr], point: &str) -> Self {
        let mut command = serve(data, arguments);
        command.env("FAILPOINTS", point);
        Self::spawn(command)
    }

    /// Starts a server that dies at a failpoint before it is ready.
    pub fn killed_at_start(data: &Path, point: &str) {
        use std::os::unix::process::ExitStatusExt;
        let mut command = serve(data, &[]);
        let child = command.env("FAILPOINTS", format!("{point}=return")).stdout(Stdio::null()).spawn();
        let status = wait_for_end(&mut child.expect("the program starts"));
        assert_eq!(status.signal(), Some(9), "{point}");
    }

    /// Starts a server whose log goes to a file.
    pub fn logging_to(log: &Path, data: &Path, arguments: &[&OsStr]) -> Self {
        let mut command = serve(data, arguments);
        command.stderr(File::create(log).expect("a file for the log"));
        Self::spawn(command)
    }

    /// Starts a server whose log goes into a pipe.
    pub fn piping_log(level: &str, data: &Path, arguments: &[&OsStr]) -> Self {
        Self::piping_log_of(program(), level, data, arguments)
    }

    /// Starts a server that hangs or panics at a failpoint. Its log goes into a pipe.
    pub fn failing(point: &str, level: &str, data: &Path) -> Self {
        let mut command = program();
        command.env("FAILPOINTS", point);
        Self::piping_log_of(command, level, data, &[])
    }

    fn piping_log_of(mut command: Command, level: &str, data: &Path, arguments: &[&OsStr]) -> Self {
        command.args(["serve", "--listen", "127.0.0.1:0", "--log", level, "--data"]).arg(data).args(arguments);
        command.stderr(Stdio::piped());
        Self::spawn(command)
    }

    /// Starts a server by a command that ends with the program.
    pub fn serving(mut command: Command, data: &Path) -> Self {
        command.args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--data"]).arg(data);
        Self::spawn(command)
    }

    /// The id of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn spawn(mut command: Command) -> Self {
        // A command that waits for the processor of a busy machine is no failure. These tests are not about deadlines.
        command.env("HOTLIST_DEADLINE", "20s").env("HOTLIST_HEAVY_DEADLINE", "20s");
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut line = String::new();
        let output = child.stdout.as_mut().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("it prints a line");
        let address = line.trim().strip_prefix("hotlist listens on http://").map(str::parse);
        match address {
            Some(Ok(address)) => Self { child, address },
            _ => panic!("not ready: {line:?}, {:?}", child.wait()),
        }
    }

    /// Kills the process at once, whatever it is doing.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Waits until the process dies of the signal that a failpoint sends, `SIGKILL`.
    pub fn wait_for_kill(mut self) {
        use std::os::unix::process::ExitStatusExt;
        let status = wait_for_end(&mut self.child);
        assert_eq!(status.signal(), Some(9), "{status}");
    }

    /// Sends `SIGTERM` and waits for the end of the process.
    pub fn terminate(self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Waits for the end of the process.
    pub fn wait(mut self) -> ExitStatus {
        wait_for_end(&mut self.child)
    }

    /// How the process ended, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it is a child")
    }

    /// The reading end of the error output, if it is a pipe.
    pub fn take_stderr(&mut self) -> ChildStderr {
        self.child.stderr.take().expect("it is piped")
    }

    /// Reads the log from now on, line by line.
    pub fn read_log(&mut self) -> Log {
        let pipe = BufReader::new(self.take_stderr());
        // Without room, so that the pipe is read no further than the test wants.
        let (sender, lines) = sync_channel(0);
        std::thread::spawn(move || pipe.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Log(lines)
    }

    /// Waits for the end of the process, and returns its exit code. A process that does not end is killed.
    pub fn exit_code(mut self) -> Option<i32> {
        wait_for_end(&mut self.child).code()
    }

    /// Closes the reading end of the standard output.
    pub fn close_stdout(&mut self) {
        self.child.stdout = None;
    }

    /// Gets a resource. Blocks until the reply is read.
    pub fn get(&self, path: &str) -> (u16, Value) {
        get(self.address, path)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the end of a process. A process that does not end is killed, which is a failure.
fn wait_for_end(child: &mut Child) -> ExitStatus {
    let pid = child.id().to_string();
    let (ended, wait) = sync_channel::<()>(0);
    let watchdog = std::thread::spawn(move || {
        let is_late = wait.recv_timeout(END_TIMEOUT) == Err(RecvTimeoutError::Timeout);
        is_late && Command::new("kill").args(["-9", &pid]).status().expect("kill runs").success()
    });
    let status = child.wait().expect("it ends");
    drop(ended);
    assert!(!watchdog.join().expect("the watchdog does not panic"), "the process did not end by itself");
    status
}

/// The lines of a server's log. Nothing reads the log while no line is asked for.
pub struct Log(Receiver<String>);

impl Log {
    /// Reads up to a line with this text.
    pub fn find(&self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            let line = self.0.recv_timeout(WAIT_TIMEOUT.saturating_sub(begun.elapsed()));
            match line {
                Ok(line) if line.contains(text) => return line,
                Ok(_) => {}
                Err(error) => panic!("the log has no line with {text:?}: {error}"),
            }
        }
    }

    /// Reads to the end of the log, which comes with the end of the server.
    pub fn read_to_end(self) -> Vec<String> {
        let begun = Instant::now();
        let mut lines = Vec::new();
        loop {
            match self.0.recv_timeout(WAIT_TIMEOUT.saturating_sub(begun.elapsed())) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => return lines,
                Err(RecvTimeoutError::Timeout) => panic!("the log does not end: {lines:#?}"),
            }
        }
    }
}

/// The command that starts a server on a data directory and a free port.
fn serve(data: &Path, arguments: &[&OsStr]) -> Command {
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--data"]).arg(data).args(arguments);
    command
}

/// The built program, without the variables of this process's environment that configure it.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hotlist"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HOTLIST_")) {
        command.env_remove(name);
    }
    command
}

/// The files and directories that other users than their owner may use. What wasmtime keeps beside compiled code is left
/// out: it writes these files at any time, in a directory that is private.
pub fn open_to_others(directory: &Path) -> Vec<(PathBuf, u32)> {
    let mode = |path: &Path| std::fs::symlink_metadata(path).map(|file| file.permissions().mode() & 0o777);
    let mut found = vec![(directory.to_owned(), mode(directory).expect("it is there"))];
    for entry in std::fs::read_dir(directory).expect("it is a directory") {
        let path = entry.expect("an entry").path();
        let is_statistics = path.to_string_lossy().contains("/modules/") && path.extension().is_some();
        match mode(&path) {
            _ if is_statistics => {}
            Ok(_) if path.is_dir() => found.extend(open_to_others(&path)),
            Ok(mode) => found.push((path, mode)),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{}", path.display()),
        }
    }
    found.retain(|(_, mode)| mode & 0o077 != 0);
    found
}

/// Gets a resource of a server. Blocks until the reply is read.
pub fn get(address: SocketAddr, path: &str) -> (u16, Value) {
    send(address, "GET", path, "")
}

/// Sends a request with a JSON body, or with no body if it is empty. Blocks until the reply is read.
pub fn send(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut request = ureq::http::Request::builder().method(method).uri(format!("http://{address}{path}"));
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    ask(request.body(body.as_bytes().to_vec()).expect("a well-formed request"))
}

/// Uploads a component, whatever the gates say. Blocks until the reply is read.
pub fn upload(address: SocketAddr, logic: &str, component: Vec<u8>) -> (u16, Value) {
    let request = ureq::http::Request::put(format!("http://{address}/logic/{logic}?force=true"));
    ask(request.header("content-type", "application/wasm").body(component).expect("a well-formed request"))
}

fn ask(request: ureq::http::Request<Vec<u8>>) -> (u16, Value) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).max_idle_connections(0);
    let mut reply = agent.build().new_agent().run(request).expect("a reply");
    let text = reply.body_mut().read_to_string().expect("a body of text");
    (reply.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null))
}

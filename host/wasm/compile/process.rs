//! Starts a child process that compiles one component, and waits for it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::super::error::LoadError;
use super::protocol::{
    COMPILED, COMPONENT_FILE, ERRORS_FILE, INVALID, NOT_BEGUN, OUT_OF_MEMORY, OUT_OF_TIME, REASON_FILE,
};

/// The command of the program that compiles.
pub(in crate::wasm) const COMMAND: &str = "compile";

/// Settings of the allocator, with which its memory counts when it is used. By default it takes a gigabyte at its start.
const ALLOCATOR: [(&str, &str); 2] = [("MIMALLOC_ARENA_EAGER_COMMIT", "0"), ("MIMALLOC_ARENA_RESERVE", "64MiB")];

/// How much longer than its processor time a compilation may take, on a machine that has little of it: so many times, and
/// this long.
const WALL_CLOCK_FACTOR: u32 = 5;
const WALL_CLOCK_SLACK: Duration = Duration::from_secs(30);

/// How often the caller is asked whether it still wants the component.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// The most bytes of a child's text that are read.
const MAX_TEXT_BYTES: u64 = 4_096;

/// The words with which a Rust program ends that gets no memory.
const NO_MEMORY: &str = "memory allocation of";

/// The signal of the kernel when the processor time is used up.
const SIGXCPU: i32 = 24;

/// A child process for each compilation, and its limits.
#[derive(Clone, Debug)]
pub struct ChildProcess {
    /// The program, which has the command `compile`.
    pub program: PathBuf,
    /// The most memory of the process, in bytes.
    pub memory: u64,
    /// The most processor time of the process.
    pub time: Duration,
}

impl ChildProcess {
    /// The default of the most memory, in bytes. CPython takes about half of it.
    pub const MEMORY: u64 = 1 << 30;

    /// The default of the most processor time. CPython takes a third of it on a slow machine.
    pub const TIME: Duration = Duration::from_secs(60);

    /// The file of the running program. It leads to the same file when an upgrade has replaced the program meanwhile, so
    /// both processes always have the same compiler.
    ///
    /// # Errors
    ///
    /// The system does not say which file that is.
    pub fn this_program() -> io::Result<PathBuf> {
        const RUNNING: &str = "/proc/self/exe";
        if Path::new(RUNNING).exists() { Ok(RUNNING.into()) } else { std::env::current_exe() }
    }

    /// Compiles a component in a directory of its own.
    pub(super) fn compile(
        &self,
        bytes: &[u8],
        directory: &Path,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<(), LoadError> {
        if is_cancelled() {
            return Err(LoadError::Cancelled);
        }
        let started = self.start(bytes, directory);
        let mut running =
            started.map_err(|error| LoadError::Compiler(format!("cannot start its compiler: {error}")))?;
        let begun = Instant::now();
        while running.ended.recv_timeout(ASK_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
            if is_cancelled() {
                return Err(LoadError::Cancelled);
            }
            if begun.elapsed() > self.time * WALL_CLOCK_FACTOR + WALL_CLOCK_SLACK {
                let seconds = begun.elapsed().as_secs();
                return Err(LoadError::Compiler(format!("the machine had too little time for it within {seconds} s")));
            }
        }
        let status = running.child.wait();
        let failed = |error| LoadError::Compiler(format!("cannot wait for its compiler: {error}"));
        let status = status.map_err(failed)?;
        self.outcome(status, directory)
    }

    fn start(&self, bytes: &[u8], directory: &Path) -> io::Result<Running> {
        fs::write(directory.join(COMPONENT_FILE), bytes)?;
        let mut command = Command::new(&self.program);
        command
            .args([COMMAND, &self.memory.to_string(), &self.time.as_millis().to_string()])
            // The environment configures a server, and no compiler.
            .env_clear()
            .envs(ALLOCATOR)
            .current_dir(directory)
            // Held open until the end. The child ends when it is closed, also when this process is killed.
            .stdin(Stdio::piped())
            // The child writes nothing, so its end is the end of this pipe.
            .stdout(Stdio::piped())
            .stderr(File::create(directory.join(ERRORS_FILE))?)
            // A terminal's interrupt is for the server, which ends its children itself.
            .process_group(0);
        let (ended, is_ended) = mpsc::channel();
        let mut running = Running { child: command.spawn()?, input: None, ended: is_ended };
        // `Child::wait` closes the input that it has.
        running.input = running.child.stdin.take();
        let output = running.child.stdout.take();
        std::thread::Builder::new().name("compiler-end".into()).spawn(move || {
            let _ = output.map(|mut output| output.read(&mut [0]));
            drop::<mpsc::Sender<()>>(ended);
        })?;
        Ok(running)
    }

    /// What the end of a child means.
    fn outcome(&self, status: ExitStatus, directory: &Path) -> Result<(), LoadError> {
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        match code {
            Some(COMPILED) => Ok(()),
            Some(INVALID) => Err(LoadError::Invalid(read(directory, REASON_FILE))),
            Some(OUT_OF_TIME) => Err(LoadError::CompileTime { limit: self.time }),
            Some(OUT_OF_MEMORY) => Err(LoadError::CompileMemory { limit: self.memory }),
            Some(NOT_BEGUN) => Err(LoadError::Compiler(read(directory, REASON_FILE))),
            _ if status.signal() == Some(SIGXCPU) => Err(LoadError::CompileTime { limit: self.time }),
            _ => self.crash(status, &read(directory, ERRORS_FILE)),
        }
    }

    /// The error of a child that ended without an outcome.
    fn crash(&self, status: ExitStatus, errors: &str) -> Result<(), LoadError> {
        const SIGKILL: i32 = 9;
        if errors.contains(NO_MEMORY) {
            return Err(LoadError::CompileMemory { limit: self.memory });
        }
        if status.signal() == Some(SIGKILL) {
            return Err(LoadError::Compiler(
                "its compiler was killed, perhaps because the machine has no memory".into(),
            ));
        }
        tracing::error!(%status, errors, "the compiler crashed over a component");
        Err(LoadError::Invalid(format!("the compiler crashed over it ({status})")))
    }
}

/// A child that is killed and waited for when it is dropped.
struct Running {
    child: Child,
    /// Held open until the child has ended.
    input: Option<ChildStdin>,
    /// Closed when the child has ended.
    ended: mpsc::Receiver<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail where the child has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
        drop(self.input.take());
    }
}

/// The beginning of a text that a child wrote. Empty if there is none.
fn read(directory: &Path, file: &str) -> String {
    let mut text = Vec::new();
    let opened = File::open(directory.join(file));
    let _ = opened.and_then(|file| file.take(MAX_TEXT_BYTES).read_to_end(&mut text));
    String::from_utf8_lossy(&text).into_owned()
}

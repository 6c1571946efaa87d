//! The child process: limits itself, then compiles the component in its working directory.
//!
//! The limit on memory is the kernel's: an allocation beyond it fails, which ends the process. It counts what the process can
//! write (`RLIMIT_DATA`) and not its addresses, of which the program file alone takes hundreds of megabytes. The processor time is
//! measured by a thread of the process, because the kernel's limit has a resolution of a second. The kernel's limit is
//! behind it. Another thread ends the process when its standard input is closed, which happens when the server ends.

use std::io::{self, Read};
use std::path::Path;
use std::process::exit;
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, nice, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::code_file;
use super::protocol::{
    ABANDONED, COMPILED, COMPONENT_FILE, INVALID, NOT_BEGUN, OUT_OF_MEMORY, OUT_OF_TIME, REASON_FILE,
};

/// How often the processor time is measured.
const MEASURE_EVERY: Duration = Duration::from_millis(10);

/// The most bytes of one file that the process writes.
const MAX_FILE_BYTES: u64 = 512 << 20;

/// How much lower the priority of the process is than that of its server.
const NICENESS: i32 = 10;

/// How much later than the measured limit the kernel's limit on processor time is, in seconds.
const KERNEL_SLACK: u64 = 2;

/// The error of the system when there is no memory.
const NO_MEMORY: &str = "os error 12";

/// Compiles the component in the working directory within limits on memory, in bytes, and on processor time. Returns the
/// exit code of the process.
pub fn run_child(memory: u64, time: Duration) -> u8 {
    if let Err(error) = limit(memory, time).and_then(|()| watch(time)) {
        return end_with(NOT_BEGUN, &format!("cannot limit the compiler: {error}"));
    }
    let read = std::fs::read(COMPONENT_FILE).and_then(|bytes| Ok((bytes, std::env::current_dir()?)));
    match read {
        Ok((bytes, directory)) => match code_file::compile(&bytes, &directory) {
            Ok(()) => COMPILED,
            Err(error) => {
                let reason = code_file::reason(&error);
                let code = if reason.contains(NO_MEMORY) { OUT_OF_MEMORY } else { INVALID };
                end_with(code, &reason)
            }
        },
        Err(error) => end_with(NOT_BEGUN, &format!("cannot read the component: {error}")),
    }
}

fn limit(memory: u64, time: Duration) -> io::Result<()> {
    let set = |resource, limit| setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) });
    set(Resource::Core, 0)?;
    set(Resource::Fsize, MAX_FILE_BYTES)?;
    set(Resource::Cpu, time.as_secs() + KERNEL_SLACK)?;
    set(Resource::Data, memory)?;
    nice(NICENESS)?;
    Ok(())
}

/// Starts the threads that end the process when its time is up or its server is gone.
fn watch(time: Duration) -> io::Result<()> {
    let thread = |name: &str| std::thread::Builder::new().name(name.into()).stack_size(64 << 10);
    let (gone, is_gone) = mpsc::channel::<()>();
    thread("server").spawn(move || {
        // The server writes nothing, so this waits for the end of the server.
        let _ = io::stdin().read(&mut [0]);
        drop(gone);
    })?;
    thread("time").spawn(move || {
        while is_gone.recv_timeout(MEASURE_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
            if processor_time() > time {
                exit(OUT_OF_TIME.into());
            }
        }
        exit(ABANDONED.into());
    })?;
    Ok(())
}

fn processor_time() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(used).unwrap_or_default()
}

/// Leaves a text for the server. The exit code says enough if that is not possible.
fn end_with(code: u8, text: &str) -> u8 {
    let _ = std::fs::write(Path::new(REASON_FILE), text);
    code
}

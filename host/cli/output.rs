//! What the command line prints: lines on the standard output, errors on the standard error, colours on terminals.
//!
//! Text may carry colours wherever it is made. [`anstream`] removes them where the output is no terminal or the
//! environment says `NO_COLOR`, so no other code checks that.
//!
//! A tool prints directly: it waits for its reader, as behind `| less`. A server must not wait, so it calls
//! [`Outputs::start`] first. From then on lines go through [`LossyOutput`].

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

use super::lossy_output::LossyOutput;

/// How long the end of the program waits for both outputs to take the last lines.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// The two outputs of a server, which are those of the process.
pub(super) struct Outputs {
    pub(super) stdout: LossyOutput,
    pub(super) stderr: LossyOutput,
    /// The number of lines that both dropped.
    pub(super) dropped: Arc<AtomicU64>,
}

static OUTPUTS: OnceLock<Outputs> = OnceLock::new();

impl Outputs {
    /// Has all lines from now on written by threads of their own.
    pub(super) fn start() -> io::Result<&'static Self> {
        let dropped = Arc::new(AtomicU64::new(0));
        let report = |output: &'static str| {
            move |lines| tracing::warn!(output, lines, "nothing read an output of the server; lines were dropped")
        };
        let stdout = LossyOutput::start("stdout", anstream::stdout(), dropped.clone(), report("stdout"))?;
        let stderr = LossyOutput::start("stderr", anstream::stderr(), dropped.clone(), report("stderr"))?;
        Ok(OUTPUTS.get_or_init(|| Self { stdout, stderr, dropped }))
    }

    /// Those of this process, if it is a server.
    pub(super) fn of_server() -> Option<&'static Self> {
        OUTPUTS.get()
    }
}

/// Waits until both outputs have taken the last lines, at most [`FLUSH_LIMIT`].
pub(super) fn flush() {
    if let Some(outputs) = Outputs::of_server() {
        let deadline = Instant::now() + FLUSH_LIMIT;
        // Each output is written by a thread of its own, so the second one has all of the time, too.
        outputs.stdout.flush(deadline);
        outputs.stderr.flush(deadline);
    }
}

/// The colour of what went well.
const GOOD: Style = AnsiColor::Green.on_default();

/// The colour of what failed.
const BAD: Style = AnsiColor::Red.on_default();

/// A text in the colour of what went well.
pub(super) fn green(text: impl Display) -> String {
    format!("{GOOD}{text}{GOOD:#}")
}

/// A text in the colour of what failed.
pub(super) fn red(text: impl Display) -> String {
    format!("{BAD}{text}{BAD:#}")
}

/// The first error of a tool's standard output.
static FAILURE: OnceLock<io::Error> = OnceLock::new();

/// Why a tool could not write all of its lines, so that it does not end as if it had.
pub(super) fn failure() -> Option<&'static io::Error> {
    FAILURE.get()
}

/// Prints a line on the standard output. An output that is closed, as behind `| head`, is no error.
pub(super) fn print_line(line: &str) {
    match Outputs::of_server() {
        Some(outputs) => outputs.stdout.write_lines(format!("{line}\n").as_bytes()),
        None => {
            let mut stdout = anstream::stdout();
            let written = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
            if let Some(error) = written.err().filter(|error| error.kind() != io::ErrorKind::BrokenPipe) {
                let _ = FAILURE.set(error);
            }
        }
    }
}

/// Prints an error on the standard error.
pub(super) fn print_error(message: &str) {
    match Outputs::of_server() {
        Some(outputs) => outputs.stderr.write_lines(format!("error: {message}\n").as_bytes()),
        None => drop(writeln!(anstream::stderr(), "error: {message}")),
    }
}

/// Prints a line on the standard error, beside an output that is for programs.
pub(super) fn print_note(line: &str) {
    match Outputs::of_server() {
        Some(outputs) => outputs.stderr.write_lines(format!("{line}\n").as_bytes()),
        None => drop(writeln!(anstream::stderr(), "{line}")),
    }
}

/// Whether the standard error shows colours. For the log, which colours its lines itself.
pub(super) fn is_stderr_coloured() -> bool {
    AutoStream::choice(&io::stderr()) != ColorChoice::Never
}

//! What the command line prints: lines on the standard output, errors on the standard error, colours on terminals.
//!
//! Text may carry colours wherever it is made. [`anstream`] removes them where the output is no terminal or the
//! environment says `NO_COLOR`, so nothing else has to ask.

use std::fmt::Display;
use std::io::Write;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

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

/// Prints a line on the standard output. An output that is closed, as behind `| head`, is no error.
pub(super) fn print_line(line: &str) {
    let _ = writeln!(anstream::stdout(), "{line}");
}

/// Prints an error on the standard error.
pub(super) fn print_error(message: &str) {
    let _ = writeln!(anstream::stderr(), "error: {message}");
}

/// Whether the standard error shows colours. For the log, which colours its lines itself.
pub(super) fn is_stderr_coloured() -> bool {
    AutoStream::choice(&std::io::stderr()) != ColorChoice::Never
}

//! The cause of a failed call, in the component's own words.
//!
//! The engine only tells that a component trapped. Why is what the component printed before that: the SDKs in Rust and
//! JavaScript note the message of a panic or an error, and Python writes its traceback to the standard error.

use crate::list::printable::printable;

/// How a note of a panic begins, as the standard library of Rust writes it. The SDK in JavaScript writes the same.
const PANIC: &str = "panicked at ";

/// The most bytes of the standard error that are kept for a cause.
const MAX_TAIL_BYTES: usize = 4_096;

/// The most characters of a cause.
const MAX_CAUSE_CHARS: usize = 500;

/// What a component printed that may tell why its current call fails.
#[derive(Default)]
pub(super) struct Cause {
    /// The last panic.
    panic: Option<String>,
    /// The end of what was written to the standard error.
    errors: Vec<u8>,
}

impl Cause {
    /// Forgets everything, because a call begins. Returns a panic that no failed call followed.
    pub(super) fn begin(&mut self) -> Option<String> {
        self.errors.clear();
        self.panic.take()
    }

    /// Keeps a note if it is about a panic. Returns whether it is.
    pub(super) fn keep_panic(&mut self, note: &str) -> bool {
        let is_panic = note.starts_with(PANIC);
        if is_panic {
            self.panic = Some(cut(note));
        }
        is_panic
    }

    /// Whether there was a panic. What an engine writes after it says the same.
    pub(super) fn has_panic(&self) -> bool {
        self.panic.is_some()
    }

    /// Keeps bytes of the standard error.
    pub(super) fn keep_error(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(MAX_TAIL_BYTES)..];
        let excess = (self.errors.len() + bytes.len()).saturating_sub(MAX_TAIL_BYTES);
        self.errors.drain(..excess);
        self.errors.extend_from_slice(bytes);
    }

    /// Takes the cause of a failed call, as one printable line.
    pub(super) fn take(&mut self) -> Option<String> {
        if let Some(panic) = self.panic.take() {
            // `panicked at src/lib.rs:1:2:` is followed by the message on a line of its own.
            return Some(line(&panic.replacen(":\n", ": ", 1)));
        }
        let errors = std::mem::take(&mut self.errors);
        of_trace(&String::from_utf8_lossy(&errors)).map(|cause| line(&cause))
    }
}

/// The error of a stack trace of Python, with its place: the trace ends with the error, and the place is in the line of the
/// last file before it.
fn of_trace(trace: &str) -> Option<String> {
    let mut lines: Vec<_> = trace.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    // The engine's own runtime panics about the error that it got.
    if let Some(end) = lines.iter().position(|line| line.starts_with("thread '") && line.contains(PANIC)) {
        lines.truncate(end.max(1));
    }
    let error = lines.last()?;
    let place = lines.iter().rev().find_map(|line| {
        let (file, rest) = line.strip_prefix("File \"")?.split_once("\", line ")?;
        let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some(format!(" at {file}:{number}"))
    });
    Some(format!("{error}{}", place.unwrap_or_default()))
}

fn line(text: &str) -> String {
    printable(&cut(text.trim_end())).into_owned()
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_CAUSE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_errors(text: &str) -> Option<String> {
        let mut cause = Cause::default();
        text.as_bytes().chunks(7).for_each(|piece| cause.keep_error(piece));
        cause.take()
    }

    #[test]
    fn a_panic_is_one_line_with_its_place() {
        let mut cause = Cause::default();
        assert!(!cause.keep_panic("nothing panicked at all"));
        assert!(cause.keep_panic("panicked at src/lib.rs:10:5:\nno such \u{1b}[31mcolumn\nat all\n"));
        let expected = "panicked at src/lib.rs:10:5: no such \\u{1b}[31mcolumn\\nat all";
        assert_eq!(cause.take().as_deref(), Some(expected));
        assert_eq!(cause.take(), None);
    }

    #[test]
    fn the_last_line_of_a_traceback_is_shown_with_the_last_place() {
        let trace = "Traceback (most recent call last):\n  File \"/sdk/hotlist/export.py\", line 60, in add\n    \
                     check()\n  File \"/0/logic.py\", line 17, in check\nKeyError: 'column'\n\
                     thread '<unnamed>' (1) panicked at runtime/src/lib.rs:1293:29:\n\
                     Python function threw an unexpected exception\n\
                     note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        assert_eq!(of_errors(trace).as_deref(), Some("KeyError: 'column' at /0/logic.py:17"));
        assert_eq!(of_errors("out of memory\n").as_deref(), Some("out of memory"));
        assert_eq!(of_errors(""), None);
    }

    #[test]
    fn a_flood_leaves_its_end_and_a_long_cause_is_cut() {
        let flood = format!("{}\nValueError: the end\n", "x".repeat(100_000));
        assert_eq!(of_errors(&flood).as_deref(), Some("ValueError: the end"));
        let long = of_errors(&"é".repeat(1_000)).expect("a cause");
        assert!(long.chars().count() <= MAX_CAUSE_CHARS + 1 && long.ends_with('…'), "{long}");
    }

    #[test]
    fn a_call_has_no_cause_of_the_call_before_it() {
        let mut cause = Cause::default();
        cause.keep_error(b"ValueError: old\n");
        assert!(cause.keep_panic("panicked at a:\nb"));
        assert_eq!(cause.begin().as_deref(), Some("panicked at a:\nb"));
        assert_eq!(cause.take(), None);
    }
}

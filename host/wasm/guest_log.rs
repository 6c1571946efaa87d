//! Logs what a component prints, line by line, within limits for a command and for a logic.

use std::sync::Arc;

use super::cause::Cause;
use super::log_bucket::{LogBucket, Purpose};
use crate::list::printable::printable;

/// The most lines that one command may write to the log. The last one says that there were more.
const MAX_LINES: usize = 20;

/// The most bytes that one command may write to the log, with everything that the log adds to its lines.
const MAX_BYTES: usize = 4_096;

/// The most bytes that the log adds to a line besides the name of the logic: time, level, target and, in JSON, the names of
/// members.
const LINE_OVERHEAD: usize = 140;

/// The bytes of the line about too much output, besides what the log adds to each line.
const NOTICE_BYTES: usize = 80;

/// Collects what one instance prints and logs it line by line.
pub(super) struct GuestLog {
    bucket: Arc<LogBucket>,
    /// The line that has not ended yet.
    line: Vec<u8>,
    /// The lines of the current command.
    lines: usize,
    /// The bytes of these lines on the log.
    bytes: usize,
    /// Whether the command may write no more.
    is_full: bool,
    is_muted: bool,
    purpose: Purpose,
    /// What the current command printed, within its limits.
    printed: Vec<String>,
    cause: Cause,
}

impl GuestLog {
    pub(super) fn new(bucket: Arc<LogBucket>) -> Self {
        Self {
            bucket,
            line: Vec::new(),
            lines: 0,
            bytes: 0,
            is_full: false,
            is_muted: false,
            // A component is first described and tried out.
            purpose: Purpose::Probe,
            printed: Vec::new(),
            cause: Cause::default(),
        }
    }

    /// Sets what the next commands are for.
    pub(super) fn serve(&mut self, purpose: Purpose) {
        self.purpose = purpose;
    }

    /// Takes the lines of the current command so far.
    pub(super) fn take_printed(&mut self) -> Vec<String> {
        self.end_line(false);
        std::mem::take(&mut self.printed)
    }

    /// Takes the cause of a failed call, in the component's own words.
    pub(super) fn take_cause(&mut self) -> Option<String> {
        self.cause.take()
    }

    /// Stops logging. For an instance that repeats a call of another instance, whose lines are logged already.
    pub(super) fn mute(&mut self) {
        self.is_muted = true;
    }

    /// Ends the output of a command and begins the output of the next.
    pub(super) fn begin(&mut self) {
        self.end_line(false);
        if let Some(panic) = self.cause.begin() {
            self.print(true, format!("{panic}\n").as_bytes());
        }
        (self.lines, self.bytes, self.is_full) = (0, 0, false);
        self.printed.clear();
        self.bucket.report(self.purpose);
    }

    /// Adds a note. One about a panic is not logged here, because the failure that follows is logged with its cause.
    pub(super) fn note(&mut self, text: &str) {
        if !self.cause.keep_panic(text) {
            self.print(false, text.as_bytes());
            self.print(false, b"\n");
        }
    }

    /// Adds printed bytes.
    pub(super) fn print(&mut self, is_error: bool, bytes: &[u8]) {
        if is_error {
            if self.cause.has_panic() {
                return;
            }
            self.cause.keep_error(bytes);
        }
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.is_full || self.is_muted {
                return;
            }
            // More than fits is not even collected.
            let room = MAX_BYTES.saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") || piece.len() > room {
                self.end_line(is_error);
            }
        }
    }

    fn end_line(&mut self, is_error: bool) {
        if self.line.is_empty() {
            return;
        }
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let line = printable(text.trim_end());
        if line.is_empty() || self.is_full {
            return;
        }
        let overhead = LINE_OVERHEAD + self.bucket.logic().as_str().len();
        let left = MAX_BYTES.saturating_sub(self.bytes + 2 * overhead + NOTICE_BYTES);
        let (shown, is_cut) = beginning(&line, left);
        self.is_full = is_cut || self.lines + 1 >= MAX_LINES;
        if !shown.is_empty() && self.lines + 1 < MAX_LINES {
            self.lines += 1;
            self.bytes += overhead + written_bytes(shown);
            self.bucket.log(self.purpose, is_error, shown);
            self.printed.push(shown.to_owned());
        }
        if self.is_full {
            let notice = format!("wrote more in one command than is logged ({MAX_LINES} lines, {MAX_BYTES} bytes)");
            self.bucket.log(self.purpose, true, &notice);
            self.printed.push(notice);
        }
    }
}

/// The bytes that a text has on a log in JSON, which are at least those that it has on any other.
fn written_bytes(text: &str) -> usize {
    text.len() + text.bytes().filter(|byte| matches!(byte, b'"' | b'\\' | b'\t')).count()
}

/// The longest beginning of a text that has at most `limit` bytes on the log, and whether that is not the whole text.
fn beginning(text: &str, limit: usize) -> (&str, bool) {
    let mut bytes = 0;
    let end = text.char_indices().find_map(|(at, character)| {
        bytes += written_bytes(character.encode_utf8(&mut [0; 4]));
        (bytes > limit).then_some(at)
    });
    end.map_or((text, false), |end| (&text[..end], true))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use parking_lot::Mutex;

    use super::*;
    use crate::list::name::LogicName;
    use crate::wasm::ticks::Ticks;

    #[derive(Clone, Default)]
    struct SharedBuffer(Arc<Mutex<Vec<u8>>>);

    impl Write for SharedBuffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn bucket() -> Arc<LogBucket> {
        Arc::new(LogBucket::new(LogicName::new("mine").expect("a name"), Ticks::default()))
    }

    /// The log of an instance that serves a list.
    fn serving() -> GuestLog {
        let mut guest_log = GuestLog::new(bucket());
        guest_log.serve(Purpose::List);
        guest_log
    }

    /// The log after a plugin printed.
    fn log(is_json: bool, print: impl FnOnce(&mut GuestLog)) -> String {
        let buffer = SharedBuffer::default();
        let writer = buffer.clone();
        let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
        let print = || print(&mut serving());
        match is_json {
            false => tracing::subscriber::with_default(log.finish(), print),
            true => tracing::subscriber::with_default(log.json().finish(), print),
        }
        String::from_utf8(buffer.0.lock().clone()).expect("text")
    }

    /// The lines of the log after a plugin printed, without times.
    fn logged(print: impl FnOnce(&mut GuestLog)) -> Vec<String> {
        let text = log(false, print);
        text.lines().map(|line| line.split_once("Z ").map_or(line, |(_, rest)| rest).trim().to_owned()).collect()
    }

    #[test]
    fn what_is_printed_in_pieces_is_logged_in_lines() {
        let lines = logged(|guest_log| {
            guest_log.print(false, b"one ");
            guest_log.print(false, b"line\nand the ");
            guest_log.print(false, b"next");
            guest_log.begin();
        });
        assert_eq!(
            lines,
            ["INFO hotlist::plugin: one line logic=mine", "INFO hotlist::plugin: and the next logic=mine"]
        );
    }

    #[test]
    fn a_line_cannot_hide_another() {
        let lines = logged(|guest_log| guest_log.print(true, b"\x1b[2J\xffgone\r\n"));
        assert_eq!(lines, ["WARN hotlist::plugin: \\u{1b}[2J\u{fffd}gone logic=mine"]);
        let lines = logged(|guest_log| guest_log.print(false, "\u{202e}back\n".as_bytes()));
        assert_eq!(lines, ["INFO hotlist::plugin: \\u{202e}back logic=mine"]);
    }

    #[test]
    fn a_command_writes_no_more_than_its_lines_and_bytes_whatever_it_prints() {
        let floods: [&[u8]; 6] = [
            b"a\n",
            &[b'x'; 10_000],
            b"a line of some length, as a note may have\n",
            b"\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\n",
            b"\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\n",
            "\u{202e}".as_bytes(),
        ];
        for flood in floods {
            for is_json in [false, true] {
                let log = log(is_json, |guest_log| {
                    (0..5_000).for_each(|_| guest_log.print(false, flood));
                    guest_log.begin();
                });
                assert!(log.len() <= MAX_BYTES, "{} bytes of {:?}", log.len(), String::from_utf8_lossy(flood));
                assert!((2..=MAX_LINES).contains(&log.lines().count()), "{log}");
                assert_eq!(log.matches("more in one command than is logged").count(), 1, "{log}");
            }
        }
    }

    #[test]
    fn the_command_after_one_that_wrote_too_much_writes_again() {
        let lines = logged(|guest_log| {
            (0..10).for_each(|_| guest_log.print(false, &[b'x'; MAX_BYTES]));
            guest_log.begin();
            guest_log.print(false, b"again\n");
        });
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].matches('x').count() > MAX_BYTES / 2, "{}", lines[0]);
        assert_eq!(lines[2], "INFO hotlist::plugin: again logic=mine");
    }

    #[test]
    fn what_a_command_printed_can_be_taken_and_ends_with_the_command() {
        let mut guest_log = serving();
        guest_log.print(false, b"one\nand");
        assert_eq!(guest_log.take_printed(), ["one", "and"]);
        (0..100).for_each(|_| guest_log.print(false, b"more\n"));
        let printed = guest_log.take_printed();
        assert!(printed.len() <= MAX_LINES && printed.last().is_some_and(|line| line.starts_with("wrote more")));
        guest_log.print(false, b"gone\n");
        guest_log.begin();
        assert!(guest_log.take_printed().is_empty());
    }

    #[test]
    fn a_panic_is_on_the_log_only_if_no_failure_follows_it() {
        let panic = "panicked at src/lib.rs:1:2:\nno";
        let lines = logged(|guest_log| {
            guest_log.note(panic);
            assert_eq!(guest_log.take_cause().as_deref(), Some("panicked at src/lib.rs:1:2: no"));
            guest_log.begin();
        });
        assert!(lines.is_empty(), "{lines:?}");
        let lines = logged(|guest_log| {
            guest_log.note(panic);
            guest_log.begin();
        });
        assert_eq!(lines.len(), 2, "{lines:?}");
    }

    #[test]
    fn what_is_printed_at_the_gates_has_a_target_of_its_own() {
        let lines = logged(|guest_log| {
            guest_log.serve(Purpose::Probe);
            guest_log.print(false, b"line\n");
        });
        assert_eq!(lines, ["INFO hotlist::plugin::probe: line logic=mine"]);
    }

    #[test]
    fn a_muted_instance_logs_nothing() {
        let lines = logged(|guest_log| {
            guest_log.mute();
            guest_log.print(false, b"line\n");
        });
        assert!(lines.is_empty(), "{lines:?}");
    }
}

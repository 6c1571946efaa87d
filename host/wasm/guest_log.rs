//! Logs what a component prints, line by line, within limits for a command and for a logic.

use std::sync::Arc;

use super::log_bucket::LogBucket;
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
}

impl GuestLog {
    pub(super) fn new(bucket: Arc<LogBucket>) -> Self {
        Self { bucket, line: Vec::new(), lines: 0, bytes: 0, is_full: false, is_muted: false }
    }

    /// Stops logging. For an instance that repeats a call of another instance, whose lines are logged already.
    pub(super) fn mute(&mut self) {
        self.is_muted = true;
    }

    /// Ends the output of a command and begins the output of the next.
    pub(super) fn begin(&mut self) {
        self.end_line(false);
        (self.lines, self.bytes, self.is_full) = (0, 0, false);
        self.bucket.report();
    }

    /// Adds printed bytes.
    pub(super) fn print(&mut self, is_error: bool, bytes: &[u8]) {
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
            self.bucket.log(is_error, shown);
        }
        if self.is_full {
            self.bucket
                .log(true, &format!("wrote more in one command than is logged ({MAX_LINES} lines, {MAX_BYTES} bytes)"));
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

    /// The log after a plugin printed.
    fn log(is_json: bool, print: impl FnOnce(&mut GuestLog)) -> String {
        let buffer = SharedBuffer::default();
        let writer = buffer.clone();
        let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
        let print = || print(&mut GuestLog::new(bucket()));
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
    fn a_muted_instance_logs_nothing() {
        let lines = logged(|guest_log| {
            guest_log.mute();
            guest_log.print(false, b"line\n");
        });
        assert!(lines.is_empty(), "{lines:?}");
    }
}

//! Logs what a component prints, line by line.

use crate::list::name::LogicName;

/// The most bytes that one command may print. The rest is dropped with a warning.
const MAX_PRINTED_BYTES: usize = 4_096;

/// The target of each logged line, which lets a filter tell a plugin's lines from the server's.
pub const TARGET: &str = "hotlist::plugin";

/// Collects what one instance prints and logs it line by line.
pub(super) struct GuestLog {
    name: LogicName,
    /// The line that has not ended yet.
    line: Vec<u8>,
    printed: usize,
    muted: bool,
}

impl GuestLog {
    pub(super) fn new(name: LogicName) -> Self {
        Self { name, line: Vec::new(), printed: 0, muted: false }
    }

    /// Stops logging. For an instance that repeats a call of another instance, whose lines are logged already.
    pub(super) fn mute(&mut self) {
        self.muted = true;
    }

    /// Ends the output of a command and begins the output of the next.
    pub(super) fn begin(&mut self) {
        if self.printed > 0 {
            self.end_line(false);
            self.printed = 0;
        }
    }

    /// Adds printed bytes.
    pub(super) fn print(&mut self, is_error: bool, bytes: &[u8]) {
        let left = MAX_PRINTED_BYTES.saturating_sub(self.printed);
        if self.muted || (left == 0 && self.printed > MAX_PRINTED_BYTES) {
            return;
        }
        self.printed += bytes.len();
        for piece in bytes[..bytes.len().min(left)].split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.ends_with(b"\n") {
                self.end_line(is_error);
            }
        }
        if self.printed > MAX_PRINTED_BYTES {
            self.end_line(is_error);
            tracing::warn!(target: TARGET, logic = %self.name, limit = MAX_PRINTED_BYTES, "printed more in one command than is logged");
        }
    }

    fn end_line(&mut self, is_error: bool) {
        // Control characters could move the cursor of a terminal that shows the log.
        let line: String = String::from_utf8_lossy(&self.line).trim_end().chars().map(visible).collect();
        self.line.clear();
        if line.is_empty() {
            return;
        }
        if is_error {
            tracing::warn!(target: TARGET, logic = %self.name, "{line}");
        } else {
            tracing::info!(target: TARGET, logic = %self.name, "{line}");
        }
    }
}

fn visible(character: char) -> char {
    if character.is_control() && character != '\t' { char::REPLACEMENT_CHARACTER } else { character }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

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

    /// The lines of the log after a plugin printed, without times.
    fn logged(print: impl FnOnce(&mut GuestLog)) -> Vec<String> {
        let buffer = SharedBuffer::default();
        let writer = buffer.clone();
        let log =
            tracing_subscriber::fmt().without_time().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(log, || print(&mut GuestLog::new(LogicName::new("mine").expect("a name"))));
        let text = String::from_utf8(buffer.0.lock().clone()).expect("text");
        text.lines().map(|line| line.trim().to_owned()).collect()
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
        assert_eq!(lines, ["WARN hotlist::plugin: \u{fffd}[2J\u{fffd}gone logic=mine"]);
    }

    #[test]
    fn a_command_that_prints_much_is_cut_short_and_the_next_one_prints_again() {
        let lines = logged(|guest_log| {
            for _ in 0..10 {
                guest_log.print(false, &[b'x'; MAX_PRINTED_BYTES]);
            }
            guest_log.begin();
            guest_log.print(false, b"again\n");
        });
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines[0].matches('x').count(), MAX_PRINTED_BYTES);
        assert!(lines[1].contains("printed more in one command than is logged"), "{}", lines[1]);
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

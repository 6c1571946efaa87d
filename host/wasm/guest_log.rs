//! What a component prints, as lines on the log.

use crate::list::name::LogicName;

/// How much one command may print; what is more is dropped, and the log says so.
const MAX_PRINTED_BYTES: usize = 4_096;

/// What every line is logged under, so that a filter can tell a plugin's lines from the server's.
pub const TARGET: &str = "hotlist::plugin";

/// Gathers what one instance prints.
pub(super) struct Voice {
    name: LogicName,
    /// A line that has not ended yet.
    line: Vec<u8>,
    printed: usize,
    muted: bool,
}

impl Voice {
    pub(super) fn of(name: LogicName) -> Self {
        Self { name, line: Vec::new(), printed: 0, muted: false }
    }

    /// Says nothing any more: for an instance that only repeats what another one said.
    pub(super) fn mute(&mut self) {
        self.muted = true;
    }

    /// Ends a command's output, and begins the next one's.
    pub(super) fn begin(&mut self) {
        if self.printed > 0 {
            self.end_line(false);
            self.printed = 0;
        }
    }

    /// Takes what is printed.
    pub(super) fn print(&mut self, is_error: bool, bytes: &[u8]) {
        let room = MAX_PRINTED_BYTES.saturating_sub(self.printed);
        if self.muted || (room == 0 && self.printed > MAX_PRINTED_BYTES) {
            return;
        }
        self.printed += bytes.len();
        for piece in bytes[..bytes.len().min(room)].split_inclusive(|byte| *byte == b'\n') {
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
        // A plugin must not be able to move the cursor of whoever reads the log.
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
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The lines of the log after a plugin's deeds, without times.
    fn logged(deeds: impl FnOnce(&mut Voice)) -> Vec<String> {
        let paper = Paper::default();
        let writer = paper.clone();
        let log =
            tracing_subscriber::fmt().without_time().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(log, || deeds(&mut Voice::of(LogicName::new("mine").expect("a name"))));
        let text = String::from_utf8(paper.0.lock().clone()).expect("text");
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

    #[test]
    fn what_is_printed_in_pieces_is_logged_in_lines() {
        let lines = logged(|voice| {
            voice.print(false, b"one ");
            voice.print(false, b"line\nand the ");
            voice.print(false, b"next");
            voice.begin();
        });
        assert_eq!(
            lines,
            ["INFO hotlist::plugin: one line logic=mine", "INFO hotlist::plugin: and the next logic=mine"]
        );
    }

    #[test]
    fn a_line_cannot_hide_another() {
        let lines = logged(|voice| voice.print(true, b"\x1b[2J\xffgone\r\n"));
        assert_eq!(lines, ["WARN hotlist::plugin: \u{fffd}[2J\u{fffd}gone logic=mine"]);
    }

    #[test]
    fn a_command_that_prints_much_is_cut_short_and_the_next_one_speaks_again() {
        let lines = logged(|voice| {
            for _ in 0..10 {
                voice.print(false, &[b'x'; MAX_PRINTED_BYTES]);
            }
            voice.begin();
            voice.print(false, b"again\n");
        });
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines[0].matches('x').count(), MAX_PRINTED_BYTES);
        assert!(lines[1].contains("printed more in one command than is logged"), "{}", lines[1]);
        assert_eq!(lines[2], "INFO hotlist::plugin: again logic=mine");
    }

    #[test]
    fn a_muted_voice_says_nothing() {
        let lines = logged(|voice| {
            voice.mute();
            voice.print(false, b"line\n");
        });
        assert!(lines.is_empty(), "{lines:?}");
    }
}

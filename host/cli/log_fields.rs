//! The fields of a line of the log, as text. A field that holds text from outside cannot begin a line of its own or
//! control the terminal.

use std::fmt::{self, Debug};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

use crate::list::printable::printable;

/// The field with the backtrace of a panic, which the program makes itself and which has many lines.
pub(super) const BACKTRACE: &str = "backtrace";

/// Formats fields as `message name=value`, each of them printable.
#[derive(Clone, Copy, Default)]
pub(super) struct PrintableFields;

impl<'writer> FormatFields<'writer> for PrintableFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut line = Line { writer, is_first: true, result: Ok(()) };
        fields.record(&mut line);
        line.result
    }
}

/// Writes the fields of one line.
struct Line<'writer> {
    writer: Writer<'writer>,
    is_first: bool,
    result: fmt::Result,
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let gap = if std::mem::take(&mut self.is_first) { "" } else { " " };
        let value = format!("{value:?}");
        let written = match field.name() {
            "message" => write!(self.writer, "{gap}{}", printable(&value)),
            BACKTRACE => write!(self.writer, "{gap}{BACKTRACE}={value}"),
            name => write!(self.writer, "{gap}{name}={}", printable(&value)),
        };
        self.result = self.result.and(written);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing_subscriber::fmt;

    use super::*;

    #[derive(Clone, Default)]
    struct SharedBuffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for SharedBuffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_field_begins_a_line_or_controls_the_terminal() {
        let buffer = SharedBuffer::default();
        let writer = buffer.clone();
        let log = fmt().without_time().with_ansi(false).fmt_fields(PrintableFields);
        let log = log.with_writer(move || writer.clone()).finish();
        let evil = "\u{1b}[2J\nERROR hotlist: forged\u{202e}";
        tracing::subscriber::with_default(log, || {
            tracing::warn!(target: "hotlist", list = %evil, why = evil, error = ?evil, count = 7, "said {evil}");
        });
        let shown = r"\u{1b}[2J\nERROR hotlist: forged\u{202e}";
        let line = format!(" WARN hotlist: said {shown} list={shown} why=\"{shown}\" error=\"{shown}\" count=7\n");
        assert_eq!(String::from_utf8_lossy(&buffer.0.lock()), line);
    }
}

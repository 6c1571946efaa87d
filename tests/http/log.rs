//! The log of a server within a test.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, Once};

use tracing::subscriber::DefaultGuard;

/// The warnings and errors of the thread of a test, from the beginning of this on.
///
/// The runtime of a test has one thread, on which the server answers requests and logs.
pub(crate) struct CapturedLog {
    lines: Lines,
    logging: DefaultGuard,
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl CapturedLog {
    pub(crate) fn begin() -> Self {
        // The first thread that reaches a line of code decides for all of them whether the line is logged, as long as there
        // is one subscriber alone. So there is another one, of all threads, or another test could silence a line.
        static OF_ALL_THREADS: Once = Once::new();
        OF_ALL_THREADS.call_once(|| {
            let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(io::sink);
            tracing::subscriber::set_global_default(subscriber.finish()).expect("no test sets another one");
        });
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(move || writer.clone());
        Self { lines, logging: tracing::subscriber::set_default(subscriber.finish()) }
    }

    /// The lines until now.
    pub(crate) fn end(self) -> String {
        drop(self.logging);
        let lines = self.lines.0.lock().expect("no writer panics").clone();
        String::from_utf8(lines).expect("text")
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

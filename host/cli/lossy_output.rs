//! Output that never makes its writers wait: a bounded buffer, and a thread that empties it.
//!
//! A pipe that nothing reads takes 64 KiB and then blocks its writer, which must never be a thread that serves
//! requests. `tracing-appender` has such a buffer too, but it bounds the number of lines and not their bytes.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

/// The most bytes of lines that wait to be written. The thread may have as many at hand.
pub(super) const MAX_WAITING_BYTES: usize = 256 << 10;

/// An output with a thread of its own. Lines that do not fit into the buffer are dropped and counted.
#[derive(Clone)]
pub(super) struct LossyOutput(Arc<Shared>);

struct Shared {
    buffer: Mutex<Buffer>,
    /// Notified when the buffer gets its first line.
    filled: Condvar,
    /// Notified when everything is written.
    written: Condvar,
    /// All lines that were dropped. Several outputs may count in the same number.
    dropped: Arc<AtomicU64>,
}

#[derive(Default)]
struct Buffer {
    lines: Vec<u8>,
    /// Whether the thread has lines at hand.
    is_writing: bool,
    /// Lines of this output that were dropped and not reported.
    unreported: u64,
}

impl LossyOutput {
    /// Starts the thread. `report` is called on it with the number of dropped lines, once the output is read again.
    pub(super) fn start(
        thread: &str,
        mut output: impl Write + Send + 'static,
        dropped: Arc<AtomicU64>,
        report: impl Fn(u64) + Send + 'static,
    ) -> io::Result<Self> {
        let (buffer, filled, written) = (Mutex::default(), Condvar::new(), Condvar::new());
        let shared = Arc::new(Shared { buffer, filled, written, dropped });
        let of_thread = shared.clone();
        let run = move || {
            loop {
                let lines = of_thread.take();
                let result = output.write_all(&lines).and_then(|()| output.flush());
                let lost = of_thread.note_written(&lines, result.is_ok());
                if lost > 0 {
                    report(lost);
                }
                of_thread.finish();
            }
        };
        std::thread::Builder::new().name(thread.into()).spawn(run)?;
        Ok(Self(shared))
    }

    /// Takes whole lines, or drops them.
    pub(super) fn write_lines(&self, lines: &[u8]) {
        let mut buffer = self.0.buffer.lock();
        if buffer.lines.len() + lines.len() > MAX_WAITING_BYTES {
            self.0.count_dropped(&mut buffer, lines);
            return;
        }
        buffer.lines.extend_from_slice(lines);
        drop(buffer);
        self.0.filled.notify_one();
    }

    /// Waits until all lines are written, at most until the deadline. Returns whether they are.
    pub(super) fn flush(&self, deadline: Instant) -> bool {
        let mut buffer = self.0.buffer.lock();
        let is_busy = |buffer: &Buffer| buffer.is_writing || !buffer.lines.is_empty();
        while is_busy(&buffer) && !self.0.written.wait_until(&mut buffer, deadline).timed_out() {}
        !is_busy(&buffer)
    }
}

impl Shared {
    /// Waits for lines, and takes them.
    fn take(&self) -> Vec<u8> {
        let mut buffer = self.buffer.lock();
        self.filled.wait_while(&mut buffer, |buffer| buffer.lines.is_empty());
        buffer.is_writing = true;
        std::mem::take(&mut buffer.lines)
    }

    /// Notes whether the lines that the thread took were written. Returns how many dropped lines are to be reported.
    fn note_written(&self, lines: &[u8], is_written: bool) -> u64 {
        let mut buffer = self.buffer.lock();
        if !is_written {
            // Nothing reads the report of an output that is closed, and the report would be dropped in its turn.
            self.count_dropped(&mut buffer, lines);
        }
        if is_written { std::mem::take(&mut buffer.unreported) } else { 0 }
    }

    /// Ends the turn of the thread. A report, which may be a line of this output, comes before, so that a flush waits for it.
    fn finish(&self) {
        let mut buffer = self.buffer.lock();
        buffer.is_writing = false;
        if buffer.lines.is_empty() {
            self.written.notify_all();
        }
    }

    fn count_dropped(&self, buffer: &mut Buffer, lines: &[u8]) {
        let count = lines.iter().filter(|byte| **byte == b'\n').count() as u64;
        buffer.unreported += count;
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }
}

impl Write for LossyOutput {
    /// Never fails, so that a log has nothing to report about itself.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.write_lines(lines);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// A limit for waits that end at once unless the test fails.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// A pipe that is full until the test reads, or closed.
    struct Pipe {
        has_room: mpsc::Receiver<io::Result<()>>,
        written: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.written.send(bytes.to_vec()).expect("the test is there");
            self.has_room.recv().expect("the test is there")?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct World {
        output: LossyOutput,
        dropped: Arc<AtomicU64>,
        room: mpsc::Sender<io::Result<()>>,
        written: mpsc::Receiver<Vec<u8>>,
        reports: mpsc::Receiver<u64>,
    }

    fn start() -> World {
        let ((room, has_room), (sender, written), (report, reports)) =
            (mpsc::channel(), mpsc::channel(), mpsc::channel());
        let dropped = Arc::new(AtomicU64::new(0));
        let report = move |lost| report.send(lost).expect("the test is there");
        let pipe = Pipe { has_room, written: sender };
        let output = LossyOutput::start("test-output", pipe, dropped.clone(), report).expect("it starts");
        World { output, dropped, room, written, reports }
    }

    #[test]
    fn a_writer_never_waits_and_what_does_not_fit_is_dropped_counted_and_reported() {
        let World { output, dropped, room, written, reports } = start();
        output.write_lines(b"first\n");
        assert_eq!(written.recv_timeout(PATIENCE).expect("it is written"), b"first\n");
        // The pipe is full. The buffer takes its bytes, and no line more.
        let line = [vec![b'x'; 1_023], vec![b'\n']].concat();
        (0..MAX_WAITING_BYTES / line.len()).for_each(|_| output.write_lines(&line));
        assert_eq!(dropped.load(Ordering::Relaxed), 0);
        output.write_lines(b"two\nlines\n");
        output.write_lines(b"\n");
        assert_eq!(dropped.load(Ordering::Relaxed), 3);
        assert!(!output.flush(Instant::now()), "flushing is bounded, too");
        room.send(Ok(())).expect("the thread is there");
        assert_eq!(reports.recv_timeout(PATIENCE), Ok(3), "reported when the pipe is read");
        assert_eq!(written.recv_timeout(PATIENCE).expect("it is written").len(), MAX_WAITING_BYTES);
        room.send(Ok(())).expect("the thread is there");
        assert!(output.flush(Instant::now() + PATIENCE));
        assert!(reports.try_recv().is_err(), "reported once");
    }

    #[test]
    fn lines_for_an_output_that_is_closed_are_counted_and_not_reported() {
        let World { output, dropped, room, written, reports } = start();
        for count in 1..=3 {
            room.send(Err(io::ErrorKind::BrokenPipe.into())).expect("the thread is there");
            output.write_lines(b"line\n");
            written.recv_timeout(PATIENCE).expect("it is tried");
            assert!(output.flush(Instant::now() + PATIENCE));
            assert_eq!(dropped.load(Ordering::Relaxed), count);
        }
        assert!(reports.try_recv().is_err());
    }
}

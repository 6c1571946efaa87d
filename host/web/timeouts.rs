//! Timeouts of a connection, so that no client holds one without using it.
//!
//! Hyper has a timer for the head of a request, which is not enough. It also runs while a kept-alive connection is
//! idle. It does not run until the first bytes have distinguished HTTP/1 from HTTP/2. And it covers neither an idle
//! HTTP/2 connection nor a client that does not read its response.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::http::Version;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::body_progress::{BodyProgress, LeastSpeed};
use super::listen::Stream;

/// Timeouts of one connection.
pub(super) struct ConnectionTimeouts {
    header: Duration,
    idle: Duration,
    least_speed: LeastSpeed,
    activity: Mutex<Activity>,
}

/// What a connection is doing, and since when.
struct Activity {
    /// Requests whose responses are not sent yet.
    in_flight: usize,
    /// Whether the head of a request is arriving. On HTTP/2 this cannot be observed from outside.
    reading: bool,
    http2: bool,
    /// When `in_flight` or `reading` last changed.
    since: Instant,
    /// Since when the client reads nothing of what is written.
    stalled: Option<Instant>,
    /// The responses on HTTP/2 that were given to the connection as a whole and are not sent as a whole. Each is a stream of
    /// the connection, so the limit on streams is theirs, too.
    unsent: Vec<Arc<BodyProgress>>,
}

impl ConnectionTimeouts {
    /// The timeouts of a connection that was just accepted, and whose first request has to arrive.
    pub(super) fn new(header: Duration, idle: Duration, least_speed: LeastSpeed) -> Arc<Self> {
        let (since, unsent) = (Instant::now(), Vec::new());
        let activity = Activity { in_flight: 0, reading: true, http2: false, since, stalled: None, unsent };
        Arc::new(Self { header, idle, least_speed, activity: Mutex::new(activity) })
    }

    /// Records that a request arrived. It ends when the returned guard is dropped.
    pub(super) fn begin(self: &Arc<Self>, version: Version) -> InFlight {
        let mut activity = self.activity.lock();
        activity.in_flight += 1;
        activity.reading = false;
        activity.http2 = version == Version::HTTP_2;
        InFlight(self.clone())
    }

    /// Waits until the client has exceeded a timeout. Returns what the client was too slow to do.
    pub(super) async fn exceeded(&self) -> &'static str {
        loop {
            // What begins from now on may have an earlier deadline than what goes on now, but none before this.
            let soonest = Instant::now() + self.header.min(self.idle).min(self.least_speed.time);
            let next_check = match self.deadline() {
                Some((deadline, over)) if deadline <= Instant::now() => return over,
                Some((deadline, _)) => deadline.min(soonest),
                None => soonest,
            };
            tokio::time::sleep_until(next_check).await;
        }
    }

    fn deadline(&self) -> Option<(Instant, &'static str)> {
        const READING: &str = "reading the response";
        let mut activity = self.activity.lock();
        activity.unsent.retain(|response| !response.is_resting());
        let now = Instant::now();
        let unsent = activity.unsent.iter().filter_map(|response| response.next_check(self.least_speed, now)).min();
        let stalled = activity.stalled.map(|since| since + self.idle);
        if let Some(deadline) = [unsent, stalled].into_iter().flatten().min() {
            return Some((deadline, READING));
        }
        match (activity.in_flight, activity.reading) {
            (0, true) => Some((activity.since + self.header, "sending the head of a request")),
            (0, false) => Some((activity.since + self.idle, "sending another request")),
            _ => None,
        }
    }

    fn received(&self) {
        let mut activity = self.activity.lock();
        if activity.in_flight == 0 && !activity.reading && !activity.http2 {
            activity.reading = true;
            activity.since = Instant::now();
        }
    }

    fn wrote(&self, accepted: bool) {
        let mut activity = self.activity.lock();
        if accepted {
            activity.stalled = None;
        } else {
            activity.stalled.get_or_insert_with(Instant::now);
        }
    }
}

/// Guard of a request whose response is not sent yet.
pub(super) struct InFlight(Arc<ConnectionTimeouts>);

impl InFlight {
    /// Records that the body of the response has ended. On HTTP/2 the connection may still hold frames, and no task of the
    /// response is left that could be ended. So the connection is ended if the client does not take them.
    pub(super) fn body_ended(&self, progress: &Arc<BodyProgress>) {
        let mut activity = self.0.activity.lock();
        if activity.http2 && !progress.is_resting() {
            activity.unsent.retain(|response| !response.is_resting());
            activity.unsent.push(progress.clone());
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut activity = self.0.activity.lock();
        activity.in_flight -= 1;
        if activity.in_flight == 0 {
            activity.since = Instant::now();
        }
    }
}

/// Connection that reports its activity to the timeouts of its connection.
pub(super) struct TimedStream {
    stream: Stream,
    timeouts: Arc<ConnectionTimeouts>,
}

impl TimedStream {
    /// Wraps a stream.
    pub(super) fn new(stream: Stream, timeouts: Arc<ConnectionTimeouts>) -> Self {
        Self { stream, timeouts }
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        if buf.filled().len() > before {
            self.timeouts.received();
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.timeouts.wrote(wrote.is_ready());
        wrote
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.timeouts.wrote(wrote.is_ready());
        wrote
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn timeouts(answer_time: Duration) -> Arc<ConnectionTimeouts> {
        ConnectionTimeouts::new(MINUTE, MINUTE, LeastSpeed { bytes: 1_000, time: answer_time })
    }

    #[tokio::test]
    async fn a_connection_with_frames_that_the_client_does_not_take_is_ended() {
        let timeouts = timeouts(Duration::ZERO);
        let (in_flight, progress) = (timeouts.begin(Version::HTTP_2), Arc::<BodyProgress>::default());
        progress.gave(10);
        progress.ended();
        in_flight.body_ended(&progress);
        assert_eq!(timeouts.exceeded().await, "reading the response");
        progress.took(10);
        assert_eq!(timeouts.deadline(), None, "the request has no response yet");
    }

    #[test]
    fn a_connection_with_a_response_that_is_taken_is_not_idle() {
        let timeouts = timeouts(MINUTE);
        let (in_flight, progress) = (timeouts.begin(Version::HTTP_2), Arc::<BodyProgress>::default());
        progress.gave(10);
        in_flight.body_ended(&progress);
        assert_eq!(timeouts.deadline().map(|(_, activity)| activity), Some("reading the response"));
        progress.ended();
        progress.took(10);
        drop(in_flight);
        assert_eq!(timeouts.deadline().map(|(_, activity)| activity), Some("sending another request"));
        assert!(timeouts.activity.lock().unsent.is_empty());
    }
}

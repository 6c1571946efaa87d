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

use axum::body::{Body, Bytes};
use axum::http::Version;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::answer_budget::Reservation;
use super::body_progress::BodyProgress;
use super::listen::Stream;

/// Timeouts of one connection.
pub(super) struct ConnectionTimeouts {
    header: Duration,
    idle: Duration,
    activity: Mutex<Activity>,
}

/// What a connection is doing, and since when.
struct Activity {
    /// Requests whose responses are not written yet.
    in_flight: usize,
    /// Whether the head of a request is arriving. On HTTP/2 this cannot be observed from outside.
    reading: bool,
    http2: bool,
    /// When `in_flight` or `reading` last changed.
    since: Instant,
    /// Since when the client reads nothing of what is written.
    stalled: Option<Instant>,
}

impl ConnectionTimeouts {
    /// The timeouts of a connection that was just accepted, and whose first request has to arrive.
    pub(super) fn new(header: Duration, idle: Duration) -> Arc<Self> {
        let since = Instant::now();
        let activity = Activity { in_flight: 0, reading: true, http2: false, since, stalled: None };
        Arc::new(Self { header, idle, activity: Mutex::new(activity) })
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
            let soonest = Instant::now() + self.header.min(self.idle);
            let next_check = match self.deadline() {
                Some((deadline, over)) if deadline <= Instant::now() => return over,
                Some((deadline, _)) => deadline.min(soonest),
                None => soonest,
            };
            tokio::time::sleep_until(next_check).await;
        }
    }

    fn deadline(&self) -> Option<(Instant, &'static str)> {
        let activity = self.activity.lock();
        if let Some(stalled) = activity.stalled {
            return Some((stalled + self.idle, "reading the response"));
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

/// Guard of a request that is not answered yet.
pub(super) struct InFlight(Arc<ConnectionTimeouts>);

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

/// The most bytes of a frame. Hyper takes a frame as a whole, so small frames show how much the client takes.
const FRAME_BYTES: usize = 16 << 10;

/// Body of a response. The request ends when the body is dropped.
pub(super) struct TimedBody {
    body: Body,
    /// What is left of a large frame.
    rest: Bytes,
    progress: Arc<BodyProgress>,
    _in_flight: InFlight,
    /// The room of the answer, given back with the body.
    _room: Option<Reservation>,
}

impl TimedBody {
    /// Wraps the body that ends a request.
    pub(super) fn new(body: Body, in_flight: InFlight, progress: Arc<BodyProgress>, room: Option<Reservation>) -> Self {
        if !body.is_end_stream() {
            progress.begin();
        }
        Self { body, rest: Bytes::new(), progress, _in_flight: in_flight, _room: room }
    }

    fn next_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end),
            }
        }
        let bytes = self.rest.len().min(FRAME_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(bytes)))))
    }
}

impl Drop for TimedBody {
    fn drop(&mut self) {
        self.progress.rest();
    }
}

impl HttpBody for TimedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.progress.asked();
        let next = self.next_frame(cx);
        match &next {
            Poll::Ready(Some(Ok(frame))) => self.progress.gave(frame.data_ref().map_or(0, Bytes::len)),
            Poll::Ready(Some(Err(_)) | None) | Poll::Pending => self.progress.rest(),
        }
        next
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(body.lower() + rest);
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_large_body_is_given_in_small_frames_with_its_size() {
        let content = Bytes::from(vec![7; 3 * FRAME_BYTES + 5]);
        let timeouts = ConnectionTimeouts::new(Duration::from_secs(1), Duration::from_secs(1));
        let in_flight = timeouts.begin(Version::HTTP_11);
        let mut body = TimedBody::new(Body::from(content.clone()), in_flight, Arc::default(), None);
        let mut given = Vec::new();
        while let Some(frame) = body.frame().await {
            let data = frame.expect("a frame").into_data().expect("data");
            assert!(data.len() <= FRAME_BYTES);
            given.extend_from_slice(&data);
            assert_eq!(body.size_hint().exact(), Some((content.len() - given.len()) as u64));
            assert_eq!(body.is_end_stream(), given.len() == content.len());
        }
        assert_eq!(given, content);
    }
}

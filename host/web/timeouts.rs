//! How long a connection may take over things, so that nobody holds one for nothing.
//!
//! Hyper has a timer of its own for the head of a request, but it runs also while a kept-alive
//! connection rests, does not run until the first bytes have told HTTP/1 from HTTP/2, and there is
//! none for an idle HTTP/2 connection or for a client that does not read its answer.

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
use tokio::net::TcpStream;
use tokio::time::Instant;

/// What one connection is at.
pub(super) struct Pace {
    header: Duration,
    idle: Duration,
    state: Mutex<State>,
}

struct State {
    /// Requests whose answers are not out yet.
    in_flight: usize,
    /// Whether the head of a request is on its way in; on HTTP/2 nobody can tell from outside.
    reading: bool,
    http2: bool,
    /// Since when it is as it is.
    since: Instant,
    /// Since when the client takes nothing of what is written.
    stalled: Option<Instant>,
}

impl Pace {
    /// The pace of a connection that was just accepted: the head of its first request is awaited.
    pub(super) fn new(header: Duration, idle: Duration) -> Arc<Self> {
        let since = Instant::now();
        let state = State { in_flight: 0, reading: true, http2: false, since, stalled: None };
        Arc::new(Self { header, idle, state: Mutex::new(state) })
    }

    /// A request arrived; it is over when what is returned is dropped.
    pub(super) fn begin(self: &Arc<Self>, version: Version) -> Busy {
        let mut state = self.state.lock();
        state.in_flight += 1;
        state.reading = false;
        state.http2 = version == Version::HTTP_2;
        Busy(self.clone())
    }

    /// Waits until the client has taken too long over something, and says over what.
    pub(super) async fn exceeded(&self) -> &'static str {
        loop {
            // What begins in the meantime may have a nearer end than what is now, but none before this.
            let soonest = Instant::now() + self.header.min(self.idle);
            let next_look = match self.deadline() {
                Some((deadline, over)) if deadline <= Instant::now() => return over,
                Some((deadline, _)) => deadline.min(soonest),
                None => soonest,
            };
            tokio::time::sleep_until(next_look).await;
        }
    }

    fn deadline(&self) -> Option<(Instant, &'static str)> {
        let state = self.state.lock();
        if let Some(stalled) = state.stalled {
            return Some((stalled + self.idle, "reading its answer"));
        }
        match (state.in_flight, state.reading) {
            (0, true) => Some((state.since + self.header, "the head of a request")),
            (0, false) => Some((state.since + self.idle, "asking again")),
            _ => None,
        }
    }

    fn received(&self) {
        let mut state = self.state.lock();
        if state.in_flight == 0 && !state.reading && !state.http2 {
            state.reading = true;
            state.since = Instant::now();
        }
    }

    fn wrote(&self, taken: bool) {
        let mut state = self.state.lock();
        if taken {
            state.stalled = None;
        } else {
            state.stalled.get_or_insert_with(Instant::now);
        }
    }
}

/// A request that is being answered.
pub(super) struct Busy(Arc<Pace>);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.in_flight -= 1;
        if state.in_flight == 0 {
            state.since = Instant::now();
        }
    }
}

/// A connection that tells its pace what goes over it.
pub(super) struct Watched {
    stream: TcpStream,
    pace: Arc<Pace>,
}

impl Watched {
    /// Watches a connection.
    pub(super) fn new(stream: TcpStream, pace: Arc<Pace>) -> Self {
        Self { stream, pace }
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        if buf.filled().len() > before {
            self.pace.received();
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.pace.wrote(wrote.is_ready());
        wrote
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.pace.wrote(wrote.is_ready());
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

/// The body of an answer; when it is out, the request is over.
pub(super) struct Paced {
    body: Body,
    _busy: Busy,
}

impl Paced {
    /// Ends a request with this body.
    pub(super) fn new(body: Body, busy: Busy) -> Self {
        Self { body, _busy: busy }
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

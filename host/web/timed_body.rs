//! Body of a response in small frames, each of which keeps what the response holds until it is sent.
//!
//! Hyper drops a body when it has taken the last frame. It has not sent it then: on HTTP/2 a frame of any size is taken as
//! soon as the client has a window of one byte. So the room of the answer and the request in progress end with the last
//! frame, and the client has taken only what was written to the connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use bytes::Buf;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::answer_budget::Reservation;
use super::body_progress::BodyProgress;
use super::timeouts::InFlight;

/// The most bytes of a frame. Hyper takes a frame as a whole, so small frames show how much the client takes.
const FRAME_BYTES: usize = 16 << 10;

/// Body of a response.
pub(super) struct TimedBody {
    body: Body,
    /// What is left of a large frame.
    rest: Bytes,
    response: Arc<OpenResponse>,
}

/// What a response holds until it is sent.
struct OpenResponse {
    progress: Arc<BodyProgress>,
    in_flight: InFlight,
    /// The room of the answer.
    _room: Option<Reservation>,
}

/// Bytes of a response that are to be sent.
pub(super) struct TimedBytes {
    bytes: Bytes,
    response: Arc<OpenResponse>,
}

impl TimedBody {
    /// Wraps the body that ends a request.
    pub(super) fn new(body: Body, in_flight: InFlight, progress: Arc<BodyProgress>, room: Option<Reservation>) -> Self {
        if !body.is_end_stream() {
            progress.begin();
        }
        Self { body, rest: Bytes::new(), response: Arc::new(OpenResponse { progress, in_flight, _room: room }) }
    }

    fn next_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<TimedBytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers.map_data(|bytes| self.timed(bytes))))),
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let bytes = self.rest.len().min(FRAME_BYTES);
        let bytes = self.rest.split_to(bytes);
        Poll::Ready(Some(Ok(Frame::data(self.timed(bytes)))))
    }

    fn timed(&self, bytes: Bytes) -> TimedBytes {
        self.response.progress.gave(bytes.len());
        TimedBytes { bytes, response: self.response.clone() }
    }
}

impl Drop for TimedBody {
    fn drop(&mut self) {
        let OpenResponse { progress, in_flight, .. } = &*self.response;
        progress.ended();
        in_flight.body_ended(progress);
    }
}

impl HttpBody for TimedBody {
    type Data = TimedBytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<TimedBytes>, axum::Error>>> {
        let next = self.next_frame(cx);
        if !matches!(next, Poll::Ready(Some(Ok(_)))) {
            self.response.progress.has_nothing();
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

impl Buf for TimedBytes {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.response.progress.took(count);
    }
}

impl Drop for TimedBytes {
    fn drop(&mut self) {
        self.response.progress.dropped(self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::Version;
    use http_body_util::BodyExt;

    use super::super::answer_budget::{AnswerRoom, Budget};
    use super::super::body_progress::LeastSpeed;
    use super::super::timeouts::ConnectionTimeouts;
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn body(content: Bytes, progress: &Arc<BodyProgress>, room: Option<Reservation>) -> TimedBody {
        let timeouts = ConnectionTimeouts::new(MINUTE, MINUTE, LeastSpeed { bytes: 1, time: MINUTE });
        TimedBody::new(Body::from(content), timeouts.begin(Version::HTTP_2), progress.clone(), room)
    }

    #[tokio::test]
    async fn a_large_body_is_given_in_small_frames_with_its_size() {
        let content = Bytes::from(vec![7; 3 * FRAME_BYTES + 5]);
        let mut body = body(content.clone(), &Arc::default(), None);
        let mut given = Vec::new();
        while let Some(frame) = body.frame().await {
            let data = frame.expect("a frame").into_data().ok().expect("data");
            assert!(data.remaining() <= FRAME_BYTES);
            given.extend_from_slice(data.chunk());
            assert_eq!(body.size_hint().exact(), Some((content.len() - given.len()) as u64));
            assert_eq!(body.is_end_stream(), given.len() == content.len());
        }
        assert_eq!(given, content);
    }

    #[tokio::test]
    async fn a_response_keeps_its_room_until_its_last_frame_is_sent() {
        let server = Budget::new("server", 2 * FRAME_BYTES);
        let room = AnswerRoom::of_connection(&server, 2 * FRAME_BYTES);
        let progress = Arc::<BodyProgress>::default();
        let reserved = room.reserve(2 * FRAME_BYTES).expect("there is room");
        let mut body = body(Bytes::from(vec![7; 2 * FRAME_BYTES]), &progress, Some(reserved));
        let mut next = async || body.frame().await.expect("a frame").expect("no error").into_data().ok().expect("data");
        let (first, mut last) = (next().await, next().await);
        drop((first, body));
        assert!(room.reserve(1).is_err(), "the last frame waits to be sent");
        assert!(!progress.is_resting());
        last.advance(FRAME_BYTES);
        assert!(progress.is_resting());
        drop(last);
        assert!(room.reserve(2 * FRAME_BYTES).is_ok());
    }
}

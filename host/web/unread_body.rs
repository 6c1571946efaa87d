//! Rest of a request's body that its handler did not read. It is read and dropped, so that the response arrives.
//!
//! Many clients send the whole body before they read the response. A connection that is closed with unread bytes is reset, and
//! then such a client sees a broken pipe instead of the response (RFC 9112, section 9.6). On HTTP/2 only the stream ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::{Request, Version, header};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use parking_lot::Mutex;

/// How much of a body is read and dropped. A client that sends more, or more slowly, sees its connection closed.
pub(super) const DISCARD_LIMITS: DiscardLimits = DiscardLimits { bytes: 64 << 20, time: Duration::from_secs(10) };

/// Limits on the rest of a body.
#[derive(Clone, Copy)]
pub(super) struct DiscardLimits {
    bytes: usize,
    time: Duration,
}

/// Body of a request. It gives its rest back when it is dropped before its end.
pub(super) struct RequestBody<B = Incoming>
where
    B: Body + Unpin,
{
    body: Option<B>,
    unread: Option<UnreadBody<B>>,
    /// Whether the client sends the body only when it is asked for, which the first read does.
    is_held_back: bool,
}

/// The rest of one request's body, once the body was dropped.
pub(super) struct UnreadBody<B = Incoming>(Arc<Mutex<Option<B>>>);

impl<B> Clone for UnreadBody<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Wraps the body of a request. Returns also where its rest will be, if it can have one.
pub(super) fn observe<B: Body + Unpin>(request: Request<B>) -> (Request<RequestBody<B>>, Option<UnreadBody<B>>) {
    let is_held_back = request.headers().contains_key(header::EXPECT);
    let has_rest = request.version() < Version::HTTP_2 && !request.body().is_end_stream();
    let unread = has_rest.then(|| UnreadBody(Arc::default()));
    let wrap = |body| RequestBody { body: Some(body), unread: unread.clone(), is_held_back };
    (request.map(wrap), unread)
}

impl<B: Body + Unpin> UnreadBody<B> {
    /// The rest, if the body was dropped before its end.
    pub(super) fn take(&self) -> Option<B> {
        self.0.lock().take()
    }
}

/// Reads the rest of a body and drops it, up to its end or a limit.
pub(super) async fn discard<B: Body<Data = Bytes> + Unpin>(mut rest: B, limits: DiscardLimits) {
    let discarded = async {
        let mut bytes = 0;
        while let Some(Ok(frame)) = rest.frame().await {
            bytes += frame.data_ref().map_or(0, Bytes::len);
            if bytes > limits.bytes {
                return;
            }
        }
    };
    if tokio::time::timeout(limits.time, discarded).await.is_err() {
        tracing::debug!("the rest of a body did not arrive in time");
    }
}

impl<B: Body + Unpin> Body for RequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.is_held_back = false;
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl<B: Body + Unpin> Drop for RequestBody<B> {
    fn drop(&mut self) {
        let is_rest = !self.is_held_back && !self.is_end_stream();
        if let Some(unread) = self.unread.take().filter(|_| is_rest) {
            *unread.0.lock() = self.body.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Body as AnyBody;

    use super::*;

    fn request(expect: bool, content: impl Into<AnyBody>) -> Request<AnyBody> {
        let request = Request::builder();
        let request = if expect { request.header(header::EXPECT, "100-continue") } else { request };
        request.body(content.into()).expect("a request")
    }

    #[tokio::test]
    async fn the_rest_of_a_body_is_what_its_handler_did_not_read() {
        let (observed, unread) = observe(request(false, "abc"));
        let unread = unread.expect("a body");
        assert!(unread.take().is_none(), "the handler has it");
        drop(observed);
        assert_eq!(unread.take().expect("a rest").collect().await.expect("bytes").to_bytes(), "abc");

        let (observed, unread) = observe(request(false, "abc"));
        assert_eq!(observed.into_body().collect().await.expect("bytes").to_bytes(), "abc");
        assert!(unread.expect("a body").take().is_none(), "all of it was read");
    }

    #[tokio::test]
    async fn a_body_that_waits_to_be_asked_for_is_not_asked_for() {
        let (observed, unread) = observe(request(true, "abc"));
        drop(observed);
        assert!(unread.expect("a body").take().is_none());
        assert!(observe(request(false, AnyBody::empty())).1.is_none(), "there is no body");
    }

    #[tokio::test]
    async fn an_endless_rest_ends_at_a_limit_and_a_silent_one_in_time() {
        let chunk = Bytes::from_static(&[0; 100]);
        let endless = futures_util::stream::repeat_with(move || Ok::<_, Infallible>(chunk.clone()));
        let hour = Duration::from_secs(3_600);
        discard(AnyBody::from_stream(endless), DiscardLimits { bytes: 1_000, time: hour }).await;
        let silent = futures_util::stream::pending::<Result<Bytes, Infallible>>();
        discard(AnyBody::from_stream(silent), DiscardLimits { bytes: 1_000, time: Duration::ZERO }).await;
    }
}

//! Compression of JSON while it is sent.
//!
//! Streams are not compressed: an event would wait in the encoder until others follow.

use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame};

use super::answer_budget::{AnswerRoom, Reservation};
use super::coding::Coding;

/// The fewest bytes that are compressed. Fewer fit into one packet with their head.
const MIN_BYTES: u64 = 1 << 10;

/// The bytes that are compressed at a time, so that no task keeps a thread for long.
const STEP_BYTES: usize = 32 << 10;

/// About the memory that an encoder takes. It is part of the budget of answers. Without room the answer is not compressed.
const ENCODER_BYTES: usize = 320 << 10;

/// What a request says about compression.
#[derive(Clone, Copy)]
pub(super) struct Compressible {
    /// Whether the answer may be compressed.
    is_wanted: bool,
    /// Whether the client has a compressed answer, which a 304 is about.
    is_known: bool,
}

/// Body that is compressed while it is sent.
struct GzipBody {
    rest: Bytes,
    encoder: Option<GzEncoder<Vec<u8>>>,
    _room: Reservation,
}

impl Compressible {
    pub(super) fn of(method: &Method, headers: &HeaderMap) -> Self {
        let is_wanted = method == Method::GET && Coding::preferred(headers, &[Coding::Gzip]) == Coding::Gzip;
        let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
        Self { is_wanted, is_known: known.is_some_and(|tags| tags.contains("-gzip\"")) }
    }

    /// Compresses an answer that is JSON, if the client wants that and there is room.
    pub(super) async fn apply(self, response: Response, room: &AnswerRoom) -> Response {
        let is_coded = response.headers().contains_key(header::CONTENT_ENCODING);
        if response.status() == StatusCode::NOT_MODIFIED && self.is_known && !is_coded {
            return tagged(response);
        }
        let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
        // The size of a stream is not known.
        let is_large = response.body().size_hint().exact().is_some_and(|size| size >= MIN_BYTES);
        if is_coded || !is_json || !is_large {
            return response;
        }
        let mut response = response;
        response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
        let Some(room) = Some(room).filter(|_| self.is_wanted).and_then(|room| room.reserve(ENCODER_BYTES).ok()) else {
            return response;
        };
        let (mut parts, body) = tagged(response).into_parts();
        // Only a body in memory has an exact size, so that nothing is waited for.
        let rest = body.collect().await.expect("a body in memory cannot fail").to_bytes();
        let body = GzipBody { rest, encoder: Some(GzEncoder::new(Vec::new(), Compression::fast())), _room: room };
        parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        parts.headers.remove(header::CONTENT_LENGTH);
        Response::from_parts(parts, Body::new(body))
    }
}

/// Gives a response the tag of its compressed form.
fn tagged(mut response: Response) -> Response {
    if let Some(tag) = response.headers().get(header::ETAG).map(|tag| Coding::Gzip.tag(tag)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

impl HttpBody for GzipBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        while let Some(mut encoder) = self.encoder.take() {
            let size = self.rest.len().min(STEP_BYTES);
            let step = self.rest.split_to(size);
            let written = if step.is_empty() {
                encoder.finish()
            } else {
                encoder.write_all(&step).map(|()| {
                    let written = std::mem::take(encoder.get_mut());
                    self.encoder = Some(encoder);
                    written
                })
            };
            match written {
                Ok(written) if written.is_empty() => {}
                written => return Poll::Ready(Some(written.map(|written| Frame::data(written.into())))),
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.encoder.is_none()
    }
}

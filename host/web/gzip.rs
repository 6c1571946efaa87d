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
use super::preconditions::is_named;

/// The fewest bytes that are compressed. Fewer fit into one packet with their head.
const MIN_BYTES: u64 = 1 << 10;

/// The bytes that are compressed at a time, so that no task keeps a thread for long.
const STEP_BYTES: usize = 32 << 10;

/// About the memory that an encoder takes. It is part of the budget of answers. Without room the answer is not compressed.
const ENCODER_BYTES: usize = 320 << 10;

/// What a request says about compression.
pub(super) struct Compressible {
    /// Whether the answer may be compressed.
    is_wanted: bool,
    /// Whether the answer has no body, but the head of the answer to GET.
    is_head: bool,
    /// The tags of answers that the client has. Other headers are left out.
    known: HeaderMap,
}

/// Body that is compressed while it is sent.
struct GzipBody {
    rest: Bytes,
    encoder: Option<GzEncoder<Vec<u8>>>,
    _room: Reservation,
}

impl Compressible {
    pub(super) fn of(method: &Method, headers: &HeaderMap) -> Self {
        let is_read = [Method::GET, Method::HEAD].contains(method);
        let known = headers.get_all(header::IF_NONE_MATCH).iter().map(|tags| (header::IF_NONE_MATCH, tags.clone()));
        Self {
            is_wanted: is_read && Coding::preferred(headers, &[Coding::Gzip]) == Coding::Gzip,
            is_head: method == Method::HEAD,
            known: known.collect(),
        }
    }

    /// Compresses an answer that is JSON, if the client wants that and there is room.
    pub(super) async fn apply(self, response: Response, room: &AnswerRoom) -> Response {
        let is_coded = response.headers().contains_key(header::CONTENT_ENCODING);
        let kind = response.headers().get(header::CONTENT_TYPE);
        let is_json = kind.is_some_and(|kind| kind == "application/json");
        if response.status() == StatusCode::NOT_MODIFIED {
            // Without a type it stands for JSON. The files of the page have their tags and their `Vary` already.
            return if is_json || kind.is_none() { self.not_modified(response) } else { response };
        }
        // The size of a stream is not known.
        let is_large = self.size(&response).is_some_and(|size| size >= MIN_BYTES);
        if is_coded || !is_json || !is_large {
            return response;
        }
        let mut response = response;
        response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
        let Some(room) = Some(room).filter(|_| self.is_wanted).and_then(|room| room.reserve(ENCODER_BYTES).ok()) else {
            return response;
        };
        let (mut parts, body) = tagged(response).into_parts();
        parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        parts.headers.remove(header::CONTENT_LENGTH);
        if self.is_head {
            return Response::from_parts(parts, body);
        }
        // Only a body in memory has an exact size, so that nothing is waited for.
        let rest = body.collect().await.expect("a body in memory cannot fail").to_bytes();
        let body = GzipBody { rest, encoder: Some(GzEncoder::new(Vec::new(), Compression::fast())), _room: room };
        Response::from_parts(parts, Body::new(body))
    }

    /// The size that the body of a response has before it is compressed. The router drops the body of an answer to HEAD.
    fn size(&self, response: &Response) -> Option<u64> {
        if !self.is_head {
            return response.body().size_hint().exact();
        }
        response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// Gives a 304 about JSON the headers that a 200 would have. Whether the 200 is large enough to be compressed is not known,
    /// so each 304 has `Vary`. The tag is that of the compressed form if the client has this form.
    fn not_modified(&self, mut response: Response) -> Response {
        response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
        let compressed = response.headers().get(header::ETAG).map(|tag| Coding::Gzip.tag(tag));
        if compressed.is_some_and(|tag| is_named(&self.known, &tag)) { tagged(response) } else { response }
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

#[cfg(test)]
mod tests {
    use super::super::answer_budget::Budget;
    use super::*;

    /// The tag, the coding and `Vary` of an answer to a request with these headers.
    async fn applied(method: &Method, request: &[(header::HeaderName, &str)], response: Response) -> [String; 3] {
        let headers = request.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value")));
        let room = AnswerRoom::of_connection(&Budget::new("bytes", 1 << 20), 1 << 20);
        let response = Compressible::of(method, &headers.collect()).apply(response, &room).await;
        let text = |name| response.headers().get(name).map_or("", |value| value.to_str().expect("text")).to_owned();
        [header::ETAG, header::CONTENT_ENCODING, header::VARY].map(text)
    }

    fn answer(status: StatusCode, headers: &[(header::HeaderName, &str)]) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value")));
        response.headers_mut().extend(headers.collect::<HeaderMap>());
        response
    }

    #[tokio::test]
    async fn a_304_has_the_tag_that_the_client_has_and_says_what_it_depends_on() {
        for (named, tag) in
            [(r#""7""#, r#""7""#), (r#""7-gzip""#, r#""7-gzip""#), (r#""6-gzip", "7""#, r#""7""#), ("*", r#""7""#)]
        {
            let known = [(header::IF_NONE_MATCH, named)];
            let response = answer(StatusCode::NOT_MODIFIED, &[(header::ETAG, r#""7""#)]);
            assert_eq!(applied(&Method::GET, &known, response).await, [tag, "", "accept-encoding"], "{named}");
        }
        let known = [(header::IF_NONE_MATCH, r#""a-gzip""#)];
        let headers =
            [(header::ETAG, r#""a-gzip""#), (header::CONTENT_TYPE, "text/css"), (header::VARY, "accept-encoding")];
        let file = applied(&Method::GET, &known, answer(StatusCode::NOT_MODIFIED, &headers)).await;
        assert_eq!(file, [r#""a-gzip""#, "", "accept-encoding"], "a file has the tag of its coding already");
    }

    #[tokio::test]
    async fn the_answer_to_head_has_the_headers_of_the_answer_to_get() {
        let asked = [(header::ACCEPT_ENCODING, "gzip")];
        let headers = [(header::ETAG, r#""7""#), (header::CONTENT_TYPE, "application/json")];
        let mut of_get = answer(StatusCode::OK, &headers);
        *of_get.body_mut() = vec![b'1'; 2_000].into();
        let mut of_head = answer(StatusCode::OK, &headers);
        of_head.headers_mut().insert(header::CONTENT_LENGTH, 2_000.into());
        let compressed = [r#""7-gzip""#, "gzip", "accept-encoding"];
        assert_eq!(applied(&Method::GET, &asked, of_get).await, compressed);
        assert_eq!(applied(&Method::HEAD, &asked, of_head).await, compressed);
    }
}

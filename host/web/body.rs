//! Body of a request: its media type, size and timeout, and the room for bodies that arrive.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::problem::{Problem, ProblemKind};

/// The bytes of all bodies that have arrived in part.
pub(super) struct ArrivingBytes {
    bytes: AtomicUsize,
    limit: usize,
}

/// The bytes of one body that has arrived in part.
struct Arriving<'a> {
    all: &'a ArrivingBytes,
    bytes: usize,
}

/// Why a body could not be collected.
enum CollectError {
    /// It is too large, or its connection failed.
    Body(Box<dyn std::error::Error + Send + Sync>),
    /// There is no room for more.
    Full { limit: usize },
}

/// Limits of a body.
#[derive(Clone, Copy)]
pub(super) struct BodyLimits<'a> {
    /// The name of the limit on the size.
    pub(super) name: &'static str,
    /// The largest size.
    pub(super) bytes: usize,
    /// How long the body may take to arrive.
    pub(super) time: Duration,
    /// The room that all bodies share.
    pub(super) arriving: &'a ArrivingBytes,
}

impl ArrivingBytes {
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), limit }
    }
}

impl Arriving<'_> {
    fn add(&mut self, bytes: usize) -> Result<(), CollectError> {
        let limit = self.all.limit;
        let added = |all: usize| all.checked_add(bytes).filter(|all| *all <= limit);
        let added = self.all.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added);
        added.map_err(|_| CollectError::Full { limit })?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        self.all.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl BodyLimits<'_> {
    /// Reads a body to its end.
    pub(super) async fn read(self, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
        require_no_coding(headers)?;
        // A Content-Length over the limit is refused here, before a client that waits for "100 Continue" sends the body.
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: usize| length > self.bytes) {
            return Err(self.exceeded());
        }
        match tokio::time::timeout(self.time, collect(Limited::new(body, self.bytes), self.arriving)).await {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(CollectError::Body(error))) if error.is::<LengthLimitError>() => Err(self.exceeded()),
            Ok(Err(CollectError::Body(error))) => {
                Err(Problem::new(ProblemKind::Malformed, format!("the body broke off: {error}")))
            }
            Ok(Err(CollectError::Full { limit })) => {
                let detail = format!("the bodies that are arriving have {limit} bytes, which is the limit");
                Err(Problem::overloaded(detail, "max arriving bytes", limit))
            }
            Err(_) => {
                let seconds = usize::try_from(self.time.as_secs()).unwrap_or(usize::MAX);
                let detail = format!("the body did not arrive within {} ms", self.time.as_millis());
                Err(Problem::new(ProblemKind::Timeout, detail).with_limit("body timeout seconds", seconds))
            }
        }
    }

    fn exceeded(self) -> Problem {
        let detail = format!("the body has over {} bytes", self.bytes);
        Problem::new(ProblemKind::TooLarge, detail).with_limit(self.name, self.bytes)
    }
}

/// Joins the frames of a body.
///
/// Frames are not kept one by one, because each costs far more memory than the byte that it may hold.
async fn collect(mut body: Limited<Body>, arriving: &ArrivingBytes) -> Result<Bytes, CollectError> {
    // Most bodies are one frame, which is not copied and does not count, because a connection may hold that much anyway.
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    let mut arrived = Arriving { all: arriving, bytes: 0 };
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(CollectError::Body)?.into_data() else { continue };
        if joined.is_empty() && first.is_empty() {
            first = data;
            continue;
        }
        arrived.add(first.len() + data.len())?;
        joined.extend_from_slice(&std::mem::take(&mut first));
        joined.extend_from_slice(&data);
    }
    Ok(if joined.is_empty() { first } else { joined.freeze() })
}

/// Refuses a body with another media type than one of these.
///
/// A plain HTML form cannot send any of the allowed types. So another site's page cannot make a browser send such a
/// request without the user's consent.
pub(super) fn require_type(headers: &HeaderMap, allowed: &[&str]) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.map(|given| given.split(';').next().unwrap_or_default().trim());
    if essence.is_some_and(|essence| allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(essence))) {
        return require_utf8(given.unwrap_or_default());
    }
    let allowed = allowed.join(" or ");
    let detail = match essence {
        Some(essence) => format!("the body is {essence:?}; send {allowed}"),
        None => format!("there is no Content-Type; send {allowed}"),
    };
    Err(Problem::new(ProblemKind::MediaType, detail).with_field("Content-Type"))
}

/// Refuses a media type whose parameters name another encoding of characters than UTF-8.
fn require_utf8(media_type: &str) -> Result<(), Problem> {
    for parameter in media_type.split(';').skip(1) {
        let Some((name, charset)) = parameter.split_once('=') else { continue };
        let charset = charset.trim().trim_matches('"');
        if name.trim().eq_ignore_ascii_case("charset") && !["utf-8", "utf8"].contains(&&*charset.to_ascii_lowercase()) {
            let detail = format!("the body is in {charset:?}; send UTF-8");
            return Err(Problem::new(ProblemKind::MediaType, detail).with_field("Content-Type"));
        }
    }
    Ok(())
}

/// Refuses a body that is compressed or coded in another way.
fn require_no_coding(headers: &HeaderMap) -> Result<(), Problem> {
    let coding = headers.get(header::CONTENT_ENCODING).map(|coding| String::from_utf8_lossy(coding.as_bytes()));
    match coding {
        Some(coding) if !coding.eq_ignore_ascii_case("identity") => {
            let detail = format!("the body has the content coding {coding:?}; send it without one");
            Err(Problem::new(ProblemKind::MediaType, detail).with_field("Content-Encoding"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::http::StatusCode;
    use axum::response::IntoResponse;

    use super::*;

    async fn read(frames: impl IntoIterator<Item = &'static [u8]>, room: &ArrivingBytes) -> Result<Bytes, Problem> {
        let frames: Vec<_> = frames.into_iter().collect();
        let frames = frames.into_iter().map(|frame| Ok::<_, Infallible>(Bytes::from_static(frame)));
        let body = Body::from_stream(futures_util::stream::iter(frames));
        let limits = BodyLimits { name: "body bytes", bytes: 1000, time: Duration::from_secs(60), arriving: room };
        limits.read(&HeaderMap::new(), body).await
    }

    #[tokio::test]
    async fn a_body_of_many_frames_is_joined_up_to_the_limit() {
        let bytes: &'static [u8] = &[7; 1001];
        let room = ArrivingBytes::new(1000);
        assert_eq!(read(bytes[..1000].chunks(1), &room).await.unwrap(), bytes[..1000]);
        assert!(read(bytes.chunks(1), &room).await.is_err());
        assert_eq!(read([&b""[..], b"ab", b"", b"c"], &room).await.unwrap(), "abc");
        assert_eq!(read([&b"ab"[..]], &room).await.unwrap(), "ab");
        assert_eq!(read([], &room).await.unwrap(), "");
        assert_eq!(room.bytes.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_body_that_the_room_of_all_bodies_does_not_hold_is_refused_and_gives_its_room_back() {
        let room = ArrivingBytes::new(100);
        let mut first = Arriving { all: &room, bytes: 0 };
        assert!(first.add(60).is_ok());
        let bytes: &'static [u8] = &[7; 50];
        let problem = read(bytes.chunks(10), &room).await.expect_err("there is no room");
        assert_eq!(problem.into_response().status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(read([bytes], &room).await.unwrap(), bytes, "one frame is not on its way any more");
        drop(first);
        assert_eq!(read(bytes.chunks(10), &room).await.unwrap(), bytes);
        assert_eq!(room.bytes.load(Ordering::Relaxed), 0);
    }
}

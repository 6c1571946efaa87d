//! Body of a request: its media type, size and timeout.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::problem::{Problem, ProblemKind};

/// Limits of a body.
#[derive(Clone, Copy)]
pub(super) struct BodyLimits {
    /// The name of the limit on the size.
    pub(super) name: &'static str,
    /// The largest size.
    pub(super) bytes: usize,
    /// How long the body may take to arrive.
    pub(super) time: Duration,
}

impl BodyLimits {
    /// Reads a body to its end.
    pub(super) async fn read(self, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
        // A Content-Length over the limit is refused here, before a client that waits for "100 Continue" sends the body.
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: usize| length > self.bytes) {
            return Err(self.exceeded());
        }
        match tokio::time::timeout(self.time, collect(Limited::new(body, self.bytes))).await {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(self.exceeded()),
            Ok(Err(error)) => Err(Problem::new(ProblemKind::Malformed, format!("the body broke off: {error}"))),
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
async fn collect(mut body: Limited<Body>) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
    // Most bodies are one frame, which is not copied.
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if joined.is_empty() && first.is_empty() {
            first = data;
            continue;
        }
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
        return Ok(());
    }
    let allowed = allowed.join(" or ");
    let detail = match essence {
        Some(essence) => format!("the body is {essence:?}; send {allowed}"),
        None => format!("there is no Content-Type; send {allowed}"),
    };
    Err(Problem::new(ProblemKind::MediaType, detail).with_field("Content-Type"))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    async fn read(frames: impl IntoIterator<Item = &'static [u8], IntoIter: Send + 'static>) -> Result<Bytes, Problem> {
        let frames = frames.into_iter().map(|frame| Ok::<_, Infallible>(Bytes::from_static(frame)));
        let body = Body::from_stream(futures_util::stream::iter(frames));
        BodyLimits { name: "body bytes", bytes: 1000, time: Duration::from_secs(60) }
            .read(&HeaderMap::new(), body)
            .await
    }

    #[tokio::test]
    async fn a_body_of_many_frames_is_joined_up_to_the_limit() {
        let bytes: &'static [u8] = &[7; 1001];
        assert_eq!(read(bytes[..1000].chunks(1)).await.unwrap(), bytes[..1000]);
        assert!(read(bytes.chunks(1)).await.is_err());
        assert_eq!(read([&b""[..], b"ab", b"", b"c"]).await.unwrap(), "abc");
        assert_eq!(read([&b"ab"[..]]).await.unwrap(), "ab");
        assert_eq!(read([]).await.unwrap(), "");
    }
}

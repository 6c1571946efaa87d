//! The body of a request: its type, its size, and how long it may take.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

use super::problem::{Problem, ProblemKind};

/// How large a body may be and how long it may take.
#[derive(Clone, Copy)]
pub(super) struct BodyLimits {
    /// The name of the limit on its size.
    pub(super) name: &'static str,
    /// The most bytes it may have.
    pub(super) bytes: usize,
    /// How long it may take.
    pub(super) time: Duration,
}

impl BodyLimits {
    /// Reads a body to its end.
    pub(super) async fn read(self, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
        // A length that is announced is refused before a client waits for "100 Continue".
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: usize| length > self.bytes) {
            return Err(self.exceeded());
        }
        match tokio::time::timeout(self.time, self.collect(body)).await {
            Ok(body) => body,
            Err(_) => {
                let seconds = usize::try_from(self.time.as_secs()).unwrap_or(usize::MAX);
                let detail = format!("the body did not arrive within {} ms", self.time.as_millis());
                Err(Problem::new(ProblemKind::Timeout, detail).with_limit("body timeout seconds", seconds))
            }
        }
    }

    async fn collect(self, mut body: Body) -> Result<Bytes, Problem> {
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let broken = |error| Problem::new(ProblemKind::Malformed, format!("the body broke off: {error}"));
            let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
            if first.len() + rest.len() + data.len() > self.bytes {
                return Err(self.exceeded());
            }
            // Nearly every body is one frame, which then is not copied.
            if first.is_empty() {
                first = data;
            } else {
                rest.extend_from_slice(&data);
            }
        }
        if rest.is_empty() {
            return Ok(first);
        }
        let mut whole = BytesMut::with_capacity(first.len() + rest.len());
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&rest);
        Ok(whole.freeze())
    }

    fn exceeded(self) -> Problem {
        let detail = format!("the body has over {} bytes", self.bytes);
        Problem::new(ProblemKind::TooLarge, detail).with_limit(self.name, self.bytes)
    }
}

/// Refuses a body of another type than one of these. Asking for a type that a plain HTML form cannot send
/// also means that another site's page cannot make a browser send it unasked.
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

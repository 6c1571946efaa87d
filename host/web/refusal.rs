//! Response to a connection for which there is no slot. It is written without waiting, before the connection is closed.

use std::io::{self, Read, Write};

use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use tokio_util::either::Either;

use super::headers::protect;
use super::listen::Stream;
use super::problem::{Access, Problem};

/// The most bytes of a request that are read before the connection is closed.
const READ_BYTES: usize = 4 << 10;

/// The response with a problem, as bytes of HTTP/1.1.
pub(super) fn response(problem: &Problem) -> Vec<u8> {
    // Nothing was read, so the request that the client sends may be one that writes.
    let body = problem.to_json(Access::Write);
    let mut response = problem.clone().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    protect(headers);
    let mut bytes = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend(b"\r\n");
    bytes.extend(body);
    bytes
}

/// Writes a response to a new connection and closes it. A new connection takes the bytes at once. If it does not, or is
/// broken, it is closed without them.
pub(super) fn refuse(stream: Stream, response: &[u8]) {
    let responded = match stream {
        Either::Left(stream) => stream.into_std().and_then(|stream| respond(stream, response)),
        Either::Right(stream) => stream.into_std().and_then(|stream| respond(stream, response)),
    };
    if let Err(error) = responded {
        tracing::debug!(%error, "a connection that is refused did not take the response");
    }
}

/// The sockets of the runtime do not block, also after they have left the runtime.
fn respond(mut socket: impl Read + Write, response: &[u8]) -> io::Result<()> {
    // A socket with bytes that were not read is reset when it is closed, and then the client may lose the response.
    let _ = socket.read(&mut [0; READ_BYTES]);
    socket.write(response).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_response_says_that_nothing_was_carried_out_and_closes_the_connection() {
        let text = String::from_utf8(response(&Problem::overloaded("too many", "max connections", 7))).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
        for line in
            ["connection: close", "retry-after: 1", "cache-control: no-store", "content-type: application/problem+json"]
        {
            assert!(head.lines().any(|found| found == line), "{head}");
        }
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        let problem: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(problem["carried_out"], "no");
        assert_eq!(problem["limit"], serde_json::json!({"name": "max connections", "value": 7}));
    }
}

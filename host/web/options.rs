//! The limits and manners of the HTTP server. Every one has a name, and the problem that reports a
//! limit gives that name.

use std::time::Duration;

use axum::http::HeaderName;

/// How the server deals with its clients.
#[derive(Clone, Debug)]
pub struct Options {
    /// The most bytes of a request's body, but for a component.
    pub max_body_bytes: usize,
    /// The most bytes of an uploaded component.
    pub max_component_bytes: usize,
    /// The most components on their way in at a time; a further one is a 503.
    pub max_uploads: usize,
    /// How long the head of a request may take, from its first byte; on a new connection, from the
    /// moment it was accepted. Who takes longer is cut off.
    pub header_timeout: Duration,
    /// How long a connection may do nothing between two requests, and how long a client may leave
    /// an answer unread, before it is closed.
    pub idle_timeout: Duration,
    /// How long the body of a request may take. Who takes longer gets a 408.
    pub body_timeout: Duration,
    /// The most connections at a time. At the limit no further one is accepted until one ends:
    /// clients wait in the operating system's queue, at no cost to the server.
    pub max_connections: usize,
    /// The most bytes of a request's head (at least 8192); more is a 431.
    pub max_header_bytes: usize,
    /// The most header lines of an HTTP/1 request; more is a 431.
    pub max_headers: usize,
    /// The most requests at a time on one HTTP/2 connection.
    pub max_streams_per_connection: u32,
    /// How long a stopping server waits for the requests at hand before it drops them.
    pub drain_limit: Duration,
    /// The most event streams open at a time; a further one is a 503.
    pub max_event_streams: usize,
    /// How often a silent event stream shows that it is alive.
    pub heartbeat: Duration,
    /// How many items a page has when the request does not say.
    pub page_size: usize,
    /// The most items a page may have.
    pub max_page_size: usize,
    /// The header that names the caller, set by a proxy which has checked who it is. With it, a
    /// request without the header is refused, and pages of other origins get no CORS headers.
    /// Without it, every caller is `anonymous`.
    pub caller_header: Option<HeaderName>,
    /// The scheme and host of the URLs in answers, such as `https://todo.example`, without a slash
    /// at the end. Without it, they are `http` and the request's own `Host`.
    pub public_url: Option<String>,
    /// The names, without ports, under which the server may be asked; `None` for any. Another one is
    /// a 421.
    pub hosts: Option<Vec<String>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_body_bytes: 64 << 10,
            max_component_bytes: 32 << 20,
            max_uploads: 2,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(30),
            max_connections: 10_000,
            max_header_bytes: 32 << 10,
            max_headers: 100,
            max_streams_per_connection: 200,
            drain_limit: Duration::from_secs(10),
            max_event_streams: 1_000,
            heartbeat: Duration::from_secs(15),
            page_size: 100,
            max_page_size: 1_000,
            caller_header: None,
            public_url: None,
            hosts: None,
        }
    }
}

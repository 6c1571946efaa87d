//! Options of the HTTP server. A problem that reports a limit names it.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

use axum::http::HeaderName;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::urls::{PageOrigin, PublicUrl, UrlError};

/// Limits and trust of the HTTP server.
#[derive(Clone, Debug)]
pub struct Options {
    /// The largest body of a request, in bytes. Components have their own limit.
    pub max_body_bytes: usize,
    /// The size at which a page of an answer ends, in bytes. An entry that is larger is a page of its own.
    pub page_bytes: usize,
    /// The most bytes of answers that wait to be sent, and of bodies of requests that write. A further request is a 503.
    pub max_answer_bytes: usize,
    /// The same for one connection. On the connections of a proxy, the same for one caller.
    pub max_connection_answer_bytes: usize,
    /// The fewest bytes that a client takes of a response within [`Options::answer_time`]. A slower response is ended.
    pub min_answer_bytes: usize,
    /// The time in which a client takes [`Options::min_answer_bytes`], while there are bytes to take.
    pub answer_time: Duration,
    /// The largest component that can be uploaded, in bytes.
    pub max_component_bytes: usize,
    /// The most uploaded components that are checked, or wait for it, at a time. A further one is a 503. A component counts
    /// from when its body has arrived.
    pub max_uploads: usize,
    /// The most bytes of all bodies that have arrived in part. At the limit, a body that goes on is a 503.
    pub max_arriving_bytes: usize,
    /// How long the head of a request may take, from its first byte. On a new connection the time starts when the
    /// connection is accepted. A slower client is disconnected.
    pub header_timeout: Duration,
    /// How long a connection may be idle between two requests, and how long a client may leave a response unread,
    /// before the connection is closed.
    pub idle_timeout: Duration,
    /// How long the body of a request may take. A slower client gets a 408.
    pub body_timeout: Duration,
    /// The most connections at a time. A further one is refused at once with a 503.
    pub max_connections: usize,
    /// The most connections of one peer. If `None`, an eighth of [`Options::max_connections`], and at least 8.
    pub max_connections_per_peer: Option<usize>,
    /// The largest head of a request, in bytes (at least 8192). A larger one is a 431.
    pub max_header_bytes: usize,
    /// The most header lines of an HTTP/1 request. More are a 431.
    pub max_headers: usize,
    /// The most requests at a time on one HTTP/2 connection.
    pub max_streams_per_connection: u32,
    /// How long a stopping server waits for requests in progress before it drops them.
    pub drain_limit: Duration,
    /// The most event streams that are open at a time. A further one is a 503.
    pub max_event_streams: usize,
    /// The most event streams of one client. If `None`, an eighth of [`Options::max_event_streams`], and at
    /// least 8.
    pub max_event_streams_per_client: Option<usize>,
    /// Whether the routes of probes and scrapers are here. Otherwise they are those of [`super::serve_admin`].
    pub has_operation_routes: bool,
    /// How often an event stream without events sends a comment, which shows that it is alive.
    pub heartbeat: Duration,
    /// The number of items on a page if the request does not say.
    pub page_size: usize,
    /// The most items that a page may have.
    pub max_page_size: usize,
    /// The header that names the caller. A proxy sets it after it has authenticated the caller. A request without the
    /// header is refused. If `None`, every caller is `anonymous`.
    pub caller_header: Option<HeaderName>,
    /// The networks of the proxies from which [`Options::caller_header`] is believed. A process that may open the socket
    /// file of the server is a trusted proxy, too.
    pub trusted_proxies: Vec<IpNet>,
    /// The URL under which clients reach the server. Its name is one that a request's `Host` may have. If `None`, the URLs
    /// in responses are `http` and the request's `Host`.
    pub public_url: Option<PublicUrl>,
    /// The pages of other origins that may use the server.
    pub cors_origins: Vec<CorsOrigin>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_body_bytes: 64 << 10,
            page_bytes: 1 << 20,
            max_answer_bytes: 256 << 20,
            max_connection_answer_bytes: 16 << 20,
            min_answer_bytes: 30 << 10,
            answer_time: Duration::from_secs(30),
            max_component_bytes: 32 << 20,
            max_uploads: 4,
            max_arriving_bytes: 128 << 20,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(30),
            max_connections: 10_000,
            max_connections_per_peer: None,
            max_header_bytes: 32 << 10,
            max_headers: 100,
            max_streams_per_connection: 200,
            drain_limit: Duration::from_secs(10),
            max_event_streams: 1_000,
            max_event_streams_per_client: None,
            has_operation_routes: true,
            heartbeat: Duration::from_secs(15),
            page_size: 100,
            max_page_size: 1_000,
            caller_header: None,
            trusted_proxies: loopback(),
            public_url: None,
            cors_origins: Vec::new(),
        }
    }
}

/// The part of all slots that one client may take by default: one of so many.
const SHARE: usize = 8;

/// The smallest such share. A browser opens six connections.
const LEAST_SHARE: usize = 8;

/// The share of one client by default.
fn share(all: usize) -> usize {
    (all / SHARE).max(LEAST_SHARE)
}

/// The connections of the listener for probes and scrapers.
const ADMIN_CONNECTIONS: usize = 64;

/// How long that listener waits for requests in progress. They are short.
const ADMIN_DRAIN_LIMIT: Duration = Duration::from_secs(1);

impl Options {
    /// The most connections of one peer.
    pub(super) fn connections_per_peer(&self) -> usize {
        self.max_connections_per_peer.unwrap_or_else(|| share(self.max_connections))
    }

    /// The most event streams of one client.
    pub(super) fn event_streams_per_client(&self) -> usize {
        self.max_event_streams_per_client.unwrap_or_else(|| share(self.max_event_streams))
    }

    /// The options of the listener for probes and scrapers. Nothing there needs a caller.
    pub(super) fn of_admin_listener(&self) -> Self {
        Self {
            max_connections: ADMIN_CONNECTIONS,
            max_connections_per_peer: Some(ADMIN_CONNECTIONS / 2),
            drain_limit: ADMIN_DRAIN_LIMIT,
            caller_header: None,
            cors_origins: Vec::new(),
            ..self.clone()
        }
    }
}

/// The networks of this machine alone.
fn loopback() -> Vec<IpNet> {
    let v4 = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
    vec![v4.into(), Ipv6Net::from(Ipv6Addr::LOCALHOST).into()]
}

/// Pages of another origin that may use the server from a browser, without cookies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CorsOrigin {
    /// All pages, which may use the entries of lists and nothing else. Clients of Todo-Backend need that much.
    Any,
    /// The pages of one origin, which may use the whole interface.
    One(PageOrigin),
}

impl FromStr for CorsOrigin {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text == "*" { Ok(Self::Any) } else { text.parse().map(Self::One) }
    }
}

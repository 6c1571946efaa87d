//! Server of a listener: serves connections, and ends them when the server stops.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::accept_loop::AcceptLoop;
use super::answer_budget::Reservation;
use super::body_progress::{BodyProgress, LeastSpeed, RESPONSE};
use super::listen::{Listener, Stream, send_at_once};
use super::options::Options;
use super::peer::{NamedPeer, Peer};
use super::slots::Slot;
use super::state::{Services, Web};
use super::timed_body::TimedBody;
use super::timeouts::{ConnectionTimeouts, TimedStream};
use super::unread_body::{self, DISCARD_LIMITS, UnreadBody};
use super::{assets, contract, routes};

/// How often a silent HTTP/2 client is pinged, and how long it may take to reply.
const PING: Duration = Duration::from_secs(20);

/// The smallest limit on a request head that hyper accepts.
const LEAST_HEADER_BYTES: usize = 8192;

/// The bytes of one HTTP/2 response that wait to be sent, beyond which no further frame is taken. A frame is taken as a whole.
const MAX_SEND_BYTES: usize = 32 << 10;

/// Serves requests until `shutdown`.
///
/// Then it accepts no more connections, ends the event streams, waits up to [`Options::drain_limit`] for the requests
/// in progress, and drops the rest.
pub async fn serve(listener: impl Into<Listener>, services: Services, options: Options, shutdown: CancellationToken) {
    let stages = Stages::new();
    assets::prepare();
    let web = Web::new(services, options, contract::text(), stages.drain.clone());
    let server = Server::new(routes::router(&web), web, stages);
    server.accept(listener.into(), &shutdown).await;
    server.web.services.readiness.drain();
    server.end().await;
}

/// Serves the requests of probes and scrapers until `shutdown`, on a listener of their own. It has connections of its own, so
/// it can be used while all those of [`serve`] are taken.
pub async fn serve_admin(listener: Listener, services: Services, options: &Options, shutdown: CancellationToken) {
    let stages = Stages::new();
    let web = Web::new(services, options.of_admin_listener(), String::new(), stages.drain.clone());
    let server = Server::new(routes::admin_router(&web), web, stages);
    server.accept(listener, &shutdown).await;
    server.end().await;
}

/// Steps of stopping a server.
struct Stages {
    /// Ends event streams and idle connections.
    drain: CancellationToken,
    /// Ends requests in progress.
    drop: CancellationToken,
    /// All connections, and all requests of HTTP/2 connections.
    tasks: TaskTracker,
}

impl Stages {
    fn new() -> Self {
        Self { drain: CancellationToken::new(), drop: CancellationToken::new(), tasks: TaskTracker::new() }
    }
}

struct Server {
    router: Router,
    builder: Builder<Tracked>,
    web: Arc<Web>,
    stages: Stages,
}

/// Executor of HTTP/2 requests, each of which is a task of its own.
#[derive(Clone)]
struct Tracked {
    tasks: TaskTracker,
    drop: CancellationToken,
    least_speed: LeastSpeed,
}

impl<F> Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        let (progress, least_speed) = (Arc::<BodyProgress>::default(), self.least_speed);
        let response = RESPONSE.scope(progress.clone(), future);
        let ended = async move {
            tokio::select! {
                _ = response => {}
                // To drop the response is to reset its stream. The others on the connection go on.
                () = progress.too_slow(least_speed) => tracing::debug!("ending a response, the client is too slow"),
            }
        };
        self.tasks.spawn(self.drop.clone().run_until_cancelled_owned(ended));
    }
}

fn builder(options: &Options, stages: &Stages) -> Builder<Tracked> {
    let (tasks, drop) = (stages.tasks.clone(), stages.drop.clone());
    let mut builder = Builder::new(Tracked { tasks, drop, least_speed: least_speed(options) });
    builder
        .http1()
        .timer(TokioTimer::new())
        // `timeouts` does this, and more.
        .header_read_timeout(None)
        .max_buf_size(options.max_header_bytes.max(LEAST_HEADER_BYTES))
        .max_headers(options.max_headers);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(options.max_streams_per_connection)
        .max_send_buf_size(MAX_SEND_BYTES)
        .max_header_list_size(u32::try_from(options.max_header_bytes).unwrap_or(u32::MAX));
    builder
}

fn least_speed(options: &Options) -> LeastSpeed {
    LeastSpeed { bytes: options.min_answer_bytes, time: options.answer_time }
}

impl Server {
    fn new(router: Router, web: Arc<Web>, stages: Stages) -> Arc<Self> {
        Arc::new(Self { router, builder: builder(&web.options, &stages), web, stages })
    }

    async fn accept(self: &Arc<Self>, listener: Listener, shutdown: &CancellationToken) {
        let mut accept_loop = AcceptLoop::new(listener, self.web.clone());
        while let Some((stream, peer, slot)) = shutdown.run_until_cancelled(accept_loop.next()).await {
            drop(self.stages.tasks.spawn(self.clone().serve_connection(stream, peer, slot)));
        }
    }

    /// Ends the connections, in steps.
    async fn end(&self) {
        let stages = &self.stages;
        // An event stream never ends by itself, so its connection would not end either.
        stages.drain.cancel();
        stages.tasks.close();
        if tokio::time::timeout(self.web.options.drain_limit, stages.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = stages.tasks.len(), "dropping the requests that did not finish in time");
            stages.drop.cancel();
            stages.tasks.wait().await;
        }
    }

    /// Reads the rest of a body, if there is one that may still arrive, while its response is sent.
    fn discard(&self, unread: &UnreadBody, timeouts: &Arc<ConnectionTimeouts>, status: StatusCode) {
        let rest = unread.take().filter(|_| status != StatusCode::REQUEST_TIMEOUT);
        let Some(rest) = rest else { return };
        // Only a body of HTTP/1 has a rest. Its bytes are not the head of the next request.
        let in_flight = timeouts.begin(Version::HTTP_11);
        let discarded = async move {
            unread_body::discard(rest, DISCARD_LIMITS).await;
            drop(in_flight);
        };
        self.stages.tasks.spawn(self.stages.drop.clone().run_until_cancelled_owned(discarded));
    }

    /// Serves one connection until it ends.
    async fn serve_connection(self: Arc<Self>, stream: Stream, peer: Peer, slot: Slot) {
        let _open = self.web.services.metrics.connections.enter();
        send_at_once(&stream);
        let options = &self.web.options;
        let timeouts = ConnectionTimeouts::new(options.header_timeout, options.idle_timeout, least_speed(options));
        let (room, progress) = (self.web.new_room(peer), Arc::<BodyProgress>::default());
        let named = NamedPeer::from(peer);
        let service = service_fn(|request: Request<Incoming>| {
            let (mut request, unread) = unread_body::observe(request);
            request.extensions_mut().insert(named.clone());
            request.extensions_mut().insert(room.clone());
            let progress = progress.clone();
            let in_flight = timeouts.begin(request.version());
            let mut router = self.router.clone();
            let unread = unread.map(|unread| (unread, self.clone(), timeouts.clone()));
            async move {
                router.call(request).await.map(|mut response: Response<_>| {
                    if let Some((unread, server, timeouts)) = unread {
                        server.discard(&unread, &timeouts, response.status());
                    }
                    let room = Reservation::take_from(&mut response);
                    // A response on HTTP/2 has a progress of its own.
                    let progress = RESPONSE.try_with(Arc::clone).unwrap_or(progress);
                    response.map(|body| TimedBody::new(body, in_flight, progress, room))
                })
            }
        });
        let io = TokioIo::new(TimedStream::new(stream, timeouts.clone()));
        let mut connection = std::pin::pin!(self.builder.serve_connection(io, service));
        let served = tokio::select! {
            served = &mut connection => Some(served),
            activity = timeouts.exceeded() => {
                tracing::debug!(activity, "closing a connection, the client is too slow");
                None
            }
            () = progress.too_slow(least_speed(options)) => {
                tracing::debug!("closing a connection, the client takes a response too slowly");
                None
            }
            () = self.stages.drain.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    served = &mut connection => Some(served),
                    _ = timeouts.exceeded() => None,
                    () = self.stages.drop.cancelled() => None,
                }
            }
        };
        if let Some(Err(error)) = served {
            tracing::debug!(error, "a connection broke");
        }
        drop(slot);
    }
}

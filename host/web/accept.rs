//! Takes connections in, and sees them off.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::timeouts::{Pace, Paced, Watched};
use super::{Options, Services, Web, routes};

/// How long nothing is accepted after the operating system could not: it has run out of something,
/// and needs a connection to end.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// How often a silent HTTP/2 client is asked whether it is still there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(20);

/// Hyper takes no smaller limit on a head.
const LEAST_HEADER_BYTES: usize = 8192;

/// Answers requests until `shutdown`; then accepts no more, ends the event streams, lets the requests
/// at hand finish for as long as [`Options::drain_limit`], and drops what is left.
pub async fn serve(listener: TcpListener, services: Services, options: Options, shutdown: CancellationToken) {
    let stages = Stages { drain: CancellationToken::new(), drop: CancellationToken::new(), tasks: TaskTracker::new() };
    let drain_limit = options.drain_limit;
    let web = Web::new(services, options, stages.drain.clone());
    let server =
        Arc::new(Server { router: routes::router(&web), builder: builder(&web.options, &stages), web, stages });
    server.accept(listener, &shutdown).await;
    server.web.services.readiness.drain();
    let stages = &server.stages;
    // Event streams never end by themselves: they end here, and with them what their connections wait for.
    stages.drain.cancel();
    stages.tasks.close();
    if tokio::time::timeout(drain_limit, stages.tasks.wait()).await.is_err() {
        tracing::warn!(tasks = stages.tasks.len(), "dropping the requests that did not finish in time");
        stages.drop.cancel();
        stages.tasks.wait().await;
    }
}

/// The end of a server, step by step.
struct Stages {
    /// No further requests.
    drain: CancellationToken,
    /// No waiting either.
    drop: CancellationToken,
    /// Everything that may have to be waited for.
    tasks: TaskTracker,
}

struct Server {
    router: Router,
    builder: Builder<Tracked>,
    web: Arc<Web>,
    stages: Stages,
}

/// Runs the requests of HTTP/2 connections, each of which is a task of its own.
#[derive(Clone)]
struct Tracked {
    tasks: TaskTracker,
    drop: CancellationToken,
}

impl<F> Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.tasks.spawn(self.drop.clone().run_until_cancelled_owned(future));
    }
}

fn builder(options: &Options, stages: &Stages) -> Builder<Tracked> {
    let mut builder = Builder::new(Tracked { tasks: stages.tasks.clone(), drop: stages.drop.clone() });
    builder
        .http1()
        .timer(TokioTimer::new())
        // `pace` does this, and more.
        .header_read_timeout(None)
        .max_buf_size(options.max_header_bytes.max(LEAST_HEADER_BYTES))
        .max_headers(options.max_headers);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(options.max_streams_per_connection)
        .max_header_list_size(u32::try_from(options.max_header_bytes).unwrap_or(u32::MAX));
    builder
}

impl Server {
    async fn accept(self: &Arc<Self>, listener: TcpListener, shutdown: &CancellationToken) {
        let room = Arc::new(Semaphore::new(self.web.options.max_connections));
        let next = async || {
            let place = room.clone().acquire_owned().await.map_err(io::Error::other)?;
            let (stream, _) = listener.accept().await?;
            Ok::<_, io::Error>((stream, place))
        };
        loop {
            match shutdown.run_until_cancelled(next()).await {
                None => return,
                Some(Ok((stream, place))) => {
                    drop(self.stages.tasks.spawn(self.clone().serve_connection(stream, place)))
                }
                Some(Err(error)) if is_of_one_connection(&error) => {
                    tracing::debug!(%error, "a connection ended before it was accepted");
                }
                Some(Err(error)) => {
                    tracing::error!(%error, "cannot accept connections; trying again");
                    shutdown.run_until_cancelled(tokio::time::sleep(PAUSE_AFTER_ERROR)).await;
                }
            }
        }
    }

    /// One connection, from its first byte to its last.
    async fn serve_connection(self: Arc<Self>, stream: TcpStream, place: OwnedSemaphorePermit) {
        let connections = &self.web.services.metrics.connections;
        connections.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot send small answers at once");
        }
        let options = &self.web.options;
        let pace = Pace::new(options.header_timeout, options.idle_timeout);
        let service = service_fn(|request: Request<Incoming>| {
            let busy = pace.begin(request.version());
            let mut router = self.router.clone();
            async move {
                router.call(request).await.map(|response: Response<_>| response.map(|body| Paced::new(body, busy)))
            }
        });
        let io = TokioIo::new(Watched::new(stream, pace.clone()));
        let mut connection = std::pin::pin!(self.builder.serve_connection(io, service));
        let served = tokio::select! {
            served = &mut connection => Some(served),
            over = pace.exceeded() => {
                tracing::debug!(over, "a client took too long");
                None
            }
            () = self.stages.drain.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    served = &mut connection => Some(served),
                    _ = pace.exceeded() => None,
                    () = self.stages.drop.cancelled() => None,
                }
            }
        };
        if let Some(Err(error)) = served {
            tracing::debug!(error, "a connection broke");
        }
        connections.fetch_sub(1, Ordering::Relaxed);
        drop(place);
    }
}

/// Whether an error of `accept` says something about one client only.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

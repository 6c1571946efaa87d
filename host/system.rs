//! Wiring of a server in start order: the `Todo.System` of *Elixir in Action*.
//!
//! 1. The store. A second server on the same data directory fails here.
//! 2. The listeners. Clients that come early wait in their queue until step 6.
//! 3. The plugins. From here on, the registry has a live version of the default logic.
//! 4. The cache. It starts the actor of a list on first use.
//! 5. The background tasks. One passivates idle actors, and one wakes the lists that are due.
//! 6. The HTTP server, and that of probes and scrapers. They accept requests, and the server is ready.
//!
//! [`System::stop`] goes through the list in reverse.

mod rollout_states;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::FutureExt;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::actor::{Environment, ListMemory};
use crate::cache::wake_scheduler::WakeScheduler;
use crate::cache::{Bounds, Cache};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::executor::turns::Turns;
use crate::files;
use crate::metrics::Metrics;
use crate::plugins::{self, Plugins, Sources, builtin};
use crate::rollout::{LOGIC_DIRECTORY, Registry, Sharing};
use crate::store::embedded::{EmbeddedStore, Options, ScrubOptions};
use crate::store::records::Records;
use crate::store::{Storage, Store};
use crate::wasm::{Engine, Settings, remove_compilations};
use crate::web::{self, ListenAddress, Listener};
pub use rollout_states::RolloutStates;

/// The number of searches for idle actors in the time after which an actor is idle.
const SWEEPS_PER_IDLE_TIME: u32 = 8;

/// Milliseconds after which an unused version is unloaded, if it was loaded only for a pinned list.
const UNUSED_VERSION: u64 = 10 * 60_000;

/// How long a stopping server waits for each of its parts. The loader has [`plugins::CLOSE_LIMIT`].
#[derive(Clone, Copy, Debug)]
pub struct StopLimits {
    /// For the connections that are dropped after [`web::Options::drain_limit`].
    pub dropped_connections: Duration,
    /// For the background tasks.
    pub background: Duration,
    /// For the batches of the actors.
    pub actors: Duration,
    /// For the requests of probes and scrapers.
    pub admin: Duration,
    /// For the store, which compacts its log when it closes.
    pub store: Duration,
}

impl Default for StopLimits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            dropped_connections: seconds(2),
            background: seconds(2),
            actors: seconds(10),
            admin: seconds(2),
            store: seconds(30),
        }
    }
}

/// A running server. One process can run several.
pub struct System {
    address: ListenAddress,
    admin: Option<AdminServer>,
    store: Arc<dyn Store>,
    registry: Arc<Registry>,
    plugins: Arc<Plugins>,
    cache: Arc<Cache>,
    actors: TaskTracker,
    background: Vec<BackgroundTask>,
    stop_background: CancellationToken,
    web: JoinHandle<()>,
    stop_web: CancellationToken,
    drain_limit: Duration,
}

/// The HTTP server of probes and scrapers, which has a listener of its own.
struct AdminServer {
    address: ListenAddress,
    ended: JoinHandle<()>,
    stop: CancellationToken,
}

impl System {
    /// Starts a server on the data directory in the configuration.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        Self::start_by(config, Arc::new(SystemClock::default())).await
    }

    /// Like [`System::start`], by another clock.
    pub async fn start_by(config: Config, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        config.check()?;
        let store = open_store(&config).await?;
        Self::start_with(config, store, clock).await
    }

    /// Starts a server with the given store and clock.
    pub async fn start_with(config: Config, storage: Arc<dyn Storage>, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let (store, records): (Arc<dyn Store>, Arc<dyn Records>) = (storage.clone(), storage);
        let (listener, address) = listen(&config.listen, config.listen_mode).await?;
        let admin_listener = match &config.admin_listen {
            Some(address) => Some(listen(address, config.listen_mode).await?),
            None => None,
        };

        let mut registry = Registry::new(config.quarantine).with_sharing(sharing(&config));
        if config.awaits_default_logic {
            registry = registry.awaiting(config.default_logic.clone());
        }
        let registry = Arc::new(registry);
        let plugins = Arc::new(load_plugins(&config, &registry, records, &clock).await?);
        let actors = TaskTracker::new();
        let cache = Arc::new(new_cache(&config, &store, &registry, &clock, &actors));

        let stop_background = CancellationToken::new();
        let background = vec![
            BackgroundTask::start(
                "passivates idle lists",
                passivate_idle(cache.clone(), config.idle),
                &stop_background,
            ),
            BackgroundTask::start("wakes lists", WakeScheduler::new(cache.clone()).run(), &stop_background),
        ];

        let readiness = Arc::new(web::Readiness::default());
        let services = web::Services {
            cache: cache.clone(),
            plugins: plugins.clone(),
            registry: registry.clone(),
            clock,
            metrics: Arc::new(Metrics::new(config.dropped_log_lines.clone())),
            readiness: readiness.clone(),
        };
        let options = web::Options { has_operation_routes: admin_listener.is_none(), ..config.web };
        let admin = admin_listener.map(|listening| AdminServer::start(listening, &services, &options));
        let (stop_web, drain_limit) = (CancellationToken::new(), options.drain_limit);
        let web = tokio::spawn(web::serve(listener, services, options, stop_web.clone()));
        readiness.ready();
        tracing::info!(%address, "ready");
        Ok(Self {
            address,
            admin,
            store,
            registry,
            plugins,
            cache,
            actors,
            background,
            stop_background,
            web,
            stop_web,
            drain_limit,
        })
    }

    /// The address on which the server listens.
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// The address for probes and scrapers, if they have one of their own.
    pub fn admin_address(&self) -> Option<&ListenAddress> {
        self.admin.as_ref().map(|admin| &admin.address)
    }

    /// The versions of every logic.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The loader of components.
    pub fn plugins(&self) -> &Arc<Plugins> {
        &self.plugins
    }

    /// The actors, by list.
    pub fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }

    /// How long [`System::stop`] takes at most.
    pub fn stop_limit(config: &Config) -> Duration {
        let StopLimits { dropped_connections, background, actors, admin, store } = StopLimits::default();
        config.web.drain_limit + dropped_connections + background + actors + plugins::CLOSE_LIMIT + admin + store
    }

    /// Stops the server in the reverse of the start order.
    ///
    /// Compilations end at once. The HTTP server accepts no more requests, ends its event streams and replies to the requests
    /// in progress. Then the actors finish their batches, the plugins write their states, probes and scrapers get no more
    /// responses, and the store closes. An acknowledged command is durable at every point.
    ///
    /// # Errors
    ///
    /// A part of the server crashed, or did not end within its limit. The steps after it are taken all the same.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop_within(StopLimits::default()).await
    }

    /// Like [`System::stop`], with other limits.
    ///
    /// # Errors
    ///
    /// As for [`System::stop`].
    pub async fn stop_within(self, limits: StopLimits) -> anyhow::Result<()> {
        // First, because uploads are requests that the HTTP server waits for.
        self.plugins.stop_compiling();
        self.stop_web.cancel();
        let web = within(self.drain_limit + limits.dropped_connections, "the HTTP server", self.web).await;
        let web = web.and_then(|ended| ended.context("the HTTP server crashed"));

        self.stop_background.cancel();
        let background = within(limits.background, "the background tasks", end_all(self.background)).await.flatten();

        // The callers of commands that wait for a turn are gone.
        self.cache.environment().turns.close();
        self.actors.close();
        let actors = within(limits.actors, "the actors", self.actors.wait()).await;
        let plugins = self.plugins.close().await.context("cannot close the plugins");
        let admin = match self.admin {
            Some(admin) => within(limits.admin, "the HTTP server of probes and scrapers", admin.stop()).await.flatten(),
            None => Ok(()),
        };
        let store = close_store(&self.store, limits.store).await;
        let failures: Vec<_> =
            [web, background, actors, plugins, admin, store].into_iter().filter_map(Result::err).collect();
        if failures.is_empty() {
            tracing::info!("stopped");
            return Ok(());
        }
        let failures: Vec<_> = failures.iter().map(|error| format!("{error:#}")).collect();
        anyhow::bail!("stopped, but {}; what was acknowledged is durable", failures.join("; "))
    }
}

impl AdminServer {
    fn start((listener, address): (Listener, ListenAddress), services: &web::Services, options: &web::Options) -> Self {
        let (services, options, stop) = (services.clone(), options.clone(), CancellationToken::new());
        let stopped = stop.clone();
        let serve = async move { web::serve_admin(listener, services, &options, stopped).await };
        Self { address, ended: tokio::spawn(serve), stop }
    }

    /// Stops the server. Fails if it crashed.
    async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.ended.await.context("the HTTP server of probes and scrapers crashed")
    }
}

/// Listens on an address. Returns it with the port that was free.
async fn listen(address: &ListenAddress, mode: u32) -> anyhow::Result<(Listener, ListenAddress)> {
    let listener = Listener::bind(address, mode).await.with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.address()?;
    Ok((listener, address))
}

/// A task that runs until the server stops.
struct BackgroundTask {
    /// What the task does, as in "the task that wakes lists".
    does: &'static str,
    ended: JoinHandle<()>,
}

impl BackgroundTask {
    fn start(does: &'static str, task: impl Future<Output = ()> + Send + 'static, stop: &CancellationToken) -> Self {
        let until_stopped = stop.clone().run_until_cancelled_owned(task);
        Self { does, ended: tokio::spawn(until_stopped.map(|_| ())) }
    }
}

/// Waits for the end of background tasks. Fails if one of them crashed.
async fn end_all(tasks: Vec<BackgroundTask>) -> anyhow::Result<()> {
    let mut crashed = Vec::new();
    for BackgroundTask { does, ended } in tasks {
        if ended.await.is_err() {
            crashed.push(format!("the task that {does} crashed"));
        }
    }
    anyhow::ensure!(crashed.is_empty(), "{}", crashed.join("; "));
    Ok(())
}

/// Waits for a part of the server to end.
async fn within<T>(limit: Duration, part: &str, end: impl Future<Output = T>) -> anyhow::Result<T> {
    timeout(limit, end).await.map_err(|_| anyhow::anyhow!("{part} did not end within {limit:?}"))
}

/// Closes the store. The call may block while the store's queue is full, so it is made on a thread of its own.
async fn close_store(store: &Arc<dyn Store>, limit: Duration) -> anyhow::Result<()> {
    let (begun, closing) = oneshot::channel();
    let to_close = store.clone();
    let close = move || drop(begun.send(to_close.close()));
    std::thread::Builder::new().name("store-close".into()).spawn(close).context("cannot start a thread")?;
    let closed = async {
        let closing = closing.await.context("the thread that closes the store crashed")?;
        closing.await.context("cannot close the store")
    };
    let closed = within(limit, "the store", closed).await;
    if closed.is_err() {
        // To drop the store would be to wait for the disk again, without a limit.
        std::mem::forget(store.clone());
    }
    closed?
}

/// Opens the store on a thread of its own, because opening reads files.
async fn open_store(config: &Config) -> anyhow::Result<Arc<dyn Storage>> {
    let options = Options {
        history: config.history,
        receipts: config.receipts,
        scrub: ScrubOptions::every(config.scrub_interval),
        accept_loss: config.accept_loss,
        ..Options::default()
    };
    let directory = config.data.clone();
    let (opened, store) = oneshot::channel();
    let open = move || drop(opened.send(EmbeddedStore::open(&directory, options)));
    std::thread::Builder::new().name("store-open".into()).spawn(open)?;
    Ok(Arc::new(store.await.context("the thread that opens the store crashed")??))
}

/// Which components may share instances between lists.
fn sharing(config: &Config) -> Sharing {
    Sharing { all: config.share_all, built_in: builtin::digests(), components: config.shared.clone() }
}

/// Loads every component of the configuration and checks that one is the default logic.
async fn load_plugins(
    config: &Config,
    registry: &Arc<Registry>,
    records: Arc<dyn Records>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Plugins> {
    let compiled = compiled(&config.data)?;
    if let Err(error) = remove_compilations(&compiled) {
        tracing::warn!(directory = %compiled.display(), %error, "cannot remove the compilations that a killed server left");
    }
    let engine = Engine::new(Settings { cache: Some(compiled), ..config.wasm.clone() })?;
    let states = Box::new(RolloutStates::new(records));
    let sources = Sources {
        stored: config.data.join(LOGIC_DIRECTORY),
        watched: config.plugins.clone(),
        default_logic: Some(config.default_logic.clone()),
        force: config.force,
        limits: config.limits,
    };
    let plugins = Plugins::start(engine, registry.clone(), clock.clone(), states, sources).await?;
    if registry.live(&config.default_logic).is_none() && !config.awaits_default_logic {
        let rollout = registry.rollout(&config.default_logic);
        let why = rollout.as_ref().and_then(|rollout| rollout.state.failure()).unwrap_or("there is no such logic");
        anyhow::bail!("--default-logic {} is not loaded: {why}", config.default_logic);
    }
    Ok(plugins)
}

/// Creates a cache without actors.
fn new_cache(
    config: &Config,
    store: &Arc<dyn Store>,
    registry: &Arc<Registry>,
    clock: &Arc<dyn Clock>,
    actors: &TaskTracker,
) -> Cache {
    let environment = Environment {
        live_room: Arc::default(),
        list_memory: ListMemory::new(config.resident_bytes),
        list_changes: Arc::default(),
        store: store.clone(),
        registry: registry.clone(),
        clock: clock.clone(),
        executor: Arc::new(actors.clone()),
        turns: Turns::new(config.decision_threads),
        limits: config.limits,
        mailbox: config.mailbox,
        default_logic: config.default_logic.clone(),
    };
    let idle = u64::try_from(config.idle.as_millis()).unwrap_or(u64::MAX);
    Cache::new(Arc::new(environment), Bounds { idle, resident: config.resident })
}

/// The directory of compiled code, as an absolute path.
fn compiled(data: &Path) -> anyhow::Result<std::path::PathBuf> {
    let directory = data.join("compiled");
    files::create_private_directory(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    Ok(directory.canonicalize()?)
}

/// Passivates idle actors and unloads unused versions, at intervals and whenever the cache is nearly full.
async fn passivate_idle(cache: Arc<Cache>, idle: Duration) {
    let mut ticks = interval((idle / SWEEPS_PER_IDLE_TIME).max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = cache.above_high_watermark() => {}
        }
        let unloaded = cache.unload_unused(UNUSED_VERSION);
        let passivated = cache.sweep();
        if unloaded > 0 {
            tracing::debug!(unloaded, "unloaded versions that no list uses");
        }
        if passivated > 0 {
            tracing::debug!(passivated, resident = cache.resident(), "passivated idle actors");
        }
    }
}

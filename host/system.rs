//! All the wiring, in start order: the book's `Todo.System`. Stopping goes the other way round.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::actor::Environment;
use crate::cache::wake_scheduler::WakeScheduler;
use crate::cache::{Bounds, Cache};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::plugins::{Plugins, Sources};
use crate::rollout::Registry;
use crate::store::Store;
use crate::store::embedded::{EmbeddedStore, Options};
use crate::wasm::{Engine, Settings};
use crate::web;

/// How often the cache looks for idle actors, as a part of the time after which they are idle.
const SWEEPS_PER_IDLE_TIME: u32 = 8;

/// After how many milliseconds a version leaves the memory that was there for some list's sake, and that no
/// list used.
const UNUSED_VERSION: u64 = 10 * 60_000;

/// How long the actors get to finish what they are at when the server stops.
const FINISH: Duration = Duration::from_secs(10);

/// A running server. There may be several in one process.
pub struct System {
    address: SocketAddr,
    store: Arc<dyn Store>,
    registry: Arc<Registry>,
    plugins: Arc<Plugins>,
    cache: Arc<Cache>,
    background: TaskTracker,
    stop_keepers: CancellationToken,
    stop_web: CancellationToken,
    web: JoinHandle<()>,
}

impl System {
    /// Starts a server on the data directory that the configuration names.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        config.check()?;
        let store = open_store(&config).await?;
        Self::start_with(config, store, Arc::new(SystemClock::default())).await
    }

    /// Starts a server on a store and a clock of the caller's choice.
    pub async fn start_with(config: Config, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        // Bound before the plugins are compiled: clients that come early wait in its queue.
        let listener = TcpListener::bind(config.listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", config.listen))?;
        let address = listener.local_addr()?;

        let engine = Engine::new(Settings { cache: Some(compiled(&config.data)?), ..config.wasm.clone() })?;
        let registry = Arc::new(Registry::new(config.quarantine));
        let sources = Sources {
            stored: config.data.join("logic"),
            watched: config.plugins.clone(),
            isolated: config.isolated.clone(),
            force: config.force,
        };
        let plugins = Plugins::start(engine, registry.clone(), clock.clone(), sources).await?;
        if registry.live(&config.default_logic).is_none() {
            anyhow::bail!("--default-logic {} is not loaded: the log says why", config.default_logic);
        }

        let environment = Arc::new(Environment {
            store: store.clone(),
            registry: registry.clone(),
            clock: clock.clone(),
            tasks: TaskTracker::new(),
            limits: config.limits,
            mailbox: config.mailbox,
            default_logic: config.default_logic.clone(),
        });
        let idle = u64::try_from(config.idle.as_millis()).unwrap_or(u64::MAX);
        let bounds = Bounds { idle, resident: config.resident };
        let cache = Arc::new(Cache::new(environment, bounds));

        let (background, stop_keepers) = (TaskTracker::new(), CancellationToken::new());
        background.spawn(stop_keepers.clone().run_until_cancelled_owned(sweep(cache.clone(), config.idle)));
        background.spawn(stop_keepers.clone().run_until_cancelled_owned(WakeScheduler::new(cache.clone()).run()));

        let plugins = Arc::new(plugins);
        let readiness = Arc::new(web::Readiness::default());
        let services = web::Services {
            cache: cache.clone(),
            plugins: plugins.clone(),
            registry: registry.clone(),
            clock,
            metrics: Arc::new(Metrics::default()),
            readiness: readiness.clone(),
        };
        let stop_web = CancellationToken::new();
        let options = web::Options { hosts: config.hosts(), ..config.web };
        let web = tokio::spawn(web::serve(listener, services, options, stop_web.clone()));
        readiness.ready();
        tracing::info!(%address, "ready");
        Ok(Self { address, store, registry, plugins, cache, background, stop_keepers, stop_web, web })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The logics.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Takes components in.
    pub fn plugins(&self) -> &Arc<Plugins> {
        &self.plugins
    }

    /// The actors.
    pub fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }

    /// Stops in the reverse order of starting: no new requests, then no event streams, then the
    /// requests that are under way get their answers, then the actors finish, then the store is
    /// closed. Everything that was acknowledged is durable all the while.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop_web.cancel();
        let front = self.web.await.context("the HTTP front crashed");
        self.stop_keepers.cancel();
        self.background.close();
        self.background.wait().await;
        let tasks = &self.cache.environment().tasks;
        tasks.close();
        if timeout(FINISH, tasks.wait()).await.is_err() {
            tracing::warn!(tasks = tasks.len(), "actors were still at work when their time was over");
        }
        self.plugins.close().await;
        self.store.close().await.context("cannot close the store")?;
        front?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Opens the store on a thread of its own, for that reads files.
async fn open_store(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    let options = Options { history: config.history as u64, ..Options::default() };
    let directory = config.data.clone();
    let (opened, answer) = oneshot::channel();
    let open = move || drop(opened.send(EmbeddedStore::open(&directory, options)));
    std::thread::Builder::new().name("store-open".into()).spawn(open)?;
    Ok(Arc::new(answer.await.context("the store could not be opened")??))
}

/// The directory of compiled code, as an absolute path.
fn compiled(data: &Path) -> anyhow::Result<std::path::PathBuf> {
    let directory = data.join("compiled");
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    Ok(directory.canonicalize()?)
}

/// Passivates idle actors, now and then and when there is no room; and lets go of versions that no list
/// used for long.
async fn sweep(cache: Arc<Cache>, idle: Duration) {
    let mut ticks = interval((idle / SWEEPS_PER_IDLE_TIME).max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = cache.above_high_watermark() => {}
        }
        let environment = cache.environment();
        let unloaded = environment.registry.unload_unused(environment.clock.now().saturating_sub(UNUSED_VERSION));
        let swept = cache.sweep();
        if unloaded > 0 {
            tracing::debug!(unloaded, "let go of versions that no list uses");
        }
        if swept > 0 {
            tracing::debug!(swept, resident = cache.resident(), "passivated idle actors");
        }
    }
}

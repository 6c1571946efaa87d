//! The face to the network: HTTP in, lists' commands and snapshots behind, JSON out.
//!
//! In reading order: [`serve`] takes connections in (`accept`, with `pace` watching that nobody
//! holds one for nothing); `routes` says which handler answers what; the handlers (`lists`,
//! `entries`, `commands`, `undo`, `history`, `recording`, `events`, `logic`, `health`, `assets`) are short, because what
//! they have in common is below them: `asking` reads a request, `shapes` writes the answers, and
//! `problem` is the one place where an error becomes a status. This room knows no store and no
//! component.

mod accept;
mod assets;
mod body;
mod caller;
mod commands;
mod entries;
mod events;
mod health;
mod history;
mod idempotency;
mod input;
mod json;
mod lists;
mod logic;
mod openapi;
mod options;
mod paths;
mod preconditions;
mod problem;
mod query;
mod recording;
mod representations;
mod routes;
mod timeouts;
mod undo;
mod write_request;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::cache::Cache;
use crate::clock::Clock;
use crate::list::List;
use crate::list::name::ListName;
use crate::metrics::Metrics;
use crate::plugins::Plugins;
use crate::rollout::Registry;
use problem::Problem;

pub use accept::serve;
pub use openapi::document;
pub use options::Options;

/// What the handlers work with.
#[derive(Clone)]
pub struct Services {
    /// The lists.
    pub cache: Arc<Cache>,
    /// Where uploaded components go.
    pub plugins: Arc<Plugins>,
    /// How the logics stand.
    pub registry: Arc<Registry>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether requests are wanted.
    pub readiness: Arc<Readiness>,
}

/// Whether the server wants requests, for whoever sends them here.
#[derive(Default, Debug)]
pub struct Readiness(AtomicU8);

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

impl Readiness {
    /// From now on requests are wanted, unless the server is stopping already.
    pub fn ready(&self) {
        // Whoever lost against `drain` has nothing left to say.
        let _ = self.0.compare_exchange(STARTING, READY, Ordering::AcqRel, Ordering::Acquire);
    }

    /// From now on no further requests are wanted. There is no way back.
    pub fn drain(&self) {
        self.0.store(DRAINING, Ordering::Release);
    }

    /// Whether requests are wanted now.
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire) == READY
    }
}

/// All that a handler can reach.
struct Web {
    services: Services,
    options: Options,
    /// The callers' name when no header gives one; shared, because every request needs it.
    anonymous: Arc<str>,
    /// One permit for each event stream that may be open.
    event_streams: Arc<Semaphore>,
    /// One permit for each component that may be on its way in.
    uploads: Semaphore,
    /// Ends the event streams, which would otherwise keep their connections for ever.
    stopping: CancellationToken,
}

/// How handlers hold it.
type Shared = axum::extract::State<Arc<Web>>;

/// How handlers end.
type Answer = Result<axum::response::Response, Problem>;

impl Web {
    fn new(services: Services, options: Options, stopping: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            services,
            anonymous: caller::ANONYMOUS.into(),
            event_streams: Arc::new(Semaphore::new(options.max_event_streams)),
            uploads: Semaphore::new(options.max_uploads),
            stopping,
            options,
        })
    }

    fn cache(&self) -> &Cache {
        &self.services.cache
    }

    /// The list of that name, which has to be there.
    async fn existing(&self, name: &ListName) -> Result<Arc<List>, Problem> {
        let list = self.cache().read(name).await?;
        if list.exists() { Ok(list) } else { Err(Problem::no_list()) }
    }
}

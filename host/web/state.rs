//! State that all handlers share.

use std::sync::Arc;

use axum::http::HeaderValue;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::answer_budget::{Budget, CallerBudgets};
use super::body::{ArrivingBytes, BodyLimits};
use super::failure_log::{FAILURE_INTERVAL, FailureClass, FailureLog, REFUSAL_INTERVAL};
use super::options::Options;
use super::problem::Problem;
use super::readiness::Readiness;
use super::slots::{Resource, Slots};
use super::tagged_content::TaggedContent;
use crate::cache::Cache;
use crate::clock::Clock;
use crate::list::List;
use crate::list::name::ListName;
use crate::metrics::Metrics;
use crate::plugins::Plugins;
use crate::rollout::Registry;

/// Caller of every request when no header is configured to name one.
pub(super) const ANONYMOUS: &str = "anonymous";

/// Parts of the server that the handlers use.
#[derive(Clone)]
pub struct Services {
    /// The lists.
    pub cache: Arc<Cache>,
    /// The loader of uploaded components.
    pub plugins: Arc<Plugins>,
    /// The rollout state of each logic.
    pub registry: Arc<Registry>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// Whether the server wants requests.
    pub readiness: Arc<Readiness>,
}

/// Everything that a handler can reach.
pub(super) struct Web {
    pub(super) services: Services,
    pub(super) options: Options,
    /// The caller's name when no header gives one. Shared, because every request needs it.
    pub(super) anonymous: Arc<str>,
    /// The bytes of answers that wait to be sent.
    pub(super) answers: Arc<Budget>,
    /// Those of the callers behind proxies.
    pub(super) caller_answers: CallerBudgets,
    /// One slot for each event stream that may be open.
    pub(super) event_streams: Arc<Slots>,
    /// One permit for each uploaded component that may be checked, or wait for it, at a time.
    pub(super) uploads: Semaphore,
    /// The room for bodies that arrive.
    pub(super) arriving: ArrivingBytes,
    /// Ends the event streams, which would otherwise keep their connections open for ever.
    pub(super) stopping: CancellationToken,
    /// Logs overload and store failures once per burst.
    failure_log: FailureLog,
    /// Logs clients that are not trusted, each once in a while. Apart, so that many of them hide no failure.
    refusal_log: FailureLog,
    /// The OpenAPI document. A handler cannot make it, because it is made from the routes.
    pub(super) contract: TaggedContent,
}

/// Extractor of the shared state.
pub(super) type Shared = axum::extract::State<Arc<Web>>;

impl Web {
    pub(super) fn new(
        services: Services,
        options: Options,
        contract: String,
        stopping: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            services,
            anonymous: ANONYMOUS.into(),
            answers: Budget::new("max answer bytes", options.max_answer_bytes),
            caller_answers: CallerBudgets::default(),
            event_streams: Slots::new(
                Resource::EventStreams,
                options.max_event_streams,
                options.event_streams_per_client(),
            ),
            uploads: Semaphore::new(options.max_uploads),
            arriving: ArrivingBytes::new(options.max_arriving_bytes),
            stopping,
            failure_log: FailureLog::every(FAILURE_INTERVAL),
            refusal_log: FailureLog::every(REFUSAL_INTERVAL),
            contract: TaggedContent::new(HeaderValue::from_static("application/json"), contract),
            options,
        })
    }

    pub(super) fn cache(&self) -> &Cache {
        &self.services.cache
    }

    /// The limits of a body of JSON.
    pub(super) fn body_limits(&self) -> BodyLimits<'_> {
        self.limits_of("max body bytes", self.options.max_body_bytes)
    }

    /// The limits of a body that is a component.
    pub(super) fn component_limits(&self) -> BodyLimits<'_> {
        self.limits_of("max component bytes", self.options.max_component_bytes)
    }

    fn limits_of(&self, name: &'static str, bytes: usize) -> BodyLimits<'_> {
        BodyLimits { name, bytes, time: self.options.body_timeout, arriving: &self.arriving }
    }

    /// Logs what only the operator may learn of a problem.
    pub(super) fn log_failure(&self, problem: &Problem) {
        let Some(failure) = problem.failure() else { return };
        let is_logged_by_store = || !self.cache().environment().store.health().is_healthy();
        let log = match failure.class {
            FailureClass::Untrusted => &self.refusal_log,
            FailureClass::StoreWrite if is_logged_by_store() => return,
            _ => &self.failure_log,
        };
        log.record(self.services.clock.monotonic(), &failure);
    }

    /// Refuses to create a list whose name is a dot segment, which browsers do not reach. One that exists, such as an imported
    /// one, is written as any other.
    pub(super) async fn check_new_name(&self, name: &ListName) -> Result<(), Problem> {
        if !name.is_dot_segment() || self.cache().read(name).await?.exists() {
            return Ok(());
        }
        let why = format!("browsers take the segment {name} out of a path, so a new list cannot have this name");
        Err(Problem::invalid("list", why))
    }

    /// Reads a list that must exist.
    pub(super) async fn existing(&self, name: &ListName) -> Result<Arc<List>, Problem> {
        let list = self.cache().read(name).await?;
        if list.exists() { Ok(list) } else { Err(Problem::no_list()) }
    }
}

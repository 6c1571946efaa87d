//! Metrics of the server, in the OpenMetrics text format.
//!
//! Counting a request is an addition to an atomic number. Values that another module has anyway, such as the number of
//! actors or the counters of a version, are read when a scraper asks.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry as MetricRegistry;

use crate::list::digest::{Digest, hex};
use crate::list::id::LogicId;
use crate::rollout::{Counters, Registry};

/// Methods with counters of their own. Any other method counts as the last one.
const METHODS: [&str; 7] = ["GET", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "other"];

/// Classes of status codes, from 1xx on.
const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Upper bounds of the latency buckets, in seconds.
const BUCKETS: [f64; 14] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

/// Class of a request, by what its latency consists of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestClass {
    /// The request reads.
    Read,
    /// The request writes, so its latency includes a durable commit.
    Write,
    /// The request uploads a component, so its latency includes compiling it.
    Upload,
}

const CLASSES: [(RequestClass, &str); 3] =
    [(RequestClass::Read, "read"), (RequestClass::Write, "write"), (RequestClass::Upload, "upload")];

/// Counters of a server.
#[derive(Debug)]
pub struct Metrics {
    /// By route template, of which there are few.
    requests: DashMap<Box<str>, Route>,
    seconds: [Histogram; CLASSES.len()],
    /// Uploaded components that were accepted.
    pub uploads_accepted: AtomicU64,
    /// Uploaded components that were refused.
    pub uploads_refused: AtomicU64,
    /// Event streams that are open.
    pub event_streams: OpenGauge,
    /// Connections that are open.
    pub connections: OpenGauge,
    /// Connections that were refused.
    pub refused_connections: RefusedConnections,
    /// Lines of the log that were dropped, because nothing read them.
    pub dropped_log_lines: Arc<AtomicU64>,
}

/// Connections that were refused, by the limit that was reached.
#[derive(Default, Debug)]
pub struct RefusedConnections {
    /// The limit on all connections.
    pub total: AtomicU64,
    /// The limit on the connections of one peer.
    pub peer: AtomicU64,
    /// The limit on the connections of a network in the reserve.
    pub reserve: AtomicU64,
}

/// Requests to one route, by method and status class.
#[derive(Default, Debug)]
struct Route([[AtomicU64; STATUS_CLASSES.len()]; METHODS.len()]);

impl Default for Metrics {
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

/// Number of things that are open.
#[derive(Clone, Default, Debug)]
pub struct OpenGauge(Arc<AtomicI64>);

/// Counts one open thing in an [`OpenGauge`] until it is dropped, also by a panic.
#[derive(Debug)]
pub struct OpenGuard(Arc<AtomicI64>);

impl OpenGauge {
    /// Counts one more, until the guard is dropped.
    pub fn enter(&self) -> OpenGuard {
        self.0.fetch_add(1, Ordering::Relaxed);
        OpenGuard(self.0.clone())
    }

    /// The number of guards that are not dropped.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// Counters that have counted nothing. Who writes the log counts the lines that it drops.
    pub fn new(dropped_log_lines: Arc<AtomicU64>) -> Self {
        Self {
            requests: DashMap::new(),
            seconds: CLASSES.map(|_| Histogram::new(BUCKETS)),
            uploads_accepted: AtomicU64::new(0),
            uploads_refused: AtomicU64::new(0),
            event_streams: OpenGauge::default(),
            connections: OpenGauge::default(),
            refused_connections: RefusedConnections::default(),
            dropped_log_lines,
        }
    }

    /// Counts a request that was answered.
    pub fn count_request(&self, route: &str, method: &str, status: u16) {
        let method = METHODS.iter().position(|name| *name == method).unwrap_or(METHODS.len() - 1);
        let class = usize::from(status / 100).saturating_sub(1).min(STATUS_CLASSES.len() - 1);
        if let Some(known) = self.requests.get(route) {
            known.0[method][class].fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.requests.entry(route.into()).or_default().0[method][class].fetch_add(1, Ordering::Relaxed);
    }

    /// Records the time from the head of a request to the head of its response.
    pub fn observe_latency(&self, class: RequestClass, time: Duration) {
        let at = CLASSES.iter().position(|(known, _)| *known == class);
        at.into_iter().for_each(|at| self.seconds[at].observe(time.as_secs_f64()));
    }

    /// Writes all metrics, with the values that other modules have.
    pub fn render(self: &Arc<Self>, readings: Readings, registry: &Arc<Registry>) -> Result<String, fmt::Error> {
        let mut metrics = MetricRegistry::with_prefix("hotlist");
        let scrape = Scrape { metrics: self.clone(), readings, registry: registry.clone() };
        metrics.register_collector(Box::new(scrape));
        let mut out = String::new();
        text::encode(&mut out, &metrics)?;
        Ok(out)
    }
}

/// Values of other modules for one scrape.
#[derive(Debug)]
pub struct Readings {
    /// The number of lists in memory.
    pub resident: usize,
    /// The bytes that the lists in memory take.
    pub resident_bytes: usize,
    /// The number of lists that were found to be unreadable.
    pub unreadable: usize,
    /// The number of kinds of damage to the store's data that no unreadable list accounts for.
    pub damage: usize,
    /// The size of the store's write-ahead log in bytes, if it has one.
    pub log_bytes: Option<u64>,
    /// The number of lists in memory by the version that they are bound to.
    pub lists_by_version: Vec<(Arc<LogicId>, usize)>,
    /// Names of components, and whether they work.
    pub components: Vec<(&'static str, bool)>,
}

/// Values for one scrape.
struct Scrape {
    metrics: Arc<Metrics>,
    readings: Readings,
    registry: Arc<Registry>,
}

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrape").finish_non_exhaustive()
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.requests(&mut encoder)?;
        self.latencies(&mut encoder)?;
        let metrics = &self.metrics;
        let resident = i64::try_from(self.readings.resident).unwrap_or(i64::MAX);
        let resident_bytes = i64::try_from(self.readings.resident_bytes).unwrap_or(i64::MAX);
        let unreadable = i64::try_from(self.readings.unreadable).unwrap_or(i64::MAX);
        let damage = i64::try_from(self.readings.damage).unwrap_or(i64::MAX);
        for (name, help, value) in [
            ("resident_lists", "Lists in memory", resident),
            ("resident_list_bytes", "About the bytes that the lists in memory take", resident_bytes),
            ("unreadable_lists", "Lists that were found to be unreadable", unreadable),
            ("store_damage", "Kinds of damage to the data that no unreadable list accounts for", damage),
            ("event_streams", "Event streams that are open", metrics.event_streams.get()),
            ("connections", "Connections that are open", metrics.connections.get()),
        ] {
            ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        if let Some(bytes) = self.readings.log_bytes {
            let help = "Size of the store's write-ahead log in bytes";
            let bytes = ConstGauge::new(i64::try_from(bytes).unwrap_or(i64::MAX));
            bytes.encode(encoder.encode_descriptor("store_log_bytes", help, None, MetricType::Gauge)?)?;
        }
        let help = "Whether a component of the server works: 1, or 0 while it does not";
        let mut family = encoder.encode_descriptor("component_up", help, None, MetricType::Gauge)?;
        for (component, up) in &self.readings.components {
            ConstGauge::new(i64::from(*up)).encode(family.encode_family(&[("component", *component)])?)?;
        }
        let mut uploads =
            encoder.encode_descriptor("component_uploads", "Components uploaded", None, MetricType::Counter)?;
        for (outcome, count) in [("accepted", &metrics.uploads_accepted), ("refused", &metrics.uploads_refused)] {
            let count = ConstCounter::new(count.load(Ordering::Relaxed));
            count.encode(uploads.encode_family(&[("outcome", outcome)])?)?;
        }
        let help = "Connections refused, by the limit that was reached";
        let mut refused = encoder.encode_descriptor("connections_refused", help, None, MetricType::Counter)?;
        let RefusedConnections { total, peer, reserve } = &metrics.refused_connections;
        for (reason, count) in [("total", total), ("peer", peer), ("reserve", reserve)] {
            let count = ConstCounter::new(count.load(Ordering::Relaxed));
            count.encode(refused.encode_family(&[("reason", reason)])?)?;
        }
        let help = "Lines of the log and of the output that were dropped, because nothing read them";
        let dropped = ConstCounter::new(metrics.dropped_log_lines.load(Ordering::Relaxed));
        dropped.encode(encoder.encode_descriptor("log_lines_dropped", help, None, MetricType::Counter)?)?;
        self.logics(&mut encoder)
    }
}

impl Scrape {
    fn requests(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Requests answered, by route, method and class of status";
        let mut family = encoder.encode_descriptor("requests", help, None, MetricType::Counter)?;
        for route in &self.metrics.requests {
            for (method, classes) in METHODS.iter().zip(&route.value().0) {
                for (class, count) in STATUS_CLASSES.iter().zip(classes) {
                    let count = count.load(Ordering::Relaxed);
                    // Zeros are left out: most methods and classes of most routes never occur.
                    if count > 0 {
                        let labels = [("route", &**route.key()), ("method", method), ("status", class)];
                        ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn latencies(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Time from the head of a request to the head of its response";
        let mut family = encoder.encode_descriptor("request_seconds", help, None, MetricType::Histogram)?;
        for ((_, work), histogram) in CLASSES.iter().zip(&self.metrics.seconds) {
            histogram.encode(family.encode_family(&[("work", *work)])?)?;
        }
        Ok(())
    }

    fn logics(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let all = self.registry.all();
        let loaded = || all.iter().flat_map(|(name, rollout)| rollout.loaded().map(move |version| (name, version)));
        let mut encode_counters = |metric: &str, help: &str, of: fn(&Counters) -> Vec<(&'static str, &AtomicU64)>| {
            let mut family = encoder.encode_descriptor(metric, help, None, MetricType::Counter)?;
            for (name, version) in loaded() {
                let (number, digest) = (version.id().version.to_string(), shown(version.digest()));
                for (outcome, count) in of(&version.counters) {
                    let labels =
                        [("logic", name.as_str()), ("version", &number), ("digest", &digest), ("outcome", outcome)];
                    ConstCounter::new(count.load(Ordering::Relaxed)).encode(family.encode_family(&labels)?)?;
                }
            }
            Ok::<_, fmt::Error>(())
        };
        encode_counters("logic_commands", "Commands that a version in memory decided, by outcome", |counters| {
            vec![
                ("accepted", &counters.accepted),
                ("rejected", &counters.rejected),
                ("fault", &counters.faults),
                ("fell_back", &counters.fell_back),
            ]
        })?;
        encode_counters(
            "logic_migrations",
            "Lists that a version in memory was asked to migrate, by outcome",
            |counters| vec![("migrated", &counters.migrated), ("refused", &counters.not_migrated)],
        )?;
        self.rollouts(encoder)
    }

    /// Writes the number of quarantined versions, and what the candidates do.
    fn rollouts(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let all = self.registry.all();
        let help = "Versions of a logic that are quarantined";
        let mut family = encoder.encode_descriptor("logic_quarantined_versions", help, None, MetricType::Gauge)?;
        for (name, rollout) in all.iter() {
            let quarantined = rollout.state.versions.iter().filter(|version| version.quarantine.is_some()).count();
            let quarantined = i64::try_from(quarantined).unwrap_or(i64::MAX);
            ConstGauge::new(quarantined).encode(family.encode_family(&[("logic", name.as_str())])?)?;
        }
        let help = "Lists in memory by the version that they are bound to, which decided about them last";
        let mut family = encoder.encode_descriptor("logic_lists", help, None, MetricType::Gauge)?;
        for (version, lists) in &self.readings.lists_by_version {
            let (number, digest) = (version.version.to_string(), shown(&version.digest));
            let labels = [("logic", version.name.as_str()), ("version", &number), ("digest", &digest)];
            ConstGauge::new(i64::try_from(*lists).unwrap_or(i64::MAX)).encode(family.encode_family(&labels)?)?;
        }
        let help = "Share of lists in the canary, for which the candidate decides, in per cent";
        let mut family = encoder.encode_descriptor("logic_canary_percent", help, None, MetricType::Gauge)?;
        for (name, rollout) in all.iter() {
            let percent = rollout.candidate.as_ref().map_or(0, |candidate| i64::from(candidate.percent));
            ConstGauge::new(percent).encode(family.encode_family(&[("logic", name.as_str())])?)?;
        }
        let help = "Commands that a candidate decided in the shadow of the live version, by result";
        let mut family = encoder.encode_descriptor("logic_shadow", help, None, MetricType::Counter)?;
        for (name, rollout) in all.iter() {
            let Some(shadow) = rollout.candidate.as_ref().and_then(|candidate| candidate.shadow.as_ref()) else {
                continue;
            };
            let tally = shadow.tally();
            for (outcome, count) in [
                ("compared", &tally.compared),
                ("skipped", &tally.skipped),
                ("changes", &tally.changes),
                ("rejection", &tally.rejection),
                ("view", &tally.view),
                ("fault", &tally.fault),
            ] {
                let labels = [("logic", name.as_str()), ("outcome", outcome)];
                ConstCounter::new(count.load(Ordering::Relaxed)).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// The first digits of a digest, as a label has them.
fn shown(digest: &Digest) -> String {
    hex(&digest[..4])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::name::LogicName;

    #[test]
    fn counters_are_written_in_open_metrics() {
        let metrics = Arc::new(Metrics::default());
        metrics.count_request("/lists", "GET", 200);
        metrics.count_request("/lists", "GET", 204);
        metrics.count_request("/lists", "BREW", 418);
        metrics.observe_latency(RequestClass::Write, Duration::from_millis(3));
        let components = vec![("store", true), ("loader", false)];
        let (resident, resident_bytes, log_bytes) = (7, 9_000, Some(4_152));
        let (name, version) = (LogicName::new("rules").expect("a name"), semver::Version::new(1, 2, 0));
        let lists_by_version = vec![(Arc::new(LogicId { name, version, digest: [0xab; 32] }), 3)];
        let readings =
            Readings { resident, resident_bytes, unreadable: 2, damage: 3, log_bytes, components, lists_by_version };
        let text = metrics.render(readings, &Arc::default()).expect("text");
        for line in [
            r#"hotlist_requests_total{route="/lists",method="GET",status="2xx"} 2"#,
            r#"hotlist_requests_total{route="/lists",method="other",status="4xx"} 1"#,
            r#"hotlist_request_seconds_bucket{le="0.005",work="write"} 1"#,
            "hotlist_resident_lists 7",
            r#"hotlist_logic_lists{logic="rules",version="1.2.0",digest="abababab"} 3"#,
            "hotlist_resident_list_bytes 9000",
            "hotlist_store_damage 3",
            "hotlist_store_log_bytes 4152",
            r#"hotlist_component_up{component="store"} 1"#,
            r#"hotlist_component_up{component="loader"} 0"#,
        ] {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}

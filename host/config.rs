//! The configuration of a server as one checked value. The command line builds it from flags and environment
//! variables.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::list::Limits;
use crate::list::name::LogicName;
use crate::list::selector::ComponentSelector;
use crate::rollout::QuarantinePolicy;
use crate::store::HistoryLimits;
use crate::store::embedded::ScrubOptions;
use crate::store::receipt_room::ReceiptLimits;
use crate::wasm;
use crate::web::{self, CorsOrigin, ListenAddress};

/// The permissions of a socket file if no others are asked for: the user of the server alone may connect.
pub const DEFAULT_LISTEN_MODE: u32 = 0o600;

/// The least and the most memory that the compiler may be given, in bytes. It takes 100 MB to start.
const MIN_COMPILE_MEMORY: u64 = 256 << 20;
const MAX_COMPILE_MEMORY: u64 = 1 << 40;

/// The least and the most processor time that the compiler may be given.
const MIN_COMPILE_TIME: Duration = Duration::from_millis(100);
const MAX_COMPILE_TIME: Duration = Duration::from_secs(3_600);

/// The configuration of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address to listen on. Port 0 selects a free port.
    pub listen: ListenAddress,
    /// The address of a listener for probes and scrapers alone.
    pub admin_listen: Option<ListenAddress>,
    /// The permissions of a socket file, where an address is a Unix socket.
    pub listen_mode: u32,
    /// The directory of lists, uploaded components and compiled code.
    pub data: PathBuf,
    /// Whether to start on a data directory that lacks acknowledged changes.
    pub accept_loss: bool,
    /// A directory of `NAME.wasm` files to load as logic and to watch.
    pub plugins: Option<PathBuf>,
    /// Whether every client that reaches the address may do everything.
    pub allow_anonymous: bool,
    /// The logic of lists that name no other.
    pub default_logic: LogicName,
    /// Whether the default logic is published after the start. Until then its lists reply that it is being built.
    pub awaits_default_logic: bool,
    /// The components whose instances serve all lists. Those of all others never serve two lists.
    pub shared: Vec<ComponentSelector>,
    /// Whether the instances of every component serve all lists.
    pub share_all: bool,
    /// Whether to accept components that were quarantined before or fail their gates.
    pub force: bool,
    /// When a version is quarantined.
    pub quarantine: QuarantinePolicy,
    /// The limits of each list.
    pub limits: Limits,
    /// The most commands that wait for one list.
    pub mailbox: usize,
    /// How long a list is unused before it leaves the memory.
    pub idle: Duration,
    /// The most lists in memory.
    pub resident: usize,
    /// The most bytes that the lists in memory take.
    pub resident_bytes: usize,
    /// The limits on the history of each list.
    pub history: HistoryLimits,
    /// The limits on the receipts of requests with an idempotency key.
    pub receipts: ReceiptLimits,
    /// The time from the end of a check of all stored rows to the next one.
    pub scrub_interval: Duration,
    /// How many threads slow logic keeps busy at a time.
    pub decision_threads: usize,
    /// The limits under which logic runs.
    pub wasm: wasm::Settings,
    /// The limits and names of the HTTP server.
    pub web: web::Options,
    /// The number of lines of the log that were dropped so far, which a metric shows. Who writes the log counts them.
    pub dropped_log_lines: Arc<AtomicU64>,
}

/// Why a configuration is refused. Each error names the flag to change.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigError {
    /// The address is reachable from other machines and no proxy authenticates callers.
    #[error(
        "--listen {0} is reachable from other machines, and no caller is authenticated: put an authenticating proxy \
         before it and name its header with --caller-header, or add --allow-anonymous to let every caller do everything"
    )]
    Unauthenticated(ListenAddress),
    /// Pages of all origins would act in the name of callers.
    #[error(
        "--cors-origin '*' lets pages of all origins act in the name of the caller whom the proxy authenticates: name the \
         origins that may, or leave out --caller-header"
    )]
    AnyOriginForCallers,
    /// A number is out of its range.
    #[error("--{flag} {given} is out of range: give {range}")]
    Range {
        /// The flag.
        flag: &'static str,
        /// The value.
        given: String,
        /// The values that the flag takes.
        range: &'static str,
    },
}

impl Config {
    /// The default configuration of a server on a free local port, with its data in `data`.
    pub fn new(data: PathBuf) -> Self {
        Self {
            listen: ListenAddress::Tcp((Ipv4Addr::LOCALHOST, 0).into()),
            admin_listen: None,
            listen_mode: DEFAULT_LISTEN_MODE,
            data,
            accept_loss: false,
            plugins: None,
            allow_anonymous: false,
            default_logic: LogicName::new("todo").expect("todo is a logic's name"),
            awaits_default_logic: false,
            shared: Vec::new(),
            share_all: false,
            force: false,
            quarantine: QuarantinePolicy::default(),
            limits: Limits::default(),
            mailbox: 1_024,
            idle: Duration::from_secs(60),
            resident: 1_000_000,
            resident_bytes: 512 << 20,
            history: HistoryLimits::default(),
            receipts: ReceiptLimits::default(),
            scrub_interval: ScrubOptions::default().interval,
            decision_threads: default_decision_threads(),
            wasm: wasm::Settings::default(),
            web: web::Options::default(),
            dropped_log_lines: Arc::default(),
        }
    }

    /// Checks the values against their ranges and against each other.
    pub fn check(&self) -> Result<(), ConfigError> {
        let is_open = !self.listen.is_local() && self.web.caller_header.is_none();
        if is_open && !self.allow_anonymous {
            return Err(ConfigError::Unauthenticated(self.listen.clone()));
        }
        if self.web.caller_header.is_some() && self.web.cors_origins.contains(&CorsOrigin::Any) {
            return Err(ConfigError::AnyOriginForCallers);
        }
        let bounded = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let numbers: [(&str, usize, std::ops::RangeInclusive<usize>, &str); 19] = [
            ("mailbox", self.mailbox, 1..=1_000_000, "1 to 1000000 commands"),
            ("max-resident", self.resident, 1..=100_000_000, "1 to 100000000 lists"),
            ("max-resident-bytes", self.resident_bytes, 1 << 20..=1 << 40, "1 MiB to 1 TiB, in bytes"),
            ("history", bounded(self.history.revisions), 1..=1_000_000, "1 to 1000000 revisions"),
            ("history-bytes", bounded(self.history.bytes), 4_096..=1 << 40, "4096 bytes to 1 TiB"),
            ("max-answer-bytes", self.web.max_answer_bytes, 4 << 20..=1 << 40, "4 MiB to 1 TiB, in bytes"),
            ("max-list-receipt-bytes", self.receipts.list_bytes, 4_096..=1 << 30, "4096 bytes to 1 GiB"),
            ("max-receipt-bytes", self.receipts.total_bytes, 32_768..=1 << 40, "32768 bytes to 1 TiB"),
            ("max-entries", self.limits.entries, 1..=1_000_000, "1 to 1000000 entries"),
            ("quarantine-failures", self.quarantine.failures, 1..=1_000, "1 to 1000 failures"),
            ("quarantine-lists", self.quarantine.lists, 2..=100, "2 to 100 lists"),
            ("quarantine-in-a-row", self.quarantine.in_a_row as usize, 1..=1_000, "1 to 1000 failures"),
            ("decision-threads", self.decision_threads, 1..=1_000, "1 to 1000 threads"),
            ("memory-mib", self.wasm.memory >> 20, 1..=4_095, "1 to 4095 MiB"),
            ("heavy-memory-mib", self.wasm.heavy_memory >> 20, 1..=4_095, "1 to 4095 MiB"),
            ("instances", self.wasm.instances as usize, 4..=10_000, "4 to 10000 instances"),
            ("heavy-instances", self.wasm.heavy_instances as usize, 4..=1_000, "4 to 1000 instances"),
            ("max-event-streams", self.web.max_event_streams, 0..=1_000_000, "0 to 1000000 streams"),
            ("max-connections", self.web.max_connections, 1..=1_000_000, "1 to 1000000 connections"),
        ];
        let shares = [
            ("max-connections-per-peer", self.web.max_connections_per_peer, "1 to 1000000 connections"),
            ("max-event-streams-per-client", self.web.max_event_streams_per_client, "1 to 1000000 streams"),
        ];
        let shares = shares.map(|(flag, given, takes)| (flag, given.unwrap_or(1), 1..=1_000_000, takes));
        for (flag, given, range, takes) in numbers.into_iter().chain(shares) {
            if !range.contains(&given) {
                return Err(ConfigError::Range { flag, given: given.to_string(), range: takes });
            }
        }
        let times =
            [("deadline", self.wasm.deadline), ("heavy-deadline", self.wasm.heavy_deadline), ("idle", self.idle)];
        for (flag, given) in times {
            if given < Duration::from_millis(1) || given > Duration::from_secs(86_400) {
                return Err(ConfigError::Range { flag, given: format!("{given:?}"), range: "1ms to 24h" });
            }
        }
        let longest = Duration::from_secs(30 * 86_400);
        for (flag, given) in [("receipt-time", self.receipts.time), ("scrub-interval", self.scrub_interval)] {
            if given < Duration::from_secs(1) || given > longest {
                return Err(ConfigError::Range { flag, given: format!("{given:?}"), range: "1s to 720h" });
            }
        }
        self.check_compiler()
    }

    fn check_compiler(&self) -> Result<(), ConfigError> {
        let wasm::CompileIn::Child(child) = &self.wasm.compile_in else { return Ok(()) };
        if !(MIN_COMPILE_MEMORY..=MAX_COMPILE_MEMORY).contains(&child.memory) {
            let given = child.memory.to_string();
            return Err(ConfigError::Range { flag: "max-compile-memory", given, range: "268435456 bytes to 1 TiB" });
        }
        if !(MIN_COMPILE_TIME..=MAX_COMPILE_TIME).contains(&child.time) {
            let given = format!("{:?}", child.time);
            return Err(ConfigError::Range { flag: "max-compile-time", given, range: "100ms to 1h" });
        }
        Ok(())
    }
}

/// One thread less than the processors, so that slow logic leaves one to those who answer requests.
pub fn default_decision_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| processors.get() - 1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_to_other_machines_needs_authentication_or_consent() {
        let mut config = Config::new("data".into());
        assert_eq!(config.check(), Ok(()));
        config.listen = ListenAddress::Tcp((Ipv4Addr::UNSPECIFIED, 8080).into());
        assert_eq!(config.check(), Err(ConfigError::Unauthenticated(config.listen.clone())));
        config.web.caller_header = Some("x-forwarded-user".parse().unwrap());
        assert_eq!(config.check(), Ok(()));
        config.web.caller_header = None;
        config.allow_anonymous = true;
        assert_eq!(config.check(), Ok(()));
        // The permissions of the socket file decide who reaches it.
        config = Config { listen: ListenAddress::Unix("socket".into()), ..Config::new("data".into()) };
        assert_eq!(config.check(), Ok(()));
    }

    #[test]
    fn pages_of_all_origins_are_not_allowed_where_a_proxy_names_the_caller() {
        let mut config = Config::new("data".into());
        config.web.cors_origins = vec![CorsOrigin::Any];
        assert_eq!(config.check(), Ok(()));
        config.web.caller_header = Some("x-forwarded-user".parse().unwrap());
        assert_eq!(config.check(), Err(ConfigError::AnyOriginForCallers));
        config.web.cors_origins = vec!["https://app.example".parse().unwrap()];
        assert_eq!(config.check(), Ok(()));
    }

    #[test]
    fn a_number_out_of_range_is_named_by_its_flag() {
        let mut config = Config::new("data".into());
        config.mailbox = 0;
        let error = config.check().unwrap_err();
        assert_eq!(error.to_string(), "--mailbox 0 is out of range: give 1 to 1000000 commands");
        config = Config::new("data".into());
        config.web.max_connections_per_peer = Some(0);
        let error = config.check().unwrap_err().to_string();
        assert_eq!(error, "--max-connections-per-peer 0 is out of range: give 1 to 1000000 connections");
    }
}

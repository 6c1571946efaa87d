//! `hotlist serve`: makes a configuration of flags and environment variables, and runs a server until a signal.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use hyper::header::HeaderName;
use ipnet::IpNet;

use super::open_files;
use super::output::{Outputs, print_line};
use super::signals::{HangUp, Signals};
use crate::config::{Config, default_decision_threads};
use crate::list::Limits;
use crate::list::name::LogicName;
use crate::list::selector::ComponentSelector;
use crate::plugins::Plugins;
use crate::rollout::QuarantinePolicy;
use crate::store::HistoryLimits;
use crate::store::receipt_room::ReceiptLimits;
use crate::system::System;
use crate::wasm::{ChildProcess, CompileIn};
use crate::web::{CorsOrigin, ListenAddress, PublicUrl};
use crate::{failpoint, wasm, web};

/// The data directory where neither a flag nor the environment names one.
pub(super) const DEFAULT_DATA: &str = "./hotlist-data";

#[derive(Args, Debug)]
pub(super) struct ServeArgs {
    /// The address to listen on, or unix:PATH for a socket file; port 0 takes any free one
    #[arg(long, env = "HOTLIST_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: ListenAddress,
    /// Serve /livez, /readyz and /metrics at this address and nowhere else, also while all connections are taken
    #[arg(long, env = "HOTLIST_ADMIN_LISTEN", value_name = "ADDRESS")]
    admin_listen: Option<ListenAddress>,
    /// The permissions of a socket file: 600 for programs of the same user, 660 for those of its group, too
    #[arg(long, env = "HOTLIST_LISTEN_MODE", value_name = "MODE", default_value = "600", value_parser = file_mode)]
    listen_mode: u32,
    /// The directory of all data: lists, uploaded components and compiled code
    #[arg(long, env = "HOTLIST_DATA", value_name = "DIR", default_value = DEFAULT_DATA)]
    data: PathBuf,
    /// Start once on a data directory that lacks acknowledged changes, and go on without them
    #[arg(long, env = "HOTLIST_ACCEPT_LOSS")]
    accept_loss: bool,
    /// Load each NAME.wasm in DIR as logic NAME, and each new version when it is saved
    ///
    /// Only the server's user and root may write in DIR: a start refuses a directory that another user owns, or that its group
    /// or everyone may write in. A sticky bit does not help. A read-only mount makes it safe.
    #[arg(long, env = "HOTLIST_PLUGINS", value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// The logic of lists that name no other
    #[arg(long, env = "HOTLIST_DEFAULT_LOGIC", value_name = "NAME", default_value = "todo", value_parser = LogicName::new)]
    default_logic: LogicName,
    /// Components that are trusted to keep no state, so that lists share their instances: NAME@ and the first 32 digits of
    /// the digest, or more
    #[arg(long, env = "HOTLIST_SHARE", value_name = "NAME@DIGEST", value_delimiter = ',')]
    share: Vec<ComponentSelector>,

    /// Accept components that were quarantined before or fail their gates
    #[arg(long, env = "HOTLIST_FORCE", help_heading = "Versions")]
    force: bool,
    /// Failures within --quarantine-within after which a version is quarantined and its lists fall back
    #[arg(long, env = "HOTLIST_QUARANTINE_FAILURES", value_name = "FAILURES", default_value_t = QuarantinePolicy::default().failures, help_heading = "Versions")]
    quarantine_failures: usize,
    /// The time over which --quarantine-failures are counted
    #[arg(long, env = "HOTLIST_QUARANTINE_WITHIN", value_name = "TIME", default_value = "10s", value_parser = duration, help_heading = "Versions")]
    quarantine_within: Duration,
    /// Failures in a row on each of --quarantine-lists lists, while the last-good version does not fail, that quarantine a version
    #[arg(long, env = "HOTLIST_QUARANTINE_IN_A_ROW", value_name = "FAILURES", default_value_t = QuarantinePolicy::default().in_a_row, help_heading = "Versions")]
    quarantine_in_a_row: u32,
    /// The lists on which a version has to fail, for two clients at least, before it is quarantined
    #[arg(long, env = "HOTLIST_QUARANTINE_LISTS", value_name = "LISTS", default_value_t = QuarantinePolicy::default().lists, help_heading = "Versions")]
    quarantine_lists: usize,

    /// Let every client that reaches the address do everything
    #[arg(long, env = "HOTLIST_ALLOW_ANONYMOUS", help_heading = "Access")]
    allow_anonymous: bool,
    /// The header in which an authenticating reverse proxy names the caller, such as X-Forwarded-User
    #[arg(long, env = "HOTLIST_CALLER_HEADER", value_name = "HEADER", help_heading = "Access")]
    caller_header: Option<HeaderName>,
    /// The networks of the proxies from which --caller-header is believed [default: 127.0.0.0/8,::1/128]
    #[arg(long, env = "HOTLIST_TRUSTED_PROXY", value_name = "CIDR", value_delimiter = ',', value_parser = network, help_heading = "Access")]
    trusted_proxy: Vec<IpNet>,
    /// The URL that clients use, such as https://todo.example; without it, they use an address or localhost
    #[arg(long, env = "HOTLIST_PUBLIC_URL", value_name = "URL", help_heading = "Access")]
    public_url: Option<PublicUrl>,
    /// An origin whose pages may use the server from a browser, such as https://app.example; * lets all pages use entries
    #[arg(long, env = "HOTLIST_CORS_ORIGIN", value_name = "ORIGIN", value_delimiter = ',', help_heading = "Access")]
    cors_origin: Vec<CorsOrigin>,

    /// How long a list is unused before it leaves the memory
    #[arg(long, env = "HOTLIST_IDLE", value_name = "TIME", default_value = "60s", value_parser = duration, help_heading = "Limits")]
    idle: Duration,
    /// The most lists in memory
    #[arg(
        long,
        env = "HOTLIST_MAX_RESIDENT",
        value_name = "LISTS",
        default_value_t = 1_000_000,
        help_heading = "Limits"
    )]
    max_resident: usize,
    /// The most bytes of lists in memory; near it, the longest unused ones leave the memory early
    #[arg(long, env = "HOTLIST_MAX_RESIDENT_BYTES", value_name = "BYTES", default_value_t = 512 << 20, help_heading = "Limits")]
    max_resident_bytes: usize,
    /// The most commands that wait for one list
    #[arg(long, env = "HOTLIST_MAILBOX", value_name = "COMMANDS", default_value_t = 1_024, help_heading = "Limits")]
    mailbox: usize,
    /// The most revisions in the history of one list
    #[arg(long, env = "HOTLIST_HISTORY", value_name = "REVISIONS", default_value_t = 1_000, help_heading = "Limits")]
    history: u64,
    /// The most bytes of revisions in the history of one list; the newest revision is kept whatever its size
    #[arg(long, env = "HOTLIST_HISTORY_BYTES", value_name = "BYTES", default_value_t = HistoryLimits::default().bytes, help_heading = "Limits")]
    history_bytes: u64,
    /// The most bytes of answers that wait to be sent, of all connections; a further request gets a 503
    #[arg(long, env = "HOTLIST_MAX_ANSWER_BYTES", value_name = "BYTES", default_value_t = web::Options::default().max_answer_bytes, help_heading = "Limits")]
    max_answer_bytes: usize,
    /// How long the receipt of an idempotency key is kept: a repetition within this time is not carried out again
    #[arg(long, env = "HOTLIST_RECEIPT_TIME", value_name = "TIME", default_value = "24h", value_parser = duration, help_heading = "Limits")]
    receipt_time: Duration,
    /// The most bytes of receipts of one list; without room, new requests with an idempotency key are refused
    #[arg(long, env = "HOTLIST_MAX_LIST_RECEIPT_BYTES", value_name = "BYTES", default_value_t = ReceiptLimits::default().list_bytes, help_heading = "Limits")]
    max_list_receipt_bytes: usize,
    /// The most bytes of receipts of all lists, of which one caller or address may have an eighth
    #[arg(long, env = "HOTLIST_MAX_RECEIPT_BYTES", value_name = "BYTES", default_value_t = ReceiptLimits::default().total_bytes, help_heading = "Limits")]
    max_receipt_bytes: usize,
    /// The time from the end of a check of all stored rows to the next one
    #[arg(long, env = "HOTLIST_SCRUB_INTERVAL", value_name = "TIME", default_value = "24h", value_parser = duration, help_heading = "Limits")]
    scrub_interval: Duration,
    /// The most entries in one list
    #[arg(long, env = "HOTLIST_MAX_ENTRIES", value_name = "ENTRIES", default_value_t = Limits::default().entries, help_heading = "Limits")]
    max_entries: usize,
    /// The most bytes of text in one list
    #[arg(long, env = "HOTLIST_MAX_LIST_BYTES", value_name = "BYTES", default_value_t = Limits::default().bytes, help_heading = "Limits")]
    max_list_bytes: usize,
    /// The most bytes in the body of a request
    #[arg(long, env = "HOTLIST_MAX_BODY", value_name = "BYTES", default_value_t = web::Options::default().max_body_bytes, help_heading = "Limits")]
    max_body: usize,
    /// The most connections at a time; further ones are refused with a 503
    #[arg(long, env = "HOTLIST_MAX_CONNECTIONS", value_name = "CONNECTIONS", default_value_t = web::Options::default().max_connections, help_heading = "Limits")]
    max_connections: usize,
    /// The most connections of one address, or of an IPv6 network with a prefix of 64 bits [default: an eighth of all]
    #[arg(long, env = "HOTLIST_MAX_CONNECTIONS_PER_PEER", value_name = "CONNECTIONS", help_heading = "Limits")]
    max_connections_per_peer: Option<usize>,
    /// The most event streams at a time
    #[arg(long, env = "HOTLIST_MAX_EVENT_STREAMS", value_name = "STREAMS", default_value_t = web::Options::default().max_event_streams, help_heading = "Limits")]
    max_event_streams: usize,
    /// The most event streams of one caller, or of one address without --caller-header [default: an eighth of all]
    #[arg(long, env = "HOTLIST_MAX_EVENT_STREAMS_PER_CLIENT", value_name = "STREAMS", help_heading = "Limits")]
    max_event_streams_per_client: Option<usize>,
    /// How long requests in progress may take when the server stops
    #[arg(long, env = "HOTLIST_DRAIN", value_name = "TIME", default_value = "10s", value_parser = duration, help_heading = "Limits")]
    drain: Duration,

    /// How many threads slow logic keeps busy at a time [default: one less than the processors]
    #[arg(long, env = "HOTLIST_DECISION_THREADS", value_name = "THREADS", default_value_t = default_decision_threads(), hide_default_value = true, help_heading = "Limits of logic")]
    decision_threads: usize,
    /// The most memory of the process that compiles an uploaded component, in bytes; two may run at a time
    #[arg(long, env = "HOTLIST_MAX_COMPILE_MEMORY", value_name = "BYTES", default_value_t = ChildProcess::MEMORY, help_heading = "Limits of logic")]
    max_compile_memory: u64,
    /// The most processor time for compiling an uploaded component
    #[arg(long, env = "HOTLIST_MAX_COMPILE_TIME", value_name = "TIME", default_value = "60s", value_parser = duration, help_heading = "Limits of logic")]
    max_compile_time: Duration,
    /// The fuel of one command: about one WebAssembly instruction each
    #[arg(long, env = "HOTLIST_FUEL", value_name = "UNITS", default_value_t = wasm::Settings::default().fuel, help_heading = "Limits of logic")]
    fuel: u64,
    /// How long one command may take, in processor time
    #[arg(long, env = "HOTLIST_DEADLINE", value_name = "TIME", default_value = "50ms", value_parser = duration, help_heading = "Limits of logic")]
    deadline: Duration,
    /// The fuel of one command of a component with a language engine (JavaScript, Python)
    #[arg(long, env = "HOTLIST_HEAVY_FUEL", value_name = "UNITS", default_value_t = wasm::Settings::default().heavy_fuel, help_heading = "Limits of logic")]
    heavy_fuel: u64,
    /// How long one command of such a component may take, in processor time
    #[arg(long, env = "HOTLIST_HEAVY_DEADLINE", value_name = "TIME", default_value = "500ms", value_parser = duration, help_heading = "Limits of logic")]
    heavy_deadline: Duration,
    /// The most memory of one instance, in MiB
    #[arg(long, env = "HOTLIST_MEMORY_MIB", value_name = "MIB", default_value_t = wasm::Settings::default().memory >> 20, help_heading = "Limits of logic")]
    memory_mib: usize,
    /// The most memory of one instance with a language engine, in MiB
    #[arg(long, env = "HOTLIST_HEAVY_MEMORY_MIB", value_name = "MIB", default_value_t = wasm::Settings::default().heavy_memory >> 20, help_heading = "Limits of logic")]
    heavy_memory_mib: usize,
    /// The most instances at a time
    #[arg(long, env = "HOTLIST_INSTANCES", value_name = "INSTANCES", default_value_t = wasm::Settings::default().instances, help_heading = "Limits of logic")]
    instances: u32,
    /// The most instances with a language engine at a time
    #[arg(long, env = "HOTLIST_HEAVY_INSTANCES", value_name = "INSTANCES", default_value_t = wasm::Settings::default().heavy_instances, help_heading = "Limits of logic")]
    heavy_instances: u32,
}

fn duration(text: &str) -> Result<Duration, String> {
    let form = || format!("{text:?} is not a duration; write it as 60s, 500ms or 2m");
    let duration: jiff::SignedDuration = text.parse().map_err(|_| form())?;
    Duration::try_from(duration).map_err(|_| form())
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let form = |_| format!("{text:?} is not a network; write it as 10.0.0.0/8 or 192.0.2.7");
    text.parse().or_else(|_| address()).map_err(form)
}

/// The permissions of a file, in octal digits.
fn file_mode(text: &str) -> Result<u32, String> {
    let form = || format!("{text:?} is not the permissions of a file; write them as 600 or 660");
    u32::from_str_radix(text, 8).ok().filter(|mode| mode & !0o666 == 0).ok_or_else(form)
}

impl ServeArgs {
    fn config(self, program: PathBuf) -> Config {
        let defaults = Config::new(self.data);
        Config {
            listen: self.listen,
            admin_listen: self.admin_listen,
            listen_mode: self.listen_mode,
            accept_loss: self.accept_loss,
            plugins: self.plugins,
            allow_anonymous: self.allow_anonymous,
            default_logic: self.default_logic,
            // `plugin dev` builds its default logic while it runs.
            awaits_default_logic: defaults.awaits_default_logic,
            shared: self.share,
            // No flag sets it: `plugin dev` does.
            share_all: defaults.share_all,
            force: self.force,
            quarantine: QuarantinePolicy {
                failures: self.quarantine_failures,
                within: u64::try_from(self.quarantine_within.as_millis()).unwrap_or(u64::MAX),
                in_a_row: self.quarantine_in_a_row,
                lists: self.quarantine_lists,
            },
            limits: Limits {
                entries: self.max_entries,
                bytes: self.max_list_bytes,
                // One command may touch every entry.
                changes: defaults.limits.changes.max(2 * self.max_entries),
            },
            mailbox: self.mailbox,
            idle: self.idle,
            resident: self.max_resident,
            resident_bytes: self.max_resident_bytes,
            history: HistoryLimits { revisions: self.history, bytes: self.history_bytes },
            receipts: ReceiptLimits {
                time: self.receipt_time,
                list_bytes: self.max_list_receipt_bytes,
                total_bytes: self.max_receipt_bytes,
            },
            scrub_interval: self.scrub_interval,
            decision_threads: self.decision_threads,
            wasm: wasm::Settings {
                fuel: self.fuel,
                deadline: self.deadline,
                heavy_fuel: self.heavy_fuel,
                heavy_deadline: self.heavy_deadline,
                memory: self.memory_mib.saturating_mul(1 << 20),
                heavy_memory: self.heavy_memory_mib.saturating_mul(1 << 20),
                instances: self.instances,
                heavy_instances: self.heavy_instances,
                compile_in: CompileIn::Child(ChildProcess {
                    program,
                    memory: self.max_compile_memory,
                    time: self.max_compile_time,
                }),
                ..defaults.wasm
            },
            web: web::Options {
                caller_header: self.caller_header,
                trusted_proxies: match self.trusted_proxy {
                    none if none.is_empty() => defaults.web.trusted_proxies,
                    given => given,
                },
                public_url: self.public_url,
                cors_origins: self.cors_origin,
                max_body_bytes: self.max_body,
                max_answer_bytes: self.max_answer_bytes,
                max_connections: self.max_connections,
                max_connections_per_peer: self.max_connections_per_peer,
                max_event_streams: self.max_event_streams,
                max_event_streams_per_client: self.max_event_streams_per_client,
                drain_limit: self.drain,
                ..defaults.web
            },
            dropped_log_lines: Outputs::of_server().map(|outputs| outputs.dropped.clone()).unwrap_or_default(),
            data: defaults.data,
        }
    }
}

/// Serves until a signal asks the program to stop.
pub(super) fn serve(arguments: ServeArgs) -> anyhow::Result<ExitCode> {
    let _armed = failpoint::arm();
    let program = ChildProcess::this_program().context("cannot find the file of this program, which compiles")?;
    let mut config = arguments.config(program);
    config.web.max_connections = open_files::fit(config.web.max_connections, open_files::raise_limit());
    // Listened for before anything starts, so that no signal is lost.
    let signals = Signals::listen(HangUp::Reloads, System::stop_limit(&config))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let served = runtime.block_on(run(config, signals));
    // Threads that a disk blocks do not delay the end.
    runtime.shutdown_background();
    served
}

async fn run(config: Config, mut signals: Signals) -> anyhow::Result<ExitCode> {
    let system = tokio::select! {
        system = System::start(config) => system?,
        () = signals.stop.cancelled() => return Ok(ExitCode::SUCCESS),
    };
    print_line(&format!("hotlist listens on {}", system.address().url()));
    if let Some(admin) = system.admin_address() {
        print_line(&format!("hotlist listens for probes and scrapers on {}", admin.url()));
    }
    let reload = async {
        while signals.reloads.recv().await.is_some() {
            reload(system.plugins()).await;
        }
    };
    let is_asked_to_stop = tokio::select! {
        () = signals.stop.cancelled() => true,
        // The sender ends with the thread that listens for signals. Nothing could stop the server in order any more.
        () = reload => false,
    };
    system.stop().await?;
    anyhow::ensure!(is_asked_to_stop, "stopped, because the thread that listens for signals crashed");
    Ok(ExitCode::SUCCESS)
}

/// Reads the plugins directory again, and says so.
async fn reload(plugins: &Plugins) {
    match plugins.rescan().await {
        Ok(Some(files)) => tracing::info!(files, "SIGHUP: read the components of the plugins directory again"),
        Ok(None) => tracing::info!("SIGHUP: nothing to read again, because there is no --plugins directory"),
        Err(error) => tracing::error!(%error, "SIGHUP: cannot read the plugins directory again"),
    }
}

#[cfg(test)]
mod tests;

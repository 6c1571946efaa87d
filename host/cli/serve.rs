//! `hotlist serve`: flags and environment to a configuration, a server to its end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use hyper::header::HeaderName;
use tokio::signal::unix::{SignalKind, signal};

use super::{print_error, say};
use crate::config::Config;
use crate::list::Limits;
use crate::list::name::LogicName;
use crate::rollout::QuarantinePolicy;
use crate::system::System;
use crate::{wasm, web};

/// The exit code after a second signal: the same as a shell gives for an interrupted program.
const INTERRUPTED: u8 = 130;

/// Where lists are kept unless somebody says otherwise.
pub(super) const DEFAULT_DATA: &str = "./hotlist-data";

#[derive(Args, Debug)]
pub(super) struct ServeArgs {
    /// Where to listen; port 0 takes any free one
    #[arg(long, env = "HOTLIST_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where lists are kept
    #[arg(long, env = "HOTLIST_DATA", value_name = "DIR", default_value = DEFAULT_DATA)]
    data: PathBuf,
    /// Take every NAME.wasm in DIR as logic NAME, and every new version when it is saved
    #[arg(long, env = "HOTLIST_PLUGINS", value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// The logic of lists that were not given another one
    #[arg(long, env = "HOTLIST_DEFAULT_LOGIC", value_name = "NAME", default_value = "todo", value_parser = LogicName::new)]
    default_logic: LogicName,
    /// Logics whose instances never serve two lists, for code not trusted with all of them
    #[arg(long, env = "HOTLIST_ISOLATE", value_name = "NAME", value_delimiter = ',', value_parser = LogicName::new)]
    isolate: Vec<LogicName>,

    /// Take components though they were quarantined before, or fail their gates
    #[arg(long, env = "HOTLIST_FORCE", help_heading = "Versions")]
    force: bool,
    /// A version that failed this often within --quarantine-within is quarantined, and its lists fall back
    #[arg(long, env = "HOTLIST_QUARANTINE_FAILURES", value_name = "FAILURES", default_value_t = QuarantinePolicy::default().failures, help_heading = "Versions")]
    quarantine_failures: usize,
    /// The time within which --quarantine-failures count
    #[arg(long, env = "HOTLIST_QUARANTINE_WITHIN", value_name = "TIME", default_value = "10s", value_parser = duration, help_heading = "Versions")]
    quarantine_within: Duration,
    /// So is one that failed this often in a row on one list, while the last good version did not
    #[arg(long, env = "HOTLIST_QUARANTINE_IN_A_ROW", value_name = "FAILURES", default_value_t = QuarantinePolicy::default().in_a_row, help_heading = "Versions")]
    quarantine_in_a_row: u32,

    /// Let everybody who reaches the address do everything
    #[arg(long, env = "HOTLIST_ALLOW_ANONYMOUS", help_heading = "Access")]
    allow_anonymous: bool,
    /// The header in which an authenticating reverse proxy names the caller, such as X-Forwarded-User
    #[arg(long, env = "HOTLIST_CALLER_HEADER", value_name = "HEADER", help_heading = "Access")]
    caller_header: Option<HeaderName>,
    /// The address that clients see, when it is not the one in their Host header
    #[arg(long, env = "HOTLIST_PUBLIC_URL", value_name = "URL", help_heading = "Access")]
    public_url: Option<String>,

    /// How long nobody asked for a list until it leaves the memory
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
    /// How many commands may wait for one list
    #[arg(long, env = "HOTLIST_MAILBOX", value_name = "COMMANDS", default_value_t = 1_024, help_heading = "Limits")]
    mailbox: usize,
    /// How many revisions of each list are kept
    #[arg(long, env = "HOTLIST_HISTORY", value_name = "REVISIONS", default_value_t = 1_000, help_heading = "Limits")]
    history: usize,
    /// The most entries in one list
    #[arg(long, env = "HOTLIST_MAX_ENTRIES", value_name = "ENTRIES", default_value_t = Limits::default().entries, help_heading = "Limits")]
    max_entries: usize,
    /// The most bytes of text in one list
    #[arg(long, env = "HOTLIST_MAX_LIST_BYTES", value_name = "BYTES", default_value_t = Limits::default().bytes, help_heading = "Limits")]
    max_list_bytes: usize,
    /// The most bytes in the body of a request
    #[arg(long, env = "HOTLIST_MAX_BODY", value_name = "BYTES", default_value_t = web::Options::default().max_body_bytes, help_heading = "Limits")]
    max_body: usize,
    /// The most connections at a time
    #[arg(long, env = "HOTLIST_MAX_CONNECTIONS", value_name = "CONNECTIONS", default_value_t = web::Options::default().max_connections, help_heading = "Limits")]
    max_connections: usize,
    /// The most event streams at a time
    #[arg(long, env = "HOTLIST_MAX_EVENT_STREAMS", value_name = "STREAMS", default_value_t = web::Options::default().max_event_streams, help_heading = "Limits")]
    max_event_streams: usize,
    /// How long requests under way get when the server stops
    #[arg(long, env = "HOTLIST_DRAIN", value_name = "TIME", default_value = "10s", value_parser = duration, help_heading = "Limits")]
    drain: Duration,

    /// The fuel of one command: about one WebAssembly instruction each
    #[arg(long, env = "HOTLIST_FUEL", value_name = "UNITS", default_value_t = wasm::Settings::default().fuel, help_heading = "Limits of logic")]
    fuel: u64,
    /// How long one command may take by the clock on the wall
    #[arg(long, env = "HOTLIST_DEADLINE", value_name = "TIME", default_value = "50ms", value_parser = duration, help_heading = "Limits of logic")]
    deadline: Duration,
    /// The fuel of one command where the component carries the engine of its language (JavaScript, Python)
    #[arg(long, env = "HOTLIST_HEAVY_FUEL", value_name = "UNITS", default_value_t = wasm::Settings::default().heavy_fuel, help_heading = "Limits of logic")]
    heavy_fuel: u64,
    /// How long one command may take there
    #[arg(long, env = "HOTLIST_HEAVY_DEADLINE", value_name = "TIME", default_value = "500ms", value_parser = duration, help_heading = "Limits of logic")]
    heavy_deadline: Duration,
    /// The memory of one instance
    #[arg(long, env = "HOTLIST_MEMORY_MIB", value_name = "MIB", default_value_t = wasm::Settings::default().memory >> 20, help_heading = "Limits of logic")]
    memory_mib: usize,
    /// How much memory an instance may have that carries the engine of its language, in MiB (JavaScript, Python)
    #[arg(long, env = "HOTLIST_HEAVY_MEMORY_MIB", value_name = "MIB", default_value_t = wasm::Settings::default().heavy_memory >> 20, help_heading = "Limits of logic")]
    heavy_memory_mib: usize,
    /// The most instances at a time
    #[arg(long, env = "HOTLIST_INSTANCES", value_name = "INSTANCES", default_value_t = wasm::Settings::default().instances, help_heading = "Limits of logic")]
    instances: u32,
    /// The most instances at a time that carry the engine of their language
    #[arg(long, env = "HOTLIST_HEAVY_INSTANCES", value_name = "INSTANCES", default_value_t = wasm::Settings::default().heavy_instances, help_heading = "Limits of logic")]
    heavy_instances: u32,
}

fn duration(text: &str) -> Result<Duration, String> {
    let form = || format!("{text:?} is not a time; write it as 60s, 500ms or 2m");
    let duration: jiff::SignedDuration = text.parse().map_err(|_| form())?;
    Duration::try_from(duration).map_err(|_| form())
}

impl ServeArgs {
    fn config(self) -> Config {
        let defaults = Config::new(self.data);
        Config {
            listen: self.listen,
            plugins: self.plugins,
            allow_anonymous: self.allow_anonymous,
            default_logic: self.default_logic,
            isolated: self.isolate.into_iter().collect(),
            force: self.force,
            rule: QuarantinePolicy {
                failures: self.quarantine_failures,
                within: u64::try_from(self.quarantine_within.as_millis()).unwrap_or(u64::MAX),
                in_a_row: self.quarantine_in_a_row,
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
            history: self.history,
            wasm: wasm::Settings {
                fuel: self.fuel,
                deadline: self.deadline,
                heavy_fuel: self.heavy_fuel,
                heavy_deadline: self.heavy_deadline,
                memory: self.memory_mib.saturating_mul(1 << 20),
                heavy_memory: self.heavy_memory_mib.saturating_mul(1 << 20),
                instances: self.instances,
                heavy_instances: self.heavy_instances,
                ..defaults.wasm
            },
            web: web::Options {
                caller_header: self.caller_header,
                public_url: self.public_url,
                max_body_bytes: self.max_body,
                max_connections: self.max_connections,
                max_event_streams: self.max_event_streams,
                drain_limit: self.drain,
                ..defaults.web
            },
            data: defaults.data,
        }
    }
}

/// Serves until a signal says stop.
pub(super) fn serve(arguments: ServeArgs) -> anyhow::Result<ExitCode> {
    let _armed = crate::failpoint::armed();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(async {
        // Listened to before anything is started, so that a signal is never lost.
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        let system = tokio::select! {
            system = System::start(arguments.config()) => system?,
            _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
            _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
        };
        say(&format!("hotlist listens on http://{}", system.address()));
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping; a second signal stops at once");
        tokio::select! {
            stopped = system.stop() => stopped.map(|()| ExitCode::SUCCESS),
            _ = terminate.recv() => Ok(at_once()),
            _ = interrupt.recv() => Ok(at_once()),
        }
    })
}

/// Everything acknowledged is durable, so nothing is lost by leaving; only answers are.
fn at_once() -> ExitCode {
    print_error("stopped at once; requests under way got no answer");
    ExitCode::from(INTERRUPTED)
}

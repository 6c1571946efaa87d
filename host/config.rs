//! All that can be configured, as one checked value. How it is written on a command line is not
//! known here.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::list::Limits;
use crate::list::name::LogicName;
use crate::rollout::QuarantinePolicy;
use crate::wasm;
use crate::web;

/// How a server is to be.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where lists, uploads and compiled code are kept.
    pub data: PathBuf,
    /// A directory of `NAME.wasm` files to take as logic and to watch.
    pub plugins: Option<PathBuf>,
    /// Whether anybody who reaches the address may do anything.
    pub allow_anonymous: bool,
    /// The logic of lists that were not given another one.
    pub default_logic: LogicName,
    /// The logics whose instances never serve two lists.
    pub isolated: BTreeSet<LogicName>,
    /// Whether components are taken though they fell before, or fail their gates.
    pub force: bool,
    /// When a version of a logic falls.
    pub rule: QuarantinePolicy,
    /// How large a list may become.
    pub limits: Limits,
    /// How many commands may wait for one list.
    pub mailbox: usize,
    /// How long nobody asked for a list until it leaves the memory.
    pub idle: Duration,
    /// The most lists in memory.
    pub resident: usize,
    /// How many revisions of each list are kept.
    pub history: usize,
    /// The limits under which logic runs.
    pub wasm: wasm::Settings,
    /// The limits and names of the HTTP front.
    pub web: web::Options,
}

/// What is wrong with a configuration, named by the flag that says it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigError {
    /// Everybody could do everything.
    #[error(
        "--listen {0} is reachable from other machines, and nothing checks who calls: put an authenticating proxy \
         before it and name its header with --caller-header, or say --allow-anonymous if everybody may do everything"
    )]
    Open(SocketAddr),
    /// A number is out of its range.
    #[error("--{flag} {given} is out of range: it takes {range}")]
    Range {
        /// The flag.
        flag: &'static str,
        /// What was given.
        given: String,
        /// What it takes.
        range: &'static str,
    },
}

impl Config {
    /// A server on a free port of this machine that keeps its data in `data`, with the defaults
    /// for everything else.
    pub fn new(data: PathBuf) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data,
            plugins: None,
            allow_anonymous: false,
            default_logic: LogicName::new("todo").expect("todo is a logic's name"),
            isolated: BTreeSet::new(),
            force: false,
            rule: QuarantinePolicy::default(),
            limits: Limits::default(),
            mailbox: 1_024,
            idle: Duration::from_secs(60),
            resident: 1_000_000,
            history: 1_000,
            wasm: wasm::Settings::default(),
            web: web::Options::default(),
        }
    }

    /// The names under which a server that anybody on this machine may use can be asked: otherwise
    /// any page in a browser here could make itself one of its clients. `None` where somebody
    /// checks who calls, or everybody may do everything.
    pub fn hosts(&self) -> Option<Vec<String>> {
        if self.allow_anonymous || self.web.caller_header.is_some() {
            return None;
        }
        let public = self.web.public_url.as_deref().and_then(|url| url.split("://").nth(1));
        let public = public.map(|host| host.split(['/', ':']).next().unwrap_or(host).to_owned());
        let local = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        Some(local.into_iter().chain([self.listen.ip().to_string()]).chain(public).collect())
    }

    /// Checks what the types do not: that the values make sense, and make sense together.
    pub fn check(&self) -> Result<(), ConfigError> {
        let open = !self.listen.ip().is_loopback() && self.web.caller_header.is_none();
        if open && !self.allow_anonymous {
            return Err(ConfigError::Open(self.listen));
        }
        let numbers: [(&str, usize, std::ops::RangeInclusive<usize>, &str); 12] = [
            ("mailbox", self.mailbox, 1..=1_000_000, "1 to 1000000 commands"),
            ("max-resident", self.resident, 1..=100_000_000, "1 to 100000000 lists"),
            ("history", self.history, 1..=1_000_000, "1 to 1000000 revisions"),
            ("max-entries", self.limits.entries, 1..=1_000_000, "1 to 1000000 entries"),
            ("quarantine-failures", self.rule.failures, 1..=1_000, "1 to 1000 failures"),
            ("quarantine-in-a-row", self.rule.in_a_row as usize, 1..=1_000, "1 to 1000 failures"),
            ("memory-mib", self.wasm.memory >> 20, 1..=4_095, "1 to 4095 MiB"),
            ("heavy-memory-mib", self.wasm.heavy_memory >> 20, 1..=4_095, "1 to 4095 MiB"),
            ("instances", self.wasm.instances as usize, 4..=10_000, "4 to 10000 instances"),
            ("heavy-instances", self.wasm.heavy_instances as usize, 4..=1_000, "4 to 1000 instances"),
            ("max-event-streams", self.web.max_event_streams, 0..=1_000_000, "0 to 1000000 streams"),
            ("max-connections", self.web.max_connections, 1..=1_000_000, "1 to 1000000 connections"),
        ];
        for (flag, given, range, takes) in numbers {
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
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_to_other_machines_needs_somebody_to_check_who_calls() {
        let mut config = Config::new("data".into());
        assert_eq!(config.check(), Ok(()));
        config.listen = SocketAddr::from(([0, 0, 0, 0], 8080));
        assert_eq!(config.check(), Err(ConfigError::Open(config.listen)));
        config.web.caller_header = Some("x-forwarded-user".parse().unwrap());
        assert_eq!(config.check(), Ok(()));
        config.web.caller_header = None;
        config.allow_anonymous = true;
        assert_eq!(config.check(), Ok(()));
    }

    #[test]
    fn a_number_out_of_range_is_named_by_its_flag() {
        let mut config = Config::new("data".into());
        config.mailbox = 0;
        let error = config.check().unwrap_err();
        assert_eq!(error.to_string(), "--mailbox 0 is out of range: it takes 1 to 1000000 commands");
    }
}

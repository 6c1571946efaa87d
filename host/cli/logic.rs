//! `hotlist logic …`: the versions of a running server's rules, for operators.

mod change;
mod lists;
mod misuse;
mod status;
mod versions;
mod why;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::output::print_error;
use super::remote::{ServerArgs, ServerProblem};
use crate::list::name::{ListName, LogicName};
use crate::rollout::{PublishError, Then, VersionSelector};
use misuse::Misuse;

/// The exit code where the server refused the request.
const REFUSED: u8 = 1;

/// The exit code of wrong usage, at which no request was sent.
const MISUSED: u8 = 2;

/// The exit code where the server could not be reached, or failed.
const FAILED: u8 = 3;

pub(super) const HELP: &str = "\
A version is named by its number (1.2.0, or 1.2 for the newest), by the first digits of its digest
(sha256:2e1f or 2e1f), or as last-good or candidate.

The short way:
  hotlist logic push kanban kanban.wasm --live       check it, store it, make it live
  hotlist logic rollback kanban                      make the version before live again

The careful way:
  hotlist logic push kanban kanban.wasm              check it and store it; it decides nothing
  hotlist logic shadow kanban 1.1.0                  let it decide beside the live version, without effect
  hotlist logic canary kanban 10                     let it decide for 10 % of the lists
  hotlist logic canary kanban 10 --until 24h --then live   the same, and live after a day without a failure
  hotlist logic promote kanban                       make it live

When something failed:
  hotlist logic why kanban                           which lists, which commands, what it said, and what now

The server is http://127.0.0.1:8080 unless --server or HOTLIST_SERVER names another one. A server that
listens on a socket file is named by unix:PATH.

Exit codes: 0 done, 1 the server refuses it and changed nothing, 2 wrong usage, 3 the server cannot be
reached or failed, so look at the status before you try again.";

#[derive(Args, Debug)]
pub(super) struct LogicArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Write the JSON of the server
    #[arg(long, global = true, env = "HOTLIST_JSON")]
    json: bool,
    #[command(subcommand)]
    command: LogicCommand,
}

#[derive(Subcommand, Debug)]
enum LogicCommand {
    /// Show every logic, or one with its versions and its last events
    Status {
        /// The logic [default: all]
        #[arg(value_name = "NAME", value_parser = LogicName::new)]
        name: Option<LogicName>,
    },
    /// Tell the story of a quarantine or a refusal: lists, commands, what the rules said, and what now
    Why {
        #[command(flatten)]
        logic: Name,
        /// The version [default: the one that was quarantined last]
        #[arg(value_name = "VERSION")]
        version: Option<VersionSelector>,
    },
    /// Show the lists of a logic: those in a canary, the pinned ones, those that are not migrated
    Lists {
        #[command(flatten)]
        logic: Name,
        /// Only these
        #[arg(long, env = "HOTLIST_LOGIC_STATE", value_name = "STATE")]
        state: Option<lists::State>,
    },
    /// Check a component and store it; it decides nothing unless --live
    Push(change::PushArgs),
    /// Let a version decide in the shadow of the live one, without effect
    Shadow {
        #[command(flatten)]
        logic: Name,
        /// The version [default: the candidate]
        #[arg(value_name = "VERSION", default_value = "candidate")]
        version: VersionSelector,
        /// End the comparison; the version stays the candidate
        #[arg(long, env = "HOTLIST_LOGIC_OFF")]
        off: bool,
    },
    /// Let the candidate decide for a part of the lists, as a canary
    Canary {
        #[command(flatten)]
        logic: Name,
        /// The part of the lists, in per cent; 0 returns all to the live version
        #[arg(value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
        percent: u8,
        /// The version, which becomes the candidate
        #[arg(value_name = "VERSION", default_value = "candidate")]
        version: VersionSelector,
        /// End the canary after this time, such as 5m or 24h; the first failure stops it before
        #[arg(long, env = "HOTLIST_LOGIC_UNTIL", value_name = "TIME", requires = "then")]
        until: Option<String>,
        /// What happens at the end of the canary
        #[arg(long, env = "HOTLIST_LOGIC_THEN", value_name = "live|withdraw", requires = "until")]
        then: Option<Then>,
    },
    /// Make a version live
    Promote {
        #[command(flatten)]
        logic: Name,
        /// The version
        #[arg(value_name = "VERSION", default_value = "candidate")]
        version: VersionSelector,
        /// Accept a version that is quarantined, or to which lists cannot migrate
        #[arg(long, env = "HOTLIST_LOGIC_FORCE")]
        force: bool,
    },
    /// Make the version live that was live before
    Rollback {
        #[command(flatten)]
        logic: Name,
    },
    /// Withdraw the candidate
    Withdraw {
        #[command(flatten)]
        logic: Name,
    },
    /// Delete a version that nothing uses
    Delete {
        #[command(flatten)]
        logic: Name,
        /// The version
        #[arg(value_name = "VERSION")]
        version: VersionSelector,
        /// Delete it although it is quarantined, or a list is or was pinned to it
        #[arg(long, env = "HOTLIST_LOGIC_FORCE")]
        force: bool,
    },
    /// Have one version decide about a list, whichever is live
    Pin {
        #[command(flatten)]
        logic: Name,
        /// The version; of a number such as 1.2 always the newest
        #[arg(value_name = "VERSION")]
        version: VersionSelector,
        /// The list
        #[arg(value_name = "LIST", value_parser = ListName::new)]
        list: ListName,
    },
    /// Have the live version decide about a list again
    Unpin {
        #[command(flatten)]
        logic: Name,
        /// The list
        #[arg(value_name = "LIST", value_parser = ListName::new)]
        list: ListName,
    },
}

/// The logic of a command.
#[derive(Args, Debug)]
struct Name {
    /// The logic
    #[arg(value_name = "NAME", value_parser = LogicName::new)]
    name: LogicName,
}

/// Runs a command. The exit code tells a refusal of the server from a server that failed.
pub(super) fn run(arguments: &LogicArgs) -> ExitCode {
    let Err(error) = try_run(arguments) else { return ExitCode::SUCCESS };
    print_error(&format!("{error:#}"));
    let is_refusal = error.downcast_ref::<ServerProblem>().is_some_and(ServerProblem::is_refusal);
    // Some versions are looked for here, in a reply of the server.
    let is_refusal = is_refusal || error.is::<PublishError>();
    let is_misuse = error.is::<Misuse>();
    ExitCode::from(if is_refusal {
        REFUSED
    } else if is_misuse {
        MISUSED
    } else {
        FAILED
    })
}

fn try_run(LogicArgs { server, json, command }: &LogicArgs) -> anyhow::Result<()> {
    let remote = &server.connect().map_err(|error| Misuse(format!("{error:#}")))?;
    let changed = match command {
        LogicCommand::Status { name } => return status::status(remote, name.as_ref(), *json),
        LogicCommand::Why { logic, version } => return why::why(remote, &logic.name, version.as_ref(), *json),
        LogicCommand::Lists { logic, state } => return lists::lists(remote, &logic.name, *state, *json),
        LogicCommand::Push(push) => return change::push(remote, push, *json),
        LogicCommand::Pin { logic, version, list } => {
            return change::pin(remote, &logic.name, Some(version), list, *json);
        }
        LogicCommand::Unpin { logic, list } => return change::pin(remote, &logic.name, None, list, *json),
        LogicCommand::Shadow { logic, version, off } => change::shadow(remote, &logic.name, version, !off),
        LogicCommand::Canary { logic, percent, version, until, then } => {
            let end = until.as_deref().zip(*then);
            change::canary(remote, &logic.name, version, *percent, end)
        }
        LogicCommand::Delete { logic, version, force } => change::delete(remote, &logic.name, version, *force),
        LogicCommand::Promote { logic, version, force } => change::promote(remote, &logic.name, version, *force),
        LogicCommand::Rollback { logic } => change::promote(remote, &logic.name, &VersionSelector::LastGood, false),
        LogicCommand::Withdraw { logic } => change::withdraw(remote, &logic.name),
    }?;
    changed.print(*json);
    Ok(())
}

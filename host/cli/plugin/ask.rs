//! `hotlist plugin ask`: one question to a plugin, with the answer, what the plugin printed, and the cost.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::test::load;
use crate::authoring::build::SCRATCH;
use crate::authoring::cases::{Ask, AskContext, AskOutcome};
use crate::cli::output::{print_error, print_line};
use crate::cli::serve::DEFAULT_DATA;
use crate::clock::{Clock, SystemClock};
use crate::list::List;
use crate::list::command::{Command, Context};
use crate::list::name::ListName;
use crate::list::printable::printable;
use crate::list::{Limits, history::ListHistory};
use crate::logic::Logic;
use crate::logic::decide::Decider;
use crate::store::embedded::Recording;

/// The exit code of wrong usage, which is also clap's.
const USAGE: u8 = 2;

pub(super) const HELP: &str = r#"The question is a line of a case, see `hotlist plugin test --help`:

  hotlist plugin ask 'add = { title = "Stew" }'                         about an empty list
  hotlist plugin ask 'add = { title = "Stew" }' --list house            about a list of the last `plugin dev`
  hotlist plugin ask 'wake = true' --list house --at 12 --now 2026-11-24T00:00:00Z
  hotlist plugin ask 'delete = 2' --list house --data hotlist-data --plugin rules/meals.wasm

Nothing is written, and a server that uses the data may run meanwhile. A list of another version with other
fields is migrated first. More lines of the question may give its caller, seed, today and utc-offset.

Exit codes: 0 an answer, also a rejection; 1 the plugin failed; 2 wrong usage, or no such list."#;

#[derive(Args, Debug)]
pub(in crate::cli) struct AskArgs {
    /// What to ask, as a case writes it
    #[arg(value_name = "QUESTION")]
    question: String,
    /// The project of the plugin, which is built first, or a component
    #[arg(long, env = "HOTLIST_PLUGIN", value_name = "DIR|FILE", default_value = ".")]
    plugin: PathBuf,
    /// The list to ask about [default: an empty one, or that of `given` in the question]
    #[arg(long, env = "HOTLIST_LIST", value_name = "NAME", value_parser = ListName::new)]
    list: Option<ListName>,
    /// The list as it was at this revision [default: as it is]
    #[arg(long, env = "HOTLIST_AT", value_name = "REVISION", requires = "list")]
    at: Option<u64>,
    /// The data directory with the list [default: that of `plugin dev` in the project, else ./hotlist-data]
    #[arg(long, env = "HOTLIST_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// The time of the question [default: now]
    #[arg(long, env = "HOTLIST_NOW", value_name = "TIME", value_parser = time)]
    now: Option<u64>,
    /// The caller
    #[arg(long, env = "HOTLIST_CALLER", value_name = "NAME", default_value = "anonymous")]
    caller: String,
    /// Write JSON
    #[arg(long, env = "HOTLIST_JSON")]
    json: bool,
}

/// Milliseconds since the epoch of a time such as `2026-11-24T00:00:00Z`.
pub(super) fn time(text: &str) -> Result<u64, String> {
    let time: Option<jiff::Timestamp> = text.parse().ok();
    let milliseconds = time.and_then(|time| u64::try_from(time.as_millisecond()).ok());
    milliseconds.ok_or_else(|| format!("{text:?} is not a time since 1970; write it as 2026-11-24T00:00:00Z"))
}

pub(super) fn ask(arguments: &AskArgs) -> anyhow::Result<ExitCode> {
    let (outcome, took) = match run(arguments) {
        Ok(done) => done,
        Err(error) => {
            print_error(&format!("{error:#}"));
            return Ok(ExitCode::from(USAGE));
        }
    };
    let AskOutcome { answer, printed, cost } = outcome;
    if arguments.json {
        let (answer, failure) = match &answer {
            Ok(answer) => (Some(answer), None),
            Err(failure) => (None, Some(failure)),
        };
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let (fuel, memory) = (cost.fuel, cost.memory);
        let report = json!({"answer": answer, "failure": failure, "printed": printed, "fuel": fuel, "memory": memory, "nanoseconds": nanoseconds});
        print_line(&report.to_string());
    } else {
        let shown = answer.as_ref().unwrap_or_else(|failure| failure);
        print_line(&format!("→ {}", printable(shown)));
        printed.iter().for_each(|line| print_line(&format!("  says: {}", printable(line))));
        // A failed call has no cost.
        if answer.is_ok() {
            let (fuel, kib) = (cost.fuel, cost.memory >> 10);
            print_line(&format!("  {fuel} units of fuel, {} µs on a new instance, {kib} KiB", took.as_micros()));
        }
    }
    Ok(if answer.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run(arguments: &AskArgs) -> anyhow::Result<(AskOutcome, Duration)> {
    let clock = SystemClock::default();
    let now = arguments.now.unwrap_or_else(|| clock.now());
    let (today, utc_offset) = clock.local_at(now);
    let context = AskContext { now, utc_offset, caller: arguments.caller.clone() };
    // Parsed and read before the plugin is built, so that a typing error is reported at once.
    let ask = Ask::parse(&arguments.question, &context).context("cannot read the question")?;
    let list = arguments.list.as_ref().map(|name| read_list(arguments, name)).transpose()?;
    let logic = load(&arguments.plugin)?;
    let migration = Context { now, today, utc_offset, caller: "hotlist".into(), seed: 0 };
    let list = list.map(|list| migrated(list, &*logic, &migration)).transpose()?;
    let start = Instant::now();
    let outcome = ask.run(&*logic, list);
    Ok((outcome, start.elapsed()))
}

/// Reads a list from the data directory.
fn read_list(arguments: &AskArgs, name: &ListName) -> anyhow::Result<Arc<List>> {
    let of_session = Path::new(&arguments.plugin).join(SCRATCH).join("data");
    let default = || if of_session.is_dir() { of_session } else { PathBuf::from(DEFAULT_DATA) };
    let data = arguments.data.clone().unwrap_or_else(default);
    let what = || format!("cannot read list {} in {}", name.as_str(), data.display());
    let recording = Recording::open(&data).with_context(what)?;
    let found = recording.lists(|other| other == name).next();
    let history = found.with_context(|| format!("there is no list {} in {}", name.as_str(), data.display()))?;
    let history = history.with_context(what)?;
    match arguments.at {
        None => Ok(Arc::new(history.list)),
        Some(revision) => at(&history, revision),
    }
}

/// A list as it was at a revision.
fn at(history: &ListHistory, revision: u64) -> anyhow::Result<Arc<List>> {
    if history.list.revision() == revision {
        return Ok(Arc::new(history.list.clone()));
    }
    let mut oldest = None;
    for step in history.steps()? {
        let (list, _) = step?;
        if list.revision() == revision {
            return Ok(list);
        }
        oldest.get_or_insert(list.revision());
    }
    let last = history.list.revision();
    anyhow::bail!("revision {revision} is not known; the history has {} to {last}", oldest.unwrap_or(last))
}

/// The list as this version has it.
fn migrated(list: Arc<List>, logic: &dyn Logic, context: &Context) -> anyhow::Result<Arc<List>> {
    if !list.binding().is_some_and(|bound| bound.needs_migration(logic.binding())) {
        return Ok(list);
    }
    let mut session = logic.session()?;
    let mut decider = Decider { logic, session: session.as_mut(), limits: Limits::default() };
    let decided = decider.decide(&list, context, &Command::Migrate);
    let decided = decided.map_err(|refusal| anyhow::anyhow!("the plugin does not migrate the list: {refusal}"))?;
    Ok(decided.list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_in_a_case() {
        assert_eq!(time("2026-11-23T12:00:00Z"), Ok(1_795_435_200_000));
        assert!(time("2026-11-23").is_err() && time("1969-01-01T00:00:00Z").is_err());
    }
}

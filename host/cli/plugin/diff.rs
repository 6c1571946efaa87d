//! `hotlist plugin diff`: what another version would have decided about all that is recorded.

mod glob;
mod remote;
mod report;
mod versions;

use std::io::{IsTerminal, stderr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::serve::DEFAULT_DATA;
use crate::cli::{print_error, say};
use crate::list::history::ListHistory;
use crate::list::name::{ListName, LogicName};
use crate::logic::Logic;
use crate::replay::{Replay, ReplayItem, Report, Unreadable};
use crate::store::StoreError;
use crate::store::embedded::Recording;
use glob::Glob;
use remote::{Header, Remote};
use versions::Versions;

/// The exit code where the question has no answer: it cannot be asked so, or not all could be read.
const NO_ANSWER: u8 = 2;

/// What is logged unless somebody says otherwise. What the versions print is not: they are asked
/// thousands of times what they have been asked before.
pub(in crate::cli) const USUAL_LOG: &str = "warn,hotlist::plugin=off";

pub(super) const HELP: &str = r#"Each recorded command is decided twice more, by both versions, on its list as it was then, at the time
and by the caller of then. Nothing is written; a server that uses the data goes on meanwhile.

  hotlist plugin diff rules/todo.wasm                         against what is live in ./hotlist-data
  hotlist plugin diff new.wasm --logic todo --against old.wasm --lists 'team-*'
  hotlist plugin diff rules/todo.wasm --server https://todo.example --header 'Authorization: Bearer …'

How two answers differ:
  changes     both carry the command out, and not in the same way
  rejection   one says no where the other does not, or in other words
  fault       one fails where the other does not, or in another way
  migration   a version holds other fields or settings in its lists and does not take this one over;
              the rest of the list is passed over

Only commands that were carried out are recorded, so what the new version would allow and the old one
refused is not seen. Passed over is what no version of the logic decided: undoing, deleting the list,
and the time in which another logic kept it. A list that was deleted has no history any more.

Exit codes: 0 no differences; 1 differences; 2 wrong usage, or it could not be done. Where some lists
could not be read it is 1 if there are differences in the others, and 2 if there are none."#;

#[derive(Args, Debug)]
pub(in crate::cli) struct DiffArgs {
    /// The component of the new version
    #[arg(value_name = "NEW.wasm")]
    new: PathBuf,
    /// The component to compare it with [default: the version that is live]
    #[arg(long, env = "HOTLIST_AGAINST", value_name = "OLD.wasm")]
    against: Option<PathBuf>,
    /// The data directory of a server, which may be running
    #[arg(long, env = "HOTLIST_DATA", value_name = "DIR", default_value = DEFAULT_DATA)]
    data: PathBuf,
    /// Ask a running server instead of its data directory: without --data and HOTLIST_DATA
    #[arg(long, env = "HOTLIST_SERVER", value_name = "URL", conflicts_with = "data")]
    server: Option<String>,
    /// A header for every request to the server, for those that want to know who asks; repeatable
    #[arg(long, env = "HOTLIST_HEADER", hide_env_values = true, value_name = "NAME: VALUE", requires = "server")]
    header: Vec<Header>,
    /// Only lists whose names fit: `*` stands for any characters, `?` for one
    #[arg(long, env = "HOTLIST_LISTS", value_name = "PATTERN", default_value = "*")]
    lists: Glob,
    /// The logic they are versions of [default: the name of NEW.wasm]
    #[arg(long, env = "HOTLIST_LOGIC", value_name = "NAME", value_parser = LogicName::new)]
    logic: Option<LogicName>,
    /// Write JSON, with the first difference of up to 1,000 lists
    #[arg(long, env = "HOTLIST_JSON")]
    json: bool,
}

/// Where the recorded lists are.
enum Place {
    Directory(PathBuf),
    Server(Remote),
}

pub(super) fn diff(arguments: &DiffArgs) -> anyhow::Result<ExitCode> {
    let (place, versions, report) = match compare(arguments) {
        Ok(compared) => compared,
        Err(error) => {
            print_error(&format!("{error:#}"));
            return Ok(ExitCode::from(NO_ANSWER));
        }
    };
    if arguments.json {
        say(&report::as_json(&versions, &report).to_string());
    } else {
        report::as_text(&place.to_string(), &versions, &report).iter().for_each(|line| say(line));
    }
    if report.unreadable_lists > 0 {
        print_error(&format!(
            "{} could not be read, and nothing is known of that",
            report::lists(report.unreadable_lists)
        ));
    }
    Ok(match (report.differing_commands(), report.unreadable_lists) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(NO_ANSWER),
        (_, _) => ExitCode::FAILURE,
    })
}

fn compare(arguments: &DiffArgs) -> anyhow::Result<(Place, Versions, Report)> {
    let place = match &arguments.server {
        Some(url) => Place::Server(Remote::new(url, &arguments.header)?),
        None => Place::Directory(arguments.data.clone()),
    };
    let versions = Versions::load(&arguments.new, arguments.against.as_deref(), arguments.logic.clone(), &place)?;
    let fits = |name: &ListName| arguments.lists.fits(name.as_str());
    let report = match &place {
        Place::Server(server) => {
            // How many lists there are is not known before all are named.
            let bar = progress(None);
            replay(&versions, &bar, server.lists(fits))?
        }
        Place::Directory(directory) => {
            let what = || format!("cannot read what is recorded in {}", directory.display());
            let recording = Recording::open(directory).with_context(what)?;
            let bar = progress(Some(recording.count().with_context(what)?));
            // What is not looked at is done with, too.
            let wanted = |name: &ListName| {
                fits(name) || {
                    bar.inc(1);
                    false
                }
            };
            replay(&versions, &bar, recording.lists(wanted).map(item)).with_context(what)?
        }
    };
    Ok((place, versions, report))
}

fn replay(
    versions: &Versions,
    bar: &ProgressBar,
    lists: impl Iterator<Item = anyhow::Result<ReplayItem>>,
) -> anyhow::Result<Report> {
    let start = Instant::now();
    let (old, new): (&dyn Logic, &dyn Logic) = (&*versions.old, &*versions.new);
    let threads = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let (clock, done) = (|| start.elapsed(), || bar.inc(1));
    let report = Replay { old, new, threads, clock: &clock, done: &done }.run(lists);
    bar.finish_and_clear();
    report
}

/// A list of the data directory. One that cannot be read is no reason not to look at the others.
fn item(read: Result<ListHistory, StoreError>) -> anyhow::Result<ReplayItem> {
    match read {
        Ok(list) => Ok(ReplayItem::List(Box::new(list))),
        Err(StoreError::Unreadable { name, why }) => {
            Ok(ReplayItem::Unreadable(Unreadable { name: name.as_str().to_owned(), why }))
        }
        Err(error) => Err(error.into()),
    }
}

/// A bar on a terminal, and nothing anywhere else.
fn progress(lists: Option<usize>) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(lists.map(|lists| lists as u64), ProgressDrawTarget::stderr());
    let template = match lists {
        Some(_) => "{elapsed} [{bar:40}] {pos} of {len} lists",
        None => "{elapsed} {pos} lists",
    };
    bar.set_style(ProgressStyle::with_template(template).expect("the template is well-formed").progress_chars("=> "));
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(directory) => write!(f, "{}", directory.display()),
            Self::Server(server) => write!(f, "{}", server.url()),
        }
    }
}

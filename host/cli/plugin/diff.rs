//! `hotlist plugin diff`: decides the recorded commands again with two versions and compares the answers.

mod place;
mod refusal;
mod remote;
mod report;
mod versions;

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use indicatif::ProgressBar;
use wildmatch::WildMatch;

use crate::cli::output::{print_error, print_line, red};
use crate::cli::progress;
use crate::cli::remote::{Header, Remote};
use crate::cli::serve::DEFAULT_DATA;
use crate::list::history::ListHistory;
use crate::list::name::{ListName, LogicName};
use crate::logic::Logic;
use crate::replay::{Replay, ReplayItem, Report, Unreadable};
use crate::store::StoreError;
use crate::store::embedded::Recording;
use place::Place;
use remote::Recorded;
use versions::Versions;

/// The exit code where the comparison is incomplete: wrong usage, or lists that cannot be read.
const INCOMPLETE: u8 = 2;

/// The default filter of the log. The lines that the versions print are left out, because each version decides
/// thousands of commands that were decided before.
pub(in crate::cli) const DEFAULT_LOG: &str = "warn,hotlist::plugin=off";

pub(super) const HELP: &str = r#"Both versions decide each recorded command again, on its list as it was before the command and with the
recorded time and caller. Nothing is written, and a server that uses the data may run meanwhile.

  hotlist plugin diff rules/todo.wasm                         against the live version in ./hotlist-data
  hotlist plugin diff new.wasm --logic todo --against old.wasm --lists 'team-*'
  hotlist plugin diff rules/todo.wasm --server https://todo.example --header 'Authorization: Bearer …'

If a server would not take the new version at all, because it fails its gates, does not migrate lists of
the old version or was quarantined, the first line says so.

How two answers differ:
  changes     both accept the command and make different changes
  rejection   one rejects the command and the other does not, or both do with different reasons
  fault       one fails and the other does not, or both fail in different ways
  migration   a version with other fields or settings does not migrate the list; the rest of the list
              is skipped

Only accepted commands are recorded, so a command that the old version rejected and the new one would
accept is not seen. Commands that no version of the logic decided are skipped: undo, deleting the
list, and all commands while another logic decided the list. A deleted list has no history.

Exit codes: 0 no differences, 1 differences or a version that no server takes, 2 wrong usage or a comparison that failed. If some lists
cannot be read, the code is 1 if the others differ and 2 if they do not."#;

#[derive(Args, Debug)]
pub(in crate::cli) struct DiffArgs {
    /// The component of the new version
    #[arg(value_name = "NEW.wasm")]
    new: PathBuf,
    /// The component of the old version [default: the live version]
    #[arg(long, env = "HOTLIST_AGAINST", value_name = "OLD.wasm")]
    against: Option<PathBuf>,
    /// The data directory of a server, which may be running
    #[arg(long, env = "HOTLIST_DATA", value_name = "DIR", default_value = DEFAULT_DATA)]
    data: PathBuf,
    /// Read from a running server (http://…, https://… or unix:PATH) instead of a data directory; excludes --data and
    /// HOTLIST_DATA
    #[arg(long, env = "HOTLIST_SERVER", value_name = "URL", conflicts_with = "data")]
    server: Option<String>,
    /// A header for every request to the server, such as one that names the caller; repeatable
    #[arg(long, env = "HOTLIST_HEADER", hide_env_values = true, value_name = "NAME: VALUE", requires = "server")]
    header: Vec<Header>,
    /// Only lists whose names match: `*` stands for any characters, `?` for one
    #[arg(long, env = "HOTLIST_LISTS", value_name = "PATTERN", default_value = "*", value_parser = pattern)]
    lists: WildMatch,
    /// The logic that both are versions of [default: the name of NEW.wasm]
    #[arg(long, env = "HOTLIST_LOGIC", value_name = "NAME", value_parser = LogicName::new)]
    logic: Option<LogicName>,
    /// Write JSON, with the first difference of up to 1,000 lists
    #[arg(long, env = "HOTLIST_JSON")]
    json: bool,
}

fn pattern(text: &str) -> Result<WildMatch, Infallible> {
    Ok(WildMatch::new(text))
}

pub(super) fn diff(arguments: &DiffArgs) -> anyhow::Result<ExitCode> {
    let Compared { place, versions, refusal, report } = match compare(arguments) {
        Ok(compared) => compared,
        Err(error) => {
            print_error(&format!("{error:#}"));
            return Ok(ExitCode::from(INCOMPLETE));
        }
    };
    if arguments.json {
        print_line(&report::as_json(&versions, refusal.as_deref(), &report).to_string());
    } else {
        refusal.iter().for_each(|refusal| print_line(&format!("refused   {}", red(refusal))));
        report::as_text(&place.to_string(), &versions, &report).iter().for_each(|line| print_line(line));
    }
    if report.unreadable_lists > 0 {
        print_error(&format!(
            "cannot read {}, which the comparison leaves out",
            report::lists(report.unreadable_lists)
        ));
    }
    let differs = report.differing_commands() + u64::from(refusal.is_some());
    Ok(match (differs, report.unreadable_lists) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(INCOMPLETE),
        (_, _) => ExitCode::FAILURE,
    })
}

/// A comparison that is complete.
struct Compared {
    place: Place,
    versions: Versions,
    /// Why a server would not take the new version.
    refusal: Option<String>,
    report: Report,
}

fn compare(arguments: &DiffArgs) -> anyhow::Result<Compared> {
    let place = match &arguments.server {
        Some(url) => Place::Server(Recorded(Remote::new(url, &arguments.header)?)),
        None => Place::Directory(arguments.data.clone()),
    };
    let versions = Versions::load(&arguments.new, arguments.against.as_deref(), arguments.logic.clone(), &place)?;
    let refusal = refusal::refusal(&place, &versions)?;
    let matches = |name: &ListName| arguments.lists.matches(name.as_str());
    let report = match &place {
        Place::Server(server) => {
            // A server names its lists page by page, so their number is not known beforehand.
            let bar = progress(None);
            replay(&versions, &bar, server.lists(matches))?
        }
        Place::Directory(directory) => {
            let what = || format!("cannot read the recorded lists in {}", directory.display());
            let recording = Recording::open(directory).with_context(what)?;
            let bar = progress(Some(recording.count().with_context(what)?));
            // A list that is left out counts as done.
            let wanted = |name: &ListName| {
                matches(name) || {
                    bar.inc(1);
                    false
                }
            };
            replay(&versions, &bar, recording.lists(wanted).map(item)).with_context(what)?
        }
    };
    Ok(Compared { place, versions, refusal, report })
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

/// A list of the data directory. A list that cannot be read does not end the comparison of the others.
fn item(read: Result<ListHistory, StoreError>) -> anyhow::Result<ReplayItem> {
    match read {
        Ok(list) => Ok(ReplayItem::List(Box::new(list))),
        Err(StoreError::Unreadable { name, why }) => {
            Ok(ReplayItem::Unreadable(Unreadable { name: name.as_str().to_owned(), why }))
        }
        Err(error) => Err(error.into()),
    }
}

/// A progress bar of lists.
fn progress(lists: Option<usize>) -> ProgressBar {
    let template = match lists {
        Some(_) => "{elapsed} [{bar:40}] {pos} of {len} lists",
        None => "{elapsed} {pos} lists",
    };
    progress::bar(template, lists.map(|lists| lists as u64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        WildMatch::new(pattern).matches(name)
    }

    /// What a pattern means, without anything that makes it fast.
    fn matches_slowly(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], name) => name.is_empty(),
            (['*', rest @ ..], name) => (0..=name.len()).any(|taken| matches_slowly(rest, &name[taken..])),
            (['?', rest @ ..], [_, others @ ..]) => matches_slowly(rest, others),
            ([c, rest @ ..], [first, others @ ..]) => c == first && matches_slowly(rest, others),
            (_, []) => false,
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_it_means(pattern in "[ab?*é]{0,8}", name in "[abé/]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &name), matches_slowly(&chars(&pattern), &chars(&name)));
        }
    }

    #[test]
    fn no_character_of_a_name_ends_a_star() {
        assert!(matches("team-*", "team-a/b") && matches("*.todo", "../x.todo") && matches("日?日", "日曜日"));
        assert!(!matches("team-*", "a team-b") && !matches("?", "") && !matches("", "a") && matches("*", ""));
    }

    #[test]
    fn many_stars_take_no_longer_than_few() {
        let pattern = "*a".repeat(100) + "b";
        assert!(!matches(&pattern, &"a".repeat(200)));
    }
}

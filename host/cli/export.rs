//! `hotlist export`.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::output::{print_error, print_note};
use super::patterns::Patterns;
use super::progress;
use super::serve::DEFAULT_DATA;
use crate::clock::SystemClock;
use crate::files;
use crate::list::excerpt::excerpt;
use crate::list::name::ListName;
use crate::store::embedded::Salvage;
use crate::transfer::{ExportTotals, Finding, export};

/// The exit code where something is missing from an export.
const INCOMPLETE: u8 = 3;

/// The output for the standard output.
const STDOUT: &str = "-";

/// The bytes that are written at once.
const BUFFER_BYTES: usize = 256 << 10;

pub(super) const HELP: &str = "\
A server may use the data meanwhile, and the export is of one moment. It has one JSON object a line, and `hotlist import`
reads it. It holds the lists with their history and their wake-up times, and the last revision of each deleted list. It holds
no receipts and no components.

  hotlist export --output lists.jsonl             all lists
  hotlist export 'team-*' bob | gzip > some.gz    some lists
  hotlist export bob --output bob.jsonl           a list that cannot be read, as far as it can

Of a list that cannot be read, an export holds the newest state that the checksums of its rows prove, and says what is
missing. Data that an earlier version wrote can be exported too.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 exported, but something is missing.";

#[derive(Args, Debug)]
pub(super) struct ExportArgs {
    /// Only lists whose names match one of the patterns: `*` stands for any characters, `?` for one
    #[arg(value_name = "PATTERN")]
    patterns: Vec<String>,
    /// The data directory
    #[arg(long, env = "HOTLIST_DATA", value_name = "DIR", default_value = DEFAULT_DATA)]
    data: PathBuf,
    /// The file to write, which must not exist; `-` is the standard output
    #[arg(long, short, env = "HOTLIST_OUTPUT", value_name = "FILE", default_value = STDOUT)]
    output: PathBuf,
    /// Write the summary as JSON, which is the last line on the standard error
    #[arg(long, env = "HOTLIST_JSON")]
    json: bool,
}

pub(super) fn run(arguments: &ExportArgs) -> anyhow::Result<ExitCode> {
    let ExportArgs { patterns, data, output, json } = arguments;
    anyhow::ensure!(data.is_dir(), "there is no data directory {}: name it with --data", data.display());
    let patterns = Patterns::new(patterns);
    let salvage = Salvage::open(data)?;
    let totals = if output.as_os_str() == STDOUT {
        let totals = write(&salvage, &patterns, &mut BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock()))?;
        patterns.check_all_matched()?;
        totals
    } else {
        let what = || format!("cannot write {}", output.display());
        let file = files::private_file().create_new(true).open(output).with_context(what)?;
        let written = write(&salvage, &patterns, &mut BufWriter::with_capacity(BUFFER_BYTES, &file))
            .and_then(|totals| file.sync_all().map(|()| totals).map_err(Into::into))
            .with_context(what)
            .and_then(|totals| patterns.check_all_matched().map(|()| totals));
        // A part of an export, or one without the lists that were asked for, would be in the way of the next attempt.
        written.inspect_err(|_| drop(fs::remove_file(output)))?
    };
    print_summary(&totals, *json, data);
    Ok(if totals.is_complete() { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}

fn write(salvage: &Salvage, patterns: &Patterns, output: &mut dyn Write) -> anyhow::Result<ExportTotals> {
    let bar = progress::bar("{elapsed} [{bar:40}] {pos} of about {len} lists", salvage.count().ok().map(|n| n as u64));
    // A list that is left out counts as done.
    let is_wanted = |name: &ListName| {
        patterns.matches(name) || {
            bar.inc(1);
            false
        }
    };
    let mut found = |finding: Finding<'_>| bar.suspend(|| print_finding(finding));
    let totals = export(salvage, is_wanted, &SystemClock::default(), output, &mut found, &mut || bar.inc(1));
    bar.finish_and_clear();
    totals
}

fn print_finding(finding: Finding<'_>) {
    match finding {
        Finding::Restored(name, damage) => print_note(&format!(
            "list {:?} cannot be read ({}), and is complete in the export: its history leads to it",
            name.as_str(),
            excerpt(damage),
        )),
        Finding::Incomplete(name, missing) => {
            print_error(&format!("list {:?} is incomplete; missing: {missing}", name.as_str()));
        }
        Finding::Damage(what) => print_error(what),
    }
}

fn print_summary(totals: &ExportTotals, as_json: bool, data: &Path) {
    let ExportTotals { lists, deleted_lists, entries, revisions, incomplete_lists, damages } = totals;
    if as_json {
        let summary = json!({
            "lists": lists,
            "deleted_lists": deleted_lists,
            "entries": entries,
            "revisions": revisions,
            "incomplete_lists": incomplete_lists,
            "damages": damages,
        });
        return print_note(&summary.to_string());
    }
    let missing = match (incomplete_lists, damages) {
        (0, 0) => String::new(),
        (lists, 0) => format!("; incomplete: {lists} lists"),
        (lists, _) => format!("; incomplete: {lists} lists, and further ones may be missing"),
    };
    print_note(&format!(
        "exported {lists} lists of {} ({entries} entries, {revisions} revisions, {deleted_lists} deleted lists){missing}",
        data.display(),
    ));
}

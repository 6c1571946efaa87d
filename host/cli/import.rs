//! `hotlist import`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::Context as _;
use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;

use super::output::{print_line, print_note};
use super::patterns::Patterns;
use super::progress;
use super::serve::DEFAULT_DATA;
use crate::list::Limits;
use crate::list::name::{ListName, NameError};
use crate::transfer::{self, ImportNote, ImportOptions, ImportTotals};

/// The export on the standard input.
const STDIN: &str = "-";

/// The bytes that are read at once.
const BUFFER_BYTES: usize = 256 << 10;

pub(super) const HELP: &str = "\
The data directory may be a new one or have lists already, and no server may use it. The import is all or nothing: it is
one transaction, which ends when the last line and the digest of the file are checked.

  hotlist import lists.jsonl --data ./new                   all lists of an export
  hotlist import lists.jsonl 'team-*' --skip-existing       those that are not there yet
  hotlist import bob.jsonl --rename bob=bob-before          beside the list that is there

Lists keep their revisions with their numbers, callers and times, so what was done before can be undone. If the directory had
a list of the name that was deleted, the revisions get numbers above those of the deleted one. The logic of each list has to
be loaded by the server as before: an export holds no components.";

#[derive(Args, Debug)]
pub(super) struct ImportArgs {
    /// The export; `-` is the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only lists whose names in the export match one of the patterns: `*` stands for any characters, `?` for one
    #[arg(value_name = "PATTERN")]
    patterns: Vec<String>,
    /// The data directory, which is made if it does not exist
    #[arg(long, env = "HOTLIST_DATA", value_name = "DIR", default_value = DEFAULT_DATA)]
    data: PathBuf,
    /// Import the list OLD as NEW; repeatable
    #[arg(long, env = "HOTLIST_RENAME", value_name = "OLD=NEW")]
    rename: Vec<Rename>,
    /// Put TEXT before the names of all lists that --rename does not name
    #[arg(long, env = "HOTLIST_PREFIX", value_name = "TEXT", default_value = "", hide_default_value = true)]
    prefix: String,
    /// Leave out lists whose names the data directory has
    #[arg(long, env = "HOTLIST_SKIP_EXISTING")]
    skip_existing: bool,
    /// The most entries in one list, as for the server
    #[arg(long, env = "HOTLIST_MAX_ENTRIES", value_name = "ENTRIES", default_value_t = Limits::default().entries)]
    max_entries: usize,
    /// The most bytes of text in one list, as for the server
    #[arg(long, env = "HOTLIST_MAX_LIST_BYTES", value_name = "BYTES", default_value_t = Limits::default().bytes)]
    max_list_bytes: usize,
    /// Write the summary as JSON
    #[arg(long, env = "HOTLIST_JSON")]
    json: bool,
}

/// A new name of a list.
#[derive(Clone, Debug)]
struct Rename {
    old: ListName,
    new: ListName,
}

impl FromStr for Rename {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (old, new) = text.split_once('=').ok_or_else(|| format!("{text:?} is no renaming; write it as OLD=NEW"))?;
        let name = |name: &str| ListName::new(name).map_err(|error| format!("{name:?}: {error}"));
        Ok(Self { old: name(old)?, new: name(new)? })
    }
}

pub(super) fn run(arguments: &ImportArgs) -> anyhow::Result<ExitCode> {
    let ImportArgs { file, patterns, prefix, rename, .. } = arguments;
    let patterns = Patterns::new(patterns);
    check_renames(rename)?;
    let unused: RefCell<BTreeSet<_>> = RefCell::new(rename.iter().map(|rename| &rename.old).collect());
    let new_name = |name: &ListName| {
        unused.borrow_mut().remove(name);
        new_name(rename, prefix, name)
    };
    let approve = || {
        patterns.check_all_matched()?;
        match unused.borrow().first() {
            Some(old) => Err(anyhow::anyhow!("the export has no list {:?} that --rename could rename", old.as_str())),
            None => Ok(()),
        }
    };
    let options = ImportOptions {
        is_wanted: &|name| patterns.matches(name),
        new_name: &new_name,
        skips_existing: arguments.skip_existing,
        limits: Limits { entries: arguments.max_entries, bytes: arguments.max_list_bytes, ..Limits::default() },
        approve: &approve,
    };
    let totals = if file.as_os_str() == STDIN {
        let bar = progress::bar("{elapsed} {bytes}", None);
        import(&mut BufReader::with_capacity(BUFFER_BYTES, io::stdin().lock()), arguments, &options, &bar)?
    } else {
        let what = || format!("cannot import {}", file.display());
        let open = || File::open(file).map(|file| BufReader::with_capacity(BUFFER_BYTES, file)).with_context(what);
        let metadata = file.metadata().with_context(what)?;
        // A file that is cut off is refused before a data directory is made. A pipe can be read only once.
        if metadata.is_file() {
            transfer::check(&mut open()?).with_context(what)?;
        }
        let bytes = metadata.len();
        let bar = progress::bar("{elapsed} [{bar:40}] {bytes} of {total_bytes}", Some(bytes));
        import(&mut open()?, arguments, &options, &bar).with_context(what)?
    };
    print_summary(&totals, arguments);
    Ok(ExitCode::SUCCESS)
}

fn import(
    export: &mut dyn BufRead,
    arguments: &ImportArgs,
    options: &ImportOptions<'_>,
    bar: &ProgressBar,
) -> anyhow::Result<ImportTotals> {
    let mut note = |note: ImportNote<'_>| bar.suspend(|| print_imported_note(&note));
    let totals = transfer::import(export, &arguments.data, options, &mut note, &mut |bytes| bar.set_position(bytes));
    bar.finish_and_clear();
    totals
}

/// Refuses two lists with one new name.
fn check_renames(renames: &[Rename]) -> anyhow::Result<()> {
    let mut names = BTreeSet::new();
    match renames.iter().find(|rename| !names.insert(&rename.new)) {
        Some(rename) => Err(anyhow::anyhow!("--rename gives two lists the name {:?}", rename.new.as_str())),
        None => Ok(()),
    }
}

fn new_name(renames: &[Rename], prefix: &str, name: &ListName) -> Result<ListName, NameError> {
    match renames.iter().find(|rename| rename.old == *name) {
        Some(rename) => Ok(rename.new.clone()),
        None if prefix.is_empty() => Ok(name.clone()),
        None => ListName::new(&format!("{prefix}{}", name.as_str())),
    }
}

fn print_imported_note(note: &ImportNote<'_>) {
    print_note(&match note {
        ImportNote::Incomplete(name, missing) => {
            format!("list {:?} is imported as far as the export has it; missing: {missing}", name.as_str())
        }
        ImportNote::Lost(name, missing) => {
            format!("list {:?} is not imported, because the export has nothing of it: {missing}", name.as_str())
        }
        ImportNote::Renumbered { name, from, to } => format!(
            "the last revision {from} of list {:?} is {to} now, because a deleted list of the name had these numbers",
            name.as_str(),
        ),
        ImportNote::Damage(what) => format!("lists may be missing from the export: {what}"),
        ImportNote::Skipped(name) => format!("list {:?} is left out, because it is there already", name.as_str()),
    });
}

fn print_summary(totals: &ImportTotals, arguments: &ImportArgs) {
    let ImportTotals { lists, entries, revisions, deleted_lists, skipped_lists, incomplete_lists, lost_lists } = totals;
    if arguments.json {
        let summary = json!({
            "lists": lists,
            "entries": entries,
            "revisions": revisions,
            "deleted_lists": deleted_lists,
            "skipped_lists": skipped_lists,
            "incomplete_lists": incomplete_lists,
            "lost_lists": lost_lists,
        });
        return print_line(&summary.to_string());
    }
    let others = [
        (skipped_lists, "left out"),
        (incomplete_lists, "incomplete"),
        (lost_lists, "of which the export has nothing"),
    ];
    let others = others.iter().filter(|(count, _)| **count > 0).map(|(count, what)| format!("; {count} {what}"));
    let others: String = others.collect();
    print_line(&format!(
        "imported {lists} lists into {} ({entries} entries, {revisions} revisions, {deleted_lists} deleted lists){others}",
        arguments.data.display(),
    ));
}

//! `hotlist upgrade`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use indicatif::HumanBytes;
use serde_json::json;

use super::output::{print_error, print_line};
use super::serve::DEFAULT_DATA;
use crate::list::excerpt::excerpt;
use crate::store::embedded::{EmbeddedStore, Options, UpgradeCheck, check_upgrade};
use crate::store::{HistoryLimits, Store};

pub(super) const HELP: &str = "\
A start upgrades the data by itself. This command does the same without a server, and --check says beforehand what would
be done: which format and encodings the data has, what would change, whether every list can be converted, and whether the
disk has room. --check writes nothing, and a server may use the data meanwhile. Make a backup with the program that wrote
the data before you upgrade it, because earlier programs do not read it afterwards.

Exit codes: 0 the data is up to date, or was or can be upgraded as a whole, 1 it cannot be read or not be upgraded as a
whole, 2 wrong usage.";

#[derive(Args, Debug)]
pub(super) struct UpgradeArgs {
    /// The data directory
    #[arg(long, env = "HOTLIST_DATA", value_name = "DIR", default_value = DEFAULT_DATA)]
    data: PathBuf,
    /// Only show what would be done
    #[arg(long, env = "HOTLIST_CHECK")]
    check: bool,
    /// Write JSON
    #[arg(long, env = "HOTLIST_JSON")]
    json: bool,
}

pub(super) fn upgrade(arguments: &UpgradeArgs) -> anyhow::Result<ExitCode> {
    let UpgradeArgs { data, check: only_check, json } = arguments;
    anyhow::ensure!(data.is_dir(), "there is no data directory {}: name it with --data", data.display());
    let check = check_upgrade(data)?;
    let does = !only_check && check.is_due() && check.is_possible();
    if does {
        // Only a server knows how much history it retains.
        let store = EmbeddedStore::open(data, Options { history: HistoryLimits::UNLIMITED, ..Options::default() })?;
        // Everything in the log is compacted, and has the encoding of this program then.
        tokio::runtime::Builder::new_current_thread().build()?.block_on(store.close())?;
    }
    if *json {
        print_json(&check, does)?;
    } else {
        print_text(data, &check, does);
    }
    Ok(if check.is_possible() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_json(check: &UpgradeCheck, is_done: bool) -> anyhow::Result<()> {
    let unreadable = check.unreadable.iter().map(|(list, what)| json!({ "list": list, "what": what }));
    let answer = json!({
        "format": check.format,
        "format_after": check.format_after,
        "is_due": check.is_due(),
        "is_possible": check.is_possible(),
        "is_done": is_done,
        "lists": check.lists,
        "rows": check.rows,
        "converted_lists": check.converted_lists,
        "moved_receipts": check.moved_receipts,
        "without_history": check.without_history,
        "unreadable": unreadable.collect::<Vec<_>>(),
        "damage": check.damage,
        "needed_bytes": check.needed_bytes,
        "free_bytes": check.free_bytes,
    });
    print_line(&serde_json::to_string_pretty(&answer)?);
    Ok(())
}

fn print_text(data: &Path, check: &UpgradeCheck, is_done: bool) {
    let UpgradeCheck { format, format_after, lists, .. } = check;
    print_line(&format!("{} has format {format} and {lists} compacted lists", data.display()));
    for (table, rows) in check.rows.iter().filter(|(_, rows)| !rows.is_empty()) {
        let rows: Vec<_> = rows.iter().map(|(encoding, count)| format!("{count} of encoding {encoding}")).collect();
        print_line(&format!("  {table}: {}", rows.join(", ")));
    }
    for list in &check.without_history {
        print_line(&format!("list {list:?}: its history has no inverses, and is kept in the table quarantine only"));
    }
    for what in &check.damage {
        print_error(&excerpt(what));
    }
    for (list, what) in &check.unreadable {
        print_error(&format!("list {list:?} cannot be converted: {}", excerpt(what)));
    }
    if !check.has_room() {
        let (needed, free) = (HumanBytes(check.needed_bytes), HumanBytes(check.free_bytes));
        print_error(&format!("the disk has {free} free, the upgrade may need {needed}"));
    }
    let UpgradeCheck { converted_lists, moved_receipts, .. } = check;
    let work = format!("{converted_lists} lists converted, {moved_receipts} receipts moved");
    print_line(&match (check.is_due(), check.is_possible(), is_done) {
        (false, true, _) => "nothing is to be upgraded".to_owned(),
        (_, false, _) => "the data cannot be upgraded as a whole; `hotlist verify` shows all damage".to_owned(),
        (true, true, true) => format!("upgraded to format {format_after}: {work}"),
        (true, true, false) => format!("a start upgrades it to format {format_after}: {work}"),
    });
}

//! `hotlist verify --repair`: what it will do, and what it did.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::output::print_error;
use crate::cli::progress;
use crate::list::excerpt::excerpt;
use crate::store::embedded::{self, Repaired, Verification};

/// Repairs the database of a directory, if it is damaged. Says before what it will do.
pub(super) fn repair(data: &Path) -> anyhow::Result<Option<Repaired>> {
    let bar = progress::bar("{elapsed} [{bar:40}] {pos} of about {len} lists", Some(0));
    let announce = |found: &Verification| {
        bar.finish_and_clear();
        print_findings(found);
        print_error(
            "repairing: a new database is made of all rows that can be read, and takes the place of the damaged one, \
             which is kept; lists that cannot be read are made of their history where that proves them, and else removed, and their rows are \
             kept in the table quarantine",
        );
    };
    let mut announce = announce;
    let repaired = embedded::repair(data, &mut |done, all| progress::show(&bar, done, all), &mut announce);
    bar.finish_and_clear();
    Ok(repaired?)
}

/// Prints what was lost, and which files were kept.
pub(super) fn print(repaired: &Repaired) {
    let Repaired { restored_lists, removed_lists, lost_histories, lost_receipts, timers, losses, kept_files } =
        repaired;
    for (list, why) in restored_lists {
        let is_whole = !lost_receipts.contains(list) && !lost_histories.iter().any(|(other, _)| other == list);
        let whole = if is_whole { ", of which nothing is lost" } else { "" };
        print_error(&format!("restored list {list:?}{whole}: {}", excerpt(why)));
    }
    for (list, why) in removed_lists {
        print_error(&format!("removed list {list:?}: {}", excerpt(why)));
    }
    for (list, why) in lost_histories {
        print_error(&format!("removed the history of list {list:?} or its older part: {}", excerpt(why)));
    }
    for list in lost_receipts {
        print_error(&format!("removed receipts of list {list:?}: a repeated request may be carried out again"));
    }
    for loss in losses {
        print_error(&format!("lost: {}", excerpt(loss)));
    }
    let (added, removed) = timers;
    if added + removed > 0 {
        print_error(&format!("wrote {added} missing timers, and removed {removed} that no list waits for"));
    }
    for file in kept_files {
        print_error(&format!("kept {}", file.display()));
    }
}

/// What was done as JSON.
pub(super) fn json(repaired: &Repaired) -> Value {
    let lists = |lists: &[(String, String)]| -> Vec<Value> {
        lists.iter().map(|(list, what)| json!({ "list": list, "what": what })).collect()
    };
    json!({
        "restored_lists": lists(&repaired.restored_lists),
        "removed_lists": lists(&repaired.removed_lists),
        "lost_histories": lists(&repaired.lost_histories),
        "lost_receipts": repaired.lost_receipts,
        "added_timers": repaired.timers.0,
        "removed_timers": repaired.timers.1,
        "losses": repaired.losses,
        "kept_files": repaired.kept_files,
    })
}

/// Prints the damage of lists and of the database.
pub(super) fn print_findings(lists: &Verification) {
    for finding in &lists.findings {
        match &finding.list {
            Some(name) => print_error(&format!("list {:?}: {}", name.as_str(), excerpt(&finding.what))),
            None => print_error(&excerpt(&finding.what)),
        }
    }
    if lists.more_findings > 0 {
        print_error(&format!("{} more findings are not shown", lists.more_findings));
    }
}

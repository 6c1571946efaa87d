//! The result of a comparison, for people and for programs.

use std::time::Duration;

use serde_json::{Value, json};

use super::versions::Versions;
use crate::cli::table::aligned;
use crate::list::excerpt::quoted;
use crate::list::printable::printable;
use crate::logic::Logic;
use crate::replay::{Difference, DifferenceKind, Measurements, Report, Unreadable, VersionCosts};

/// The most lists whose differences the text shows. JSON has up to [`crate::replay::MAX_LISTED`].
const MAX_SHOWN: usize = 10;

/// The heads of the table's columns.
const HEAD: [&str; 8] = ["", "time p50", "p99", "max", "fuel p50", "p99", "max", "faults"];

/// The quantiles that a report shows, besides the maximum.
const QUANTILES: [f64; 2] = [0.5, 0.99];

pub(super) fn as_text(place: &str, versions: &Versions, report: &Report) -> Vec<String> {
    let mut lines = vec![
        format!("old       {}", versions.old.id()),
        format!("new       {}", versions.new.id()),
        format!("recorded  {place}: {}, {}", lists(report.lists), counted(report.commands, "command")),
        format!("differ    {}", verdict(report)),
    ];
    for difference in report.differences.iter().take(MAX_SHOWN) {
        lines.push(String::new());
        lines.extend(shown(difference));
    }
    let more = usize::try_from(report.differing_lists).unwrap_or(usize::MAX).saturating_sub(MAX_SHOWN);
    if more > 0 {
        lines.push(format!("\n… and in {} more; --json has the first differences of up to 1,000", lists(more as u64)));
    }
    for Unreadable { name, why } in report.unreadable.iter().take(MAX_SHOWN) {
        lines.push(format!("\nnot read  {}: {why}", quoted(name)));
    }
    lines.push(String::new());
    let rows = [HEAD.map(str::to_owned), row("old", &report.old), row("new", &report.new)];
    lines.extend(aligned(&rows, 1));
    lines
}

/// How many commands differ, by kind of difference.
fn verdict(report: &Report) -> String {
    if report.differing_commands() == 0 {
        return "nothing".into();
    }
    let by_kind: Vec<_> = report.differing.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    let commands = counted(report.differing_commands(), "command");
    format!("{commands} in {}: {}", lists(report.differing_lists), by_kind.join(", "))
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

pub(super) fn lists(count: u64) -> String {
    counted(count, "list")
}

fn shown(difference: &Difference) -> [String; 5] {
    let Difference { list, revision, kind, command, before, old, new } = difference;
    [
        format!("{kind} at revision {revision} of {}", quoted(list.as_str())),
        format!("  command  {}", printable(command)),
        format!("  before   {}", printable(before)),
        format!("  old      {}", printable(old)),
        format!("  new      {}", printable(new)),
    ]
}

fn row(name: &str, costs: &VersionCosts) -> [String; HEAD.len()] {
    let time = |nanoseconds| format!("{:.1?}", Duration::from_nanos(nanoseconds));
    let [time_50, time_99] = QUANTILES.map(|p| time(costs.time.quantile(p)));
    let [fuel_50, fuel_99] = QUANTILES.map(|p| costs.fuel.quantile(p).to_string());
    let faults = match costs.faults.len() {
        0 => "0".into(),
        _ => costs.faults.iter().map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>().join(", "),
    };
    let (time_max, fuel_max) = (time(costs.time.max()), costs.fuel.max().to_string());
    [name.to_owned(), time_50, time_99, time_max, fuel_50, fuel_99, fuel_max, faults]
}

pub(super) fn as_json(versions: &Versions, refusal: Option<&str>, report: &Report) -> Value {
    let by_kind =
        DifferenceKind::ALL.map(|kind| (kind.as_str().to_owned(), report.differing.get(&kind).copied().unwrap_or(0)));
    let unreadable = |Unreadable { name, why }: &Unreadable| json!({"list": name, "why": why});
    json!({
        "logic": versions.new.id().name.as_str(),
        "refusal": refusal,
        "old": side(&*versions.old, &report.old),
        "new": side(&*versions.new, &report.new),
        "lists": report.lists,
        "commands": report.commands,
        "skipped": report.skipped,
        "differing": {
            "lists": report.differing_lists,
            "commands": report.differing_commands(),
            "kinds": by_kind.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        },
        "differences": report.differences.iter().map(difference).collect::<Value>(),
        "unreadable": {
            "lists": report.unreadable_lists,
            "first": report.unreadable.iter().map(unreadable).collect::<Value>(),
        },
    })
}

fn difference(difference: &Difference) -> Value {
    let Difference { list, revision, kind, command, before, old, new } = difference;
    json!({
        "list": list.as_str(),
        "revision": revision,
        "kind": kind.as_str(),
        "command": command,
        "before": before,
        "old": old,
        "new": new,
    })
}

fn side(logic: &dyn Logic, costs: &VersionCosts) -> Value {
    let percentiles = |measured: &Measurements| {
        let [p50, p99] = QUANTILES.map(|quantile| measured.quantile(quantile));
        json!({"p50": p50, "p99": p99, "max": measured.max()})
    };
    json!({
        "version": logic.id().version.to_string(),
        "digest": logic.id().digest_text(),
        "measured": costs.time.count(),
        "nanoseconds": percentiles(&costs.time),
        "fuel": percentiles(&costs.fuel),
        "faults": costs.faults,
    })
}

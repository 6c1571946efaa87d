//! The result of the conformance gates, for people and for programs.

use serde_json::{Value, json};

use crate::cli::output::red;
use crate::cli::table::aligned;
use crate::list::printable::printable;
use crate::rollout::conformance::{Costs, Failure, MAX_TIME, Report, Sample, Spread};

/// The heads of the table's columns.
const HEAD: [&str; 10] = [
    "command",
    "instance",
    "probes",
    "rejected",
    "fuel, median",
    "worst",
    "µs, median",
    "worst",
    "KiB, median",
    "worst",
];

/// Few probes were accepted if it was at most one of this many.
const FEW: usize = 4;

/// The fewest probes of a kind of which few can be accepted.
const MIN_PROBES: usize = 4;

/// How many of the columns hold words.
const WORD_COLUMNS: usize = 2;

pub(super) fn as_text(report: &Report) -> Vec<String> {
    let mut lines = vec![format!("gates     {} probes, {} failed", report.probes, report.failures.len())];
    if report.out_of_time {
        lines.push(format!("  stopped after {} s, before all probes were decided", MAX_TIME.as_secs()));
    }
    for failure in &report.failures {
        lines.push(format!("{} {}: {}", red("FAILED"), printable(&failure.name), printable(&failure.why)));
        lines.push(format!("  probe  {}", printable(&failure.probe)));
        lines.push(format!("  list   {}", printable(&failure.list)));
        lines.extend(case_of(failure));
    }
    lines.extend(few_accepted(report));
    lines.push(String::new());
    let mut rows = vec![HEAD.map(str::to_owned)];
    for costs in &report.costs {
        rows.push(row(costs, "warm", &costs.warm));
        rows.push(row(costs, "fresh", &costs.fresh));
    }
    lines.extend(aligned(&rows, WORD_COLUMNS));
    lines
}

/// The probe of a failure as a case to be pasted.
pub(in crate::cli::plugin) fn case_of(failure: &Failure) -> Vec<String> {
    let Some(case) = &failure.case else { return Vec::new() };
    let lines = case.lines().map(|line| printable(line).into_owned());
    ["  as a case:".to_owned(), String::new()].into_iter().chain(lines).chain([String::new()]).collect()
}

/// A line about the kinds of probes that the logic rejected nearly always. The gates tell little about these.
fn few_accepted(report: &Report) -> Option<String> {
    let few = |costs: &&Costs| costs.probes >= MIN_PROBES && costs.accepted() * FEW <= costs.probes;
    let few: Vec<_> = report.costs.iter().filter(few).collect();
    let shown: Vec<_> =
        few.iter().map(|costs| format!("{} {} of {}", costs.name, costs.accepted(), costs.probes)).collect();
    (!few.is_empty()).then(|| {
        format!("few probes were accepted, so the gates tell little about these; cases tell more: {}", shown.join(", "))
    })
}

fn row(costs: &Costs, instance: &str, spread: &Spread) -> [String; HEAD.len()] {
    let Spread { median, worst } = spread;
    [
        costs.name.clone(),
        instance.to_owned(),
        costs.probes.to_string(),
        costs.rejected.to_string(),
        median.fuel.to_string(),
        worst.fuel.to_string(),
        median.time.as_micros().to_string(),
        worst.time.as_micros().to_string(),
        (median.memory >> 10).to_string(),
        (worst.memory >> 10).to_string(),
    ]
}

pub(super) fn as_json(report: &Report) -> Value {
    let sample = |sample: &Sample| {
        let nanoseconds = u64::try_from(sample.time.as_nanos()).unwrap_or(u64::MAX);
        json!({"fuel": sample.fuel, "nanoseconds": nanoseconds, "memory": sample.memory})
    };
    let spread = |spread: &Spread| json!({"median": sample(&spread.median), "worst": sample(&spread.worst)});
    let costs = |costs: &Costs| {
        json!({
            "command": costs.name,
            "probes": costs.probes,
            "rejected": costs.rejected,
            "warm": spread(&costs.warm),
            "fresh": spread(&costs.fresh),
        })
    };
    let failure = |failure: &Failure| {
        let Failure { name, probe, list, kind, why, case } = failure;
        json!({"command": name, "probe": probe, "list": list, "kind": kind, "why": why, "case": case})
    };
    json!({
        "passed": report.failures.is_empty(),
        "probes": report.probes,
        "out_of_time": report.out_of_time,
        "failures": report.failures.iter().map(failure).collect::<Value>(),
        "costs": report.costs.iter().map(costs).collect::<Value>(),
    })
}

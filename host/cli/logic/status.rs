//! `hotlist logic status`: every logic in a table, or one with its versions and its last events.

use serde_json::Value;

use crate::cli::output::{print_line, red};
use crate::cli::remote::Remote;
use crate::cli::table::aligned;
use crate::list::name::LogicName;
use crate::list::printable::printable;

/// The characters of a digest that a table shows: `sha256:` and eight digits.
const SHOWN_CHARS: usize = 15;

/// The most events that the status of a logic shows.
const SHOWN_EVENTS: usize = 8;

/// The heads of the table of logics.
const LOGICS: [&str; 5] = ["NAME", "STATE", "LIVE", "LAST GOOD", "CANDIDATE"];

/// The heads of the table of versions.
const VERSIONS: [&str; 5] = ["VERSION", "DIGEST", "STATE", "ACCEPTED", "SOURCE"];

/// What stands in the place of a value that there is not.
const NONE: &str = "-";

/// Texts in the JSON of the server, as they may be printed.
pub(super) trait Text {
    /// A member as a text that cannot control the terminal. `""` names the value itself.
    fn text(&self, member: &str) -> String;

    /// The first digits of the member `digest`.
    fn digest(&self) -> String {
        self.text("digest").chars().take(SHOWN_CHARS).collect()
    }

    /// The number and the first digits of the digest of a version.
    fn version(&self) -> String;
}

impl Text for Value {
    fn text(&self, member: &str) -> String {
        match if member.is_empty() { self } else { &self[member] } {
            Self::String(text) => printable(text).into_owned(),
            Self::Null => NONE.into(),
            other => other.to_string(),
        }
    }

    fn version(&self) -> String {
        if self.is_object() { format!("{} {}", self.text("version"), self.digest()) } else { NONE.into() }
    }
}

/// Reads a logic.
pub(super) fn get(remote: &Remote, name: &LogicName) -> anyhow::Result<Value> {
    remote.get(&format!("/logic/{name}"))?.json()
}

pub(super) fn status(remote: &Remote, name: Option<&LogicName>, json: bool) -> anyhow::Result<()> {
    let found = match name {
        Some(name) => get(remote, name)?,
        None => remote.get("/logic")?.json()?,
    };
    let lines = match found.as_array() {
        _ if json => vec![found.to_string()],
        Some(logics) => overview(logics),
        None => details(&found),
    };
    lines.iter().for_each(|line| print_line(line));
    Ok(())
}

fn overview(logics: &[Value]) -> Vec<String> {
    let row = |logic: &Value| {
        let candidate = match &logic["candidate"] {
            Value::Null => NONE.into(),
            candidate => format!("{}, {}", candidate.version(), doing(candidate)),
        };
        [logic.text("name"), logic.text("state"), logic["live"].version(), logic["last_good"].version(), candidate]
    };
    let rows: Vec<_> = logics.iter().map(row).collect();
    table(LOGICS, &rows, 1)
}

/// What a candidate does.
fn doing(candidate: &Value) -> String {
    let canary = candidate["percent"].as_u64().filter(|percent| *percent > 0);
    let canary = canary.map(|percent| format!("canary {percent} %"));
    let canary = canary.map(|canary| match candidate["until"].as_str() {
        Some(_) => format!("{canary} until {}, then {}", candidate.text("until"), candidate.text("then")),
        None => canary,
    });
    let shadow = candidate["shadow"].is_object().then(|| "in shadow".to_owned());
    let doing: Vec<_> = canary.into_iter().chain(shadow).collect();
    if doing.is_empty() { "idle".into() } else { doing.join(", ") }
}

fn details(logic: &Value) -> Vec<String> {
    let line = |head: &str, text: String| format!("{head:<10} {text}");
    let mut lines = vec![line(&logic.text("name"), logic.text("state"))];
    for (head, member) in [("live", "live"), ("last good", "last_good"), ("candidate", "candidate")] {
        let version = &logic[member];
        let counters = || {
            let counted = |what: &str| format!("{} {what}", version.text(what));
            ["accepted", "rejected", "faults"].map(counted).join(", ")
        };
        let text = if version.is_object() { format!("{}  {}", version.version(), counters()) } else { NONE.into() };
        lines.push(line(head, text));
    }
    let candidate = &logic["candidate"];
    if candidate.is_object() {
        lines.push(line("", doing(candidate)));
        lines.extend(shadow(&candidate["shadow"]).map(|text| line("", text)));
    }
    lines.push(line("on fault", logic.text("on_fault")));
    if logic["failure"].is_string() {
        lines.push(line("failure", red(logic.text("failure"))));
    }
    lines.push(String::new());
    lines.extend(versions(logic));
    lines.push(String::new());
    lines.extend(events(logic));
    lines
}

/// The comparison of a candidate with the live version.
fn shadow(shadow: &Value) -> Option<String> {
    let differences = shadow["differences"].as_object()?;
    let differing = differences.iter().filter(|(_, count)| count.as_u64() != Some(0));
    let differing: Vec<_> = differing.map(|(kind, count)| format!("{} {count}", printable(kind))).collect();
    let differing =
        if differing.is_empty() { "nothing differs".into() } else { format!("differ: {}", differing.join(", ")) };
    Some(format!("{} compared, {} skipped, {differing}", shadow.text("compared"), shadow.text("skipped")))
}

fn versions(logic: &Value) -> Vec<String> {
    let row = |version: &Value| {
        let accepted = version.text("accepted");
        [version.text("version"), version.digest(), version.text("state"), accepted, version.text("source")]
    };
    let rows: Vec<_> = logic["versions"].as_array().into_iter().flatten().map(row).collect();
    table(VERSIONS, &rows, 2)
}

fn events(logic: &Value) -> Vec<String> {
    let events = logic["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    let shown = &events[events.len().saturating_sub(SHOWN_EVENTS)..];
    shown.iter().map(|event| format!("{}  {}", event.text("time"), event.text("text"))).collect()
}

/// A table with a head. Rows whose state is bad are red, which `column` has.
fn table<const N: usize>(head: [&str; N], rows: &[[String; N]], column: usize) -> Vec<String> {
    let all: Vec<_> = [head.map(str::to_owned)].into_iter().chain(rows.iter().cloned()).collect();
    let lines = aligned(&all, N).into_iter().map(|line| line.trim_end().to_owned());
    let is_bad = |at: usize| at > 0 && ["quarantined", "failed"].contains(&all[at][column].as_str());
    lines.enumerate().map(|(at, line)| if is_bad(at) { red(line) } else { line }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn logic() -> Value {
        let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
        json!({
            "name": "rules", "state": "live", "on_fault": "fall-back",
            "live": {"version": "1.0.0", "digest": digest("a"), "accepted": 7, "rejected": 1, "faults": 0},
            "candidate": {"version": "1.1.0", "digest": digest("b"), "accepted": 0, "rejected": 0, "faults": 2,
                "percent": 10, "shadow": {"compared": 12, "skipped": 0, "differences": {"changes": 0, "fault": 2}}},
            "versions": [
                {"version": "1.0.0", "digest": digest("a"), "state": "live", "accepted": "2026-11-23", "source": "upload"},
                {"version": "0.9.0", "digest": digest("c"), "state": "quarantined", "accepted": "2026-11-22", "source": "a\u{1b}[2J"},
            ],
            "events": [{"time": "2026-11-23", "text": "1.0.0 became live by \u{202e}ann"}],
        })
    }

    #[test]
    fn logics_are_a_table_in_which_a_candidate_says_what_it_does() {
        assert_eq!(
            overview(&[logic()]),
            [
                "NAME   STATE  LIVE                   LAST GOOD  CANDIDATE",
                "rules  live   1.0.0 sha256:aaaaaaaa  -          1.1.0 sha256:bbbbbbbb, canary 10 %, in shadow",
            ]
        );
    }

    #[test]
    fn what_a_server_sends_cannot_control_the_terminal() {
        let lines = details(&logic());
        let text = lines.join("\n");
        assert!(text.contains("a\\u{1b}[2J") && text.contains("by \\u{202e}ann"), "{text}");
        assert!(text.contains("12 compared, 0 skipped, differ: fault 2"), "{text}");
        let quarantined = lines.iter().find(|line| line.contains("quarantined")).expect("a row");
        assert!(quarantined.starts_with('\u{1b}'), "it is red");
        assert_eq!(text.matches('\u{1b}').count(), 2, "only that row has a colour: {text}");
    }
}

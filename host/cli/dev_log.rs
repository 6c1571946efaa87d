//! The log of `hotlist plugin dev`: each decision with the lines that the plugin printed meanwhile, on the standard output.
//!
//! What a plugin prints while the gates probe it was asked by no one, and would hide the author's own lines. It goes to a
//! file.

use std::fmt::{Debug, Write};
use std::fs::File;
use std::io::{Seek, Write as _};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;

use anyhow::Context as _;

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::output::print_line;
use crate::actor::decision_log;
use crate::list::printable::printable;
use crate::wasm::PROBE_TARGET;

/// The most lines a second. A terminal that scrolls faster cannot be read.
const MAX_LINES_A_SECOND: u32 = 20;

/// The events that this log shows, as a filter of [`tracing_subscriber`].
pub(super) const FILTER: &str = "off,hotlist::decision=debug,hotlist::plugin::probe=info";

/// The events that the ordinary log of `plugin dev` shows by default: none of those that this log or the session shows.
pub(super) const REMAINDER: &str = "warn,hotlist::authoring::build=info,hotlist::decision=off,hotlist::failure=off,\
    hotlist::plugin=off,hotlist::rollout::publisher=error";

/// The file of what a plugin prints at its gates, with the number of its lines. One for the process, like its outputs.
static PROBES: OnceLock<Mutex<(File, usize)>> = OnceLock::new();

/// Has what a plugin prints at its gates written to a file from now on.
pub(super) fn write_probes_to(path: &Path) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    let _ = PROBES.set(Mutex::new((file, 0))); // A process has one session.
    Ok(())
}

/// Empties the file, because another component comes to its gates.
pub(super) fn begin_probes() {
    if let Some(probes) = PROBES.get() {
        let (file, lines) = &mut *probes.lock();
        *lines = 0;
        // Old lines in the file are no reason not to go on.
        let _ = file.set_len(0).and_then(|()| file.rewind());
    }
}

/// The number of lines in the file.
pub(super) fn probe_lines() -> usize {
    PROBES.get().map_or(0, |probes| probes.lock().1)
}

fn write_probe(line: &str) {
    if let Some(probes) = PROBES.get() {
        let (file, lines) = &mut *probes.lock();
        *lines += 1;
        let _ = writeln!(file, "{line}"); // The file is a convenience.
    }
}

/// Prints events of the log as lines for people.
#[derive(Default)]
pub(super) struct DevLog {
    rate: Mutex<LineRate>,
}

/// How many lines were printed within the current second.
struct LineRate {
    since: Instant,
    lines: u32,
    held_back: u32,
}

impl Default for LineRate {
    fn default() -> Self {
        Self { since: Instant::now(), lines: 0, held_back: 0 }
    }
}

impl LineRate {
    /// Counts a line. Returns whether it may be printed, and how many were held back in the second before.
    fn count(&mut self, now: Instant) -> (bool, u32) {
        let held_back = if now.duration_since(self.since).as_secs() > 0 {
            (self.since, self.lines) = (now, 0);
            std::mem::take(&mut self.held_back)
        } else {
            0
        };
        self.lines += 1;
        let may_print = self.lines <= MAX_LINES_A_SECOND;
        self.held_back += u32::from(!may_print);
        (may_print, held_back)
    }
}

/// The fields of an event as texts.
#[derive(Default)]
struct EventFields(Vec<(&'static str, String)>);

impl EventFields {
    fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or("")
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| *field == name).map(|(_, text)| text.as_str())
    }
}

impl Visit for EventFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        // Only these have several lines.
        let lines: Vec<_> = match field.name() {
            "printed" | "again" => value.lines().map(printable).collect(),
            _ => vec![printable(value)],
        };
        self.0.push((field.name(), lines.join("\n")));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        let _ = write!(text, "{value:?}"); // Writing to a String cannot fail.
        self.0.push((field.name(), printable(&text).into_owned()));
    }
}

impl<S: Subscriber> Layer<S> for DevLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = EventFields::default();
        event.record(&mut fields);
        let line = match event.metadata().target() {
            decision_log::TARGET => decision(&fields),
            PROBE_TARGET => return write_probe(fields.get("message")),
            _ => return,
        };
        let (may_print, held_back) = self.rate.lock().count(Instant::now());
        if held_back > 0 {
            print_line(&format!("          … and {held_back} more"));
        }
        if may_print {
            print_line(&line);
        }
    }
}

/// How lines begin that belong to the decision above them.
const INDENT: &str = "          ";

/// A decision: the command with its list and caller, the outcome with its cost, and what the plugin printed meanwhile. A
/// failure ends with how to ask again. A wake-up time stands below the decision that it follows.
fn decision(fields: &EventFields) -> String {
    let caller = match fields.get("caller") {
        "anonymous" => String::new(),
        caller => format!("{caller}: "),
    };
    let (list, command, outcome) = (fields.get("list"), fields.get("command"), fields.get("outcome"));
    let failed = fields.find("again");
    let mut text = if command == WAKE_UP_QUESTION && failed.is_none() {
        format!("{INDENT}wakes: {outcome}")
    } else {
        format!("{list}  {caller}{command}\n{INDENT}→ {outcome}   ({} µs)", fields.get("micros"))
    };
    for line in fields.get("printed").lines() {
        text += &format!("\n{INDENT}says: {line}");
    }
    if let Some(question) = failed {
        let (question, revision) = (quoted_for_shell(question), fields.get("revision"));
        // Clients choose the names of lists, and an author types this line.
        let is_plain = !list.starts_with('-') && list.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        let list = if is_plain { format!(" {list}") } else { format!("={}", quoted_for_shell(list)) };
        text += &format!("\n{INDENT}ask again: hotlist plugin ask {question} --list{list} --at {revision}");
    }
    text
}

/// The question when a list is to be woken, as it is rendered.
const WAKE_UP_QUESTION: &str = "next-wake-up = true";

/// A text in quotes that a shell leaves alone.
fn quoted_for_shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flood_of_decisions_is_printed_in_part_and_counted() {
        let mut rate = LineRate::default();
        let begun = rate.since;
        let printed = (0..100).filter(|_| rate.count(begun).0).count();
        assert_eq!(printed, MAX_LINES_A_SECOND as usize);
        assert_eq!(rate.count(begun + Duration::from_secs(1)), (true, 80));
        assert_eq!(rate.count(begun + Duration::from_secs(1)), (true, 0));
    }

    #[test]
    fn a_decision_names_the_list_the_command_and_the_outcome() {
        let field = |name, text: &str| (name, text.to_owned());
        let mut fields = EventFields(vec![
            field("list", "bob"),
            field("caller", "anonymous"),
            field("command", "delete = 1"),
            field("outcome", "changes [remove = 1]"),
            field("micros", "14"),
        ]);
        assert_eq!(decision(&fields), "bob  delete = 1\n          → changes [remove = 1]   (14 µs)");
        fields.0[1].1 = "ann".into();
        assert!(decision(&fields).starts_with("bob  ann: delete = 1\n"));
        fields.0.push(field("printed", "one\nother"));
        assert!(decision(&fields).ends_with("(14 µs)\n          says: one\n          says: other"));
    }

    #[test]
    fn a_failure_can_be_asked_again() {
        let field = |name, text: &str| (name, text.to_owned());
        let fields = EventFields(vec![
            field("list", "bob"),
            field("caller", "anonymous"),
            field("command", "add = { title = \"It's\" }"),
            field("outcome", "failed: it trapped: panicked at src/lib.rs:1:2: no"),
            field("micros", "14"),
            field("revision", "7"),
            field("again", "add = { title = \"It's\" }"),
        ]);
        let again = r#"ask again: hotlist plugin ask 'add = { title = "It'\''s" }' --list bob --at 7"#;
        assert!(decision(&fields).ends_with(again), "{}", decision(&fields));
    }

    #[test]
    fn a_list_whose_name_a_shell_would_read_is_quoted() {
        let field = |name, text: &str| (name, text.to_owned());
        for (list, shown) in [("x; rm -rf .", "--list='x; rm -rf .' --at"), ("-x", "--list='-x' --at")] {
            let fields = vec![field("list", list), field("revision", "7"), field("again", "add = {}")];
            let decision = decision(&EventFields(fields));
            assert!(decision.contains(shown), "{decision}");
        }
    }

    #[test]
    fn a_wake_up_time_stands_below_its_decision() {
        let field = |name, text: &str| (name, text.to_owned());
        let fields = EventFields(vec![field("command", WAKE_UP_QUESTION), field("outcome", "never")]);
        assert_eq!(decision(&fields), "          wakes: never");
    }
}

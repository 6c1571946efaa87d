//! The log of `hotlist plugin dev`: each decision and each line that a plugin prints, on the standard output.

use std::fmt::{Debug, Write};
use std::time::Instant;

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::output::print_line;
use crate::actor::decision_log;
use crate::list::printable::printable;
use crate::wasm::LOG_TARGET;

/// The most lines a second. A terminal that scrolls faster cannot be read.
const MAX_LINES_A_SECOND: u32 = 20;

/// The events that this log shows, as a filter of [`tracing_subscriber`].
pub(super) const FILTER: &str = "off,hotlist::decision=debug,hotlist::plugin=info";

/// The events that the ordinary log of `plugin dev` shows by default: none of those that this log shows.
pub(super) const REMAINDER: &str = "warn,hotlist::authoring::build=info,hotlist::decision=off,hotlist::plugin=off";

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
        self.0.iter().find(|(field, _)| *field == name).map_or("", |(_, text)| text)
    }
}

impl Visit for EventFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), printable(value).into_owned()));
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
            LOG_TARGET => format!("          {} says: {}", fields.get("logic"), fields.get("message")),
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

/// A decision in two lines: the command with its list and caller, then the outcome with its cost.
fn decision(fields: &EventFields) -> String {
    let caller = match fields.get("caller") {
        "anonymous" => String::new(),
        caller => format!("{caller}: "),
    };
    format!(
        "{}  {caller}{}\n          → {}   ({} µs)",
        fields.get("list"),
        fields.get("command"),
        fields.get("outcome"),
        fields.get("micros")
    )
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
    }
}

//! What happens while somebody develops rules, told on the terminal: decisions as they are made, and
//! what the rules say on the log.

use std::fmt::{Debug, Write};
use std::time::Instant;

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::say;
use crate::actor::decision_log;
use crate::wasm::LOG_TARGET;

/// The most lines a second: a terminal that runs over shows nothing.
const MAX_LINES_A_SECOND: u32 = 20;

/// What the narrator listens to, as a filter of the log writes it.
pub(super) const FILTER: &str = "off,hotlist::decision=debug,hotlist::plugin=info";

/// What the ordinary log of a developer leaves to the narrator.
pub(super) const REST: &str = "warn,hotlist::authoring::build=info,hotlist::decision=off,hotlist::plugin=off";

/// Tells events of the log as lines for people.
#[derive(Default)]
pub(super) struct DevLog {
    pace: Mutex<Pace>,
}

/// How much was told lately.
struct Pace {
    since: Instant,
    told: u32,
    held_back: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { since: Instant::now(), told: 0, held_back: 0 }
    }
}

impl Pace {
    /// Takes note of a line. Answers whether it may be told, and how many were held back before it.
    fn next(&mut self, now: Instant) -> (bool, u32) {
        let held_back = if now.duration_since(self.since).as_secs() > 0 {
            (self.since, self.told) = (now, 0);
            std::mem::take(&mut self.held_back)
        } else {
            0
        };
        self.told += 1;
        let may = self.told <= MAX_LINES_A_SECOND;
        self.held_back += u32::from(!may);
        (may, held_back)
    }
}

/// The parts of an event.
#[derive(Default)]
struct Parts(Vec<(&'static str, String)>);

impl Parts {
    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(part, _)| *part == name).map_or("", |(_, text)| text)
    }
}

impl Visit for Parts {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        let _ = write!(text, "{value:?}"); // Writing to a text cannot fail.
        self.0.push((field.name(), text));
    }
}

impl<S: Subscriber> Layer<S> for DevLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut parts = Parts::default();
        event.record(&mut parts);
        let line = match event.metadata().target() {
            decision_log::TARGET => decision(&parts),
            LOG_TARGET => format!("          {} says: {}", parts.get("logic"), parts.get("message")),
            _ => return,
        };
        let (may, held_back) = self.pace.lock().next(Instant::now());
        if held_back > 0 {
            say(&format!("          … and {held_back} more"));
        }
        if may {
            say(&line);
        }
    }
}

/// A decision in two lines: what was asked by whom, and what came of it.
fn decision(parts: &Parts) -> String {
    let caller = match parts.get("caller") {
        "anonymous" => String::new(),
        caller => format!("{caller}: "),
    };
    format!(
        "{}  {caller}{}\n          → {}   ({} µs)",
        parts.get("list"),
        parts.get("command"),
        parts.get("outcome"),
        parts.get("micros")
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flood_of_decisions_is_told_in_part_and_counted() {
        let mut pace = Pace::default();
        let begun = pace.since;
        let told = (0..100).filter(|_| pace.next(begun).0).count();
        assert_eq!(told, MAX_LINES_A_SECOND as usize);
        assert_eq!(pace.next(begun + Duration::from_secs(1)), (true, 80));
        assert_eq!(pace.next(begun + Duration::from_secs(1)), (true, 0));
    }

    #[test]
    fn a_decision_names_the_list_what_was_asked_and_what_came() {
        let part = |name, text: &str| (name, text.to_owned());
        let mut parts = Parts(vec![
            part("list", "bob"),
            part("caller", "anonymous"),
            part("command", "delete = 1"),
            part("outcome", "changes [remove = 1]"),
            part("micros", "14"),
        ]);
        assert_eq!(decision(&parts), "bob  delete = 1\n          → changes [remove = 1]   (14 µs)");
        parts.0[1].1 = "ann".into();
        assert!(decision(&parts).starts_with("bob  ann: delete = 1\n"));
    }
}

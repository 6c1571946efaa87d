//! Tests of the guest log: notes and panics of logic reach the server's log, within a limit.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};

use hotlist::list::command::{Command, Context};
use hotlist::list::date::Date;
use hotlist::list::entry::Draft;
use hotlist::list::name::LogicName;
use hotlist::list::{Limits, List};
use hotlist::logic::Refusal;
use hotlist::logic::decide::Decider;
use hotlist::wasm::{self, Engine, Isolation, Settings};
use support::component;

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The log of the hostile logic while it decides to add entries with these titles.
fn log_after(settings: Settings, titles: &[&str]) -> String {
    decide(settings, titles).0
}

/// The log of the hostile logic while it decides to add entries with these titles, and why it did not add them.
fn decide(settings: Settings, titles: &[&str]) -> (String, Vec<Option<Refusal>>) {
    let engine = Engine::new(settings).unwrap();
    let logic =
        wasm::load(&engine, LogicName::new("hostile").unwrap(), &component("hostile"), Isolation::Shared).unwrap();
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let refusals = tracing::subscriber::with_default(log, || {
        let decide = |title: &&str| {
            let mut session = logic.session().unwrap();
            let limits = Limits::default();
            let mut decider = Decider { logic: &*logic, session: session.as_mut(), limits };
            let today = Date::new(2026, 11, 23).unwrap();
            let context = Context { now: 0, today, utc_offset: 0, caller: "ann".into(), seed: 1 };
            let entry = Draft { title: (*title).into(), ..Draft::default() };
            decider.decide(&Arc::new(List::default()), &context, &Command::Add(entry)).err()
        };
        titles.iter().map(decide).collect()
    });
    let bytes = buffer.0.lock().unwrap().clone();
    (String::from_utf8(bytes).unwrap(), refusals)
}

#[test]
fn a_panic_is_the_cause_of_the_fault_and_no_line_of_its_own() {
    let (log, refusals) = decide(Settings::default(), &["trap"]);
    let fault = refusals[0].as_ref().expect("it fails").to_string();
    assert!(fault.starts_with("it trapped: panicked at plugins/hostile/src/lib.rs:"), "{fault}");
    assert!(fault.ends_with(": asked to trap"), "{fault}");
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn a_note_is_logged_with_the_logics_name_and_with_control_characters_escaped() {
    let log = log_after(Settings::default(), &["note"]);
    assert!(log.contains("hotlist::plugin: a line logic=hostile"), "{log}");
    assert!(log.contains("hotlist::plugin: and \\u{1b}[31manother logic=hostile"), "{log}");
}

#[test]
fn a_note_is_logged_once_if_a_command_is_decided_twice() {
    let settings = Settings { check_every: 1, ..Settings::default() };
    assert_eq!(log_after(settings, &["note"]).matches("a line").count(), 1);
}

#[test]
fn a_flood_of_notes_is_cut_short_until_the_next_command() {
    let log = log_after(Settings::default(), &["note-much", "note"]);
    let lines = log.matches("all work and no play").count();
    assert!((1..20).contains(&lines), "{lines}");
    assert!(log.contains("wrote more in one command than is logged") && log.contains("a line"), "{log}");
}

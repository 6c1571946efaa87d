//! A question to a logic as a case, whole and ready to be pasted into a file of cases.

use std::fmt::Write;

use jiff::Timestamp;

use super::style::WHOLE;
use crate::list::List;
use crate::list::command::{Command, Context, Query};
use crate::list::excerpt::quoted;

/// The most bytes of a case. A larger one is for no terminal and for no file that people read.
const MAX_CASE_BYTES: usize = 16 << 10;

/// What a logic is asked.
#[derive(Clone, Copy, Debug)]
pub enum Question<'a> {
    /// To decide a command. A migration is written as one from the version that the list is bound to.
    Command(&'a Command),
    /// To answer a query.
    View(&'a Query),
    /// To say when the list is to be woken.
    NextWakeUp,
}

/// Renders a question with its list and its context as a case that passes if the logic gives any answer. Returns `None`
/// if the case would be too large.
pub fn case(name: &str, list: &List, context: &Context, question: Question<'_>) -> Option<String> {
    let mut text = format!("[[case]]\nname = {}\n", WHOLE.text(name));
    // Writing to a string cannot fail.
    let _ = writeln!(text, "now = {}\ntoday = {}", time(context.now), context.today);
    if context.utc_offset != 0 {
        let _ = writeln!(text, "utc-offset = {}", context.utc_offset);
    }
    let _ = writeln!(text, "caller = {}", WHOLE.text(&context.caller));
    // TOML has no larger integers.
    if i64::try_from(context.seed).is_ok() {
        let _ = writeln!(text, "seed = {}", context.seed);
    }
    if !list.settings().is_empty() {
        let _ = writeln!(text, "settings = {}", WHOLE.fields(list.settings()));
    }
    text.push_str("given = [\n");
    for entry in list.scan(0) {
        let _ = writeln!(text, "    {},", WHOLE.entry(entry));
        if text.len() > MAX_CASE_BYTES {
            return None;
        }
    }
    let _ = write!(text, "]\n{}\nanswered = true\n", whole(list, question));
    (text.len() <= MAX_CASE_BYTES).then_some(text)
}

/// Renders a question about a list as members of a case, with everything that it contains.
pub fn whole(list: &List, question: Question<'_>) -> String {
    match question {
        Question::Command(Command::Migrate) => format!("migrate = {}", quoted(&bound_to(list))),
        Question::Command(command) => WHOLE.command(command),
        Question::View(query) => WHOLE.query(query),
        Question::NextWakeUp => "next-wake-up = true".into(),
    }
}

/// The logic and the version that a list is bound to, as a migration passes them to the new logic.
pub fn bound_to(list: &List) -> String {
    list.binding().map_or(String::new(), |binding| format!("{}@{}", binding.id.name, binding.id.version))
}

/// A time in milliseconds since the epoch as TOML writes it.
pub fn time(now: u64) -> String {
    let time = i64::try_from(now).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.unwrap_or(Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::change::Change;
    use crate::list::entry::{Draft, Entry};
    use crate::list::value::{Field, Value};

    #[test]
    fn a_case_is_valid_toml_whatever_is_in_it() {
        let evil = "a \"b\" \\ \u{1b}[2J\n\u{202e}\t é".repeat(3);
        let fields = vec![
            Field { name: "points".into(), value: Value::Number(f64::MAX) },
            Field { name: "tags".into(), value: Value::Texts(vec![evil.clone(); 12]) },
        ];
        let entry = Entry { id: 3, title: evil.clone(), date: None, completed: true, order: Some(-0.5), fields };
        let put = [1, 2].map(|id| Change::put(Entry { id, title: String::new(), fields: Vec::new(), ..entry.clone() }));
        let list = List::default().apply(&put).unwrap().apply(&[Change::put(entry), Change::Remove(1)]).unwrap();
        let today = "2026-11-23".parse().unwrap();
        let context = Context { now: 1_795_435_200_250, today, utc_offset: -210, caller: "ann".into(), seed: 1 << 40 };
        let add = Command::Add(Draft { title: evil.clone(), ..Draft::default() });
        let text = case("it", &list, &context, Question::Command(&add)).expect("it is small");
        let parsed: toml::Table = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
        let case = &parsed["case"][0];
        assert_eq!(case["add"]["title"].as_str(), Some(evil.as_str()));
        assert_eq!(case["given"].as_array().map(Vec::len), Some(2));
        assert_eq!(case["given"][1]["id"].as_integer(), Some(3));
        assert_eq!(case["given"][1]["fields"]["tags"].as_array().map(Vec::len), Some(12));
        assert_eq!(case["now"].to_string(), "2026-11-23T12:00:00.25Z");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
    }

    #[test]
    fn a_large_list_makes_no_case() {
        let put = |id| {
            let title = "x".repeat(1_000);
            Change::put(Entry { id, title, date: None, completed: false, order: None, fields: Vec::new() })
        };
        let list = List::default().apply(&(1..=17).map(put).collect::<Vec<_>>()).unwrap();
        let context =
            Context { now: 0, today: "1970-01-01".parse().unwrap(), utc_offset: 0, caller: "ann".into(), seed: 1 };
        assert_eq!(case("it", &list, &context, Question::NextWakeUp), None);
    }
}

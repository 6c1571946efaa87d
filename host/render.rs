//! Lists, commands and answers as text for people. The text is written like a file of cases, so that an author can
//! copy it into a case. [`case`] writes whole cases.

pub mod case;
mod style;

use crate::list::List;
use crate::list::change::{Change, Rejection};
use crate::list::command::{Command, Group, Page, Query};
use crate::list::entry::Entry;
use crate::list::excerpt::quoted;
use crate::list::value::{Field, Value};
use case::Question;
use style::{BRIEF, MAX_SHOWN_ITEMS, table};

pub use style::array;

/// Renders a value.
pub fn value(value: &Value) -> String {
    BRIEF.value(value)
}

/// Renders fields, settings or arguments.
pub fn fields(fields: &[Field]) -> String {
    BRIEF.fields(fields)
}

/// Renders an entry.
pub fn entry(entry: &Entry) -> String {
    BRIEF.entry(entry)
}

/// Renders a list's entries and settings.
pub fn list(list: &List) -> String {
    let entries: Vec<_> = list.scan(0).take(MAX_SHOWN_ITEMS + 1).collect();
    let given = match entries.len() {
        0 => "no entries".into(),
        1..=MAX_SHOWN_ITEMS => array(entries.into_iter().map(|each| entry(each))),
        _ => format!("{} entries", list.count()),
    };
    match list.settings() {
        [] => given,
        settings => format!("{given}, settings = {}", fields(settings)),
    }
}

/// Renders a command.
pub fn command(command: &Command) -> String {
    BRIEF.command(command)
}

/// Renders what a logic is asked.
pub fn question(question: Question<'_>) -> String {
    match question {
        Question::Command(command) => self::command(command),
        Question::View(query) => self::query(query),
        Question::NextWakeUp => "next-wake-up = true".into(),
    }
}

/// Renders a query.
pub fn query(query: &Query) -> String {
    BRIEF.query(query)
}

/// Renders a change.
pub fn change(change: &Change) -> String {
    match change {
        Change::Put(put) => format!("put = {}", entry(put)),
        Change::Restore(restored) => format!("restore = {}", entry(restored)),
        Change::Remove(id) => format!("remove = {id}"),
        Change::Set(field) => format!("set = {}", fields(std::slice::from_ref(field))),
        Change::Unset(name) => format!("unset = {}", quoted(name)),
        Change::BindLogic(binding) => format!("bound to {}", binding.id),
        Change::Pin(Some(pin)) => format!("pinned to {pin}"),
        Change::Pin(None) => "pinned to no version".into(),
        Change::DeleteList => "delete the list".into(),
    }
}

/// Renders the changes of a command.
pub fn changes(changes: &[Change]) -> String {
    if changes.is_empty() { "no change".into() } else { format!("changes {}", array(changes.iter().map(change))) }
}

/// Renders a rejection.
pub fn rejection(rejection: &Rejection) -> String {
    let shown = table([
        ("code".into(), Some(quoted(&rejection.code))),
        ("message".into(), Some(quoted(&rejection.message))),
        ("field".into(), rejection.field.as_deref().map(quoted)),
    ]);
    format!("rejected {shown}")
}

/// Renders the groups of a page with the ids of their rows.
pub fn page(page: &Page) -> String {
    let group =
        |group: &Group| format!("{} {}", quoted(&group.name), array(group.rows.iter().map(|r| r.id.to_string())));
    format!("page {}", array(page.groups.iter().map(group)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::entry::{Draft, Patch};

    #[test]
    fn a_command_is_rendered_as_a_case_writes_it() {
        let fields = vec![Field { name: "unit".into(), value: Value::Text("l".into()) }];
        let patch = Patch {
            title: Some("a \"b\"".into()),
            date: Some(None),
            fields: vec![("unit".into(), None), ("size".into(), Some(Value::Number(2.0)))],
            ..Patch::default()
        };
        for (given, shown) in [
            (
                Command::Add(Draft { title: "Milk".into(), fields: fields.clone(), ..Draft::default() }),
                r#"add = { title = "Milk", fields = { unit = "l" } }"#,
            ),
            (
                Command::Update { id: 1, patch },
                r#"update = { id = 1, title = "a \"b\"", fields = { size = 2 }, clear = ["unit", "date"] }"#,
            ),
            (
                Command::Custom { name: "move".into(), arguments: fields },
                r#"command = { name = "move", arguments = { unit = "l" } }"#,
            ),
            (Command::Configure { logic: None, pin: None, settings: Vec::new() }, "configure = {}"),
            (
                Command::Configure { logic: None, pin: None, settings: vec![("limit".into(), None)] },
                r#"unset = ["limit"]"#,
            ),
        ] {
            assert_eq!(command(&given), shown);
        }
    }

    #[test]
    fn what_controls_a_terminal_is_escaped_wherever_it_stands() {
        let evil = "\u{1b}[2J\n\u{202e}";
        let field = Field { name: evil.into(), value: Value::Texts(vec![evil.into()]) };
        let rejection = Rejection { code: evil.into(), message: evil.into(), field: Some(evil.into()) };
        let group = Group { name: evil.into(), title: evil.into(), computed: vec![field.clone()], rows: Vec::new() };
        for shown in [
            changes(&[Change::Set(field.clone()), Change::Unset(evil.into())]),
            self::rejection(&rejection),
            page(&Page { groups: vec![group], more: false }),
            command(&Command::Custom { name: evil.into(), arguments: vec![field] }),
        ] {
            assert!(shown.contains(r"\u{1b}[2J\n\u{202e}"), "{shown}");
            assert!(!shown.contains(['\u{1b}', '\n', '\u{202e}']), "{shown}");
        }
    }

    #[test]
    fn long_texts_and_long_lists_are_cut() {
        assert_eq!(quoted(&"é".repeat(300)).chars().count(), 203);
        assert_eq!(changes(&vec![Change::Remove(1); 12]).matches("remove").count(), MAX_SHOWN_ITEMS);
        assert!(changes(&vec![Change::Remove(1); 12]).ends_with("… 2 more]"));
    }
}

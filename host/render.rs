//! Lists, commands and answers as text for people. The text is written like a file of cases, so that an author can
//! copy it into a case.

use crate::list::List;
use crate::list::change::{Change, Rejection};
use crate::list::command::{Command, Group, Page, Query};
use crate::list::entry::Entry;
use crate::list::excerpt::quoted;
use crate::list::id::EntryId;
use crate::list::name::identifier;
use crate::list::value::{Field, Value};

/// The most entries, changes or rows that a text lists.
const MAX_SHOWN_ITEMS: usize = 10;

/// Renders a value.
pub fn value(value: &Value) -> String {
    match value {
        Value::Boolean(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::Text(value) => quoted(value),
        Value::Date(value) => value.to_string(),
        Value::Texts(values) => array(values.iter().map(|value| quoted(value))),
        Value::Entry(id) => id.to_string(),
        Value::Entries(ids) => array(ids.iter().map(EntryId::to_string)),
    }
}

/// Renders the first items of a sequence in brackets, and the number of the others.
pub fn array(items: impl ExactSizeIterator<Item = String>) -> String {
    let more = items.len().saturating_sub(MAX_SHOWN_ITEMS);
    let mut shown: Vec<_> = items.take(MAX_SHOWN_ITEMS).collect();
    if more > 0 {
        shown.push(format!("… {more} more"));
    }
    format!("[{}]", shown.join(", "))
}

/// Renders the members that have a value as an inline table.
fn table(members: impl IntoIterator<Item = (String, Option<String>)>) -> String {
    let present = members.into_iter().filter_map(|(name, shown)| Some(format!("{name} = {}", shown?)));
    let present: Vec<_> = present.collect();
    if present.is_empty() { "{}".into() } else { format!("{{ {} }}", present.join(", ")) }
}

/// Renders fields, settings or arguments.
pub fn fields(fields: &[Field]) -> String {
    table(fields.iter().map(|field| (key(&field.name), Some(value(&field.value)))))
}

/// Renders a name. One that no schema allows is quoted: a component may give any.
fn key(name: &str) -> String {
    if identifier(name).is_ok() { name.to_owned() } else { quoted(name) }
}

fn some_fields(given: &[Field]) -> Option<String> {
    (!given.is_empty()).then(|| fields(given))
}

/// Renders an entry.
pub fn entry(entry: &Entry) -> String {
    table([
        ("id".into(), Some(entry.id.to_string())),
        ("title".into(), Some(quoted(&entry.title))),
        ("date".into(), entry.date.map(|date| date.to_string())),
        ("completed".into(), Some(entry.completed.to_string())),
        ("order".into(), entry.order.map(|order| order.to_string())),
        ("fields".into(), some_fields(&entry.fields)),
    ])
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
    match command {
        Command::Add(draft) => {
            let shown = table([
                ("title".into(), Some(quoted(&draft.title))),
                ("date".into(), draft.date.map(|date| date.to_string())),
                ("completed".into(), draft.completed.then(|| "true".into())),
                ("order".into(), draft.order.map(|order| order.to_string())),
                ("fields".into(), some_fields(&draft.fields)),
            ]);
            format!("add = {shown}")
        }
        Command::Update { id, patch } => {
            let set =
                |(name, value): &(String, Option<Value>)| Some(Field { name: name.clone(), value: value.clone()? });
            let set: Vec<_> = patch.fields.iter().filter_map(set).collect();
            let mut cleared: Vec<_> =
                patch.fields.iter().filter(|(_, v)| v.is_none()).map(|(n, _)| quoted(n)).collect();
            cleared.extend((patch.date == Some(None)).then(|| quoted("date")));
            cleared.extend((patch.order == Some(None)).then(|| quoted("order")));
            let shown = table([
                ("id".into(), Some(id.to_string())),
                ("title".into(), patch.title.as_deref().map(quoted)),
                ("date".into(), patch.date.flatten().map(|date| date.to_string())),
                ("completed".into(), patch.completed.map(|completed| completed.to_string())),
                ("order".into(), patch.order.flatten().map(|order| order.to_string())),
                ("fields".into(), some_fields(&set)),
                ("clear".into(), (!cleared.is_empty()).then(|| array(cleared.into_iter()))),
            ]);
            format!("update = {shown}")
        }
        Command::Delete { id } => format!("delete = {id}"),
        Command::Clear => "clear = true".into(),
        Command::Custom { name, arguments } => {
            let shown = table([("name".into(), Some(quoted(name))), ("arguments".into(), some_fields(arguments))]);
            format!("command = {shown}")
        }
        Command::Configure { settings, .. } => {
            let set =
                |(name, value): &(String, Option<Value>)| Some(Field { name: name.clone(), value: value.clone()? });
            let set: Vec<_> = settings.iter().filter_map(set).collect();
            let cleared: Vec<_> = settings.iter().filter(|(_, v)| v.is_none()).map(|(name, _)| quoted(name)).collect();
            match cleared.is_empty() {
                true => format!("configure = {}", fields(&set)),
                false => format!("configure = {}, clear = {}", fields(&set), array(cleared.into_iter())),
            }
        }
        Command::DeleteList => "delete the list".into(),
        Command::Wake => "wake = true".into(),
        Command::Migrate => "migrate".into(),
        Command::Undo { revision, .. } => format!("undo = {revision}"),
    }
}

/// Renders a query.
pub fn query(query: &Query) -> String {
    let shown = table([
        ("name".into(), query.view.as_deref().map(quoted)),
        ("date".into(), query.date.map(|date| date.to_string())),
        ("completed".into(), query.completed.map(|completed| completed.to_string())),
        ("after".into(), query.after.map(|after| after.to_string())),
        ("limit".into(), Some(query.limit.to_string())),
    ]);
    format!("view = {shown}")
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

//! A logic in plain Rust that acts on the title of a new entry, see [`TestSession::add`].

use std::sync::Arc;

use hotlist::list::List;
use hotlist::list::binding::LogicBinding;
use hotlist::list::change::{Change, Rejection};
use hotlist::list::command::{Context, Group, Page, Query, Row};
use hotlist::list::entry::{Draft, Entry, Patch};
use hotlist::list::id::LogicId;
use hotlist::list::name::LogicName;
use hotlist::list::schema::{CommandSchema, Description, Reading, Schema, ViewSchema};
use hotlist::list::value::{Field, Value, ValueKind, find};
use hotlist::logic::{Call, Decision, Fault, Logic, Session};

pub struct TestLogic {
    binding: Arc<LogicBinding>,
    description: Description,
}

impl TestLogic {
    pub fn new(name: &str, version: &str) -> Self {
        let version: semver::Version = version.parse().expect("a version");
        let name = LogicName::new(name).expect("a name");
        let schema = |name: &str, kind: ValueKind| Schema {
            name: name.into(),
            title: name.into(),
            kind,
            required: false,
            choices: Vec::new(),
        };
        let command = |name: &str, arguments| CommandSchema { name: name.into(), title: name.into(), arguments };
        let entry = || Schema { required: true, ..schema("entry", ValueKind::Entry) };
        let view = |name: &str| ViewSchema { name: name.into(), title: name.into() };
        let description = Description {
            title: "Todo".into(),
            summary: "For tests.".into(),
            version: version.clone(),
            fields: vec![
                schema("due", ValueKind::Date),
                schema("tags", ValueKind::Texts),
                schema("points", ValueKind::Number),
                schema("after", ValueKind::Entries),
                schema("parent", ValueKind::Entry),
            ],
            settings: vec![schema("colour", ValueKind::Text)],
            commands: vec![
                command("clear-completed", Vec::new()),
                command("due-all", vec![Schema { required: true, ..schema("day", ValueKind::Date) }]),
                command("remove-these", vec![schema("entries", ValueKind::Entries)]),
                command("finish", vec![entry()]),
                command("do-after", vec![entry(), schema("others", ValueKind::Entries)]),
            ],
            views: vec![view("open-first"), view("panic")],
            reading: Reading::Host,
            wakes: false,
        };
        let id = LogicId { name, version, digest: [0xab; 32] };
        Self { binding: LogicBinding::new(id, &description), description }
    }

    /// The same logic as another component, whose SHA-256 consists of this byte.
    #[must_use]
    pub fn with_digest(self, byte: u8) -> Self {
        let id = LogicId { digest: [byte; 32], ..(*self.binding.id).clone() };
        Self { binding: LogicBinding::new(id, &self.description), description: self.description }
    }

    /// A logic with these fields for texts instead of its own.
    pub fn with_text_fields(name: &str, version: &str, fields: &[&str]) -> Self {
        let Self { binding, mut description } = Self::new(name, version);
        let field = |name: &&str| Schema {
            name: (*name).into(),
            title: (*name).into(),
            kind: ValueKind::Text,
            required: false,
            choices: Vec::new(),
        };
        description.fields = fields.iter().map(field).collect();
        Self { binding: LogicBinding::new((*binding.id).clone(), &description), description }
    }
}

impl Logic for TestLogic {
    fn binding(&self) -> &Arc<LogicBinding> {
        &self.binding
    }

    fn description(&self) -> &Description {
        &self.description
    }

    fn session(&self) -> Result<Box<dyn Session + '_>, Fault> {
        Ok(Box::new(TestSession))
    }
}

struct TestSession;

fn no(code: &str, message: &str, field: Option<&str>) -> Decision {
    Err(Rejection { code: code.into(), message: message.into(), field: field.map(str::to_owned) })
}

/// The entry in the argument `entry`.
fn subject<'a>(list: &'a List, arguments: &[Field]) -> &'a Entry {
    let Some(Value::Entry(id)) = find(arguments, "entry") else { panic!("it is required") };
    list.get(*id).expect("the host checked")
}

impl TestSession {
    fn add(list: &List, context: &Context, draft: &Draft) -> Result<Decision, Fault> {
        let Draft { title, date, completed, order, fields } = draft.clone();
        let entry = Entry { id: list.next_id(), title, date, completed, order, fields };
        Ok(match draft.title.as_str() {
            "" => no("title-empty", "Say what is to be done.", Some("title")),
            "too much" => no("board-full", "Doing is full (3/3)", None),
            "trap" => return Err(Fault::Trap("wasm backtrace at 0x1234".into())),
            "loop" => return Err(Fault::Fuel { budget: 7 }),
            "odd points" => no("points-odd", "Points are even.", Some("points")),
            "no room" => return Err(Fault::Instance("pool exhausted".into())),
            "today" => Ok(vec![Change::put(Entry { date: Some(context.today), ..entry })]),
            "vanish" => Ok(Vec::new()),
            "merge" => Ok(list
                .scan(0)
                .next()
                .map(|first| Change::put(Entry { title: format!("{}, merged", first.title), ..Entry::clone(first) }))
                .into_iter()
                .collect()),
            _ => Ok(vec![Change::put(entry)]),
        })
    }

    fn update(entry: &Entry, patch: &Patch) -> Decision {
        let mut next = entry.clone();
        let Patch { title, date, completed, order, fields } = patch.clone();
        if title.as_deref() == Some("") {
            return no("title-empty", "Say what is to be done.", Some("title"));
        }
        if entry.title == "locked" {
            return no("locked", "It is locked.", None);
        }
        next.title = title.unwrap_or(next.title);
        next.date = date.unwrap_or(next.date);
        next.completed = completed.unwrap_or(next.completed);
        next.order = order.unwrap_or(next.order);
        for (name, value) in fields {
            next.fields.retain(|field| field.name != name);
            next.fields.extend(value.map(|value| Field { name, value }));
        }
        Ok(if next == *entry { Vec::new() } else { vec![Change::put(next)] })
    }

    fn custom(list: &List, name: &str, arguments: &[Field]) -> Decision {
        Ok(match name {
            "remove-these" => {
                let ids = find(arguments, "entries").map_or(&[][..], Value::entries);
                ids.iter().copied().map(Change::Remove).collect()
            }
            "finish" => {
                let entry = subject(list, arguments);
                if entry.completed {
                    return no("done", "It was done already.", None);
                }
                vec![Change::put(Entry { completed: true, ..entry.clone() })]
            }
            "do-after" => {
                let others = find(arguments, "others").map_or(&[][..], Value::entries);
                let after = Field { name: "after".into(), value: Value::Entries(others.into()) };
                vec![Change::put(Entry { fields: vec![after], ..subject(list, arguments).clone() })]
            }
            "clear-completed" => list.scan(0).filter(|e| e.completed).map(|e| Change::Remove(e.id)).collect(),
            _ => {
                let day = find(arguments, "day").expect("it is required").clone();
                let due = |entry: &Entry| {
                    let fields = vec![Field { name: "due".into(), value: day.clone() }];
                    Change::put(Entry { fields, ..entry.clone() })
                };
                list.scan(0).map(|entry| due(entry)).collect()
            }
        })
    }
}

impl Session for TestSession {
    fn begin(&mut self) {}

    fn decide(&mut self, list: &Arc<List>, context: &Context, ask: Call<'_>) -> Result<Decision, Fault> {
        Ok(match ask {
            Call::Add(draft) => return Self::add(list, context, draft),
            Call::Update(id, patch) => Self::update(list.get(id).expect("the host checked"), patch),
            Call::Delete(id) => Ok(vec![Change::Remove(id)]),
            Call::Custom(name, arguments) => Self::custom(list, name, arguments),
            Call::Configure(settings) => Ok(settings.iter().cloned().map(configure).collect()),
            Call::Wake | Call::Migrate(_) => Ok(Vec::new()),
        })
    }

    fn view(&mut self, list: &Arc<List>, _: &Context, query: &Query) -> Result<Result<Page, Rejection>, Fault> {
        assert_ne!(query.view.as_deref(), Some("panic"), "the view panics on request");
        let rows = |completed: bool| {
            let computed = || vec![Field { name: "done".into(), value: Value::Boolean(completed) }];
            let fitting = list.scan(query.after.unwrap_or(0)).filter(|entry| entry.completed == completed);
            fitting.map(|entry| Row { id: entry.id, computed: computed() }).collect::<Vec<_>>()
        };
        let group = |name: &str, rows: Vec<Row>, more: Option<Field>| {
            #[expect(clippy::cast_precision_loss, reason = "a handful")]
            let mut computed = vec![Field { name: "count".into(), value: Value::Number(rows.len() as f64) }];
            computed.extend(more);
            Group { name: name.into(), title: name.to_uppercase(), computed, rows }
        };
        let limit = Some(Field { name: "limit".into(), value: Value::Number(3.0) });
        let last = list.scan(0).filter(|entry| entry.completed).last();
        let last = last.map(|entry| Field { name: "last-done".into(), value: Value::Entry(entry.id) });
        Ok(Ok(Page { groups: vec![group("open", rows(false), limit), group("done", rows(true), last)], more: false }))
    }

    fn next_wake_up(&mut self, _: &Arc<List>, _: &Context) -> Result<Option<u64>, Fault> {
        Ok(None)
    }
}

fn configure((name, value): (String, Option<Value>)) -> Change {
    match value {
        Some(value) => Change::Set(Field { name, value }),
        None => Change::Unset(name),
    }
}

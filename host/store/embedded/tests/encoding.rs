//! The bytes of every variant of the encoded types. A change of one without a new encoding fails here.

use super::*;
use crate::list::ListSnapshot;
use crate::list::binding::LogicBinding;
use crate::list::change::{Change, Rejection};
use crate::list::command::{Command, Context};
use crate::list::date::Date;
use crate::list::digest::hex;
use crate::list::entry::{Draft, Entry, Patch};
use crate::list::id::LogicId;
use crate::list::name::LogicName;
use crate::list::receipt::{CommandOutcome, Idempotency, Receipt, RetainedEffect};
use crate::list::selector::Pin;
use crate::list::value::{Field, Value};

fn date() -> Date {
    Date::new(2026, 11, 24).expect("a day")
}

fn values() -> Vec<Value> {
    let all = vec![
        Value::Boolean(true),
        Value::Number(1.5),
        Value::Text("text".into()),
        Value::Date(date()),
        Value::Texts(vec!["a".into(), "b".into()]),
        Value::Entry(3),
        Value::Entries(vec![4, 5]),
    ];
    // A new variant belongs into the list above.
    for value in &all {
        match value {
            Value::Boolean(_) | Value::Number(_) | Value::Text(_) | Value::Date(_) => {}
            Value::Texts(_) | Value::Entry(_) | Value::Entries(_) => {}
        }
    }
    all
}

fn fields() -> Vec<Field> {
    values().into_iter().enumerate().map(|(at, value)| Field { name: format!("field{at}"), value }).collect()
}

fn entry() -> Arc<Entry> {
    let title = "Dentist".into();
    Arc::new(Entry { id: 7, title, date: Some(date()), completed: true, order: Some(2.5), fields: fields() })
}

fn version() -> Arc<LogicId> {
    let name = LogicName::new("todo").expect("a name");
    Arc::new(LogicId { name, version: semver::Version::new(1, 2, 3), digest: [7; 32] })
}

fn binding() -> Arc<LogicBinding> {
    Arc::new(LogicBinding { id: version(), schema_fingerprint: 8 })
}

fn pins() -> [Pin; 2] {
    [Pin::Version { major: 1, minor: Some(2), patch: None }, Pin::Digest([6; 32])]
}

fn changes() -> Vec<Change> {
    let mut all = vec![
        Change::Put(entry()),
        Change::Remove(7),
        Change::Set(Field { name: "limit".into(), value: Value::Number(7.0) }),
        Change::BindLogic(binding()),
        Change::DeleteList,
        Change::Unset("limit".into()),
        Change::Pin(None),
        Change::Restore(entry()),
    ];
    for change in &all {
        match change {
            Change::Put(_) | Change::Remove(_) | Change::Set(_) | Change::BindLogic(_) | Change::DeleteList => {}
            Change::Unset(_) | Change::Pin(_) | Change::Restore(_) => {}
        }
    }
    all.extend(pins().map(|pin| Change::Pin(Some(pin))));
    all
}

fn commands() -> Vec<Command> {
    let settings = values().into_iter().map(|value| ("limit".to_owned(), Some(value))).collect();
    let patch = Patch {
        title: Some("Milk".into()),
        date: Some(None),
        completed: Some(false),
        order: Some(Some(1.0)),
        fields: vec![("note".into(), None)],
    };
    let title = "Milk".into();
    let draft = Draft { title, date: None, completed: false, order: Some(0.5), fields: fields() };
    let all = vec![
        Command::Add(draft),
        Command::Update { id: 7, patch },
        Command::Delete { id: 7 },
        Command::Clear,
        Command::Custom { name: "move".into(), arguments: fields() },
        Command::Configure { logic: Some(version().name.clone()), pin: Some(None), settings },
        Command::DeleteList,
        Command::Wake,
        Command::Migrate,
        Command::Undo { revision: 2, changes: vec![Change::Remove(1)], inverse: vec![Change::DeleteList] },
    ];
    for command in &all {
        match command {
            Command::Add(_) | Command::Update { .. } | Command::Delete { .. } | Command::Clear => {}
            Command::Custom { .. } | Command::Configure { .. } | Command::DeleteList | Command::Wake => {}
            Command::Migrate | Command::Undo { .. } => {}
        }
    }
    all
}

fn receipts() -> Vec<Receipt> {
    let effects = [
        RetainedEffect::Nothing,
        RetainedEffect::Entries { put: vec![entry()], removed: [1, 2, 9].into_iter().collect() },
        RetainedEffect::Ids { put: [3].into_iter().collect(), removed: [4].into_iter().collect() },
    ];
    for effect in &effects {
        match effect {
            RetainedEffect::Nothing | RetainedEffect::Entries { .. } | RetainedEffect::Ids { .. } => {}
        }
    }
    let done = |effect| CommandOutcome::Done { revision: 4, created: true, next_id_before: 5, effect };
    let rejection = Rejection { code: "full".into(), message: "it is full".into(), field: Some("title".into()) };
    let outcomes = effects.map(done).into_iter().chain([CommandOutcome::Rejected(rejection)]);
    let request = Idempotency { key: "ann\nkey".into(), holder: "ann".into(), fingerprint: [9; 32] };
    let receipt = |outcome| Receipt { request: request.clone(), time: 10, logic: version(), outcome };
    outcomes.map(receipt).collect()
}

#[test]
fn every_variant_of_the_encoded_types_has_the_bytes_of_its_encoding() {
    let revision = |command| Revision {
        number: 1,
        context: Context { now: 11, today: date(), utc_offset: -60, caller: "ann".into(), seed: 12 },
        logic: version(),
        command,
        changes: changes(),
        inverse: vec![Change::Remove(7)],
        next_id_before: 13,
    };
    let revisions: Vec<_> = commands().into_iter().map(|command| Arc::new(revision(command))).collect();
    let [pin, _] = pins().map(Arc::new);
    let snapshot = ListSnapshot {
        revision: 1,
        binding: Some(binding()),
        pin: Some(pin),
        next_id: 8,
        entries: vec![entry()],
        settings: fields(),
    };
    let meta = ListMeta { revision: 1, logic: None, entries: 2, open: 1, wake_up: Some(14) };
    let head = CommitHead { after: 0, deleted_at: Some(1), meta };
    let parts = [
        ("head", record::append(Vec::new(), &head)),
        ("snapshot", record::append(Vec::new(), &snapshot)),
        ("receipts", record::append(Vec::new(), &receipts())),
        ("revisions", record::append(Vec::new(), &revisions)),
    ];
    let lines = parts.map(|(part, bytes)| format!("{part} {}\n", hex(&bytes))).concat();
    let golden = include_str!("../golden/variants-4.txt");
    assert_eq!(lines, golden, "a stored type changed: raise ENCODING");
}

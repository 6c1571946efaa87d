//! Random histories of lists against a plain model.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::list::command::{Command, Context};
use crate::list::id::LogicId;
use crate::list::revision::Revision;
use crate::list::schema::{Reading, Schema};
use crate::list::value::{Value, ValueKind};

fn entry(id: EntryId, title: &str, day: Option<u8>, completed: bool) -> Entry {
    let date = day.map(|day| Date::new(2026, 11, day).unwrap());
    Entry { id, title: title.into(), date, completed, order: None, fields: Vec::new() }
}

fn described(fields: &[(&str, ValueKind)]) -> Description {
    let schema = |(name, kind): &(&str, ValueKind)| Schema {
        name: (*name).into(),
        title: String::new(),
        kind: *kind,
        required: false,
        choices: Vec::new(),
    };
    Description {
        title: "Test".into(),
        summary: String::new(),
        version: semver::Version::new(1, 0, 0),
        fields: fields.iter().map(schema).collect(),
        settings: Vec::new(),
        commands: Vec::new(),
        views: Vec::new(),
        reading: Reading::Host,
        wakes: false,
    }
}

fn binding(major: u64) -> Arc<LogicBinding> {
    let name = LogicName::new("todo").unwrap();
    LogicBinding::new(LogicId { name, version: semver::Version::new(major, 0, 0), digest: [0; 32] }, &described(&[]))
}

/// A change of a random history. Ids are small, so that changes often concern the same entry.
fn step() -> impl Strategy<Value = Change> {
    let put = (1..12_u64, any::<bool>(), proptest::option::of(1..4_u8))
        .prop_map(|(id, completed, day)| Change::put(entry(id, &format!("entry {id}"), day, completed)));
    let remove = (1..12_u64).prop_map(Change::Remove);
    let set = (any::<bool>(), 0..3_u8).prop_map(|(on, name)| {
        let name = format!("setting-{name}");
        if on { Change::Set(Field { name, value: Value::Boolean(true) }) } else { Change::Unset(name) }
    });
    let bind = (1..4_u64).prop_map(|major| Change::BindLogic(binding(major)));
    let pin = any::<bool>().prop_map(|on| Change::Pin(on.then_some(Pin::Digest([1; 32]))));
    let restore = (1..12_u64).prop_map(|id| Change::Restore(Arc::new(entry(id, "back", None, false))));
    prop_oneof![8 => put, 3 => remove, 2 => set, 1 => bind, 1 => pin, 2 => restore, 1 => Just(Change::DeleteList)]
}

/// The behaviour of [`List`] without its optimisations.
#[derive(Clone, Default)]
struct Model {
    entries: BTreeMap<EntryId, Entry>,
    settings: BTreeMap<String, Value>,
    next_id: EntryId,
}

impl Model {
    fn step(&mut self, change: &Change) -> bool {
        match change {
            Change::Put(entry) => {
                let new = !self.entries.contains_key(&entry.id);
                if new && entry.id != self.next_id {
                    return false;
                }
                self.next_id += u64::from(new);
                self.entries.insert(entry.id, Entry::clone(entry));
                true
            }
            Change::Remove(id) => self.entries.remove(id).is_some(),
            Change::DeleteList => {
                *self = Self { next_id: 1, ..Self::default() };
                true
            }
            Change::Restore(entry) => {
                let fits = entry.id < self.next_id && !self.entries.contains_key(&entry.id);
                self.entries.insert(entry.id, Entry::clone(entry));
                fits
            }
            Change::Set(Field { name, value }) => {
                self.settings.insert(name.clone(), value.clone());
                true
            }
            Change::Unset(name) => {
                self.settings.remove(name);
                true
            }
            Change::Pin(_) | Change::BindLogic(_) => true,
        }
    }
}

proptest! {
    #[test]
    fn a_list_agrees_with_a_plain_model_through_any_history(history in vec(vec(step(), 1..4), 0..40)) {
        let mut list = List::default();
        let mut model = Model { next_id: 1, ..Model::default() };
        for changes in &history {
            let before = list.clone();
            let mut attempt = model.clone();
            match list.apply(changes) {
                Ok(next) => {
                    prop_assert!(changes.iter().all(|change| attempt.step(change)));
                    prop_assert_eq!(next.revision(), before.revision() + 1);
                    (list, model) = (next, attempt);
                }
                Err(_) => prop_assert!(!changes.iter().all(|change| attempt.step(change))),
            }
            let all: Vec<_> = model.entries.values().collect();
            prop_assert_eq!(list.scan(0).map(AsRef::as_ref).collect::<Vec<_>>(), all.clone());
            prop_assert_eq!(list.next_id(), model.next_id);
            prop_assert_eq!(list.count_open(), all.iter().filter(|entry| !entry.completed).count());
            let settings: Vec<_> =
                model.settings.iter().map(|(name, value)| Field { name: name.clone(), value: value.clone() }).collect();
            prop_assert_eq!(list.settings(), &settings[..]);
            let bytes = all.iter().map(|entry| entry.title.len()).sum::<usize>();
            prop_assert_eq!(list.bytes(), bytes + settings.iter().map(Field::bytes).sum::<usize>());
            for day in 1..4 {
                let day = Date::new(2026, 11, day).unwrap();
                let on_day: Vec<_> = all.iter().copied().filter(|entry| entry.date == Some(day)).collect();
                prop_assert_eq!(list.on_date(day, 0).map(AsRef::as_ref).collect::<Vec<_>>(), on_day);
            }
            prop_assert_eq!(&List::from(list.snapshot()), &list);
        }
    }
}

proptest! {
    #[test]
    fn every_revision_that_does_not_end_the_list_can_be_taken_back_exactly(history in vec(vec(step(), 1..6), 0..40)) {
        let mut list = List::default();
        for mut changes in history {
            if changes.contains(&Change::DeleteList) {
                changes = vec![Change::DeleteList];
            } else if !list.exists() {
                changes.insert(0, Change::BindLogic(binding(1)));
            }
            let mut inverse = Vec::new();
            let Ok(next) = list.apply_with_inverse(&changes, &mut inverse) else { continue };
            inverse.reverse();
            let next = next.succeeding(list.revision());
            prop_assert_eq!(&next, &list.apply(&changes).unwrap());
            if !changes.contains(&Change::DeleteList) {
                let revision = revision(next.revision(), list.next_id(), changes, inverse);
                prop_assert_eq!(&next.revert(&revision).unwrap(), &list);
            }
            list = next;
        }
    }
}

fn revision(number: u64, next_id_before: EntryId, changes: Vec<Change>, inverse: Vec<Change>) -> Revision {
    let today = Date::new(2026, 11, 23).unwrap();
    let context = Context { now: 0, today, utc_offset: 0, caller: "ann".into(), seed: 0 };
    Revision { number, context, logic: binding(1).id.clone(), command: Command::Wake, changes, inverse, next_id_before }
}

#[test]
fn a_schema_fingerprint_covers_fields_and_settings_only() {
    let described = |fields: &[(&str, ValueKind)]| described(fields);
    let one = described(&[("rank", ValueKind::Number), ("column", ValueKind::Text)]);
    let renamed = Description { title: "Other".into(), version: semver::Version::new(9, 0, 0), ..one.clone() };
    let turned = described(&[("column", ValueKind::Text), ("rank", ValueKind::Number)]);
    assert_eq!([one.schema_fingerprint(), renamed.schema_fingerprint()], [turned.schema_fingerprint(); 2]);
    let retyped = described(&[("rank", ValueKind::Text), ("column", ValueKind::Text)]);
    let settings = Description { settings: one.fields.clone(), fields: Vec::new(), ..one.clone() };
    assert!(
        [retyped.schema_fingerprint(), described(&[]).schema_fingerprint(), settings.schema_fingerprint()]
            .iter()
            .all(|fingerprint| *fingerprint != one.schema_fingerprint())
    );
}

#[test]
fn changes_apply_all_or_none() {
    let list = List::default().apply(&[Change::put(entry(1, "milk", None, false))]).unwrap();
    let error = list.apply(&[Change::Remove(1), Change::Remove(1)]).unwrap_err();
    assert_eq!(error, Violation::RemovedAbsent(1));
    assert_eq!(list.count(), 1);
}

#[test]
fn an_id_is_never_given_twice() {
    let list = List::default().apply(&[Change::put(entry(1, "milk", None, false)), Change::Remove(1)]).unwrap();
    let again = list.apply(&[Change::put(entry(1, "milk", None, false))]);
    assert_eq!(again, Err(Violation::UnknownId { id: 1, next: 2 }));
}

#[test]
fn revision_numbers_continue_after_a_list_is_deleted() {
    let list = List::default().apply(&[Change::put(entry(1, "milk", None, false))]).unwrap();
    let gone = list.apply(&[Change::DeleteList]).unwrap();
    assert!(!gone.exists());
    assert_eq!((gone.revision(), gone.count(), gone.next_id()), (2, 0, 1));
}

#[test]
fn an_undeclared_field_is_a_violation() {
    let field = |name: &str, value: Value| Field { name: name.into(), value };
    let put = |fields: Vec<Field>| [Change::put(Entry { fields, ..entry(1, "milk", None, false) })];
    let list = List::default();
    let description = described(&[("litres", ValueKind::Number)]);
    let check = |fields: Vec<Field>| list.check(&put(fields), &description, Limits::default());
    assert_eq!(check(vec![field("litres", Value::Number(2.0))]), Ok(()));
    let problem = |fields: Vec<Field>| check(fields).unwrap_err().to_string();
    assert_eq!(
        problem(vec![field("pints", Value::Number(2.0))]),
        "it put entry 1: pints: it is not declared; these are: litres"
    );
    assert_eq!(
        problem(vec![field("litres", Value::Text("two".into()))]),
        "it put entry 1: litres: it is of kind text where number is declared"
    );
    assert_eq!(
        problem(vec![field("litres", Value::Number(1.0)), field("litres", Value::Number(2.0))]),
        "it put entry 1: it has field litres twice"
    );
}

#[test]
fn a_field_of_an_earlier_version_may_stay_and_may_not_change() {
    let old = |text: &str| Entry {
        fields: vec![Field { name: "colour".into(), value: Value::Text(text.into()) }],
        ..entry(1, "milk", None, false)
    };
    let list = List::default().apply(&[Change::put(old("white"))]).unwrap();
    let description = described(&[]);
    let check = |entry: Entry| list.check(&[Change::put(entry)], &description, Limits::default());
    assert_eq!(check(Entry { completed: true, ..old("white") }), Ok(()));
    assert!(check(old("red")).is_err());
}

#[test]
fn a_setting_counts_once_among_the_bytes_of_a_list() {
    let set = |text: &str| Change::Set(Field { name: "zone".into(), value: Value::Text(text.into()) });
    let list = List::default().apply(&[set("UTC"), set("Europe/Prague")]).unwrap();
    assert_eq!(list.bytes(), "zone".len() + "Europe/Prague".len());
    assert_eq!(List::from(list.snapshot()), list);
}

#[test]
fn the_limit_on_titles_counts_characters() {
    let list = List::default();
    let description = described(&[]);
    let check =
        |title: String| list.check(&[Change::put(entry(1, &title, None, false))], &description, Limits::default());
    assert_eq!(check("é".repeat(1_000)), Ok(()));
    assert!(check("é".repeat(1_001)).is_err());
}

#[test]
fn one_call_may_not_make_too_many_changes() {
    let list = List::default();
    let limits = Limits { changes: 2, ..Limits::default() };
    let changes = vec![Change::Remove(1); 3];
    let error = list.check(&changes, &described(&[]), limits);
    assert_eq!(error, Err(Violation::TooManyChanges { count: 3, limit: 2 }));
}

#[test]
fn an_impossible_setting_is_not_unset_and_no_name_makes_a_fault_long() {
    let (list, description) = (List::default(), described(&[]));
    let check = |change: Change| list.check(&[change], &description, Limits::default());
    assert_eq!(check(Change::Unset("colour".into())), Ok(()));
    let long = "a".repeat(10_000);
    let field = Field { name: long.clone(), value: Value::Boolean(true) };
    let twice = Entry { fields: vec![field.clone(), field.clone()], ..entry(1, "milk", None, false) };
    for change in [Change::Unset(long), Change::Set(field), Change::put(twice)] {
        let error = check(change).unwrap_err().to_string();
        assert!(error.len() < 1_000, "{error}");
    }
}

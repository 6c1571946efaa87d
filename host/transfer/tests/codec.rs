//! The round trip of a revision through its line.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};

use crate::list::binding::LogicBinding;
use crate::list::change::Change;
use crate::list::command::{Command, Context};
use crate::list::date::Date;
use crate::list::entry::{Draft, Entry, Patch};
use crate::list::id::LogicId;
use crate::list::name::LogicName;
use crate::list::revision::Revision;
use crate::list::selector::Pin;
use crate::list::value::{Field, Value};
use crate::transfer::line::LineJson;

fn identifier() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9-]{0,9}"
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![".{0,20}", Just("\u{0}\"\\\u{7f}\u{2028}\n".to_owned())]
}

fn date() -> impl Strategy<Value = Date> {
    (0..=9_999, 1_u8..=12, 1_u8..=28).prop_map(|(year, month, day)| Date::new(year, month, day).unwrap())
}

fn number() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("finite", |number| number.is_finite())
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Boolean),
        number().prop_map(Value::Number),
        text().prop_map(Value::Text),
        date().prop_map(Value::Date),
        vec(text(), 0..3).prop_map(Value::Texts),
        any::<u64>().prop_map(Value::Entry),
        vec(any::<u64>(), 0..3).prop_map(Value::Entries),
    ]
}

fn field() -> impl Strategy<Value = Field> {
    (identifier(), value()).prop_map(|(name, value)| Field { name, value })
}

fn fields() -> impl Strategy<Value = Vec<Field>> {
    vec(field(), 0..3).prop_map(|mut fields| {
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        fields.dedup_by(|a, b| a.name == b.name);
        fields
    })
}

fn given() -> impl Strategy<Value = Vec<(String, Option<Value>)>> {
    let removed = text().prop_map(|name| (name, None));
    vec(prop_oneof![field().prop_map(|field| (field.name, Some(field.value))), removed], 0..3)
}

fn draft() -> impl Strategy<Value = Draft> {
    let parts = (text(), option::of(date()), any::<bool>(), option::of(number()), fields());
    parts.prop_map(|(title, date, completed, order, fields)| Draft { title, date, completed, order, fields })
}

fn entry() -> impl Strategy<Value = Arc<Entry>> {
    (any::<u64>(), draft()).prop_map(|(id, draft)| {
        let Draft { title, date, completed, order, fields } = draft;
        Arc::new(Entry { id, title, date, completed, order, fields })
    })
}

fn patch() -> impl Strategy<Value = Patch> {
    let parts = (
        option::of(text()),
        option::of(option::of(date())),
        option::of(any::<bool>()),
        option::of(option::of(number())),
        given(),
    );
    parts.prop_map(|(title, date, completed, order, fields)| Patch { title, date, completed, order, fields })
}

fn pin() -> impl Strategy<Value = Pin> {
    let version = (any::<u64>(), option::of(any::<u64>()), any::<u64>(), any::<bool>());
    prop_oneof![
        any::<[u8; 32]>().prop_map(Pin::Digest),
        version.prop_map(|(major, minor, patch, has_patch)| Pin::Version {
            major,
            minor,
            patch: (minor.is_some() && has_patch).then_some(patch),
        }),
    ]
}

fn logic() -> impl Strategy<Value = LogicId> {
    let version = prop_oneof![Just("1.2.3"), Just("0.0.0-alpha.1+build.5")];
    (identifier(), version, any::<[u8; 32]>()).prop_map(|(name, version, digest)| LogicId {
        name: LogicName::new(&name).unwrap(),
        version: version.parse().unwrap(),
        digest,
    })
}

fn change() -> impl Strategy<Value = Change> {
    let binding = (logic(), any::<u64>());
    let binding = binding.prop_map(|(id, schema_fingerprint)| LogicBinding { id: Arc::new(id), schema_fingerprint });
    prop_oneof![
        entry().prop_map(Change::Put),
        any::<u64>().prop_map(Change::Remove),
        field().prop_map(Change::Set),
        binding.prop_map(|binding| Change::BindLogic(Arc::new(binding))),
        Just(Change::DeleteList),
        text().prop_map(Change::Unset),
        option::of(pin()).prop_map(Change::Pin),
        entry().prop_map(Change::Restore),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let configure = (option::of(identifier()), option::of(option::of(pin())), given());
    let configure = configure.prop_map(|(logic, pin, settings)| Command::Configure {
        logic: logic.map(|logic| LogicName::new(&logic).unwrap()),
        pin,
        settings,
    });
    let undo = (any::<u64>(), vec(change(), 0..3), vec(change(), 0..3));
    prop_oneof![
        draft().prop_map(Command::Add),
        (any::<u64>(), patch()).prop_map(|(id, patch)| Command::Update { id, patch }),
        any::<u64>().prop_map(|id| Command::Delete { id }),
        Just(Command::Clear),
        (identifier(), fields()).prop_map(|(name, arguments)| Command::Custom { name, arguments }),
        configure,
        Just(Command::DeleteList),
        Just(Command::Wake),
        Just(Command::Migrate),
        undo.prop_map(|(revision, changes, inverse)| Command::Undo { revision, changes, inverse }),
    ]
}

fn context() -> impl Strategy<Value = Context> {
    let parts = (any::<u64>(), date(), any::<i32>(), text(), any::<u64>());
    parts.prop_map(|(now, today, utc_offset, caller, seed)| Context {
        now,
        today,
        utc_offset,
        caller: caller.into(),
        seed,
    })
}

fn revision() -> impl Strategy<Value = Revision> {
    let parts = (any::<u64>(), context(), logic(), command(), vec(change(), 0..4), vec(change(), 0..4), any::<u64>());
    parts.prop_map(|(number, context, logic, command, changes, inverse, next_id_before)| Revision {
        number,
        context,
        logic: Arc::new(logic),
        command,
        changes,
        inverse,
        next_id_before,
    })
}

proptest! {
    #[test]
    fn a_revision_is_read_from_its_line_as_it_was(revision in revision()) {
        let line = serde_json::to_string(&LineJson::Revision(Box::new((&revision).into()))).unwrap();
        prop_assert_eq!(line.lines().count(), 1);
        let LineJson::Revision(read) = serde_json::from_str(&line).unwrap() else { panic!("{line}") };
        prop_assert_eq!(Revision::try_from(*read), Ok(revision));
    }
}

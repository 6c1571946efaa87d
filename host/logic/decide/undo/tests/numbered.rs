//! A logic that changes many things at a time.

use std::sync::Arc;

use crate::list::List;
use crate::list::binding::LogicBinding;
use crate::list::change::{Change, Rejection};
use crate::list::command::{Context, Page, Query};
use crate::list::entry::{Entry, Patch};
use crate::list::id::{EntryId, LogicId};
use crate::list::name::LogicName;
use crate::list::schema::{Description, Reading, Schema};
use crate::list::value::{Field, Value, ValueKind};
use crate::logic::{Call, Decision, Fault, Logic, Session};

/// A logic whose entries and settings have one number each, under a name that says which version it is;
/// taking a list over renames them.
pub(super) struct Numbered {
    pub(super) binding: Arc<LogicBinding>,
    pub(super) description: Description,
}

impl Numbered {
    pub(super) fn version(name: &str, major: u64) -> Self {
        let number = format!("number-{major}");
        let schema =
            Schema { name: number, title: String::new(), kind: ValueKind::Number, required: false, choices: vec![] };
        let description = Description {
            title: "Numbered".into(),
            summary: String::new(),
            version: semver::Version::new(major, 0, 0),
            fields: vec![schema.clone()],
            settings: vec![schema],
            commands: Vec::new(),
            views: Vec::new(),
            reading: Reading::Host,
            wakes: true,
        };
        let (name, version) = (LogicName::new(name).unwrap(), description.version.clone());
        let digest = [u8::try_from(major).unwrap(); 32];
        Self { binding: LogicBinding::new(LogicId { name, version, digest }, &description), description }
    }

    fn number(&self) -> &str {
        &self.description.fields[0].name
    }
}

impl Logic for Numbered {
    fn binding(&self) -> &Arc<LogicBinding> {
        &self.binding
    }

    fn description(&self) -> &Description {
        &self.description
    }

    fn session(&self) -> Result<Box<dyn Session + '_>, Fault> {
        Ok(Box::new(NumberedSession(self)))
    }
}

struct NumberedSession<'a>(&'a Numbered);

impl NumberedSession<'_> {
    fn numbered(&self, number: u64) -> Vec<Field> {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let value = Value::Number(number as f64);
        vec![Field { name: self.0.number().into(), value }]
    }

    fn entry(&self, id: EntryId, title: &str, number: u64) -> Entry {
        let fields = self.numbered(number);
        Entry { id, title: title.into(), date: None, completed: false, order: None, fields }
    }

    /// Some changes that follow from a seed: of entries and settings, several of one thing among them, and
    /// some that come to nothing.
    fn some(&self, list: &List, mut seed: u64) -> Vec<Change> {
        let mut list = list.clone();
        let mut changes = Vec::new();
        for _ in 0..seed % 7 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let dice = seed >> 40;
            let ids: Vec<_> = list.scan(0).map(|entry| entry.id).collect();
            let any = ids.get(usize::try_from(dice).unwrap() % ids.len().max(1)).copied();
            let change = match (dice % 5, any) {
                (0, Some(id)) => Change::Remove(id),
                (1 | 2, Some(id)) => Change::put(self.entry(id, "changed", dice % 3)),
                (3, _) => match dice % 4 {
                    0 => Change::Unset(self.0.number().into()),
                    number => Change::Set(self.numbered(number).remove(0)),
                },
                _ => Change::put(self.entry(list.next_id(), "new", dice % 3)),
            };
            list = list.preview(std::slice::from_ref(&change)).unwrap();
            changes.push(change);
        }
        changes
    }

    /// Every number under the name that it has here.
    fn renamed(&self, list: &List) -> Vec<Change> {
        let ours = |field: &Field| Field { name: self.0.number().into(), value: field.value.clone() };
        let entries = list.scan(0).map(|entry| {
            let fields = entry.fields.iter().map(ours).collect();
            Change::put(Entry { fields, ..Entry::clone(entry) })
        });
        let settings = list.settings().iter().flat_map(|was| [Change::Unset(was.name.clone()), Change::Set(ours(was))]);
        entries.chain(settings).collect()
    }
}

impl Session for NumberedSession<'_> {
    fn begin(&mut self) {}

    fn decide(&mut self, list: &Arc<List>, context: &Context, ask: Call<'_>) -> Result<Decision, Fault> {
        Ok(Ok(match ask {
            Call::Add(draft) => vec![Change::put(self.entry(list.next_id(), &draft.title, 0))],
            Call::Update(id, Patch { title, date, completed, order, fields }) => {
                let mut entry = Entry::clone(list.get(id).unwrap());
                entry.title = title.clone().unwrap_or(entry.title);
                entry.date = date.unwrap_or(entry.date);
                entry.completed = completed.unwrap_or(entry.completed);
                entry.order = order.unwrap_or(entry.order);
                if let [(name, Some(value))] = &fields[..] {
                    entry.fields = vec![Field { name: name.clone(), value: value.clone() }];
                }
                vec![Change::put(entry)]
            }
            Call::Delete(id) => vec![Change::Remove(id)],
            Call::Configure(settings) => {
                let change = |(name, value): &(String, Option<Value>)| match value.clone() {
                    Some(value) => Change::Set(Field { name: name.clone(), value }),
                    None => Change::Unset(name.clone()),
                };
                settings.iter().map(change).collect()
            }
            Call::Wake | Call::Custom(..) => self.some(list, context.seed),
            Call::Migrate(_) => self.renamed(list),
        }))
    }

    fn view(&mut self, _: &Arc<List>, _: &Context, _: &Query) -> Result<Result<Page, Rejection>, Fault> {
        Ok(Ok(Page { groups: Vec::new(), more: false }))
    }

    fn next_wake_up(&mut self, _: &Arc<List>, _: &Context) -> Result<Option<u64>, Fault> {
        Ok(None)
    }
}

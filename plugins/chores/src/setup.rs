//! Settings, and migration from other rules.

use hotlist_plugin::{Change, Context, Decision, FieldPatch, List, Value};

use crate::chore::{RULE, is_back, rule};
use crate::rotation::{self, ROTATION, Rotation};
use crate::waking::reopen;
use crate::zone::{self, Local, TIME_ZONE};

/// Sets or removes the time zone, the people or both. A new zone may mean another date, on which other
/// chores are due.
pub(crate) fn configure(list: &impl List, cx: &Context, settings: Vec<FieldPatch>) -> Decision {
    let mut changes = Vec::new();
    for mut setting in settings {
        match (setting.name.as_str(), &mut setting.value) {
            (TIME_ZONE, zone) => {
                let offset = zone.as_ref().map(zone::check).transpose()?;
                changes.extend(reopen(list, Local::at(offset, cx).today));
            }
            (ROTATION, Some(Value::Texts(people))) => *people = rotation::check(people)?,
            _ => {}
        }
        changes.push(setting.into());
    }
    Ok(changes)
}

/// Migrates a list from other rules. Its entries stay ordinary, because they have no rule. Chores from an
/// earlier time under these rules are due as usual. A rule that cannot be parsed is removed.
pub(crate) fn migrate(list: &impl List, cx: &Context) -> Vec<Change> {
    let today = Local::of(list, cx).today;
    let rotation = Rotation::of(list);
    let mut changes = Vec::new();
    for mut entry in list.all(0).filter(|entry| entry.field(RULE).is_some()) {
        let before = entry.clone();
        match rule(&entry) {
            Ok(Some(rule)) => {
                entry.date = entry.date.or(Some(rule.first(today)));
                entry.completed = entry.completed && !is_back(&entry, today);
                rotation.begin(&mut entry);
            }
            Ok(None) | Err(_) => entry.set_field(RULE, None),
        }
        if entry != before {
            changes.push(Change::Put(entry));
        }
    }
    changes
}

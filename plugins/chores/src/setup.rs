//! Settings, and taking over a list from other rules.

use hotlist_plugin::{Change, Context, Decision, FieldPatch, List, Value};

use crate::chore::{RULE, is_back, rule};
use crate::rotation::{self, ROTATION, Rotation};
use crate::waking::reopen;
use crate::zone::{self, Local, TIME_ZONE};

/// Sets or takes away the time zone, the people or both. In another zone it may be another day, on
/// which other chores are due.
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

/// Makes a list of other rules one of chores. Its entries stay what they are: they have no rule. A list that
/// was one of chores before finds them due as if it had been all the time; a rule that cannot be read is
/// taken away.
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

//! Turns: the person whose turn it is, and the next one.

use hotlist_plugin::{Entry, Fields, List, Rejection, Value};

use crate::chore::ASSIGNEE;

/// The setting with the people who take turns.
pub(crate) const ROTATION: &str = "rotation";

/// The people who take turns; none if chores do not rotate.
pub(crate) struct Rotation(Vec<String>);

impl Rotation {
    /// Reads the list's setting.
    pub(crate) fn of(list: &impl List) -> Self {
        Self(if let Some(Value::Texts(people)) = list.setting(ROTATION) { people } else { Vec::new() })
    }

    /// Assigns a chore without a person to the first one.
    pub(crate) fn begin(&self, entry: &mut Entry) {
        if entry.fields.text(ASSIGNEE).is_none() {
            self.assign(entry, 0);
        }
    }

    /// Passes a chore to the next person. From a person who takes no turns it passes to the first.
    pub(crate) fn hand_on(&self, entry: &mut Entry) {
        let next = self.holder(entry).map_or(0, |at| (at + 1) % self.0.len());
        self.assign(entry, next);
    }

    /// Passes a chore back to the previous person.
    pub(crate) fn hand_back(&self, entry: &mut Entry) {
        if let Some(at) = self.holder(entry) {
            self.assign(entry, (at + self.0.len() - 1) % self.0.len());
        }
    }

    /// The index of the person whose turn it is.
    fn holder(&self, entry: &Entry) -> Option<usize> {
        let holder = entry.fields.text(ASSIGNEE)?;
        self.0.iter().position(|person| person == holder)
    }

    fn assign(&self, entry: &mut Entry, at: usize) {
        if let Some(person) = self.0.get(at) {
            entry.set_field(ASSIGNEE, Some(person.as_str().into()));
        }
    }
}

/// The names in normal form, if they are unique.
pub(crate) fn check(texts: &[String]) -> Result<Vec<String>, Rejection> {
    let people: Vec<String> = texts.iter().map(|name| name.trim().into()).collect();
    for (at, name) in people.iter().enumerate() {
        if name.is_empty() {
            let message = format!("Person {} has no name. Give them one, or leave them out.", at + 1);
            return Err(Rejection::new("rotation-empty", message).at(ROTATION));
        }
        if people[..at].contains(name) {
            let message = format!("“{name}” is there twice. Leave one out, or tell the two apart.");
            return Err(Rejection::new("rotation-twice", message).at(ROTATION));
        }
    }
    Ok(people)
}

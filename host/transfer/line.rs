//! The lines of an export.

use serde::{Deserialize, Serialize};

use super::revision::{RevisionJson, take_pin};
use super::value::{BindingJson, EntryJson, FieldJson, each, try_each};
use crate::list::excerpt::excerpt;
use crate::list::id::EntryId;
use crate::list::name::ListName;
use crate::list::selector::Pin;
use crate::list::{List, ListSnapshot};

/// The version of the form that this program writes and reads.
pub(super) const VERSION: u32 = 1;

/// A line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LineJson {
    HotlistExport(HeaderJson),
    List(Box<ListJson>),
    Entries(Vec<EntryJson>),
    Revision(Box<RevisionJson>),
    Damage(String),
    End(EndJson),
}

/// The first line. Members that a later program adds are no reason not to read the version.
#[derive(Serialize, Deserialize)]
pub(super) struct HeaderJson {
    pub(super) version: u32,
    pub(super) program: String,
    pub(super) time: String,
}

/// A list without its entries and revisions.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListJson {
    name: String,
    revision: u64,
    /// `None` of a deleted list.
    binding: Option<BindingJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pin: Option<String>,
    next_id: EntryId,
    settings: Vec<FieldJson>,
    /// Milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wake_up: Option<u64>,
    /// The number of its entries, which follow.
    pub(super) entries: usize,
    /// The number of its revisions, which follow.
    pub(super) revisions: usize,
    /// Why a server cannot read the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    damage: Option<String>,
    /// What is missing of the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) incomplete: Option<String>,
}

/// The last line.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndJson {
    pub(super) lists: u64,
    pub(super) deleted_lists: u64,
    pub(super) entries: u64,
    pub(super) revisions: u64,
    /// The lists of which something is missing.
    pub(super) incomplete_lists: u64,
    /// The SHA-256 of all lines before this one, as 64 hexadecimal digits.
    pub(super) sha256: String,
}

/// What is said of a list besides its entries and revisions.
pub(super) struct ListFacts {
    pub(super) name: ListName,
    /// The list without entries.
    pub(super) snapshot: ListSnapshot,
    pub(super) wake_up: Option<u64>,
    pub(super) damage: Option<String>,
    pub(super) missing: Option<String>,
}

impl ListJson {
    pub(super) fn new(facts: &ListFacts, entries: usize, revisions: usize) -> Self {
        let ListFacts { name, snapshot, wake_up, damage, missing } = facts;
        Self {
            name: name.as_str().to_owned(),
            revision: snapshot.revision,
            binding: snapshot.binding.as_ref().map(BindingJson::from),
            pin: snapshot.pin.as_ref().map(|pin| pin.to_string()),
            next_id: snapshot.next_id,
            settings: each(&snapshot.settings),
            wake_up: *wake_up,
            entries,
            revisions,
            damage: damage.clone(),
            incomplete: missing.clone(),
        }
    }

    /// Checks each value by itself.
    pub(super) fn take(self) -> Result<ListFacts, String> {
        let named = ListName::new(&self.name).map_err(|error| format!("list {:?}: {error}", excerpt(&self.name)));
        let pin: Option<Pin> = self.pin.as_deref().map(take_pin).transpose()?;
        let snapshot = ListSnapshot {
            revision: self.revision,
            binding: self.binding.map(TryInto::try_into).transpose()?,
            pin: pin.map(Into::into),
            next_id: self.next_id,
            entries: Vec::new(),
            settings: try_each(self.settings)?,
        };
        Ok(ListFacts { name: named?, snapshot, wake_up: self.wake_up, damage: self.damage, missing: self.incomplete })
    }
}

impl EndJson {
    /// Counts a list, of which something may be missing.
    pub(super) fn count(&mut self, list: &List, revisions: usize, is_incomplete: bool) {
        self.lists += u64::from(list.exists());
        self.deleted_lists += u64::from(!list.exists());
        self.entries += list.count() as u64;
        self.revisions += revisions as u64;
        self.incomplete_lists += u64::from(is_incomplete);
    }
}

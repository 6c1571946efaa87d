//! The inline tables of a case: entries, patches, queries, and expected values.

use serde::Deserialize;
use toml::{Table, Value as Toml};

use super::time::{CaseDate, CaseTime};
use crate::list::id::EntryId;

/// The default limit on the rows of a view.
const DEFAULT_ROWS: usize = 1_000;

/// An entry that the list has. Without an id it has the next one.
#[derive(Clone, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenTable {
    pub(super) id: Option<EntryId>,
    pub(super) title: String,
    pub(super) date: Option<CaseDate>,
    #[serde(default)]
    pub(super) completed: bool,
    pub(super) order: Option<f64>,
    #[serde(default)]
    pub(super) fields: Table,
}

/// An entry to add.
#[derive(Clone, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct DraftTable {
    pub(super) title: String,
    pub(super) date: Option<CaseDate>,
    #[serde(default)]
    pub(super) completed: bool,
    pub(super) order: Option<f64>,
    #[serde(default)]
    pub(super) fields: Table,
}

/// A patch of an entry. TOML has no null, so `clear` names the members to clear.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct PatchTable {
    pub(super) id: EntryId,
    pub(super) title: Option<String>,
    pub(super) date: Option<CaseDate>,
    pub(super) completed: Option<bool>,
    pub(super) order: Option<f64>,
    #[serde(default)]
    pub(super) fields: Table,
    #[serde(default)]
    pub(super) clear: Vec<String>,
}

/// A custom command of the logic.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct CustomTable {
    pub(super) name: String,
    #[serde(default)]
    pub(super) arguments: Table,
}

/// A query of a view. Without a name, a query of the plain list.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct ViewTable {
    pub(super) name: Option<String>,
    pub(super) date: Option<CaseDate>,
    pub(super) completed: Option<bool>,
    pub(super) after: Option<EntryId>,
    #[serde(default = "default_rows")]
    pub(super) limit: usize,
}

/// An expected rejection. A member that is left out may have any value.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct RejectionTable {
    pub(super) code: String,
    pub(super) message: Option<String>,
    /// A part of the message.
    pub(super) contains: Option<String>,
    pub(super) field: Option<String>,
}

/// An expected refusal by the host: a part of its message, the name of the value at fault, or both.
#[derive(Deserialize, Debug)]
#[serde(try_from = "Toml")]
pub(super) struct RefusalTable {
    pub(super) contains: Option<String>,
    pub(super) field: Option<String>,
}

/// An expected change.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ChangeTable {
    Put(EntryTable),
    Remove(EntryId),
    Set(Table),
    Unset(String),
}

/// An expected entry. `without` names the members that it must not have.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryTable {
    pub(super) id: EntryId,
    pub(super) title: Option<String>,
    pub(super) date: Option<CaseDate>,
    pub(super) completed: Option<bool>,
    pub(super) order: Option<f64>,
    #[serde(default)]
    pub(super) fields: Table,
    #[serde(default)]
    pub(super) without: Vec<String>,
}

/// A group of an expected page. The group of a plain list has an empty name.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupTable {
    #[serde(default)]
    pub(super) name: String,
    pub(super) title: Option<String>,
    #[serde(default)]
    pub(super) computed: Table,
    pub(super) rows: Vec<RowTable>,
}

/// An expected row: an id, or a table of an id and computed fields.
#[derive(Deserialize, Debug)]
#[serde(try_from = "Toml")]
pub(super) struct RowTable {
    pub(super) id: EntryId,
    pub(super) computed: Table,
}

/// An expected wake-up time, or none.
#[derive(Deserialize, Debug)]
#[serde(try_from = "Toml")]
pub(super) struct WakeUp(pub(super) Option<CaseTime>);

/// A member without a value of its own. It may be `true` only.
#[derive(Deserialize, Debug)]
#[serde(try_from = "bool")]
pub(super) struct Marker;

fn default_rows() -> usize {
    DEFAULT_ROWS
}

impl TryFrom<Toml> for RowTable {
    type Error = String;

    fn try_from(given: Toml) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct FullRow {
            id: EntryId,
            #[serde(default)]
            computed: Table,
        }
        match given {
            Toml::Table(_) => {
                let FullRow { id, computed } = given.try_into().map_err(|error| error.to_string())?;
                Ok(Self { id, computed })
            }
            _ => match given.as_integer().and_then(|id| EntryId::try_from(id).ok()) {
                Some(id) => Ok(Self { id, computed: Table::new() }),
                None => Err(format!("{given} is not a row; write an id, or {{ id = 1, computed = {{ … }} }}")),
            },
        }
    }
}

impl TryFrom<Toml> for RefusalTable {
    type Error = String;

    fn try_from(given: Toml) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Parts {
            contains: Option<String>,
            field: Option<String>,
        }
        match given {
            Toml::String(part) => Ok(Self { contains: Some(part), field: None }),
            Toml::Table(_) => {
                let Parts { contains, field } = given.try_into().map_err(|error| error.to_string())?;
                Ok(Self { contains, field })
            }
            _ => Err(format!("{given} is neither a part of a message nor {{ field = \"due\" }}")),
        }
    }
}

impl TryFrom<Toml> for WakeUp {
    type Error = String;

    fn try_from(given: Toml) -> Result<Self, String> {
        match given {
            Toml::String(text) if text == "never" => Ok(Self(None)),
            Toml::Datetime(moment) => CaseTime::try_from(moment).map(|moment| Self(Some(moment))),
            _ => Err(format!("{given} is neither a time such as 2026-11-24T08:00:00Z nor \"never\"")),
        }
    }
}

impl TryFrom<bool> for Marker {
    type Error = &'static str;

    fn try_from(given: bool) -> Result<Self, Self::Error> {
        if given { Ok(Self) } else { Err("it can only be true; leave it out otherwise") }
    }
}

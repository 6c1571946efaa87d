//! The format of a file of cases. Checks that each case has one action and one expectation.

use serde::Deserialize;
use toml::{Spanned, Table, Value as Toml};

use super::error::CasesError;
use super::time::{CaseDate, CaseTime};
use crate::list::id::EntryId;

/// The default time of a case: 2026-11-23T12:00:00Z.
const DEFAULT_NOW: CaseTime = CaseTime(1_795_435_200_000);

/// The default caller of a case, which is the caller on a server without authentication.
const DEFAULT_CALLER: &str = "anonymous";

/// The default seed of a case.
const DEFAULT_SEED: u64 = 7;

/// The default limit on the rows of a view.
const DEFAULT_ROWS: usize = 1_000;

/// A file of cases.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct CaseFile {
    now: Option<CaseTime>,
    today: Option<CaseDate>,
    utc_offset: Option<i32>,
    caller: Option<String>,
    seed: Option<u64>,
    settings: Option<Table>,
    given: Option<Vec<DraftTable>>,
    #[serde(default)]
    case: Vec<CaseTable>,
}

/// A case in a file: a name, values that differ from the file's, one action and one expectation.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct CaseTable {
    name: Spanned<String>,
    now: Option<CaseTime>,
    today: Option<CaseDate>,
    utc_offset: Option<i32>,
    caller: Option<String>,
    seed: Option<u64>,
    settings: Option<Table>,
    given: Option<Vec<DraftTable>>,
    add: Option<DraftTable>,
    update: Option<PatchTable>,
    delete: Option<EntryId>,
    clear: Option<Marker>,
    command: Option<CustomTable>,
    configure: Option<Table>,
    unset: Option<Vec<String>>,
    wake: Option<Marker>,
    migrate: Option<String>,
    view: Option<ViewTable>,
    next_wake_up: Option<Marker>,
    rejected: Option<RejectionTable>,
    changes: Option<Vec<ChangeTable>>,
    entries: Option<Vec<EntryTable>>,
    settings_after: Option<Table>,
    unchanged: Option<Marker>,
    refused: Option<String>,
    page: Option<Vec<GroupTable>>,
    more: Option<bool>,
    wake_up: Option<WakeUp>,
}

/// One case, with the values that it takes from the file.
#[derive(Debug)]
pub(super) struct TestCase {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) setup: CaseSetup,
    pub(super) action: CaseAction,
    pub(super) expected: Expectation,
}

/// The list and the context before the action.
#[derive(Debug)]
pub(super) struct CaseSetup {
    pub(super) now: CaseTime,
    pub(super) today: CaseDate,
    /// Minutes ahead of UTC.
    pub(super) utc_offset: i32,
    pub(super) caller: String,
    pub(super) seed: u64,
    pub(super) settings: Table,
    pub(super) given: Vec<DraftTable>,
}

/// The action of a case.
#[derive(Debug)]
pub(super) enum CaseAction {
    Decide(CaseCommand),
    View(ViewTable),
    NextWakeUp,
}

/// A command of a case.
#[derive(Debug)]
pub(super) enum CaseCommand {
    Add(DraftTable),
    Update(PatchTable),
    Delete(EntryId),
    Clear,
    Custom(CustomTable),
    Configure(Table),
    Unset(Vec<String>),
    Wake,
    Migrate(String),
}

/// The expected result of a case.
#[derive(Debug)]
pub(super) enum Expectation {
    Rejected(RejectionTable),
    Changes(Vec<ChangeTable>),
    Entries(Vec<EntryTable>),
    SettingsAfter(Table),
    Unchanged,
    Refused(String),
    Page { groups: Vec<GroupTable>, more: Option<bool> },
    WakeUp(WakeUp),
}

/// An entry without an id: a given one, or one to add.
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
struct Marker;

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

impl CaseFile {
    /// The cases of the file. The text serves to count lines.
    pub(super) fn into_cases(mut self, text: &str) -> Result<Vec<TestCase>, CasesError> {
        let cases = std::mem::take(&mut self.case);
        cases.into_iter().map(|case| self.case(case, text)).collect()
    }

    fn case(&self, case: CaseTable, text: &str) -> Result<TestCase, CasesError> {
        let line = text[..case.name.span().start].matches('\n').count() + 1;
        let name = case.name.get_ref().clone();
        let setup = self.setup(&case);
        match case.read() {
            Ok((action, expected)) => Ok(TestCase { name, line, setup, action, expected }),
            Err(problem) => Err(CasesError::Case { name, line, problem }),
        }
    }

    /// The values of the case, else those of the file, else the defaults.
    fn setup(&self, case: &CaseTable) -> CaseSetup {
        let now = case.now.or(self.now).unwrap_or(DEFAULT_NOW);
        let utc_offset = case.utc_offset.or(self.utc_offset).unwrap_or(0);
        let caller = case.caller.as_ref().or(self.caller.as_ref());
        CaseSetup {
            now,
            today: case.today.or(self.today).unwrap_or(CaseDate(now.date(utc_offset))),
            utc_offset,
            caller: caller.map_or_else(|| DEFAULT_CALLER.to_owned(), String::clone),
            seed: case.seed.or(self.seed).unwrap_or(DEFAULT_SEED),
            settings: case.settings.clone().or_else(|| self.settings.clone()).unwrap_or_default(),
            given: case.given.clone().or_else(|| self.given.clone()).unwrap_or_default(),
        }
    }
}

impl CaseTable {
    /// The action and the expectation. Checks that there is one of each and that they fit.
    fn read(self) -> Result<(CaseAction, Expectation), String> {
        let decide = |command: Option<CaseCommand>| command.map(CaseAction::Decide);
        let (acts, action) = one(
            "action",
            [
                ("add", decide(self.add.map(CaseCommand::Add))),
                ("update", decide(self.update.map(CaseCommand::Update))),
                ("delete", decide(self.delete.map(CaseCommand::Delete))),
                ("clear", decide(self.clear.map(|Marker| CaseCommand::Clear))),
                ("command", decide(self.command.map(CaseCommand::Custom))),
                ("configure", decide(self.configure.map(CaseCommand::Configure))),
                ("unset", decide(self.unset.map(CaseCommand::Unset))),
                ("wake", decide(self.wake.map(|Marker| CaseCommand::Wake))),
                ("migrate", decide(self.migrate.map(CaseCommand::Migrate))),
                ("view", self.view.map(CaseAction::View)),
                ("next-wake-up", self.next_wake_up.map(|Marker| CaseAction::NextWakeUp)),
            ],
        )?;
        if self.more.is_some() && self.page.is_none() {
            return Err("`more` says whether rows follow a page; give the `page`, too".into());
        }
        let page = self.page.map(|groups| Expectation::Page { groups, more: self.more });
        let (expects, expected) = one(
            "expectation",
            [
                ("rejected", self.rejected.map(Expectation::Rejected)),
                ("changes", self.changes.map(Expectation::Changes)),
                ("entries", self.entries.map(Expectation::Entries)),
                ("settings-after", self.settings_after.map(Expectation::SettingsAfter)),
                ("unchanged", self.unchanged.map(|Marker| Expectation::Unchanged)),
                ("refused", self.refused.map(Expectation::Refused)),
                ("page", page),
                ("wake-up", self.wake_up.map(Expectation::WakeUp)),
            ],
        )?;
        let fitting: &[&str] = match action {
            CaseAction::View(_) => &["page", "rejected", "refused"],
            CaseAction::NextWakeUp => &["wake-up"],
            CaseAction::Decide(_) => &["changes", "entries", "settings-after", "unchanged", "rejected", "refused"],
        };
        match fitting.contains(&expects) {
            true => Ok((action, expected)),
            false => Err(format!("`{acts}` never results in `{expects}`; expect one of: {}", fitting.join(", "))),
        }
    }
}

/// The only member that is present, with its name.
fn one<T, const N: usize>(what: &str, all: [(&'static str, Option<T>); N]) -> Result<(&'static str, T), String> {
    let names = all.each_ref().map(|(name, _)| *name).join(", ");
    let mut there: Vec<_> = all.into_iter().filter_map(|(name, item)| Some((name, item?))).collect();
    match (there.pop(), there.as_slice()) {
        (Some(only), []) => Ok(only),
        (None, _) => Err(format!("it has no {what}; give one of: {names}")),
        (Some((last, _)), others) => {
            let others: Vec<_> = others.iter().map(|(name, _)| *name).collect();
            Err(format!("it has more than one {what}: {} and {last}; write a case for each", others.join(", ")))
        }
    }
}

//! What a file of cases may say, and that every case says one thing.

use serde::Deserialize;
use toml::{Spanned, Table, Value as Toml};

use super::CasesError;
use super::time::{Day, Moment};
use crate::list::id::EntryId;

/// The time of a case that does not say another: 2026-11-23T12:00:00Z.
const DEFAULT_NOW: Moment = Moment(1_795_435_200_000);

/// Who asks in a case that does not say: what a server without authentication calls everybody.
const DEFAULT_CALLER: &str = "anonymous";

/// The random number of a case that does not give another.
const DEFAULT_SEED: u64 = 7;

/// The most rows that a view is asked for where a case does not say.
const DEFAULT_ROWS: usize = 1_000;

/// A file as it is written.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Shape {
    now: Option<Moment>,
    today: Option<Day>,
    utc_offset: Option<i32>,
    caller: Option<String>,
    seed: Option<u64>,
    settings: Option<Table>,
    given: Option<Vec<DraftShape>>,
    #[serde(default)]
    case: Vec<CaseShape>,
}

/// A case as it is written: a name, what it has other than the file, one action, one expectation.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct CaseShape {
    name: Spanned<String>,
    now: Option<Moment>,
    today: Option<Day>,
    utc_offset: Option<i32>,
    caller: Option<String>,
    seed: Option<u64>,
    settings: Option<Table>,
    given: Option<Vec<DraftShape>>,
    add: Option<DraftShape>,
    update: Option<PatchShape>,
    delete: Option<EntryId>,
    clear: Option<Yes>,
    command: Option<CustomShape>,
    configure: Option<Table>,
    unset: Option<Vec<String>>,
    wake: Option<Yes>,
    migrate: Option<String>,
    view: Option<ViewShape>,
    next_wake_up: Option<Yes>,
    rejected: Option<RejectedShape>,
    changes: Option<Vec<ChangeShape>>,
    entries: Option<Vec<EntryShape>>,
    settings_after: Option<Table>,
    unchanged: Option<Yes>,
    refused: Option<String>,
    page: Option<Vec<GroupShape>>,
    more: Option<bool>,
    wake_up: Option<WakeUp>,
}

/// One case.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) setup: Setup,
    pub(super) action: Action,
    pub(super) expected: Expected,
}

/// What is there before anything is asked.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) now: Moment,
    pub(super) today: Day,
    /// Minutes ahead of UTC.
    pub(super) utc_offset: i32,
    pub(super) caller: String,
    pub(super) seed: u64,
    pub(super) settings: Table,
    pub(super) given: Vec<DraftShape>,
}

/// What is asked.
#[derive(Debug)]
pub(super) enum Action {
    Decide(CommandShape),
    View(ViewShape),
    NextWakeUp,
}

/// What may change the list.
#[derive(Debug)]
pub(super) enum CommandShape {
    Add(DraftShape),
    Update(PatchShape),
    Delete(EntryId),
    Clear,
    Custom(CustomShape),
    Configure(Table),
    Unset(Vec<String>),
    Wake,
    Migrate(String),
}

/// What has to come.
#[derive(Debug)]
pub(super) enum Expected {
    Rejected(RejectedShape),
    Changes(Vec<ChangeShape>),
    Entries(Vec<EntryShape>),
    SettingsAfter(Table),
    Unchanged,
    Refused(String),
    Page { groups: Vec<GroupShape>, more: Option<bool> },
    WakeUp(WakeUp),
}

/// An entry that has no id yet: of what is given, or to be added.
#[derive(Clone, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct DraftShape {
    pub(super) title: String,
    pub(super) date: Option<Day>,
    #[serde(default)]
    pub(super) completed: bool,
    pub(super) order: Option<f64>,
    #[serde(default)]
    pub(super) fields: Table,
}

/// What is to change about an entry. TOML has no null, so what is to go is named in `clear`.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct PatchShape {
    pub(super) id: EntryId,
    pub(super) title: Option<String>,
    pub(super) date: Option<Day>,
    pub(super) completed: Option<bool>,
    pub(super) order: Option<f64>,
    #[serde(default)]
    pub(super) fields: Table,
    #[serde(default)]
    pub(super) clear: Vec<String>,
}

/// One of the logic's own commands.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct CustomShape {
    pub(super) name: String,
    #[serde(default)]
    pub(super) arguments: Table,
}

/// What a reader asks for; without a name, the plain list.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct ViewShape {
    pub(super) name: Option<String>,
    pub(super) date: Option<Day>,
    pub(super) completed: Option<bool>,
    pub(super) after: Option<EntryId>,
    #[serde(default = "default_rows")]
    pub(super) limit: usize,
}

/// A rejection; what is not said may be anything.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct RejectedShape {
    pub(super) code: String,
    pub(super) message: Option<String>,
    pub(super) field: Option<String>,
}

/// One change.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ChangeShape {
    Put(EntryShape),
    Remove(EntryId),
    Set(Table),
    Unset(String),
}

/// An entry that is expected; `without` names what it must not have.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryShape {
    pub(super) id: EntryId,
    pub(super) title: Option<String>,
    pub(super) date: Option<Day>,
    pub(super) completed: Option<bool>,
    pub(super) order: Option<f64>,
    #[serde(default)]
    pub(super) fields: Table,
    #[serde(default)]
    pub(super) without: Vec<String>,
}

/// One group of a page; that of a plain list has an empty name.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupShape {
    #[serde(default)]
    pub(super) name: String,
    pub(super) title: Option<String>,
    #[serde(default)]
    pub(super) computed: Table,
    pub(super) rows: Vec<RowShape>,
}

/// A row: an id, or a table with it and with what is worked out for the reading.
#[derive(Deserialize, Debug)]
#[serde(try_from = "Toml")]
pub(super) struct RowShape {
    pub(super) id: EntryId,
    pub(super) computed: Table,
}

/// When the list is to be woken, if ever.
#[derive(Deserialize, Debug)]
#[serde(try_from = "Toml")]
pub(super) struct WakeUp(pub(super) Option<Moment>);

/// What is said by being there. To say `false` is to leave it out.
#[derive(Deserialize, Debug)]
#[serde(try_from = "bool")]
struct Yes;

fn default_rows() -> usize {
    DEFAULT_ROWS
}

impl TryFrom<Toml> for RowShape {
    type Error = String;

    fn try_from(given: Toml) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Long {
            id: EntryId,
            #[serde(default)]
            computed: Table,
        }
        match given {
            Toml::Table(_) => {
                let Long { id, computed } = given.try_into().map_err(|error| error.to_string())?;
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
            Toml::Datetime(moment) => Moment::try_from(moment).map(|moment| Self(Some(moment))),
            _ => Err(format!("{given} is neither a moment such as 2026-11-24T08:00:00Z nor \"never\"")),
        }
    }
}

impl TryFrom<bool> for Yes {
    type Error = &'static str;

    fn try_from(given: bool) -> Result<Self, Self::Error> {
        if given { Ok(Self) } else { Err("it can only be true; leave it out otherwise") }
    }
}

impl Shape {
    /// The cases, each with all that it takes from the file. The text is there to tell lines.
    pub(super) fn into_cases(mut self, text: &str) -> Result<Vec<Case>, CasesError> {
        let cases = std::mem::take(&mut self.case);
        cases.into_iter().map(|case| self.case(case, text)).collect()
    }

    fn case(&self, case: CaseShape, text: &str) -> Result<Case, CasesError> {
        let line = text[..case.name.span().start].matches('\n').count() + 1;
        let name = case.name.get_ref().clone();
        let setup = self.setup(&case);
        match case.read() {
            Ok((action, expected)) => Ok(Case { name, line, setup, action, expected }),
            Err(problem) => Err(CasesError::Case { name, line, problem }),
        }
    }

    /// What the case says, else what the file says, else what is usual.
    fn setup(&self, case: &CaseShape) -> Setup {
        let now = case.now.or(self.now).unwrap_or(DEFAULT_NOW);
        let utc_offset = case.utc_offset.or(self.utc_offset).unwrap_or(0);
        let caller = case.caller.as_ref().or(self.caller.as_ref());
        Setup {
            now,
            today: case.today.or(self.today).unwrap_or(Day(now.day(utc_offset))),
            utc_offset,
            caller: caller.map_or_else(|| DEFAULT_CALLER.to_owned(), String::clone),
            seed: case.seed.or(self.seed).unwrap_or(DEFAULT_SEED),
            settings: case.settings.clone().or_else(|| self.settings.clone()).unwrap_or_default(),
            given: case.given.clone().or_else(|| self.given.clone()).unwrap_or_default(),
        }
    }
}

impl CaseShape {
    /// The one action and the one expectation, which have to go together.
    fn read(self) -> Result<(Action, Expected), String> {
        let decide = |command: Option<CommandShape>| command.map(Action::Decide);
        let (acts, action) = one(
            "action",
            [
                ("add", decide(self.add.map(CommandShape::Add))),
                ("update", decide(self.update.map(CommandShape::Update))),
                ("delete", decide(self.delete.map(CommandShape::Delete))),
                ("clear", decide(self.clear.map(|Yes| CommandShape::Clear))),
                ("command", decide(self.command.map(CommandShape::Custom))),
                ("configure", decide(self.configure.map(CommandShape::Configure))),
                ("unset", decide(self.unset.map(CommandShape::Unset))),
                ("wake", decide(self.wake.map(|Yes| CommandShape::Wake))),
                ("migrate", decide(self.migrate.map(CommandShape::Migrate))),
                ("view", self.view.map(Action::View)),
                ("next-wake-up", self.next_wake_up.map(|Yes| Action::NextWakeUp)),
            ],
        )?;
        if self.more.is_some() && self.page.is_none() {
            return Err("`more` says whether rows follow a page; give the `page`, too".into());
        }
        let page = self.page.map(|groups| Expected::Page { groups, more: self.more });
        let (expects, expected) = one(
            "expectation",
            [
                ("rejected", self.rejected.map(Expected::Rejected)),
                ("changes", self.changes.map(Expected::Changes)),
                ("entries", self.entries.map(Expected::Entries)),
                ("settings-after", self.settings_after.map(Expected::SettingsAfter)),
                ("unchanged", self.unchanged.map(|Yes| Expected::Unchanged)),
                ("refused", self.refused.map(Expected::Refused)),
                ("page", page),
                ("wake-up", self.wake_up.map(Expected::WakeUp)),
            ],
        )?;
        let fitting: &[&str] = match action {
            Action::View(_) => &["page", "rejected", "refused"],
            Action::NextWakeUp => &["wake-up"],
            Action::Decide(_) => &["changes", "entries", "settings-after", "unchanged", "rejected", "refused"],
        };
        match fitting.contains(&expects) {
            true => Ok((action, expected)),
            false => Err(format!("`{acts}` never comes to `{expects}`; expect one of: {}", fitting.join(", "))),
        }
    }
}

/// The one that is there, with its name.
fn one<T, const N: usize>(what: &str, all: [(&'static str, Option<T>); N]) -> Result<(&'static str, T), String> {
    let names = all.each_ref().map(|(name, _)| *name).join(", ");
    let mut there: Vec<_> = all.into_iter().filter_map(|(name, item)| Some((name, item?))).collect();
    match (there.pop(), there.as_slice()) {
        (Some(only), []) => Ok(only),
        (None, _) => Err(format!("it has no {what}; give one of: {names}")),
        (Some((last, _)), others) => {
            let others: Vec<_> = others.iter().map(|(name, _)| *name).collect();
            Err(format!("it has more than one {what}: {} and {last}; make a case of each", others.join(", ")))
        }
    }
}

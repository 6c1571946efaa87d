//! The format of a file of cases. Checks that each case, or each step of it, has one action and one expectation.

use serde::Deserialize;
use toml::{Spanned, Table};

use super::error::CasesError;
use super::tables::{
    ChangeTable, CustomTable, DraftTable, EntryTable, GivenTable, GroupTable, Marker, PatchTable, RefusalTable,
    RejectionTable, ViewTable, WakeUp,
};
use super::time::{CaseDate, CaseTime};
use crate::list::id::EntryId;

/// The default time of a case: 2026-11-23T12:00:00Z.
const DEFAULT_NOW: CaseTime = CaseTime(1_795_435_200_000);

/// The default caller of a case, which is the caller on a server without authentication.
const DEFAULT_CALLER: &str = "anonymous";

/// The default seed of a case.
const DEFAULT_SEED: u64 = 7;

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
    given: Option<Vec<GivenTable>>,
    #[serde(default)]
    case: Vec<Spanned<CaseTable>>,
}

/// A case in a file: a name, values that differ from the file's, and one action with one expectation or several steps. A step
/// is such a table, too.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct CaseTable {
    name: Option<Spanned<String>>,
    step: Option<Vec<Spanned<CaseTable>>>,
    now: Option<CaseTime>,
    today: Option<CaseDate>,
    utc_offset: Option<i32>,
    caller: Option<String>,
    seed: Option<u64>,
    settings: Option<Table>,
    given: Option<Vec<GivenTable>>,
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
    entries_include: Option<Vec<EntryTable>>,
    settings_after: Option<Table>,
    unchanged: Option<Marker>,
    refused: Option<RefusalTable>,
    page: Option<Vec<GroupTable>>,
    more: Option<bool>,
    wake_up: Option<WakeUp>,
    answered: Option<Marker>,
}

/// One case, with the values that it takes from the file.
#[derive(Debug)]
pub(super) struct TestCase {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) settings: Table,
    pub(super) given: Vec<GivenTable>,
    /// The steps, at least one.
    pub(super) steps: Vec<CaseStep>,
}

/// A step of a case: one action with its context, and the expected result.
#[derive(Debug)]
pub(super) struct CaseStep {
    pub(super) line: usize,
    pub(super) setup: CaseSetup,
    pub(super) action: CaseAction,
    pub(super) expected: Expectation,
}

/// The context of an action.
#[derive(Clone, Debug)]
pub(super) struct CaseSetup {
    pub(super) now: CaseTime,
    pub(super) today: CaseDate,
    /// Minutes ahead of UTC.
    pub(super) utc_offset: i32,
    pub(super) caller: String,
    pub(super) seed: u64,
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
    /// Settings to set, and names of settings to unset.
    Configure(Table, Vec<String>),
    Wake,
    Migrate(String),
}

/// The expected result of a case.
#[derive(Debug)]
pub(super) enum Expectation {
    Rejected(RejectionTable),
    Changes(Vec<ChangeTable>),
    Entries(Vec<EntryTable>),
    EntriesInclude(Vec<EntryTable>),
    SettingsAfter(Table),
    Unchanged,
    Refused(RefusalTable),
    Page {
        groups: Vec<GroupTable>,
        more: Option<bool>,
    },
    WakeUp(WakeUp),
    /// Any answer.
    Answered,
}

impl CaseFile {
    /// The cases of the file. The text serves to count lines.
    pub(super) fn into_cases(mut self, text: &str) -> Result<Vec<TestCase>, CasesError> {
        let cases = std::mem::take(&mut self.case);
        cases.into_iter().map(|case| self.case(case, text)).collect()
    }

    fn case(&self, case: Spanned<CaseTable>, text: &str) -> Result<TestCase, CasesError> {
        let line_of = |at: usize| text[..at].matches('\n').count() + 1;
        let start = case.span().start;
        let mut case = case.into_inner();
        let line = line_of(case.name.as_ref().map_or(start, |name| name.span().start));
        let name = case.name.take().map(Spanned::into_inner);
        let failed = |name: &str, line, problem| CasesError::Case { name: name.to_owned(), line, problem };
        let Some(name) = name else { return Err(failed("", line, "it has no name".into())) };
        let settings = case.settings.take().or_else(|| self.settings.clone()).unwrap_or_default();
        let given = case.given.take().or_else(|| self.given.clone()).unwrap_or_default();
        let context = case.context().or(&self.context());
        let steps = match case.step.take() {
            None => {
                let (action, expected) = case.read().map_err(|problem| failed(&name, line, problem))?;
                vec![CaseStep { line, setup: context.setup(), action, expected }]
            }
            Some(steps) => {
                if case.asks_or_expects() {
                    let problem = "it has steps, so its actions and expectations belong into them";
                    return Err(failed(&name, line, problem.into()));
                }
                let step = |step: Spanned<CaseTable>| {
                    let line = line_of(step.span().start);
                    step.into_inner().into_step(line, &context).map_err(|problem| failed(&name, line, problem))
                };
                steps.into_iter().map(step).collect::<Result<_, _>>()?
            }
        };
        if steps.is_empty() {
            return Err(failed(&name, line, "it has no steps; begin one with [[case.step]]".into()));
        }
        Ok(TestCase { name, line, settings, given, steps })
    }

    /// The context that the file gives.
    fn context(&self) -> GivenContext {
        let Self { now, today, utc_offset, caller, seed, .. } = self;
        GivenContext { now: *now, today: *today, utc_offset: *utc_offset, caller: caller.clone(), seed: *seed }
    }
}

/// What a file, a case or a step gives of a context.
struct GivenContext {
    now: Option<CaseTime>,
    today: Option<CaseDate>,
    utc_offset: Option<i32>,
    caller: Option<String>,
    seed: Option<u64>,
}

impl GivenContext {
    /// This context, with the values of an outer one that it does not give.
    fn or(self, outer: &Self) -> Self {
        Self {
            now: self.now.or(outer.now),
            today: self.today.or(outer.today),
            utc_offset: self.utc_offset.or(outer.utc_offset),
            caller: self.caller.or_else(|| outer.caller.clone()),
            seed: self.seed.or(outer.seed),
        }
    }

    /// The context, with the defaults of what is not given.
    fn setup(&self) -> CaseSetup {
        let (now, utc_offset) = (self.now.unwrap_or(DEFAULT_NOW), self.utc_offset.unwrap_or(0));
        CaseSetup {
            now,
            today: self.today.unwrap_or(CaseDate(now.date(utc_offset))),
            utc_offset,
            caller: self.caller.clone().unwrap_or_else(|| DEFAULT_CALLER.to_owned()),
            seed: self.seed.unwrap_or(DEFAULT_SEED),
        }
    }
}

impl CaseTable {
    fn context(&self) -> GivenContext {
        let Self { now, today, utc_offset, caller, seed, .. } = self;
        GivenContext { now: *now, today: *today, utc_offset: *utc_offset, caller: caller.clone(), seed: *seed }
    }

    /// A step of a case with this context.
    fn into_step(self, line: usize, of_case: &GivenContext) -> Result<CaseStep, String> {
        if self.given.is_some() || self.settings.is_some() || self.step.is_some() {
            return Err(
                "a step goes on with the list of the step before: give `given` and `settings` to the case".into()
            );
        }
        let mut context = self.context();
        if context.now.is_some() && context.today.is_none() {
            // The day of the case is not that of a later step.
            let zone = context.utc_offset.or(of_case.utc_offset).unwrap_or(0);
            context.today = context.now.map(|now| CaseDate(now.date(zone)));
        }
        let setup = context.or(of_case).setup();
        let (action, expected) = self.read()?;
        Ok(CaseStep { line, setup, action, expected })
    }

    /// Whether the table has an action or an expectation.
    fn asks_or_expects(&self) -> bool {
        let asks = self.add.is_some()
            || self.update.is_some()
            || self.delete.is_some()
            || self.clear.is_some()
            || self.command.is_some()
            || self.configure.is_some()
            || self.unset.is_some()
            || self.wake.is_some()
            || self.migrate.is_some()
            || self.view.is_some()
            || self.next_wake_up.is_some();
        let expects = self.rejected.is_some()
            || self.changes.is_some()
            || self.entries.is_some()
            || self.entries_include.is_some()
            || self.settings_after.is_some()
            || self.unchanged.is_some()
            || self.refused.is_some()
            || self.page.is_some()
            || self.more.is_some()
            || self.wake_up.is_some()
            || self.answered.is_some();
        asks || expects
    }

    /// The action and the expectation. Checks that there is one of each and that they fit.
    fn read(self) -> Result<(CaseAction, Expectation), String> {
        let decide = |command: Option<CaseCommand>| command.map(CaseAction::Decide);
        let configures = self.configure.is_some() || self.unset.is_some();
        let settings = configures.then(|| (self.configure.unwrap_or_default(), self.unset.unwrap_or_default()));
        let (acts, action) = one(
            "action",
            [
                ("add", decide(self.add.map(CaseCommand::Add))),
                ("update", decide(self.update.map(CaseCommand::Update))),
                ("delete", decide(self.delete.map(CaseCommand::Delete))),
                ("clear", decide(self.clear.map(|Marker| CaseCommand::Clear))),
                ("command", decide(self.command.map(CaseCommand::Custom))),
                ("configure or unset", decide(settings.map(|(set, unset)| CaseCommand::Configure(set, unset)))),
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
                ("entries-include", self.entries_include.map(Expectation::EntriesInclude)),
                ("settings-after", self.settings_after.map(Expectation::SettingsAfter)),
                ("unchanged", self.unchanged.map(|Marker| Expectation::Unchanged)),
                ("refused", self.refused.map(Expectation::Refused)),
                ("page", page),
                ("wake-up", self.wake_up.map(Expectation::WakeUp)),
                ("answered", self.answered.map(|Marker| Expectation::Answered)),
            ],
        )?;
        let fitting: &[&str] = match action {
            CaseAction::View(_) => &["page", "rejected", "refused", "answered"],
            CaseAction::NextWakeUp => &["wake-up", "answered"],
            CaseAction::Decide(_) => {
                const OF_COMMANDS: [&str; 8] = [
                    "changes",
                    "entries",
                    "entries-include",
                    "settings-after",
                    "unchanged",
                    "rejected",
                    "refused",
                    "answered",
                ];
                &OF_COMMANDS
            }
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

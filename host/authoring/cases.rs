//! Tables of cases for list logic: `hotlist plugin test`.
//!
//! A file of cases names the entries of a list, a command or query, and the expected result. A case is decided as a
//! server decides it, with the host's checks and limits. The list is the one that the case describes, whether or not
//! the logic would have accepted its entries. A case may have several steps, each on the list that the one before left.

mod ask;
mod compare;
mod error;
mod format;
mod rendering;
mod run;
mod tables;
mod time;
mod value;
mod verdict;

use crate::logic::Logic;
use format::{CaseFile, TestCase};
use run::StepRun;

pub use ask::{Ask, AskContext, AskOutcome};
pub use error::CasesError;
pub use verdict::{Problem, Verdict};

/// The folder of cases in a project.
pub const FOLDER: &str = "cases";

/// The ending of the names of files with cases.
pub const FILE_SUFFIX: &str = ".cases.toml";

/// The cases of one file.
#[derive(Debug)]
pub struct Cases {
    cases: Vec<TestCase>,
}

impl Cases {
    /// Parses the text of a file.
    pub fn parse(text: &str) -> Result<Self, CasesError> {
        let file: CaseFile = toml::from_str(text).map_err(|error| CasesError::Malformed(error.to_string()))?;
        let cases = file.into_cases(text)?;
        if cases.is_empty() { Err(CasesError::Empty) } else { Ok(Self { cases }) }
    }

    /// Runs all cases on a logic, in the order of the file.
    pub fn run(&self, logic: &dyn Logic) -> Vec<Verdict> {
        self.cases.iter().map(|case| verdict_on(case, logic)).collect()
    }
}

/// Runs the steps of a case until one fails.
fn verdict_on(case: &TestCase, logic: &dyn Logic) -> Verdict {
    let mut verdict = Verdict { name: case.name.clone(), line: case.line, problems: Vec::new(), printed: Vec::new() };
    let mut list = match run::list_of(case, logic) {
        Ok(list) => list,
        Err(failure) => {
            verdict.problems.push(Problem::Failure(failure));
            return verdict;
        }
    };
    for (number, step) in (1..).zip(&case.steps) {
        let StepRun { outcome, printed, .. } = run::run(step, &list, logic);
        verdict.printed.extend(printed);
        let compared = outcome.and_then(|outcome| {
            let problems = compare::compare(&step.expected, &outcome, logic.description())?;
            Ok((outcome, problems))
        });
        let problems = match compared {
            Ok((outcome, problems)) => {
                list = outcome.list().unwrap_or(list);
                problems
            }
            Err(failure) => vec![Problem::Failure(failure)],
        };
        if !problems.is_empty() {
            let place = (case.steps.len() > 1).then(|| format!("step {number} (line {})", step.line));
            verdict.problems = problems.into_iter().map(|problem| problem.of_step(place.as_deref())).collect();
            return verdict;
        }
    }
    verdict
}

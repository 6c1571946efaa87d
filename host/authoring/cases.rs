//! Tables of cases for list logic: `hotlist plugin test`.
//!
//! A file of cases names the entries of a list, a command or query, and the expected result. A case is decided as a
//! server decides it, with the host's checks and limits. The list is the one that the case describes, whether or not
//! the logic would have accepted its entries.

mod compare;
mod error;
mod format;
mod rendering;
mod run;
mod time;
mod value;
mod verdict;

use crate::logic::Logic;
use format::{CaseFile, TestCase};

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
        let verdict = |case: &TestCase| Verdict {
            name: case.name.clone(),
            line: case.line,
            problems: run::run(case, logic)
                .and_then(|outcome| compare::compare(&case.expected, &outcome, logic.description()))
                .unwrap_or_else(|failure| vec![Problem::Failure(failure)]),
        };
        self.cases.iter().map(verdict).collect()
    }
}

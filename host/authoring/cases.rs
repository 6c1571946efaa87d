//! Rules tried on tables of cases: what `hotlist plugin test` does.
//!
//! A file of cases says what a list holds, what is asked of its logic, and what has to come. A case
//! is decided as a server would decide it, with the host's own checks around the answer and under
//! its limits; but the list is the one that the case describes, whatever the logic would have said
//! of its entries.

mod compare;
mod format;
mod rendering;
mod run;
mod time;
mod value;

use std::fmt;

use crate::logic::Logic;
use format::Shape;

/// The folder of a project that its cases are in.
pub const FOLDER: &str = "cases";

/// How the names of files with cases end.
pub const FILE_SUFFIX: &str = ".cases.toml";

/// The cases of one file.
#[derive(Debug)]
pub struct Cases {
    cases: Vec<format::Case>,
}

/// Why a file holds no cases that could be run.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CasesError {
    /// It is not TOML, or has members that such a file has not; the text names the line.
    #[error("{0}")]
    Malformed(String),
    /// Nothing is tried in it.
    #[error("it holds no case; begin one with [[case]]")]
    Empty,
    /// A case says too little, too much, or what does not go together.
    #[error("case {name:?} in line {line}: {problem}")]
    Case {
        /// What the case is called.
        name: String,
        /// Where that stands in the file.
        line: usize,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

/// What became of one case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// What the case is called.
    pub name: String,
    /// The line of the file that says so.
    pub line: usize,
    /// Why the case failed; empty when it passed.
    pub problems: Vec<Problem>,
}

/// One reason for which a case failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Problem {
    /// Something is not as it was expected.
    Difference {
        /// What: `entry 1, title`.
        at: String,
        /// What should have come, as the file would write it.
        expected: String,
        /// What came.
        came: String,
    },
    /// Nothing came: the logic failed, or the case does not fit the logic.
    Failure(String),
}

impl Cases {
    /// Reads the text of a file.
    pub fn parse(text: &str) -> Result<Self, CasesError> {
        let shape: Shape = toml::from_str(text).map_err(|error| CasesError::Malformed(error.to_string()))?;
        let cases = shape.into_cases(text)?;
        if cases.is_empty() { Err(CasesError::Empty) } else { Ok(Self { cases }) }
    }

    /// Tries every case on a logic, in the order of the file.
    pub fn run(&self, logic: &dyn Logic) -> Vec<Verdict> {
        let verdict = |case: &format::Case| Verdict {
            name: case.name.clone(),
            line: case.line,
            problems: run::run(case, logic)
                .and_then(|outcome| compare::compare(&case.expected, &outcome, logic.description()))
                .unwrap_or_else(|failure| vec![Problem::Failure(failure)]),
        };
        self.cases.iter().map(verdict).collect()
    }
}

impl Verdict {
    /// Whether all came as expected.
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Difference { at, expected, came } => write!(f, "{at}: expected {expected}, came {came}"),
            Self::Failure(failure) => f.write_str(failure),
        }
    }
}

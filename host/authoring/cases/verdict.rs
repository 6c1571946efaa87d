//! The verdict on a case.

use std::fmt;

/// The verdict on one case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// The name of the case.
    pub name: String,
    /// The line of the name in the file.
    pub line: usize,
    /// The reasons why the case failed. Empty if it passed.
    pub problems: Vec<Problem>,
    /// The lines that the logic printed.
    pub printed: Vec<String>,
}

/// A reason why a case failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Problem {
    /// A value differs from the expected one.
    Difference {
        /// The place of the value, such as `entry 1, title`.
        at: String,
        /// The expected value, in the notation of the file.
        expected: String,
        /// The actual value.
        actual: String,
    },
    /// There is no result: the logic failed, or the case does not fit the logic.
    Failure(String),
}

impl Verdict {
    /// Whether the result is as expected.
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
    }
}

impl Problem {
    /// The problem with the place of its step, if the case has several.
    pub(super) fn of_step(self, place: Option<&str>) -> Self {
        match (place, self) {
            (None, problem) => problem,
            (Some(place), Self::Difference { at, expected, actual }) => {
                Self::Difference { at: format!("{place}, {at}"), expected, actual }
            }
            (Some(place), Self::Failure(failure)) => Self::Failure(format!("{place}: {failure}")),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Difference { at, expected, actual } => write!(f, "{at}: expected {expected}, actual {actual}"),
            Self::Failure(failure) => f.write_str(failure),
        }
    }
}

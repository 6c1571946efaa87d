//! Why the cases of a file cannot be run.

/// Why the cases of a file cannot be run.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CasesError {
    /// The file is not TOML or has an unknown member. The text names the line.
    #[error("{0}")]
    Malformed(String),
    /// The file has no case.
    #[error("it has no case: begin one with [[case]]")]
    Empty,
    /// A case lacks a member, or has one too many.
    #[error("case {name:?} in line {line}: {problem}")]
    Case {
        /// The name of the case.
        name: String,
        /// The line of the name.
        line: usize,
        /// What is wrong and how to correct it.
        problem: String,
    },
}

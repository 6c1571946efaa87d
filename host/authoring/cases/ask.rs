//! One question to a logic about any list: `hotlist plugin ask`.

use std::fmt::Write;
use std::sync::Arc;

use super::error::CasesError;
use super::format::{CaseFile, TestCase};
use super::rendering;
use super::run::{self, StepRun};
use crate::list::List;
use crate::list::excerpt::quoted;
use crate::logic::{Cost, Logic};
use crate::render::case::time;

/// The context of a question, where the question itself gives none.
#[derive(Clone, Debug)]
pub struct AskContext {
    /// Milliseconds since the epoch.
    pub now: u64,
    /// Minutes ahead of UTC.
    pub utc_offset: i32,
    /// The caller.
    pub caller: String,
}

/// A question in the notation of a case.
#[derive(Debug)]
pub struct Ask {
    case: TestCase,
}

/// What a logic answered.
#[derive(Debug)]
pub struct AskOutcome {
    /// The answer in the notation of a case, or why there is none.
    pub answer: Result<String, String>,
    /// The lines that the logic printed.
    pub printed: Vec<String>,
    /// What the answer cost.
    pub cost: Cost,
}

impl Ask {
    /// Parses a question, such as `add = { title = "Stew" }`. Further lines may give a context of their own.
    pub fn parse(question: &str, context: &AskContext) -> Result<Self, CasesError> {
        let mut text = format!("now = {}\nutc-offset = {}\n", time(context.now), context.utc_offset);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "caller = {}", quoted(&context.caller));
        let _ = write!(text, "[[case]]\nname = \"the question\"\n{question}\nanswered = true\n");
        let file: CaseFile =
            toml::from_str(&text).map_err(|error| CasesError::Malformed(error.message().to_owned()))?;
        let cases = file.into_cases(&text)?;
        let case = cases.into_iter().next().ok_or(CasesError::Empty)?;
        if case.steps.len() > 1 {
            return Err(CasesError::Malformed("several steps are a case and no question".into()));
        }
        Ok(Self { case })
    }

    /// Asks a logic about a list, or about the one that the question describes.
    pub fn run(&self, logic: &dyn Logic, list: Option<Arc<List>>) -> AskOutcome {
        let list = match list.map_or_else(|| run::list_of(&self.case, logic), Ok) {
            Ok(list) => list,
            Err(problem) => return AskOutcome { answer: Err(problem), printed: Vec::new(), cost: Cost::default() },
        };
        let StepRun { outcome, printed, cost } = run::run(&self.case.steps[0], &list, logic);
        AskOutcome { answer: outcome.map(|outcome| rendering::outcome(&outcome)), printed, cost }
    }
}

//! What a list means, behind a trait: the actor asks, and does not know that wasm answers.

pub mod decide;
pub mod read;
#[cfg(test)]
pub(crate) mod testing;

use std::sync::Arc;

use crate::list::List;
use crate::list::binding::LogicBinding;
use crate::list::change::{Change, Rejection, Violation};
use crate::list::command::{Context, Page, Query};
use crate::list::entry::{Draft, EntryId, Patch};
use crate::list::revision::LogicId;
use crate::list::schema::Description;
use crate::list::value::{Field, Value};

/// One version of one logic, loaded and ready to decide.
pub trait Logic: Send + Sync + 'static {
    /// The keeper that it is for the lists it decides about.
    fn binding(&self) -> &Arc<LogicBinding>;

    /// Which one it is.
    fn id(&self) -> &Arc<LogicId> {
        &self.binding().id
    }

    /// What it says of itself.
    fn description(&self) -> &Description;

    /// Opens a session for decisions about one list. A session is short: it lasts while commands of
    /// one list wait, and is never held while anything else is waited for.
    fn session(&self) -> Result<Box<dyn Session + '_>, Fault>;

    /// Opens a session that meets nothing of an earlier one, as the first after a start does. Slower:
    /// for whoever wants to know whether it makes a difference, and what it costs.
    fn fresh_session(&self) -> Result<Box<dyn Session + '_>, Fault> {
        self.session()
    }
}

/// Decisions about one list, one after the other. Every answer is a function of the arguments.
///
/// A session in which a call failed answers no more calls; open another one.
pub trait Session {
    /// Begins a command: refills the budget of fuel and time that all its calls share.
    fn begin(&mut self);

    /// Begins a command that makes one call for each of `parts` entries, instead of [`Session::begin`].
    ///
    /// The time of the whole command grows with its parts, up to a bound. Its fuel is refilled for each part by
    /// [`Session::begin_part`].
    fn begin_in_parts(&mut self, _parts: usize) {
        self.begin();
    }

    /// Begins one part of a command: refills the fuel, and leaves the time that is left to the command.
    fn begin_part(&mut self) {}

    /// Tells the session that its last answer broke the contract, so that it answers no more calls.
    fn poison(&mut self) {}

    /// What the calls since [`Session::begin`] cost; nothing after a failed one, and nothing where
    /// nobody counts.
    fn cost(&self) -> Cost {
        Cost::default()
    }

    /// Asks what a command does to the list.
    fn decide(&mut self, list: &Arc<List>, context: &Context, ask: Call<'_>) -> Result<Decision, Fault>;

    /// Asks for a page of the list.
    fn view(&mut self, list: &Arc<List>, context: &Context, query: &Query) -> Result<Result<Page, Rejection>, Fault>;

    /// Asks when the list wants to be woken: milliseconds since the epoch, or never.
    fn next_wake_up(&mut self, list: &Arc<List>, context: &Context) -> Result<Option<u64>, Fault>;
}

/// What calls cost, in what is the same on every machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cost {
    /// In wasmtime's unit: about one WebAssembly instruction.
    pub fuel: u64,
    /// How much memory the logic has by now, in bytes.
    pub memory: usize,
}

/// The changes a command makes, or why it makes none. Unchecked: see [`decide::Decider`].
pub type Decision = Result<Vec<Change>, Rejection>;

/// One question to a logic.
#[derive(Clone, Copy, Debug)]
pub enum Call<'a> {
    /// May this entry be added?
    Add(&'a Draft),
    /// May this entry be changed so?
    Update(EntryId, &'a Patch),
    /// May this entry go?
    Delete(EntryId),
    /// Carry out a command of the logic's own.
    Custom(&'a str, &'a [Field]),
    /// May these settings be set, or taken away?
    Configure(&'a [(String, Option<Value>)]),
    /// The time asked for has come.
    Wake,
    /// Take over a list that another logic, or another version of this one, written `todo@1.0.0`, kept until
    /// now.
    Migrate(&'a str),
}

/// A failure of the logic itself. The list is as it was, and the next command finds the logic
/// ready again.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Fault {
    /// It ended itself: a panic, an out-of-bounds access, a division by zero.
    #[error("it trapped: {0}")]
    Trap(String),
    /// It computed for longer than the budget that is the same on every machine.
    #[error("it used up its budget of {budget} units of fuel")]
    Fuel {
        /// The budget, in wasmtime's unit: about one WebAssembly instruction.
        budget: u64,
    },
    /// It ran for too long by the clock on the wall.
    #[error("it ran for longer than {milliseconds} ms")]
    Deadline {
        /// The limit.
        milliseconds: u64,
    },
    /// It wanted more memory than it may have.
    #[error("it wanted more than {limit} bytes of memory")]
    Memory {
        /// The limit, over all its memories.
        limit: usize,
    },
    /// It called itself too deeply.
    #[error("it used up its stack")]
    Stack,
    /// Its answer breaks the contract.
    #[error("it broke the contract: {0}")]
    Violation(#[from] Violation),
    /// Asked twice, it gave two answers.
    #[error("it broke the contract: asked the same twice, it gave two answers, so it keeps state between calls")]
    Impure,
    /// The host has no room for another instance at the moment.
    #[error("no instance of it could be made: {0}")]
    Instance(String),
}

impl Fault {
    /// The [kind](Self::kind) of [`Fault::Deadline`].
    pub const DEADLINE: &str = "deadline";
    /// The [kind](Self::kind) of [`Fault::Instance`].
    pub const INSTANCE: &str = "instance";

    /// Whether it may go differently the next time, because it was the machine's doing: it was busy, or had no
    /// room.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Deadline { .. } | Self::Instance(_))
    }

    /// A word for programs, stable: `trap`, `fuel`, `deadline`, `memory`, `stack`, `violation`,
    /// `impure` or `instance`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Trap(_) => "trap",
            Self::Fuel { .. } => "fuel",
            Self::Deadline { .. } => Self::DEADLINE,
            Self::Memory { .. } => "memory",
            Self::Stack => "stack",
            Self::Violation(_) => "violation",
            Self::Impure => "impure",
            Self::Instance(_) => Self::INSTANCE,
        }
    }
}

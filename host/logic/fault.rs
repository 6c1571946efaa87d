//! The ways in which a logic fails.

use crate::list::change::Violation;
use crate::list::printable::printable;

/// A failure of the logic itself. The list is unchanged, and the next command gets a working logic again.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Fault {
    /// The component trapped: a panic, an out-of-bounds access, a division by zero. The text is the cause in the component's
    /// own words if it printed any, such as `panicked at src/lib.rs:10:5: no such column`, or else the trap.
    #[error("it trapped: {}", printable(.0))]
    Trap(String),
    /// The command used more fuel than its budget, which is the same on every machine.
    #[error("it used up its budget of {budget} units of fuel")]
    Fuel {
        /// The budget. One unit of wasmtime's fuel is about one WebAssembly instruction.
        budget: u64,
    },
    /// The command ran past its deadline.
    #[error("it ran for longer than {milliseconds} ms")]
    Deadline {
        /// The time that the command had.
        milliseconds: u64,
    },
    /// The component asked for more memory than its limit.
    #[error("it wanted more than {limit} bytes of memory")]
    Memory {
        /// The limit over all memories of an instance.
        limit: usize,
    },
    /// The component used up its stack, as unbounded recursion does.
    #[error("it used up its stack")]
    Stack,
    /// The answer breaks the contract.
    #[error("it broke the contract: {0}")]
    Violation(#[from] Violation),
    /// The same call gave two different answers.
    #[error("it broke the contract: asked the same twice, it gave two answers, so it keeps state between calls")]
    Impure,
    /// The host could not make an instance, because the pool is full or the machine is out of resources.
    #[error("no instance of it could be made: {}", printable(.0))]
    Instance(String),
}

impl Fault {
    /// The [kind](Self::kind) of [`Fault::Deadline`].
    pub const DEADLINE: &str = "deadline";
    /// The [kind](Self::kind) of [`Fault::Instance`].
    pub const INSTANCE: &str = "instance";

    /// Returns whether a busy or full machine can be the cause, so that another try may succeed.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Deadline { .. } | Self::Instance(_))
    }

    /// Returns whether only the author of the logic can mend the fault: a trap, or a broken contract. The other faults
    /// are about a limit, and a list that is large enough reaches any limit.
    pub fn is_defect(&self) -> bool {
        match self {
            Self::Violation(Violation::TooManyChanges { .. }) => false,
            Self::Trap(_) | Self::Violation(_) | Self::Impure => true,
            Self::Fuel { .. } | Self::Deadline { .. } | Self::Memory { .. } | Self::Stack | Self::Instance(_) => false,
        }
    }

    /// Returns a stable word for programs: `trap`, `fuel`, `deadline`, `memory`, `stack`, `violation`, `impure` or
    /// `instance`.
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

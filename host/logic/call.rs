//! The calls that a session answers, and their cost.

use crate::list::change::{Change, Rejection};
use crate::list::entry::{Draft, Patch};
use crate::list::id::EntryId;
use crate::list::value::{Field, Value};

/// One call of a logic.
#[derive(Clone, Copy, Debug)]
pub enum Call<'a> {
    /// Add an entry.
    Add(&'a Draft),
    /// Change an entry.
    Update(EntryId, &'a Patch),
    /// Delete an entry.
    Delete(EntryId),
    /// Run one of the logic's own commands, with its arguments.
    Custom(&'a str, &'a [Field]),
    /// Set settings, or clear those without a value.
    Configure(&'a [(String, Option<Value>)]),
    /// Wake the list at the time that the logic named.
    Wake,
    /// Migrate a list to this version. The text names the version that wrote the list, such as `todo@1.0.0`, which
    /// may be a version of another logic.
    Migrate(&'a str),
}

/// The changes of a call, or the reason why it makes none. Not checked yet: [`Decider`](super::decide::Decider)
/// checks the changes.
pub type Decision = Result<Vec<Change>, Rejection>;

/// The cost of calls, in units that are the same on every machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cost {
    /// Fuel used. One unit of wasmtime's fuel is about one WebAssembly instruction.
    pub fuel: u64,
    /// Memory that the instance has after the calls, in bytes.
    pub memory: usize,
}

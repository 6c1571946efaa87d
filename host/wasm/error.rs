//! Why a component cannot be loaded.

use std::time::Duration;

use super::contract::CONTRACT;
use crate::list::printable::printable;
use crate::list::schema::SchemaError;
use crate::logic::Fault;

/// Why a component cannot be loaded as logic.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is larger than a component may be.
    #[error("it has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The largest size.
        limit: usize,
    },
    /// The bytes are not a WebAssembly component.
    #[error("it is not a WebAssembly component: {}", printable(.0))]
    NotAComponent(String),
    /// A component has more parts than an instance has room for.
    #[error("{place} has {count} {what}, and {limit} is the most that is compiled")]
    TooMuch {
        /// The component, or the part of it.
        place: &'static str,
        /// What is counted.
        what: &'static str,
        /// The count where counting stopped.
        count: u64,
        /// The most that is compiled.
        limit: u64,
    },
    /// The compiler took more memory than it may.
    #[error("compiling it takes more than {limit} bytes of memory, which is the limit (--max-compile-memory)")]
    CompileMemory {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The compiler took more processor time than it may.
    #[error("compiling it takes more than {limit:?} of processor time, which is the limit (--max-compile-time)")]
    CompileTime {
        /// The limit.
        limit: Duration,
    },
    /// The machine could not compile it. That says nothing about the component.
    #[error("it could not be compiled: {0}")]
    Compiler(String),
    /// The caller does not want it any more, or the server stops.
    #[error("its compilation was stopped")]
    Cancelled,
    /// It imports something that no plugin may import.
    #[error(
        "it imports {}, which is foreign: a plugin may import hotlist:logic/current-list and hotlist:logic/log, the engine of its language also parts of WASI 0.2, and nothing else (it speaks contract {}, this host speaks {CONTRACT})",
        printable(import),
        printable(theirs)
    )]
    ForeignImport {
        /// The import.
        import: String,
        /// The version of the contract it was built for.
        theirs: String,
    },
    /// It is a component of another world, or of another version of the contract.
    #[error(
        "it does not export hotlist:logic/todo-list-logic@{CONTRACT}: it speaks contract {}, this host speaks {CONTRACT}",
        printable(theirs)
    )]
    OtherWorld {
        /// The version of the contract it was built for.
        theirs: String,
    },
    /// It does not compile, or its types are not the contract's.
    #[error("it does not fit the contract: {}", printable(.0))]
    Invalid(String),
    /// Its description is malformed.
    #[error("its description is malformed: {0}")]
    Description(#[from] SchemaError),
    /// A first call failed: its description, a command or a query.
    #[error("it failed its smoke test: {0}")]
    SmokeTest(#[from] Fault),
}

impl From<wasmparser::BinaryReaderError> for LoadError {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::NotAComponent(error.to_string())
    }
}

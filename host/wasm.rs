//! The only door to wasmtime: from a component's bytes to a [`Logic`].
//!
//! A component is inspected before it is compiled, so that what it wants from outside is named and
//! refused cheaply; then compiled (or taken from the cache of compiled code), described and tried
//! out. Every call into it is bounded in fuel, time, memory, stack and size of answer.

mod compile_limits;
mod component;
pub mod engine;
mod guest_log;
mod inspect;
mod instance;
mod v0_1_0;
mod wasi;

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::list::List;
use crate::list::change::Rejection;
use crate::list::command::{Command, Context, Query};
use crate::list::date::Date;
use crate::list::entry::Draft;
use crate::list::name::LogicName;
use crate::list::schema::{Reading, SchemaError};
use crate::logic::decide::Decider;
use crate::logic::{Fault, Logic, Refusal};

pub use component::Isolation;
pub use engine::{Engine, EngineError, Settings};
pub use guest_log::TARGET as LOG_TARGET;
pub use inspect::{CONTRACT, Contents};

/// Why a component is not taken as logic.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is larger than a component may be.
    #[error("it has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        limit: usize,
    },
    /// The bytes are not a WebAssembly component.
    #[error("it is not a WebAssembly component: {0}")]
    NotAComponent(String),
    /// There is more of something than can be compiled in reasonable time and memory.
    #[error("{place} has {count} {what}, and {limit} is the most that is compiled")]
    TooMuch {
        /// What has it: the component, or a part of it.
        place: &'static str,
        /// What there is too much of.
        what: &'static str,
        /// How much there is, as far as was counted.
        count: u64,
        /// How much there may be.
        limit: u64,
    },
    /// It wants something that no plugin gets.
    #[error(
        "it imports {import}, which is foreign: a plugin may import hotlist:logic/current-list and hotlist:logic/log, the engine of its language also parts of WASI 0.2, and nothing else (it speaks contract {theirs}, this host speaks {CONTRACT})"
    )]
    ForeignImport {
        /// What it wants.
        import: String,
        /// The version of the contract it was built for.
        theirs: String,
    },
    /// It is a component of another world, or of another version of the contract.
    #[error(
        "it does not export hotlist:logic/todo-list-logic@{CONTRACT}: it speaks contract {theirs}, this host speaks {CONTRACT}"
    )]
    OtherWorld {
        /// The version of the contract it was built for.
        theirs: String,
    },
    /// It does not compile, or its types are not the contract's.
    #[error("it does not fit the contract: {0}")]
    Invalid(String),
    /// What it says of itself is malformed.
    #[error("its description is malformed: {0}")]
    Description(#[from] SchemaError),
    /// It failed when it was tried out.
    #[error("it failed its trial: {0}")]
    Trial(#[from] Fault),
}

/// Makes logic of a component. Blocks while the component is compiled: call it off the runtime.
pub fn load(engine: &Engine, name: LogicName, bytes: &[u8], isolation: Isolation) -> Result<Box<dyn Logic>, LoadError> {
    let limit = engine.settings().component_bytes;
    if bytes.len() > limit {
        return Err(LoadError::TooLarge { bytes: bytes.len(), limit });
    }
    let contents = inspect::inspect(bytes)?;
    contents.check()?;
    let weight = contents.needs.weight(engine.settings());
    let logic = component::ComponentLogic::compile(engine, name, bytes, isolation, weight)?;
    logic.description().check()?;
    try_out(&logic)?;
    Ok(Box::new(logic))
}

/// What a component is, read from its bytes without compiling or running it.
pub fn contents(bytes: &[u8]) -> Result<Contents, LoadError> {
    inspect::inspect(bytes)
}

/// The SHA-256 of a component's bytes, which is its identity.
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Has a new component decide a command and read a list, so that one which fails at everything is
/// never published. It may reject; it may not fail.
fn try_out(logic: &dyn Logic) -> Result<(), Fault> {
    let today = Date::new(2001, 1, 1).expect("the calendar has new year's day");
    let context = Context { now: 978_307_200_000, today, utc_offset: 0, caller: "hotlist".into(), seed: 1 };
    let list = Arc::new(List::absent(0));
    let mut session = logic.session()?;
    let entry = Draft { title: "Trial".into(), ..Draft::default() };
    let mut decider = Decider { logic, session: session.as_mut(), limits: crate::list::Limits::default() };
    let list = match decider.decide(&list, &context, &Command::Add(entry)) {
        Ok(decided) => decided.list,
        Err(Refusal::Fault(fault)) => return Err(fault),
        Err(_) => list,
    };
    if logic.description().reading == Reading::Logic {
        session.begin();
        let query = Query { limit: 10, ..Query::default() };
        let _: Result<_, Rejection> = session.view(&list, &context, &query)?;
    }
    Ok(())
}

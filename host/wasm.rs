//! The only module that knows wasmtime: from the bytes of a component to a [`Logic`](crate::logic::Logic).
//!
//! A component is loaded in four steps:
//!
//! 1. [`inspect`] reads its imports, exports and sizes from the bytes. A component that imports something foreign, or
//!    that has more parts than an instance has room for, is refused before anything is compiled.
//! 2. [`compile`] compiles it within limits on memory and time, unless [`compiled`] has its code on disk.
//! 3. [`component`] asks two instances for the description, which must be the same.
//! 4. [`load`](mod@load) lets it decide one command and answer one query.
//!
//! Each call into a component has limits on fuel, time, memory, stack and the size of its answer.

mod cause;
mod compile;
mod compiled;
mod component;
mod contract;
mod deadline;
pub mod engine;
mod error;
mod guest_log;
mod inspect;
mod instance;
mod kept;
mod load;
mod log_bucket;
mod machine;
mod part_counts;
mod slots;
mod state;
mod ticks;
mod v0_1_0;
mod wasi;

pub use compile::child::run_child as run_compiler;
pub use compile::{ChildProcess, CompileIn};
pub use compiled::remove_compilations;
pub use component::Isolation;
pub use contract::CONTRACT;
pub use engine::{Engine, EngineError, Settings};
pub use error::LoadError;
pub use inspect::{Contents, inspect as contents};
pub use load::{LoadOptions, load};
pub use log_bucket::{PROBE_TARGET, TARGET as LOG_TARGET};

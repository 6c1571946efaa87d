//! Compiles components with the engine.

use std::collections::BTreeSet;

use crate::list::name::LogicName;
use crate::logic::Logic;
use crate::rollout::{CompileError, Compiler};
use crate::wasm::{self, Engine, Isolation, LoadError};

/// The publisher's way to the engine.
pub(super) struct EngineCompiler {
    pub(super) engine: Engine,
    /// The logics whose instances never serve two lists.
    pub(super) isolated: BTreeSet<LogicName>,
}

impl Compiler for EngineCompiler {
    fn compile(&self, name: &LogicName, bytes: &[u8]) -> Result<Box<dyn Logic>, CompileError> {
        let isolation = if self.isolated.contains(name) { Isolation::List } else { Isolation::Shared };
        wasm::load(&self.engine, name.clone(), bytes, isolation).map_err(|error| CompileError {
            why: error.to_string(),
            is_transient: matches!(&error, LoadError::SmokeTest(fault) if fault.is_busy()),
        })
    }
}

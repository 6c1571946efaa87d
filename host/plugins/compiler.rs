//! Compiles components with the engine.

use super::builtin::BUILTIN;
use crate::list::name::LogicName;
use crate::logic::Logic;
use crate::rollout::{CompileError, Compiler, IsCancelled};
use crate::wasm::{self, Engine, Isolation, LoadError, LoadOptions};

/// The publisher's way to the engine.
pub(super) struct EngineCompiler {
    pub(super) engine: Engine,
}

impl Compiler for EngineCompiler {
    fn compile(
        &self,
        name: &LogicName,
        bytes: &[u8],
        is_cancelled: IsCancelled<'_>,
    ) -> Result<Box<dyn Logic>, CompileError> {
        // The registry allows some versions to share instances once they are loaded.
        let isolation = Isolation::List;
        let is_trusted = BUILTIN.iter().any(|(_, builtin)| *builtin == bytes);
        let options = LoadOptions { isolation, is_trusted, is_cancelled };
        wasm::load(&self.engine, name.clone(), bytes, options).map_err(compile_error)
    }
}

fn compile_error(error: LoadError) -> CompileError {
    let why = error.to_string();
    match error {
        LoadError::CompileMemory { limit } => CompileError::Limit { why, name: "compile memory", value: limit },
        LoadError::CompileTime { limit } => {
            let value = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
            CompileError::Limit { why, name: "compile time", value }
        }
        LoadError::Compiler(_) => CompileError::Machine(why),
        LoadError::Cancelled => CompileError::Cancelled,
        LoadError::SmokeTest(fault) => CompileError::Refused { why, is_transient: fault.is_busy() },
        _ => CompileError::Refused { why, is_transient: false },
    }
}

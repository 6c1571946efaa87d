//! The compiler: its settings, which every process has to share, and the file of machine code that it makes.

use std::path::Path;

use wasmtime::component::Component;
use wasmtime::{Cache, CacheConfig, Config, Engine, WasmFeatures};

/// The directory in which wasmtime keeps code, in the directory that it is given.
pub(in crate::wasm) const CODE_DIRECTORY: &str = "modules";

/// The most bytes of a compiler error that are passed on.
const MAX_REASON_BYTES: usize = 2_000;

/// The most bytes of the machine code of one component, which a server holds in memory. CPython has 80 MB.
const MAX_CODE_BYTES: usize = 256 << 20;

/// The proposals that a component may use: those of WebAssembly 2.0, and those that compilers use besides. Garbage collection
/// is not among them, and the types of references that 2.0 has for it are not either.
///
/// All others are off, also those that a newer wasmtime turns on by itself. Each would be code of the host that strangers
/// reach. Results of relaxed SIMD may differ from machine to machine, too.
const PROPOSALS: WasmFeatures = WasmFeatures::WASM2
    .difference(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::COMPONENT_MODEL);

/// Sets what decides how code looks and how it behaves. Code runs only in an engine with the same settings.
pub(in crate::wasm) fn configure(config: &mut Config) {
    config
        .concurrency_support(false) // this world is synchronous; left on, an empty call costs three times as much
        .consume_fuel(true)
        .epoch_interruption(true)
        .wasm_features(!PROPOSALS, false);
}

/// Sets what only an engine that compiles can be told.
pub(in crate::wasm) fn configure_compiler(config: &mut Config) {
    config.cranelift_nan_canonicalization(true); // the bits of a NaN may differ from machine to machine
}

/// Compiles a component and has wasmtime write its code into a directory, which is an absolute path.
pub(in crate::wasm) fn compile(bytes: &[u8], directory: &Path) -> wasmtime::Result<()> {
    let mut cache = CacheConfig::new();
    cache.with_directory(directory);
    let mut config = Config::new();
    configure(&mut config);
    configure_compiler(&mut config);
    config.cache(Some(Cache::new(cache)?));
    let component = Component::new(&Engine::new(&config)?, bytes)?;
    let (image, limit) = (component.image_range(), MAX_CODE_BYTES);
    let size = image.end as usize - image.start as usize;
    wasmtime::ensure!(size <= limit, "its compiled code has {size} bytes, the limit is {limit}");
    Ok(())
}

/// The text of a compiler error, cut off: it quotes names of any length.
pub(in crate::wasm) fn reason(error: &wasmtime::Error) -> String {
    let mut reason = format!("{error:#}");
    reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error of compiling a component, which is given as text.
    fn error_of(text: &str) -> Option<String> {
        let mut config = Config::new();
        configure(&mut config);
        let engine = Engine::new(&config).expect("an engine");
        let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        Component::new(&engine, bytes).err().map(|error| reason(&error))
    }

    #[test]
    fn a_component_that_uses_a_proposal_that_is_off_is_refused_by_its_name() {
        for (module, proposal) in [
            ("(type (struct))", "gc"),
            ("(func (param externref))", "gc"),
            ("(type $t (func)) (func (param (ref $t)))", "function references"),
            ("(tag)", "exceptions"),
            ("(func try catch_all end)", "legacy_exceptions"),
            ("(memory 1 1 shared)", "threads"),
            ("(memory 1) (func i32.const 0 i32.const 0 i32.atomic.rmw.add drop)", "threads"),
            ("(type (shared (func)))", "shared-everything-threads"),
            ("(memory i64 1)", "memory64"),
            ("(table i64 1 funcref)", "memory64"),
            ("(memory 1 (pagesize 1))", "custom page sizes"),
            ("(type $f (func)) (type (cont $f))", "stack switching"),
            ("(func i64.const 0 i64.const 0 i64.mul_wide_u drop drop)", "wide arithmetic"),
            ("(func (param v128) local.get 0 local.get 0 i8x16.relaxed_swizzle drop)", "relaxed SIMD"),
        ] {
            let why = error_of(&format!("(component (core module {module}))")).unwrap_or_default();
            assert!(why.contains(proposal), "{module}: {why}");
        }
        for (component, proposal) in [
            ("(core func (canon backpressure.inc))", "async"),
            ("(type (stream u8))", "async"),
            ("(core func (canon thread.yield))", "async"),
            ("(type error-context)", "error-context"),
            ("(type (list u8 4))", "fixed-length lists"),
            ("(type (map string u8))", "component model map"),
        ] {
            let why = error_of(&format!("(component {component})")).unwrap_or_default();
            assert!(why.contains(proposal), "{component}: {why}");
        }
    }

    #[test]
    fn a_component_may_use_what_compilers_use() {
        for module in [
            "(func (result i32 i64) i32.const 0 i64.const 0)",
            "(memory 1) (func i32.const 0 i32.const 0 i32.const 0 memory.fill)",
            "(memory 1) (memory 1)",
            "(table 1 funcref) (elem declare func 0) (func ref.func 0 drop)",
            "(func (param v128) local.get 0 local.get 0 i8x16.swizzle drop)",
            "(func $f return_call $f)",
            "(global i32 (i32.add (i32.const 1) (i32.const 2)))",
        ] {
            assert_eq!(error_of(&format!("(component (core module {module}))")), None, "{module}");
        }
    }
}

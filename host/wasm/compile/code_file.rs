//! The compiler: its settings, which every process has to share, and the file of machine code that it makes.

use std::path::Path;

use wasmtime::component::Component;
use wasmtime::{Cache, CacheConfig, Config, Engine};

/// The directory in which wasmtime keeps code, in the directory that it is given.
pub(in crate::wasm) const CODE_DIRECTORY: &str = "modules";

/// The most bytes of a compiler error that are passed on.
const MAX_REASON_BYTES: usize = 2_000;

/// The most bytes of the machine code of one component, which a server holds in memory. CPython has 80 MB.
const MAX_CODE_BYTES: usize = 256 << 20;

/// Sets what decides how code looks and how it behaves. Code runs only in an engine with the same settings.
pub(in crate::wasm) fn configure(config: &mut Config) {
    config
        .concurrency_support(false) // this world is synchronous; left on, an empty call costs three times as much
        .consume_fuel(true)
        .epoch_interruption(true)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false); // its results may differ from machine to machine
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

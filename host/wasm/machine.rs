//! Failures of the machine, told apart from those of a component.
//!
//! A machine that is short of memory or hardened too much says nothing about a component, so its failures must not be kept as
//! what is wrong with one.

use std::io;

use rustix::io::Errno;
use wasmtime::{Config, Engine, Module};

use super::compile::code_file::{configure, configure_compiler, reason};
use super::error::LoadError;

/// A module with one empty function, in the binary format of WebAssembly.
const SMALLEST: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x04\x01\x02\0\x0b";

/// Compiles the smallest module. This fails if the process may not make memory executable.
pub(super) fn try_executable_memory() -> wasmtime::Result<()> {
    let mut config = Config::new();
    configure(&mut config);
    configure_compiler(&mut config);
    Module::new(&Engine::new(&config)?, SMALLEST).map(drop)
}

/// Why a component could not be loaded, by an error of wasmtime.
pub(super) fn load_error(error: &wasmtime::Error) -> LoadError {
    let is_of_machine = error.chain().any(|cause| cause.is::<Errno>() || cause.is::<io::Error>());
    if is_of_machine { LoadError::Compiler(reason(error)) } else { LoadError::Invalid(reason(error)) }
}

/// Whether the operating system refused an address range, because of a limit or because it has no memory.
pub(super) fn lacks_memory(error: &wasmtime::Error) -> bool {
    let is_lack = |cause: &(dyn std::error::Error + 'static)| {
        let errno = cause.downcast_ref::<io::Error>().and_then(Errno::from_io_error);
        errno.as_ref().or_else(|| cause.downcast_ref()) == Some(&Errno::NOMEM)
    };
    error.chain().any(is_lack)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_operating_system_says_nothing_about_a_component() {
        try_executable_memory().expect("tests run without such hardening");
        for error in [wasmtime::Error::new(Errno::ACCESS), wasmtime::Error::new(io::Error::from(Errno::NOMEM))] {
            assert!(matches!(load_error(&error.context("no executable memory")), LoadError::Compiler(_)));
        }
        assert!(matches!(load_error(&wasmtime::Error::msg("unknown import")), LoadError::Invalid(_)));
        assert!(lacks_memory(&wasmtime::Error::new(Errno::NOMEM)));
        assert!(lacks_memory(&wasmtime::Error::new(io::Error::from(Errno::NOMEM)).context("a pool")));
        assert!(!lacks_memory(&wasmtime::Error::new(Errno::ACCESS)));
    }
}

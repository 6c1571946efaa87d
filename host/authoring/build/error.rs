//! Why a build failed.

use std::io;
use std::path::PathBuf;

use super::names::{GUEST_CARGO, TARGET};

/// Why a build failed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no plugin, or its project file cannot be parsed.
    #[error("{0}")]
    Package(String),
    /// The toolchain cannot compile for WebAssembly.
    #[error(
        "the Rust toolchain in {} cannot compile for {TARGET}. With rustup, run\n\
         \n    rustup target add {TARGET}\n\n\
         Where rustup cannot download it, Debian's Rust can build it from source; run\n\
         \n    apt-get install -y --no-install-recommends rustc-web cargo-web rust-web-src\n    \
         export {GUEST_CARGO}=/usr/bin/cargo\n\n\
         and then this command again.", .sysroot.display()
    )]
    NoTarget {
        /// The root folder of the toolchain.
        sysroot: PathBuf,
    },
    /// The toolchain must build the standard library and there is no linker for it.
    #[error(
        "there is no linker for {TARGET}: neither rust-lld nor wasm-ld. Run\n\n    apt-get install -y lld\n\nand then this command again."
    )]
    NoLinker,
    /// A program that is needed cannot be run.
    #[error("cannot run {}: {error}", .program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// A tool failed. It printed the reason on the standard error.
    #[error("{program} failed; its own message is above")]
    Tool {
        /// The tool.
        program: String,
    },
    /// A program that is needed is not installed.
    #[error("there is no {program} on this machine: install {what}, and run this command again")]
    Missing {
        /// The program.
        program: &'static str,
        /// The package that has the program.
        what: &'static str,
    },
    /// The module cannot be encoded as a component.
    #[error("the module is not a plugin: {0}. Does the crate call `hotlist_plugin::export!`?")]
    Encode(String),
    /// A file cannot be read or written.
    #[error("{}: {error}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
}

//! `hotlist compile MEMORY MILLISECONDS`: compiles the component in the working directory within limits.
//!
//! Internal: a server starts it for each component, from its own program file, see [`wasm::CompileIn`](crate::wasm::CompileIn).
//! It is hidden from the help, because its arguments and files belong to the one program that starts it. The exit code says
//! whether the component compiles and which limit it reached. It ends when its standard input is closed.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::wasm::run_compiler;

#[derive(Args, Debug)]
pub(super) struct CompileArgs {
    /// The most memory of the process, in bytes
    #[arg(value_name = "MEMORY")]
    memory: u64,
    /// The most processor time of the process, in milliseconds
    #[arg(value_name = "MILLISECONDS")]
    milliseconds: u64,
}

pub(super) fn compile(arguments: &CompileArgs) -> ExitCode {
    run_compiler(arguments.memory, Duration::from_millis(arguments.milliseconds)).into()
}

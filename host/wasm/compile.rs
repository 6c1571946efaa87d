//! Compiles a component into a file of machine code: in this process, or in a child process with limits.
//!
//! A compiler that is at work cannot be stopped within a process, and the time and memory that it takes grow faster than
//! the size of its input. So a server compiles in a child process, `hotlist compile`, whose limits the kernel keeps, and
//! kills it when it is late or when the server stops. Tools compile in their own process, because their users compile
//! their own components.
//!
//! - [`code_file`] compiles, wherever that is.
//! - [`child`] is what the child process does, and [`process`] starts one and waits for it. Both agree on [`protocol`].

pub(super) mod child;
pub(super) mod code_file;
pub(super) mod process;
mod protocol;

use std::path::Path;

use super::error::LoadError;
use super::machine::load_error;
pub use process::ChildProcess;

/// Where components are compiled.
#[derive(Clone, Debug, Default)]
pub enum CompileIn {
    /// In this process, without a limit.
    #[default]
    ThisProcess,
    /// In a child process for each component, within limits.
    Child(ChildProcess),
}

impl CompileIn {
    /// Compiles a component and leaves its code in a directory, as the only file below
    /// [`CODE_DIRECTORY`](code_file::CODE_DIRECTORY). Ends soon after `is_cancelled` says so.
    pub(super) fn compile(
        &self,
        bytes: &[u8],
        directory: &Path,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<(), LoadError> {
        match self {
            Self::ThisProcess => code_file::compile(bytes, directory).map_err(|error| load_error(&error)),
            Self::Child(child) => child.compile(bytes, directory, is_cancelled),
        }
    }
}

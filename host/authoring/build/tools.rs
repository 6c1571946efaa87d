//! The tools of a language, run in the folder of a project.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

use super::error::BuildError;
use super::names::SCRATCH;

/// Runs the tools of a language in the folder of a project.
pub(super) struct Tools<'a> {
    /// The project's folder.
    pub(super) dir: &'a Path,
    /// The time that all tools took.
    pub(super) spent: Duration,
}

impl Tools<'_> {
    /// Runs a tool in the project's folder. Its output goes to the standard error, unchanged.
    pub(super) fn run(&mut self, command: &mut Command) -> Result<(), BuildError> {
        let program = PathBuf::from(command.get_program());
        command.current_dir(self.dir).stdin(Stdio::null()).stdout(io::stderr());
        let begun = Instant::now();
        let ended = command.status();
        self.spent += begun.elapsed();
        match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => {
                let program = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Err(BuildError::Tool { program })
            }
            Err(error) => Err(BuildError::Run { program, error }),
        }
    }
}

/// Creates the folder for intermediate files, if it does not exist.
pub(super) fn scratch(dir: &Path) -> Result<PathBuf, BuildError> {
    let scratch = dir.join(SCRATCH);
    fs::create_dir_all(&scratch).map_err(|error| BuildError::File { path: scratch.clone(), error })?;
    Ok(scratch)
}

/// Reads a text file.
pub(super) fn read_text(path: &Path) -> Result<String, BuildError> {
    fs::read_to_string(path).map_err(|error| BuildError::File { path: path.to_owned(), error })
}

/// Reads a file.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, BuildError> {
    fs::read(path).map_err(|error| BuildError::File { path: path.to_owned(), error })
}

//! Components on disk: a directory for each logic, in which each component is stored under its digest.
//!
//! The rollout states are records, see [`StateStore`](super::StateStore). `state.damaged` says that a damaged state was
//! replaced. While it is there, no component is removed, because the damaged state may have named components that no
//! other state knows.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use super::digest::Digest;
use crate::files::{self, Durability};
use crate::list::digest::{digest_of, hex};
use crate::list::name::LogicName;

/// The directory of all logics, within a data directory.
pub const LOGIC_DIRECTORY: &str = "logic";

/// The file that says that a damaged state was replaced.
pub const DAMAGED_FILE: &str = "state.damaged";

/// The directory in which the components of all logics are stored.
pub struct ArtifactStore(PathBuf);

impl ArtifactStore {
    /// Opens a directory, and creates it if it is not there.
    pub fn open(directory: PathBuf) -> io::Result<Self> {
        files::create_private_directory(&directory)?;
        Ok(Self(directory))
    }

    /// The logics that have a directory with a file for which `is_wanted` holds, by name.
    pub(super) fn names_with(&self, is_wanted: impl Fn(&str) -> bool) -> io::Result<Vec<LogicName>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let name = entry.file_name().to_str().and_then(|name| LogicName::new(name).ok());
            let Some(name) = name.filter(|_| entry.path().is_dir()) else { continue };
            let mut files = fs::read_dir(entry.path())?.filter_map(Result::ok);
            if files.any(|file| file.file_name().to_str().is_some_and(&is_wanted)) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The logics of which a damaged state was replaced.
    pub(super) fn damaged_names(&self) -> io::Result<Vec<LogicName>> {
        self.names_with(|file| file == DAMAGED_FILE)
    }

    /// The file that says that a damaged state was replaced, if there is one.
    pub fn damaged_file(&self, name: &LogicName) -> Option<PathBuf> {
        Some(self.directory(name).join(DAMAGED_FILE)).filter(|path| path.exists())
    }

    /// Notes durably that a damaged state is about to be replaced.
    pub(super) fn note_damage(&self, name: &LogicName) -> io::Result<()> {
        if self.damaged_file(name).is_some() {
            return Ok(());
        }
        let text = "The rollout state of this logic was damaged, and was replaced. The damaged row is in the table \
            damaged_records of hotlist.db.\nNo component of this logic is deleted until you remove this file.\n";
        self.make_directory(name)?;
        files::replace(&self.directory(name).join(DAMAGED_FILE), text.as_bytes(), Durability::PowerLoss)
    }

    /// Removes the components that are not in `known`. One that is left over is no error.
    pub(super) fn remove_all_but(&self, name: &LogicName, known: &[Digest]) {
        if self.damaged_file(name).is_some() {
            return;
        }
        if let Err(error) = self.try_remove_all_but(name, known) {
            tracing::warn!(logic = %name, %error, "cannot remove components that are not in use");
        }
    }

    /// Stores a component under its digest, as a whole or not at all.
    pub(crate) fn store(
        &self,
        name: &LogicName,
        digest: &Digest,
        bytes: &[u8],
        durability: Durability,
    ) -> io::Result<()> {
        if self.component(name, digest).is_ok() {
            return Ok(());
        }
        self.make_directory(name)?;
        files::replace(&self.directory(name).join(file_name(digest)), bytes, durability)
    }

    /// The component of a digest, if it is stored and undamaged.
    pub fn component(&self, name: &LogicName, digest: &Digest) -> io::Result<Vec<u8>> {
        let path = self.directory(name).join(file_name(digest));
        let bytes =
            fs::read(&path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        match digest_of(&bytes) == *digest {
            true => Ok(bytes),
            false => Err(io::Error::new(ErrorKind::InvalidData, format!("{} is damaged", path.display()))),
        }
    }

    fn try_remove_all_but(&self, name: &LogicName, known: &[Digest]) -> io::Result<()> {
        let known: Vec<_> = known.iter().map(file_name).collect();
        let entries = match fs::read_dir(self.directory(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
            let is_component = file.ends_with(".wasm") || file.ends_with(".tmp");
            if is_component && !known.iter().any(|known| known == file) {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    fn make_directory(&self, name: &LogicName) -> io::Result<()> {
        let directory = self.directory(name);
        if directory.is_dir() {
            return Ok(());
        }
        files::create_private_directory(&directory)?;
        files::sync(&self.0)
    }

    pub(super) fn directory(&self, name: &LogicName) -> PathBuf {
        self.0.join(name.as_str())
    }
}

/// The name of a component's file.
pub fn file_name(digest: &Digest) -> String {
    format!("{}.wasm", hex(digest))
}

#[cfg(test)]
mod tests;

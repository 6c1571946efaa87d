//! Components and rollout states on disk: a directory for each logic. In it, each component is stored under its digest,
//! and `standing.json` holds the rollout state.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use super::digest::{Digest, digest_of};
use super::state::RolloutState;
use crate::files::{self, Durability};
use crate::list::digest::hex;
use crate::list::name::LogicName;

/// The file that holds the rollout state of a logic.
pub const STATE_FILE: &str = "standing.json";

/// The directory in which logics are stored.
pub struct ArtifactStore(PathBuf);

impl ArtifactStore {
    /// Opens a directory, and creates it if it is not there.
    pub fn open(directory: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        Ok(Self(directory))
    }

    /// The stored logics, by name.
    pub fn names(&self) -> io::Result<Vec<LogicName>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let name = entry.file_name().to_str().and_then(|name| LogicName::new(name).ok());
            if let Some(name) = name.filter(|_| entry.path().is_dir())
                && entry.path().join(STATE_FILE).try_exists()?
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The stored state of a logic, or `None` if it was never written.
    pub fn state(&self, name: &LogicName) -> io::Result<Option<RolloutState>> {
        let bytes = match fs::read(self.directory(name).join(STATE_FILE)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(io::Error::from)
    }

    /// Writes the state of a logic. The state survives a power loss when this returns. Removes the components that the
    /// state does not know any more afterwards.
    pub fn write(&self, name: &LogicName, state: &RolloutState) -> io::Result<()> {
        let write = || {
            let mut bytes = serde_json::to_vec_pretty(state)?;
            bytes.push(b'\n');
            self.make_directory(name)?;
            files::replace(&self.directory(name).join(STATE_FILE), &bytes, Durability::PowerLoss)
        };
        write().inspect_err(|error| tracing::error!(logic = %name, %error, "cannot write the state of a rollout"))?;
        // The state is written, so a component that is left over is no error.
        if let Err(error) = self.remove_unknown(name, state) {
            tracing::warn!(logic = %name, %error, "cannot remove components that are not in use");
        }
        Ok(())
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

    /// Removes components that the state has no record of.
    fn remove_unknown(&self, name: &LogicName, state: &RolloutState) -> io::Result<()> {
        let known: Vec<_> = state.versions.iter().map(|record| file_name(&record.digest)).collect();
        for entry in fs::read_dir(self.directory(name))? {
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
        fs::create_dir_all(directory)?;
        File::open(&self.0)?.sync_all()
    }

    fn directory(&self, name: &LogicName) -> PathBuf {
        self.0.join(name.as_str())
    }
}

fn file_name(digest: &Digest) -> String {
    format!("{}.wasm", hex(digest))
}

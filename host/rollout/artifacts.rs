//! Components and rollout states on disk: a directory for each logic. In it, each component is stored under its digest.
//!
//! `standing.json` holds the rollout state, and `standing.json.previous` the state before its last change. Both have a
//! [seal](super::sealed). A damaged state is replaced by the previous one. `standing.json.damaged` is a damaged state
//! that was overwritten. While it is there, no component is removed, because it may name components that the
//! present state does not know.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::PathBuf;

use super::digest::Digest;
use super::sealed;
use super::state::RolloutState;
use crate::files::{self, Durability};
use crate::list::digest::{digest_of, hex};
use crate::list::name::LogicName;

/// The directory of all logics, within a data directory.
pub const LOGIC_DIRECTORY: &str = "logic";

/// The file that holds the rollout state of a logic.
pub const STATE_FILE: &str = "standing.json";

/// The file that holds the state before the last change.
const PREVIOUS_FILE: &str = "standing.json.previous";

/// The file that holds a damaged state that was overwritten.
const DAMAGED_FILE: &str = "standing.json.damaged";

/// The most bytes of a state.
const MAX_STATE_BYTES: u64 = 16 << 20;

/// A rollout state that was read from disk.
#[derive(Clone, PartialEq, Debug)]
pub struct StoredState {
    /// The state.
    pub state: RolloutState,
    /// Why the newest state cannot be used, if this is the one before it.
    pub damage: Option<String>,
}

/// What a file of a state holds.
enum StateFile {
    Absent,
    Sound(RolloutState, Vec<u8>),
    Damaged(String),
}

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
                && self.has_state(&name)?
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn has_state(&self, name: &LogicName) -> io::Result<bool> {
        let exists = |file: &str| self.directory(name).join(file).try_exists();
        Ok(exists(STATE_FILE)? || exists(PREVIOUS_FILE)? || exists(DAMAGED_FILE)?)
    }

    /// The stored state of a logic, or `None` if it was never written. If the newest state is damaged, the one before it.
    ///
    /// # Errors
    ///
    /// A text for people when neither can be read.
    pub fn state(&self, name: &LogicName) -> Result<Option<StoredState>, String> {
        let damage = match self.read(name, STATE_FILE) {
            StateFile::Sound(state, _) => return Ok(Some(StoredState { state, damage: None })),
            StateFile::Damaged(why) => Some(why),
            StateFile::Absent => None,
        };
        match (self.read(name, PREVIOUS_FILE), damage) {
            (StateFile::Absent, None) => match self.damaged_file(name) {
                Some(file) => Err(format!("{STATE_FILE} is gone, and {} is damaged", file.display())),
                None => Ok(None),
            },
            (StateFile::Absent, Some(why)) => Err(format!("{why}; there is no previous state")),
            (StateFile::Sound(state, _), damage) => {
                let damage = damage.unwrap_or_else(|| format!("{STATE_FILE} is gone"));
                Ok(Some(StoredState { state, damage: Some(damage) }))
            }
            (StateFile::Damaged(also), Some(why)) => Err(format!("{why}; the previous state: {also}")),
            (StateFile::Damaged(why), None) => Err(format!("{STATE_FILE} is gone; the previous state: {why}")),
        }
    }

    /// The file of a damaged state that was overwritten, if there is one.
    pub fn damaged_file(&self, name: &LogicName) -> Option<PathBuf> {
        Some(self.directory(name).join(DAMAGED_FILE)).filter(|path| path.exists())
    }

    fn read(&self, name: &LogicName, file: &str) -> StateFile {
        let path = self.directory(name).join(file);
        let mut bytes = Vec::new();
        match File::open(&path).and_then(|file| file.take(MAX_STATE_BYTES).read_to_end(&mut bytes)) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return StateFile::Absent,
            Err(error) => return StateFile::Damaged(format!("cannot read {}: {error}", path.display())),
        }
        match sealed::decode(&bytes) {
            Ok(state) => StateFile::Sound(state, bytes),
            Err(error) => StateFile::Damaged(format!("cannot read {}: {error}", path.display())),
        }
    }

    /// Writes the state of a logic. The state survives a power loss when this returns. Components stay until
    /// [`ArtifactStore::remove_unknown`].
    pub fn write(&self, name: &LogicName, state: &RolloutState) -> io::Result<()> {
        let write = || {
            let bytes = sealed::encode(state)?;
            if bytes.len() as u64 > MAX_STATE_BYTES {
                let text = format!("it has {} bytes, the limit is {MAX_STATE_BYTES}", bytes.len());
                return Err(io::Error::new(ErrorKind::FileTooLarge, text));
            }
            self.make_directory(name)?;
            self.keep_previous(name, &bytes)?;
            files::replace(&self.directory(name).join(STATE_FILE), &bytes, Durability::PowerLoss)
        };
        write().inspect_err(|error| tracing::error!(logic = %name, %error, "cannot write the state of a rollout"))
    }

    /// Removes the components that neither a written state in effect nor the state before it has a record of. One that
    /// is left over is no error.
    pub fn remove_unknown(&self, name: &LogicName, state: &RolloutState) {
        if let Err(error) = self.try_remove_unknown(name, state) {
            tracing::warn!(logic = %name, %error, "cannot remove components that are not in use");
        }
    }

    /// Keeps the state that is about to be replaced: as the previous one if it is sound, and else as a damaged one beside
    /// the previous one. The file itself stays until it is replaced, so that the logic is not absent after a crash.
    fn keep_previous(&self, name: &LogicName, next: &[u8]) -> io::Result<()> {
        let directory = self.directory(name);
        match self.read(name, STATE_FILE) {
            StateFile::Absent => Ok(()),
            // The same state is written again after an error. The previous state is the one before it.
            StateFile::Sound(_, bytes) if bytes == next => Ok(()),
            StateFile::Sound(_, bytes) => files::replace(&directory.join(PREVIOUS_FILE), &bytes, Durability::PowerLoss),
            StateFile::Damaged(_) => {
                let (state, kept) = (directory.join(STATE_FILE), directory.join(DAMAGED_FILE));
                // An error of the removal is one of the link, too. Not everything at that path can have two names.
                let _ = fs::remove_file(&kept);
                fs::hard_link(&state, &kept).or_else(|_| fs::rename(&state, &kept))
            }
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

    fn try_remove_unknown(&self, name: &LogicName, state: &RolloutState) -> io::Result<()> {
        let previous = match self.read(name, PREVIOUS_FILE) {
            _ if self.damaged_file(name).is_some() => return Ok(()),
            StateFile::Sound(previous, _) => previous.versions,
            StateFile::Absent | StateFile::Damaged(_) => Vec::new(),
        };
        let records = state.versions.iter().chain(&previous);
        let known: Vec<_> = records.map(|record| file_name(&record.digest)).collect();
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

#[cfg(test)]
mod tests;

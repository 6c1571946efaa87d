//! Import of rollout states from the files of earlier versions, once, into the records of the store.
//!
//! `standing.json` holds the state, and `standing.json.previous` the state before its last change. A directory in which the
//! import was interrupted still has the files, and is imported again: the files are removed last, and nothing but the import
//! changes the records before that.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use super::artifacts::{ArtifactStore, DAMAGED_FILE};
use super::sealed;
use super::state::RolloutState;
use super::state_store::{StateError, StateStore};
use super::states::{StoredState, decode_state, encode_state};
use crate::failpoint;
use crate::files::{self, Durability};
use crate::list::name::LogicName;

/// The file that holds the state.
const STATE_FILE: &str = "standing.json";

/// The file that holds the state before the last change.
const PREVIOUS_FILE: &str = "standing.json.previous";

/// The file that holds a damaged state that was overwritten.
const OVERWRITTEN_FILE: &str = "standing.json.damaged";

/// What a damaged previous state is kept as, if the state is damaged, too.
const DAMAGED_PREVIOUS_FILE: &str = "state.previous.damaged";

/// A damaged state that an earlier version kept, beside another one that is damaged too.
const DAMAGED_BEFORE_FILE: &str = "state.before.damaged";

/// The most bytes of a file.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// What a file of a state holds.
enum StateFile {
    Absent,
    Sound(RolloutState),
    Damaged(String),
}

/// The state files of one logic.
pub struct StateFiles {
    present: StateFile,
    previous: StateFile,
}

/// Whether a directory of a logic has state files of an earlier version.
pub fn has_state_files(directory: &Path) -> bool {
    [STATE_FILE, PREVIOUS_FILE, OVERWRITTEN_FILE].iter().any(|file| directory.join(file).exists())
}

impl StateFiles {
    /// Reads the state files in the directory of a logic.
    ///
    /// # Errors
    ///
    /// When a file cannot be read. That is no damage.
    pub fn read(directory: &Path) -> io::Result<Self> {
        Ok(Self { present: read(&directory.join(STATE_FILE))?, previous: read(&directory.join(PREVIOUS_FILE))? })
    }

    /// The state. If it is damaged, the one before it.
    ///
    /// # Errors
    ///
    /// A text for people when neither can be read.
    pub fn state(self) -> Result<Option<StoredState>, String> {
        let damage = match self.present {
            StateFile::Sound(state) => return Ok(Some(StoredState { state, damage: None })),
            StateFile::Damaged(why) => Some(why),
            StateFile::Absent => None,
        };
        match (self.previous, damage) {
            (StateFile::Absent, None) => Ok(None),
            (StateFile::Absent, Some(why)) => Err(format!("{why}; there is no previous state")),
            (StateFile::Sound(state), damage) => {
                let damage = damage.unwrap_or_else(|| format!("{STATE_FILE} is gone"));
                Ok(Some(StoredState { state, damage: Some(damage) }))
            }
            (StateFile::Damaged(also), Some(why)) => Err(format!("{why}; the previous state: {also}")),
            (StateFile::Damaged(why), None) => Err(format!("{STATE_FILE} is gone; the previous state: {why}")),
        }
    }

    /// The states to write, in their order.
    fn sound(&self) -> Vec<&RolloutState> {
        [&self.previous, &self.present].into_iter().filter_map(|file| file.sound()).collect()
    }
}

impl StateFile {
    fn sound(&self) -> Option<&RolloutState> {
        match self {
            Self::Sound(state) => Some(state),
            Self::Absent | Self::Damaged(_) => None,
        }
    }
}

/// The logics that have state files of an earlier version.
pub(super) fn names(artifacts: &ArtifactStore) -> io::Result<Vec<LogicName>> {
    artifacts.names_with(|file| [STATE_FILE, PREVIOUS_FILE, OVERWRITTEN_FILE].contains(&file))
}

/// Imports the state of a logic, and removes its files. Damaged files are kept under other names. Returns why the newest
/// state could not be used, if it could not.
///
/// # Errors
///
/// A text for people. The files are there then, and the next start imports them.
pub(super) fn import(
    artifacts: &ArtifactStore,
    store: &dyn StateStore,
    name: &LogicName,
) -> Result<Option<String>, String> {
    let directory = artifacts.directory(name);
    let failed = |error: &dyn std::fmt::Display| {
        format!("cannot import the rollout state of {name} from {}: {error}", directory.display())
    };
    let files = StateFiles::read(&directory).map_err(|error| failed(&error))?;
    write(store, name, &files.sound()).map_err(|error| failed(&error))?;
    failpoint::point("state-imported");
    set_aside(&directory, &files).map_err(|error| failed(&error))?;
    let damage = match files.state() {
        Ok(stored) => stored.and_then(|stored| stored.damage),
        Err(why) => Some(why),
    };
    tracing::info!(logic = %name, damage, "imported the rollout state of a logic from its files");
    Ok(damage)
}

/// Writes the states one after the other, so that each becomes the previous one of the next.
fn write(store: &dyn StateStore, name: &LogicName, states: &[&RolloutState]) -> Result<(), StateError> {
    let Some(newest) = states.last() else { return Ok(()) };
    let mut revision = match store.present(name) {
        Ok(Some(value)) if decode_state(&value.bytes).as_ref() == Ok(*newest) => return Ok(()),
        Ok(value) => value.map(|value| value.revision),
        Err(StateError::Damaged { revision, .. }) => revision,
        Err(error) => return Err(error),
    };
    for (at, state) in states.iter().enumerate() {
        revision = Some(store.write(name, encode_state(state)?, revision, at > 0)?);
        failpoint::point("state-partly-imported");
    }
    Ok(())
}

/// Removes the sound files, the previous state first: without it, the other one is imported again as it is.
fn set_aside(directory: &Path, files: &StateFiles) -> io::Result<()> {
    let (state, previous) = (directory.join(STATE_FILE), directory.join(PREVIOUS_FILE));
    match (&files.present, &files.previous) {
        // The next start must not take the logic for an absent one.
        (StateFile::Absent, StateFile::Damaged(why)) => note_damage(directory, why)?,
        // The state that is gone may have named components that the previous one does not know.
        (StateFile::Absent, StateFile::Sound(_)) => {
            note_damage(directory, &format!("{STATE_FILE} was gone\n"))?;
        }
        _ => {}
    }
    match (&files.previous, &files.present) {
        (StateFile::Absent, _) => {}
        (StateFile::Damaged(_), StateFile::Damaged(_) | StateFile::Absent) => {
            fs::rename(&previous, directory.join(DAMAGED_PREVIOUS_FILE))?;
        }
        _ => remove(&previous)?,
    }
    // After a power failure, the previous state must not be there without the other one.
    files::sync(directory)?;
    if directory.join(OVERWRITTEN_FILE).exists() {
        let kept = if matches!(files.present, StateFile::Damaged(_)) { DAMAGED_BEFORE_FILE } else { DAMAGED_FILE };
        fs::rename(directory.join(OVERWRITTEN_FILE), directory.join(kept))?;
    }
    match &files.present {
        StateFile::Damaged(_) => fs::rename(&state, directory.join(DAMAGED_FILE))?,
        StateFile::Sound(_) => remove(&state)?,
        StateFile::Absent => {}
    }
    files::sync(directory)
}

/// Writes the file that says that a state was damaged.
fn note_damage(directory: &Path, why: &str) -> io::Result<()> {
    files::replace(&directory.join(DAMAGED_FILE), why.as_bytes(), Durability::PowerLoss)
}

/// Removes what is at a path, which may be a directory.
fn remove(path: &Path) -> io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

fn read(path: &Path) -> io::Result<StateFile> {
    if path.is_dir() {
        return Ok(StateFile::Damaged(format!("cannot read {}: it is a directory", path.display())));
    }
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(StateFile::Absent),
        Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    }
    Ok(match sealed::decode(&bytes) {
        Ok(state) => StateFile::Sound(state),
        Err(error) => StateFile::Damaged(format!("cannot read {}: {error}", path.display())),
    })
}

#[cfg(test)]
mod tests;

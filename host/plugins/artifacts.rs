//! Components and standings on disk: a directory for each logic, in it every version's component under its
//! digest, and `state.json`, which says what each of them is.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::files::{self, Durability};
use crate::list::digest::hex;
use crate::list::name::LogicName;
use crate::rollout::{Digest, Record, RolloutState};
use crate::wasm;

/// The file that says how a logic stands.
pub(super) const STANDING: &str = "standing.json";

/// The directory in which logics are kept.
pub(super) struct ArtifactStore(PathBuf);

impl ArtifactStore {
    /// The directory of a server's data, made if need be.
    pub(super) fn open(directory: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        Ok(Self(directory))
    }

    /// The logics that are kept, by name.
    pub(super) fn names(&self) -> io::Result<Vec<LogicName>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let name = entry.file_name().to_str().and_then(|name| LogicName::new(name).ok());
            if let Some(name) = name.filter(|_| entry.path().is_dir())
                && entry.path().join(STANDING).try_exists()?
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// How a logic stood when that was last written; nothing if it never was.
    pub(super) fn state(&self, name: &LogicName) -> io::Result<Option<Record>> {
        let bytes = match fs::read(self.directory(name).join(STANDING)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(io::Error::from)
    }

    /// Writes how a logic stands: when this returns, that is there after a power loss. Components that are
    /// no longer known go afterwards.
    pub(super) fn write(&self, name: &LogicName, state: &RolloutState) -> io::Result<()> {
        let record = state.record();
        let mut bytes = serde_json::to_vec_pretty(&record)?;
        bytes.push(b'\n');
        self.make_directory(name)?;
        replace(&self.directory(name), STANDING, &bytes, Durably::Yes)?;
        // The standing is written: what is left over is no reason to say otherwise.
        if let Err(error) = self.sweep(name, &record) {
            tracing::warn!(logic = %name, %error, "components that nobody needs could not be removed");
        }
        Ok(())
    }

    /// Keeps a component under its digest: as a whole, or not at all. One that is part of the program does
    /// not have to be durable, for a damaged one is noticed and made anew.
    pub(super) fn keep(&self, name: &LogicName, digest: &Digest, bytes: &[u8], durably: Durably) -> io::Result<()> {
        if self.component(name, digest).is_ok() {
            return Ok(());
        }
        self.make_directory(name)?;
        replace(&self.directory(name), &file_name(digest), bytes, durably)
    }

    /// The component of a digest, if it is there and whole.
    pub(super) fn component(&self, name: &LogicName, digest: &Digest) -> io::Result<Vec<u8>> {
        let path = self.directory(name).join(file_name(digest));
        let bytes =
            fs::read(&path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        match wasm::digest(&bytes) == *digest {
            true => Ok(bytes),
            false => Err(io::Error::new(ErrorKind::InvalidData, format!("{} is damaged", path.display()))),
        }
    }

    /// Removes components that no record knows any more.
    fn sweep(&self, name: &LogicName, record: &Record) -> io::Result<()> {
        let known: Vec<_> = record.versions.iter().map(|known| file_name(&known.digest)).collect();
        for entry in fs::read_dir(self.directory(name))? {
            let path = entry?.path();
            let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
            let ours = file.ends_with(".wasm") || file.ends_with(".tmp");
            if ours && !known.iter().any(|known| known == file) {
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

/// Whether something is to be there after a power loss.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Durably {
    Yes,
    No,
}

fn file_name(digest: &Digest) -> String {
    format!("{}.wasm", hex(digest))
}

/// Replaces a file as a whole.
fn replace(directory: &Path, name: &str, bytes: &[u8], durably: Durably) -> io::Result<()> {
    let durability = if durably == Durably::Yes { Durability::PowerLoss } else { Durability::Crash };
    files::replace(&directory.join(name), bytes, durability)
}

/// The `NAME.wasm` files of a directory whose stem is a logic's name, sorted by name.
pub(super) fn components(directory: &Path) -> io::Result<Vec<(LogicName, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm")
            && let Some(name) = path.file_stem().and_then(|stem| LogicName::new(stem.to_str()?).ok())
        {
            found.push((name, path));
        }
    }
    found.sort();
    Ok(found)
}

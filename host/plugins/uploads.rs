//! Uploaded components on disk: one file each, replaced as a whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::list::name::LogicName;

/// The directory in which uploads are kept.
pub(super) struct Uploads(PathBuf);

impl Uploads {
    pub(super) fn open(directory: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        Ok(Self(directory))
    }

    /// The files of the uploads there are.
    pub(super) fn all(&self) -> io::Result<Vec<(LogicName, PathBuf)>> {
        components(&self.0)
    }

    /// Keeps a component: when this returns, it is there after a power loss, as a whole.
    pub(super) fn keep(&self, name: &LogicName, bytes: &[u8]) -> io::Result<()> {
        let unfinished = self.0.join(format!("{name}.tmp"));
        let mut file = File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, self.0.join(format!("{name}.wasm")))?;
        File::open(&self.0)?.sync_all()
    }
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

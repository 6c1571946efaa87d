//! Atomic replacement of files.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// What a replacement survives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Durability {
    /// A crash of the process.
    Crash,
    /// A power failure: the file and its folder are synced to disk.
    PowerLoss,
}

/// Replaces a file atomically: a reader sees the old content or the new, never a part. Creates the folder of the file
/// if it does not exist. After an error the file has the old content, or the new one if only syncing the folder failed.
///
/// The new content is written to a file beside the old one first, whose name ends with `.tmp`.
pub(crate) fn replace(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // Another process may replace the same file.
    let mut name = OsString::from(format!("{}.", std::process::id()));
    name.push(path.file_name().unwrap_or_default());
    name.push(".tmp");
    let unfinished = folder.join(name);
    let replaced = write(&unfinished, bytes, durability).and_then(|()| fs::rename(&unfinished, path));
    if replaced.is_err() {
        let _ = fs::remove_file(&unfinished); // The first error is the one to report.
    }
    replaced?;
    match durability {
        Durability::Crash => Ok(()),
        Durability::PowerLoss => sync(folder),
    }
}

/// Makes the content of a file durable, or the entries of a folder.
pub(crate) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn write(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    match durability {
        Durability::Crash => Ok(()),
        Durability::PowerLoss => file.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("new/file.wasm");
        for (durability, bytes) in [(Durability::Crash, b"old"), (Durability::PowerLoss, b"new")] {
            replace(&file, bytes, durability).expect("it is replaced");
            assert_eq!(fs::read(&file).expect("it is there"), bytes);
        }
        assert_eq!(fs::read_dir(file.parent().expect("a folder")).expect("a folder").count(), 1);
    }

    #[test]
    fn after_an_error_nothing_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let taken = folder.path().join("taken");
        fs::create_dir_all(taken.join("inside")).expect("made");
        replace(&taken, b"new", Durability::Crash).expect_err("a folder cannot be replaced by a file");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }
}

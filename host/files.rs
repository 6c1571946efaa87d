//! Files that only the user of this process can read, and atomic replacement of files.
//!
//! Data of users is private by the permissions that this program sets. The mask of the process can take more away, and a
//! wide mask gives nothing to others.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The permissions of a directory with data.
const PRIVATE_DIRECTORY: u32 = 0o700;

/// The permissions of a file with data.
const PRIVATE_FILE: u32 = 0o600;

/// The permissions of a file that others may read, before the mask of the process.
const SHARED_FILE: u32 = 0o666;

/// The permissions that are not the owner's.
const OF_OTHERS: u32 = 0o077;

/// How deep directories of data are nested at most.
const MAX_DEPTH: usize = 16;

/// What a replacement survives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Durability {
    /// A crash of the process.
    Crash,
    /// A power failure: the file and its folder are synced to disk.
    PowerLoss,
}

/// Creates a directory that only the user of this process can use, and those above it that are missing. One that is there
/// keeps its permissions.
pub(crate) fn create_private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(PRIVATE_DIRECTORY).create(path)
}

/// Options that open a file to write. A file that they create is private.
pub(crate) fn private_file() -> OpenOptions {
    OpenOptions::new().write(true).mode(PRIVATE_FILE).to_owned()
}

/// Creates a private file without content, unless there is a file. For libraries that create files with wider permissions.
pub(crate) fn create_private_file(path: &Path) -> io::Result<()> {
    private_file().create(true).truncate(false).open(path).map(drop)
}

/// Takes the permissions of other users from a directory, from what is in it under a name that is `own`, and from all that is
/// in there. Returns whether the directory itself had some. Links are not followed.
///
/// # Errors
///
/// A directory cannot be read, or a file belongs to another user.
pub(crate) fn make_private(directory: &Path, own: impl Fn(&OsStr) -> bool) -> io::Result<bool> {
    // First, so that others cannot exchange what is in the directory meanwhile.
    let had_others = narrow(directory)?;
    make_content_private(directory, MAX_DEPTH, &own)?;
    Ok(had_others)
}

fn make_content_private(directory: &Path, depth: usize, own: &dyn Fn(&OsStr) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if !own(&entry.file_name()) {
            continue;
        }
        let path = entry.path();
        match narrow(&path) {
            Ok(_) => {}
            // Another thread or program removed it.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
        }
        if depth > 0 && fs::symlink_metadata(&path).is_ok_and(|file| file.is_dir()) {
            make_content_private(&path, depth - 1, &|_| true)?;
        }
    }
    Ok(())
}

/// Takes the permissions of other users from a file or directory. Returns whether they had some.
fn narrow(path: &Path) -> io::Result<bool> {
    let file = fs::symlink_metadata(path)?;
    let mode = file.permissions().mode();
    if file.is_symlink() || mode & OF_OTHERS == 0 {
        return Ok(false);
    }
    fs::set_permissions(path, Permissions::from_mode(mode & !OF_OTHERS))?;
    Ok(true)
}

/// Replaces a private file atomically: a reader sees the old content or the new, never a part. Creates the folder of the
/// file if it does not exist. After an error the file has the old content, or the new one if only syncing the folder
/// failed.
///
/// The new content is written to a file beside the old one first, whose name ends with `.tmp`.
pub(crate) fn replace(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    create_private_directory(folder(path))?;
    replace_in_folder(path, bytes, durability, PRIVATE_FILE)
}

/// Like [`replace`], for a file that other users may read as far as the mask of the process lets them.
pub(crate) fn replace_shared(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    fs::create_dir_all(folder(path))?;
    replace_in_folder(path, bytes, durability, SHARED_FILE)
}

fn replace_in_folder(path: &Path, bytes: &[u8], durability: Durability, mode: u32) -> io::Result<()> {
    // Another process may replace the same file.
    let mut name = OsString::from(format!("{}.", std::process::id()));
    name.push(path.file_name().unwrap_or_default());
    name.push(".tmp");
    let unfinished = folder(path).join(name);
    let replaced = write(&unfinished, bytes, durability, mode).and_then(|()| fs::rename(&unfinished, path));
    if replaced.is_err() {
        let _ = fs::remove_file(&unfinished); // The first error is the one to report.
    }
    replaced?;
    match durability {
        Durability::Crash => Ok(()),
        Durability::PowerLoss => sync(folder(path)),
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the content of a file durable, or the entries of a folder.
pub(crate) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn write(path: &Path, bytes: &[u8], durability: Durability, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
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

    /// The permissions of a file.
    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_private_is_of_no_use_to_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let (data, outside) = (folder.path().join("above/data"), folder.path().join("outside"));
        create_private_directory(&data).expect("created");
        assert_eq!((mode(&data), mode(data.parent().expect("a folder"))), (0o700, 0o700));
        replace(&data.join("file"), b"x", Durability::Crash).expect("written");
        create_private_file(&data.join("empty")).expect("created");
        assert_eq!((mode(&data.join("file")), mode(&data.join("empty"))), (0o600, 0o600));
        assert!(!make_private(&data, |_| true).expect("narrowed"));

        fs::create_dir(data.join("inner")).expect("made");
        for file in [&outside, &data.join("inner/wide"), &data.join("foreign")] {
            fs::write(file, "x").expect("written");
            fs::set_permissions(file, Permissions::from_mode(0o664)).expect("widened");
        }
        std::os::unix::fs::symlink(&outside, data.join("link")).expect("linked");
        fs::set_permissions(&data, Permissions::from_mode(0o775)).expect("widened");
        assert!(make_private(&data, |name| name != "foreign").expect("narrowed"));
        assert_eq!((mode(&data), mode(&data.join("inner")), mode(&data.join("inner/wide"))), (0o700, 0o700, 0o600));
        assert_eq!(mode(&outside), 0o664, "links are not followed");
        assert_eq!(mode(&data.join("foreign")), 0o664, "other names are left alone");
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

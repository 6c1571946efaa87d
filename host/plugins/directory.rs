//! The check of who may write in the plugins directory: a component there becomes live without a question.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::StatVfsMountFlags;

/// The bits of a mode with which the group, and everyone, may write.
const WRITABLE: [(u32, &str); 2] = [(0o020, "its group"), (0o002, "everyone")];

/// Fails if another user may write in a directory, unless nothing can be written there at all. A sticky bit does not help:
/// others cannot replace files then, but still add one with the name of a logic.
///
/// # Errors
///
/// A text for people.
pub(super) fn check(directory: &Path) -> Result<(), String> {
    let metadata = fs::metadata(directory).map_err(|error| error.to_string())?;
    let mount = rustix::fs::statvfs(directory).map_err(|error| error.to_string())?;
    if mount.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Ok(());
    }
    check_mode(metadata.mode(), metadata.uid(), rustix::process::geteuid().as_raw())
}

fn check_mode(mode: u32, owner: u32, user: u32) -> Result<(), String> {
    if owner != user && owner != 0 {
        return Err(format!(
            "user {owner} owns it, and the server runs as user {user}; give it to the server's user or to root"
        ));
    }
    match WRITABLE.iter().find(|(bit, _)| mode & bit != 0) {
        Some((_, others)) => Err(format!("{others} may write in it (mode {:04o}); chmod go-w", mode & 0o7777)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_user_of_the_server_and_root_may_write_in_the_directory() {
        for mode in [0o40755, 0o40700, 0o41755] {
            assert_eq!([check_mode(mode, 7, 7), check_mode(mode, 0, 7)], [Ok(()), Ok(())], "{mode:o}");
            assert!(check_mode(mode, 8, 7).is_err_and(|why| why.contains("user 8 owns it")), "{mode:o}");
            assert!(check_mode(mode, 8, 0).is_err());
        }
        for (mode, others) in
            [(0o40775, "its group"), (0o40777, "its group"), (0o42757, "everyone"), (0o41777, "its group")]
        {
            assert!(check_mode(mode, 7, 7).is_err_and(|why| why.contains(others)), "{mode:o}");
        }
    }
}

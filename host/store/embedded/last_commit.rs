//! The number of the last acknowledged commit, in a file beside the database.
//!
//! A write-ahead log that ends early looks like a whole one that is shorter. The number tells the two apart at the next
//! start. It is written once a second and on closing, because a write with each batch would double the cost of a commit.
//! What was acknowledged after the last writing of the number is not covered.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::files::{self, Durability};

/// The file in the data directory: the number and its checksum, as text.
pub(super) const FILE: &str = "last-commit";

/// Reads the number, or `None` if the file is absent. The inner error is the damage.
pub(super) fn read(dir: &Path) -> io::Result<Result<Option<u64>, String>> {
    match fs::read(path(dir)) {
        Ok(bytes) => Ok(parse(&bytes).map(Some).ok_or_else(|| format!("{} is damaged", path(dir).display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Ok(None)),
        Err(error) => Err(error),
    }
}

/// Why a database whose last commit is `last` does not hold everything that was acknowledged, if that is known.
pub(super) fn lacks(acknowledged: io::Result<Result<Option<u64>, String>>, last: u64) -> Option<String> {
    match acknowledged {
        Err(error) => Some(format!("{FILE} cannot be read: {error}")),
        Ok(Err(damage)) => Some(damage),
        Ok(Ok(acknowledged)) => {
            let missing = acknowledged?.checked_sub(last).filter(|missing| *missing > 0)?;
            Some(format!(
                "the log ends at commit {last}, so at least {missing} acknowledged commits are missing; \
                 its write-ahead log was damaged, cut or removed"
            ))
        }
    }
}

/// Replaces the number, durably.
pub(super) fn write(dir: &Path, number: u64) -> io::Result<()> {
    files::replace(&path(dir), text(number).as_bytes(), Durability::PowerLoss)
}

fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

fn text(number: u64) -> String {
    let digits = number.to_string();
    format!("{digits} {:08x}\n", crc32fast::hash(digits.as_bytes()))
}

fn parse(bytes: &[u8]) -> Option<u64> {
    let written = std::str::from_utf8(bytes).ok()?;
    let number = written.split(' ').next()?.parse().ok()?;
    (written == text(number)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_as_it_was_written_and_damage_is_no_number() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), Ok(None));
        for number in [0, 7, u64::MAX] {
            write(dir.path(), number).unwrap();
            assert_eq!(read(dir.path()).unwrap(), Ok(Some(number)));
        }
        let sound = text(1_234).into_bytes();
        for at in 0..sound.len() {
            let mut damaged = sound.clone();
            damaged[at] ^= 1;
            fs::write(path(dir.path()), damaged).unwrap();
            assert!(read(dir.path()).unwrap().is_err(), "byte {at}");
            fs::write(path(dir.path()), &sound[..at]).unwrap();
            assert!(read(dir.path()).unwrap().is_err(), "cut at {at}");
        }
    }
}
